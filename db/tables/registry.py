"""What is governed: models, and the datasets they are judged on."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field

from db.columns import LARGE, MOMENT, Chosen, Stored, kept
from db.tables.base import Owned, Worked, now
from engine.models.card import ModelCard
from engine.models.prediction import Scoring
from engine.tables import Preview, TableFormat, TableProfile
from engine.values import Count, ModelType


class Model(Owned, table=True):
    """A machine-learning model under governance: what it is, whose it is, what it looks at."""

    __table_args__ = (UniqueConstraint("organization_id", "name", "version"),)

    name: str = Field(max_length=200)
    version: str = Field(max_length=100)
    type: ModelType = kept(Chosen(ModelType))
    description: str = ""
    owner_id: UUID = Field(foreign_key="users.id")
    features: tuple[str, ...] = kept(Stored(tuple[str, ...]), default=())
    card: ModelCard | None = kept(Stored(ModelCard), default=None)
    updated_at: datetime = kept(MOMENT, default_factory=now)
    archived_at: datetime | None = kept(MOMENT, default=None)


class Dataset(Worked, table=True):
    """A table of rows with labels, predictions and groups; its content never changes once read."""

    __table_args__ = (
        Index("dataset_once", "organization_id", "created_by_id", "idempotency_key", unique=True),
        Index("dataset_blob", "organization_id", "blob", postgresql_where=text("blob IS NOT NULL")),
    )

    name: str = Field(max_length=200)
    description: str = ""
    format: TableFormat | None = kept(Chosen(TableFormat), default=None)
    sha256: str = Field(max_length=64)
    """Of the file as it was uploaded; by reference, of the names, sizes and times of the parts."""
    bytes: Count = kept(BigInteger)
    """Of the file as it was uploaded, or of all parts."""
    rows: Count | None = kept(BigInteger, default=None)
    profile: TableProfile | None = kept(Stored(TableProfile), default=None, sa_column_kwargs=LARGE)
    preview: Preview | None = kept(Stored(Preview), default=None, sa_column_kwargs=LARGE)
    uri: str | None = None
    """Folder of the Parquet parts of a dataset by reference, which are read where they lie."""
    upload: str | None = None
    """Key of the uploaded file, until it is read."""
    blob: str | None = None
    """Key of the Parquet file."""
    archived_at: datetime | None = kept(MOMENT, default=None)
    scored_from_id: UUID | None = Field(
        default=None, foreign_key="dataset.id", ondelete="SET NULL", index=True
    )
    """The dataset whose rows a model scored to make this one."""
    model_id: UUID | None = Field(default=None, foreign_key="model.id", ondelete="SET NULL", index=True)
    """The model that scored them."""
    scoring: Scoring | None = kept(Stored(Scoring), default=None)
    """How; null of a dataset that was not made so."""
