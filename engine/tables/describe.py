"""The profile of a table that is already in its own Parquet file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import duckdb

from engine.tables import names
from engine.tables.hints import hints
from engine.tables.infer import Typed
from engine.tables.profile import ColumnProfile, ColumnType, Preview, ValueCount
from engine.tables.sandbox import name as quoted
from engine.values import Count, Step, Tell

EXACT_ROWS = 2_000_000
"""Tables up to this length have their different values counted exactly."""
FEW_VALUES = 100
"""Columns with at most this many different values show the most frequent ones."""
SHOWN_VALUES = 10
SHOWN_CHARACTERS = 200
PREVIEW_ROWS = 50
PREVIEW_CELLS = 10_000
"""A very wide table shows fewer rows, so that a preview stays small."""

_SHORT_ROWS = 10_000
_SHORT_BATCH = 100
_LONG_BATCH = 16
"""Columns counted in one query: DuckDB's exact count costs megabytes for each, even of a few rows."""
_BATCH_CELLS = 4_000_000


def describe(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[Typed], rows: int, tell: Tell
) -> tuple[ColumnProfile, ...]:
    """Count, order and sample every column of what follows FROM; a few at a time, so that memory stays bounded."""
    profiles: list[ColumnProfile] = []
    if rows <= _SHORT_ROWS:  # the footer of a wide table takes longer to read than its rows
        connection.execute(f"CREATE TEMP TABLE short AS FROM {relation}")
        relation = "short"
    step = _SHORT_BATCH if rows <= _SHORT_ROWS else max(1, min(_LONG_BATCH, _BATCH_CELLS // rows))
    for start in range(0, len(columns), step):
        batch = columns[start : start + step]
        profiles += _with_values(connection, relation, _figures(connection, relation, batch, rows))
        tell(
            Step(
                stage="describing columns",
                fraction=min(0.99, 0.8 + 0.2 * len(profiles) / len(columns)),
                message=f"Described {len(profiles)} of {len(columns)} columns",
            )
        )
    return tuple(replace(profile, role_hints=hints(profile, rows)) for profile in profiles)


def preview(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[Typed]) -> Preview:
    """The first rows as text."""
    shown = ", ".join(_shown(quoted(column.name)) for column in columns)
    rows = max(1, min(PREVIEW_ROWS, PREVIEW_CELLS // len(columns)))
    found = connection.execute(f"SELECT {shown} FROM {relation} LIMIT {rows}")  # noqa: S608
    return tuple(tuple(row) for row in found.fetchall())


def _shown(value: str) -> str:
    return f"left({value}::VARCHAR, {SHOWN_CHARACTERS})"


def _figures(
    connection: duckdb.DuckDBPyConnection, relation: str, batch: Sequence[Typed], rows: int
) -> list[ColumnProfile]:
    exact = rows <= EXACT_ROWS
    count = "count(DISTINCT {0})" if exact else "approx_count_distinct({0})"
    if rows <= _SHORT_ROWS:
        count = "len(list_distinct(list({0})))"
    asked = ", ".join(
        ("count({0}), " + count + _ends(column)).format(quoted(column.name)) for column in batch
    )
    row = _row(connection, asked, relation)
    for i, column in enumerate(batch):
        if column.type is ColumnType.STRING and row[4 * i + 2]:
            raise names.holds_nul(column.name)
    return [
        ColumnProfile(
            name=column.name,
            type=column.type,
            nulls=Count(rows - row[4 * i]),
            distinct=Count(min(row[4 * i + 1], row[4 * i])),
            distinct_is_exact=exact,
            minimum=None if column.type is ColumnType.STRING else row[4 * i + 2],
            maximum=row[4 * i + 3],
            notes=column.notes,
        )
        for i, column in enumerate(batch)
    ]


def _ends(column: Typed) -> str:
    if column.type is ColumnType.STRING:
        return ", bool_or(contains({0}, chr(0))), NULL"
    if column.type is ColumnType.BOOLEAN:
        return ", bool_and({0})::VARCHAR, bool_or({0})::VARCHAR"
    return ", min({0})::VARCHAR, max({0})::VARCHAR"


def _with_values(
    connection: duckdb.DuckDBPyConnection, relation: str, profiles: Sequence[ColumnProfile]
) -> list[ColumnProfile]:
    few = {i: p for i, p in enumerate(profiles) if p.distinct <= FEW_VALUES}
    if not few:
        return list(profiles)
    values = ", ".join(f"{quoted(p.name)}::VARCHAR" for p in few.values())
    each = f"SELECT unnest([{', '.join(map(str, few))}]) AS i, unnest([{values}]) AS value FROM {relation}"  # noqa: S608
    query = f"SELECT i, value, count(*) FROM ({each}) WHERE value IS NOT NULL GROUP BY i, value"  # noqa: S608
    counts: dict[int, dict[str, int]] = {i: {} for i in few}
    for i, value, count in connection.execute(query).fetchall():
        counts[i][value] = count
    return [_top(p, counts[i]) if i in counts else p for i, p in enumerate(profiles)]


def _top(profile: ColumnProfile, counts: dict[str, int]) -> ColumnProfile:
    counted = replace(profile, distinct=Count(len(counts)), distinct_is_exact=True)
    if len(counts) == sum(counts.values()):
        return counted  # every row has its own value
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_VALUES]
    return replace(
        counted,
        top_values=tuple(ValueCount(value=v[:SHOWN_CHARACTERS], count=Count(n)) for v, n in top),
    )


def _row(connection: duckdb.DuckDBPyConnection, asked: str, relation: str) -> Sequence[Any]:
    row = connection.execute(f"SELECT {asked} FROM {relation}").fetchone()  # noqa: S608
    assert row is not None  # noqa: S101  an aggregate without groups has one row
    return row
