"""Which features carry the gap between two groups: what is asked, and what was found.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InvalidInput
from engine.explanations.options import ExplanationOptions, Perturbation
from engine.explanations.report import Background, ExplanationMethod
from engine.fairness.options import Bands
from engine.values import Count, Interval


@dataclass(frozen=True, kw_only=True)
class GapOptions:
    """Which two groups, against which background, how thoroughly."""

    attribute: str
    """The protected column; the model need not look at it."""
    group: str | None = None
    """As a bias report names it, such as the lowest of a finding; by default the other one of two."""
    reference: str | None = None
    """The group it is compared with; by default the largest of the others."""
    bands: Sequence[float] = ()
    """Edges of groups of a number, rising; by default as in a bias report."""
    max_features: int = 10
    """How many features to show, those that carry most first, in [1, 50]; the rest is summed up."""
    explained_class: str | None = None
    """The class whose score is explained; by default the second of two, and of more the one that most rows are given."""
    perturbation: Perturbation | None = None
    """By default interventional."""
    background_rows: int = 1_000
    """Rows of the whole dataset that stand in for features taken away, drawn with the seed, in [1, 100000]."""
    sample_rows: int = 10_000
    """Rows that are explained, half of each group where it has so many, drawn with the seed, in [4, 1000000]."""
    budget: int | None = None
    """Evaluations of the model that one row may cost where no exact method is known, in [100, 100000000]."""
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        self.explanation()
        if self.sample_rows < 4:
            raise InvalidInput(
                f"sample_rows must lie in [4, 1000000], got {self.sample_rows}", at=("sample_rows",)
            )
        if not self.attribute:
            raise InvalidInput("attribute must name a column, got an empty name", at=("attribute",))
        if self.group is not None and self.group == self.reference:
            raise InvalidInput(
                f"a group is compared with another one, got {self.group!r} for both", at=("reference",)
            )
        if self.bands:
            try:
                Bands(attribute=self.attribute, edges=self.bands).check()
            except InvalidInput as error:
                raise InvalidInput(str(error), at=("bands",)) from None

    def explanation(self) -> ExplanationOptions:
        """The same as options of an explanation; raises InvalidInput for what is out of range."""
        return ExplanationOptions(
            max_features=self.max_features,
            explained_class=self.explained_class,
            perturbation=self.perturbation,
            background_rows=self.background_rows,
            sample_rows=self.sample_rows,
            budget=self.budget,
            confidence=self.confidence,
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True)
class FeatureGap:
    """What one feature adds to the gap between two groups."""

    feature: str
    difference: float
    """Mean Shapley value of the group minus that of the reference, in the report's unit; all features together add up to
    the gap."""
    interval: Interval | None
    """Welch's, over rows."""
    mean: float
    """Mean Shapley value in the group."""
    reference_mean: float
    protected: bool
    """Whether it is the protected attribute itself."""


@dataclass(frozen=True, kw_only=True)
class GapExplanation:
    """How the difference between a model's mean outputs for two groups falls to its features."""

    attribute: str
    group: str
    reference: str
    summary: str
    """One sentence for a person."""
    unit: str
    """Of the gap and of what features add to it: "log-odds", "probability", "value of the model", ..."""
    explained_class: str | None
    rows: Count
    """Of the group that were explained."""
    reference_rows: Count
    difference: float
    """The gap: mean output of the group minus that of the reference, in the report's unit."""
    interval: Interval | None
    """Welch's, over rows."""
    features: tuple[FeatureGap, ...]
    """Those that carry most first, in either direction."""
    others: float
    """Sum over the features that are not shown."""
    score: float
    """Mean score of the group: the probability of the class, or the predicted value."""
    reference_score: float
    additivity_error: float
    """|sum over all features - gap|; rounding alone, where the method is exact."""
    method: ExplanationMethod
    exact: bool
    why: str
    """Why this method, and what makes it exact or approximate."""
    perturbation: Perturbation
    background: Background | None
    evaluations: Count
    """Rows that the model was asked to score, among them those explained once."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What a person should know before believing it."""
