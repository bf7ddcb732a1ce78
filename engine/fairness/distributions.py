"""Regression: how the predictions of groups are distributed, at values that are the same for all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.fairness.cube import Floats
from engine.fairness.moments import EXACT_BELOW, MAX_KEPT, Moments
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.resampling import Groups, in_blocks, resampled
from engine.fairness.tables import Places, Sampler, Table

MAX_POINTS = 512
"""Values at which distributions are drawn."""
MAX_FINER = 2_000_000
"""Groups times values at which distributions are compared without drawing them, 32 MB; beyond, as they are drawn."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The values at which distributions are compared: all there are, or few enough to be drawn."""

    bins: Floats
    """Shape (bins,): the bins of the moments, ascending."""
    point: Places
    """Shape (bins,): the value of the grid under which each is counted."""
    steps: Floats
    """Shape (points,): to the next value, in units; 0 for the last."""
    away: Floats
    """Shape (bins,): how far at most, in units, its predictions lie from the value they are counted under."""

    @property
    def exact(self) -> bool:
        return not self.away.any()

    def doubt(self, moments: Moments) -> tuple[float, float]:
        """How far distances of any two groups of one attribute may be from the exact ones: Kolmogorov-Smirnov's below
        it, and Wasserstein's below or above it, in units."""
        jump, moved = 0.0, 0.0
        place = np.searchsorted(self.bins, moments.binned.bin)
        for i in range(len(moments.axes)):
            groups = Groups.of(moments, (i,))
            of = groups.of_cell[moments.binned.cell]
            counts = _counted(moments, groups, self)
            jump = max(jump, float((counts / groups.rows[:, None]).max()))
            distance = np.bincount(of, moments.binned.count * self.away[place], minlength=len(groups.rows))
            moved = max(moved, 2 * float((distance / groups.rows).max()))
        return jump, moved


def grid_of(moments: Moments, unit: float, most: int = MAX_POINTS) -> Grid:
    """The grid of some moments, of at most so many values; `unit` is the standard deviation of the label."""
    bins, place = np.unique(moments.binned.bin, return_inverse=True)
    count = np.bincount(place, moments.binned.count)
    level = moments.binned.level
    width = 0.0 if level is None else float(np.ldexp(1.0, level))
    values = bins if level is None else np.ldexp(bins + 0.5, level)
    point: Places = np.arange(len(bins))
    if len(bins) > most:
        # square roots keep both errors of the grid small: many rows under one value, and few but far from it;
        # and one value needs no more than one point, however far off it is
        weight = np.sqrt(count * np.gradient(values))
        weight = np.minimum(weight, weight.sum() / most)
        reached = (np.cumsum(weight) - weight / 2) / weight.sum()
        point = np.unique((reached * most).astype(np.intp), return_inverse=True)[1]
    # where the mean of what is counted under a point lies
    at = np.bincount(point, count * (values / unit)) / np.bincount(point, count)
    away = np.abs(values / unit - at[point]) + width / 2 / unit
    if len(at) == len(bins) and level is None:
        at, away = values / unit, np.zeros_like(values)
    return Grid(bins=bins, point=point, steps=np.append(np.diff(at), 0.0), away=away)


def _counted(moments: Moments, groups: Groups, grid: Grid) -> Floats:
    """Shape (groups, points): rows of each group at each value."""
    points = len(grid.steps)
    place = grid.point[np.searchsorted(grid.bins, moments.binned.bin)]
    ids = groups.of_cell[moments.binned.cell] * points + place
    found = np.bincount(ids, moments.binned.count, minlength=len(groups.values) * points)
    return found.reshape(-1, points).astype(np.float64)


def distributions(moments: Moments, groups: Groups, grid: Grid, every: Grid | None = None) -> Table:
    """How many predictions of each group lie up to each value, shape (groups, 2, points) as in Cells.PREDICTIONS.

    Args:
        moments: the summary.
        groups: whose distributions.
        grid: the values at which they are drawn.
        every: all values there are, at which they are compared unless groups are many; by default those of the grid.
    """
    counts = _counted(moments, groups, grid)
    finer = None
    if every is not None and len(grid.steps) < len(every.steps) <= MAX_FINER // len(groups.values):
        finer = _with_steps(_counted(moments, groups, every).cumsum(-1), every.steps)
    cells, sampler = _with_steps(counts.cumsum(-1), grid.steps), _distributions_sampler(counts, grid.steps)
    return groups.table(Cells.PREDICTIONS, cells, sampler, finer)


def _with_steps(cumulated: Floats, steps: Floats) -> Floats:
    found = np.empty((*cumulated.shape[:-1], 2, len(steps)))
    found[..., 0, :], found[..., 1, :] = cumulated, steps
    return found


def _distributions_sampler(counts: Floats, steps: Floats) -> Sampler:
    def draws(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        own = counts[places]
        sizes = own.sum(-1)
        order = np.argsort(sizes, kind="stable")
        small = sizes < EXACT_BELOW
        small[order] &= np.cumsum(sizes[order]) <= MAX_KEPT
        large = np.flatnonzero(~small)
        rows = [np.repeat(np.arange(len(steps)), each.astype(np.int64)) for each in own]
        widest = max(own.size, int(sizes[small].max(initial=0)))
        root, share = np.sqrt(own[large]), own[large] / sizes[large, None]
        for generator, some in in_blocks(samples, seed, widest):
            drawn = np.empty((some, *own.shape))
            noise = generator.standard_normal((some, len(large), len(steps))) * root
            # counts that add up to the size of the group have the covariance of a multinomial draw
            drawn[:, large] = own[large] + noise - share * noise.sum(-1, keepdims=True)
            for i in np.flatnonzero(small):
                drawn[:, i] = resampled(generator, some, rows[i], len(steps))
            yield _with_steps(drawn.cumsum(-1), steps)

    return draws
