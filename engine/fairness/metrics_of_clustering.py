"""The metrics of clusterings."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.fairness.metric import AnalysisType, Form, Metric, MetricSpec
from engine.fairness.quantity import Quantity
from engine.values import ModelType

_PARITY = (AnalysisType.DEMOGRAPHIC_PARITY,)

OF_CLUSTERING: Mapping[Metric, MetricSpec] = MappingProxyType(
    {
        Metric.CLUSTER_BALANCE: MetricSpec(
            of=(Quantity.CLUSTER_ROWS,),
            form=Form.BALANCE,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,  # ours, by analogy with the four-fifths rule, as are those of the other ratios of clusters
            title="cluster balance",
            meaning="the smallest ratio of the numbers of rows of two groups in a cluster, as a share of the same"
            " ratio in all rows",
            model=ModelType.CLUSTERING,
        ),
        Metric.CLUSTER_REPRESENTATION_RATIO: MetricSpec(
            of=(Quantity.CLUSTER_ROWS,),
            form=Form.REPRESENTATION,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,
            title="cluster representation ratio",
            meaning="the smallest ratio, or its inverse, of a group's share of a cluster to its share of all rows",
            model=ModelType.CLUSTERING,
        ),
        Metric.CLUSTER_COMPOSITION_DISTANCE: MetricSpec(
            of=(Quantity.CLUSTER_COMPOSITION,),
            form=Form.DISTANCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,  # ours, as strict as that of a selection rate: with two clusters it is the same number
            title="cluster composition distance",
            meaning="the share of one group that would have to change cluster to be spread like another group",
            model=ModelType.CLUSTERING,
        ),
        Metric.SOCIAL_COST_RATIO: MetricSpec(
            of=(Quantity.SOCIAL_COST,),
            form=Form.RATIO,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,
            title="social cost ratio",
            meaning="how far the rows of the group that clusters fit best are from their centres, as a share of the"
            " same for the group that they fit worst",
            model=ModelType.CLUSTERING,
        ),
    }
)
