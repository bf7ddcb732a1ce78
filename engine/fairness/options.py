"""What a caller asks of a bias analysis: which columns, which question, how strictly to judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from engine.errors import InvalidInput
from engine.fairness.metrics import METRICS, Metric

MAX_PROTECTED = 10
MAX_FEATURES = 100
SHOWN_NAMES = 20
MAX_NAME = 200
"""Characters of a name that are compared; a column has no more."""


class AnalysisType(StrEnum):
    """Which question of fairness is asked."""

    DEMOGRAPHIC_PARITY = "demographic_parity"
    """Are the groups selected alike, whatever their labels?"""
    EQUALIZED_ODDS = "equalized_odds"
    """Is the model right and wrong alike in all groups?"""
    INDIVIDUAL_FAIRNESS = "individual_fairness"
    """Are similar rows decided alike? Needs feature columns."""
    COMPREHENSIVE = "comprehensive"
    """All of these, and the groups that arise where the protected attributes cross."""


@dataclass(frozen=True, kw_only=True)
class BiasColumns:
    """Which columns of the dataset mean what."""

    label: str
    """The true outcome."""
    prediction: str
    """The decision of the model."""
    protected: Sequence[str]
    """One to ten protected attributes, such as race and sex; at most 100 distinct values each."""
    favorable: str | None = None
    """The value of label and prediction that is good for the person, in its text form. Without it,
    0/1, -1/1, false/true and no/yes are understood."""
    features: Sequence[str] = ()
    """Numeric columns in which similar rows are alike; for individual fairness only."""

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
        return [
            (("label",), self.label),
            (("prediction",), self.prediction),
            *((("protected", i), name) for i, name in enumerate(self.protected)),
            *((("features", i), name) for i, name in enumerate(self.features)),
        ]


def no_column(name: str, columns: Sequence[str], at: tuple[str | int, ...]) -> InvalidInput:
    """What to say of a column that a dataset does not have: which it may have meant, and those there are."""
    folded = {column.casefold(): column for column in columns}
    close = [folded[found] for found in get_close_matches(name[:MAX_NAME].casefold(), folded)]
    known = ", ".join(map(repr, columns[:SHOWN_NAMES]))
    if len(columns) > SHOWN_NAMES:
        known += f" and {len(columns) - SHOWN_NAMES:,} more"
    meant = f"did you mean {' or '.join(map(repr, close))}? Its" if close else "its"
    return InvalidInput(f"the dataset has no column {name!r}; {meant} columns are {known}", at=at)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The furthest value of one metric that is still acceptable."""

    metric: Metric
    limit: float
    """In [0, 1]: the largest acceptable difference, or the smallest acceptable ratio or score."""


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
    """Overrides of the default limits: 0.1 for differences, 0.8 for ratios, 0.9 for consistency."""

    def __post_init__(self) -> None:
        _within("confidence", self.confidence, 0.5, 0.99)
        _within("bootstrap_samples", self.bootstrap_samples, 100, 10_000)
        _within("seed", self.seed, 0, 2**31 - 1)
        _within("min_group_size", self.min_group_size, 1, 1_000_000)
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

    def limit(self, metric: Metric) -> float:
        """The limit the metric is held to: the caller's, or the default in METRICS."""
        return next((t.limit for t in self.thresholds if t.metric == metric), METRICS[metric].limit)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise InvalidInput(f"{name} must lie in [{low}, {high}], got {value}", at=(name,))
