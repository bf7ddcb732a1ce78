"""Exact Shapley values of tree ensembles, from a table for each small group of leaves.

Which game (what a player that is taken away leaves behind) is chosen by the background:

* with one, its rows: v(S) is the mean over all background rows of the margin of a row that has the explained row's values
  for the players in S and the background row's for the others (interventional);
* without one, the training rows' branches: where a split belongs to a player outside S, both branches are followed and
  weighted with the shares of training rows that took them (path-dependent, Lundberg 2018).

A player may own several columns, such as a category's indicators. All its columns come and go together, which is the game
of the user's own columns; adding up the values of the indicators would be another, with coalitions in which half a
category is known.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from engine.explanations.leaf_filling import fill
from engine.explanations.leaf_groups import Groups, Nodes, Scales, grouped
from engine.explanations.leaf_kernels import BLOCK, MAX_BITS, Bits, Flags, Numbers, Places, add_up, count
from engine.models.ensemble import Ensemble

MAX_TABLE_BYTES = 512 << 20
"""Of all tables of one ensemble together."""


@dataclass(frozen=True, kw_only=True)
class LeafTables:
    """The tables of one ensemble in one game."""

    base: Numbers
    """(margins,): the margins without any player."""
    players: int
    _scales: Scales
    _groups: Groups
    _table: Numbers

    @classmethod
    def built(
        cls, ensemble: Ensemble, players: NDArray[np.intp], background: Numbers | None = None
    ) -> "LeafTables":
        """The tables of this game.

        Args:
            ensemble: one that `fits`.
            players: (columns,): for each column the player that owns it.
            background: (rows, columns) encoded, NaN missing; all rows count alike. None: path-dependent.

        Raises:
            ValueError: the ensemble does not fit.
        """
        found = _fitting(ensemble, players, path_dependent=background is None)
        if isinstance(found, str):
            raise ValueError(found)
        scales, nodes, groups = found
        if background is not None and len(background) == 0:
            raise ValueError("the background has no rows")
        counts = np.empty(0) if background is None else _counted(scales, groups, background)
        base = ensemble.base.copy()
        alone = (nodes.parent < 0) & (
            nodes.size == 1
        )  # trees that are one leaf: the same for every row, so nobody's
        np.add.at(base, nodes.output[alone], nodes.value[alone])
        table = _filled(nodes, groups, counts, 0 if background is None else len(background), base)
        return cls(
            base=base,
            players=int(players.max()) + 1,
            _scales=scales,
            _groups=groups,
            _table=table,
        )

    def values(self, encoded: Numbers) -> Numbers:
        """The Shapley values of each row: (rows, columns) to (rows, players, margins).

        `base` and a row's values sum to its margins.
        """
        rows = np.ascontiguousarray(encoded, np.float64)
        values = np.empty((len(rows), self.players, len(self.base)))
        g = self._groups
        asked = (*_reading(self._scales), *_questions(g), g.bits, g.output)
        looked_up = (g.player_start, g.player, g.table_start, self._table)
        _shared(lambda first, stop: add_up(rows, first, stop, *asked, *looked_up, values), len(rows), BLOCK)
        return values


def fits(ensemble: Ensemble, players: NDArray[np.intp], *, path_dependent: bool = False) -> str | None:
    """Why this ensemble has no tables, as a sentence without its end; None where it has."""
    found = _fitting(ensemble, players, path_dependent=path_dependent)
    return found if isinstance(found, str) else None


def _fitting(
    ensemble: Ensemble, players: NDArray[np.intp], *, path_dependent: bool
) -> tuple[Scales, Nodes, Groups] | str:
    if path_dependent and np.isnan(ensemble.forest.cover).any():
        return "the file does not say how many training rows took each branch"
    found = grouped(ensemble, players.astype(np.int64))
    if isinstance(found, str):
        return found
    needed = int(found[2].table_start[-1]) * 8
    if needed > MAX_TABLE_BYTES:
        return f"its tables would need {needed >> 20:,} MiB; the most is {MAX_TABLE_BYTES >> 20} MiB"
    return found


def _reading(scales: Scales) -> tuple[bool, Places, Flags, Flags, Places, Numbers]:
    s = scales
    return s.single, s.column, s.categorical, s.missing_left, s.edge_start, s.edges


def _questions(groups: Groups) -> tuple[Places, Places, Bits, Bits, Bits]:
    return groups.question_start, groups.scale, groups.low, groups.width, groups.bit


def _counted(scales: Scales, groups: Groups, background: Numbers) -> Numbers:
    """How many background rows show each pattern of each group."""
    rows = np.ascontiguousarray(background, np.float64)
    counts = np.zeros(int(groups.pattern_start[-1]))
    asked = (*_reading(scales), *_questions(groups), groups.bits, groups.pattern_start)
    _shared(lambda first, stop: count(rows, *asked, first, stop, counts), len(groups.root), 16)
    return counts


def _filled(nodes: Nodes, groups: Groups, counts: Numbers, rows: int, base: Numbers) -> Numbers:
    """The tables; adds to the base what the leaves do without any player."""
    n, g = nodes, groups
    table = np.zeros(int(g.table_start[-1]))
    trees = (n.size, n.parent, n.from_left, n.player, n.ratio, n.value)
    cut = (g.root, g.output, g.bits, g.path, g.player_start, g.player, g.pattern_start, g.table_start)
    points, weights = _gauss_legendre()
    parts: list[Numbers] = []

    def part(first: int, stop: int) -> None:
        own = np.zeros(len(base))
        fill(*trees, *cut, counts, rows, points, weights, first, stop, table, own)
        parts.append(own)

    _shared(part, len(g.root), 16)
    base += np.sum(parts, axis=0)
    return table


def _gauss_legendre() -> tuple[Numbers, Numbers]:
    """Points in (0, 1) and weights, in row n those that integrate polynomials below degree n exactly."""
    points, weights = np.zeros((2, MAX_BITS + 1, (MAX_BITS + 1) // 2))
    for n in range(1, MAX_BITS + 1):
        m = (n + 1) // 2
        found, weight = np.polynomial.legendre.leggauss(m)
        points[n, :m], weights[n, :m] = (found + 1) / 2, weight / 2
    return points, weights


def _shared(work: Callable[[int, int], None], size: int, least: int) -> None:
    """Does [0, size) in parts, on as many threads as NUMBA_NUM_THREADS allows."""
    threads = int(vars(numba.config)["NUMBA_NUM_THREADS"])
    step = max(least, -(-size // (4 * threads)))
    starts = range(0, size, step)
    if threads == 1 or len(starts) <= 1:
        work(0, size)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda first: work(first, min(first + step, size)), starts))
