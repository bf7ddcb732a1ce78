"""The explanation: what was computed, how exactly, and what a person should know before believing it.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from engine.explanations.gap_report import GroupGap
from engine.explanations.options import ExplanationKind, Perturbation
from engine.explanations.performance import Performance
from engine.values import Count, Interval


class ExplanationMethod(StrEnum):
    """How the numbers were computed."""

    LINEAR = "linear"
    """In closed form: weight times distance from the background's mean."""
    TREE_LEAF_TABLES = "tree_leaf_tables"
    """Exactly, from a table for each leaf over which of its conditions hold."""
    TREE_SHAP = "tree_shap"
    """Exactly, by the shap package; for trees whose tables would be too large."""
    ENUMERATION = "enumeration"
    """Exactly, over all coalitions of up to 11 features."""
    SAMPLED_PERMUTATIONS = "sampled_permutations"
    """Approximately, over orders of features drawn in antithetic pairs; with a standard error."""
    LIME = "lime"
    PERMUTATION_IMPORTANCE = "permutation_importance"
    COUNTERFACTUAL_SEARCH = "counterfactual_search"
    AGREEMENT = "agreement"


@dataclass(frozen=True, kw_only=True)
class Background:
    """The rows that stood in for features taken away."""

    rows: Count
    of_rows: Count
    """How many the dataset has."""
    seed: int
    sha256: str
    """Of the values used, so that two explanations can be known to rest on the same."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What one feature did to the answer for one row."""

    feature: str
    value: str | None
    """The row's value in its text form, in the user's own units; null is missing."""
    attribution: float
    """In the report's unit; positive moved the answer up. For LIME the local weight of the condition."""
    standard_error: float | None = None
    """Where the method draws; null where it is exact."""
    condition: str | None = None
    """LIME's condition on the feature, such as "age > 37"."""


@dataclass(frozen=True, kw_only=True)
class RowExplanation:
    """One row, its answer, and what made it."""

    row: Count | None
    """Place in the dataset, from 0; null for a row that was given by values."""
    prediction: float
    """The score that is explained: of the class, or the predicted value."""
    predicted: str
    """The class predicted, or the value, in its text form."""
    output: float
    """What the attributions add up to, in the report's unit."""
    base: float
    """The same without knowing any feature: the mean over the background. For LIME the local intercept."""
    attributions: tuple[Attribution, ...]
    """The strongest first."""
    others: float
    """Sum of the attributions that are not shown."""
    additivity_error: float | None = None
    """|base + sum of all attributions - output|; null for LIME."""
    fidelity: float | None = None
    """LIME: weighted R2 of the local model, at most 1."""
    stability: float | None = None
    """LIME: mean share of the features shown that other seeds show too, in [0, 1]."""
    explained_class: str | None = None
    """Where each row explains another class."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much one feature matters over many rows."""

    feature: str
    importance: float | None
    """Mean absolute Shapley value in the report's unit, or the loss of performance. Null where it is undefined."""
    interval: Interval | None
    mean: float | None = None
    """Mean signed Shapley value; null for permutation."""
    features: tuple[str, ...] = ()
    """Those of a group that was shuffled together."""
    reason: str | None = None
    """Why it is undefined."""


@dataclass(frozen=True, kw_only=True)
class DependencePoint:
    """How a feature's attribution runs with its value: one bin of its values."""

    low: str
    """Least value in the bin, or the category, in its text form; "(missing)" for rows without one."""
    high: str
    rows: Count
    mean: float
    """Mean Shapley value of the rows in the bin."""
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How the attribution of a feature depends on its value."""

    feature: str
    points: tuple[DependencePoint, ...]


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Two features whose effect together is more than the sum of both."""

    first: str
    second: str
    strength: float
    """Mean absolute Shapley interaction value of the pair, both halves together, in the report's unit; 0 where both
    simply add up."""
    interval: Interval | None = None
    """Of the strength, from how rows differ; null of one row."""
    mean: float | None = None
    """Mean signed value: positive where both together move the answer further up than what each does alone
    adds up to."""


@dataclass(frozen=True, kw_only=True)
class ChangedValue:
    """A feature that would have to change."""

    feature: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """A change that the model was seen to answer otherwise to."""

    row: Count | None
    changes: tuple[ChangedValue, ...]
    prediction: float
    """The score after the change, verified by the model."""
    predicted: str
    distance: float
    """Sum over changed features: of numbers in units of their median absolute deviation, of others 1 each (Gower-like;
    Wachter et al. 2017)."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two kinds of explanation say the same."""

    first: ExplanationKind
    second: ExplanationKind
    rank_correlation: float | None
    """Spearman's, over all features; null where it is undefined."""
    same_sign: float | None
    """Share of the features shown whose direction agrees; null where one has none."""
    shared_top: float
    """Share of the features shown that both show."""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExplanationReport:
    """An explanation with what it rests on."""

    kind: ExplanationKind
    method: ExplanationMethod
    exact: bool
    why: str
    """Why this method, and what makes it exact or approximate."""
    summary: str
    """One sentence for a person."""
    unit: str
    """Of attributions and base: "log-odds", "probability", "value of the model", ..."""
    explained_class: str | None
    """The class whose score is explained; null for a regression, and where each row explains its own."""
    perturbation: Perturbation | None
    background: Background | None
    rows_used: Count
    seconds: float
    """Spent computing."""
    evaluations: Count
    """Rows that the model was asked to score on the way; 0 where its structure was enough."""
    importances: tuple[Importance, ...] = ()
    dependence: tuple[Dependence, ...] = ()
    interactions: tuple[Interaction, ...] | None = None
    """All pairs of the eight features that matter most over many rows, the strongest first; null where the method gives
    none."""
    interactions_why: str | None = None
    """What makes them exact, or why there are none; null for kinds that look at no pairs."""
    interactions_rows: Count | None = None
    """Rows that they are means over: at most 10,000 of those used, fewer with more than 178 classes, drawn with the seed."""
    counterfactuals: tuple[Counterfactual, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    performance: Performance | None = None
    """What permutation measured the loss of."""
    performance_value: float | None = None
    """With nothing shuffled."""
    gap: GroupGap | None = None
    """Of the kind `GAP`."""
    largest_additivity_error: float | None = None
    """Of a row, |base + sum of all attributions - output|; of a gap, |sum over all features - gap|."""
    notes: tuple[str, ...] = ()
    """What a person should know before believing it."""


@dataclass(frozen=True, kw_only=True)
class Explained(ExplanationReport):
    """A report together with the rows that were explained one by one, which are stored and paged by themselves."""

    rows: tuple[RowExplanation, ...] = ()

    def report(self) -> ExplanationReport:
        """Without the rows."""
        return ExplanationReport(
            **{each.name: getattr(self, each.name) for each in fields(ExplanationReport)}
        )
