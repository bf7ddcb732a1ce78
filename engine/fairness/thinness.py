"""Where a verdict rests on so few rows that it is a warning at most, whatever its interval says."""

import math
from dataclasses import replace

import numpy as np

from engine.fairness.comparing import view
from engine.fairness.intervals import Floats
from engine.fairness.joint import Sides, interval_of
from engine.fairness.metrics import QUANTITIES, Form, MetricSpec, counted
from engine.fairness.quantity import Share
from engine.fairness.settling import least_rows
from engine.fairness.sides import Side

FEWEST = 10
"""Rows that each compared group must rest on for more than a warning; matters only where min_group_size is less."""
COUNTED = 5.0
"""Rows that a share must count in each group, found or expected, for a ratio of it to be more than a warning."""


def too_thin(
    spec: MetricSpec, rows: Sides, value: float, quantile: float, limit: float
) -> tuple[int, str] | None:
    """Why a verdict is a warning at most, and how many rows the smallest group would need; None where it may be more.

    The logarithm of a share of a handful of rows is far from normal: with a rate of 0.03 in 40 rows, 4 that happen to be
    favourable would pass for three times the rate. What larger groups show among themselves stands.
    """
    least = least_rows(rows)
    if least < FEWEST:
        return FEWEST, f" A group rests on fewer than {FEWEST} rows, so this is a warning at most."
    if spec.form not in (Form.RATIO, Form.AGAINST_REFERENCE):
        return None
    sides = [side for row in rows for side in row if _counts(side).min() < COUNTED]
    if not sides or _fails_without(spec, rows, value, quantile, limit):
        return None
    side = min(sides, key=lambda each: float(_counts(each).min()))
    counts, title = _counts(side), QUANTITIES[side.comparison.quantity].title
    return math.ceil(least * COUNTED / float(counts.min())), (
        f" Fewer than {COUNTED:g} rows of {side.comparison.names[int(counts.argmin())]} count towards the {title},"
        f" nor were {COUNTED:g} to be expected, so this is a warning at most."
    )


def _counts(side: Side) -> Floats:
    """Shape (groups,): rows that the share of each group counts, or would at the rate of all, if these are more.

    Of FN / FP the lesser of the two; infinite of what is no share.
    """
    comparison, how = side.comparison, QUANTITIES[side.comparison.quantity].how
    if not isinstance(how, Share):
        return np.full(len(comparison.names), np.inf)
    k, n = counted(comparison.quantity, view(comparison.cells, comparison.part)[comparison.places])
    found: Floats = np.maximum(k, n * (k.sum() / n.sum()))
    return found if how.link is None else np.minimum(found, np.maximum(n - k, n * (1 - k.sum() / n.sum())))


def _fails_without(spec: MetricSpec, rows: Sides, value: float, quantile: float, limit: float) -> bool:
    """Whether the groups that count enough rows are too far apart without the others."""
    solid = [[found for side in row if (found := _solid(side)).possible] for row in rows]
    return all(solid) and interval_of(spec, solid, value, quantile).high < limit


def _solid(side: Side) -> Side:
    """A quantity without the groups of which it counts too few rows."""
    keep, all_ = _counts(side) >= COUNTED, side.comparison
    at = all_.reference
    comparison = replace(
        all_,
        names=tuple(name for name, kept in zip(all_.names, keep, strict=True) if kept),
        places=all_.places[keep],
        value=all_.value[keep],
        base=all_.base[keep],
        reference=None if at is None or not keep[at] else int(keep[:at].sum()),
    )
    known = side.scaled
    if known is not None:
        known = replace(known, of=comparison, centre=known.centre[keep], variance=known.variance[keep])
    return replace(side, comparison=comparison, scaled=known)
