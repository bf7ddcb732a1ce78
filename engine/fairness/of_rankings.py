"""Quantities of recommendations: how items are exposed, and how well users are served."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.quantity import Cells, Curve, Numbers, Quantity, QuantitySpec, Statistic


def _per(t: Numbers, above: int, below: int) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # infinite is undefined too
        return np.where(t[..., below] > 0, t[..., above] / t[..., below], np.nan)


def item_distribution(t: Numbers) -> Numbers:
    """Share of the exposure that each group of items gets, (..., groups of users, groups of items); NaN without any."""
    exposure = t[..., 4:]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Numbers = exposure / exposure.sum(-1, keepdims=True)
    return shares


def _of_mean_gain(t: Numbers) -> Numbers:
    """Squared error of the mean nDCG over users; 0 of one user."""
    found: Numbers = t[..., 3] / np.maximum(t[..., 1] * (t[..., 1] - 1), 1.0)
    return found


def jensen_shannon(one: Numbers, other: Numbers) -> Numbers:
    """Jensen-Shannon distance of distributions, (..., points) each, to base 2: 0 alike, 1 nothing in common.

    It is the square root of the divergence and obeys the triangle inequality, unlike the divergence itself; and it
    is finite where one of the two is 0, unlike Kullback and Leibler's.
    Source: Endres and Schindelin, "A new metric for probability distributions" (2003).
    """
    middle = (one + other) / 2

    def entropy_to_middle(p: Numbers) -> Numbers:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / middle), 0.0)
        found: Numbers = terms.sum(-1)
        return found

    return np.sqrt(np.clip((entropy_to_middle(one) + entropy_to_middle(other)) / 2, 0.0, 1.0))


OF_RANKINGS: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.EXPOSURE: QuantitySpec(
            how=Statistic(value=lambda t: _per(t, 1, 3), base=lambda t: t[..., 0], high=None),
            title="exposure relative to the share of the catalogue",
            among="rows",
            cells=Cells.EXPOSURES,
            by_class=False,
            labelled=False,
        ),
        Quantity.EXPOSURE_TO_RELEVANCE: QuantitySpec(
            how=Statistic(value=lambda t: _per(t, 1, 2), base=lambda t: t[..., 0], high=None),
            title="exposure for each unit of relevance",
            among="rows with relevant items",
            cells=Cells.EXPOSURES,
            by_class=False,
        ),
        Quantity.NDCG: QuantitySpec(
            how=Statistic(value=lambda t: _per(t, 2, 1), base=lambda t: t[..., 1], variance=_of_mean_gain),
            title="mean nDCG",
            among="users with a relevant item",
            cells=Cells.RANKINGS,
            by_class=False,
            harm_when_low="users of {} are served worst",
        ),
        Quantity.ITEM_DISTRIBUTION: QuantitySpec(
            how=Curve(points=item_distribution, base=lambda t: t[..., 0], distance=jensen_shannon),
            title="distribution of exposure over groups of items",
            among="users",
            cells=Cells.RANKINGS,
            by_class=False,
            labelled=False,
        ),
    }
)
