"""Uploaded tables: any CSV, TSV, JSON Lines or Parquet file becomes one Parquet file and a profile.

This package stays light for the processes that only show profiles; `engine.tables.ingest` does
the work, brings DuckDB and pyarrow with it, and belongs in a worker with limited memory.
"""

from engine.tables.limits import Limits
from engine.tables.profile import (
    ColumnProfile,
    ColumnType,
    Ingested,
    Preview,
    RoleHint,
    TableFormat,
    TableProfile,
    ValueCount,
)

__all__ = [
    "ColumnProfile",
    "ColumnType",
    "Ingested",
    "Limits",
    "Preview",
    "RoleHint",
    "TableFormat",
    "TableProfile",
    "ValueCount",
]
