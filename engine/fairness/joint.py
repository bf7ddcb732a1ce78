"""The quantities of a metric put together, over classes where there are several: one value, its interval, its driver."""

import math
from collections.abc import Sequence

import numpy as np

from engine.fairness.balances import BALANCES
from engine.fairness.metrics import Form, MetricSpec
from engine.fairness.sides import Side
from engine.values import Interval

RATIOS = (Form.RATIO, Form.AGAINST_REFERENCE, *BALANCES)
"""Forms of which small values are unfair."""

Sides = Sequence[Sequence[Side]]
"""Of each class the quantities that the metric compares; one row where classes are not compared one by one."""


def value_of(spec: MetricSpec, rows: Sides) -> float:
    """The metric as observed; NaN where it is undefined."""
    return _put_together(spec, [[_value(spec, side, rows) for side in row] for row in rows])


def interval_of(spec: MetricSpec, rows: Sides, value: float, quantile: float) -> Interval:
    """The interval of a metric from those of its quantities, which hold together at this quantile."""
    ends = [[_ends(spec, side, rows, quantile) for side in row] for row in rows]
    low, high = (_put_together(spec, [[end[at] for end in row] for row in ends]) for at in (0, 1))
    return Interval(low=min(low, value), high=max(high, value))  # 0 has no logarithm


def detectable(spec: MetricSpec, rows: Sides, quantile: float) -> float | None:
    """The smallest true gap, or the largest ratio, that is found with a chance of 80 %; None if it cannot be said."""
    found = [[side.detectable(quantile) for side in row] for row in rows]
    known = [[math.nan if each is None else each for each in row] for row in found]
    together = _put_together(spec, known)
    return None if math.isnan(together) else together


def driving(spec: MetricSpec, rows: Sides) -> Side:
    """The quantity that is furthest apart."""
    pick = min if spec.form in RATIOS else max
    return pick((side for row in rows for side in row), key=lambda side: _value(spec, side, rows))


def _put_together(spec: MetricSpec, rows: Sequence[Sequence[float]]) -> float:
    """One number from those of the quantities of a metric, averaged over the classes."""
    if any(math.isnan(value) for row in rows for value in row):
        return math.nan
    one = np.mean if spec.form is Form.AVERAGE else min if spec.form in RATIOS else max
    return float(np.mean([one(row) for row in rows]))


def _value(spec: MetricSpec, side: Side, rows: Sides) -> float:
    value = side.value()
    return min(value, 1 / value) if value > 0 and _folds(spec, rows) else value


def _ends(spec: MetricSpec, side: Side, rows: Sides, quantile: float) -> tuple[float, float]:
    low, high = side.ends(quantile)
    if not _folds(spec, rows) or high <= 1:
        return low, high
    return (min(low, 1 / high), 1.0) if low <= 1 else (1 / high, 1 / low)


def _folds(spec: MetricSpec, rows: Sides) -> bool:
    """Whether ratios above 1 are turned over: in a mean over classes they would make up for those below."""
    return spec.form is Form.AGAINST_REFERENCE and len(rows) > 1
