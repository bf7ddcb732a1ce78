"""Tree ensembles as groups of leaves: what each small subtree asks of a row, and which players its answers belong to.

A leaf is an AND of conditions, and all conditions of one player are one bit: it holds where each of them does. Leaves
of a small subtree share a table over the bits of the path to it, one for each player, and one bit for each split in it;
so a tree of depth 6 needs about a fourth of the look-ups that its leaves would need one by one.
"""

from dataclasses import dataclass

import numpy as np

from engine.explanations.leaf_kernels import HIGHEST, MAX_BITS, Bits, Flags, Numbers, Places
from engine.explanations.leaf_layout import choose, descend, describe, lay_out
from engine.models.ensemble import Ensemble
from engine.models.forest import Forest

GROUP_BITS = 8
"""Subtrees are joined up to this many bits; beyond it only where the table is no larger than those of its halves."""


@dataclass(frozen=True, kw_only=True)
class Scales:
    """How columns are read: one scale for each column and way of missing values, and for each set of categories."""

    single: bool
    column: Places
    categorical: Flags
    missing_left: Flags
    edge_start: Places
    edges: Numbers
    """Thresholds or categories, each scale's sorted, one scale after the other."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """All nodes of all trees, each before what is below it, the left child first."""

    size: Places
    """Nodes of the subtree; 1 is a leaf."""
    parent: Places
    """-1 of a root."""
    from_left: Flags
    """Whether it is its parent's left child."""
    scale: Places
    cut: Places
    """A row goes left where its reading is at most this."""
    player: Places
    ratio: Numbers
    """Share of its parent's training rows that went to it; 1 of a root."""
    value: Numbers
    output: Places


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Subtrees that share a table. Each `_start` has one entry more than there are groups."""

    root: Places
    output: Places
    bits: Places
    path: Places
    """How many of the bits are of the path to it, one for each player there; these players stand first."""
    question_start: Places
    scale: Places
    low: Bits
    width: Bits
    bit: Bits
    player_start: Places
    player: Places
    pattern_start: Places
    """A group has 2 ** bits patterns."""


def grouped(ensemble: Ensemble, players: Places) -> tuple[Scales, Nodes, Groups] | str:
    """The groups of all trees, or why there are none: a sentence without its end."""
    forest = ensemble.forest
    inner = forest.left >= 0
    cut, thresholds = _cuts(forest, inner & (forest.categories < 0))
    most = max((len(found) for found in thresholds.values()), default=0)
    if most >= HIGHEST:
        return f"a column has {most:,} thresholds; tables know at most {HIGHEST - 1:,}"
    scale, scales = _scales(forest, inner, thresholds, single=ensemble.single)
    order, size, parent = (np.empty(inner.size, np.int64) for _ in range(3))
    from_left = np.empty(inner.size, np.bool_)
    left, right = forest.left.astype(np.int64), forest.right.astype(np.int64)
    lay_out(left, right, forest.starts[:-1], order, size, parent, from_left)
    cover = forest.cover[order]
    above = np.where(parent < 0, cover, cover[parent])
    nodes = Nodes(
        size=size,
        parent=parent,
        from_left=from_left,
        scale=scale[order],
        cut=cut[order],
        player=players[forest.feature[order]],
        ratio=np.divide(cover, above, out=np.full(inner.size, 0.5), where=above > 0),
        value=forest.value[order],
        output=np.repeat(forest.outputs, np.diff(forest.starts))[order],
    )
    return _described(scales, nodes)


def _scales(
    forest: Forest, inner: Flags, thresholds: dict[int, Numbers], *, single: bool
) -> tuple[Places, Scales]:
    """Each node's scale, and what the scales are."""
    key = (
        forest.feature.astype(np.int64) * len(forest.bounds) + forest.categories + 1
    ) * 2 + forest.missing_left
    _, where, scale = np.unique(np.where(inner, key, -1), return_index=True, return_inverse=True)
    leaves = int(not inner.all())  # have no scale: theirs sorts first
    where = where[leaves:]
    edges = [
        forest.members[slice(*forest.bounds[place : place + 2])].astype(np.float64)
        if place >= 0
        else thresholds[column]
        for column, place in zip(
            forest.feature[where].tolist(), forest.categories[where].tolist(), strict=True
        )
    ]
    return scale - leaves, Scales(
        single=single,
        column=forest.feature[where].astype(np.int64),
        categorical=forest.categories[where] >= 0,
        missing_left=forest.missing_left[where],
        edge_start=np.cumsum([0, *(len(e) for e in edges)], dtype=np.int64),
        edges=np.concatenate([*edges, np.empty(0)]),
    )


def _cuts(forest: Forest, numeric: Flags) -> tuple[Places, dict[int, Numbers]]:
    """Of each numeric split its place among the thresholds of its column, from 1; and each column's thresholds."""
    cut, found = np.zeros(numeric.size, np.int64), {}
    at = np.flatnonzero(numeric)
    at = at[np.argsort(forest.feature[at], kind="stable")]
    for part in np.split(at, np.flatnonzero(np.diff(forest.feature[at])) + 1):
        if part.size:
            unique, rank = np.unique(forest.threshold[part], return_inverse=True)
            cut[part], found[int(forest.feature[part[0]])] = rank + 1, unique
    return cut, found


def _described(scales: Scales, nodes: Nodes) -> tuple[Scales, Nodes, Groups] | str:
    depth, path = np.zeros((2, nodes.size.size), np.int64)
    descend(nodes.parent, nodes.player, depth, path)
    deepest = int(path.max(initial=0))
    if deepest > MAX_BITS:
        return f"{deepest} features decide about one leaf; tables know at most {MAX_BITS}"
    chosen = np.empty(path.size, np.bool_)
    choose(nodes.size, path, GROUP_BITS, MAX_BITS, chosen)
    alone = (nodes.parent < 0) & (nodes.size == 1)  # a tree that asks nothing: nobody's
    root = np.flatnonzero(chosen & ~alone)
    splits = (nodes.size[root] - 1) // 2
    bits = path[root] + splits
    scale, low, high, bit = np.zeros((4, int((depth[root] + splits).sum())), np.int64)
    player = np.zeros(int(bits.sum()), np.int64)
    question_start, player_start = np.zeros((2, root.size + 1), np.int64)
    trees = (nodes.size, nodes.parent, nodes.from_left, nodes.scale, nodes.cut, nodes.player)
    describe(*trees, root, path[root], question_start, scale, low, high, bit, player_start, player)
    questions, patterns = int(question_start[-1]), np.left_shift(1, bits)
    return (
        scales,
        nodes,
        Groups(
            root=root,
            output=nodes.output[root],
            bits=bits,
            path=path[root],
            question_start=question_start,
            scale=scale[:questions],
            low=low[:questions].astype(np.uint16),
            width=(high - low)[:questions].astype(np.uint16),
            bit=bit[:questions].astype(np.uint16),
            player_start=player_start,
            player=player[: player_start[-1]],
            pattern_start=np.cumsum(np.append(0, patterns)),
        ),
    )
