"""Rows and files with sensible values, so that a test says only what matters to it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import create_engine, make_url
from sqlmodel import Session

import db.tables as t
from auth.passwords import hashed
from auth.tokens import Tokens
from db.session import Scope

PASSWORD = "correct horse battery"
_HASH = hashed(PASSWORD)

LOANS = "race,sex,approved,predicted\n" + "".join(
    f"{race},{sex},{label},{prediction}\n" * times
    for race, sex, label, prediction, times in [
        ("white", "f", 1, 1, 60),
        ("white", "m", 1, 1, 60),
        ("white", "f", 0, 0, 40),
        ("white", "m", 0, 1, 40),
        ("black", "f", 1, 0, 40),
        ("black", "m", 1, 1, 40),
        ("black", "f", 0, 0, 60),
        ("black", "m", 0, 1, 20),
    ]
)
"""360 decisions: white 160 of 200 selected, black 60 of 160."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who can sign in, and a token that says so."""

    user_id: UUID
    organization_id: UUID
    email: str
    token: str

    @property
    def scope(self) -> Scope:
        return Scope(organization_id=self.organization_id, user_id=self.user_id)


def populate(url: str, tokens: Tokens) -> dict[str, Person]:
    """Two organizations with people: one of each role in ours, an administrator in the other."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with Session(engine, expire_on_commit=False) as session, session.begin():
        ours, theirs = t.Organization(name="Ours"), t.Organization(name="Theirs")
        session.add_all([ours, theirs])
        session.flush()
        users = {role.value: _user(ours, role.value, role) for role in t.Role}
        users["stranger"] = _user(theirs, "stranger", t.Role.ADMIN)
        session.add_all(users.values())
    engine.dispose()
    return {
        name: Person(
            user_id=user.id,
            organization_id=user.organization_id,
            email=user.email,
            token=tokens.for_user(user)[0],
        )
        for name, user in users.items()
    }


def _user(organization: t.Organization, name: str, role: t.Role) -> t.User:
    return t.User(
        organization_id=organization.id,
        email=f"{name}@example.org",
        name=name,
        password_hash=_HASH,
        role=role,
    )
