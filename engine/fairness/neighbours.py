"""Nearest neighbours: rows as points of their features, and which points are nearest to which.

Rows with equal features are one point.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.intervals import Floats
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.reading import (
    Place,
    number_of,
    position,
    reading,
    refuse_beyond,
    rows_of,
    schema_of,
    source,
    text_of,
)
from engine.tables.part import Part

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

NEIGHBOURS = 5
MAX_NUMBERS = 100_000_000
"""Rows times (features + NUMBERS_OF_A_ROW): what may be held at once; 117 million took 1.5 GB where tried."""
NUMBERS_OF_A_ROW = 16
"""Held for each row besides its features: its point, decision, score, place in the file, and sums over neighbours."""
TIE = 1e-9
"""Distances that differ by less than this share are one distance."""
READ_AT_ONCE = 50_000
THREADS = 2
LEAF = 64
"""Points in a leaf of the tree; of 8 to 64 the quickest in 10 features."""

Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The rows that have all features and an outcome, by point; where they stand in the file has no part in their order."""

    places: Floats
    """Shape (points, features): features as distances from their means in standard deviations."""
    sizes: Indexes
    """Shape (points,): rows at each point."""
    point: Indexes
    """Shape (rows,): rising."""
    decision: Indexes
    """Shape (rows,): code of the class that was decided."""
    score: Floats | None
    """Shape (rows,): the score behind the decision, where one is given."""
    in_file: Indexes
    """Shape (rows,): from 0 on."""
    excluded: int
    """Rows of the file without a prediction, score or feature, or with an infinite one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """From some points to those that hold their nearest rows; ascending by `origin`."""

    origin: Indexes
    """Shape (links,): which of the points that were asked about."""
    point: Indexes
    """Shape (links,): the point reached."""
    distance: Floats
    itself: npt.NDArray[np.bool_]
    """Whether it leads back to the point itself, where the other rows at that point are neighbours."""
    weight: Floats
    """Share of a neighbour that each row reached is; over the rows reached by an origin they sum to 1."""


def read(path: Part, columns: BiasColumns, classes: Mapping[str, int], options: BiasOptions) -> Rows:
    """Read the features and outcomes of a Parquet file.

    Args:
        path: a Parquet file.
        columns: with `features`, and `prediction` or `score`.
        classes: the code of each text of a prediction; other texts count as missing. Without a prediction
            column a score from `options.score_threshold` on is decided 1, a lower one 0.
        options: the threshold.

    Raises:
        InvalidInput: a column is not there or not numeric, or there are too many numbers.
    """
    schema = schema_of(path)
    names = [_feature(schema, i, name) for i, name in enumerate(columns.features)]
    score = None if columns.score is None else number_of(schema, ("score",), columns.score)
    if columns.prediction is not None:
        predicted = text_of(schema, position(schema, ("prediction",), columns.prediction))
        decision = f"coalesce(list_position(?::VARCHAR[], {predicted}), 0)"
    else:
        decision = (
            f"CASE WHEN {score} IS NULL THEN 0 WHEN {score} >= {options.score_threshold!r} THEN 2 ELSE 1 END"
        )
    total = rows_of(path)
    _refuse_too_many(total, len(names))
    numbers = [*names, *([score] if score is not None else [])]
    wanted = ", ".join(
        f"coalesce(CAST({each} AS DOUBLE), 'nan') + 0.0 AS n{i}" for i, each in enumerate(numbers)
    )
    query = f"SELECT {wanted}, CAST({decision} AS BIGINT) AS decided FROM {source(schema)}"  # noqa: S608 - positions
    words = list(classes)
    parameters = [words] if columns.prediction is not None else []
    values = np.empty((total, len(numbers)))
    named: list[tuple[Place, str]] = [(("features", i), name) for i, name in enumerate(columns.features)]
    named += [] if columns.score is None else [(("score",), columns.score)]
    decided, in_file = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    seen = used = 0
    with reading([path], schema) as connection:
        for batch in connection.sql(query, params=parameters).to_arrow_reader(READ_AT_ONCE):
            found = np.column_stack([batch.column(i).to_numpy() for i in range(len(numbers))])
            code = batch.column(len(numbers)).to_numpy()
            for each, (at, name) in zip(found.T, named, strict=True):
                refuse_beyond(each, at, name)
            kept = np.flatnonzero(np.isfinite(found).all(axis=1) & (code > 0))
            into = slice(used, used + kept.size)
            values[into], decided[into], in_file[into] = found[kept], code[kept], kept + seen
            seen, used = seen + code.size, used + kept.size
    # the list counts from 1
    codes = np.array(
        [classes[word] for word in words] if columns.prediction is not None else [0, 1], dtype=np.int64
    )
    return _rows(
        values[:used, : len(names)],
        codes[decided[:used] - 1],
        None if score is None else values[:used, len(names)].copy(),
        in_file[:used],
        total - used,
    )


def grown(places: Floats) -> "cKDTree":
    """The tree in which neighbours are searched."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  # half a second, which most reports do without

    return cKDTree(places, leafsize=LEAF, balanced_tree=False)


def nearest(tree: "cKDTree", rows: Rows, asked: Indexes) -> Links:
    """The nearest rows of each of some points, as seen from one row there.

    A row is no neighbour of itself, the others at its point are. All rows at the distance of the 5th
    neighbour share the places that are left.

    Args:
        tree: of `rows.places`.
        rows: more than 5.
        asked: shape (origins,), points.
    """
    here = rows.places[asked]
    # itself, five more at most, and one beyond: only where that one still ties are there more to fetch
    near = min(NEIGHBOURS + 2, rows.sizes.size)
    distance, index = tree.query(here, k=np.arange(1, near + 1), workers=THREADS)
    others = np.cumsum(rows.sizes[index] - (index == asked[:, None]), axis=1)
    last = distance[np.arange(asked.size), (others >= NEIGHBOURS).argmax(axis=1)]
    within = distance <= last[:, None] * (1 + TIE)
    tied = within[:, -1]
    origin, column = np.nonzero(within & ~tied[:, None])
    point = index[origin, column]
    if tied.any():
        lists = tree.query_ball_point(here[tied], last[tied] * (1 + TIE), workers=THREADS)
        origin = np.concatenate([origin, np.repeat(np.flatnonzero(tied), [len(each) for each in lists])])
        point = np.concatenate([point, *lists]).astype(np.int64)
        order = np.argsort(origin, kind="stable")
        origin, point = origin[order], point[order]
    far = np.sqrt(((rows.places[point] - here[origin]) ** 2).sum(axis=1))
    itself = point == asked[origin]
    count = rows.sizes[point] - itself
    closer = far < last[origin] * (1 - TIE)

    def summed(which: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(origin, weights=count * which, minlength=asked.size).astype(np.float64)

    left = (NEIGHBOURS - summed(closer)) / summed(~closer)
    weight = np.where(closer, 1.0, left[origin]) / NEIGHBOURS
    return Links(origin=origin, point=point, distance=far, itself=itself, weight=weight)


def _feature(schema: pa.Schema, i: int, name: str) -> str:
    at = position(schema, ("features", i), name)
    kind = schema.field(at).type
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    if not any(fits(kind) for fits in numeric):
        raise InvalidInput(
            f"feature {name!r} holds {kind} values; distances need numbers. Encode it, or leave it out",
            at=("features", i),
        )
    return f"c{at}"


def _refuse_too_many(rows: int, features: int) -> None:
    most = MAX_NUMBERS // (features + NUMBERS_OF_A_ROW)
    if rows > most:
        raise InvalidInput(
            f"{rows:,} rows of {features} features are too many to search for neighbours; at most {most:,} fit."
            " Name fewer features, or give a sample of the rows",
            at=("features",),
        )


def _rows(values: Floats, decision: Indexes, score: Floats | None, in_file: Indexes, excluded: int) -> Rows:
    """Rows with equal features brought together, in the order of a hash of them."""
    hashed = np.full(len(values), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in values.T:
        hashed ^= column.copy().view(np.uint64)
        hashed *= np.uint64(0xD6E8FEB86659FD93)
        hashed ^= hashed >> np.uint64(32)
    minor = (decision,) if score is None else (score, decision)
    order = np.lexsort((in_file, *minor, hashed))
    del hashed
    for i in range(values.shape[1]):
        values[:, i] = values[order, i]
    # a clash of hashes may split a point in two at one place: slower to search, and right all the same
    starts = np.ones(len(values), dtype=np.bool_)
    starts[1:] = (values[1:] != values[:-1]).any(axis=1)
    point = np.cumsum(starts) - 1
    places = values[starts]
    sizes = np.bincount(point, minlength=len(places)).astype(np.int64)
    if len(places):
        places -= np.average(places, axis=0, weights=sizes)
        scale = np.sqrt([np.average(column**2, weights=sizes) for column in places.T])
        places /= np.where(scale > 0, scale, 1.0)
        # points that are near each other are put together: the search takes a third of the time then
        together = grown(places).indices
        places, sizes = places[together], sizes[together]
        label = np.empty(len(together), dtype=np.int64)
        label[together] = np.arange(len(together))
        again = np.argsort(label[point], kind="stable")
        point, order = label[point[again]], order[again]
    return Rows(
        places=places,
        sizes=sizes,
        point=point,
        decision=decision[order],
        score=None if score is None else score[order],
        in_file=in_file[order],
        excluded=excluded,
    )
