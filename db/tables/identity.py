"""Organizations and the people in them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, text
from sqlmodel import Field, SQLModel

from db.columns import MOMENT, Chosen, Stored, kept
from db.tables.base import Owned, now


class Role(StrEnum):
    """What a person is to their organization; `permissions` of a user says what follows."""

    ADMIN = "admin"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Organization(SQLModel, table=True):
    """A tenant: everything else belongs to exactly one."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str = Field(max_length=200)
    created_at: datetime = kept(MOMENT, default_factory=now)
    last_event: int = kept(BigInteger, default=0)
    """Number of the newest event; raised in the transaction that writes it, so no reader sees a gap."""
    allowed_types: tuple[str, ...] = kept(
        Stored(tuple[str, ...]), default=(), sa_column_kwargs={"server_default": text("'[]'")}
    )
    """Vetted types of objects in model files that it opens beyond the usual."""


class User(Owned, table=True):
    """A person who may sign in; an address belongs to one organization."""

    __tablename__ = "users"

    email: str = Field(max_length=320, unique=True)
    name: str = Field(max_length=200)
    password_hash: str
    role: Role = kept(Chosen(Role), default=Role.VIEWER)


class Share(Owned, table=True):
    """A row of this organization that another organization, or one person, may read."""

    row_id: UUID = Field(index=True)
    with_organization_id: UUID | None = Field(default=None, index=True)
    with_user_id: UUID | None = Field(default=None, index=True)
