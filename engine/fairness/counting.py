"""From a Parquet file to a count cube: one GROUP BY over the columns that are needed.

Columns are referred to by position under names of ours, so no name of a user's column ever becomes
part of a query; the path is bound as a parameter.
"""

import glob
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidInput
from engine.fairness.cube import Cube, cube_of
from engine.fairness.options import BiasColumns, no_column
from engine.values import Step, Tell, silent

MAX_VALUES = 100
"""Distinct values of one column; more are an identifier, a measurement or free text, not groups."""
MAX_VALUE_LENGTH = 200
MAX_CELLS = 1_000_000


def count(path: Path, columns: BiasColumns, tell: Tell = silent) -> Cube:
    """Count the rows of a Parquet file by protected values, label and prediction.

    Missing means null, NaN, or text without a visible character. Whole numbers read alike whether
    stored as integers or floats ("1", not "1.0").

    Args:
        path: a Parquet file, or one part of the rows; cubes of parts add up with `+`.
        columns: which columns mean what; `features` are not read here.
        tell: told before and after.

    Returns:
        A cube with one axis per protected column, then label and prediction. Memory stays below
        1 GB whatever the file's size.

    Raises:
        InvalidInput: the file is no Parquet; a column is not there, nested, or has more than 100
            values; the columns together split the rows too finely. `at` is the path within `columns`.
    """
    tell(Step(stage="counting rows", fraction=0.0, message="Reading the columns that are compared"))
    schema = schema_of(path)
    places = [place for place in columns.places() if place[0][0] != "features"]
    positions = [position(schema, at, name) for at, name in places]
    with connect() as connection:
        try:
            _refuse_many_values(connection, path, schema, positions, places)
            cells = _cells(connection, path, schema, positions)
        except duckdb.OutOfMemoryException as error:
            raise _too_fine(columns) from error
    if cells.num_rows > MAX_CELLS:
        raise _too_fine(columns)
    order = [*range(2, len(places)), 0, 1]  # protected attributes first
    cube = cube_of(
        [places[i][1] for i in order],
        [_encoded(cells.column(i)) for i in order],
        cells.column(len(places)).to_numpy().astype(np.int64),
        columns.favorable,
    )
    _refuse_long_values(cube)
    message = f"Counted {cube.rows:,} rows in {cube.counts.size:,} different combinations"
    tell(Step(stage="counting rows", fraction=1.0, message=message))
    return cube


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB that only reads the file it is given: no extensions, no spilling to disk, 1 GB."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "memory_limit": "1GB",
            "temp_directory": "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("SET enable_progress_bar = false")  # it is printed to stdout
    connection.execute("SET lock_configuration = true")
    return connection


def schema_of(path: Path) -> pa.Schema:
    """Names and types of a Parquet file's columns.

    Raises:
        InvalidInput: it is no Parquet file.
    """
    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise InvalidInput("the file is not a readable Parquet file") from error


def position(schema: pa.Schema, at: tuple[str | int, ...], name: str) -> int:
    """Where a column stands in the file; names are compared to the letter.

    Raises:
        InvalidInput: the file has no such column, or two of them, or it holds nested values.
    """
    found = schema.get_all_field_indices(name)
    if not found:
        raise no_column(name, schema.names, at)
    if len(found) > 1:
        raise InvalidInput(f"the dataset has {len(found)} columns named {name!r}", at=at)
    kind = schema.field(found[0]).type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise InvalidInput(f"column {name!r} holds {kind} values; single values are needed", at=at)
    return int(found[0])


def source(schema: pa.Schema) -> str:
    """The FROM clause that reads a bound path with columns renamed c0, c1, ... by position."""
    renamed = ", ".join(f"c{i}" for i in range(len(schema.names)))
    return f"read_parquet(?, hive_partitioning = false) AS t({renamed})"


def bound(path: Path) -> str:
    """The path as a parameter of read_parquet, its wildcards disarmed."""
    return glob.escape(str(path))


def text_of(schema: pa.Schema, i: int) -> str:
    """SQL for the text form of column i, null where it is missing."""
    kind = schema.field(i).type
    text = f"CAST(c{i} AS VARCHAR)"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        number = f"CAST(c{i} AS DOUBLE)"
        whole = f"{number} = trunc({number}) AND abs({number}) < 1e15"
        return (
            f"CASE WHEN isnan({number}) THEN NULL WHEN {whole} "
            f"THEN CAST(CAST(c{i} AS BIGINT) AS VARCHAR) ELSE {text} END"
        )
    return f"CASE WHEN trim({text}) = '' THEN NULL ELSE {text} END"


def _refuse_many_values(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    schema: pa.Schema,
    positions: list[int],
    places: list[tuple[tuple[str | int, ...], str]],
) -> None:
    distinct = ", ".join(f"count(DISTINCT c{i})" for i in positions)
    query = f"SELECT {distinct} FROM {source(schema)}"  # noqa: S608 - positions only
    found = connection.sql(query, params=[bound(path)]).fetchall()[0]
    for (at, name), values in zip(places, found, strict=True):
        if values > MAX_VALUES and at[0] == "protected":
            raise InvalidInput(
                f"protected column {name!r} has {values:,} distinct values; at most {MAX_VALUES} groups can be"
                " compared. Band a numeric column first, such as age into 18-25, 26-40, 41 and over",
                at=at,
            )
        if values > MAX_VALUES:
            raise InvalidInput(
                f"{at[0]} column {name!r} has {values:,} distinct values; a binary decision has two."
                " Turn a score into a decision first",
                at=at,
            )


def _cells(
    connection: duckdb.DuckDBPyConnection, path: Path, schema: pa.Schema, positions: list[int]
) -> pa.Table:
    raw = ", ".join(f"c{i}" for i in positions)
    texts = ", ".join(f"{text_of(schema, i)} AS t{i}" for i in positions)
    query = (
        f"SELECT {texts}, n FROM "  # noqa: S608 - positions only
        f"(SELECT {raw}, count(*) AS n FROM {source(schema)} GROUP BY ALL LIMIT {MAX_CELLS + 1})"
    )
    return connection.sql(query, params=[bound(path)]).to_arrow_table()


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


def _too_fine(columns: BiasColumns) -> InvalidInput:
    return InvalidInput(
        f"the {len(columns.protected)} protected columns split the rows into more than {MAX_CELLS:,}"
        " combinations; ask for fewer of them at once",
        at=("protected",),
    )
