"""The profile of Parquet parts that are read where they lie, and never copied."""

import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidInput
from engine.tables import footer, names
from engine.tables.describe import describe, preview
from engine.tables.infer import Typed
from engine.tables.limits import Limits
from engine.tables.parts import Listing
from engine.tables.profile import ColumnType, Ingested, TableFormat, TableProfile
from engine.tables.sandbox import name as quoted
from engine.tables.sandbox import sandbox, text
from engine.values import Count, Step, Tell, silent

LIMITS = Limits(max_bytes_expanded=1 << 50, max_rows=10**12, max_cells=10**15)
"""What is read in place takes no room of ours, so only its shape is bounded."""


def profiled(listing: Listing, tell: Tell = silent) -> Ingested:
    """Describe all parts as one table, without writing anything of it.

    Raises:
        InvalidInput: a part is damaged, has columns that are no plain values, or other columns or types than
            the first one; or no part has a row.
    """
    rows = sum(rows_of(listing.paths, tell))
    head = footer.cells(listing.paths[0], LIMITS, silent)
    columns = [
        Typed(name=cell.name, type=cell.declared or ColumnType.STRING, value=cell.kept)
        for cell in head.columns
    ]
    files = "[" + ", ".join(text(path) for path in listing.paths) + "]"
    values = ", ".join(f"{column.value} AS {quoted(column.name)}" for column in columns)
    relation = f"(SELECT {values} FROM read_parquet({files}, hive_partitioning = false))"  # noqa: S608 - quoted
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), listing.paths, LIMITS) as connection:
        profile = TableProfile(
            rows=Count(rows),
            bytes=Count(listing.bytes),
            format=TableFormat.PARQUET,
            compressed=False,
            delimiter=None,
            columns=describe(connection, relation, columns, rows, tell),
            notes=(f"read in place, in {len(listing.paths):,} parts",),
        )
        return Ingested(profile=profile, preview=preview(connection, relation, columns))


def rows_of(paths: Sequence[Path], tell: Tell = silent) -> list[int]:
    """Rows of each part by its footer, once it is sure that all have the same columns and types."""
    found, first = [], None
    for i, path in enumerate(paths):
        footer.cells(path, LIMITS, silent)
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            found.append(int(file.metadata.num_rows))
        first = schema if first is None else first
        _refuse_other_columns(path, schema, first)
        if i % 100 == 0:
            message = f"Checked {i + 1:,} of {len(paths):,} parts"
            tell(Step(stage="checking the parts", fraction=0.5 * i / len(paths), message=message))
    return found


def _refuse_other_columns(path: Path, schema: pa.Schema, first: pa.Schema) -> None:
    if schema.names != first.names:
        odd = next(a or b for a, b in zip_longest(schema.names, first.names) if a != b)
        raise InvalidInput(
            f"all parts must have the same columns in the same order; {names.short(path.name)} differs from the"
            f" first part at {names.short(odd)}",
            at=("uri",),
        )
    for own, others in zip(schema, first, strict=True):
        if own.type != others.type:
            raise InvalidInput(
                f"all parts must have the same types; column {names.short(own.name)} holds {own.type} values in"
                f" {names.short(path.name)} and {others.type} in the first part",
                at=("uri",),
            )
