"""JSON Lines as text columns: one flat object on each line, keys in any order, missing keys null."""

import json
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

import duckdb

from engine.errors import InvalidInput
from engine.tables import names
from engine.tables.cells import ANY_TYPE, TEXT_TYPES, Cell, Cells
from engine.tables.limits import MIB, Limits, size
from engine.tables.profile import ColumnType
from engine.tables.text import blocks
from engine.values import Step, Tell

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ORDERED_LINES = 1000
_DAMAGED = "the file is not valid JSON Lines; write one flat JSON object on each line"


def cells(connection: duckdb.DuckDBPyConnection, path: Path, limits: Limits, tell: Tell) -> Cells:
    """Check every object and say how DuckDB reads them.

    The quick checks run over all lines at once; only a file that fails one is read a second time
    in Python, to find the line and the reason. Text stays text: a JSON string of digits was meant
    as one, so only dates are recognised in strings.

    Raises:
        InvalidInput: with the line that is not a flat object with distinct keys, and why.
    """
    rows = _count(path, limits, tell)
    objects = f"read_ndjson_objects($path, maximum_object_size = {limits.max_row_bytes + 4 * MIB}, compression = 'none')"
    try:
        found = _keys(connection, objects, path, rows, limits)
        names.check(found, limits)
        types = _types(connection, objects, path, found)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        _explain(path)
    if any(kinds & {"OBJECT", "ARRAY"} for kinds in types):
        _explain(path)
    pointers = ", ".join(_pointer(name) for name in found)
    return Cells(
        relation=f"(SELECT json_extract_string(json, [{pointers}]) AS v FROM {objects})",  # noqa: S608
        path=str(path),
        columns=tuple(
            Cell(name=name, value=f"v[{i}]", candidates=_candidates(kinds))
            for i, (name, kinds) in enumerate(zip(found, types, strict=True), 1)
        ),
        rows=rows,
    )


def _count(path: Path, limits: Limits, tell: Tell) -> int:
    rows = 0
    for block in blocks(path, limits):
        if nul := _ESCAPED_NUL.search(block.data):
            raise InvalidInput(
                f"line {block.line_at(nul.start())} holds the character \\u0000, which no text may hold"
            )
        lines = block.data.splitlines() if b"\r" in block.data else block.data.split(b"\n")
        rows += sum(map(bool, lines))
        longest = max(map(len, lines))
        if longest > limits.max_row_bytes:
            raise InvalidInput(
                f"a line near line {block.line} is longer than {size(limits.max_row_bytes)}; split it"
            )
        if rows > limits.max_rows:
            raise InvalidInput(f"the table has more than {limits.max_rows:,} rows; split it")
        tell(
            Step(
                stage="checking the file", fraction=0.2 * block.done, message=f"Checked {rows:,} lines so far"
            )
        )
    return rows


def _keys(
    connection: duckdb.DuckDBPyConnection, objects: str, path: Path, rows: int, limits: Limits
) -> list[str]:
    """All keys: those of the first lines in their order, later ones by name after them."""
    flat = "len(json_keys(json)) = len(list_distinct(json_keys(json)))"
    seen = connection.execute(
        f"SELECT count(*), bool_and(json_type(json) = 'OBJECT'), bool_and({flat}) FROM {objects}",  # noqa: S608
        {"path": str(path)},
    ).fetchone()
    if seen != (rows, True, True):
        _explain(path)
    every = {
        key
        for (key,) in connection.execute(
            f"SELECT DISTINCT unnest(json_keys(json)) FROM {objects} LIMIT {limits.max_columns + 1}",  # noqa: S608
            {"path": str(path)},
        ).fetchall()
    }
    if len(every) > limits.max_columns:
        raise InvalidInput(
            f"the objects have more than {limits.max_columns} different keys; use one key per column"
        )
    if not every:
        raise InvalidInput("the objects have no keys, so the table has no columns")
    with path.open("rb") as file:
        first = dict.fromkeys(
            key
            for number, line in enumerate(islice(file, _ORDERED_LINES), 1)
            for key in _keys_of(number, line)
        )
    return [*first, *sorted(every - first.keys())]


def _types(
    connection: duckdb.DuckDBPyConnection, objects: str, path: Path, found: Sequence[str]
) -> list[frozenset[str]]:
    pointers = ", ".join(_pointer(name) for name in found)
    each = f"SELECT unnest(json_type(json, [{pointers}])) AS kind, unnest(range({len(found)})) AS i FROM {objects}"  # noqa: S608
    rows = connection.execute(
        f"SELECT list(DISTINCT kind) FILTER (kind <> 'NULL') FROM ({each}) GROUP BY i ORDER BY i",  # noqa: S608
        {"path": str(path)},
    ).fetchall()
    return [frozenset(kinds or ()) for (kinds,) in rows]


def _candidates(kinds: frozenset[str]) -> tuple[ColumnType, ...]:
    if kinds == {"VARCHAR"}:
        return TEXT_TYPES
    if kinds == {"BOOLEAN"}:
        return (ColumnType.BOOLEAN,)
    return () if kinds & {"VARCHAR", "BOOLEAN"} else ANY_TYPE


def _pointer(name: str) -> str:
    """The JSON pointer of a key (RFC 6901) as an SQL literal."""
    escaped = name.replace("~", "~0").replace("/", "~1").replace("'", "''")
    return f"'/{escaped}'"


def _object(line: str) -> dict[str, object]:
    value = json.loads(line, object_pairs_hook=_distinct)
    if not isinstance(value, dict):
        raise InvalidInput("not an object; write one object with a key for each column")
    for key, cell in value.items():
        if isinstance(cell, dict | list):
            raise InvalidInput(
                f"the value of {names.short(key)} is nested; write one plain value for each key"
            )
    return value


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"the key {names.short(twice)} stands twice in one object; keep one")
    return value


def _keys_of(number: int, line: bytes) -> list[str]:
    if not line.strip(b"\r\n"):
        return []
    try:
        return list(_object(line.decode("utf-8-sig")))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"line {number} is not valid JSON at character {error.colno}; each line must hold one whole object"
        ) from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise InvalidInput(
            f"line {number} holds a number of thousands of digits; write it as text, in quotes"
        ) from None
    except RecursionError:
        raise InvalidInput(
            f"line {number} is nested too deeply; write one plain value for each key"
        ) from None
    except InvalidInput as error:
        raise InvalidInput(f"line {number}: {error}") from None


def _explain(path: Path) -> NoReturn:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            _keys_of(number, line)
    raise InvalidInput(_DAMAGED)
