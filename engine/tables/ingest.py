"""An uploaded file becomes one Parquet file and a profile, or one sentence that says why not."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from engine.errors import InvalidInput
from engine.tables import delimited, footer, lines
from engine.tables.cells import Cells
from engine.tables.describe import describe, preview
from engine.tables.formats import BOM, HEAD_BYTES, recognise
from engine.tables.infer import Typed, infer
from engine.tables.limits import Limits, size
from engine.tables.profile import Ingested, TableFormat, TableProfile
from engine.tables.sandbox import name as quoted
from engine.tables.sandbox import sandbox, text
from engine.tables.unpack import unpack
from engine.values import Count, Step, Tell, silent

WORKSPACE_PREFIX = ".ingest-"
"""Folders beside a target that begin like this are left only by a process that was killed."""
ROWS_PER_GROUP = 131_072
SHORT_ROWS = 10_000
WIDE_OBJECTS = 50
"""Objects with more keys are taken apart once: finding a key takes as long as there are keys before it."""


def ingest(
    source: Path,
    target: Path,
    limits: Limits = Limits(),  # noqa: B008  frozen
    tell: Tell = silent,
    *,
    format: TableFormat | None = None,
) -> Ingested:
    """Read an upload, write it to `target` as Parquet, and describe it.

    The same bytes give the same Parquet file. Work happens in a folder beside the target that is
    gone afterwards; `target` appears whole or not at all.

    Args:
        source: the bytes as they were uploaded, plain or packed with gzip.
        format: what the uploader says it is; without it the content decides.

    Raises:
        InvalidInput: the file cannot be read as a table; the message names line, column and remedy
            where there are any, and never shows a cell.
        OSError: the disk is full or a path cannot be used.
    """
    tell(Step(stage="checking the file", fraction=0.0, message="Looking at what kind of file this is"))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=WORKSPACE_PREFIX) as name:
        folder = Path(name).resolve()
        try:
            return _ingest(source, target, folder, limits, tell, format)
        except MemoryError:
            raise InvalidInput(
                "the file needs more memory than a table may take; split it, or leave out columns of long text"
            ) from None


def _ingest(
    source: Path, target: Path, folder: Path, limits: Limits, tell: Tell, wanted: TableFormat | None
) -> Ingested:
    compressed = unpack(source, folder / "upload", limits)
    plain = folder / "upload" if compressed else source.resolve()
    with plain.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = recognise(head, wanted)
    with sandbox(folder, [plain], limits) as connection:
        cells = _open(connection, plain, found, wanted, limits, tell)
        width = len(cells.columns)
        if cells.rows * width > limits.max_cells:
            raise InvalidInput(
                f"the table has {cells.rows:,} rows of {width} columns; at most {limits.max_cells:,} cells are read"
            )
        tell(
            Step(
                stage="reading rows",
                fraction=0.35,
                message=f"Finding the type of {width} columns in {cells.rows:,} rows",
            )
        )
        if cells.rows <= SHORT_ROWS or (found is TableFormat.JSONL and width > WIDE_OBJECTS):
            cells = _gather(connection, cells)
        columns = infer(connection, cells, limits)
        tell(Step(stage="reading rows", fraction=0.6, message=f"Writing {cells.rows:,} rows"))
        part = folder / "table.parquet"
        _write(connection, cells, columns, part)
        tell(Step(stage="describing columns", fraction=0.8, message=f"Describing {width} columns"))
        relation = f"read_parquet({text(part)})"
        profile = TableProfile(
            rows=Count(cells.rows),
            bytes=Count(source.stat().st_size),
            format=TableFormat.TSV if cells.delimiter == "\t" else found,
            compressed=compressed,
            delimiter=cells.delimiter,
            columns=describe(connection, relation, columns, cells.rows, tell),
            notes=("a byte order mark at the start was left out",) if head.startswith(BOM) else (),
        )
        result = Ingested(profile=profile, preview=preview(connection, relation, columns))
    part.replace(target)
    tell(
        Step(
            stage="describing columns",
            fraction=1.0,
            message=f"Read {cells.rows:,} rows, {size(profile.bytes)}",
        )
    )
    return result


def _open(
    connection: duckdb.DuckDBPyConnection,
    plain: Path,
    found: TableFormat,
    wanted: TableFormat | None,
    limits: Limits,
    tell: Tell,
) -> Cells:
    match found:
        case TableFormat.PARQUET:
            return footer.cells(plain, limits, tell)
        case TableFormat.JSONL:
            return lines.cells(connection, plain, limits, tell)
        case TableFormat.CSV | TableFormat.TSV:
            return delimited.cells(plain, wanted, limits, tell)


def _gather(connection: duckdb.DuckDBPyConnection, cells: Cells) -> Cells:
    """The same cells in a table, read once: of a wide, short file DuckDB plans the reading longer than it reads."""
    values = ", ".join(f"{cell.value} AS g{i}" for i, cell in enumerate(cells.columns))
    connection.execute(f"CREATE TEMP TABLE gathered AS SELECT {values} FROM {cells.relation}", cells.bound)  # noqa: S608
    columns = tuple(replace(cell, value=f"g{i}") for i, cell in enumerate(cells.columns))
    return replace(cells, relation="gathered", columns=columns)


def _write(connection: duckdb.DuckDBPyConnection, cells: Cells, columns: Sequence[Typed], part: Path) -> None:
    chosen = ", ".join(f"{column.value} AS {quoted(column.name)}" for column in columns)
    done = connection.execute(
        f"COPY (SELECT {chosen} FROM {cells.relation}) TO {text(part)} "  # noqa: S608
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_PER_GROUP})",
        cells.bound,
    ).fetchone()
    if done != (cells.rows,):
        raise InvalidInput(
            f"the file has {cells.rows:,} rows by one count and {done[0] if done else 0:,} by another; "
            "save it again with every text field in quotes"
        )
