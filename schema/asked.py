"""What jobs were asked to do, as their rows show it: the public part of stored options, without a door anywhere."""

import strawberry

from engine.explanations.options import Perturbation
from engine.explanations.performance import Performance
from engine.fairness import Metric
from engine.mitigation import Constraint
from engine.models.endpoint import Answers, EndpointProtocol, Numbers, Tensors
from engine.values import Count


@strawberry.type
class AnalysisColumns:
    """Which columns of the dataset an analysis was asked to look at."""

    protected: list[str]
    label: str | None
    prediction: str | None
    score: str | None
    weights: str | None
    stratum: str | None
    favorable: str | None
    features: list[str]
    distance: str | None
    user: str | None
    item: str | None
    rank: str | None
    relevance: str | None
    item_group: str | None


@strawberry.type
class AnalysisThreshold:
    """A limit that was asked for in place of the default."""

    metric: Metric
    limit: float


@strawberry.type
class AnalysisBands:
    """How a numeric protected attribute was asked to be cut into groups."""

    attribute: str
    edges: list[float]


@strawberry.type
class AnalysisReference:
    """The group that the others of an attribute were asked to be compared with."""

    attribute: str
    group: str


@strawberry.type
class AnalysisOptions:
    """How sure to be and how strictly to judge, as it was asked for."""

    confidence: float
    bootstrap_samples: int
    seed: int
    min_group_size: int
    thresholds: list[AnalysisThreshold]
    references: list[AnalysisReference]
    bands: list[AnalysisBands]
    max_depth: int
    score_threshold: float
    k: int
    lipschitz: float
    suppress_below: int
    metrics: list[Metric]


@strawberry.type
class DatasetScoring:
    """How the columns are made that a scored dataset has more than the one it was made from."""

    prediction: str
    """Name of the column with the predicted class or value."""
    score: str
    """Name of the column with the score of one class, or the start of the names of several."""
    of_class: str | None
    threshold: float


@strawberry.type
class ExplanationGiven:
    """A value of the row that an explanation was given in place of one of the dataset."""

    feature: str
    value: str | None


@strawberry.type
class ExplanationGroup:
    """Features that were asked to be shuffled together."""

    name: str
    features: list[str]


@strawberry.type
class ExplanationChange:
    """How a feature was allowed to change in a counterfactual."""

    feature: str
    low: float | None
    high: float | None
    categories: list[str]


@strawberry.type
class ExplanationAsked:
    """Which rows, against which background, how thoroughly, as it was asked for."""

    rows: list[Count]
    values: list[ExplanationGiven]
    max_features: int
    explained_class: str | None
    perturbation: Perturbation | None
    background_rows: int
    sample_rows: int
    budget: int | None
    samples: int
    repeats: int
    performance: Performance | None
    label: str | None
    groups: list[ExplanationGroup]
    changes: list[ExplanationChange]
    counterfactuals: int
    wanted: str | None
    wanted_low: float | None
    wanted_high: float | None
    attribute: str | None
    group: str | None
    reference: str | None
    bands: list[float]
    confidence: float
    seed: int


@strawberry.type
class ArtifactEndpoint:
    """Where and how a model is asked that is served elsewhere, as it was declared."""

    url: str
    protocol: EndpointProtocol
    model_name: str | None
    model_version: str | None
    answers: Answers | None
    tensors: Tensors
    numbers: Numbers
    input_tensor: str
    output_tensor: str | None


@strawberry.type
class MitigationAsked:
    """Which constraint, between which groups, on which rows, as it was asked for."""

    label: str
    attribute: str
    bands: list[float]
    constraint: Constraint
    favorable: str | None
    candidates: int
    constraint_weight: float
    selection: float
    held_out: float
    sample_rows: int
    min_group_size: int
    confidence: float
    bootstrap_samples: int
    seed: int
