"""Regression: predicted numbers, their errors and their distribution."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.counting import MAX_VALUES
from engine.fairness.distributions import MAX_FINER, Grid, distributions, grid_of
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.moments import EXACT_BELOW, MAX_BINS, MAX_KEPT, Moments, moments_of
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.reading import Key, keys_of, number_of, reading, refuse_beyond, schema_of, source
from engine.fairness.resampling import Groups
from engine.fairness.sums import errors
from engine.fairness.tables import Table
from engine.fairness.words import so_many
from engine.tables.part import Part
from engine.values import Step, Tell

ROWS_AT_ONCE = 1 << 18
MOST_GROUPS = 2000
"""Distributions of more groups are not compared, nor are their other quantities: see analysis.MAX_CROSSED_GROUPS."""


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
    grid, every = grid_of(moments, unit), grid_of(moments, unit, MAX_BINS)

    def tables(attributes: tuple[int, ...]) -> Sequence[Table]:
        groups = Groups.of(moments, attributes)
        found = [errors(moments, groups, unit)]
        if len(groups.values) <= MOST_GROUPS:
            found.append(distributions(moments, groups, grid, every))
        return found

    return Evidence(
        protected=moments.axes,
        rows=moments.rows,
        excluded=excluded,
        exclusion_reason=_why(moments),
        tables=tables,
        notes=(*moments.notes, *_notes(moments, unit, grid, every)),
    )


def _why(moments: Moments) -> str | None:
    counts = (moments.unlabelled, "label"), (moments.unpredicted, "prediction")
    found = [so_many(count, f"rows have no finite {what}") for count, what in counts if count]
    return ", and ".join(found) or None


def _notes(moments: Moments, unit: float, grid: Grid, every: Grid) -> tuple[str, ...]:
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
    said = [scale, "The limits of regression metrics are our own; no law sets them.", how]
    if len(grid.steps) < len(every.steps):
        said.append(
            f"Distributions are drawn at {len(grid.steps):,} values for the intervals of their distances, and compared"
            f" there too where there are more than {MAX_FINER // len(every.steps):,} groups."
        )
    widest = max(len(axis.values) for axis in moments.axes)
    used = every if widest * len(every.steps) <= MAX_FINER else grid
    if used.exact:
        return tuple(said)
    jump, moved = used.doubt(moments)
    area = "" if np.isnan(moved) else f", and the Wasserstein distance within {moved:.2g} of the exact one"
    return (
        *said,
        f"Distributions are compared at {len(used.steps):,} values: between groups of one attribute the"
        f" Kolmogorov-Smirnov distance lies at most {jump:.2g} below the exact one{area}.",
    )


def deviation(moments: Moments) -> float:
    """Standard deviation of the label over all rows, the unit of gaps; NaN where the label has one value only."""
    if moments.ends[:, 0].min() == moments.ends[:, 1].max():
        return float("nan")
    n, off, square = (float(moments.sums[:, 0, i].sum()) for i in (0, 4, 5))
    return float(np.sqrt(max(square / n - (off / n) ** 2, 0.0))) or float("nan")


REGRESSION = Family(summarise=summarise, evidence=evidence)
