"""The summary of scores: rows and sums by protected values, label and fine bin of the score.

The bins are the same whatever the data, so summaries of parts add up. Few rows keep each score as it is.
Inside (0, 1) a bin is a 128th of an octave of the distance to 0 or 1, whichever is nearer; elsewhere a 512th of
an octave. No bin crosses a tenth of [0, 1] or the threshold, so calibration and decisions are exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.counting import MAX_CELLS
from engine.fairness.cube import Axis, Codes, Floats, Role, collapsed, ordered
from engine.fairness.intervals import multinomial
from engine.fairness.of_scores import CALIBRATION_BINS, LAYERS, Layer
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.reading import keys_of, number_of, plain, reading, refuse_beyond, schema_of, source
from engine.fairness.tables import Places, Table
from engine.tables.part import Part

EXACT_ROWS = 20_000
"""Up to so many rows each score is a bin of its own."""
INSIDE = 128
OUTSIDE = 512
"""Bins of an octave."""
REGION = 2**22
"""Room for the bins of one region: below 0, at 0, the lower and the upper half of [0, 1], from 1 on."""
PART = 8 * REGION
"""Room for the regions of one part: a tenth of [0, 1] below or above the threshold."""
CELLS_DRAWN = 4000
"""About how many cells a table of few rows has: bins are merged where there are many groups, as each cell is drawn."""
FEWEST_BINS = 64
"""About how many bins a table has at least, and one of many rows at most."""
TRIED_BINS = 256
"""The same where thresholds are tried, which draws nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Sparse sums over protected values, label and bin of the score; rows without a finite score are left out."""

    axes: tuple[Axis, ...]
    """The protected attributes, then the label."""
    codes: Codes
    """Shape (cells, axes): index of each cell's value in the axis."""
    keys: Floats
    """Shape (cells,): the score itself where `exact`, otherwise the number of the bin; both rise with the score."""
    sums: Floats
    """Shape (cells, 3): rows, the sum of their scores and of the squares of these."""
    exact: bool
    threshold: float
    """The least score that counts as favourable."""
    rows: int
    """Rows seen, those left out included."""
    lowest: float
    highest: float
    """Of all scores; infinite, the wrong way round, where there are none."""
    too_fine: bool = False
    """Whether there were too many cells to keep; then there are none."""

    @property
    def left_out(self) -> int:
        """Rows without a label or a finite score."""
        return self.rows - int(self.sums[self.labelled, 0].sum())

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Shape (cells,): whether the rows of each cell have a label."""
        known = np.array([value is not None for value in self.axes[-1].values], dtype=bool)
        return known[self.codes[:, -1]] if known.size else np.zeros(len(self.codes), dtype=bool)

    def __add__(self, other: "Scores") -> "Scores":
        """The summary of both sets of rows together.

        Raises:
            InvalidInput: they are of different columns, or of different thresholds.
        """
        if [a.name for a in self.axes] != [b.name for b in other.axes] or self.threshold != other.threshold:
            raise InvalidInput("only scores of the same columns, read alike, can be added")
        rows = self.rows + other.rows
        parts = [_coarser(each) if rows > EXACT_ROWS else each for each in (self, other)]
        axes = tuple(
            replace(a, values=ordered({*a.values, *b.values}))
            for a, b in zip(self.axes, other.axes, strict=True)
        )
        return _summed(
            replace(
                parts[0],
                axes=axes,
                codes=np.concatenate([_recoded(each, axes) for each in parts]),
                keys=np.concatenate([each.keys for each in parts]),
                sums=np.concatenate([each.sums for each in parts]),
                rows=rows,
                lowest=min(self.lowest, other.lowest),
                highest=max(self.highest, other.highest),
                too_fine=self.too_fine or other.too_fine,
            )
        )


def summarise(path: Part, columns: BiasColumns, options: BiasOptions) -> Scores:
    """Sum up the scores of a Parquet file, or of a part of the rows, in one GROUP BY.

    Args:
        path: the file; `counting.count` has found its columns in order.
        columns: label, score and protected attributes.
        options: bands of numeric attributes, and the threshold of the score.

    Raises:
        InvalidInput: a column is not there, or the score is no number.
    """
    schema = schema_of(path)
    if columns.label is None or columns.score is None:
        raise InvalidInput("scores are compared with labels: name both columns", at=("label",))
    score = number_of(schema, ("score",), columns.score)
    with reading([path], schema) as connection:
        keys, _ = keys_of(connection, schema, columns, options)
        keys = [*keys, plain(schema, ("label",), columns.label, Role.LABEL)]
        seen = f"(SELECT {score} AS s FROM {source(schema)})"  # noqa: S608 - positions only
        finite = "FILTER (isfinite(s))"
        ends = f"SELECT count(*), min(s) {finite}, max(s) {finite} FROM {seen}"  # noqa: S608
        rows, lowest, highest = connection.sql(ends).fetchall()[0]
        refuse_beyond([lowest, highest], ("score",), columns.score)
        exact = rows <= EXACT_ROWS
        raw = ", ".join(f"{key.raw} AS {key.alias}" for key in keys)
        aliases = ", ".join(key.alias for key in keys)
        texts = ", ".join(f"{key.text} AS t{i}" for i, key in enumerate(keys))
        query = (
            f"SELECT {texts}, k, n, total, squares FROM (SELECT {aliases}, k, count(*) AS n, sum(s) AS total,"  # noqa: S608
            f" sum(s * s) AS squares FROM (SELECT *, {'s' if exact else _bin_in_sql(options.score_threshold)} AS k"
            f" FROM (SELECT {raw}, {score} AS s FROM {source(schema)}) WHERE isfinite(s))"
            f" GROUP BY {aliases}, k LIMIT {MAX_CELLS + 1})"
        )
        try:
            cells = connection.sql(query).to_arrow_table()
        except duckdb.OutOfMemoryException:
            cells = None
    names = [(key.name, key.role) for key in keys]
    if cells is None:
        columns_found: list[tuple[tuple[str | None, ...], Codes]] = [((), np.zeros(0, np.int32))] * len(keys)
        numbers = np.zeros((0, 4))
    else:
        columns_found = [_encoded(cells.column(i)) for i in range(len(keys))]
        numbers = np.column_stack([cells.column(name).to_numpy() for name in ("k", "n", "total", "squares")])
    return _summed(
        Scores(
            axes=tuple(
                Axis(name=name, values=values, role=role)
                for (name, role), (values, _) in zip(names, columns_found, strict=True)
            ),
            codes=np.stack([codes for _, codes in columns_found], axis=1),
            keys=numbers[:, 0],
            sums=numbers[:, 1:].astype(float),
            exact=exact,
            threshold=options.score_threshold,
            rows=rows,
            lowest=np.inf if lowest is None else float(lowest),
            highest=-np.inf if highest is None else float(highest),
            too_fine=cells is None,
        )
    )


def score_table(scores: Scores, favorable: tuple[str, ...], like: Table, places: tuple[int, ...]) -> Table:
    """The groups of a table of decisions with the cells of their scores, shape (groups, LAYERS, bins).

    Args:
        scores: the summary.
        favorable: the texts of a favourable label.
        like: the table of decisions of the same attributes.
        places: positions of these attributes.
    """
    known = scores.labelled
    scores = replace(scores, codes=scores.codes[known], keys=scores.keys[known], sums=scores.sums[known])
    fine, counts = _by_group(scores, favorable, like, places)
    counts = counts[:, :2]
    bins = _bins(scores, fine, counts[..., 0].sum((0, 1)), len(like.names), FEWEST_BINS)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    merged = np.add.reduceat(counts, starts, axis=2)
    cells = np.zeros((len(like.names), LAYERS, len(starts)))
    rows, totals, squares = merged[..., 0], merged[..., 1], merged[..., 2]
    cells[:, Layer.UNFAVORABLE], cells[:, Layer.FAVORABLE] = rows[:, 0], rows[:, 1]
    cells[:, Layer.SCORE_UNFAVORABLE], cells[:, Layer.SCORE_FAVORABLE] = totals[:, 0], totals[:, 1]
    cells[:, Layer.ERROR_UNFAVORABLE] = squares[:, 0]
    cells[:, Layer.ERROR_FAVORABLE] = np.maximum(squares[:, 1] - 2 * totals[:, 1] + rows[:, 1], 0)
    cells[:, Layer.CONCORDANCE] = _concordance(counts[..., 0], rows, starts)
    probabilities = scores.lowest >= 0 and scores.highest <= 1
    cells[:, Layer.TENTH] = _tenths(scores, fine[starts]) if probabilities else -1

    def sampler(chosen: Places, samples: int, seed: int) -> Iterator[Numbers]:
        return _draws(cells[chosen], samples, seed)

    return replace(like, kind=Cells.SCORES, cells=cells, outcomes=(1,), sampler=sampler)


def decidable(
    scores: Scores, favorable: tuple[str, ...], like: Table, places: tuple[int, ...]
) -> tuple[Numbers, Floats]:
    """What thresholds can be tried on: rows with a score, those without a label included; arguments as `score_table`.

    Returns:
        Counts of shape (groups, 3, bins): rows with an unfavourable, with a favourable and without a label; and the
        least score of each bin, shape (bins,).
    """
    fine, counts = _by_group(scores, favorable, like, places)
    rows = counts[..., 0]
    bins = _bins(scores, fine, rows.sum((0, 1)), len(like.names), TRIED_BINS)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    merged = np.add.reduceat(rows, starts, axis=2).astype(np.int64)
    return merged, fine[starts] if scores.exact else _least(fine[starts], scores.threshold)


def _by_group(
    scores: Scores, favorable: tuple[str, ...], like: Table, places: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """The fine bins that occur, and sums of shape (groups, 3, fine bins, 3), by label, rows without one last."""
    place = {group: i for i, group in enumerate(like.groups)}
    fine, at = np.unique(scores.keys, return_inverse=True)
    axes = [scores.axes[i] for i in places]
    sizes = tuple(max(1, len(axis.values)) for axis in axes)
    joint = np.ravel_multi_index(scores.codes[:, list(places)].T, sizes)
    group = np.full(int(np.prod(sizes)), -1, dtype=np.intp)
    for code in np.flatnonzero(np.bincount(joint, minlength=1)):
        values = tuple(axis.values[i] for axis, i in zip(axes, np.unravel_index(code, sizes), strict=True))
        group[code] = place.get(values, -1)
    group = group[joint]
    words = scores.axes[-1].values
    yes = np.array([2 if word is None else int(word in favorable) for word in words], dtype=np.intp)
    label = yes[scores.codes[:, -1]]
    kept = group >= 0
    shape = (len(like.groups), 3, len(fine))
    flat = np.ravel_multi_index((group[kept], label[kept], at[kept]), shape)
    size = int(np.prod(shape))
    columns = [np.bincount(flat, weights=each[kept], minlength=size) for each in scores.sums.T]
    counts: Numbers = np.stack(columns, axis=-1)
    sums: Floats = counts.reshape(*shape, 3)
    return fine, sums


def _bins(scores: Scores, fine: Floats, rows: Floats, groups: int, fewest: int) -> Codes:
    """The bin of each fine one, from 0 without a gap: of about equal rows, within a tenth and the threshold."""
    most = max(fewest, CELLS_DRAWN // (2 * groups)) if scores.exact else fewest
    parts = _parts(fine, scores.threshold) if scores.exact else fine // PART
    if len(fine) <= most:
        return np.arange(len(fine), dtype=np.int32)
    before = np.cumsum(rows) - rows
    quantile = np.floor(before * most / max(rows.sum(), 1.0))
    changes = (np.diff(quantile, prepend=-1) != 0) | (np.diff(parts, prepend=-1) != 0)
    return (np.cumsum(changes) - 1).astype(np.int32)


def _concordance(fine: Floats, rows: Floats, starts: Places) -> Floats:
    """Within each bin the chance that a favourable label scores higher, shape (groups, bins)."""
    below = np.cumsum(fine[:, 0], axis=-1) - fine[:, 0]
    lengths = np.diff(starts, append=fine.shape[-1])
    within = below - np.repeat(below[:, starts], lengths, axis=-1)
    won = np.add.reduceat(fine[:, 1] * (within + 0.5 * fine[:, 0]), starts, axis=-1)
    pairs = rows[:, 0] * rows[:, 1]
    found: Floats = np.divide(won, pairs, out=np.full(pairs.shape, 0.5), where=pairs > 0)
    return found


def _draws(cells: Numbers, samples: int, seed: int) -> Iterator[Numbers]:
    """Drawn counts with the mean scores and errors of the observed cells."""
    counts = cells[:, :2].astype(np.int64)
    if not counts.sum():
        yield np.broadcast_to(cells, (samples, *cells.shape))
        return
    filled = np.maximum(counts, 1)
    score, error = cells[:, 2:4] / filled, cells[:, 4:6] / filled
    for drawn in multinomial(counts, samples, seed):
        block = np.empty((len(drawn), *cells.shape))
        block[:, :, :2] = drawn
        np.multiply(drawn, score, out=block[:, :, 2:4])
        np.multiply(drawn, error, out=block[:, :, 4:6])
        block[:, :, 6:] = cells[:, 6:]
        yield block


def _tenths(scores: Scores, keys: Floats) -> Floats:
    return _parts(keys, scores.threshold) // 2 if scores.exact else keys // PART // 2


def _parts(score: Floats, threshold: float) -> Floats:
    """The tenth of [0, 1], twice, and one more from the threshold on; rises with the score."""
    tenth = np.clip(np.floor(score * CALIBRATION_BINS), 0, CALIBRATION_BINS - 1)
    found: Floats = 2 * tenth + (score >= threshold)
    return found


def _coarser(scores: Scores) -> Scores:
    """The same with fine bins instead of scores."""
    if not scores.exact:
        return scores
    return _summed(replace(scores, keys=_bin(scores.keys, scores.threshold), exact=False))


def _bin(score: Floats, threshold: float) -> Floats:
    """The number of a score's bin; the same as `_bin_in_sql`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.floor(-np.log2(-score) * OUTSIDE)
        lower = REGION * 2 + np.floor(np.log2(score) * INSIDE)
        upper = REGION * 3 + np.floor(-np.log2(1 - score) * INSIDE)
        above = REGION * 4 + np.floor(np.log2(score) * OUTSIDE)
    places = [score < 0, score == 0, score < 0.5, score < 1]
    within = np.select(places, [below, np.full_like(below, REGION), lower, upper], above)
    found: Floats = _parts(score, threshold) * PART + within + REGION / 2
    return found


def _bin_in_sql(threshold: float) -> str:
    last = CALIBRATION_BINS - 1
    return (
        f"(2 * least(greatest(floor(s * {CALIBRATION_BINS}), 0), {last}) + CASE WHEN s >= {threshold!r} THEN 1"
        f" ELSE 0 END) * {PART} + {REGION // 2} + CASE WHEN s < 0 THEN floor(-log2(-s) * {OUTSIDE})"
        f" WHEN s = 0 THEN {REGION} WHEN s < 0.5 THEN {REGION * 2} + floor(log2(s) * {INSIDE})"
        f" WHEN s < 1 THEN {REGION * 3} + floor(-log2(1 - s) * {INSIDE})"
        f" ELSE {REGION * 4} + floor(log2(s) * {OUTSIDE}) END"
    )


def _least(keys: Floats, threshold: float) -> Floats:
    """The least score of bins, by their numbers."""
    part, within = keys // PART, keys % PART
    region, place = within // REGION, within % REGION - REGION / 2
    with np.errstate(over="ignore", divide="ignore"):  # of bins of other regions
        inside, outside = np.exp2(place / INSIDE), np.exp2(place / OUTSIDE)
        found = np.select(
            [region == 0, region == 1, region == 2, region == 3],
            [-np.exp2(-place / OUTSIDE), np.zeros_like(place), inside, 1 - 1 / inside],
            outside,
        )
    tenth = np.where(part >= 2, part // 2 / CALIBRATION_BINS, -np.inf)
    least: Floats = np.maximum(np.maximum(found, tenth), np.where(part % 2 == 1, threshold, -np.inf))
    return least


def _summed(scores: Scores) -> Scores:
    """The same with axes in order and equal cells added up."""
    axes = tuple(replace(axis, values=ordered(set(axis.values))) for axis in scores.axes)
    keys, at = np.unique(scores.keys, return_inverse=True)
    codes = np.column_stack([_recoded(scores, axes), at]).astype(np.int32)
    codes, sums = collapsed(codes, scores.sums)
    too_fine = scores.too_fine or len(sums) > MAX_CELLS
    if too_fine:
        codes, sums = codes[:0], sums[:0]
    return replace(
        scores, axes=axes, codes=codes[:, :-1], keys=keys[codes[:, -1]], sums=sums, too_fine=too_fine
    )


def _recoded(scores: Scores, axes: tuple[Axis, ...]) -> Codes:
    found = np.empty(scores.codes.shape, dtype=np.int32)
    for i, (old, new) in enumerate(zip(scores.axes, axes, strict=True)):
        place = {value: at for at, value in enumerate(new.values)}
        found[:, i] = np.array([place.get(value, -1) for value in old.values], dtype=np.int32)[
            scores.codes[:, i]
        ]
    return found


def _encoded(column: pa.ChunkedArray) -> tuple[tuple[str | None, ...], Codes]:
    words = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(words, pa.ChunkedArray):
        words = words.unify_dictionaries().combine_chunks()
    return tuple(words.dictionary.to_pylist()), words.indices.to_numpy()
