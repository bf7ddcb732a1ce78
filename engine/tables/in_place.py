"""The profile of Parquet parts that are read where they lie, and never copied."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa

from engine.errors import InvalidInput
from engine.tables import footer, names
from engine.tables.describe import describe, preview
from engine.tables.infer import Typed
from engine.tables.limits import Limits
from engine.tables.opening import OF_STORES, ROWS, in_words, show
from engine.tables.part import Part
from engine.tables.parts import Listing
from engine.tables.profile import ColumnType, Ingested, TableFormat, TableProfile
from engine.tables.sandbox import name as quoted
from engine.tables.sandbox import sandbox
from engine.values import Count, Step, Tell, silent

LIMITS = Limits(max_bytes_expanded=1 << 50, max_rows=10**12, max_cells=10**15)
"""What is read in place takes no room of ours, so only its shape is bounded."""
AT_ONCE = 16
"""Footers that are read at the same time: of a store each takes some requests, and most of that is waiting."""


def profiled(listing: Listing, tell: Tell = silent) -> Ingested:
    """Describe all parts as one table, without writing anything of it.

    Raises:
        InvalidInput: a part is damaged, has columns that are no plain values, or other columns or types than
            the first one; no part has a row; or the store does not give them.
    """
    parts = listing.parts
    rows = sum(rows_of(parts, tell))
    head = footer.read(parts[0], LIMITS)
    columns = [
        Typed(name=cell.name, type=cell.declared or ColumnType.STRING, value=cell.kept)
        for cell in head.columns
    ]
    values = ", ".join(f"{column.value} AS {quoted(column.name)}" for column in columns)
    relation = f"(SELECT {values} FROM {ROWS})"  # noqa: S608 - quoted
    files = [part for part in parts if isinstance(part, Path)]
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox(Path(folder), files, LIMITS) as connection,
        in_words(parts),
    ):
        show(connection, parts, head.schema)
        profile = TableProfile(
            rows=Count(rows),
            bytes=Count(listing.bytes),
            format=TableFormat.PARQUET,
            compressed=False,
            delimiter=None,
            columns=describe(connection, relation, columns, rows, tell),
            notes=(f"read in place, in {len(parts):,} parts",),
        )
        return Ingested(profile=profile, preview=preview(connection, relation, columns))


def rows_of(parts: Sequence[Part], tell: Tell = silent) -> list[int]:
    """Rows of each part by its footer, once it is sure that all have the same columns and types."""
    found: list[int] = []
    first: pa.Schema | None = None
    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            for i, read in enumerate(threads.map(_footer, parts)):
                first = read.schema if first is None else first
                _refuse_other_columns(parts[i], read.schema, first)
                found.append(read.rows)
                if i % 100 == 0:
                    message = f"Checked {i + 1:,} of {len(parts):,} parts"
                    tell(Step(stage="checking the parts", fraction=0.5 * i / len(parts), message=message))
        finally:
            threads.shutdown(cancel_futures=True)
    return found


def _footer(part: Part) -> footer.Footer:
    try:
        return footer.read(part, LIMITS)
    except InvalidInput as error:
        if str(error) in OF_STORES:
            raise
        raise InvalidInput(f"part {names.short(part.name)}: {error}", at=("uri",)) from None


def _refuse_other_columns(part: Part, schema: pa.Schema, first: pa.Schema) -> None:
    if schema.names != first.names:
        odd = next(a or b for a, b in zip_longest(schema.names, first.names) if a != b)
        raise InvalidInput(
            f"all parts must have the same columns in the same order; {names.short(part.name)} differs from the"
            f" first part at {names.short(odd)}",
            at=("uri",),
        )
    for own, others in zip(schema, first, strict=True):
        if own.type != others.type:
            raise InvalidInput(
                f"all parts must have the same types; column {names.short(own.name)} holds {own.type} values in"
                f" {names.short(part.name)} and {others.type} in the first part",
                at=("uri",),
            )
