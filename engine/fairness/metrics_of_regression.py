"""The metrics of predicted numbers."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.fairness.metric import AnalysisType, Form, Metric, MetricSpec
from engine.fairness.quantity import Quantity
from engine.values import ModelType

_PARITY = (AnalysisType.DEMOGRAPHIC_PARITY,)
_ODDS = (AnalysisType.EQUALIZED_ODDS,)

OF_REGRESSION: Mapping[Metric, MetricSpec] = MappingProxyType(
    {
        Metric.MEAN_PREDICTION_DIFFERENCE: MetricSpec(
            of=(Quantity.MEAN_PREDICTION,),
            form=Form.DIFFERENCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="mean prediction difference",
            meaning="the gap between groups in mean prediction, in standard deviations of the label",
            model=ModelType.REGRESSION,
        ),
        Metric.KOLMOGOROV_SMIRNOV_DISTANCE: MetricSpec(
            of=(Quantity.PREDICTION_DISTRIBUTION,),
            form=Form.DISTANCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="Kolmogorov-Smirnov distance",
            meaning="the largest gap between groups in how often the prediction exceeds a threshold, whichever that is",
            model=ModelType.REGRESSION,
        ),
        Metric.WASSERSTEIN_DISTANCE: MetricSpec(
            of=(Quantity.PREDICTION_VALUES,),
            form=Form.DISTANCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="Wasserstein distance",
            meaning="how far predictions of one group must be moved on average to be distributed like another's,"
            " in standard deviations of the label",
            model=ModelType.REGRESSION,
        ),
        Metric.MEAN_ERROR_DIFFERENCE: MetricSpec(
            of=(Quantity.MEAN_ERROR,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="mean error difference",
            meaning="how much more one group is overestimated than another, in standard deviations of the label",
            model=ModelType.REGRESSION,
        ),
        Metric.MEAN_ABSOLUTE_ERROR_DIFFERENCE: MetricSpec(
            of=(Quantity.MEAN_ABSOLUTE_ERROR,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="mean absolute error difference",
            meaning="the gap between groups in how far predictions are off, in standard deviations of the label",
            model=ModelType.REGRESSION,
        ),
        Metric.MEAN_ABSOLUTE_ERROR_RATIO: MetricSpec(
            of=(Quantity.MEAN_ABSOLUTE_ERROR,),
            form=Form.RATIO,
            answers=_ODDS,
            fair=1.0,
            limit=0.8,
            title="mean absolute error ratio",
            meaning="the mean absolute error of the best predicted group as a share of the worst predicted one's",
            model=ModelType.REGRESSION,
        ),
        Metric.ROOT_MEAN_SQUARED_ERROR_RATIO: MetricSpec(
            of=(Quantity.ROOT_MEAN_SQUARED_ERROR,),
            form=Form.RATIO,
            answers=_ODDS,
            fair=1.0,
            limit=0.8,
            title="root mean squared error ratio",
            meaning="the root mean squared error of the best predicted group as a share of the worst predicted one's",
            model=ModelType.REGRESSION,
        ),
        Metric.R2_DIFFERENCE: MetricSpec(
            of=(Quantity.R2,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.1,
            title="R2 difference",
            meaning="the gap between groups in the share of the label's variance that predictions explain",
            model=ModelType.REGRESSION,
        ),
    }
)
