"""Recommendations: one row for each user and item, with the place or score it got; users are what is redrawn."""

import math
from collections.abc import Iterator, Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.counting import MAX_VALUE_LENGTH, MAX_VALUES
from engine.fairness.cube import Axis, Floats, ordered
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.rankings import Rankings, drawn_sums, unique_items
from engine.fairness.reading import (
    Key,
    keys_of,
    number_of,
    position,
    reading,
    refuse_beyond,
    schema_of,
    source,
    text_of,
)
from engine.fairness.tables import Places, Sampler, Table, distinct, names_of
from engine.fairness.words import so_many
from engine.tables.part import Part
from engine.values import Step, Tell

MAX_PRODUCTS = 10_000_000
"""Numbers that say how exposures of users vary together, 80 MB."""
AT_ONCE = 2_000_000
"""Numbers of users by groups of items held at once, 16 MB."""


def summarise(path: Part, columns: BiasColumns, options: BiasOptions, tell: Tell) -> Summary:
    """Sums over users, from all rows of theirs.

    Places are ranks, from 1, or follow the score within a user, the highest first and ties by the text of the
    item. Rows without a place are not shown; their relevance counts all the same.

    Raises:
        InvalidInput: as for `count`; a rank is no whole number from 1 on, a relevance is below 0, a user has an
            item or a rank twice, or several values of a protected attribute, or an item several groups.
    """
    tell(Step(stage="counting rows", fraction=0.0, message="Reading the lists of users"))
    schema = schema_of(path)
    try:
        with reading([path], schema) as connection:
            keys, notes = keys_of(connection, schema, columns, options)
            _read(connection, schema, columns, keys, options.k)
            _refuse(connection, columns, keys)
            found = _summed(connection, schema, columns, keys, options.k, notes)
    except duckdb.OutOfMemoryException as error:
        raise InvalidInput("the lists need more than 1 GB of memory; give a sample of the users") from error
    message = f"Read the lists of {int(found.users.sum()):,} users"
    tell(Step(stage="counting rows", fraction=1.0, message=message))
    return (found,)


def _read(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    columns: BiasColumns,
    keys: Sequence[Key],
    k: int,
) -> None:
    """Make the tables `listed`, one row for each user and item, and `users`, numbered from 0."""
    user, item, group = (
        text_of(schema, position(schema, (role,), getattr(columns, role) or ""))
        for role in ("user", "item", "item_group")
    )
    relevance = "0.0"
    if columns.relevance is not None:
        relevance = f"coalesce({number_of(schema, ('relevance',), columns.relevance)}, 0.0)"
    by_rank = columns.rank is not None
    order = number_of(
        schema, ("rank" if by_rank else "score",), (columns.rank if by_rank else columns.score) or ""
    )
    place = "place"
    if not by_rank:
        place = "CASE WHEN place IS NULL THEN NULL ELSE row_number() OVER (PARTITION BY u ORDER BY place DESC NULLS LAST, i) END"
    raw = ", ".join(f"{key.raw} AS {key.alias}" for key in keys)
    aliases = ", ".join(key.alias for key in keys)
    connection.execute(
        f"CREATE TEMP TABLE listed AS SELECT u, hash(i) AS i, g, {aliases}, relevance, place,"  # noqa: S608 - positions
        f" CASE WHEN place <= {k} THEN 1 / log2(1 + place) ELSE 0.0 END AS exposure FROM"
        f" (SELECT u, i, g, {aliases}, relevance, {place} AS place FROM"
        f" (SELECT hash({user}) AS u, {item} AS i, {group} AS g, {raw}, {relevance} AS relevance, {order} AS place"
        f" FROM {source(schema)} WHERE {user} IS NOT NULL AND {item} IS NOT NULL))"
    )
    several = " OR ".join(
        f"min({key.alias}) IS DISTINCT FROM max({key.alias}) OR count({key.alias}) BETWEEN 1 AND count(*) - 1"
        for key in keys
    )
    values = ", ".join(f"any_value({key.alias}) AS {key.alias}" for key in keys)
    discounts = [1 / math.log2(1 + place) for place in range(1, k + 1)]
    connection.execute(
        f"CREATE TEMP TABLE users AS SELECT *, row_number() OVER () - 1 AS n,"  # noqa: S608 - positions
        f" list_dot_product(top, {discounts}[:len(top)]) AS best FROM"
        f" (SELECT u, {values}, {several} AS several,"
        f" sum(relevance * exposure) AS gain, max(relevance, {k}) AS top FROM listed GROUP BY u)"
    )


def _refuse(connection: duckdb.DuckDBPyConnection, columns: BiasColumns, keys: Sequence[Key]) -> None:
    rows = connection.sql(
        "SELECT count(*), count(*) FILTER (place < 1 OR isinf(place) OR place != trunc(place)),"
        " count(*) FILTER (relevance < 0 OR isinf(relevance)), count(DISTINCT g), max(length(g)), count(place),"
        " max(relevance) FROM listed"
    ).fetchall()[0]
    if not rows[0]:
        raise InvalidInput("no row has a user and an item", at=("user",))
    several = connection.sql("SELECT count(*) FILTER (several) FROM users").fetchall()[0][0]
    pairs, places = connection.sql(
        "SELECT (SELECT count(*) FROM (SELECT DISTINCT u, i FROM listed)),"
        " (SELECT count(*) FROM (SELECT DISTINCT u, place FROM listed WHERE place IS NOT NULL))"
    ).fetchall()[0]
    items = connection.sql(
        "SELECT count(*) FROM (SELECT i FROM listed GROUP BY i"
        " HAVING min(g) IS DISTINCT FROM max(g) OR count(g) BETWEEN 1 AND count(*) - 1)"
    ).fetchall()[0][0]
    distinct = connection.sql(
        f"SELECT {', '.join(f'count(DISTINCT {key.alias})' for key in keys)} FROM users"  # noqa: S608 - positions
    ).fetchall()[0]
    if rows[1] and columns.rank is not None:
        raise InvalidInput(
            f"{so_many(rows[1], 'rows have a rank')} that is no whole number from 1 on", at=("rank",)
        )
    if rows[2]:
        raise InvalidInput(
            f"{so_many(rows[2], 'rows have a relevance')} below 0 or an infinite one; relevances are numbers from 0 on",
            at=("relevance",),
        )
    refuse_beyond([rows[6]], ("relevance",), columns.relevance or "")
    if rows[3] > MAX_VALUES or (rows[4] or 0) > MAX_VALUE_LENGTH:
        raise InvalidInput(
            f"item_group column {columns.item_group!r} has {rows[3]:,} distinct values; at most {MAX_VALUES} groups of"
            f" at most {MAX_VALUE_LENGTH} characters can be compared. Group the values first",
            at=("item_group",),
        )
    if several:
        raise InvalidInput(
            f"{so_many(several, 'users have more')} than one value of a protected column; these are attributes of users",
            at=("protected",),
        )
    if pairs < rows[0] or places < rows[5]:
        twice = (rows[0] - pairs, "items"), (rows[5] - places, "places")
        said = " and ".join(so_many(count, what) for count, what in twice if count)
        raise InvalidInput(
            f"lists of users hold {said} twice; each user has one list. Where there are several, such as one a day, let user name the list",
            at=("user",),
        )
    if items:
        raise InvalidInput(
            f"{so_many(items, 'items have')} more than one group",
            at=("item_group",),
        )
    for key, values in zip(keys, distinct, strict=True):
        if values > MAX_VALUES:
            raise InvalidInput(
                f"protected column {key.name!r} has {values:,} distinct values; at most {MAX_VALUES} groups can be"
                " compared. Group the values first",
                at=key.at,
            )


def _summed(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    columns: BiasColumns,
    keys: Sequence[Key],
    k: int,
    notes: tuple[str, ...],
) -> Rankings:
    connection.execute(
        "CREATE TEMP TABLE item_groups AS SELECT g, row_number() OVER (ORDER BY g NULLS LAST) - 1 AS code"
        " FROM (SELECT DISTINCT g FROM listed)"
    )
    connection.execute(
        "CREATE TEMP TABLE exposures AS SELECT n, code, e, r, own.rows, unplaced FROM"
        " (SELECT u, g, sum(exposure) AS e, sum(relevance) AS r, count(*) AS rows,"
        " count(*) - count(place) AS unplaced FROM listed GROUP BY u, g) AS own JOIN users USING (u)"
        " JOIN item_groups ON own.g IS NOT DISTINCT FROM item_groups.g"
    )
    words = [row[0] for row in connection.sql("SELECT g FROM item_groups ORDER BY code").fetchall()]
    texts = ", ".join(f"{key.text} AS t{i}" for i, key in enumerate(keys))
    users = connection.sql(
        f"SELECT {texts}, CASE WHEN best > 0 THEN gain / best END AS ndcg FROM users ORDER BY n"  # noqa: S608 - positions
    ).to_arrow_table()
    axes, own = _coded(keys, users)
    codes, cell = distinct(own)
    if len(codes) * len(words) ** 2 > MAX_PRODUCTS:
        raise InvalidInput(
            f"there are {len(codes):,} combinations of protected values and {len(words):,} groups of items, too many"
            " to be compared at once; ask for fewer protected columns or group the items",
            at=("protected",),
        )
    ndcg = users.column("ndcg").to_numpy()
    known = np.isfinite(ndcg)
    gains = np.column_stack([known, np.where(known, ndcg, 0.0), np.where(known, ndcg**2, 0.0)])
    items = connection.sql(
        "SELECT CAST(code AS UBIGINT) AS code, i FROM (SELECT DISTINCT g, i FROM listed) AS own"
        " JOIN item_groups ON own.g IS NOT DISTINCT FROM item_groups.g"
    ).to_arrow_table()
    counted = connection.sql(
        "SELECT sum(rows), sum(unplaced) FROM exposures GROUP BY code ORDER BY code"
    ).fetchall()
    every = connection.sql(f"SELECT count(*) FROM {source(schema)}")  # noqa: S608 - positions
    rows = np.array([row[0] for row in counted], dtype=np.int64)
    return Rankings(
        axes=axes,
        item_groups=Axis(name=columns.item_group or "", values=tuple(words)),
        k=k,
        codes=codes,
        users=np.bincount(cell, minlength=len(codes)),
        gains=_added(gains, cell, len(codes)),
        **_products(connection, cell, len(codes), len(words)),
        rows=rows,
        items=unique_items(np.column_stack([items.column("code").to_numpy(), items.column("i").to_numpy()])),
        excluded=int(every.fetchall()[0][0]) - int(rows.sum()),
        unplaced=int(sum(row[1] for row in counted)),
        notes=notes,
    )


def _coded(keys: Sequence[Key], users: pa.Table) -> tuple[tuple[Axis, ...], npt.NDArray[np.int32]]:
    """The protected attributes, and the values of each user, shape (users, attributes)."""
    axes, codes = [], np.empty((users.num_rows, len(keys)), dtype=np.int32)
    for i, key in enumerate(keys):
        encoded = users.column(i).combine_chunks().dictionary_encode(null_encoding="encode")
        words = encoded.dictionary.to_pylist()
        axis = Axis(name=key.name, values=ordered(set(words)))
        codes[:, i] = np.array([axis.values.index(word) for word in words])[encoded.indices.to_numpy()]
        axes.append(axis)
    return tuple(axes), codes


def _products(
    connection: duckdb.DuckDBPyConnection, cell: npt.NDArray[np.intp], cells: int, groups: int
) -> dict[str, Floats]:
    """Sums over users of their exposures and relevances by group of items, and of products of two of them."""
    exposure, products = np.zeros((cells, groups)), np.zeros((cells, groups, groups))
    relevance, cross = np.zeros(groups), np.zeros((2 * groups, 2 * groups))
    size = max(1, AT_ONCE // (2 * groups))
    for start in range(0, len(cell), size):
        part = connection.sql(
            "SELECT n, code, e, r FROM exposures WHERE n >= ? AND n < ?", params=[start, start + size]
        ).to_arrow_table()
        n, code, e, r = (part.column(name).to_numpy() for name in ("n", "code", "e", "r"))
        of_cell = cell[start : start + size]
        both = np.zeros((len(of_cell), 2 * groups))
        both[n - start, code], both[n - start, groups + code] = e, r
        cross += both.T @ both
        relevance += both[:, groups:].sum(0)
        shown = both[:, :groups]
        order = np.argsort(of_cell, kind="stable")
        present, starts = np.unique(of_cell[order], return_index=True)
        for at, rows in zip(present, np.split(order, starts[1:]), strict=True):
            exposure[at] += shown[rows].sum(0)
            products[at] += shown[rows].T @ shown[rows]
    return {"exposure": exposure, "products": products, "relevance": relevance, "cross": cross}


def _added(values: Floats, cell: npt.NDArray[np.intp], cells: int) -> Floats:
    """Rows of values added up by cell."""
    found = np.zeros((cells, *values.shape[1:]))
    np.add.at(found, cell, values)
    return found


def evidence(summary: Summary, columns: BiasColumns, options: BiasOptions) -> Evidence:
    """Groups of items by their exposure, and groups of users by what they are shown.

    The groups of items stand as one more attribute, after the protected ones of users; it is crossed with none.
    """
    data: Rankings = summary[0]
    last = len(data.axes)

    def tables(attributes: tuple[int, ...]) -> Sequence[Table]:
        if attributes == (last,):
            return [_items(data)]
        return [] if last in attributes else [_users(data, attributes)]

    without = int(data.users.sum() - data.gains[:, 0].sum())
    notes = [
        f"Places up to {data.k} count, with an exposure of 1 / log2(1 + place). The catalogue is the items in the data."
        " Sizes of groups of users are numbers of users, and all errors come from redrawing users with all their rows,"
        " by its normal limit. Limits for recommendations are ours.",
    ]
    if data.unplaced:
        notes.append(
            f"{so_many(data.unplaced, 'rows have no place')}: not shown, but their relevance counts."
        )
    if columns.relevance is None:
        notes.append("There is no relevance, so only exposure is compared.")
    elif without:
        notes.append(
            f"{so_many(without, 'users have no relevant item')}, so no nDCG, and nDCG leaves such out."
        )
    return Evidence(
        protected=(*data.axes, data.item_groups),
        rows=int(data.rows.sum()) + data.excluded,
        excluded=data.excluded,
        exclusion_reason=so_many(data.excluded, "rows have no user or no item") if data.excluded else None,
        tables=tables,
        labelled=columns.relevance is not None,
        notes=(*data.notes, *notes),
    )


def _items(data: Rankings) -> Table:
    """The groups of items; cells are rows, exposure, relevance and the exposure of as many average items."""
    groups = tuple((value,) for value in data.item_groups.values)
    size, users = len(groups), int(data.users.sum())
    items = np.bincount(data.items[:, 0].astype(np.intp), minlength=size)
    even = items / items.sum() * float(data.exposure.sum())
    total = np.concatenate([data.exposure.sum(0), data.relevance])

    def draw(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        drawn = drawn_sums(total, data.cross, users, samples, np.random.default_rng(seed))
        fixed = [np.broadcast_to(each, (samples, size)) for each in (data.rows, even)]
        yield np.stack([fixed[0], drawn[:, :size], drawn[:, size:], fixed[1]], axis=-1)[:, places]

    return Table(
        kind=Cells.EXPOSURES,
        attributes=(data.item_groups.name,),
        groups=groups,
        names=names_of([data.item_groups], groups),
        rows=data.rows,
        cells=np.stack([data.rows, total[:size], total[size:], even], axis=-1),
        sampler=draw,
    )


def _users(data: Rankings, attributes: tuple[int, ...]) -> Table:
    """Groups of users; cells as in Cells.RANKINGS."""
    axes = [data.axes[i] for i in attributes]
    own, cell = distinct(data.codes[:, list(attributes)])
    gains, exposure, products = (
        _added(each, cell, len(own)) for each in (data.gains, data.exposure, data.products)
    )
    users = np.bincount(cell, weights=data.users, minlength=len(own)).astype(np.int64)
    groups = tuple(tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in own)
    return Table(
        kind=Cells.RANKINGS,
        attributes=tuple(axis.name for axis in axes),
        groups=groups,
        names=names_of(axes, groups),
        rows=users,
        cells=np.column_stack([users, gains[:, :2], _spread(gains), exposure]),
        sampler=_sampler(users, gains, exposure, products),
    )


def _spread(gains: Floats) -> Floats:
    """Sums of squared deviations of the nDCG from its mean in the group, shape (groups,)."""
    found: Floats = np.maximum(0.0, gains[:, 2] - gains[:, 1] ** 2 / np.maximum(gains[:, 0], 1))
    return found


def _sampler(users: npt.NDArray[np.int64], gains: Floats, exposure: Floats, products: Floats) -> Sampler:
    """Draws of users within each group, given its size: means are normal, and spreads vary as those of normal numbers."""
    spreads = _spread(gains)

    def draw(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        generator = np.random.default_rng(seed)
        block = np.empty((samples, len(places), 4 + exposure.shape[1]))
        for i, place in enumerate(places):
            known, total, _ = gains[place]
            moved = np.sqrt(spreads[place]) * generator.standard_normal(samples)
            block[:, i, 0], block[:, i, 1] = users[place], known
            block[:, i, 2] = np.clip(total + moved, 0.0, known)
            free = max(known - 1, 1)
            block[:, i, 3] = spreads[place] * generator.chisquare(free, samples) / free
            block[:, i, 4:] = drawn_sums(
                exposure[place], products[place], int(users[place]), samples, generator
            )
        yield block

    return draw


APART = "the rows of one user may be in several of them: put all recommendations into one part"

RECOMMENDATION = Family(summarise=summarise, evidence=evidence, apart=APART)
