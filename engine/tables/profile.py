"""What is known of a table after it was read: the values that are stored and shown."""

from dataclasses import dataclass
from enum import StrEnum

from engine.values import Count


class TableFormat(StrEnum):
    """How the uploaded bytes were written."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class ColumnType(StrEnum):
    """The type every value of a column has; what fits no other type without loss is a string."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRING = "string"


class RoleHint(StrEnum):
    """The part a column seems to play, guessed from its name and content; a person confirms it."""

    LABEL = "label"
    PREDICTION = "prediction"
    SCORE = "score"
    PROTECTED = "protected"
    WEIGHT = "weight"
    IDENTIFIER = "identifier"


@dataclass(frozen=True, kw_only=True)
class ValueCount:
    """One value of a column and the number of rows that have it."""

    value: str
    """As text, cut to 200 characters."""
    count: Count


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column: its type, how full it is, and what its values look like."""

    name: str
    type: ColumnType
    nulls: Count
    """Rows without a value."""
    distinct: Count
    """Different values, empty ones not counted."""
    distinct_is_exact: bool
    """False when the table is so long that the number is an estimate, off by some percent."""
    minimum: str | None
    """As text; null for strings, which have no order worth showing, and for columns without values."""
    maximum: str | None
    top_values: tuple[ValueCount, ...] = ()
    """At most ten, most frequent first; empty when nearly every row has its own value, so that no
    single person's entry shows."""
    role_hints: tuple[RoleHint, ...] = ()
    notes: tuple[str, ...] = ()
    """What was understood in the column that its writer may not expect, in sentences."""


@dataclass(frozen=True, kw_only=True)
class TableProfile:
    """A table as a whole: where it came from, how large it is, and its columns in order."""

    rows: Count
    bytes: Count
    """Size of the file as it was uploaded, still packed if it was packed."""
    format: TableFormat
    compressed: bool
    """True when the upload was packed with gzip."""
    delimiter: str | None
    """The character between fields; None for formats that have none."""
    columns: tuple[ColumnProfile, ...]
    notes: tuple[str, ...] = ()
    """What was understood in the file that its writer may not expect, such as a byte order mark."""


Preview = tuple[tuple[str | None, ...], ...]
"""The first rows as text, in the order of the columns; None where a row has no value."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What came out of an upload; the preview holds people's entries and so has its own permission."""

    profile: TableProfile
    preview: Preview
