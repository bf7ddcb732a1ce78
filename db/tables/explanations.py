"""Explanations of models: what was asked, and what came out."""

from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from db.columns import LARGE, Chosen, Stored, kept
from db.tables.base import Worked
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import ExplanationReport, RowExplanation


class Explanation(Worked, table=True):
    """One question about a model's answers, on rows of a dataset."""

    __table_args__ = (
        Index("explanation_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
    )

    model_id: UUID = Field(foreign_key="model.id", index=True)
    dataset_id: UUID = Field(foreign_key="dataset.id", index=True)
    analysis_id: UUID | None = Field(default=None, foreign_key="analysis.id", ondelete="SET NULL", index=True)
    """The bias analysis from which it was asked."""
    kind: ExplanationKind = kept(Chosen(ExplanationKind))
    options: ExplanationOptions = kept(Stored(ExplanationOptions))
    report: ExplanationReport | None = kept(Stored(ExplanationReport), default=None, sa_column_kwargs=LARGE)
    rows: tuple[RowExplanation, ...] | None = kept(
        Stored(tuple[RowExplanation, ...]), default=None, sa_column_kwargs=LARGE
    )
    """Those that were explained one by one; by themselves, since they are read a page at a time."""
