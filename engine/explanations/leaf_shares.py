"""Groups of leaves with tables for players or for pairs of players: filled, and looked up for rows."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np

from engine.explanations.leaf_filling import fill
from engine.explanations.leaf_groups import Groups, Nodes, Scales
from engine.explanations.leaf_kernels import BLOCK, MAX_BITS, Flags, Numbers, Places, add_up, count

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Whose values the tables hold: one share for each player, or pair, of each group."""

    start: Places
    """(groups + 1,)"""
    first: Places
    """Place of the player among the group's."""
    second: Places
    """Of the pair's other; -1 for a single player."""
    place: Places
    """Of the player or pair among all that are reported."""
    table_start: Places
    """(groups + 1,): each share has a number for each pattern of its group."""

    @property
    def table_bytes(self) -> int:
        return int(self.table_start[-1]) * 8

    def parts(self, most: int) -> Iterator[tuple[int, int]]:
        """Ranges of groups whose tables have at most so many numbers together, or are a single group's."""
        first = 0
        while first < len(self.start) - 1:
            stop = int(np.searchsorted(self.table_start, self.table_start[first] + most, side="right")) - 1
            stop = max(stop, first + 1)
            yield first, stop
            first = stop


def shares_of_players(groups: Groups) -> Shares:
    """One for each player of each group."""
    of = np.repeat(np.arange(len(groups.root)), np.diff(groups.player_start))
    first = np.arange(len(of)) - groups.player_start[of]
    return _shares(groups, of, first, np.full(len(of), -1), groups.player)


def shares_of_pairs(groups: Groups, chosen: Sequence[int]) -> Shares:
    """One for each two of the chosen players that a group has."""
    n = len(chosen)
    pair = np.zeros((n, n), np.int64)
    pair[np.triu_indices(n, 1)] = np.arange(n * (n - 1) // 2)
    pair += pair.T
    wanted = np.full(int(max([*groups.player.tolist(), *chosen], default=0)) + 1, -1)
    wanted[list(chosen)] = np.arange(n)
    rank = wanted[groups.player]
    of = np.repeat(np.arange(len(groups.root)), np.diff(groups.player_start))
    found = []
    for apart in range(1, MAX_BITS):
        a = np.flatnonzero((of[:-apart] == of[apart:]) & (rank[:-apart] >= 0) & (rank[apart:] >= 0))
        found.append(np.stack([a, a + apart]))
    a, b = np.concatenate(found, axis=1)
    order = np.argsort(of[a], kind="stable")
    a, b = a[order], b[order]
    start = groups.player_start[of[a]]
    return _shares(groups, of[a], a - start, b - start, pair[rank[a], rank[b]])


def _shares(groups: Groups, of: Places, first: Places, second: Places, place: Places) -> Shares:
    """Of the group that each is of, ascending."""
    number = np.bincount(of, minlength=len(groups.root))
    return Shares(
        start=np.append(0, number.cumsum()),
        first=first,
        second=second,
        place=place,
        table_start=np.append(0, (np.diff(groups.pattern_start) * number).cumsum()),
    )


@dataclass(frozen=True, kw_only=True)
class Leaves:
    """All that tables are filled from and looked up with."""

    scales: Scales
    nodes: Nodes
    groups: Groups
    shares: Shares
    """Of single players."""
    counts: Numbers
    """Background rows that show each pattern of each group; empty without a background."""
    rows: int
    """Of the background; 0 without one."""

    def filled(self, shares: Shares, first: int, stop: int, margins: int) -> tuple[Numbers, Numbers]:
        """The tables of these groups, and what their leaves add to the margins without any player."""
        n, g = self.nodes, self.groups
        start = shares.table_start - shares.table_start[first]
        table = np.zeros(int(start[stop]))
        trees = (n.size, n.parent, n.from_left, n.player, n.ratio, n.value)
        cut = (g.root, g.output, g.bits, g.path, g.player_start, g.player, g.pattern_start)
        given = (self.counts, self.rows, shares.start, shares.first, shares.second, start)
        points, weights = gauss_legendre()

        def part(begin: int, end: int) -> Numbers:
            base = np.zeros(margins)
            fill(*trees, *cut, *given, points, weights, first + begin, first + end, table, base)
            return base

        return table, np.sum([np.zeros(margins), *_shared(part, stop - first, 16)], axis=0)

    def look_up(
        self, encoded: Numbers, shares: Shares, first: int, stop: int, table: Numbers, values: Numbers
    ) -> None:
        """Adds to (rows, players or pairs, margins) what the tables of these groups say."""
        start = shares.table_start - shares.table_start[first]
        rows = np.ascontiguousarray(encoded, np.float64)
        g = self.groups
        these = slice(first, stop + 1)
        told = (
            *_reading(self.scales),
            *(
                g.question_start[these],
                g.scale,
                g.low,
                g.width,
                g.bit,
                g.bits[first:stop],
                g.output[first:stop],
            ),
            *(shares.start[these], shares.place, start[these], table),
        )
        _shared(lambda begin, end: add_up(rows, begin, end, *told, values), len(rows), BLOCK)


def counted(scales: Scales, groups: Groups, background: Numbers) -> Numbers:
    """How many background rows show each pattern of each group."""
    rows = np.ascontiguousarray(background, np.float64)
    counts = np.zeros(int(groups.pattern_start[-1]))
    g = groups
    asked = (*_reading(scales), g.question_start, g.scale, g.low, g.width, g.bit, g.bits, g.pattern_start)
    _shared(lambda first, stop: count(rows, *asked, first, stop, counts), len(g.root), 16)
    return counts


def gauss_legendre() -> tuple[Numbers, Numbers]:
    """Points in (0, 1) and weights; in row n those that integrate polynomials below degree n exactly."""
    points, weights = np.zeros((2, MAX_BITS + 1, (MAX_BITS + 1) // 2))
    for n in range(1, MAX_BITS + 1):
        m = (n + 1) // 2
        found, weight = np.polynomial.legendre.leggauss(m)
        points[n, :m], weights[n, :m] = (found + 1) / 2, weight / 2
    return points, weights


def _reading(scales: Scales) -> tuple[bool, Places, Flags, Flags, Places, Numbers]:
    s = scales
    return s.single, s.column, s.categorical, s.missing_left, s.edge_start, s.edges


def _shared(work: Callable[[int, int], Part], size: int, least: int) -> list[Part]:
    """Does [0, size) in parts of at least so many, on as many threads as NUMBA_NUM_THREADS allows; their results in order."""
    threads = int(vars(numba.config)["NUMBA_NUM_THREADS"])
    step = max(least, -(-size // (4 * threads)))
    parts = [(first, min(first + step, size)) for first in range(0, size, step)]
    if threads == 1 or len(parts) < 2:
        return [work(*part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda part: work(*part), parts))
