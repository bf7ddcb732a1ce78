"""All metrics and quantities, and how a quantity is read from cells.

To add a metric: name it in `metric.Metric` and give it a row in the `metrics_of_*.py` of its kind of model. A new
quantity needs a name in `quantity.Quantity` and a row in the `of_*.py` of its cells. The shared laws in the tests
then hold for it by themselves.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.metric import AnalysisType, Form, Metric, MetricSpec
from engine.fairness.metrics_of_classification import OF_CLASSIFICATION
from engine.fairness.metrics_of_clustering import OF_CLUSTERING
from engine.fairness.metrics_of_recommendation import OF_RECOMMENDATION
from engine.fairness.metrics_of_regression import OF_REGRESSION
from engine.fairness.of_clusters import OF_CLUSTERS, one_cluster
from engine.fairness.of_errors import OF_ERRORS
from engine.fairness.of_outcomes import OF_OUTCOMES, one_against_rest
from engine.fairness.of_rankings import OF_RANKINGS
from engine.fairness.of_scores import OF_SCORES
from engine.fairness.of_strata import OF_STRATA
from engine.fairness.quantity import Cells, Numbers, Quantity, QuantitySpec, Share, Statistic
from engine.values import ModelType

QUANTITIES: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        **OF_OUTCOMES,
        **OF_STRATA,
        **OF_SCORES,
        **OF_ERRORS,
        **OF_CLUSTERS,
        **OF_RANKINGS,
    }
)
METRICS: Mapping[Metric, MetricSpec] = MappingProxyType(
    {**OF_CLASSIFICATION, **OF_REGRESSION, **OF_CLUSTERING, **OF_RECOMMENDATION}
)

__all__ = [
    "METRICS",
    "QUANTITIES",
    "AnalysisType",
    "Form",
    "Metric",
    "MetricSpec",
    "counted",
    "measured",
    "metrics_of",
    "of_class",
]


def counted(quantity: Quantity, cells: Numbers) -> tuple[Numbers, Numbers]:
    """Numerator and denominator of a share, for each group of some cells.

    Args:
        quantity: one whose `how` is a Share.
        cells: shape (..., *cells), as its `cells` says.

    Returns:
        k and n, each of shape (...), with 0 <= k <= n; the share is k / n and undefined where n is 0.
    """
    how = QUANTITIES[quantity].how
    if not isinstance(how, Share):
        raise TypeError(f"{quantity} is no share")
    return how.counted(cells)


def of_class(quantity: Quantity, cells: Numbers, outcome: int) -> Numbers:
    """Cells as a quantity reads them: of one class against the others where it speaks of one."""
    spec = QUANTITIES[quantity]
    if spec.by_class and spec.cells is Cells.OUTCOMES:
        return one_against_rest(cells, outcome)
    return one_cluster(cells, outcome) if spec.by_class and spec.cells is Cells.CLUSTERS else cells


def measured(quantity: Quantity, cells: Numbers) -> tuple[Numbers, Numbers]:
    """Value of a quantity in each group, NaN where it is undefined, and the rows it rests on."""
    how = QUANTITIES[quantity].how
    if isinstance(how, Statistic):
        return how.value(cells), how.base(cells)
    k, n = counted(quantity, cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = k / n if not isinstance(how, Share) or how.link is None else how.link(k / n)
    return np.where(np.isfinite(value), value, np.nan), n


def metrics_of(kind: AnalysisType, model: ModelType) -> tuple[Metric, ...]:
    """Which metrics answer a question about a kind of model."""
    return tuple(
        metric
        for metric, spec in METRICS.items()
        if spec.model is model and (kind is AnalysisType.COMPREHENSIVE or kind in spec.answers)
    )
