"""From a Parquet file to a count cube: one GROUP BY over the columns that are needed."""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.cube import Cube, Role, cube_of
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.reading import (
    Key,
    Place,
    keys_of,
    number_of,
    plain,
    reading,
    refuse_beyond,
    schema_of,
    source,
)
from engine.fairness.words import so_many
from engine.tables.part import Part
from engine.values import LARGEST, Step, Tell, silent

MAX_VALUES = 100
"""Distinct values of one column; more are an identifier, a measurement or free text, not groups."""
MAX_VALUE_LENGTH = 200
MAX_CELLS = 1_000_000


def count(path: Part, columns: BiasColumns, tell: Tell = silent, options: BiasOptions | None = None) -> Cube:
    """Count the rows of a Parquet file by protected values, stratum, label and prediction.

    Missing means null, NaN, an infinite number, or text without a visible character. Whole numbers read alike whether
    stored as integers or floats ("1", not "1.0").

    Args:
        path: a Parquet file, or one part of the rows; cubes of parts add up with `+` where numeric
            attributes have the bands that `options` give.
        columns: which columns mean what; `features` are not read here.
        tell: told before and after.
        options: bands of numeric attributes, and the score from which a prediction is favourable.

    Returns:
        A cube with one axis per protected column, then what there is of stratum, label and prediction.
        Memory stays below 1 GB whatever the file's size.

    Raises:
        InvalidInput: the file is no Parquet; a column is not there, nested, or has more than 100
            values; a weight is missing or negative; the columns together split the rows too finely.
            `at` is the path within `columns`.
    """
    tell(Step(stage="counting rows", fraction=0.0, message="Reading the columns that are compared"))
    asked = options or BiasOptions()
    schema = schema_of(path)
    with reading([path], schema) as connection:
        try:
            keys, notes = keys_of(connection, schema, columns, asked)
            keys = [*keys, *_others(schema, columns, asked)]
            weight = None if columns.weights is None else number_of(schema, ("weights",), columns.weights)
            if weight is not None:
                _refuse_weights(connection, schema, weight, columns.weights or "")
            cells = _cells(connection, schema, keys, weight)
            if cells is None:
                _refuse_many_values(connection, schema, keys)
                raise too_fine(columns)
        except duckdb.OutOfMemoryException as error:
            raise too_fine(columns) from error
    encoded = [_encoded(cells.column(i)) for i in range(len(keys))]
    for key, (words, _) in zip(keys, encoded, strict=True):
        refuse_values(key.at, key.name, key.role, sum(word is not None for word in words))
    if columns.prediction is None:
        words, index = encoded[-1]
        encoded[-1] = [_decision(word, columns.favorable) for word in words], index
    cube = cube_of(
        [key.name for key in keys],
        encoded,
        cells.column("n").to_numpy().astype(np.int64),
        columns.favorable,
        roles=[key.role for key in keys],
        weights=None
        if weight is None
        else np.column_stack([cells.column(name).to_numpy() for name in ("w", "w2")]),
        notes=notes,
    )
    _refuse_long_values(cube)
    message = f"Counted {cube.rows:,} rows in {cube.counts.size:,} different combinations"
    tell(Step(stage="counting rows", fraction=1.0, message=message))
    return cube


def _others(schema: pa.Schema, columns: BiasColumns, options: BiasOptions) -> list[Key]:
    """Stratum, label and prediction, in the order of their roles."""
    keys = []
    for role in (Role.STRATUM, Role.LABEL, Role.PREDICTION):
        name = getattr(columns, role)
        if name is not None:
            keys.append(plain(schema, (str(role),), name, role))
    if columns.prediction is None and columns.score is not None:
        score, least = number_of(schema, ("score",), columns.score), options.score_threshold
        keys.append(
            Key(
                at=("score",),
                name=f"{columns.score} from {least:g}",
                role=Role.PREDICTION,
                raw=f"CASE WHEN {score} IS NULL OR isinf({score}) THEN NULL WHEN {score} >= {least!r} THEN 1 ELSE 0 END",
                alias="decision",
                text="CAST(decision AS VARCHAR)",
            )
        )
    return keys


def _decision(word: str | None, favorable: str | None) -> str | None:
    """The text of a thresholded score, in the language of the favourable value."""
    if word is None or favorable is None:
        return word
    return favorable if word == "1" else f"not {favorable}"


def _refuse_many_values(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, keys: Sequence[Key]
) -> None:
    distinct = ", ".join(f"count(DISTINCT {key.raw})" for key in keys)
    query = f"SELECT {distinct} FROM {source(schema)}"  # noqa: S608 - positions only
    found = connection.sql(query).fetchall()[0]
    for key, values in zip(keys, found, strict=True):
        refuse_values(key.at, key.name, key.role, values)


def refuse_values(at: Place, name: str, role: Role, values: int) -> None:
    """Refuse a column with more than 100 different values.

    Raises:
        InvalidInput: it has more; with what to do about it.
    """
    if values > MAX_VALUES and role is Role.PROTECTED:
        raise InvalidInput(
            f"protected column {name!r} has {values:,} distinct values; at most {MAX_VALUES} groups"
            " can be compared. Group the values first",
            at=at,
        )
    if values > MAX_VALUES:
        raise InvalidInput(
            f"{at[0]} column {name!r} has {values:,} distinct values, and at most {MAX_VALUES} are"
            " possible. A score belongs under score, a number that is predicted to a regression",
            at=at,
        )


def _refuse_weights(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, weight: str, name: str) -> None:
    query = (
        "SELECT count(*) FILTER (w IS NULL OR w < 0 OR isinf(w)), max(w), min(w) FILTER (w > 0)"  # noqa: S608
        f" FROM (SELECT {weight} AS w FROM {source(schema)})"
    )
    wrong, most, least = connection.sql(query).fetchall()[0]
    if wrong:
        raise InvalidInput(
            f"{so_many(wrong, 'rows have no weight')}, or one below 0 or infinite; every weight must be a number from 0 on",
            at=("weights",),
        )
    refuse_beyond([most], ("weights",), name)
    if least is not None and least < 1 / LARGEST:
        raise InvalidInput(
            f"weights column {name!r} holds {least:.3g}; a weight is 0 or at least {1 / LARGEST:g}",
            at=("weights",),
        )


def _cells(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    keys: Sequence[Key],
    weight: str | None,
) -> pa.Table | None:
    """The combinations and how many rows have each; None where there are too many."""
    raw = ", ".join(f"{key.raw} AS {key.alias}" for key in keys)
    texts = ", ".join(f"{key.text} AS t{i}" for i, key in enumerate(keys))
    sums = "count(*) AS n"
    if weight is not None:
        sums += f", sum({weight}) AS w, sum(({weight}) * ({weight})) AS w2"
    names = ", n, w, w2" if weight is not None else ", n"
    query = (
        f"SELECT {texts}{names} FROM "  # noqa: S608 - positions only
        f"(SELECT {raw}, {sums} FROM {source(schema)} GROUP BY {', '.join(key.alias for key in keys)}"
        f" LIMIT {MAX_CELLS + 1})"
    )
    try:
        cells = connection.sql(query).to_arrow_table()
    except duckdb.OutOfMemoryException:
        return None
    return cells if cells.num_rows <= MAX_CELLS else None


def _encoded(column: pa.ChunkedArray) -> tuple[list[str | None], np.ndarray]:
    words = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(words, pa.ChunkedArray):
        words = words.unify_dictionaries().combine_chunks()
    return words.dictionary.to_pylist(), words.indices.to_numpy()


def _refuse_long_values(cube: Cube) -> None:
    for axis in cube.axes:
        if any(len(value) > MAX_VALUE_LENGTH for value in axis.values if value is not None):
            raise InvalidInput(
                f"column {axis.name!r} holds texts longer than {MAX_VALUE_LENGTH} characters; these name no groups"
            )


def too_fine(columns: BiasColumns) -> InvalidInput:
    return InvalidInput(
        f"the {len(columns.protected)} protected columns split the rows into more than {MAX_CELLS:,}"
        " combinations; ask for fewer of them at once",
        at=("protected",),
    )
