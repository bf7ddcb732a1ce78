"""What a caller asks of a bias analysis: which columns, which question, how strictly to judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from types import MappingProxyType

from engine.errors import InvalidInput, refuse_outside, within
from engine.fairness.metrics import METRICS, AnalysisType, Metric, metrics_of
from engine.values import ModelType

MAX_PROTECTED = 10
MAX_FEATURES = 100
MAX_EDGES = 20
MAX_DEPTH = 4

NEEDED: Mapping[ModelType, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: (("prediction", "score"),),
        ModelType.REGRESSION: (("label",), ("prediction",)),
        ModelType.CLUSTERING: (("prediction",),),
        ModelType.RECOMMENDATION: (("user",), ("item",), ("rank", "score"), ("item_group",)),
    }
)
"""Columns that a kind of model needs besides the protected ones: one of each."""
USED: Mapping[ModelType, tuple[str, ...]] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: ("label", "prediction", "score", "weights", "stratum", "features"),
        ModelType.REGRESSION: ("label", "prediction"),
        ModelType.CLUSTERING: ("prediction", "distance"),
        ModelType.RECOMMENDATION: ("user", "item", "rank", "score", "relevance", "item_group"),
    }
)
"""Columns that a kind of model has a use for."""


SINGLE = (
    "label",
    "prediction",
    "score",
    "weights",
    "stratum",
    "distance",
    "user",
    "item",
    "rank",
    "relevance",
    "item_group",
)
"""Fields of BiasColumns that name one column."""


@dataclass(frozen=True, kw_only=True)
class BiasColumns:
    """Which columns of the dataset mean what."""

    protected: Sequence[str]
    """One to ten protected attributes, such as race and sex. A number with more than 20 different values, such
    as an age, is banded: at the edges given in the options, else at its quartiles."""
    label: str | None = None
    """The true outcome, or the true value of a regression. Without it only selection can be compared."""
    prediction: str | None = None
    """The decision of the model; the predicted value of a regression; the cluster of a clustering."""
    score: str | None = None
    """The score behind the decision, higher being more favourable; of a recommendation, that of the item."""
    weights: str | None = None
    """How much each row counts, such as a survey weight; at least 0. For classification."""
    stratum: str | None = None
    """What selection may legitimately depend on, for the conditional demographic disparity."""
    favorable: str | None = None
    """The value of label and prediction that is good for the person, in its text form. Without it,
    0/1, -1/1, false/true and no/yes are understood, and three to 20 classes are judged one by one."""
    features: Sequence[str] = ()
    """Numeric columns in which similar rows are alike; for individual fairness only."""
    distance: str | None = None
    """Distance of the row to the centre of its cluster, for the social cost of a clustering."""
    user: str | None = None
    """Who was recommended to; one row for each user and item."""
    item: str | None = None
    """What was recommended."""
    rank: str | None = None
    """Place of the item in the user's list, from 1; without it, places follow the score."""
    relevance: str | None = None
    """How relevant the item was to the user, at least 0."""
    item_group: str | None = None
    """Group of the item, such as its maker's gender, between which exposure is compared."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.protected) <= MAX_PROTECTED:
            raise InvalidInput(
                f"protected must name 1 to {MAX_PROTECTED} columns, got {len(self.protected)}",
                at=("protected",),
            )
        if len(self.features) > MAX_FEATURES:
            raise InvalidInput(
                f"features may name at most {MAX_FEATURES} columns, got {len(self.features)}",
                at=("features",),
            )
        places: dict[str, tuple[str | int, ...]] = {}
        for at, column in self.places():
            if not column:
                raise InvalidInput(f"{at[0]} must name a column, got an empty name", at=at)
            if column in places:
                raise InvalidInput(
                    f"column {column!r} is used twice, as {places[column][0]} and {at[0]}", at=at
                )
            places[column] = at

    def places(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Each column asked for with the path of the argument that names it."""
        single = [((role,), name) for role in SINGLE if (name := getattr(self, role)) is not None]
        return [
            *single,
            *((("protected", i), name) for i, name in enumerate(self.protected)),
            *((("features", i), name) for i, name in enumerate(self.features)),
        ]

    def check(self, model: ModelType, instead: str = "") -> None:
        """Refuse what a kind of model cannot be judged with.

        Args:
            instead: said of a prediction that lacks, where something can take its place.

        Raises:
            InvalidInput: a column that it needs is not named, or one that it has no use for is.
        """
        for choice in NEEDED[model]:
            if not any(getattr(self, role) for role in choice):
                way = instead if "prediction" in choice else ""
                raise InvalidInput(f"{model} needs the column {' or '.join(choice)}{way}", at=(choice[0],))
        for role in (*SINGLE, "features"):
            if getattr(self, role) and role not in USED[model]:
                raise InvalidInput(f"{model} has no use for the column {role}", at=(role,))


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The furthest value of one metric that is still acceptable."""

    metric: Metric
    limit: float
    """In [0, 1]: the largest acceptable difference, or the smallest acceptable ratio or score."""


@dataclass(frozen=True, kw_only=True)
class Bands:
    """How a numeric protected attribute is cut into groups."""

    attribute: str
    edges: Sequence[float]
    """Rising; [25, 60] makes three groups: below 25, from 25 to below 60, and 60 and above."""

    def check(self) -> None:
        """Refuse edges that make no bands; asked by the options, which know the place of these bands.

        Raises:
            InvalidInput: too many or too few, not finite, or not rising.
        """
        if not 1 <= len(self.edges) <= MAX_EDGES:
            raise InvalidInput(
                f"edges must be 1 to {MAX_EDGES} numbers, got {len(self.edges)}", at=("edges",)
            )
        if not all(isfinite(edge) for edge in self.edges) or any(a >= b for a, b in pairwise(self.edges)):
            raise InvalidInput("edges must be finite and rise", at=("edges",))


@dataclass(frozen=True, kw_only=True)
class Settled(Bands):
    """How an attribute is read in every part, as all parts together decide; without edges, value by value."""

    def check(self) -> None:
        """Quartiles are finite and rise already, and there may be none."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The group that the others of an attribute are compared with."""

    attribute: str
    group: str
    """In its text form; of a banded attribute the name of the band."""


@dataclass(frozen=True, kw_only=True)
class BiasOptions:
    """How sure to be, and how strictly to judge."""

    confidence: float = 0.95
    """Share of intervals that hold the true value in repeated samples, in [0.5, 0.99]."""
    bootstrap_samples: int = 1000
    """Draws behind each interval of a gap, in [100, 10000]."""
    seed: int = 0
    """Start of the random draws: the same seed gives the same report."""
    min_group_size: int = 30
    """Smaller groups are shown but never judged; also the least number of rows a rate must rest on."""
    thresholds: Sequence[Threshold] = ()
    """Overrides of the default limits: 0.1 for differences and distances, but 0.05 for those of calibration errors and
    Brier scores; 0.2 for indices of inequality; 0.8 for ratios and balances; 0.9 for consistency."""
    references: Sequence[Reference] = ()
    """Groups to compare with; by default the largest judged one of each attribute."""
    bands: Sequence[Bands] = ()
    """Edges for numeric protected attributes."""
    max_depth: int = 3
    """How many protected attributes are crossed at most in a comprehensive analysis, in [1, 4]."""
    score_threshold: float = 0.5
    """The least score that counts as a favourable prediction where no prediction is given."""
    k: int = 10
    """Places of a list of recommendations that count, in [1, 100]."""
    lipschitz: float = 1.0
    """How much outcomes of two rows may differ for each standard deviation of distance between their features,
    in [0, 100]: scores lie in [0, 1], and different decisions are 1 apart. A convention of ours."""
    suppress_below: int = 0
    """Groups with fewer rows are left out of the report, so that no person can be recognised; in [0, 1000]."""
    metrics: Sequence[Metric] = ()
    """Metrics to judge; none means all that answer the question. Fewer cost less, and p-values are then adjusted over
    these alone."""

    def __post_init__(self) -> None:
        refuse_outside("confidence", self.confidence, 0.5, 0.99)
        refuse_outside("bootstrap_samples", self.bootstrap_samples, 100, 10_000)
        refuse_outside("seed", self.seed, 0, 2**31 - 1)
        refuse_outside("min_group_size", self.min_group_size, 1, 1_000_000)
        refuse_outside("max_depth", self.max_depth, 1, MAX_DEPTH)
        refuse_outside("k", self.k, 1, 100)
        refuse_outside("lipschitz", self.lipschitz, 0, 100)
        refuse_outside("suppress_below", self.suppress_below, 0, 1000)
        if not isfinite(self.score_threshold):
            raise InvalidInput("score_threshold must be a finite number", at=("score_threshold",))
        for name, attributes in (
            ("references", [each.attribute for each in self.references]),
            ("bands", [each.attribute for each in self.bands]),
        ):
            twice = next((a for i, a in enumerate(attributes) if a in attributes[:i]), None)
            if twice is not None:
                raise InvalidInput(f"{name} name {twice!r} twice", at=(name,))
        for i, bands in enumerate(self.bands):
            with within("bands", i):
                bands.check()
        again = next((i for i, metric in enumerate(self.metrics) if metric in self.metrics[:i]), None)
        if again is not None:
            raise InvalidInput(f"metrics name {self.metrics[again]} twice", at=("metrics", again))
        seen: set[Metric] = set()
        for i, threshold in enumerate(self.thresholds):
            if not 0 <= threshold.limit <= 1:
                raise InvalidInput(
                    f"the limit of {threshold.metric} must lie in [0, 1], got {threshold.limit:g}",
                    at=("thresholds", i, "limit"),
                )
            if threshold.metric in seen:
                raise InvalidInput(f"{threshold.metric} has two thresholds", at=("thresholds", i, "metric"))
            seen.add(threshold.metric)

    def asks(self, metric: Metric) -> bool:
        """Whether a metric is among those to judge."""
        return not self.metrics or metric in self.metrics

    def check(self, kind: AnalysisType, model: ModelType) -> None:
        """Refuse metrics that an analysis does not measure, and limits for another kind of model.

        Limits of other questions are fine: one list of limits may serve all analyses of a model.

        Raises:
            InvalidInput: a metric is for another kind of model, or one to judge answers another question.
        """
        for i, threshold in enumerate(self.thresholds):
            refuse_other_model(threshold.metric, model, at=("thresholds", i, "metric"))
        for i, metric in enumerate(self.metrics):
            refuse_unmeasured(metric, kind, model, at=("metrics", i))

    def refuse_unprotected(self, protected: Sequence[str]) -> None:
        """Refuse bands and references for what is no protected attribute, and a group that no row can have.

        Raises:
            InvalidInput: with the place of the first.
        """
        named = [("bands", i, each.attribute) for i, each in enumerate(self.bands)]
        named += [("references", i, each.attribute) for i, each in enumerate(self.references)]
        for where, i, name in named:
            if name not in protected:
                known = ", ".join(map(repr, protected))
                said = f"{name!r} is none of the protected attributes; these are {known}"
                raise InvalidInput(said, at=(where, i, "attribute"))
        for i, each in enumerate(self.references):
            if "\0" in each.group:
                raise InvalidInput("group may hold no NUL, and no value does", at=("references", i, "group"))

    def limit(self, metric: Metric) -> float:
        """The limit the metric is held to: the caller's, or the default in METRICS."""
        return next((t.limit for t in self.thresholds if t.metric == metric), METRICS[metric].limit)


def refuse_unmeasured(
    metric: Metric, kind: AnalysisType, model: ModelType, at: tuple[str | int, ...] = ()
) -> None:
    """Refuse a metric that an analysis does not measure.

    Raises:
        InvalidInput: it is for another kind of model, or answers another question.
    """
    refuse_other_model(metric, model, at)
    spec = METRICS[metric]
    if metric not in metrics_of(kind, model):
        asked = " or ".join([*spec.answers, AnalysisType.COMPREHENSIVE])
        raise InvalidInput(f"{metric} is measured by {asked}, not by {kind}", at=at)


def refuse_other_model(metric: Metric, model: ModelType, at: tuple[str | int, ...] = ()) -> None:
    """Refuse a metric that is for another kind of model; raises InvalidInput."""
    spec = METRICS[metric]
    if spec.model is not model:
        raise InvalidInput(f"{metric} is for {spec.model}, and this model is a {model}", at=at)
