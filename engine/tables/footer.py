"""Parquet as typed columns; the footer is judged before a single page is read."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from engine.errors import InvalidInput
from engine.tables import names
from engine.tables.cells import Cell, Cells
from engine.tables.limits import MIB, Limits, size
from engine.tables.opening import opened
from engine.tables.part import Part
from engine.tables.profile import ColumnType
from engine.tables.sandbox import name as quoted
from engine.values import Step, Tell

_MAX_FOOTER_BYTES = 64 * MIB
_MAX_ROW_GROUPS = 100_000


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What a footer says, once it is believed."""

    rows: int
    schema: pa.Schema
    columns: tuple[Cell, ...]


def cells(path: Path, limits: Limits, tell: Tell) -> Cells:
    """Check what the footer claims and say how DuckDB reads each column; errors as for `read`."""
    found = read(path, limits)
    tell(
        Step(
            stage="checking the file",
            fraction=0.2,
            message=f"The file states {found.rows:,} rows in {len(found.schema)} columns",
        )
    )
    return Cells(relation="read_parquet($path)", path=str(path), columns=found.columns, rows=found.rows)


def read(part: Part, limits: Limits) -> Footer:
    """The footer of a file, here or in a store.

    Raises:
        InvalidInput: cut off, encrypted, larger than allowed, or with columns that are no plain values; or the
            store does not give it.
    """
    try:
        with opened(part) as content:
            _check_ends(content)
            with pq.ParquetFile(content) as file:
                claims, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        if "encrypt" in str(error).lower():
            raise InvalidInput("the Parquet file is encrypted; save it without encryption") from None
        raise InvalidInput("the Parquet footer is damaged; save the file again") from None
    rows, width = claims.num_rows, len(schema)
    names.check(schema.names, limits)
    _check_claims(claims, rows, width, limits)
    columns = tuple(_cell(field, position) for position, field in enumerate(schema, 1))
    return Footer(rows=int(rows), schema=schema, columns=columns)


def _check_ends(file: pa.NativeFile) -> None:
    length = file.size()
    file.seek(max(0, length - 8))
    end = file.read()
    if end[4:] == b"PARE":
        raise InvalidInput("the Parquet file is encrypted; save it without encryption")
    footer = int.from_bytes(end[:4], "little")
    if length < 12 or end[4:] != b"PAR1" or footer > length - 12:
        raise InvalidInput("the Parquet file is cut off before its end; write it again")
    if footer > _MAX_FOOTER_BYTES:
        raise InvalidInput(
            f"the Parquet footer has {size(footer)}; at most {size(_MAX_FOOTER_BYTES)} are read"
        )


def _check_claims(claims: pq.FileMetaData, rows: int, width: int, limits: Limits) -> None:
    if width == 0:
        raise InvalidInput("the Parquet file has no columns")
    if rows == 0:
        raise InvalidInput("the Parquet file has columns but no rows")
    if not 0 < rows <= limits.max_rows:
        raise InvalidInput(f"the Parquet file states {rows:,} rows; at most {limits.max_rows:,} are read")
    if rows * width > limits.max_cells:
        raise InvalidInput(
            f"the Parquet file states {rows:,} rows of {width} columns; at most {limits.max_cells:,} cells are read"
        )
    if claims.num_row_groups > _MAX_ROW_GROUPS:
        raise InvalidInput(
            f"the Parquet file has {claims.num_row_groups:,} row groups; write fewer, larger ones"
        )
    groups = [claims.row_group(i) for i in range(claims.num_row_groups)]
    if (
        any(g.num_rows < 0 or g.total_byte_size < 0 for g in groups)
        or sum(g.num_rows for g in groups) != rows
    ):
        raise InvalidInput("the Parquet footer contradicts itself on the number of rows; save the file again")
    if (claimed := sum(g.total_byte_size for g in groups)) > limits.max_bytes_expanded:
        raise InvalidInput(
            f"the Parquet file states {size(claimed)} of data; at most {size(limits.max_bytes_expanded)} are read"
        )


def _cell(field: pa.Field, position: int) -> Cell:
    column = quoted(field.name)
    kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
    for belongs, declared, value in _KINDS:
        if belongs(kind):
            if _nanoseconds(kind):
                return Cell(name=field.name, value=column, declared=declared, nanoseconds=True)
            return Cell(name=field.name, value=value.format(column), declared=declared)
    what = "nested values" if kinds.is_nested(kind) else f"values of type {str(kind)[:40]}"
    raise InvalidInput(
        f"column {position}, {names.short(field.name)}, holds {what}; "
        "keep numbers, text, true/false, dates and times only"
    )


def _nanoseconds(kind: pa.DataType) -> bool:
    return kinds.is_timestamp(kind) and kind.unit == "ns" and kind.tz is None  # DuckDB rounds others itself


_KINDS = (
    (kinds.is_boolean, ColumnType.BOOLEAN, "{}"),
    (kinds.is_integer, ColumnType.INTEGER, "{}"),
    (kinds.is_floating, ColumnType.FLOAT, "{}::DOUBLE"),
    (kinds.is_decimal, ColumnType.FLOAT, "{}::DOUBLE"),
    (kinds.is_string, ColumnType.STRING, "{}"),
    (kinds.is_large_string, ColumnType.STRING, "{}"),
    (kinds.is_string_view, ColumnType.STRING, "{}"),
    (kinds.is_null, ColumnType.STRING, "{}::VARCHAR"),
    (kinds.is_date, ColumnType.DATE, "{}::DATE"),
    (kinds.is_time, ColumnType.STRING, "{}::VARCHAR"),
    (lambda kind: kinds.is_timestamp(kind) and kind.tz is not None, ColumnType.TIMESTAMP, "{}::TIMESTAMPTZ"),
    (kinds.is_timestamp, ColumnType.TIMESTAMP, "{}::TIMESTAMP"),
)
"""Which Arrow type becomes which of ours, and how; the first that fits counts."""
