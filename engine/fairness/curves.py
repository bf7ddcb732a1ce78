"""Curves of groups, such as distributions: which two are furthest apart, and how far draws move their distances."""

import numpy as np

from engine.fairness.comparing import Comparison
from engine.fairness.intervals import Floats
from engine.fairness.metrics import QUANTITIES
from engine.fairness.quantity import Curve, Numbers

MOST_PAIRED = 40
"""Groups of which all pairs are tried in each draw; of more, the two that move most bound them."""


def furthest(comparison: Comparison) -> tuple[float, tuple[int, int]]:
    """The largest distance of two curves as observed, at all their points, and the places of the two groups."""
    how = _curve(comparison)
    observed = comparison.value if comparison.finer is None else comparison.finer
    best, pair = -1.0, (0, 0)
    for i in range(len(observed) - 1):
        distances = how.apart(observed[i], observed[i + 1 :])
        j = int(distances.argmax())
        if distances[j] > best:
            best, pair = float(distances[j]), (i, i + 1 + j)
    return best, pair


def changes(comparison: Comparison, block: Numbers) -> Floats:
    """How far each draw moves the distance of any two curves at most, shape (draws,).

    By the triangle inequality that is no more than both curves move together; where the distance is a norm of the
    difference, no more than the norm of how the difference moves, which is less.
    """
    how, observed = _curve(comparison), comparison.value
    drawn = how.points(block)[:, comparison.places]
    drawn = np.where(np.isfinite(drawn), drawn, observed)
    if how.norm is None or len(observed) > MOST_PAIRED:
        moved = np.sort(how.apart(drawn, observed), axis=1)
        found: Floats = moved[:, -2:].sum(1)
        return found
    error = drawn - observed
    found = np.zeros(len(block))
    for i in range(len(observed) - 1):
        found = np.maximum(found, how.norm(error[:, i, None] - error[:, i + 1 :]).max(1))
    return found


def _curve(comparison: Comparison) -> Curve:
    how = QUANTITIES[comparison.quantity].how
    if not isinstance(how, Curve):
        raise TypeError(f"{comparison.quantity} is no curve")
    return how
