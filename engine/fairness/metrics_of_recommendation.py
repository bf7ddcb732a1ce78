"""The metrics of recommendations."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.fairness.metric import AnalysisType, Form, Metric, MetricSpec
from engine.fairness.quantity import Quantity
from engine.values import ModelType

_PARITY = (AnalysisType.DEMOGRAPHIC_PARITY,)
_ODDS = (AnalysisType.EQUALIZED_ODDS,)

OF_RECOMMENDATION: Mapping[Metric, MetricSpec] = MappingProxyType(
    {
        Metric.EXPOSURE_PARITY_RATIO: MetricSpec(
            of=(Quantity.EXPOSURE,),
            form=Form.RATIO,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,
            title="exposure parity ratio",
            meaning="the exposure of an average item of the least exposed group as a share of the same for the most"
            " exposed one",
            model=ModelType.RECOMMENDATION,
        ),
        Metric.EXPOSURE_TO_RELEVANCE_RATIO: MetricSpec(
            of=(Quantity.EXPOSURE_TO_RELEVANCE,),
            form=Form.RATIO,
            answers=_ODDS,
            fair=1.0,
            limit=0.8,
            title="exposure to relevance ratio",
            meaning="how alike the groups of items are exposed for each unit of their relevance to users",
            model=ModelType.RECOMMENDATION,
        ),
        Metric.ITEM_DISTRIBUTION_DISTANCE: MetricSpec(
            of=(Quantity.ITEM_DISTRIBUTION,),
            form=Form.DISTANCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="item distribution distance",
            meaning="the Jensen-Shannon distance of the groups of items that two groups of users are shown",
            model=ModelType.RECOMMENDATION,
        ),
        Metric.NDCG_DIFFERENCE: MetricSpec(
            of=(Quantity.NDCG,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="nDCG difference",
            meaning="the gap between groups of users in how well their lists are ordered by relevance",
            model=ModelType.RECOMMENDATION,
        ),
    }
)
