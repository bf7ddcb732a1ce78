"""What is kept of the rows of a regression: sums of powers, the rows of small groups, counts by predicted value.

Moments of parts of the rows add up to those of the whole, whatever the parts are. Their size does not grow
with the rows: predictions are counted in bins whose width is a power of two, so that bins of any two parts
nest, and the width is the least one at which there are few enough of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.cube import Axis, Codes, Counts, Floats, ordered

FEATURES = 6
"""1, error, absolute error, squared error, label less its centre, and the square of that."""
EXACT_BELOW = 2000
"""Groups with fewer rows keep them, to be drawn from one by one; larger ones are near enough to normal."""
MAX_KEPT = 100_000
"""Rows kept in all, 2.4 MB, and drawn one by one, 1,000 draws a second; those of the largest groups go first."""
MAX_BINS = 1 << 16
"""Distinct bins of the prediction; also how many distinct values are kept as they are: of more, distances of
distributions are no longer exact."""
MAX_BIN_CELLS = 1_000_000
"""Bins of all groups together."""
LEVELS = range(-200, 202)
"""Powers of two that a bin may be wide; the last one is wider than any number is large."""

Places = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Binned:
    """How many rows of each cell have which prediction."""

    level: int | None
    """Bins are 2 ** level wide; None where each value is a bin of its own."""
    cell: Places
    """Shape (bins of cells,)."""
    bin: Floats
    """Shape (bins of cells,): the value, or the number of the bin: value / 2 ** level, rounded down."""
    count: Counts
    """Shape (bins of cells,): rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Sums over the rows of each combination of protected values that have a finite label and prediction."""

    axes: tuple[Axis, ...]
    codes: Codes
    """Shape (cells, attributes): index of each cell's value in the axis; rows in ascending order."""
    centre: float
    """What labels are measured from, near their mean, so that no digits are lost."""
    sums: Floats
    """Shape (cells, 6, 6): sums of products of any two of the FEATURES."""
    ends: Floats
    """Shape (cells, 2): the smallest and the largest label."""
    kept_in: Places
    """Shape (kept rows,): the cell of each row that is kept."""
    kept: Floats
    """Shape (kept rows, 2): its label and prediction."""
    binned: Binned
    rows: int
    """All rows, the excluded ones included."""
    unlabelled: int
    """Rows without a finite label."""
    unpredicted: int
    """Rows with a finite label and without a finite prediction."""
    notes: tuple[str, ...] = ()
    """How columns were read, in sentences."""

    @property
    def sizes(self) -> Counts:
        """Shape (cells,): rows that count."""
        return self.sums[:, 0, 0].astype(np.int64)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both sets of rows together.

        Raises:
            InvalidInput: they are of different attributes, or read them differently.
        """
        names = [[axis.name for axis in each.axes] for each in (self, other)]
        if names[0] != names[1] or self.notes != other.notes:
            raise InvalidInput("only summaries of the same columns, read alike, can be added")
        axes = tuple(
            replace(a, values=ordered({*a.values, *b.values}))
            for a, b in zip(self.axes, other.axes, strict=True)
        )
        every = np.concatenate([_recoded(each, axes) for each in (self, other)])
        codes, place = np.unique(every, axis=0, return_inverse=True)
        first, second = np.split(place.ravel(), [len(self.codes)])
        weights = self.sums[:, 0, 0].sum(), other.sums[:, 0, 0].sum()
        total = sum(weights)
        centre = (self.centre * weights[0] + other.centre * weights[1]) / total if total else 0.0
        sums = np.zeros((len(codes), FEATURES, FEATURES))
        ends = np.tile([np.inf, -np.inf], (len(codes), 1))
        for each, to in ((self, first), (other, second)):
            sums[to] += recentred(each.sums, np.full(len(to), centre - each.centre))
            ends[to, 0] = np.minimum(ends[to, 0], each.ends[:, 0])
            ends[to, 1] = np.maximum(ends[to, 1], each.ends[:, 1])
        kept_in, kept = _kept(
            np.concatenate([first[self.kept_in], second[other.kept_in]]),
            np.concatenate([self.kept, other.kept]),
            sums[:, 0, 0],
        )
        return Moments(
            axes=axes,
            codes=codes,
            centre=float(centre),
            sums=sums,
            ends=ends,
            kept_in=kept_in,
            kept=kept,
            binned=_both(self.binned, first, other.binned, second),
            rows=self.rows + other.rows,
            unlabelled=self.unlabelled + other.unlabelled,
            unpredicted=self.unpredicted + other.unpredicted,
            notes=self.notes,
        )


def moments_of(
    names: Sequence[str],
    columns: Sequence[tuple[Sequence[str | None], npt.NDArray[np.integer]]],
    label: Floats,
    prediction: Floats,
    notes: tuple[str, ...] = (),
) -> Moments:
    """The moments of some rows.

    Args:
        names: one per protected attribute.
        columns: per attribute its dictionary (None for missing) and, shape (rows,), the index of each row in it.
        label: shape (rows,), NaN where missing; none beyond `LARGEST`.
        prediction: shape (rows,), likewise.
        notes: how columns were read.
    """
    labelled, predicted = np.isfinite(label), np.isfinite(prediction)
    used = labelled & predicted
    axes, coded, ids = [], [], np.zeros(int(used.sum()), dtype=np.int64)
    for name, (words, index) in zip(names, columns, strict=True):
        found = index[used]
        present = np.flatnonzero(np.bincount(found, minlength=len(words)))
        axis = Axis(name=name, values=ordered({words[i] for i in present.tolist()}))
        place = {value: i for i, value in enumerate(axis.values)}
        within = np.array([place.get(word, 0) for word in words], dtype=np.int64)[found]
        axes.append(axis)
        coded.append(within)
        ids = _ranked(ids * max(1, len(axis.values)) + within)
    cells = int(ids.max()) + 1 if ids.size else 0
    codes = np.zeros((cells, len(axes)), dtype=np.int32)
    for i, each in enumerate(coded):
        codes[ids, i] = each
    y, p = label[used], prediction[used]
    centre = float(y.mean()) if y.size else 0.0
    ends = np.tile([np.inf, -np.inf], (cells, 1))
    np.minimum.at(ends[:, 0], ids, y)
    np.maximum.at(ends[:, 1], ids, y)
    sums = _sums(ids, cells, features(y, p, centre))
    kept_in, kept = _kept(ids, np.column_stack([y, p]), sums[:, 0, 0])
    values, at = np.unique(p, return_inverse=True)
    return Moments(
        axes=tuple(axes),
        codes=codes,
        centre=centre,
        sums=sums,
        ends=ends,
        kept_in=kept_in,
        kept=kept,
        binned=_few(_collected(None, values, ids, at, np.ones(ids.size, dtype=np.int64))),
        rows=len(label),
        unlabelled=int((~labelled).sum()),
        unpredicted=int((labelled & ~predicted).sum()),
        notes=notes,
    )


def features(label: Floats, prediction: Floats, centre: float) -> Floats:
    """Shape (rows, 6): the FEATURES of rows."""
    error, off = prediction - label, label - centre
    return np.column_stack([np.ones_like(error), error, np.abs(error), error**2, off, off**2])


def recentred(sums: Floats, shift: Floats) -> Floats:
    """Sums of products, shape (cells, 6, 6), with labels measured from a centre that lies `shift` further up."""
    change = np.zeros_like(sums)
    change[:] = np.eye(FEATURES)
    change[:, 4, 0], change[:, 5, 4], change[:, 5, 0] = -shift, -2 * shift, shift**2
    return change @ sums @ change.transpose(0, 2, 1)


def _sums(ids: Places, cells: int, rows: Floats) -> Floats:
    found = np.zeros((cells, FEATURES, FEATURES))
    for i in range(FEATURES):
        for j in range(i, FEATURES):
            found[:, i, j] = found[:, j, i] = np.bincount(ids, rows[:, i] * rows[:, j], minlength=cells)
    return found


def _ranked(ids: Places) -> Places:
    """The same numbers without gaps, in the same order."""
    if not ids.size:
        return ids
    present = np.bincount(ids) > 0
    found: Places = (np.cumsum(present) - 1)[ids]
    return found


def _recoded(moments: Moments, axes: Sequence[Axis]) -> Codes:
    found = np.empty_like(moments.codes)
    for i, (old, new) in enumerate(zip(moments.axes, axes, strict=True)):
        place = {value: j for j, value in enumerate(new.values)}
        found[:, i] = np.array([place[value] for value in old.values], dtype=np.int32)[moments.codes[:, i]]
    return found


def _kept(cell: Places, rows: Floats, sizes: Floats) -> tuple[Places, Floats]:
    """The rows of cells that are small and have all their rows still, at most MAX_KEPT."""
    small = (sizes < EXACT_BELOW) & (np.bincount(cell, minlength=len(sizes)) == sizes)
    order = np.argsort(np.where(small, sizes, np.inf), kind="stable")
    small[order] &= np.cumsum(sizes[order]) <= MAX_KEPT
    stays = small[cell]
    return cell[stays], rows[stays]


def _both(one: Binned, first: Places, other: Binned, second: Places) -> Binned:
    """Counts of both, in bins of the wider width."""
    level = max((each.level for each in (one, other) if each.level is not None), default=None)
    bins = np.concatenate([rebinned(each.bin, each.level, level) for each in (one, other)])
    cell = np.concatenate([first[one.cell], second[other.cell]])
    values, place = np.unique(bins, return_inverse=True)
    return _few(_collected(level, values, cell, place, np.concatenate([one.count, other.count])))


def rebinned(bins: Floats, level: int | None, to: int | None) -> Floats:
    """Bins of one width as the wider ones that hold them: exact, as widths are powers of two."""
    if to is None or level == to:
        return bins
    return np.floor(np.ldexp(bins, (level or 0) - to))


def _collected(level: int | None, values: Floats, cell: Places, place: Places, count: Counts) -> Binned:
    """One entry for each bin of a cell, in ascending order."""
    width = max(1, len(values))
    ids, index = np.unique(cell * width + place, return_inverse=True)
    sums = np.bincount(index, count, minlength=len(ids)).astype(np.int64)
    return Binned(level=level, cell=ids // width, bin=values[ids % width], count=sums)


def _few(binned: Binned) -> Binned:
    """The same in the narrowest bins of which there are few enough."""
    values = np.unique(binned.bin)
    if len(values) <= MAX_BINS and len(binned.bin) <= MAX_BIN_CELLS:
        return binned
    start = LEVELS.start if binned.level is None else binned.level + 1
    low, high = start, LEVELS.stop
    while low < high:
        middle = (low + high) // 2
        if _distinct(rebinned(values, binned.level, middle)) <= MAX_BINS:
            high = middle
        else:
            low = middle + 1
    bins, place = np.unique(rebinned(binned.bin, binned.level, low), return_inverse=True)
    return _few(_collected(low, bins, binned.cell, place, binned.count))


def _distinct(ascending: Floats) -> int:
    return 1 + int((np.diff(ascending) > 0).sum())
