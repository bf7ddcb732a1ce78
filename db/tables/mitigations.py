"""Models trained again under a constraint of fairness: what was asked, and what came out."""

from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from db.columns import LARGE, Stored, kept
from db.tables.base import Worked
from engine.mitigation import MitigationOptions, MitigationReport


class Mitigation(Worked, table=True):
    """A model trained again on the rows of a dataset, to become a new version of it."""

    __table_args__ = (
        Index("mitigation_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
    )

    model_id: UUID = Field(foreign_key="model.id", index=True)
    """The one that is trained again."""
    dataset_id: UUID = Field(foreign_key="dataset.id", index=True)
    analysis_id: UUID | None = Field(default=None, foreign_key="analysis.id", ondelete="SET NULL", index=True)
    """The analysis that it answers."""
    options: MitigationOptions = kept(Stored(MitigationOptions))
    version_name: str = Field(max_length=100)
    """Of the new version."""
    version_id: UUID | None = Field(default=None, foreign_key="model.id", ondelete="SET NULL", index=True)
    """The new version, once it is made."""
    report: MitigationReport | None = kept(Stored(MitigationReport), default=None, sa_column_kwargs=LARGE)
