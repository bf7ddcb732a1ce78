"""The names and definitions of rates and metrics of a binary decision.

To add a metric: name it in `Metric` and give it a row in `METRICS`. A gap in a new rate also needs
a name in `Rate` and a row in `RATES`. The shared laws in the tests then hold for it by themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

Numbers = npt.NDArray[Any]
"""Counts or floats; the last two axes of a table are label and prediction, 1 being favourable."""


class Rate(StrEnum):
    """A share that can be counted within one group: k rows out of n."""

    SELECTION_RATE = "selection_rate"
    TRUE_POSITIVE_RATE = "true_positive_rate"
    FALSE_POSITIVE_RATE = "false_positive_rate"
    PRECISION = "precision"
    ACCURACY = "accuracy"


@dataclass(frozen=True, kw_only=True)
class RateSpec:
    """How a rate is counted, and how to say it."""

    counted: Callable[[Numbers], tuple[Numbers, Numbers]]
    """From a table (..., 2, 2) of label by prediction to k and n, each of shape (...)."""
    title: str
    among: str
    """What the rows of the denominator are, for sentences: "12 of its rows have a favourable label"."""


def counted(rate: Rate, table: Numbers) -> tuple[Numbers, Numbers]:
    """Numerator and denominator of a rate, for each group of a table.

    Args:
        rate: which share to count.
        table: shape (..., 2, 2), counts by label and prediction; index 1 is favourable.

    Returns:
        k and n, each of shape (...), with 0 <= k <= n; the rate is k / n and undefined where n is 0.
    """
    return RATES[rate].counted(table)


class Metric(StrEnum):
    """Name of a metric, as stored, as logged and as seen in the API."""

    DEMOGRAPHIC_PARITY_DIFFERENCE = "demographic_parity_difference"
    """Highest selection rate minus the lowest: 0 when every group is selected alike, 1 at worst."""
    DEMOGRAPHIC_PARITY_RATIO = "demographic_parity_ratio"
    """Lowest selection rate over the highest: 1 at parity; below 0.8 fails the four-fifths rule."""
    EQUALIZED_ODDS_DIFFERENCE = "equalized_odds_difference"
    """The larger of the gaps in true positive rate and in false positive rate: 0 is fair, 1 is worst."""
    EQUAL_OPPORTUNITY_DIFFERENCE = "equal_opportunity_difference"
    """Highest true positive rate minus the lowest: 0 when the deserving are served alike."""
    FALSE_POSITIVE_RATE_DIFFERENCE = "false_positive_rate_difference"
    """Highest false positive rate minus the lowest: 0 when the undeserving are favoured alike."""
    CONSISTENCY = "consistency"
    """How alike similar rows are decided: 1 when each row is decided like its nearest neighbours."""


class Form(StrEnum):
    """How the rates of several groups become one number."""

    DIFFERENCE = "difference"
    """Highest minus lowest; with several rates, the largest of their gaps."""
    RATIO = "ratio"
    """Lowest over highest."""
    SCORE = "score"
    """No groups: a score of the whole data."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """What a metric compares, which end of its scale is fair, and how far from it is acceptable."""

    rates: tuple[Rate, ...]
    form: Form
    fair: float
    """Value under exact fairness: 0 for differences, 1 for ratios and scores."""
    limit: float
    """Default furthest acceptable value; BiasOptions may override it."""
    title: str
    meaning: str
    """One sentence for a person who knows no statistics."""


def range_of(rate: Rate, table: Numbers) -> tuple[float, float]:
    """Lowest and highest value of a rate over the groups in which it is defined.

    Args:
        rate: which share to compare.
        table: shape (groups, 2, 2), counts by label and prediction.

    Returns:
        Two proportions in [0, 1]; they are equal when the groups are alike. NaN stays inside:
        a caller passes at least one group in which the rate is defined.

    Source: the max-minus-min form of fairlearn's `MetricFrame.difference`, except that a group
    without a denominator is left out instead of counting as 0.
    """
    k, n = counted(rate, table)
    rates = k[n > 0] / n[n > 0]
    return float(rates.min()), float(rates.max())


def gap(low: float, high: float, form: Form) -> float | None:
    """The range of a rate as one number: high - low, or low / high (None when high is 0)."""
    if form is Form.RATIO:
        return low / high if high > 0 else None
    return high - low


RATES: Mapping[Rate, RateSpec] = MappingProxyType(
    {
        Rate.SELECTION_RATE: RateSpec(
            counted=lambda t: (t[..., :, 1].sum(-1), t.sum((-1, -2))),
            title="selection rate",
            among="rows",
        ),
        Rate.TRUE_POSITIVE_RATE: RateSpec(
            counted=lambda t: (t[..., 1, 1], t[..., 1, :].sum(-1)),
            title="true positive rate",
            among="rows with a favourable label",
        ),
        Rate.FALSE_POSITIVE_RATE: RateSpec(
            counted=lambda t: (t[..., 0, 1], t[..., 0, :].sum(-1)),
            title="false positive rate",
            among="rows with an unfavourable label",
        ),
        Rate.PRECISION: RateSpec(
            counted=lambda t: (t[..., 1, 1], t[..., :, 1].sum(-1)),
            title="precision",
            among="rows with a favourable prediction",
        ),
        Rate.ACCURACY: RateSpec(
            counted=lambda t: (t[..., 0, 0] + t[..., 1, 1], t.sum((-1, -2))),
            title="accuracy",
            among="rows",
        ),
    }
)

METRICS: Mapping[Metric, MetricSpec] = MappingProxyType(
    {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: MetricSpec(
            rates=(Rate.SELECTION_RATE,),
            form=Form.DIFFERENCE,
            fair=0.0,
            limit=0.1,
            title="demographic parity difference",
            meaning="how much more often the most favoured group is selected than the least favoured one",
        ),
        Metric.DEMOGRAPHIC_PARITY_RATIO: MetricSpec(
            rates=(Rate.SELECTION_RATE,),
            form=Form.RATIO,
            fair=1.0,
            limit=0.8,  # the four-fifths rule, 29 CFR 1607.4(D); lowest over highest covers the band 0.8..1.25
            title="demographic parity ratio",
            meaning="the selection rate of the least favoured group as a share of the most favoured one's",
        ),
        Metric.EQUALIZED_ODDS_DIFFERENCE: MetricSpec(
            rates=(Rate.TRUE_POSITIVE_RATE, Rate.FALSE_POSITIVE_RATE),
            form=Form.DIFFERENCE,
            fair=0.0,
            limit=0.1,
            title="equalized odds difference",
            meaning="the larger of the gaps in true positive rate and in false positive rate between groups",
        ),
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: MetricSpec(
            rates=(Rate.TRUE_POSITIVE_RATE,),
            form=Form.DIFFERENCE,
            fair=0.0,
            limit=0.1,
            title="equal opportunity difference",
            meaning="the gap between groups in how often a favourable label is predicted as such",
        ),
        Metric.FALSE_POSITIVE_RATE_DIFFERENCE: MetricSpec(
            rates=(Rate.FALSE_POSITIVE_RATE,),
            form=Form.DIFFERENCE,
            fair=0.0,
            limit=0.1,
            title="false positive rate difference",
            meaning="the gap between groups in how often an unfavourable label is predicted as favourable",
        ),
        Metric.CONSISTENCY: MetricSpec(
            rates=(),
            form=Form.SCORE,
            fair=1.0,
            limit=0.9,
            title="consistency",
            meaning="how alike rows with similar features are decided",
        ),
    }
)
