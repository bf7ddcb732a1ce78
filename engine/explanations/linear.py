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
    margins = len(core.intercept)
    found = np.zeros((len(encoded), features, margins))
    own = len(players) == features and bool((players == np.arange(features)).all())
    for margin in range(margins):
        parts = away * core.weights[margin]
        if own:
            found[:, :, margin] = parts
        else:
            np.add.at(found[:, :, margin].T, players, parts.T)
    return found
