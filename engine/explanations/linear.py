"""Shapley values of linear models in closed form: weight times distance from the background's mean."""

import numpy as np
from numpy.typing import NDArray

from engine.models.scorer import Linear, Numbers


def values(
    players: NDArray[np.intp], core: Linear, encoded: Numbers, background: Numbers, features: int
) -> Numbers:
    """(rows, features, margins): exact interventional Shapley values, summed over the columns made of a feature.

    Of a sum the sum is exact: a linear core has no interactions between the columns of one feature either.
    Source: Strumbelj and Kononenko, 2014; also Lundberg and Lee, 2017, corollary 1.
    """
    away = encoded - background.mean(axis=0)
    own = len(players) == features and bool((players == np.arange(features)).all())
    parts: Numbers = np.moveaxis(away * core.weights[:, np.newaxis], 0, -1)
    if own:
        return parts
    found = np.zeros((len(encoded), features, len(core.intercept)))
    for column, player in enumerate(players):
        found[:, player] += parts[:, column]
    return found
