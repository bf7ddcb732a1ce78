"""How alike groups are spread over parts, such as clusters: two balances, each with an interval that holds for all parts.

Both are the smallest of many ratios. On the logarithmic scale each ratio has a variance in closed form, and the
largest studentised error over all of them in draws bounds them together, as max-t does for gaps between groups.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engine.fairness.intervals import Floats, largest_pair
from engine.fairness.metrics import Form
from engine.fairness.quantity import Numbers
from engine.fairness.tables import Places

TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The ratio that a balance is taken from."""

    value: float
    part: int
    low: int | None
    """Place of the group that has too few rows there, or None for all rows."""
    high: int | None
    """Place of the group that has too many rows there, or None for all rows."""


class Chierichetti:
    """Counts of two groups in a part: the smallest ratio over parts and pairs, over that of all rows together.

    The ratio of all rows is the largest that the parts can reach, so 1 is the best in any data.
    Source: Chierichetti, Kumar, Lattanzi and Vassilvitskii, "Fair clustering through fairlets" (2017).
    """

    def worst(self, cells: Numbers, places: Places) -> Worst:
        rows = cells[places]
        parts = np.flatnonzero(rows.sum(0))
        ratio = rows[:, parts].min(0) / rows[:, parts].max(0)
        part = int(parts[ratio.argmin()])
        best = rows.sum(1).min() / rows.sum(1).max()
        low, high = int(rows[:, part].argmin()), int(rows[:, part].argmax())
        return Worst(value=min(1.0, float(ratio.min() / best)), part=part, low=low, high=high)

    def deviations(self, cells: Numbers, places: Places, block: Numbers) -> Floats:
        drawn = block[:, places]
        error = np.log(drawn + 0.5) - np.log(cells[places] + 0.5)
        found: Floats = _over_parts(error, 1 / (drawn + 2)).max(1)
        return found

    def observed(self, cells: Numbers, places: Places) -> float:
        rows = cells[places]
        shares = np.log(rows + 0.5) - np.log(rows.sum(1, keepdims=True))
        return float(_over_parts(shares[None], 1 / (rows[None] + 2)).max())

    def ends(self, cells: Numbers, places: Places, quantile: float) -> tuple[float, float]:
        rows = cells[places]
        log, variance = np.log(rows + 0.5), 1 / (rows + 2)
        best = float(np.log(rows.sum(1).max() / rows.sum(1).min()))
        least, most = 0.0, 0.0
        for part in np.flatnonzero(rows.sum(0)):
            gap = np.abs(log[:, None, part] - log[None, :, part])
            margin = quantile * np.sqrt(variance[:, None, part] + variance[None, :, part])
            np.fill_diagonal(margin, 0.0)
            least, most = max(least, float((gap - margin).max())), max(most, float((gap + margin).max()))
        return min(1.0, float(np.exp(best - most))), min(1.0, float(np.exp(best - least)))


class Bera:
    """A group's share of a part over its share of all rows: the smallest of these ratios and their inverses.

    Source: Bera, Chakrabarty, Flores and Negahbani, "Fair algorithms for clustering" (2019).
    """

    def worst(self, cells: Numbers, places: Places) -> Worst:
        rows, expected = _rows_and_expected(cells, places)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(expected > 0, np.fmin(rows / expected, expected / rows), 1.0)
        group, part = np.unravel_index(int(ratio.argmin()), ratio.shape)
        few = rows[group, part] < expected[group, part]
        return Worst(
            value=float(ratio.min()),
            part=int(part),
            low=int(group) if few else None,
            high=None if few else int(group),
        )

    def deviations(self, cells: Numbers, places: Places, block: Numbers) -> Floats:
        log, variance = _against_all(block, places)
        error = log - _against_all(cells, places)[0]
        found: Floats = (np.abs(error) / np.sqrt(variance)).max((-1, -2))
        return found

    def observed(self, cells: Numbers, places: Places) -> float:
        log, variance = _against_all(cells, places)
        return float((np.abs(log) / np.sqrt(variance)).max())

    def ends(self, cells: Numbers, places: Places, quantile: float) -> tuple[float, float]:
        log, variance = _against_all(cells, places)
        size, margin = np.abs(log), quantile * np.sqrt(variance)
        least, most = max(0.0, float((size - margin).max())), float((size + margin).max())
        return float(np.exp(-most)), float(np.exp(-least))


BALANCES: Mapping[Form, Chierichetti | Bera] = MappingProxyType(
    {Form.BALANCE: Chierichetti(), Form.REPRESENTATION: Bera()}
)
"""All take cells of shape (groups, parts), places of the compared groups, and blocks of drawn cells."""


def _over_parts(error: Floats, variance: Floats) -> Floats:
    """Shape (draws, parts): the largest studentised difference of two groups; both of shape (draws, groups, parts)."""
    draws, groups, parts = error.shape
    one, other = (np.moveaxis(each, 1, 2).reshape(draws * parts, groups) for each in (error, variance))
    found: Floats = np.sqrt(largest_pair(one, other)).reshape(draws, parts)
    return found


def _rows_and_expected(cells: Numbers, places: Places) -> tuple[Numbers, Floats]:
    """Rows of groups in parts, and those of an even spread; shape (..., groups, parts)."""
    rows = cells[..., places, :]
    total = cells.sum((-1, -2))[..., None, None]
    expected = rows.sum(-1)[..., None] * cells.sum(-2)[..., None, :] / np.maximum(total, 1)
    return rows, expected


def _against_all(cells: Numbers, places: Places) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Logarithms of rows over expected rows, half a row added to both, and their variances by the delta method.

    The variance is 1 / a - 1 / g - 1 / p - 1 / n + 2 a / (g p), of a rows in the group and part, g in the group,
    p in the part and n in all; like that of a share it is smoothed by two rows on either side.
    """
    rows, expected = _rows_and_expected(cells, places)
    a, g = rows + 2, rows.sum(-1)[..., None] + 4
    p, n = cells.sum(-2)[..., None, :] + 4, cells.sum((-1, -2))[..., None, None] + 8
    variance = 1 / a - 1 / g - 1 / p - 1 / n + 2 * a / (g * p)
    return np.log((rows + 0.5) / (expected + 0.5)), np.maximum(variance, TINY)
