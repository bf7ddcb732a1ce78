"""Rows as models take them: from Parquet parts or from values that a person gives, in the types of `Scorer`.

Rows are known by their place in the dataset, from 0, over all its parts; it is the index of every frame.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models.signature import Feature, FeatureType, Signature
from engine.models.values import number, refuse, takes_numbers
from engine.tables.names import no_column
from engine.tables.opening import in_words, opened
from engine.tables.part import Part

BATCH_ROWS = 65_536
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some rows, drawn without repetition; the same ones for the same seed, however the dataset is cut into parts."""

    rows: int
    """All of them where the dataset has no more."""
    seed: int

    def places(self, total: int) -> Places | None:
        """Which of so many rows, in their order; None for all."""
        if self.rows >= total:
            return None
        drawn = np.random.default_rng(self.seed).choice(total, self.rows, replace=False, shuffle=False)
        return np.sort(drawn).astype(np.int64)


def count(parts: Sequence[Part]) -> int:
    """How many rows the parts have together."""
    return sum(_rows(part) for part in parts)


def frame(
    parts: Sequence[Part], names: Sequence[str], rows: Sequence[int] | Sample | None = None
) -> pd.DataFrame:
    """Columns of a dataset as a scorer takes them.

    Args:
        names: the columns, as they are to stand in the frame.
        rows: places from 0, in the order they are wanted; or a sample, which comes in the dataset's order; or all.

    Returns:
        A frame whose index is each row's place. Numbers and booleans are int64, or float64 with NaN for what is
        missing; everything else is text, with None for what is missing.

    Raises:
        InvalidInput: a column is not there or holds no single values, a row is not there, or a store does not answer.
    """
    wanted = rows.places(count(parts)) if isinstance(rows, Sample) else _checked(rows, parts)
    found = list(_pieces(parts, names, None if wanted is None else np.unique(wanted)))
    schema = _schema(parts[0], names)
    table = pa.concat_tables([piece for piece, _ in found]) if found else schema.empty_table()
    places = np.concatenate([places for _, places in found]) if found else np.empty(0, np.int64)
    made = _frame(table, places)
    return made if wanted is None or isinstance(rows, Sample) else made.loc[wanted]


def look(parts: Sequence[Part], name: str, at: tuple[str | int, ...]) -> None:
    """Refuse a column of a dataset, at its place in the question, that is not there or holds no single values.

    Raises:
        InvalidInput: it is so; `at` is the one given.
    """
    try:
        _schema(parts[0], [name])
    except InvalidInput as error:
        raise InvalidInput(str(error), at=at) from None


def truths(parts: Sequence[Part], names: Sequence[str]) -> frozenset[str]:
    """Which of the columns hold truth values, in frames 0 and 1."""
    return frozenset(field.name for field in _schema(parts[0], names) if pa.types.is_boolean(field.type))


def batches(parts: Sequence[Part], names: Sequence[str]) -> Iterator[pd.DataFrame]:
    """All rows, some thousand at a time, as `frame` gives them."""
    for table, places in _pieces(parts, names, None):
        yield _frame(table, places)


def copy(parts: Sequence[Part], names: Sequence[str], target: Path) -> None:
    """Columns of a dataset in one file, for a child that reaches no store; errors as for `frame`."""
    with pq.ParquetWriter(target, _schema(parts[0], names)) as writer:
        for table, _ in _pieces(parts, names, None):
            writer.write_table(table)


def given(rows: Sequence[Mapping[str, str | None]], signature: Signature) -> pd.DataFrame:
    """Rows that a person gives as texts, with a column for each feature; what is not named is missing.

    Raises:
        InvalidInput: a name is no feature, or the model does not take a value; says the row, and `at` is (row, feature).
    """
    known = set(signature.names)
    for i, row in enumerate(rows):
        odd = next((name for name in row if name not in known), None)
        if odd is not None:
            raise no_column(odd, signature.names, (i, odd), "model", "feature")
    columns = {
        feature.name: _of_texts(signature, feature, [row.get(feature.name) for row in rows])
        for feature in signature.features
    }
    return _made(columns, pd.RangeIndex(len(rows)))


def _of_texts(signature: Signature, feature: Feature, texts: Sequence[str | None]) -> NDArray[Any]:
    for i, text in enumerate(texts):
        if text is not None:
            refuse(signature, feature, text, (i, feature.name), f" in row {i}" if len(texts) > 1 else "")
    if takes_numbers(feature) or feature.type is FeatureType.ANY:
        read = [math.nan if text is None else number(feature, text) for text in texts]
        if all(value is not None for value in read):
            return np.array(read, np.float64)
    return np.array(texts, object)


def _checked(rows: Sequence[int] | None, parts: Sequence[Part]) -> Places | None:
    if rows is None:
        return None
    total = count(parts)
    for i, row in enumerate(rows):
        if not 0 <= row < total:
            raise InvalidInput(
                f"the dataset has {total:,} rows, counted from 0, and no row {row}", at=("rows", i)
            )
    return np.asarray(rows, np.int64)


def _pieces(
    parts: Sequence[Part], names: Sequence[str], wanted: Places | None
) -> Iterator[tuple[pa.Table, Places]]:
    """Tables with the rows that are wanted, all or these (sorted), and their places; row groups without any stay
    unread."""
    start = 0
    with _damage_in_words(), in_words(parts):
        for part in parts:
            if wanted is not None and not _any(wanted, start, end := start + _rows(part)):
                start = end
                continue
            with opened(part) as content, pq.ParquetFile(content) as file:
                _check(file.schema_arrow, names)
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if wanted is None or _any(wanted, start, start + rows):
                        yield from _of_group(file, group, names, wanted, start)
                    start += rows


@contextmanager
def _damage_in_words() -> Iterator[None]:
    try:
        yield
    except pa.ArrowException:
        raise InvalidInput(
            "the dataset is damaged and cannot be read to its end; register it again"
        ) from None


def _of_group(
    file: pq.ParquetFile, group: int, names: Sequence[str], wanted: Places | None, start: int
) -> Iterator[tuple[pa.Table, Places]]:
    for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(names)):
        end = start + batch.num_rows
        places = np.arange(start, end) if wanted is None else _between(wanted, start, end)
        if len(places):
            table = pa.Table.from_batches([batch]).select(list(names))
            yield (table if wanted is None else table.take(pa.array(places - start))), places
        start = end


def _between(wanted: Places, start: int, end: int) -> Places:
    first, last = np.searchsorted(wanted, (start, end))
    return wanted[first:last]


def _any(wanted: Places, start: int, end: int) -> bool:
    return len(_between(wanted, start, end)) > 0


def _rows(part: Part) -> int:
    with in_words([part]), opened(part) as content, pq.ParquetFile(content) as file:
        return int(file.metadata.num_rows)


def _schema(part: Part, names: Sequence[str]) -> pa.Schema:
    with in_words([part]), opened(part) as content, pq.ParquetFile(content) as file:
        schema = file.schema_arrow
    _check(schema, names)
    return pa.schema([schema.field(name) for name in names])


def _check(schema: pa.Schema, names: Sequence[str]) -> None:
    for name in names:
        if name not in schema.names:
            raise no_column(name, schema.names, ())
        kind = schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InvalidInput(f"column {name!r} holds {kind} values; single values are needed")


def _frame(table: pa.Table, places: Places) -> pd.DataFrame:
    columns = {name: _column(table.column(name)) for name in table.column_names}
    return _made(columns, pd.Index(places, name="row"))


def _made(columns: Mapping[str, NDArray[Any]], index: pd.Index) -> pd.DataFrame:
    """A frame in the types that the arrays have: by itself pandas makes a type of its own of texts."""
    series = {name: pd.Series(values, index=index, dtype=values.dtype) for name, values in columns.items()}
    return pd.DataFrame(series, index=index, columns=list(columns))


def _column(column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = pc.cast(column, kind.value_type), kind.value_type
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    if whole and column.null_count == 0 and not pa.types.is_uint64(kind):
        return np.asarray(pc.cast(column, pa.int64()).to_numpy())
    if whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        if pa.types.is_boolean(kind):
            column = pc.cast(column, pa.int8())
        numbers: NDArray[np.float64] = pc.cast(column, pa.float64(), safe=False).to_numpy()
        return np.asarray(numbers, np.float64)
    texts = column if pa.types.is_string(kind) else pc.cast(column, pa.large_string())
    return np.array(texts.to_pylist(), object)
