"""Clustering: which cluster each row is in, and how far it is from the centre of it."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidInput
from engine.fairness.counting import count
from engine.fairness.cube import Cube, Role, cube_of
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.intervals import Floats
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.reading import keys_of, number_of, plain, reading, refuse_beyond, schema_of, source
from engine.fairness.tables import Places, Sampler, Table, distinct, names_of
from engine.fairness.words import so_many
from engine.tables.part import Part
from engine.values import Tell

MAX_SHOWN = 20
"""Clusters of which each group's share is shown; of more, only how far the groups are apart."""
NAMED = 3
"""Clusters that are too small of which the name is said."""


def summarise(path: Part, columns: BiasColumns, options: BiasOptions, tell: Tell) -> Summary:
    """A count cube of protected attributes by cluster, and where there are distances a cube of their sums.

    Raises:
        InvalidInput: as for `count`; a distance is below 0 or infinite.
    """
    counted = count(path, columns, tell, options)
    return (counted,) if columns.distance is None else (counted, _costs(path, columns, options, counted))


def _costs(path: Part, columns: BiasColumns, options: BiasOptions, like: Cube) -> Cube:
    """Rows with a cluster and a distance by protected attributes; its weights are sums of distances and squares."""
    schema = schema_of(path)
    with reading([path], schema) as connection:
        keys, _ = keys_of(connection, schema, columns, options)
        cluster = plain(schema, ("prediction",), columns.prediction or "", Role.PREDICTION)
        distance = number_of(schema, ("distance",), columns.distance or "")
        raw = ", ".join(f"{key.raw} AS {key.alias}" for key in keys)
        texts = ", ".join(f"{key.text} AS t{i}" for i, key in enumerate(keys))
        aliases = ", ".join(key.alias for key in keys)
        query = (
            f"SELECT {texts}, n, s, s2, wrong, most FROM (SELECT {aliases}, count(*) AS n, sum(distance) AS s,"  # noqa: S608 - positions
            " sum(distance * distance) AS s2, count(*) FILTER (distance < 0 OR isinf(distance)) AS wrong, max(distance) AS most"
            f" FROM (SELECT {raw}, {distance} AS distance, {cluster.text} AS cluster FROM {source(schema)})"
            f" WHERE distance IS NOT NULL AND cluster IS NOT NULL GROUP BY {aliases})"
        )
        cells = connection.sql(query).to_arrow_table()
    wrong = sum(cells.column("wrong").to_pylist())
    if wrong:
        raise InvalidInput(
            f"{so_many(wrong, 'rows have a distance')} below 0 or an infinite one; distances are numbers from 0 on",
            at=("distance",),
        )
    refuse_beyond(cells.column("most").to_numpy(), ("distance",), columns.distance or "")
    return cube_of(
        [key.name for key in keys],
        [_encoded(cells.column(i)) for i in range(len(keys))],
        cells.column("n").to_numpy().astype(np.int64),
        columns.favorable,
        roles=[Role.PROTECTED] * len(keys),
        weights=np.column_stack([cells.column(name).to_numpy() for name in ("s", "s2")]).astype(np.float64),
        notes=like.notes,
    )


def _encoded(column: pa.ChunkedArray) -> tuple[list[str | None], npt.NDArray[np.integer]]:
    words = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return words.dictionary.to_pylist(), words.indices.to_numpy()


def evidence(summary: Summary, columns: BiasColumns, options: BiasOptions) -> Evidence:
    """Tables of groups by cluster, and of the sums of their distances.

    Raises:
        InvalidInput: no row has a cluster.
    """
    cube: Cube = summary[0]
    place = cube.place(Role.PREDICTION)
    if place is None:
        raise InvalidInput("there is no cluster to judge", at=("prediction",))
    clusters = cube.axes[place].values
    kept = np.array([value is not None for value in clusters], dtype=bool)
    known = kept[cube.codes[:, place]]
    if not known.any():
        raise InvalidInput("no row has a cluster", at=("prediction",))
    codes, counts = cube.codes[known], cube.counts[known]
    sizes = np.bincount(codes[:, place], weights=counts, minlength=len(clusters))[kept]
    large = sizes >= options.min_group_size
    names = tuple(value for value in clusters if value is not None)

    def tables(attributes: tuple[int, ...]) -> Sequence[Table]:
        axes = [cube.protected[i] for i in attributes]
        own, group = distinct(codes[:, list(attributes)])
        cells = np.zeros((len(own), len(names)), dtype=np.int64)
        np.add.at(cells, (group, codes[:, place]), counts)
        groups = tuple(tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in own)

        def of(kind: Cells, cells: Numbers, **more: object) -> Table:
            return Table(
                kind=kind,
                attributes=tuple(axis.name for axis in axes),
                groups=groups,
                names=names_of(axes, groups),
                rows=rows,
                cells=cells,
                **more,  # type: ignore[arg-type]
            )

        rows = cells.sum(1)
        shown = tuple(range(len(names))) if len(names) <= MAX_SHOWN else ()
        found = [of(Cells.CLUSTERS, cells, outcomes=shown, classes=names)]
        some = tuple(name for name, enough in zip(names, large, strict=True) if enough)
        if some:
            found.append(of(Cells.LARGE_CLUSTERS, cells[:, large], classes=some))
        if len(summary) > 1:
            costs = _sums(summary[1], attributes, groups)
            found.append(of(Cells.COSTS, costs, sampler=_sampler(costs)))
        return found

    excluded = cube.rows - int(counts.sum())
    return Evidence(
        protected=cube.protected,
        rows=cube.rows,
        excluded=excluded,
        exclusion_reason=so_many(excluded, "rows have no cluster") if excluded else None,
        tables=tables,
        labelled=False,
        notes=(*cube.notes, *_notes(names, sizes, options, distances=len(summary) > 1)),
    )


def _sums(cube: Cube, attributes: tuple[int, ...], groups: Sequence[Sequence[str | None]]) -> Floats:
    """Shape (groups, 3): rows with a distance, and sums of distances and of their squares."""
    found = np.zeros((len(groups), 3))
    if cube.weights is None or not len(cube.codes):
        return found
    own, group = distinct(cube.codes[:, list(attributes)])
    place = {tuple(values): i for i, values in enumerate(groups)}
    axes = [cube.axes[i] for i in attributes]
    at = [place[tuple(axis.values[c] for axis, c in zip(axes, row, strict=True))] for row in own]
    np.add.at(found, np.array(at)[group], np.column_stack([cube.counts, cube.weights]))
    return found


def _sampler(sums: Floats) -> Sampler:
    """Draws of the sums given the sizes of groups: means are as good as normal over 30 rows and more."""

    def draw(places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        generator = np.random.default_rng(seed)
        n, total, square = sums[places].T
        spread = np.sqrt(np.maximum(0.0, square - total**2 / np.maximum(n, 1)))
        drawn = np.maximum(0.0, total + spread * generator.standard_normal((samples, len(places))))
        yield np.stack(
            [np.broadcast_to(n, drawn.shape), drawn, np.broadcast_to(square, drawn.shape)], axis=-1
        )

    return draw


def _notes(names: Sequence[str], sizes: Floats, options: BiasOptions, *, distances: bool) -> tuple[str, ...]:
    few = [(name, size) for name, size in zip(names, sizes, strict=True) if size < options.min_group_size]
    said = [
        "Cluster balance is the smallest ratio of the numbers of rows of two groups in a cluster (Chierichetti), over"
        " the same ratio in all rows, which is the most that clusters can reach. The cluster representation ratio is"
        " the smallest of a group's share of a cluster over its share of all rows, and of its inverse (Bera)."
        " Their limits of 0.8 are ours, by analogy with the four-fifths rule.",
    ]
    if few:
        named = [repr(name) for name, size in few if size >= options.suppress_below][:NAMED]
        which = f": {', '.join(named)}{', ...' if len(named) < len(few) else ''}" if named else ""
        has, takes = ("has", "takes") if len(few) == 1 else ("have", "take")
        said.append(
            f"{len(few):,} of {len(names):,} clusters {has} fewer than {options.min_group_size:,} rows and {takes} no"
            f" part in the two balances{which}."
        )
    if len(names) > MAX_SHOWN:
        said.append(f"Shares of groups are shown for at most {MAX_SHOWN} clusters; there are {len(names):,}.")
    if distances:
        said.append("Mean distances are drawn as normal, given the sizes of the groups.")
    return tuple(said)


CLUSTERING = Family(summarise=summarise, evidence=evidence)
