"""Which type each column has, decided by asking of all its values whether they survive it unharmed.

A type is taken only if every value of the column fits. A column of integers is one where each
value reads back exactly as it was written, so codes with leading zeros ("007"), phone numbers with
a plus and numbers beyond 64 bits stay strings. "NA", "null" and the like count as empty in a
column whose other values fit a type, and stay text in a column of strings.

A first look at some rows drops the types that cannot be; the full pass asks only for the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import duckdb

from engine.errors import InvalidInput
from engine.tables import names
from engine.tables.cells import Cell, Cells
from engine.tables.limits import Limits, size
from engine.tables.profile import ColumnType
from engine.tables.readings import LOOKS, MISSING, READINGS, Reading
from engine.tables.sandbox import text

_FIRST_ROWS = (20, 2_000)
_FIRST_CELLS = 200_000
_BATCH = 50
"""Columns asked about in one query; wider ones take long to plan."""
_WIDE, _FEW_ROWS = 200, 2_000
"""Where queries cost more than rows, more columns are asked in one query with their cells below each other."""
_WORDS = "[" + ", ".join(map(text, MISSING)) + "]"
_COUNTS = (  # the list of words is compared with failing cells only
    f"count({{x}}), count_if({{t}}), count(*) FILTER (WHERE NOT {{t}} AND NOT list_contains({_WORDS}, {{x}}))"
)


@dataclass(frozen=True, kw_only=True)
class Typed:
    """One column with its type, and the SQL expression that gives its values in it."""

    name: str
    type: ColumnType
    value: str
    notes: tuple[str, ...] = ()


def infer(connection: duckdb.DuckDBPyConnection, cells: Cells, limits: Limits) -> tuple[Typed, ...]:
    """Decide the type of every column by its values, or check the type that the file declares.

    Raises:
        InvalidInput: a cell, or all of them together, is larger than allowed.
    """
    ask = _Asker(connection, cells)
    _sizes(ask, cells, limits)
    inferred = [cell for cell in cells.columns if cell.candidates]
    left = ask.plausible(cells.relation, inferred)
    chosen: dict[str, _Fit] = {}
    while asked := [cell for cell in inferred if left[cell.name]]:  # one round, unless the first rows mislead
        fits = ask.fitting(cells.relation, asked, [left[cell.name][0] for cell in asked])
        for cell in asked:
            fit = fits.get(cell.name)
            left[cell.name] = left[cell.name][1:] if fit is None else []
            if fit is not None:
                chosen[cell.name] = fit
    declared = ask.declared(cells.relation, [cell for cell in cells.columns if cell.declared])
    return tuple(declared.get(cell.name) or _typed(cell, chosen.get(cell.name)) for cell in cells.columns)


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """A reading that no value of a column contradicts, and what it met."""

    reading: Reading
    words: int
    """Cells that say in words that they are empty."""
    endless: int
    """Numbers that are infinite."""


class _Asker:
    """Asks one relation about some columns at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, cells: Cells) -> None:
        self._connection, self._bound = connection, cells.bound
        # each query reads a file anew, and planning one takes longer than a few rows do
        self._queries_cost = bool(cells.bound) or cells.rows <= _FEW_ROWS

    def plausible(self, relation: str, columns: Sequence[Cell]) -> dict[str, list[Reading]]:
        """The readings of each column that some first rows do not rule out, in order of preference."""
        left = {cell.name: [r for kind in cell.candidates for r in READINGS[kind]] for cell in columns}
        if not columns:
            return left
        rows = max(_FIRST_ROWS[0], min(_FIRST_ROWS[1], _FIRST_CELLS // len(columns)))
        values = ", ".join(f"trim({cell.value})" for cell in columns)
        query = f"SELECT {values} FROM {relation} LIMIT {rows}"  # noqa: S608
        first = zip(*self._connection.execute(query, self._bound).fetchall(), strict=True)
        for cell, seen in zip(columns, first, strict=True):
            said = {value for value in seen if value is not None} - set(MISSING)
            left[cell.name] = [r for r in left[cell.name] if all(LOOKS[r.type].fullmatch(v) for v in said)]
        return left

    def fitting(self, relation: str, columns: Sequence[Cell], readings: Sequence[Reading]) -> dict[str, _Fit]:
        """The columns that one reading each fits throughout; those without a single value are not among them."""
        pairs = list(zip(columns, readings, strict=True))
        if len(pairs) > _WIDE and self._queries_cost:
            met: Sequence[Sequence[int]] = self._met_in_one_pass(relation, pairs)
        else:
            met = [
                row
                for start in range(0, len(pairs), _BATCH)
                for row in self._met(relation, pairs[start : start + _BATCH])
            ]
        return {
            cell.name: _Fit(reading=reading, words=told - values, endless=endless)
            for (cell, reading), (told, values, failing, endless) in zip(pairs, met, strict=True)
            if values and not failing
        }

    def _met(self, relation: str, pairs: Sequence[tuple[Cell, Reading]]) -> Sequence[Sequence[int]]:
        """Of each column how many cells it has, how many fit, fail, and are infinite."""
        texts = ", ".join(f"trim({cell.value}) AS x{i}" for i, (cell, _) in enumerate(pairs))
        tests = ", ".join(f"{reading.test(f'x{i}')} AS t{i}" for i, (_, reading) in enumerate(pairs))
        counts = ", ".join(
            _COUNTS.format(x=f"x{i}", t=f"t{i}") + f", count_if({_infinite(r, f'x{i}')})"
            for i, (_, r) in enumerate(pairs)
        )
        row = self.row(counts, f"(SELECT *, {tests} FROM (SELECT {texts} FROM {relation}))")  # noqa: S608
        return [row[i : i + 4] for i in range(0, len(row), 4)]

    def _met_in_one_pass(
        self, relation: str, pairs: Sequence[tuple[Cell, Reading]]
    ) -> Sequence[Sequence[int]]:
        """The same by one short query over all cells below each other."""
        kinds = list(dict.fromkeys(reading for _, reading in pairs))
        values = ", ".join(cell.value for cell, _ in pairs)
        chosen = ", ".join(str(kinds.index(reading)) for _, reading in pairs)
        test = " ".join(f"WHEN {k} THEN {reading.test('x')}" for k, reading in enumerate(kinds))
        infinite = " ".join(f"WHEN {k} THEN {_infinite(reading, 'x')}" for k, reading in enumerate(kinds))
        cells = f"SELECT unnest([{values}]) AS x, unnest(range({len(pairs)})) AS i, unnest([{chosen}]) AS k FROM {relation}"  # noqa: S608
        tested = f"SELECT *, CASE k {test} END AS t, CASE k {infinite} END AS e FROM (SELECT trim(x) AS x, i, k FROM ({cells}))"  # noqa: S608
        query = f"SELECT {_COUNTS.format(x='x', t='t')}, count_if(e) FROM ({tested}) GROUP BY i ORDER BY i"  # noqa: S608
        return self._connection.execute(query, self._bound).fetchall()

    def declared(self, relation: str, columns: Sequence[Cell]) -> dict[str, Typed]:
        """Columns whose type the file states, with what does not fit ours counted."""
        typed: dict[str, Typed] = {}
        for batch in _batches(columns):
            row = self.row(
                ", ".join(
                    f"count_if({_ODD.get(cell.declared, 'false').replace('{0}', cell.kept)}), "
                    f"count_if({f'{cell.value} <> {cell.kept}' if cell.nanoseconds else 'false'})"
                    for cell in batch
                ),
                relation,
            )
            typed |= {cell.name: _as_declared(cell, *row[2 * i : 2 * i + 2]) for i, cell in enumerate(batch)}
        return typed

    def row(self, asked: str, relation: str) -> Sequence[Any]:
        row = self._connection.execute(f"SELECT {asked} FROM {relation}", self._bound).fetchone()  # noqa: S608
        assert row is not None  # noqa: S101  an aggregate without groups has one row
        return row


_ODD: Mapping[ColumnType | None, str] = MappingProxyType(
    {
        ColumnType.FLOAT: "NOT isfinite({0})",
        ColumnType.DATE: "NOT isfinite({0})",
        ColumnType.TIMESTAMP: "NOT isfinite({0})",
        ColumnType.INTEGER: "{0} IS NOT NULL AND TRY_CAST({0} AS BIGINT) IS NULL",
    }
)


def _sizes(ask: _Asker, cells: Cells, limits: Limits) -> None:
    """Hold text to the limits that the footer of a Parquet file cannot promise, and find NUL."""
    total = 0
    texts = [cell for cell in cells.columns if cell.declared in (None, ColumnType.STRING)]
    if cells.delimiter is not None:
        return  # every byte was seen already
    for batch in _batches(texts):
        asked = ", ".join(
            f"max(strlen({c.value})), sum(strlen({c.value})), bool_or(contains({c.value}, chr(0)))"
            for c in batch
        )
        row = ask.row(asked, cells.relation)
        for position, cell in enumerate(batch):
            longest, amount, nul = row[3 * position : 3 * position + 3]
            total += int(amount or 0)
            if (longest or 0) > limits.max_cell_bytes:
                raise InvalidInput(
                    f"a value of column {names.short(cell.name)} has {size(longest)}; "
                    f"at most {size(limits.max_cell_bytes)} are read"
                )
            if nul:
                raise names.holds_nul(cell.name)
    if total > limits.max_bytes_expanded:
        raise InvalidInput(
            f"the text in the table has {size(total)}; at most {size(limits.max_bytes_expanded)} are read"
        )


def _typed(cell: Cell, fit: _Fit | None) -> Typed:
    if fit is None:
        return Typed(name=cell.name, type=ColumnType.STRING, value=cell.value)
    value = fit.reading.read(f"trim({cell.value})")
    if fit.reading.type is ColumnType.FLOAT and (fit.words or fit.endless):
        value = f"CASE WHEN isfinite({value}) THEN {value} END"
    notes = []
    if fit.words:
        notes.append(f"{fit.words:,} cells that say NA, null or the like were read as empty")
    if fit.endless:
        notes.append(_endless(fit.endless))
    return Typed(name=cell.name, type=fit.reading.type, value=value, notes=tuple(notes))


def _as_declared(cell: Cell, odd: int, rounded: int) -> Typed:
    kind, value = cell.declared or ColumnType.STRING, cell.kept
    if kind is ColumnType.INTEGER and odd:
        note = "kept as text, because some values are larger than 64 bits hold"
        return Typed(name=cell.name, type=ColumnType.STRING, value=f"{value}::VARCHAR", notes=(note,))
    if kind is ColumnType.INTEGER:
        value = f"{value}::BIGINT"
    notes = []
    if odd:
        value = f"CASE WHEN isfinite({value}) THEN {value} END"
        notes.append(_endless(odd))
    if rounded:
        notes.append(f"{rounded:,} times were rounded to microseconds")
    return Typed(name=cell.name, type=kind, value=value, notes=tuple(notes))


def _infinite(reading: Reading, value: str) -> str:
    return f"isinf({reading.read(value)})" if reading.type is ColumnType.FLOAT else "false"


def _endless(count: int) -> str:
    return f"{count:,} values that are infinite or not a number were read as empty"


def _batches(columns: Sequence[Cell]) -> Iterator[Sequence[Cell]]:
    for start in range(0, len(columns), _BATCH):
        yield columns[start : start + _BATCH]
