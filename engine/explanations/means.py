"""How sure a mean over rows is, and a difference of two: intervals of Student and Welch.

Rows that are all alike have an interval without width: they show no spread, and that is all that can be said of them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from engine.values import Interval

Numbers = NDArray[np.float64]


def student(values: Numbers, confidence: float) -> Interval | None:
    """Of the mean of independent rows; None of one row.

    Source: "Student", "The probable error of a mean" (1908).
    """
    n = len(values)
    if n < 2:
        return None
    return _around(float(values.mean()), float(values.std(ddof=1)) / n**0.5, _quantile(n - 1, confidence))


def welch(first: Numbers, second: Numbers, confidence: float) -> Interval | None:
    """Of the mean of the first minus that of the second, whose variances may differ; None where one has a single row.

    Source: B. L. Welch, "The generalization of Student's problem when several different population variances are
    involved" (1947), with Satterthwaite's degrees of freedom.
    """
    n, m = len(first), len(second)
    if n < 2 or m < 2:
        return None
    a, b = float(first.var(ddof=1)) / n, float(second.var(ddof=1)) / m
    difference = float(first.mean()) - float(second.mean())
    if a + b == 0:
        return Interval(low=difference, high=difference)
    share = a / (a + b)  # of a sum that may be tiny, whose square would vanish
    degrees = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))
    return _around(difference, (a + b) ** 0.5, _quantile(degrees, confidence))


def _quantile(degrees: float, confidence: float) -> float:
    found: Any = stdtrit(degrees, (1 + confidence) / 2)
    return float(found)


def _around(centre: float, error: float, quantile: float) -> Interval:
    return Interval(low=centre - quantile * error, high=centre + quantile * error)
