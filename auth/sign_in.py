"""The ways in: from an address and a password to a person, and from claims to a viewer."""

from uuid import UUID

from aiodataloader import DataLoader
from sqlalchemy import text
from sqlmodel import col

import db.tables as t
from auth.errors import Unauthenticated
from auth.passwords import matches
from auth.permissions import Viewer
from auth.tokens import Claims
from db.owned import own
from db.session import Database, Scope

_LOGIN = text("SELECT user_id, organization_id, password_hash FROM find_login(:email)")


async def sign_in(database: Database, email: str, password: str) -> t.User:
    """The person with this address and password; one answer, in the same time, whatever was wrong."""
    address = email.strip().lower()[:320].replace("\0", "")  # PostgreSQL cannot be asked about a NUL
    async with database.nobody() as session:
        found = (await session.execute(_LOGIN, {"email": address})).one_or_none()
    if not await matches(password, found.password_hash if found else None) or found is None:
        raise Unauthenticated("this e-mail address and password do not belong together")
    user = await _user(database, Scope(organization_id=found.organization_id), found.user_id)
    if user is None:
        raise Unauthenticated("this e-mail address and password do not belong together")
    return user


class Viewers:
    """Who claims speak of, as the database knows them now; one query however many ask in the same moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking: DataLoader[tuple[UUID, UUID], t.User | None] | None = None

    async def of(self, claims: Claims) -> Viewer:
        if self._asking is None:  # here, because a loader belongs to the running loop
            self._asking = DataLoader(self._load, cache=False)
        user = await self._asking.load((claims.organization_id, claims.user_id))
        if user is None:
            raise Unauthenticated("the person of this token is no longer here, sign in again")
        return Viewer(user_id=user.id, organization_id=user.organization_id, email=user.email, role=user.role)

    async def _load(self, keys: list[tuple[UUID, UUID]]) -> list[t.User | None]:
        found: dict[tuple[UUID, UUID], t.User] = {}
        for organization in {organization for organization, _ in keys}:
            scope = Scope(organization_id=organization)
            people = {person for of, person in keys if of == organization}
            async with self._database.read(scope) as session:
                for user in await session.scalars(own(t.User, scope).where(col(t.User.id).in_(people))):
                    found[organization, user.id] = user
        return [found.get(key) for key in keys]


async def _user(database: Database, scope: Scope, id: UUID) -> t.User | None:
    async with database.read(scope) as session:
        return await session.scalar(own(t.User, scope).where(col(t.User.id) == id))
