"""Making organizations and their people, as the database's owner: for the command line, never for the server."""

from uuid import UUID

from sqlalchemy import Engine, create_engine, make_url
from sqlmodel import Session, col, select

import db.tables as t
from db.errors import Conflict, NotFound


class People:
    """The directory of one database, seen by its owner."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True
        )

    def close(self) -> None:
        self._engine.dispose()

    def empty(self) -> bool:
        """Whether nobody is there yet."""
        with Session(self._engine) as session:
            return session.exec(select(t.User).limit(1)).first() is None

    def found(self, email: str) -> t.User:
        """The person with this address."""
        with Session(self._engine) as session:
            user = session.exec(select(t.User).where(col(t.User.email) == email.strip().lower())).first()
        if user is None:
            raise NotFound(f"there is nobody with the address {email}")
        return user

    def establish(self, organization: str, email: str, name: str, password_hash: str) -> UUID:
        """A new organization with its first administrator; returns the organization's id."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            address = email.strip().lower()
            if session.exec(select(t.User).where(col(t.User.email) == address)).first() is not None:
                raise Conflict(f"somebody with the address {email} is registered already")
            row = t.Organization(name=organization)
            session.add(row)
            session.flush()
            session.add(
                t.User(
                    organization_id=row.id,
                    email=address,
                    name=name,
                    password_hash=password_hash,
                    role=t.Role.ADMIN,
                )
            )
        return row.id
