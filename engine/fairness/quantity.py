"""What can be said of one group: shares, statistics and curves, each read from the cells of a table.

To add one: name it in `Quantity` and give it a row in the `of_*.py` of its cells; every report then shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy.typing as npt

Numbers = npt.NDArray[Any]
"""Counts or floats; the last axes are the cells of one group, the one before them the groups."""


class Quantity(StrEnum):
    """Name of something that is measured within each group."""

    SELECTION_RATE = "selection_rate"
    """Share of the group that is predicted favourably."""
    BASE_RATE = "base_rate"
    """Share of favourable labels among the rows with a label."""
    TRUE_POSITIVE_RATE = "true_positive_rate"
    """Share of favourable labels that are predicted favourably; also called recall."""
    FALSE_POSITIVE_RATE = "false_positive_rate"
    """Share of unfavourable labels that are predicted favourably."""
    PRECISION = "precision"
    """Share of favourable predictions whose label is favourable."""
    FALSE_DISCOVERY_RATE = "false_discovery_rate"
    """Share of favourable predictions whose label is unfavourable."""
    FALSE_OMISSION_RATE = "false_omission_rate"
    """Share of unfavourable predictions whose label is favourable."""
    F1 = "f1"
    """Harmonic mean of precision and true positive rate, 2 TP / (2 TP + FP + FN)."""
    TREATMENT_RATIO = "treatment_ratio"
    """False negatives for each false positive."""
    ACCURACY = "accuracy"
    """Share of the labelled rows whose prediction equals the label."""
    BALANCED_ACCURACY = "balanced_accuracy"
    """Mean over the classes of the share of each that is predicted as such."""
    GENERALIZED_ENTROPY = "generalized_entropy"
    """Inequality of benefits b = 1 + prediction - label over rows, alpha 2: mean((b / mean b)^2 - 1) / 2."""
    THEIL = "theil"
    """The same with alpha 1: mean((b / mean b) ln(b / mean b))."""
    CONDITIONAL_DISPARITY = "conditional_disparity"
    """Share of the group among the unselected minus its share among the selected, averaged over strata."""
    AUC = "auc"
    """Chance that a favourable label scores higher than an unfavourable one, ties counting half."""
    ROC_CURVE = "roc_curve"
    """True positive rate at each false positive rate, over all thresholds."""
    CALIBRATION_ERROR = "calibration_error"
    """Expected calibration error: mean distance of score and base rate over bins of the score."""
    BRIER_SCORE = "brier_score"
    """Mean squared difference of score and label."""
    MEAN_PREDICTION = "mean_prediction"
    """Mean predicted value."""
    MEAN_LABEL = "mean_label"
    """Mean label, of the rows that the mean prediction rests on."""
    MEAN_ERROR = "mean_error"
    """Mean of prediction minus label: below 0 the group is underestimated."""
    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    """Mean distance of prediction and label."""
    ROOT_MEAN_SQUARED_ERROR = "root_mean_squared_error"
    """Square root of the mean squared difference of prediction and label."""
    R2 = "r2"
    """Coefficient of determination: share of the label's variance that predictions explain; may be negative."""
    PREDICTION_DISTRIBUTION = "prediction_distribution"
    """Share of predictions up to each value."""
    PREDICTION_VALUES = "prediction_values"
    """The same times the step to the next value, in standard deviations of the label."""
    CLUSTER_SHARE = "cluster_share"
    """Share of the group in one cluster."""
    CLUSTER_COMPOSITION = "cluster_composition"
    """Share of the group in each cluster."""
    CLUSTER_ROWS = "cluster_rows"
    """Rows of the group in each cluster that is large enough."""
    SOCIAL_COST = "social_cost"
    """Mean of the given distance of rows to the centre of their cluster."""
    EXPOSURE = "exposure"
    """Share of all exposure, 1 / log2(1 + rank), that items of the group get, over their share of the catalogue."""
    EXPOSURE_TO_RELEVANCE = "exposure_to_relevance"
    """Exposure of the group's items for each unit of their relevance."""
    NDCG = "ndcg"
    """Mean normalised discounted cumulative gain at k over the users of the group."""
    ITEM_DISTRIBUTION = "item_distribution"
    """Share of exposure that each group of items gets from the users of the group."""


class Cells(StrEnum):
    """What the cells of a table count, so which quantities can be read from it."""

    OUTCOMES = "outcomes"
    """Label by prediction, shape (classes + 1, classes), rows without a label last; of one class against the
    others (3, 2), 1 being favourable."""
    STRATA = "strata"
    """Stratum by prediction, shape (strata, 2)."""
    SCORES = "scores"
    """Label by bin of the score."""
    ERRORS = "errors"
    """Sums over rows, shape (9,): 1, error, its size, its square, prediction, and the squared deviations from their
    means in the group of the label, of the squared error, of the prediction, and of what R2 is made of: the squared
    error less as much of the label's squared deviation as the two have in proportion."""
    PREDICTIONS = "predictions"
    """Shape (2, values): rows with a prediction up to each value, and the step from it to the next one in
    standard deviations of the label."""
    CLUSTERS = "clusters"
    """Cluster, shape (clusters,)."""
    LARGE_CLUSTERS = "large_clusters"
    """The same without clusters that are too small to be judged."""
    COSTS = "costs"
    """Rows with a distance to the centre of their cluster, sums of the distances and of their squares, shape (3,)."""
    EXPOSURES = "exposures"
    """Of a group of items: rows, exposure, relevance, and the exposure that its items would have if all items had
    the same, shape (4,)."""
    RANKINGS = "rankings"
    """Of a group of users: users, those with relevant items, the sum of their nDCG and of its squared deviations
    from its mean, and the exposure that each group of items gets, shape (4 + groups of items,)."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """k rows out of n, or a rising function of that."""

    counted: Callable[[Numbers], tuple[Numbers, Numbers]]
    """From cells to k and n, with 0 <= k <= n; undefined where n is 0."""
    link: Callable[[Numbers], Numbers] | None = None
    """From the share to the quantity, where they differ; infinite where the quantity is undefined."""
    slope: Callable[[Numbers], Numbers] | None = None
    """Derivative of the link, for the error of the quantity; with every link."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """Any number of a group; its error comes from draws."""

    value: Callable[[Numbers], Numbers]
    """From cells to values, NaN where undefined."""
    base: Callable[[Numbers], Numbers]
    """From cells to the rows that the value rests on."""
    low: float = 0.0
    high: float | None = 1.0
    """Ends of its range; None for no end."""
    variance: Callable[[Numbers], Numbers] | None = None
    """From cells to squared standard errors, where there is a formula; the error then needs no draws."""
    slope: Callable[[Numbers], Numbers] | None = None
    """From cells to the square, above 0, by which errors of the mean beneath become those of the value, where the groups
    differ in it: what they have in common is then the spread of that mean."""
    lift: Callable[[Numbers], Numbers] | None = None
    """From cells to how far at most chance alone lifts a value that is never negative; gaps are surer by so much less."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A list of numbers of a group, such as a distribution; compared by a distance, not by size."""

    points: Callable[[Numbers], Numbers]
    """From cells (..., groups, *cells) to curves (..., groups, points), NaN where undefined."""
    base: Callable[[Numbers], Numbers]
    """From cells to the rows that the curve rests on."""
    norm: Callable[[Numbers], Numbers] | None = None
    """From a difference of two curves, (..., points), to its size, (...): a norm, 0 for none."""
    distance: Callable[[Numbers, Numbers], Numbers] | None = None
    """From two curves to their distance, where that is no norm of the difference; the triangle inequality holds."""

    def apart(self, one: Numbers, other: Numbers) -> Numbers:
        """Distance of curves, (..., points) each, shape (...)."""
        if self.distance is not None:
            return self.distance(one, other)
        if self.norm is None:
            raise TypeError("a curve needs a norm or a distance")
        return self.norm(one - other)


@dataclass(frozen=True, kw_only=True)
class QuantitySpec:
    """How a quantity is read from cells, and how to say it."""

    how: Share | Statistic | Curve
    title: str
    among: str
    """What the rows are that it rests on, for sentences: "12 rows with a favourable label"."""
    without: str | None = None
    """What there is none of where it is undefined, if that is something else."""
    cells: Cells = Cells.OUTCOMES
    by_class: bool = True
    """Whether it speaks of one class against the others; False for those of all classes together."""
    whole: bool = False
    """Whether it speaks of all rows and not of a group."""
    labelled: bool = True
    """Whether it needs labels."""
    relative: bool = False
    """Whether the value of a group depends on the rows of the other groups: it is a comparison already."""
    unit: str | None = None
    """What differences between groups are counted in, as `Table.unit` says; None for the quantity's own unit."""
    harm_when_low: str | None = None
    """What it means for the group where it is lowest, "{}" for its name, where that is known to be worse for it."""
    harm_when_high: str | None = None
    """The same where it is highest."""
