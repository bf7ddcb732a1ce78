"""How sure we are: Wilson intervals of a rate, simultaneous bootstrap intervals of gaps between groups.

The percentile bootstrap of highest-minus-lowest is not used: when all groups are equal every draw
shows a gap, and its interval never holds the true one. Instead all pairs of groups get intervals that
hold together, and the gap takes its ends from them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engine.fairness.metrics import Form, Numbers

Floats = npt.NDArray[np.float64]
DRAWN_AT_ONCE = 400_000
"""Counts held at once while drawing, about 3 MB; bounds memory whatever the samples and groups."""
CANDIDATES = 12


def wilson(k: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson score interval of a proportion: defined and sensible at rates of 0 and 1 too.

    Args:
        k: rows counted, 0 <= k <= n.
        n: rows in all, above 0.
        confidence: share of such intervals that hold the true proportion, in (0, 1).

    Returns:
        Two proportions, low <= k / n <= high.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = k / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)


def f1_interval(tp: int, union: int, confidence: float) -> tuple[float, float]:
    """Interval of an F1 score from that of J = TP / (TP + FP + FN), as F1 = 2 J / (1 + J) rises with J.

    Args:
        tp: true positives.
        union: TP + FP + FN, above 0.
        confidence: as for `wilson`.
    """
    low, high = (2 * j / (1 + j) for j in wilson(tp, union, confidence))
    rate = 2 * tp / (tp + union)
    return min(low, rate), max(high, rate)  # the last digit may be rounded the other way


def draws(table: Numbers, samples: int, seed: int) -> Iterator[Numbers]:
    """Bootstrap samples of a table, drawn from its counts instead of from rows.

    Drawing n rows with replacement and counting them is one multinomial draw over the cells, so
    the cost does not grow with the rows.

    Args:
        table: shape (groups, 2, 2), with at least one row.
        samples: how many to draw.
        seed: the same seed gives the same samples.

    Yields:
        Blocks of shape (some, groups, 2, 2), `samples` in all.
    """
    generator = np.random.default_rng(seed)
    cells = table.ravel()
    filled = np.flatnonzero(cells)
    rows = int(cells.sum())
    size = max(1, DRAWN_AT_ONCE // cells.size)
    for start in range(0, samples, size):
        block = np.zeros((min(size, samples - start), cells.size), dtype=np.int64)
        block[:, filled] = generator.multinomial(rows, cells[filled] / rows, size=len(block))
        yield block.reshape(-1, *table.shape)


def linear(k: Numbers, n: Numbers) -> tuple[Floats, Floats]:
    """Rates and their variances, smoothed to (k + 2) / (n + 4) so that 0 and 1 have an error too."""
    smooth = (k + 2) / (n + 4)
    return k / np.maximum(n, 1), smooth * (1 - smooth) / (n + 4)


def logarithmic(k: Numbers, n: Numbers) -> tuple[Floats, Floats]:
    """Logarithms of rates, half a row added so that 0 has one, and their smoothed variances."""
    smooth = (k + 2) / (n + 4)
    return np.log((k + 0.5) / (n + 0.5)), (1 - smooth) / (smooth * (n + 4))


SCALES: Mapping[Form, Callable[[Numbers, Numbers], tuple[Floats, Floats]]] = MappingProxyType(
    {Form.DIFFERENCE: linear, Form.RATIO: logarithmic}
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """One rate of several groups on the scale on which they are compared."""

    form: Form
    centre: Floats
    """Shape (groups,): rates or their logarithms."""
    variance: Floats
    """Shape (groups,)."""


def spread(k: Numbers, n: Numbers, form: Form) -> Spread:
    """Rates k / n of groups, shape (groups,) each, made ready for comparing as a difference or ratio."""
    centre, variance = SCALES[form](k, n)
    return Spread(form=form, centre=centre, variance=variance)


def deviations(observed: Spread, k: Numbers, n: Numbers) -> Floats:
    """The largest studentised error over all pairs of groups, in each draw.

    Args:
        observed: the groups as they are in the data.
        k, n: shape (draws, groups), the same rate in each draw.

    Returns:
        Shape (draws,): max over pairs of |(drawn gap) - (observed gap)| / standard error.
    """
    centre, variance = SCALES[observed.form](k, n)
    error = np.where(n > 0, centre - observed.centre, 0.0)
    return np.sqrt(_largest(error, variance))


def simultaneous(spreads: list[Spread], statistics: Floats, confidence: float) -> tuple[float, float]:
    """Interval of the largest gap, from intervals of all pairs that hold together (max-t).

    Args:
        spreads: one per rate that takes part; all of one form.
        statistics: shape (draws,), the largest deviation over all pairs of all these rates.
        confidence: as for `wilson`.

    Returns:
        Ends of the difference in [0, 1], or of the ratio in [0, 1] where the form is RATIO.
    """
    quantile = float(np.quantile(statistics, confidence))
    low, high = 0.0, 0.0
    for s in spreads:
        difference = s.centre[:, None] - s.centre[None, :]
        margin = quantile * np.sqrt(s.variance[:, None] + s.variance[None, :])
        low = max(low, float((difference - margin).max()))
        np.fill_diagonal(margin, 0.0)
        high = max(high, float((difference + margin).max()))
    if spreads[0].form is Form.RATIO:
        return math.exp(-high), math.exp(-low)
    return low, min(1.0, high)


def _largest(error: Floats, variance: Floats, candidates: int = CANDIDATES) -> Floats:
    """Max over pairs of (e_i - e_j)^2 / (v_i + v_j) in each row, exactly but without trying all pairs.

    By Cauchy-Schwarz a pair reaches at most e_i^2 / v_i + e_j^2 / v_j. So pairs with one of the few
    groups of largest e^2 / v are tried first, and a row is done when no other pair can reach more.
    """
    groups = error.shape[1]
    top = min(candidates, groups)
    best = np.empty(len(error))
    size = max(1, DRAWN_AT_ONCE // (top * groups))
    for start in range(0, len(error), size):
        e, v = error[start : start + size], variance[start : start + size]
        alone = e * e / v
        order = np.argpartition(-alone, top - 1, axis=1)
        first, rest = order[:, :top], order[:, top:]
        gap = np.take_along_axis(e, first, 1)[:, :, None] - e[:, None, :]
        scale = np.take_along_axis(v, first, 1)[:, :, None] + v[:, None, :]
        best[start : start + size] = found = (gap * gap / scale).max((1, 2))
        if top < groups:
            reach = np.sort(np.take_along_axis(alone, rest, 1), axis=1)[:, -2:].sum(1)
            open_ = np.flatnonzero(found < reach)
            if open_.size:
                best[start + open_] = _largest(e[open_], v[open_], candidates * 4)
    return best
