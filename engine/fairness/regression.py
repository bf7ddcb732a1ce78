"""Regression: predicted numbers, their errors and their distribution.

Bootstrap samples of a group of EXACT_BELOW rows or more are not drawn row by row: means of so many rows are normal
to within what can be seen, so they are drawn with the covariance that the rows have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.counting import MAX_VALUES
from engine.fairness.cube import Codes, Counts, Floats
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.intervals import DRAWN_AT_ONCE
from engine.fairness.moments import EXACT_BELOW, FEATURES, MAX_KEPT, Moments, features, moments_of, recentred
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.reading import Key, keys_of, number_of, reading, refuse_beyond, schema_of, source
from engine.fairness.tables import Places, Sampler, Table, names_of
from engine.fairness.words import number
from engine.tables.part import Part
from engine.values import Step, Tell

ROWS_AT_ONCE = 1 << 18
MAX_POINTS = 512
"""Values at which distributions are compared."""
MOST_GROUPS = 2000
"""Distributions of more groups are not compared, nor are their other quantities: see analysis.MAX_CROSSED_GROUPS."""
ROUNDING = 1e-12
"""A variance that is a smaller share of what it was computed from is rounding."""


def summarise(path: Part, columns: BiasColumns, options: BiasOptions, tell: Tell) -> Summary:
    """Moments, and counts by value of the prediction, in one pass over the rows in the order of the file.

    Raises:
        InvalidInput: the file is no Parquet; a column is not there or holds no numbers; a protected one has more
            than 100 values.
    """
    tell(Step(stage="counting rows", fraction=0.0, message="Reading the columns that are compared"))
    schema = schema_of(path)
    if columns.label is None or columns.prediction is None:
        raise InvalidInput("a regression needs the columns label and prediction", at=("label",))
    label = number_of(schema, ("label",), columns.label)
    prediction = number_of(schema, ("prediction",), columns.prediction)
    with reading([path], schema) as connection:
        keys, notes = keys_of(connection, schema, columns, options)
        raw = ", ".join(f"{key.raw} AS {key.alias}" for key in keys)
        texts = ", ".join(f"{key.text} AS t{i}" for i, key in enumerate(keys))
        query = (
            f"SELECT {texts}, y, p FROM "  # noqa: S608 - positions only
            f"(SELECT {raw}, {label} AS y, {prediction} AS p FROM {source(schema)})"
        )
        batches = connection.sql(query).to_arrow_reader(ROWS_AT_ONCE)
        found = _of_batch(batches.schema.empty_table(), keys, notes)
        for batch in batches:
            table = pa.table(batch)
            for name, role in (("y", "label"), ("p", "prediction")):
                refuse_beyond(table.column(name).to_numpy(), (role,), getattr(columns, role))
            found += _of_batch(table, keys, notes)
            _refuse_many_values(found, keys)
    tell(Step(stage="counting rows", fraction=1.0, message=f"Read {found.rows:,} rows"))
    return (found,)


def _of_batch(batch: pa.Table, keys: Sequence[Key], notes: tuple[str, ...]) -> Moments:
    columns = []
    for i in range(len(keys)):
        words = batch.column(i).combine_chunks().dictionary_encode(null_encoding="encode")
        if isinstance(words, pa.ChunkedArray):
            words = words.combine_chunks()
        columns.append((words.dictionary.to_pylist(), words.indices.to_numpy()))
    label, prediction = (batch.column(name).to_numpy().astype(np.float64, copy=False) for name in ("y", "p"))
    return moments_of([key.name for key in keys], columns, label, prediction, notes)


def _refuse_many_values(moments: Moments, keys: Sequence[Key]) -> None:
    for key, axis in zip(keys, moments.axes, strict=True):
        if len(axis.values) > MAX_VALUES:
            raise InvalidInput(
                f"protected column {key.name!r} has more than {MAX_VALUES} distinct values; at most {MAX_VALUES}"
                " groups can be compared. Group the values first",
                at=key.at,
            )


def evidence(summary: Summary, columns: BiasColumns, options: BiasOptions) -> Evidence:
    """Tables of errors, and of how predictions are distributed.

    Raises:
        InvalidInput: no row has both a label and a prediction.
    """
    moments: Moments = summary[0]
    excluded = moments.unlabelled + moments.unpredicted
    if excluded == moments.rows:
        raise InvalidInput("no row has both a label and a prediction that are finite numbers")
    unit = deviation(moments)
    grid = grid_of(moments, unit)

    def tables(attributes: tuple[int, ...]) -> Sequence[Table]:
        groups = Groups.of(moments, attributes)
        found = [errors(moments, groups, unit)]
        if len(groups.values) <= MOST_GROUPS:
            found.append(distributions(moments, groups, grid))
        return found

    return Evidence(
        protected=moments.axes,
        rows=moments.rows,
        excluded=excluded,
        exclusion_reason=_why(moments),
        tables=tables,
        notes=(*moments.notes, *_notes(moments, unit, grid)),
    )


def _why(moments: Moments) -> str | None:
    counts = (moments.unlabelled, "label"), (moments.unpredicted, "prediction")
    found = [f"{count:,} rows have no finite {what}" for count, what in counts if count]
    return ", and ".join(found) or None


def _notes(moments: Moments, unit: float, grid: "Grid") -> tuple[str, ...]:
    if np.isnan(unit):
        scale = (
            "The label has one value only, so gaps in units of the label have no scale and are not judged."
        )
    else:
        scale = (
            f"Gaps in mean prediction, mean error and mean absolute error, and the Wasserstein distance, are given in"
            f" standard deviations of the label over all rows, {unit:.6g}; quantities of groups in units of the label."
        )
    how = (
        f"Groups with fewer than {EXACT_BELOW:,} rows are resampled row by row, the smallest first and at most {MAX_KEPT:,} rows in all;"
        " means and distributions of the others are drawn as normal with the covariance that the rows have."
    )
    said = (scale, "The limits of regression metrics are our own; no law sets them.", how)
    if grid.exact:
        return said
    jump, moved = grid.doubt(moments)
    area = (
        "" if np.isnan(moved) else f", and the Wasserstein distance within {number(moved)} of the exact one"
    )
    return (
        *said,
        f"Distributions are compared at {len(grid.steps):,} values: between groups of one attribute the"
        f" Kolmogorov-Smirnov distance lies at most {number(jump)} below the exact one{area}.",
    )


def deviation(moments: Moments) -> float:
    """Standard deviation of the label over all rows, the unit of gaps; NaN where the label has one value only."""
    if moments.ends[:, 0].min() == moments.ends[:, 1].max():
        return float("nan")
    n, off, square = (float(moments.sums[:, 0, i].sum()) for i in (0, 4, 5))
    return float(np.sqrt(max(square / n - (off / n) ** 2, 0.0))) or float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """The groups of some attributes, with all others summed out."""

    attributes: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]
    names: tuple[str, ...]
    of_cell: Places
    """Shape (cells,): the group that each cell of the moments belongs to."""
    rows: Counts
    """Shape (groups,)."""

    @staticmethod
    def of(moments: Moments, attributes: tuple[int, ...]) -> "Groups":
        """The groups that arise where attributes cross, by their positions; without any, one group of all rows."""
        axes = [moments.axes[i] for i in attributes]
        own: Codes = moments.codes[:, list(attributes)]
        place: Places = np.zeros(len(own), dtype=np.intp)
        if attributes:
            own, place = np.unique(own, axis=0, return_inverse=True)
        else:
            own = own[:1]
        values = tuple(
            tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in own.tolist()
        )
        rows = np.bincount(place.ravel(), moments.sizes, minlength=len(values)).astype(np.int64)
        return Groups(
            attributes=tuple(axis.name for axis in axes),
            values=values,
            names=names_of(axes, values),
            of_cell=place.ravel(),
            rows=rows,
        )


def errors(moments: Moments, groups: Groups, unit: float) -> Table:
    """Sums of errors of groups, shape (groups, 6) as in Cells.ERRORS."""
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
    rows = _small(moments, groups)
    return Table(
        kind=Cells.ERRORS,
        attributes=groups.attributes,
        groups=groups.values,
        names=groups.names,
        rows=groups.rows,
        cells=_cells(groups.rows, means, centre),
        sampler=_errors_sampler(groups.rows, sums, means, centre, rows),
        unit=unit,
    )


def _small(moments: Moments, groups: Groups) -> list[Floats | None]:
    """Label and prediction of the rows of each group that is small and has all of them, in ascending order."""
    group = groups.of_cell[moments.kept_in]
    order = np.lexsort((moments.kept[:, 1], moments.kept[:, 0], group))
    split = np.split(moments.kept[order], np.searchsorted(group[order], np.arange(1, len(groups.values))))
    return [
        rows if len(rows) == size and size < EXACT_BELOW else None
        for rows, size in zip(split, groups.rows.tolist(), strict=True)
    ]


def _cells(rows: Counts, means: Floats, centre: Floats) -> Floats:
    """Means of the features but the first, shape (..., groups, 5), as sums, shape (..., groups, 6)."""
    error, distance, square, off, off_square = np.moveaxis(means, -1, 0)
    variance = off_square - off * off
    cells = [
        np.ones_like(error),
        error,
        np.maximum(distance, np.abs(error)),
        np.maximum(square, error * error),
        centre + off + error,
        np.where(variance > ROUNDING * off_square, variance, 0.0),
    ]
    found: Floats = np.stack(cells, axis=-1) * rows[:, None]
    return found


def _errors_sampler(
    sizes: Counts, sums: Floats, means: Floats, centre: Floats, rows: Sequence[Floats | None]
) -> Sampler:
    covariance = sums[:, 1:, 1:] / sums[:, :1, :1] - means[:, :, None] * means[:, None, :]
    scale = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(covariance / (scale[:, :, None] * scale[:, None, :]))
    # for draws of independent normal numbers to have the covariance of the means
    root = scale[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0) / sizes[:, None])[:, None, :]

    def draws(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        known = [
            None
            if (own := rows[place]) is None
            else features(own[:, 0], own[:, 1], float(centre[place]))[:, 1:]
            for place in places
        ]
        widest = max([FEATURES * len(places), *(len(each) for each in known if each is not None)])
        for generator, some in _blocks(samples, seed, widest):
            normal = generator.standard_normal((len(places), some, FEATURES - 1))
            drawn = (normal @ root[places].transpose(0, 2, 1)).transpose(1, 0, 2) + means[places]
            for i, own in enumerate(known):
                if own is not None:
                    drawn[:, i] = resampled(generator, some, np.arange(len(own)), len(own)) @ own / len(own)
            yield _cells(sizes[places], drawn, centre[places])

    return draws


def _blocks(samples: int, seed: int, widest: int) -> Iterator[tuple[np.random.Generator, int]]:
    """One generator, and how many samples to draw with it at a time."""
    generator = np.random.default_rng(seed)
    size = max(1, DRAWN_AT_ONCE // max(1, widest))
    for start in range(0, samples, size):
        yield generator, min(size, samples - start)


def resampled(generator: np.random.Generator, samples: int, places: Places, count: int) -> Floats:
    """Shape (samples, count): how many of the rows drawn with replacement have each place; `places` has one per row."""
    chosen = places[generator.integers(0, len(places), (samples, len(places)), dtype=np.int32)]
    chosen += count * np.arange(samples)[:, None]
    return np.bincount(chosen.ravel(), minlength=samples * count).reshape(samples, count).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The values at which distributions are compared: all of them where there are few."""

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


def grid_of(moments: Moments, unit: float) -> Grid:
    """The grid of some moments; `unit` is the standard deviation of the label."""
    bins, place = np.unique(moments.binned.bin, return_inverse=True)
    count = np.bincount(place, moments.binned.count)
    level = moments.binned.level
    width = 0.0 if level is None else float(np.ldexp(1.0, level))
    values = bins if level is None else np.ldexp(bins + 0.5, level)
    point: Places = np.arange(len(bins))
    if len(bins) > MAX_POINTS:
        # square roots keep both errors of the grid small: many rows under one value, and few but far from it
        weight = np.sqrt(count)
        reached = (np.cumsum(weight) - weight / 2) / weight.sum()
        point = np.unique((reached * MAX_POINTS).astype(np.intp), return_inverse=True)[1]
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


def distributions(moments: Moments, groups: Groups, grid: Grid) -> Table:
    """How many predictions of each group lie up to each value, shape (groups, 2, points) as in Cells.PREDICTIONS."""
    counts = _counted(moments, groups, grid)
    return Table(
        kind=Cells.PREDICTIONS,
        attributes=groups.attributes,
        groups=groups.values,
        names=groups.names,
        rows=groups.rows,
        cells=_with_steps(counts.cumsum(-1), grid.steps),
        sampler=_distributions_sampler(counts, grid.steps),
    )


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
        for generator, some in _blocks(samples, seed, widest):
            drawn = np.empty((some, *own.shape))
            noise = generator.standard_normal((some, len(large), len(steps))) * root
            # counts that add up to the size of the group have the covariance of a multinomial draw
            drawn[:, large] = own[large] + noise - share * noise.sum(-1, keepdims=True)
            for i in np.flatnonzero(small):
                drawn[:, i] = resampled(generator, some, rows[i], len(steps))
            yield _with_steps(drawn.cumsum(-1), steps)

    return draws


REGRESSION = Family(summarise=summarise, evidence=evidence)
