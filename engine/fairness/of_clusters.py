"""Quantities of clusters: how a group is spread over them, and how far its rows are from their centres."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.quantity import Cells, Curve, Numbers, Quantity, QuantitySpec, Share, Statistic


def one_cluster(cells: Numbers, cluster: int) -> Numbers:
    """Rows by cluster, (..., clusters), as rows outside and inside of one cluster, (..., 2)."""
    inside = cells[..., cluster]
    return np.stack([cells.sum(-1) - inside, inside], axis=-1)


def composition(t: Numbers) -> Numbers:
    """Share of each group in each cluster, (..., groups, clusters); NaN for a group without rows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Numbers = t / t.sum(-1, keepdims=True)
    return shares


def half_sum(difference: Numbers) -> Numbers:
    """Half the sum of absolute differences: the total variation distance of two distributions, in [0, 1]."""
    found: Numbers = np.abs(difference).sum(-1) / 2
    return found


def mean_distance(t: Numbers) -> Numbers:
    """Mean distance to the centre, from rows with a distance, the sum of these and that of their squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(t[..., 0] > 0, t[..., 1] / t[..., 0], np.nan)


OF_CLUSTERS: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.CLUSTER_SHARE: QuantitySpec(
            how=Share(counted=lambda t: (t[..., 1], t.sum(-1))),
            title="share in the cluster",
            among="rows",
            cells=Cells.CLUSTERS,
            labelled=False,
        ),
        Quantity.CLUSTER_COMPOSITION: QuantitySpec(
            how=Curve(points=composition, base=lambda t: t.sum(-1), norm=half_sum),
            title="distribution over clusters",
            among="rows",
            cells=Cells.CLUSTERS,
            by_class=False,
            labelled=False,
        ),
        Quantity.CLUSTER_ROWS: QuantitySpec(
            how=Curve(points=lambda t: t, base=lambda t: t.sum(-1), norm=half_sum),
            title="spread over clusters",
            among="rows in clusters that are large enough",
            cells=Cells.LARGE_CLUSTERS,
            by_class=False,
            labelled=False,
            relative=True,
        ),
        Quantity.SOCIAL_COST: QuantitySpec(
            how=Statistic(value=mean_distance, base=lambda t: t[..., 0], high=None),
            title="mean distance to the centre of the cluster",
            among="rows with a distance",
            cells=Cells.COSTS,
            by_class=False,
            labelled=False,
            harm_when_high="rows of {} lie furthest from the centres of their clusters",
        ),
    }
)
