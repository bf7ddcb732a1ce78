"""Regression: sums of the errors of groups, and how they are drawn.

Bootstrap samples of a group of EXACT_BELOW rows or more are not drawn row by row: means of so many rows are normal
to within what can be seen, so they are drawn with the covariance that the rows have. Of a smaller group half the rows
are drawn: a sample has fewer large errors than all people have, so that samples of its own size hide how far a
mean over its standard error may be off, and smaller ones show it.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from engine.fairness.cube import Counts, Floats
from engine.fairness.moments import EXACT_BELOW, FEATURES, Moments, features, recentred
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.resampling import Groups, in_blocks, resampled
from engine.fairness.tables import Places, Sampler, Table

ROUNDING = 1e-12
"""A variance that is a smaller share of what it was computed from is rounding."""
FEWEST_DRAWN = 100
"""Rows that are drawn of a group at least, if it has them: of fewer a standard error says little."""


def errors(moments: Moments, groups: Groups, unit: float) -> Table:
    """Sums of errors of groups, shape (groups, 9) as in Cells.ERRORS."""
    count = len(groups.values)
    sums = np.zeros((count, FEATURES, FEATURES))
    np.add.at(sums, groups.of_cell, moments.sums)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, groups.of_cell, moments.ends[:, 0])
    np.maximum.at(high, groups.of_cell, moments.ends[:, 1])
    shift = sums[:, 0, 4] / sums[:, 0, 0]
    sums = recentred(sums, shift)
    sums[low == high, 4:, :] = sums[low == high, :, 4:] = 0.0
    centre = moments.centre + shift
    means = sums[:, 0, 1:] / sums[:, :1, 0]
    prediction = sums[:, 1, 1] + 2 * sums[:, 1, 4] + sums[:, 4, 4]
    squares = np.stack([sums[:, 3, 3], prediction, sums[:, 5, 5], sums[:, 3, 5]], axis=-1)
    spreads = _spreads(means, squares / sums[:, :1, 0])
    rows = _small(moments, groups)
    for i, own in enumerate(rows):
        if own is not None:  # more digits than sums have that were taken around another centre
            mean = _with_squares(own, float(centre[i])).mean(0)
            spreads[i] = _spreads(mean[:5], mean[5:])
    sampler = _errors_sampler(groups.rows, sums, means, spreads, centre, rows)
    return groups.table(Cells.ERRORS, _cells(groups.rows, means, spreads, centre), sampler, unit=unit)


def _small(moments: Moments, groups: Groups) -> list[Floats | None]:
    """Label and prediction of the rows of each group that is small and has all of them, in ascending order."""
    group = groups.of_cell[moments.kept_in]
    order = np.lexsort((moments.kept[:, 1], moments.kept[:, 0], group))
    split = np.split(moments.kept[order], np.searchsorted(group[order], np.arange(1, len(groups.values))))
    return [
        rows if len(rows) == size and size < EXACT_BELOW else None
        for rows, size in zip(split, groups.rows.tolist(), strict=True)
    ]


def _spreads(means: Floats, squares: Floats) -> Floats:
    """Variances over rows of the squared error, of the prediction, and of what R2 is made of, shape (..., 3).

    Args:
        means: shape (..., 5), of the features but the first.
        squares: shape (..., 4), means of the squares of the squared error, of the prediction and of the label's
            squared deviation, and of the product of the first and the last.
    """
    fourth, prediction, label, both = np.moveaxis(squares, -1, 0)
    square, variance = means[..., 2], means[..., 4] - means[..., 3] ** 2
    ratio = np.divide(square, variance, out=np.zeros_like(square), where=variance > 0)
    found = [
        fourth - square**2,
        prediction - (means[..., 0] + means[..., 3]) ** 2,
        fourth - 2 * ratio * both + ratio**2 * label,
    ]
    spreads: Floats = np.maximum(np.stack(found, axis=-1), 0.0)
    return spreads


def _cells(rows: Counts, means: Floats, spreads: Floats, centre: Floats) -> Floats:
    """Means of the features but the first, shape (..., groups, 5), and spreads as sums, shape (..., groups, 9)."""
    error, distance, square, off, off_square = np.moveaxis(means, -1, 0)
    variance = off_square - off * off
    cells = [
        np.ones_like(error),
        error,
        np.maximum(distance, np.abs(error)),
        np.maximum(square, error * error),
        centre + off + error,
        np.where(variance > ROUNDING * off_square, variance, 0.0),
        *np.moveaxis(spreads, -1, 0),
    ]
    found: Floats = np.stack(cells, axis=-1) * rows[:, None]
    return found


def _errors_sampler(
    sizes: Counts,
    sums: Floats,
    means: Floats,
    spreads: Floats,
    centre: Floats,
    rows: Sequence[Floats | None],
) -> Sampler:
    covariance = sums[:, 1:, 1:] / sums[:, :1, :1] - means[:, :, None] * means[:, None, :]
    scale = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(covariance / (scale[:, :, None] * scale[:, None, :]))
    # for draws of independent normal numbers to have the covariance of the means
    root = scale[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0) / sizes[:, None])[:, None, :]

    def draws(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        known = [
            None if (own := rows[place]) is None else _with_squares(own, float(centre[place]))
            for place in places
        ]
        widest = max([FEATURES * len(places), *(len(each) for each in known if each is not None)])
        for generator, some in in_blocks(samples, seed, widest):
            normal = generator.standard_normal((len(places), some, FEATURES - 1))
            drawn = (normal @ root[places].transpose(0, 2, 1)).transpose(1, 0, 2) + means[places]
            spread = np.repeat(spreads[None, places], some, axis=0)
            for i, own in enumerate(known):
                if own is not None:
                    size = max(len(own) // 2, min(len(own), FEWEST_DRAWN))
                    mean = resampled(generator, some, np.arange(len(own)), len(own), size) @ own / size
                    # means of fewer rows vary more: as much nearer to those of all rows they vary as those do
                    nearer = math.sqrt(size / len(own))
                    drawn[:, i] = nearer * mean[:, :5] + (1 - nearer) * own[:, :5].mean(0)
                    spread[:, i] = _spreads(mean[:, :5], mean[:, 5:])
            yield _cells(sizes[places], drawn, spread, centre[places])

    return draws


def _with_squares(rows: Floats, centre: float) -> Floats:
    """Features but the first of labels and predictions, and beside them what `_spreads` takes the means of."""
    error, distance, square, off, off_square = features(rows[:, 0], rows[:, 1], centre)[:, 1:].T
    squares = [square**2, (off + error) ** 2, off_square**2, square * off_square]
    return np.column_stack([error, distance, square, off, off_square, *squares])
