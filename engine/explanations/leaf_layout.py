"""The loops that lay trees out and cut them into groups of leaves; what the arrays are stands in leaf_groups.py."""

import numpy as np

from engine.explanations.leaf_kernels import HIGHEST, Flags, Places
from engine.kernel import kernel


@kernel("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], b1[::1])")
def lay_out(
    left: Places, right: Places, roots: Places, order: Places, size: Places, parent: Places, from_left: Flags
) -> None:
    """Fills the nodes in order, each before what is below it."""
    waiting, above, is_left = (
        np.empty(left.size, np.int64),
        np.empty(left.size, np.int64),
        np.empty(left.size, np.bool_),
    )
    n = 0
    for root in roots:
        waiting[0], above[0], is_left[0] = root, -1, False
        still = 1
        while still > 0:
            still -= 1
            node = waiting[still]
            order[n], parent[n], from_left[n], size[n] = node, above[still], is_left[still], 1
            if left[node] >= 0:
                waiting[still], above[still], is_left[still] = right[node], n, False
                waiting[still + 1], above[still + 1], is_left[still + 1] = left[node], n, True
                still += 2
            n += 1
    for v in range(n - 1, -1, -1):
        if parent[v] >= 0:
            size[parent[v]] += size[v]


@kernel("void(i8[::1], i8[::1], i8[::1], i8[::1])")
def descend(parent: Places, player: Places, depth: Places, path: Places) -> None:
    """Fills how many splits, and splits of how many players, lead to each node; both are 0 of roots."""
    for v in range(parent.size):
        p = parent[v]
        if p < 0:
            continue
        depth[v], path[v] = depth[p] + 1, path[p] + 1
        a = parent[p]
        while a >= 0:
            if player[a] == player[p]:
                path[v] = path[p]
                break
            a = parent[a]


@kernel("void(i8[::1], i8[::1], i8, i8, b1[::1])")
def choose(size: Places, path: Places, group_bits: int, max_bits: int, chosen: Flags) -> None:
    """Marks the nodes below which all leaves share a table."""
    cost = np.zeros(size.size)
    for v in range(size.size - 1, -1, -1):
        bits = path[v] + (size[v] - 1) // 2
        apart = cost[v + 1] + cost[v + 1 + size[v + 1]] if size[v] > 1 else np.inf
        joined = np.float64(bits << bits) if bits <= max_bits else np.inf
        chosen[v] = joined <= apart or bits <= group_bits
        cost[v] = joined if chosen[v] else apart
    v = 0
    while v < size.size:
        if chosen[v]:
            chosen[v + 1 : v + size[v]] = False
            v += size[v]
        else:
            v += 1


@kernel("i8(i8[::1], i8, i8, i8)")
def place_of(player: Places, first: int, stop: int, wanted: int) -> int:
    """Where a player stands among those of a group; `stop` if it does not."""
    while first < stop and player[first] != wanted:
        first += 1
    return first


@kernel("i8(i8, i8, i8, i8, i8, i8, i8[::1], i8[::1], i8[::1], i8[::1])")
def narrow(
    first: int,
    stop: int,
    of_scale: int,
    least: int,
    most: int,
    mask: int,
    scale: Places,
    low: Places,
    high: Places,
    bit: Places,
) -> int:
    """Adds a question, or lets the one about the same scale ask for both; returns how many there are then."""
    at = first
    while at < stop and scale[at] != of_scale:
        at += 1
    if at < stop:
        both_least = least if least > low[at] else low[at]
        both_most = most if most < high[at] else high[at]
        if both_least <= both_most:
            low[at], high[at] = both_least, both_most
            return stop
    # also where both cannot hold: no row ever gets there, and two questions say so
    scale[stop], low[stop], high[stop], bit[stop] = of_scale, least, most, mask
    return stop + 1


@kernel(
    "void(i8[::1], i8[::1], b1[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1])"
)
def describe(
    size: Places,
    parent: Places,
    from_left: Flags,
    scale_of: Places,
    cut: Places,
    player_of: Places,
    root: Places,
    path: Places,
    question_start: Places,
    scale: Places,
    low: Places,
    high: Places,
    bit: Places,
    player_start: Places,
    player: Places,
) -> None:
    """Fills each group's questions and players."""
    q, k = 0, 0
    for g in range(root.size):
        first_question, first_player = q, k
        below, node = root[g], parent[root[g]]
        while node >= 0:
            at = place_of(player, first_player, k, player_of[node])
            player[at], k = player_of[node], max(k, at + 1)
            mask = 1 << (at - first_player)
            if from_left[below]:
                q = narrow(first_question, q, scale_of[node], 0, cut[node], mask, scale, low, high, bit)
            else:
                q = narrow(
                    first_question, q, scale_of[node], cut[node] + 1, HIGHEST, mask, scale, low, high, bit
                )
            below, node = node, parent[node]
        b = path[g]
        for node in range(root[g], root[g] + size[root[g]]):
            if size[node] > 1:
                at = place_of(player, first_player, k, player_of[node])
                player[at], k = player_of[node], max(k, at + 1)
                scale[q], low[q], high[q], bit[q] = scale_of[node], 0, cut[node], 1 << b
                q, b = q + 1, b + 1
        question_start[g + 1], player_start[g + 1] = q, k
