"""What happened to pieces of work, numbered so that a reader can go on where it stopped."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from db.columns import MOMENT, Chosen, kept
from db.tables.base import Status, Subject, now


class Event(SQLModel, table=True):
    """One step of one piece of work; numbers rise without gaps within an organization."""

    __table_args__ = (Index("event_of_subject", "organization_id", "subject_id", "number"),)

    organization_id: UUID = Field(foreign_key="organization.id", primary_key=True)
    number: int = kept(BigInteger, primary_key=True)
    subject: Subject = kept(Chosen(Subject))
    subject_id: UUID
    status: Status = kept(Chosen(Status))
    stage: str
    fraction: float
    message: str
    partial: Any = kept(JSONB(none_as_null=True), default=None, nullable=True)
    """A part of the result; which class it is follows from the subject."""
    interim: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """Whether `partial` is of the rows read so far only, and gives way to a final one."""
    created_at: datetime = kept(MOMENT, default_factory=now)
