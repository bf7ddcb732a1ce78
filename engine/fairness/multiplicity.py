"""p-values adjusted for asking many questions at once."""

from collections.abc import Sequence

import numpy as np

from engine.fairness.intervals import Floats


def holm(values: Sequence[float]) -> Floats:
    """p-values by which the chance of any false alarm is bounded.

    Args:
        values: shape (questions,), each in [0, 1].

    Returns:
        Shape (questions,): no smaller than the values, at most 1.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    found = np.empty_like(p)
    found[order] = np.minimum(adjusted, 1.0)
    return found


def benjamini_hochberg(values: Sequence[float]) -> Floats:
    """p-values by which the expected share of false alarms among the alarms is bounded; shapes as for `holm`.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (1995).
    """
    p = np.asarray(values, dtype=np.float64)
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(p.size, 0, -1)
    adjusted = np.minimum.accumulate(p[order] * (p.size / ranks))
    found = np.empty_like(p)
    found[order] = np.minimum(adjusted, 1.0)
    return found
