"""How many rows it would take: to settle an open verdict, and to find a gap as large as the limit at all."""

import math
from dataclasses import replace
from statistics import NormalDist

from engine.fairness.comparing import formula, view
from engine.fairness.joint import RATIOS, Sides, interval_of
from engine.fairness.metrics import QUANTITIES, Form, MetricSpec
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Share
from engine.fairness.sides import POWER, Side

MOST_ROWS = 10**12
"""More rows than these settle nothing in practice."""
HARDLY = 100
"""Times the rows that are there, beyond which more rows can hardly settle a verdict; ours."""
SLACK = 1.05
"""The quantile of an interval is itself drawn, so other draws of more rows may have it larger by about so much."""
TRIES = 40


def rows_to_settle(spec: MetricSpec, rows: Sides, value: float, quantile: float, limit: float) -> int | None:
    """Rows that the smallest group rests on when an interval around the same value no longer straddles the limit.

    All groups grow by the same factor. The interval is made anew from so many rows, as widths fall as 1 / sqrt(n)
    only where no end is cut off at the end of the scale.

    Returns:
        A number of rows, at most MOST_ROWS; None where value and limit are as good as the same.
    """
    if math.isclose(value, limit, abs_tol=1e-9):
        return None
    least, times = least_rows(rows), 1.0
    for _ in range(TRIES):
        sure = quantile * SLACK / (math.sqrt(times) if spec.form is Form.DISTANCE else 1.0)
        grown = [[_grown(side, times) for side in row] for row in rows]
        found = interval_of(spec, grown, value, sure)
        end = found.low if value > limit else found.high
        if (end >= limit) if value > limit else (end <= limit):
            return math.ceil(least * times)
        margin, room = abs(value - end), abs(value - limit)
        if spec.form in RATIOS and min(value, end, limit) > 0:
            margin, room = abs(math.log(value / end)), abs(math.log(value / limit))
        times *= max(1.01, (margin / room) ** 2)
        if least * times > MOST_ROWS:
            return None
    return None


def least_rows(rows: Sides) -> float:
    """Rows that the least of the compared groups rests on."""
    return min(float(side.comparison.base.min()) for row in rows for side in row)


def _grown(side: Side, times: float) -> Side:
    """A quantity as it would be with so many times the rows, decided alike; of curves the interval has to shrink."""
    few = side.comparison
    comparison = replace(few, cells=few.cells * times, base=few.base * times)
    known = side.scaled
    if known is None:
        return replace(side, comparison=comparison)
    centre, variance = known.centre, known.variance / times
    again = formula(few.quantity, known.scale, few.unit, comparison.base)
    if again is not None:
        centre, variance = again(view(comparison.cells, comparison.part)[comparison.places])
    return replace(
        side, comparison=comparison, scaled=replace(known, of=comparison, centre=centre, variance=variance)
    )


def rows_to_find(limit: float, spec: MetricSpec, options: BiasOptions) -> int | None:
    """Rows per group with which a gap as large as the limit would be found, at the widest spread of a share."""
    gap = abs(limit - spec.fair)
    shares = all(isinstance(QUANTITIES[quantity].how, Share) for quantity in spec.of)
    if not shares or gap <= 0:
        return None
    z = NormalDist().inv_cdf((1 + options.confidence) / 2) + NormalDist().inv_cdf(POWER)
    return max(options.min_group_size, math.ceil(0.5 * (z / gap) ** 2))
