"""The files or endpoints of models, and what models were asked."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from db.columns import LARGE, Chosen, Stored, kept
from db.tables.base import Worked
from engine.models.endpoint import Endpoint
from engine.models.prediction import GivenRow, Predicted
from engine.models.signature import ModelFormat, Signature
from engine.values import Count


class Artifact(Worked, table=True):
    """The file of a model, as it was uploaded, or where it is served, and what was found; a model has one at most."""

    __table_args__ = (
        Index("artifact_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
        Index("artifact_blob", "organization_id", "blob", postgresql_where=text("blob IS NOT NULL")),
    )

    model_id: UUID = Field(foreign_key="model.id", ondelete="CASCADE", unique=True)
    format: ModelFormat | None = kept(Chosen(ModelFormat), default=None)
    """Known once the file is read; of an endpoint at once."""
    endpoint: Endpoint | None = kept(Stored(Endpoint), default=None, sa_column_kwargs=LARGE)
    """Where it is served; null of a file."""
    sha256: str = Field(max_length=64)
    """Of the file, or of the endpoint as it is stored."""
    bytes: Count = kept(BigInteger)
    signature: Signature | None = kept(Stored(Signature), default=None, sa_column_kwargs=LARGE)
    tried: str | None = None
    """What it answered to a row that was made up, in words."""
    upload: str | None = None
    """Key of the uploaded file, until it is read."""
    blob: str | None = None
    """Key of the file once it is read."""


class Prediction(Worked, table=True):
    """Rows that a model was asked about, and its answers."""

    __table_args__ = (
        Index("prediction_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
    )

    model_id: UUID = Field(foreign_key="model.id", ondelete="CASCADE", index=True)
    rows: tuple[GivenRow, ...] = kept(Stored(tuple[GivenRow, ...]), sa_column_kwargs=LARGE)
    answers: tuple[Predicted, ...] | None = kept(
        Stored(tuple[Predicted, ...]), default=None, sa_column_kwargs=LARGE
    )
