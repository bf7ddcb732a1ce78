"""Nearest neighbours: how alike rows with similar features are decided.

Only a worker imports this module: it brings SciPy. Rows with equal features are counted together
first, so what the neighbours are searched among is a summary too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from engine.errors import InvalidInput
from engine.fairness.counting import bound, connect, position, schema_of, source, text_of
from engine.fairness.intervals import Floats
from engine.fairness.options import BiasColumns, BiasOptions
from engine.values import Step, Tell, silent

NEIGHBOURS = 5
EXACT_ROWS = 20_000
"""Up to here every row is compared with its neighbours; above, a sample of ANCHORS rows is."""
ANCHORS = 10_000
MAX_NUMBERS = 20_000_000
"""Rows times features held in memory, 160 MB."""
TIE = 1e-9
"""Distances that differ by less than this share are one distance."""
AT_ONCE = 250
THREADS = 2
NO_FEATURES = "individual fairness compares similar rows: name numeric columns as features to be similar in"

Indexes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike similar rows are decided, and on what this rests."""

    value: float | None
    """1 - mean |decision - mean decision of its 5 nearest|: 1 when all are decided like their
    neighbours, 0 when all are decided against them; None with at most 5 rows."""
    anchors: int
    """Rows that were compared with their neighbours: all, or a sample."""
    rows: int
    """Rows among which neighbours were searched."""
    rows_excluded: int
    """Rows without a prediction or with a feature missing or infinite."""
    features: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Rows with equal features, counted together, in the order of their features."""

    places: Floats
    """Shape (points, features), each feature divided by its standard deviation."""
    sizes: Indexes
    """Shape (points,): rows at each point."""
    favoured: Indexes
    """Shape (points,): rows with a favourable prediction among them."""


def likeness(
    path: Path, columns: BiasColumns, favorable: tuple[str, ...], options: BiasOptions, tell: Tell = silent
) -> Likeness:
    """Compare the decision on each row with those on its 5 nearest neighbours.

    Nearness is the Euclidean distance between features divided by their standard deviations. A row
    is no neighbour of itself. All rows at the distance of the 5th neighbour share the places that are
    left, so the order of rows does not matter. Up to 20,000 rows all are compared; above, a seeded
    sample of 10,000 rows, each with its exact neighbours among all rows.

    Args:
        path: a Parquet file.
        columns: with at least one numeric column in `features`.
        favorable: the texts of a favourable prediction.
        options: the seed of the sample.
        tell: told how many rows have been compared.

    Raises:
        InvalidInput: no features, one that is not there or not numeric, or too many numbers.

    Source: Zemel et al., "Learning fair representations" (ICML 2013); unlike AIF360's, without the
    row itself, with scaled features, and with ties shared.
    """
    if not columns.features:
        raise InvalidInput(NO_FEATURES, at=("features",))
    points, rows = _points(path, columns, favorable)
    used = int(points.sizes.sum())
    known = used > NEIGHBOURS
    point, own, weight = _anchors(points, options.seed)
    total = _disagreement(points, point, own, weight, tell) if known else 0.0
    anchors = int(weight.sum()) if known else 0
    return Likeness(
        value=min(1.0, max(0.0, 1 - total / anchors)) if known else None,
        anchors=anchors,
        rows=used,
        rows_excluded=rows - used,
        features=tuple(columns.features),
    )


def _points(path: Path, columns: BiasColumns, favorable: tuple[str, ...]) -> tuple[Points, int]:
    """Rows by features, and how many rows the file has."""
    schema = schema_of(path)
    predicted = text_of(schema, position(schema, ("prediction",), columns.prediction))
    features = [_numeric(schema, i, name) for i, name in enumerate(columns.features)]
    numbers = ", ".join(f"CAST({column} AS DOUBLE) + 0.0 AS f{i}" for i, column in enumerate(features))
    finite = " AND ".join(f"isfinite(f{i})" for i in range(len(features)))
    keys = ", ".join(f"f{i}" for i in range(len(features)))
    query = (
        f"WITH read AS (SELECT {numbers}, {predicted} AS predicted FROM {source(schema)}) "  # noqa: S608 - positions
        f"SELECT {keys}, count(*) AS n, count(*) FILTER (list_contains(?::VARCHAR[], predicted)) AS k FROM read "
        f"WHERE predicted IS NOT NULL AND {finite} GROUP BY {keys} ORDER BY {keys}"
    )
    rows = int(pq.read_metadata(path).num_rows)
    if rows * len(features) > MAX_NUMBERS:
        raise InvalidInput(
            f"{rows:,} rows of {len(features)} features are too many to search for neighbours; at most"
            f" {MAX_NUMBERS:,} numbers fit. Name fewer features",
            at=("features",),
        )
    with connect() as connection:
        found = connection.sql(query, params=[bound(path), list(favorable)]).to_arrow_table()
    places = np.column_stack([found.column(i).to_numpy() for i in range(len(features))])
    sizes, favoured = (found.column(name).to_numpy().astype(np.int64) for name in ("n", "k"))
    if sizes.size:
        centred = places - np.average(places, axis=0, weights=sizes)
        scale = np.sqrt(np.average(centred**2, axis=0, weights=sizes))
        places = centred / np.where(scale > 0, scale, 1.0)
    return Points(places=places, sizes=sizes, favoured=favoured), rows


def _numeric(schema: pa.Schema, i: int, name: str) -> str:
    at = position(schema, ("features", i), name)
    kind = schema.field(at).type
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    if not any(fits(kind) for fits in numeric):
        raise InvalidInput(
            f"feature {name!r} holds {kind} values; distances need numbers. Encode it, or leave it out",
            at=("features", i),
        )
    return f"c{at}"


def _anchors(points: Points, seed: int) -> tuple[Indexes, Indexes, Indexes]:
    """Point, own decision (0 or 1) and number of the rows to compare with their neighbours."""
    rows = int(points.sizes.sum())
    point = np.repeat(np.arange(points.sizes.size), 2)
    own = np.tile(np.array([1, 0]), points.sizes.size)
    weight = np.column_stack([points.favoured, points.sizes - points.favoured]).ravel()
    if rows > EXACT_ROWS:
        chosen = np.random.default_rng(seed).choice(rows, ANCHORS, replace=False)
        weight = np.bincount(np.searchsorted(np.cumsum(weight), chosen, side="right"), minlength=weight.size)
    some = weight > 0
    return point[some], own[some], weight[some].astype(np.int64)


def _disagreement(points: Points, point: Indexes, own: Indexes, weight: Indexes, tell: Tell) -> float:
    """Sum over the rows of |decision - mean decision of the neighbours|."""
    tree = cKDTree(points.places)
    total = 0.0
    shown = 0.0
    for start in range(0, point.size, AT_ONCE):
        here = slice(start, start + AT_ONCE)
        means = _neighbour_means(tree, points, point[here], own[here])
        total += float((weight[here] * np.abs(own[here] - means)).sum())
        fraction = min(1.0, (start + AT_ONCE) / point.size)
        if fraction - shown >= 0.1 or fraction == 1.0:
            shown = fraction
            message = f"Compared {fraction:.0%} of the rows with their {NEIGHBOURS} nearest"
            tell(Step(stage="comparing neighbours", fraction=fraction, message=message))
    return total


def _neighbour_means(tree: cKDTree, points: Points, point: Indexes, own: Indexes) -> Floats:
    """Mean decision of the nearest rows of each anchor, those at the last distance sharing what is left."""
    here = points.places[point]
    # itself, five more at most, and one beyond: only where that one still ties are there more to fetch
    near = min(NEIGHBOURS + 2, points.sizes.size)
    distance, index = tree.query(here, k=np.arange(1, near + 1), workers=THREADS)
    others = np.cumsum(points.sizes[index] - (index == point[:, None]), axis=1)
    last = distance[np.arange(point.size), (others >= NEIGHBOURS).argmax(axis=1)]
    within = distance <= last[:, None] * (1 + TIE)
    tied = within[:, -1]
    anchor, column = np.nonzero(within & ~tied[:, None])
    neighbour = index[anchor, column]
    if tied.any():
        lists = tree.query_ball_point(here[tied], last[tied] * (1 + TIE), workers=THREADS)
        anchor = np.concatenate([anchor, np.repeat(np.flatnonzero(tied), [len(each) for each in lists])])
        neighbour = np.concatenate([neighbour, *lists]).astype(np.int64)
    far = np.sqrt(((points.places[neighbour] - here[anchor]) ** 2).sum(axis=1))
    itself = neighbour == point[anchor]
    rows = points.sizes[neighbour] - itself
    favoured = points.favoured[neighbour] - itself * own[anchor]
    closer = far < last[anchor] * (1 - TIE)

    def summed(values: Indexes, which: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(anchor, weights=values * which, minlength=point.size).astype(np.float64)

    left = (NEIGHBOURS - summed(rows, closer)) / summed(rows, ~closer)
    means: Floats = (summed(favoured, closer) + left * summed(favoured, ~closer)) / NEIGHBOURS
    return means
