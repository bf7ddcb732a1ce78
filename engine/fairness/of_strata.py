"""Quantities of decisions within strata, such as departments or kinds of loan."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.quantity import Cells, Numbers, Quantity, QuantitySpec, Statistic


def disparity(t: Numbers) -> Numbers:
    """Conditional demographic disparity of each group.

    Args:
        t: shape (..., groups, strata, 2), counts by stratum and prediction, 1 being favourable.

    Returns:
        Shape (..., groups), in [-1, 1]: above 0 the group is found more among the unselected. Within each stratum
        its share of the unselected minus its share of the selected, averaged by the rows of the strata; strata in
        which all or none are selected count 0. NaN where no stratum has both.

    Source: Wachter, Mittelstadt and Russell, "Why fairness cannot be automated" (2021).
    """
    totals = t.sum(-3, keepdims=True)
    both = (totals > 0).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = t / totals
        gap = np.where(both, shares[..., 0] - shares[..., 1], 0.0)
        rows = totals.sum(-1)
        found: Numbers = (gap * rows).sum(-1) / rows.sum(-1)
    return np.where(both.any(-1), found, np.nan)


OF_STRATA: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.CONDITIONAL_DISPARITY: QuantitySpec(
            how=Statistic(value=disparity, base=lambda t: t.sum((-1, -2)), low=-1.0),
            title="conditional demographic disparity",
            among="rows",
            cells=Cells.STRATA,
            labelled=False,
            relative=True,
        ),
    }
)
