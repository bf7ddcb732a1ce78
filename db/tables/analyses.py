"""Runs of the engine over the registry."""

from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from db.columns import Chosen, Stored, kept
from db.tables.base import Worked
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport


class Analysis(Worked, table=True):
    """One run of the bias engine: what was asked, and what came out."""

    __table_args__ = (
        Index("analysis_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
    )

    model_id: UUID = Field(foreign_key="model.id", index=True)
    dataset_id: UUID = Field(foreign_key="dataset.id", index=True)
    type: AnalysisType = kept(Chosen(AnalysisType))
    columns: BiasColumns = kept(Stored(BiasColumns))
    options: BiasOptions = kept(Stored(BiasOptions))
    report: BiasReport | None = kept(Stored(BiasReport), default=None)
