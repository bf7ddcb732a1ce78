"""Public faces of the tables: the columns we show, and the doors that lead from a row to others.

Resolvers return rows; a face only names what of the row is visible. Columns left out here
do not exist for the outside. A door that leads elsewhere may be denied, so what it gives is nullable.
"""

import inspect
from datetime import datetime
from typing import Generic, TypeVar

import strawberry
from strawberry import ID

import db.tables as t
import resolvers.artifacts
import resolvers.bias
import resolvers.datasets
import resolvers.explanations
import resolvers.identity
import resolvers.mitigations
import resolvers.models
import resolvers.nodes
import resolvers.paging
import resolvers.progress
import resolvers.scoring
import resolvers.trends
import resolvers.versions
from auth.permissions import Permission
from engine.explanations.gap_report import FeatureGap
from engine.explanations.options import ExplanationKind
from engine.explanations.report import Counterfactual, ExplanationReport, Importance, RowExplanation
from engine.fairness import AnalysisType, BiasReport, Finding
from engine.fairness.flip_report import FlipReport
from engine.mitigation import Candidate, MitigationReport
from engine.models.card import CardCompleteness
from engine.models.card import ModelCard as ModelCardInput
from engine.models.prediction import Predicted
from engine.models.signature import ModelFormat, Signature
from engine.tables import ColumnProfile, TableFormat
from engine.values import Count, ModelType
from resolvers.trends import TrendPoint
from schema.asked import (
    AnalysisColumns,
    AnalysisOptions,
    ArtifactEndpoint,
    DatasetScoring,
    ExplanationAsked,
    MitigationAsked,
)
from schema.fields import computed, door, face

Shown = TypeVar("Shown")


@strawberry.interface
class Node:
    """Anything with an id of its own (Relay)."""

    id: ID = computed(resolvers.nodes.id_of)


@strawberry.interface
class Job(Node):
    """Anything that is made by a background job; follow it with `progress`."""

    status: t.Status
    stage: str | None
    progress: float
    """Share of the work that is done, in [0, 1]."""
    message: str | None
    """Where the work stands, in words."""
    error: str | None
    """Why it failed, in words, when it did."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    created_by: "User | None" = door(resolvers.identity.author, allow=Permission.USER_READ)


@strawberry.type
class Edge(Generic[Shown]):
    """A row and its place in the list (Relay)."""

    node: Shown
    cursor: str


@strawberry.type
class Connection(Generic[Shown]):
    """One page of a list (Relay)."""

    edges: list[Edge[Shown]]
    page_info: resolvers.paging.PageInfo
    total_count: Count = computed(resolvers.nodes.total_count)


@face(t.Organization)
class Organization(Node):
    name: str
    created_at: datetime


@face(t.User)
class User(Node):
    email: str
    name: str
    role: t.Role
    permissions: list[str] = computed(resolvers.identity.permissions)
    created_at: datetime


@face(t.Analysis)
class Analysis(Job, Node):
    type: AnalysisType
    columns: AnalysisColumns
    options: AnalysisOptions
    report: BiasReport | None = computed(resolvers.bias.report)
    use_model: bool
    """Whether the model's file scored the rows; prediction and score in `columns` are then its own."""
    based_on_id: ID | None = computed(resolvers.bias.based_on)
    model: "Model | None" = door(resolvers.models.of_analysis, allow=Permission.MODEL_READ)
    dataset: "Dataset | None" = door(resolvers.datasets.of_analysis, allow=Permission.DATASET_READ)
    explanations: "Connection[Explanation] | None" = door(
        resolvers.explanations.of_analysis, allow=Permission.EXPLANATION_READ
    )
    mitigations: "Connection[Mitigation] | None" = door(
        resolvers.mitigations.of_analysis, allow=Permission.ANALYSIS_READ
    )


@face(t.Explanation)
class Explanation(Job, Node):
    kind: ExplanationKind
    options: ExplanationAsked
    report: ExplanationReport | None = computed(resolvers.explanations.report)
    rows: list[RowExplanation] | None = computed(resolvers.explanations.rows)
    model: "Model | None" = door(resolvers.models.of_explanation, allow=Permission.MODEL_READ)
    dataset: "Dataset | None" = door(resolvers.datasets.of_explanation, allow=Permission.DATASET_READ)
    analysis: Analysis | None = door(resolvers.bias.of_explanation, allow=Permission.ANALYSIS_READ)


@face(t.Dataset)
class Dataset(Job, Node):
    name: str
    description: str
    format: TableFormat | None
    sha256: str
    """Of the file as it was uploaded; by reference, of the names, sizes and times of its parts, in a bucket also of their ETags."""
    bytes: Count
    """Size of the file as it was uploaded, or of all parts."""
    uri: str | None
    """Folder or `s3://bucket/prefix` of the Parquet parts of a dataset by reference; null of one that was uploaded."""
    rows: Count | None
    """Known once the file is read."""
    columns: list[ColumnProfile] | None = computed(resolvers.datasets.columns)
    notes: list[str] | None = computed(resolvers.datasets.notes)
    preview: list[list[str | None]] | None = door(
        resolvers.datasets.preview, allow=Permission.DATASET_PREVIEW
    )
    archived_at: datetime | None
    scoring: DatasetScoring | None
    """How a model made it of another dataset; null of one that was uploaded or registered."""
    scored_from: "Dataset | None" = door(resolvers.scoring.scored_from, allow=Permission.DATASET_READ)
    scored_by: "Model | None" = door(resolvers.scoring.scored_by, allow=Permission.MODEL_READ)
    analyses: Connection[Analysis] | None = door(resolvers.bias.of_dataset, allow=Permission.ANALYSIS_READ)


@strawberry.type(description=inspect.getdoc(ModelCardInput))
class ModelCard:
    intended_use: str
    limits: str
    training_data: str
    evaluation: str
    ethical_considerations: str
    owners: list[str]
    contact: str
    licence: str


@face(t.Artifact)
class Artifact(Job, Node):
    format: ModelFormat | None
    """Known once the file is read; ENDPOINT from the start."""
    endpoint: ArtifactEndpoint | None = door(resolvers.artifacts.endpoint, allow=Permission.MODEL_WRITE)
    sha256: str
    """Of the file, or of what was declared of the endpoint."""
    bytes: Count
    """Size of the file, or of what was declared."""
    signature: Signature | None = computed(resolvers.artifacts.signature)
    tried: str | None
    """What it answered to a row that was made up, in words; it is asked once before it is accepted."""
    model: "Model | None" = door(resolvers.models.of_artifact, allow=Permission.MODEL_READ)


@face(t.Model)
class Model(Node):
    name: str
    version: str
    type: ModelType
    description: str
    features: list[str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    predictions: "Connection[Prediction] | None" = door(
        resolvers.scoring.of_model, allow=Permission.ANALYSIS_READ
    )
    owner: User | None = door(resolvers.identity.owner, allow=Permission.USER_READ)
    card: ModelCard = computed(resolvers.models.card)
    card_completeness: CardCompleteness = computed(resolvers.models.card_completeness)
    artifact: Artifact | None = door(resolvers.artifacts.of_model, allow=Permission.MODEL_READ)
    versions: "Connection[Model] | None" = door(resolvers.versions.versions, allow=Permission.MODEL_READ)
    analyses: Connection[Analysis] | None = door(resolvers.bias.of_model, allow=Permission.ANALYSIS_READ)
    explanations: Connection[Explanation] | None = door(
        resolvers.explanations.of_model, allow=Permission.EXPLANATION_READ
    )
    mitigations: "Connection[Mitigation] | None" = door(
        resolvers.mitigations.of_model, allow=Permission.ANALYSIS_READ
    )
    fairness_trend: list[TrendPoint] | None = door(
        resolvers.trends.fairness_trend, allow=Permission.ANALYSIS_READ
    )


@face(t.Prediction)
class Prediction(Job, Node):
    answers: list[Predicted] | None = computed(resolvers.scoring.answers)
    model: Model | None = door(resolvers.scoring.model_of, allow=Permission.MODEL_READ)


@face(t.Mitigation)
class Mitigation(Job, Node):
    options: MitigationAsked
    version_name: str
    """Of the new version."""
    report: MitigationReport | None = computed(resolvers.mitigations.report)
    model: Model | None = door(resolvers.mitigations.model_of, allow=Permission.MODEL_READ)
    version: Model | None = door(resolvers.mitigations.version_of, allow=Permission.MODEL_READ)
    dataset: Dataset | None = door(resolvers.mitigations.dataset_of, allow=Permission.DATASET_READ)
    analysis: Analysis | None = door(resolvers.mitigations.analysis_of, allow=Permission.ANALYSIS_READ)


@face(t.Event)
class Progress:
    number: Count
    """Rises within the organization; give the last one seen as `after` to go on."""
    subject: t.Subject
    subject_id: ID = computed(resolvers.progress.subject_id)
    status: t.Status
    stage: str
    fraction: float
    message: str
    created_at: datetime


@face(t.Event)
class AnalysisProgress(Progress):
    finding: Finding | None = computed(resolvers.progress.finding)
    flips: FlipReport | None = computed(resolvers.progress.flips)
    interim: bool
    """Whether the finding is of the rows read so far only, so no verdict to act on. It gives way to later ones of the
    same metric and attribute; the final one, with false here, comes when all rows are read."""


@face(t.Event)
class ExplanationProgress(Progress):
    row: RowExplanation | None = computed(resolvers.explanations.row_explanation)
    importance: Importance | None = computed(resolvers.explanations.importance)
    counterfactual: Counterfactual | None = computed(resolvers.explanations.counterfactual)
    feature_gap: FeatureGap | None = computed(resolvers.explanations.feature_gap)
    interim: bool
    """Whether the importance, or what the feature adds to a gap, is of the rows looked at so far only, and gives way to
    later ones of the same feature."""


@strawberry.type(description=resolvers.identity.SignedIn.__doc__)
class SignedIn:
    token: str
    expires_at: datetime
    viewer: User


@face(t.Event)
class MitigationProgress(Progress):
    candidate: Candidate | None = computed(resolvers.mitigations.candidate)
