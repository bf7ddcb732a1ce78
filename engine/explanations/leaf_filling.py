"""The loops that fill the tables: exact Shapley values of each leaf for each pattern of its players.

For one leaf, let x and b say which players' conditions hold for the row and for what stands in for it. With each player
taken from the row with probability t, the leaf is reached with probability

    f(t) = sum over b of weight(b) * product over players of (x t + b (1 - t)),

a player's Shapley value is the integral over t in [0, 1] of the derivative of f to that player's t (Owen's multilinear
extension, 1972), and that of a pair's interaction the integral of the mixed derivative (Grabisch and Roubens, 1999). They
are polynomials of a degree below the number of players, so a Gauss-Legendre rule of half as many points is exact. All 2^n
patterns x are worked out at once, player by player, as in a fast transform: n 2^n steps instead of 4^n.

The weights of b are counted in the background, or products of the shares of training rows that took the leaf's branches.
"""

import numpy as np

from engine.explanations.leaf_kernels import MAX_BITS, Flags, Numbers, Places
from engine.explanations.leaf_layout import place_of
from engine.kernel import kernel


@kernel("void(f8[::1], f8)")
def mix(reach: Numbers, t: float) -> None:
    """Replaces weights of b by f(t) for each x."""
    step = 1
    while step < reach.size:
        for block in range(0, reach.size, 2 * step):
            for low in range(block, block + step):
                without, held = reach[low], reach[low + step]
                reach[low] = (1.0 - t) * held
                reach[low + step] = held + t * without
        step *= 2


@kernel("void(f8[::1], i8, f8, f8, f8[::1])")
def add_slope(reach: Numbers, step: int, t: float, w: float, to: Numbers) -> None:
    """Adds w times the derivative of f(t) to the player whose bit is `step`."""
    for block in range(0, reach.size, 2 * step):
        for low in range(block, block + step):
            held = reach[low] / (1.0 - t)
            to[low] -= w * held
            to[low + step] += w * (reach[low + step] - held) / t


@kernel("void(f8[::1], i8, f8, f8[::1])")
def take_slope(reach: Numbers, step: int, t: float, slope: Numbers) -> None:
    """Fills the derivative of f(t) to the player whose bit is `step`."""
    for x in range(reach.size):
        slope[x] = 0.0
    add_slope(reach, step, t, 1.0, slope)


@kernel("void(f8[::1], i8, i8[::1], i8[::1], f8, f8[:, ::1], f8[:, ::1], f8[:, ::1])")
def share_out(
    given: Numbers,
    n: int,
    first: Places,
    second: Places,
    value: float,
    points: Numbers,
    weights: Numbers,
    shares: Numbers,
) -> None:
    """Adds the values of the leaf's players, or pairs of players, to (players or pairs, 2 ** n) patterns x.

    `first` is -1 for those that are not the leaf's, and `second` for single players.
    """
    reach, slope = np.empty(given.size), np.empty(given.size)
    for i in range((n + 1) // 2):
        t, w = points[n, i], weights[n, i] * value
        for b in range(given.size):  # a slice would do the same, and compile for 3 seconds
            reach[b] = given[b]
        mix(reach, t)
        for k in range(first.size):
            if first[k] < 0:
                continue
            if second[k] < 0:
                add_slope(reach, 1 << first[k], t, w, shares[k])
            else:
                take_slope(reach, 1 << first[k], t, slope)
                add_slope(slope, 1 << second[k], t, w, shares[k])


@kernel("void(f8[::1], f8[::1])")
def multiply_out(share: Numbers, given: Numbers) -> None:
    """Fills the weights of b where each player's conditions hold with its share, independently."""
    given[0] = 1.0
    for k in range(share.size):
        for b in range(1 << k):
            given[b | (1 << k)] = given[b] * share[k]
            given[b] *= 1.0 - share[k]


@kernel(
    "i8(i8, i8, i8[::1], b1[::1], i8[::1], f8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], f8[::1])"
)
def conditions(
    leaf: int,
    group_root: int,
    parent: Places,
    from_left: Flags,
    player_of: Places,
    ratio: Numbers,
    player: Places,
    split_bit: Places,
    owner: Places,
    yes: Places,
    no: Places,
    share: Numbers,
) -> int:
    """Fills which bits must be set and unset for each of the leaf's players, and its share; returns how many there are."""
    n = 0
    below, node = leaf, parent[leaf]
    while node >= 0:
        k = place_of(player, 0, player.size, player_of[node])
        at = place_of(owner, 0, n, k)
        if at == n:
            owner[n], yes[n], no[n], share[n] = k, 0, 0, 1.0
            n += 1
        share[at] *= ratio[below]
        if node < group_root:
            yes[at] |= 1 << k
        elif from_left[below]:
            yes[at] |= 1 << split_bit[node - group_root]
        else:
            no[at] |= 1 << split_bit[node - group_root]
        below, node = node, parent[node]
    return n


@kernel("void(i8, i8[::1], i8[::1], i8[::1])")
def answer(n: int, yes: Places, no: Places, answers: Places) -> None:
    """Fills for each pattern of the group which of the leaf's n players satisfy it."""
    for pattern in range(answers.size):
        x = 0
        for k in range(n):
            if (pattern & yes[k]) == yes[k] and (pattern & no[k]) == 0:
                x |= 1 << k
        answers[pattern] = x


@kernel("void(i8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1])")
def translate(
    owner: Places, n: int, first: Places, second: Places, own_first: Places, own_second: Places
) -> None:
    """Fills players of the group as places among the leaf's n players; first is -1 where the leaf does not ask all."""
    for k in range(first.size):
        a = place_of(owner, 0, n, first[k])
        b = -1 if second[k] < 0 else place_of(owner, 0, n, second[k])
        own_first[k], own_second[k] = (a if a < n and b < n else -1), b


@kernel(
    "void(i8[::1], i8[::1], b1[::1], i8[::1], f8[::1], f8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1],"
    " i8[::1], f8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1], f8[:, ::1], f8[:, ::1], i8, i8, f8[::1], f8[::1])"
)
def fill(
    size: Places,
    parent: Places,
    from_left: Flags,
    player_of: Places,
    ratio: Numbers,
    value: Numbers,
    root: Places,
    output: Places,
    bits: Places,
    path: Places,
    player_start: Places,
    player: Places,
    pattern_start: Places,
    counts: Numbers,
    rows: int,
    share_start: Places,
    share_first: Places,
    share_second: Places,
    table_start: Places,
    points: Numbers,
    weights: Numbers,
    first_group: int,
    stop_group: int,
    table: Numbers,
    base: Numbers,
) -> None:
    """Adds each leaf of these groups to its group's table and to the base; without rows, by shares of training rows.

    A group's table is of the players, or pairs, that `share_first` and `share_second` name by their places in the group.
    """
    owner, yes, no = np.empty(MAX_BITS, np.int64), np.empty(MAX_BITS, np.int64), np.empty(MAX_BITS, np.int64)
    ratios, split_bit = np.empty(MAX_BITS), np.empty(2 * MAX_BITS + 1, np.int64)
    for g in range(first_group, stop_group):
        v, patterns = root[g], 1 << bits[g]
        players = player[player_start[g] : player_start[g + 1]]
        first, second = (
            share_first[share_start[g] : share_start[g + 1]],
            share_second[share_start[g] : share_start[g + 1]],
        )
        own_first, own_second = np.empty(first.size, np.int64), np.empty(first.size, np.int64)
        b = path[g]
        for node in range(v, v + size[v]):
            split_bit[node - v] = b
            b += size[node] > 1
        answers = np.empty(patterns, np.int64)
        for leaf in range(v, v + size[v]):
            if size[leaf] > 1 or value[leaf] == 0.0:
                continue
            n = conditions(
                leaf, v, parent, from_left, player_of, ratio, players, split_bit, owner, yes, no, ratios
            )
            answer(n, yes, no, answers)
            given = np.zeros(1 << n)
            if rows > 0:
                for p in range(patterns):
                    given[answers[p]] += counts[pattern_start[g] + p] / rows
            else:
                multiply_out(ratios[:n], given)
            base[output[g]] += value[leaf] * given[-1]
            shares = np.zeros((first.size, 1 << n))
            translate(owner, n, first, second, own_first, own_second)
            share_out(given, n, own_first, own_second, value[leaf], points, weights, shares)
            for k in range(first.size):
                if own_first[k] < 0:
                    continue
                start = table_start[g] + k * patterns
                for p in range(patterns):
                    table[start + p] += shares[k, answers[p]]
