"""How sure we are: Wilson intervals of a rate, simultaneous bootstrap intervals of gaps between groups.

The percentile bootstrap of highest-minus-lowest is not used: when all groups are equal every draw
shows a gap, and its interval never holds the true one. Instead all pairs of groups get intervals that
hold together, and the gap takes its ends from them.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from engine.fairness.quantity import Numbers

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


def newcombe(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float]:
    """Interval of the difference a - b of two proportions, each given as (rate, low, high) with Wilson's ends.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions" (1998),
    method 10.
    """
    difference = a[0] - b[0]
    down = math.hypot(a[0] - a[1], b[2] - b[0])
    up = math.hypot(a[2] - a[0], b[0] - b[1])
    return max(-1.0, difference - down), min(1.0, difference + up)


def katz(a: tuple[float, float], b: tuple[float, float], confidence: float) -> tuple[float, float] | None:
    """Interval of the ratio of two proportions, each given as (k, n); None where a rate is 0, and where it rests on so
    little weight that the interval has no upper end that a number can say.

    Source: Katz, Baptista, Azen and Pike, "Obtaining confidence intervals for the risk ratio in cohort
    studies" (1978).
    """
    (k, n), (m, o) = a, b
    if not k or not m:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = math.log(k / n) - math.log(m / o)
    half = z * math.sqrt(max(0.0, 1 / k - 1 / n + 1 / m - 1 / o))
    try:
        return math.exp(centre - half), math.exp(centre + half)
    except OverflowError:
        return None


def multinomial(cells: Numbers, samples: int, seed: int) -> Iterator[Numbers]:
    """Bootstrap samples of cells, drawn from their counts instead of from rows.

    Drawing n rows with replacement and counting them is one multinomial draw over the cells, so
    the cost does not grow with the rows.

    Args:
        cells: shape (groups, *cells), counts or effective counts.
        samples: how many to draw.
        seed: the same seed gives the same samples.

    Yields:
        Blocks of shape (some, groups, *cells), `samples` in all; all 0 where the cells weigh nothing.
    """
    generator = np.random.default_rng(seed)
    flat = cells.ravel()
    filled = np.flatnonzero(flat)
    total = flat.sum()
    rows = max(1, round(float(total))) if total > 0 else 0
    size = max(1, DRAWN_AT_ONCE // flat.size)
    for start in range(0, samples, size):
        block = np.zeros((min(size, samples - start), flat.size), dtype=np.int64)
        if rows:
            block[:, filled] = generator.multinomial(rows, flat[filled] / total, size=len(block))
        yield block.reshape(-1, *cells.shape)


def linear(k: Numbers, n: Numbers) -> tuple[Floats, Floats]:
    """Rates, NaN of no rows, and their variances, smoothed to (k + 2) / (n + 4) so that 0 and 1 have an error too."""
    smooth = (k + 2) / (n + 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        return k / n, smooth * (1 - smooth) / (n + 4)


def logarithmic(k: Numbers, n: Numbers) -> tuple[Floats, Floats]:
    """Logarithms of rates, half a row added so that 0 has one, and their variances about (1 - p) / (p n).

    Variances are smoothed to (k + 1) / (n + 2): more would make the logarithm of a rate of 0 look surer than it
    is, and 0 of 30 against 3 of 30 would pass for a difference.
    """
    smooth = (k + 1) / (n + 2)
    centre = np.where(n > 0, np.log((k + 0.5) / (n + 0.5)), np.nan)
    return centre, (1 - smooth) / (smooth * (n + 2))


def linked(
    k: Numbers, n: Numbers, link: Callable[[Numbers], Numbers], slope: Callable[[Numbers], Numbers]
) -> tuple[Floats, Floats]:
    """As `linear`, of a rising function of rates with its derivative: the delta method."""
    rate, variance = linear(k, n)
    with np.errstate(divide="ignore"):
        return link(rate), slope((k + 2) / (n + 4)) ** 2 * variance


def logarithmic_linked(
    k: Numbers, n: Numbers, link: Callable[[Numbers], Numbers], slope: Callable[[Numbers], Numbers]
) -> tuple[Floats, Floats]:
    """As `logarithmic`, of a rising function; half a row is added on either side, so that its ends have a logarithm."""
    smooth = (k + 1) / (n + 2)
    centre = np.where(n > 0, np.log(link((k + 0.5) / (n + 1))), np.nan)
    return centre, (slope(smooth) / link(smooth)) ** 2 * smooth * (1 - smooth) / (n + 2)


def largest_pair(error: Floats, variance: Floats, candidates: int = CANDIDATES) -> Floats:
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
                best[start + open_] = largest_pair(e[open_], v[open_], candidates * 4)
    return best
