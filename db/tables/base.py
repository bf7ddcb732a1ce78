"""Columns that many tables share: who owns a row, and where a row's work stands."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import declared_attr, deferred
from sqlmodel import Field, SQLModel

from db.columns import MOMENT, Chosen, kept


def now() -> datetime:
    return datetime.now(UTC)


class Owned(SQLModel):
    """Columns of every row that belongs to an organization.

    Those that are `LARGE` are read only where a query names them with `undefer`, and raise where it does not.
    """

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    organization_id: UUID = Field(foreign_key="organization.id", index=True)
    created_at: datetime = kept(MOMENT, default_factory=now)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        columns = cls.__table__.c  # type: ignore[attr-defined]  # SQLModel does not say that a table has one
        large = [column for column in columns if column.info.get("large")]
        return {"properties": {column.key: deferred(column, raiseload=True) for column in large}}


class Status(StrEnum):
    """Where a piece of work stands; failed rows say why in `error`."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Subject(StrEnum):
    """What a piece of work makes; names the kind of row and of job."""

    DATASET = "dataset"
    ANALYSIS = "analysis"
    ARTIFACT = "artifact"
    """The file of a model, or where it is served."""
    PREDICTION = "prediction"
    EXPLANATION = "explanation"
    MITIGATION = "mitigation"
    """A model trained again under a constraint of fairness."""


class Worked(Owned):
    """A row whose content is made by a background job.

    `attempt` is the fencing token: whoever runs the job writes only while it is still theirs.
    """

    status: Status = kept(Chosen(Status), default=Status.QUEUED)
    stage: str | None = None
    progress: float = 0.0
    """Share of the work that is done, in [0, 1]."""
    message: str | None = None
    error: str | None = None
    attempt: int = 0
    deaths: int = 0
    """How many workers stopped while they ran this."""
    created_by_id: UUID = Field(foreign_key="users.id")
    idempotency_key: str | None = Field(default=None, max_length=200)
    started_at: datetime | None = kept(MOMENT, default=None)
    finished_at: datetime | None = kept(MOMENT, default=None)
