"""How columns of a Parquet file are read in SQL: by position, under names of ours, never a user's.

The rows are a view of ours, so nothing that a user wrote becomes part of a query.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import pairwise

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidInput
from engine.fairness.cube import Role
from engine.fairness.options import Bands, BiasColumns, BiasOptions, Settled
from engine.tables.names import no_column
from engine.tables.opening import ROWS, in_words, opened, show
from engine.tables.part import Part
from engine.values import LARGEST

UNBANDED = 20
"""A number with more different values than this is banded: it is a measurement, and no list of groups."""
_UNSEEN = r"[\pZ\pC]*"
"""Text without a visible character, such as a tab or a zero-width space: it says that a value is missing."""
QUARTILES = (0.25, 0.5, 0.75)

Place = tuple[str | int, ...]

OPENED: ContextVar[list[duckdb.DuckDBPyConnection] | None] = ContextVar("opened", default=None)
"""Where connections are noted as they open, for whoever may have to interrupt them; by default nowhere."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A column to group by: what is grouped, and how a value of it is shown."""

    at: Place
    name: str
    role: Role
    raw: str
    """SQL over the columns of the file; few distinct values."""
    alias: str
    text: str
    """SQL over `alias`: the value as text, null where it is missing."""


def keys_of(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    columns: BiasColumns,
    options: BiasOptions,
) -> tuple[list[Key], tuple[str, ...]]:
    """The protected attributes as columns to group by, and how those that are banded are read.

    Raises:
        InvalidInput: a column is not there or nested, or a band or reference names no protected attribute.
    """
    options.refuse_unprotected(columns.protected)
    keys, notes = [], []
    for i, name in enumerate(columns.protected):
        at = ("protected", i)
        number = position(schema, at, name)
        given = next((bands for bands in options.bands if bands.attribute == name), None)
        edges = _quartiles(connection, schema, number) if given is None else tuple(given.edges)
        if not edges:
            keys.append(plain(schema, at, name, Role.PROTECTED))
            continue
        if not _numeric(schema, number):
            which = next(i for i, bands in enumerate(options.bands) if bands is given)
            said = f"column {name!r} holds {schema.field(number).type} values; only numbers have bands"
            raise InvalidInput(said, at=("bands", which, "attribute"))
        keys.append(_banded(number, name, at, edges))
        shown = ", ".join(_written(edge) for edge in edges)
        notes.append(f"{name} is banded at {shown}, {_whose(given)}.")
    return keys, tuple(notes)


def settled(parts: Sequence[Part], columns: BiasColumns, options: BiasOptions) -> BiasOptions:
    """Options that make every part read its numeric attributes as the whole would be read.

    Args:
        parts: all with the same columns.

    Raises:
        InvalidInput: a column is not there or nested, or has too many rows for quartiles in 1 GB.
    """
    schema = schema_of(parts[0])
    asked = {bands.attribute for bands in options.bands}
    found = []
    with reading(parts, schema) as connection:
        for i, name in enumerate(columns.protected):
            number = position(schema, ("protected", i), name)
            if name not in asked and _numeric(schema, number):
                try:
                    edges = _quartiles(connection, schema, number)
                except duckdb.OutOfMemoryException:
                    said = f"there are too many rows to find the quartiles of {name!r}: name its bands in the options"
                    raise InvalidInput(said, at=("protected", i)) from None
                found.append(Settled(attribute=name, edges=edges or ()))
    return replace(options, bands=(*options.bands, *found))


def _whose(bands: Bands | None) -> str:
    return "its quartiles" if bands is None or isinstance(bands, Settled) else "as asked"


def plain(schema: pa.Schema, at: Place, name: str, role: Role) -> Key:
    """A column whose values are groups as they are."""
    i = position(schema, at, name)
    return Key(at=at, name=name, role=role, raw=f"c{i}", alias=f"c{i}", text=text_of(schema, i))


def number_of(schema: pa.Schema, at: Place, name: str) -> str:
    """SQL for a numeric column as a double, null where it is missing or NaN.

    Raises:
        InvalidInput: it is not there, or holds no numbers.
    """
    i = position(schema, at, name)
    if not _numeric(schema, i) and not pa.types.is_boolean(schema.field(i).type):
        kind = schema.field(i).type
        raise InvalidInput(f"column {name!r} holds {kind} values; {at[0]} needs numbers", at=at)
    # no isnan: from statistics of the file, which leave NaN out, DuckDB concludes that there is none
    number = f"CAST(c{i} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) OR isinf({number}) THEN {number} END"


def refuse_beyond(numbers: npt.ArrayLike, at: Place, name: str) -> None:
    """Refuse a column with finite numbers that are too large to be computed with.

    Args:
        numbers: those of the column, or the least and the largest; missing and infinite ones have no part.

    Raises:
        InvalidInput: one is beyond LARGEST.
    """
    sizes = np.abs(np.asarray(numbers, dtype=np.float64))
    most = sizes.max(initial=0.0, where=np.isfinite(sizes))
    if most > LARGEST:
        raise InvalidInput(
            f"{at[0]} column {name!r} holds {most:.3g}, and numbers must lie within -{LARGEST:g} and {LARGEST:g}",
            at=at,
        )


def _numeric(schema: pa.Schema, i: int) -> bool:
    kind = schema.field(i).type
    return any(fits(kind) for fits in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))


def _quartiles(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, i: int) -> tuple[float, ...] | None:
    """Edges for a number with many values, or None."""
    if not _numeric(schema, i):
        return None
    value = f"CAST(c{i} AS DOUBLE)"
    query = (
        f"SELECT approx_count_distinct({value}), quantile_disc({value}, {list(QUARTILES)}) "  # noqa: S608 - positions
        f"FROM {source(schema)} WHERE isfinite({value})"
    )
    distinct, found = connection.sql(query).fetchall()[0]
    if found is None or not _many(connection, schema, value, distinct):
        return None
    return tuple(dict.fromkeys(float(edge) for edge in found))


def _many(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, value: str, about: int) -> bool:
    """Whether a number has more values than stay unbanded; `about` so many, which is a few percent off."""
    if about > 2 * UNBANDED:
        return True
    query = f"SELECT count(DISTINCT {value}) FROM {source(schema)} WHERE isfinite({value})"  # noqa: S608 - positions
    exact: int = connection.sql(query).fetchall()[0][0]
    return exact > UNBANDED


def _banded(i: int, name: str, at: Place, edges: Sequence[float]) -> Key:
    value = f"CAST(c{i} AS DOUBLE)"
    words = [_written(edge) for edge in edges]
    names = [
        f"below {words[0]}",
        *(f"{low} to below {high}" for low, high in pairwise(words)),
        f"{words[-1]} and above",
    ]
    below = " ".join(f"WHEN {value} < {float(edge)!r} THEN {place}" for place, edge in enumerate(edges))
    shown = " ".join(f"WHEN {place} THEN '{word}'" for place, word in enumerate(names))
    return Key(
        at=at,
        name=name,
        role=Role.PROTECTED,
        raw=f"CASE WHEN c{i} IS NULL OR NOT isfinite({value}) THEN NULL {below} ELSE {len(edges)} END",
        alias=f"b{i}",
        text=f"CASE b{i} {shown} ELSE NULL END",
    )


def _written(edge: float) -> str:
    """An edge in all its digits, so that two bands never share a name."""
    return str(int(edge)) if float(edge).is_integer() and abs(edge) < 1e15 else repr(float(edge))


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB that only reads what it is given: no extensions, no spilling to disk, 1 GB."""
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
    opened = OPENED.get()
    if opened is not None:
        opened.append(connection)
    return connection


@contextmanager
def reading(parts: Sequence[Part], schema: pa.Schema) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same, with the rows of a file, or of parts with this schema, where `source` finds them.

    Raises:
        InvalidInput: their store is away or refuses.
    """
    with connect() as connection, in_words(parts):
        show(connection, parts, schema)
        yield connection


def schema_of(part: Part) -> pa.Schema:
    """Names and types of a Parquet file's columns.

    Raises:
        InvalidInput: it is no Parquet file, or its store is away or refuses.
    """
    return _file(part).schema_arrow


def rows_of(part: Part) -> int:
    """How many rows a Parquet file has; errors as for `schema_of`."""
    return int(_file(part).metadata.num_rows)


def _file(part: Part) -> pq.ParquetFile:
    """Its footer; nothing else of it can be read, as it is closed."""
    try:
        with opened(part) as content, pq.ParquetFile(content) as file:
            return file
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
    """The FROM clause that reads what `reading` was given, with columns renamed c0, c1, ... by position."""
    return f"{ROWS} AS t({', '.join(f'c{i}' for i in range(len(schema.names)))})"


def text_of(schema: pa.Schema, i: int) -> str:
    """SQL for the text form of column i, null where it is missing."""
    kind = schema.field(i).type
    text = f"CAST(c{i} AS VARCHAR)"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        number = f"CAST(c{i} AS DOUBLE)"
        whole = f"{number} = trunc({number}) AND abs({number}) < 1e15"
        return (
            f"CASE WHEN NOT isfinite({number}) THEN NULL WHEN {whole} "
            f"THEN CAST(CAST(c{i} AS BIGINT) AS VARCHAR) ELSE {text} END"
        )
    return f"CASE WHEN regexp_full_match({text}, '{_UNSEEN}') THEN NULL ELSE {text} END"


def shortened(value: str, length: int = 40) -> str:
    """A value as it can be shown in a message."""
    return repr(value if len(value) <= length else value[: length - 1] + "…")
