"""Runs of the engine over the registry, and what is kept of the rows they read."""

from uuid import UUID

from sqlalchemy import Index, LargeBinary, false
from sqlmodel import Field

from db.columns import LARGE, Chosen, Stored, kept
from db.tables.base import Owned, Worked
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport
from engine.fairness.trend import Headline


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
    report: BiasReport | None = kept(Stored(BiasReport), default=None, sa_column_kwargs=LARGE)
    headlines: tuple[Headline, ...] | None = kept(
        Stored(tuple[Headline, ...]), default=None, sa_column_kwargs=LARGE
    )
    """The findings of the report in short, for trends; written with it."""
    use_model: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """Whether the model's file scores the rows, in place of a prediction column."""
    based_on_id: UUID | None = Field(default=None, foreign_key="analysis.id", ondelete="SET NULL", index=True)
    """The analysis whose summary is judged again here."""


class Summary(Owned, table=True):
    """What an analysis counted of its rows, written with its report; no part of the API.

    A table of its own, so that no list of analyses ever loads it, and a share of an analysis does not show it.
    """

    id: UUID = Field(primary_key=True, foreign_key="analysis.id", ondelete="CASCADE")
    """That of the analysis."""
    content: bytes | None = kept(LargeBinary, default=None)
    """As `engine.fairness.keeping` packs it; null where it is not kept."""
    reason: str | None = None
    """Why it is not kept, in words."""
