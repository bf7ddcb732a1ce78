"""Tree ensembles of ONNX as flat arrays: the operators of ai.onnx.ml for classes and for values, and since version 5 for both.

A node there has a mode: which comparison sends a row on to the child for what is true.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from engine.errors import InvalidInput
from engine.models.ensemble import Ensemble, Link, Tree
from engine.models.onnx_graph import attributes

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

TREES = frozenset({"TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble"})
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
"""In the order of their numbers in TreeEnsemble."""
LEAF = len(MODES)
LEQ, LT, GTE, GT, EQ, NEQ = range(LEAF)
LARGEST_CODE = 2**24 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Grown:
    """All nodes, tree after tree, the root of each first; and what leaves add to which output."""

    starts: Whole
    """(trees + 1,)"""
    mode: Whole
    feature: Whole
    threshold: Numbers
    tracks: NDArray[np.bool_]
    """Whether what is missing goes the way of what is true."""
    true: Whole
    """Places within the tree; -1 in leaves."""
    false: Whole
    leaf: Whole
    """(weights,): the node of each weight, counted over all trees."""
    output: Whole
    weight: Numbers
    base: Numbers
    """Empty, or one for each output."""
    average: bool

    @property
    def trees(self) -> int:
        return len(self.starts) - 1


def grown(node: Any) -> Grown:
    """The trees of a node.

    Raises:
        InvalidInput: they are damaged, or of a kind that is not a sum of leaves; says which.
    """
    options = attributes(node)
    aggregate = options.get("aggregate_function", b"SUM" if node.op_type != "TreeEnsemble" else 1)
    if aggregate not in (b"SUM", b"AVERAGE", 0, 1):
        raise InvalidInput("the trees are not summed up")
    average = aggregate in (b"AVERAGE", 0)
    return _since_5(options, average) if node.op_type == "TreeEnsemble" else _before_5(options, average)


def _before_5(options: Mapping[str, Any], average: bool) -> Grown:
    trees, ids = _ints(options, "nodes_treeids"), _ints(options, "nodes_nodeids")
    n = len(trees)
    first = np.flatnonzero(np.concatenate([[True], trees[1:] != trees[:-1]])) if n else np.zeros(0, int)
    if not n or len(np.unique(trees[first])) != len(first):
        raise InvalidInput("the trees have no nodes, or do not stand one after the other")
    rank = np.repeat(np.arange(len(first)), np.diff([*first, n]))
    key = (rank << 32) + _below(ids, 2**31)
    order = np.argsort(key, kind="stable")

    def place(tree: Whole, node: Whole) -> Whole:
        """Where nodes stand, of their ids."""
        wanted = (tree << 32) + _below(node, 2**31)
        at = np.searchsorted(key, wanted, sorter=order).clip(0, n - 1)
        if (key[order[at]] != wanted).any():
            raise InvalidInput("a tree refers to a node that is not there")
        return np.asarray(order[at], np.int64)

    names = {name.encode(): number for number, name in enumerate((*MODES, "LEAF"))}
    mode = np.array([names.get(name, -1) for name in options.get("nodes_modes", ())], np.int64)
    if len(mode) != n or (mode < 0).any():
        raise InvalidInput("the trees have nodes of an unknown mode")
    inner = mode != LEAF
    children = []
    for name in ("nodes_truenodeids", "nodes_falsenodeids"):
        child = np.full(n, -1, np.int64)
        child[inner] = place(rank[inner], _ints(options, name, n)[inner]) - first[rank[inner]]
        children.append(child)
    kind = "class" if "class_ids" in options else "target"
    output = _ints(options, f"{kind}_ids")
    by_id = np.argsort(trees[first])
    tree = _ints(options, f"{kind}_treeids", len(output))
    at = np.searchsorted(trees[first], tree, sorter=by_id).clip(0, len(first) - 1)
    if (trees[first][by_id[at]] != tree).any():
        raise InvalidInput("a leaf is of a tree that is not there")
    tracks = _ints(options, "nodes_missing_value_tracks_true")
    base = _floats(options, "base_values")
    return Grown(
        starts=np.array([*first, n], np.int64),
        mode=mode,
        feature=_ints(options, "nodes_featureids", n),
        threshold=_floats(options, "nodes_values", n),
        tracks=tracks.astype(bool) if len(tracks) == n else np.zeros(n, bool),
        true=children[0],
        false=children[1],
        leaf=place(by_id[at], _ints(options, f"{kind}_nodeids", len(output))),
        output=output,
        weight=_floats(options, f"{kind}_weights", len(output)),
        base=base,
        average=average,
    )


def _since_5(options: Mapping[str, Any], average: bool) -> Grown:
    """Splits and leaves stand apart there; each tree is walked from its root."""
    mode = _floats(options, "nodes_modes").astype(np.int64)
    n = len(mode)
    if not n or ((mode < 0) | (mode >= LEAF)).any():
        raise InvalidInput("the trees have splits of an unknown mode")
    splits, weights = _floats(options, "nodes_splits", n), _floats(options, "leaf_weights")
    targets = _ints(options, "leaf_targetids", len(weights))
    feature = _ints(options, "nodes_featureids", n)
    tracks = _ints(options, "nodes_missing_value_tracks_true")
    tracked = tracks.astype(bool) if len(tracks) == n else np.zeros(n, bool)
    sides = [
        (_ints(options, f"nodes_{side}nodeids", n), _ints(options, f"nodes_{side}leafs", n))
        for side in ("true", "false")
    ]
    starts, walked = [0], list[int]()
    leaves: list[int] = []
    true: list[int] = []
    false: list[int] = []
    for root in _ints(options, "tree_roots").tolist():
        begin, here = starts[-1], [(root, False)]
        for at, is_leaf in here:  # which grows while it is walked
            if not 0 <= at < (len(weights) if is_leaf else n) or len(walked) > 2 * (n + len(weights)):
                raise InvalidInput("a tree refers to a node that is not there, or to one twice")
            walked.append(-1 if is_leaf else at)
            leaves.append(at if is_leaf else -1)
            for children, (ids, ends) in zip((true, false), sides, strict=True):
                children.append(-1 if is_leaf else len(here))
                if not is_leaf:
                    here.append((int(ids[at]), bool(ends[at])))
        starts.append(begin + len(here))
    place, leaf = np.array(walked, np.int64), np.array(leaves, np.int64)
    is_end = place < 0
    where = np.flatnonzero(is_end)
    return Grown(
        starts=np.array(starts, np.int64),
        mode=np.where(is_end, LEAF, mode[place]),
        feature=feature[place],
        threshold=splits[place],
        tracks=tracked[place],
        true=np.array(true, np.int64),
        false=np.array(false, np.int64),
        leaf=where,
        output=targets[leaf[where]],
        weight=weights[leaf[where]],
        base=np.zeros(0),
        average=average,
    )


def _below(ids: Whole, limit: int) -> Whole:
    if ((ids < 0) | (ids >= limit)).any():
        raise InvalidInput("the trees have numbers of nodes that can not be")
    return ids


def _ints(options: Mapping[str, Any], name: str, count: int | None = None) -> Whole:
    return _taken(np.asarray(options.get(name, ()), np.int64), name, count)


def _floats(options: Mapping[str, Any], name: str, count: int | None = None) -> Numbers:
    """Numbers as an attribute, or in double precision as a tensor."""
    tensor = options.get(f"{name}_as_tensor", options.get(name, ()))
    values = numpy_helper.to_array(tensor) if hasattr(tensor, "data_type") else tensor
    return _taken(np.asarray(values, np.float64).ravel(), name, count)


def _taken(values: NDArray[Any], name: str, count: int | None) -> NDArray[Any]:
    if count is not None and len(values) != count:
        raise InvalidInput(f"the trees have {len(values)} {name}; {count} are needed")
    return values


def by_equality(trees: Grown) -> list[int]:
    """Columns whose splits ask for equality.

    Raises:
        InvalidInput: such a column is also split by size, or by other numbers than codes.
    """
    equal, other = np.isin(trees.mode, (EQ, NEQ)), trees.mode < EQ
    columns = np.unique(trees.feature[equal])
    asked = trees.threshold[equal]
    if np.isin(columns, trees.feature[other]).any():
        raise InvalidInput("a column is split both by size and by equality")
    if not ((asked >= 0) & (asked <= LARGEST_CODE) & (asked == np.floor(asked))).all():
        raise InvalidInput("a split asks for equality to a number that is no code")
    return [int(column) for column in columns]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Trees made ready to be summed up, for margins of one's choice."""

    trees: Grown
    features: int
    single: bool

    def ensemble(
        self, parts: Sequence[Mapping[int, float]], base: Sequence[float] | Numbers, link: Link
    ) -> Ensemble:
        """An Ensemble whose margins are each a sum of outputs times a factor."""
        grown = self.trees
        scale = 1.0 / grown.trees if grown.average else 1.0
        made = []
        for margin, part in enumerate(parts):
            value = np.zeros(len(grown.mode))
            for output, factor in part.items():
                mine = grown.output == output
                value += np.bincount(
                    grown.leaf[mine], grown.weight[mine] * factor * scale, minlength=len(value)
                )
            mine = np.isin(grown.output, list(part))
            made += [
                self._tree(int(tree), value, margin)
                for tree in np.unique(np.searchsorted(grown.starts, grown.leaf[mine], side="right") - 1)
            ]
        return Ensemble(
            features=self.features,
            base=np.asarray(base, np.float64),
            trees=made,
            link=link,
            single=self.single,
            sets=self._sets,
        )

    def _tree(self, tree: int, value: Numbers, margin: int) -> Tree:
        grown = self.trees
        at = slice(int(grown.starts[tree]), int(grown.starts[tree + 1]))
        mode, threshold = grown.mode[at], grown.threshold[at]
        after = np.isin(mode, (LEQ, GT))  # `x <= t` is `x < ` the next number
        threshold = np.where(after, _next(threshold, single=self.single), threshold)
        swapped = np.isin(mode, (GTE, GT, NEQ))
        missing = np.where(swapped, ~grown.tracks[at], grown.tracks[at]) & (mode != NEQ)
        by_set = np.isin(mode, (EQ, NEQ))
        codes = np.searchsorted(self._codes, grown.threshold[at])
        return Tree(
            left=np.where(swapped, grown.false[at], grown.true[at]).astype(np.int32),
            right=np.where(swapped, grown.true[at], grown.false[at]).astype(np.int32),
            feature=grown.feature[at].astype(np.int32),
            threshold=np.where(by_set, 0.0, threshold),
            missing_left=missing,
            value=np.where(mode == LEAF, value[at], 0.0),
            cover=np.full(len(mode), np.nan),
            output=margin,
            categories=np.where(by_set, codes, -1).astype(np.int32) if by_set.any() else None,
        )

    @cached_property
    def _codes(self) -> Numbers:
        """Numbers that splits ask for equality to; each is a set of its own."""
        equal = np.isin(self.trees.mode, (EQ, NEQ))
        return np.unique(self.trees.threshold[equal])

    @cached_property
    def _sets(self) -> list[Whole]:
        return [np.array([code], np.int64) for code in self._codes.astype(np.int64)]


def _next(threshold: Numbers, *, single: bool) -> Numbers:
    with np.errstate(over="ignore"):
        above = np.nextafter(threshold.astype(np.float32), np.float32(np.inf)) if single else None
        made = np.nextafter(threshold, np.inf) if above is None else above.astype(np.float64)
    largest = np.finfo(np.float64).max
    return np.asarray(np.clip(made, -largest, largest))


def ensembles(sums: Sums, links: Sequence[Link], classes: int) -> Iterator[Ensemble]:
    """What the trees may be, of links that the model may have; whoever asks looks which of them is true.

    Of two classes some files keep the weights of one, some of both; of both there may be one base or two.
    """
    given = sums.trees.base
    outputs = [int(output) for output in np.unique(sums.trees.output)]
    for link in links:
        if classes > 2:
            base = given if len(given) == classes else np.zeros(classes)
            yield sums.ensemble([{output: 1.0} for output in range(classes)], base, link)
        elif len(outputs) == 1:
            for factor in (1.0, 2.0) if link is Link.LOGISTIC else (1.0,):
                for one in dict.fromkeys(given.tolist()) or (0.0,):
                    yield sums.ensemble([{outputs[0]: factor}], [one * factor], link)
        elif outputs == [0, 1]:
            zero, one = given if len(given) == 2 else (0.0, 0.0)
            yield sums.ensemble([{1: 1.0}], [one], link)
            if link is Link.LOGISTIC:
                yield sums.ensemble([{1: 1.0, 0: -1.0}], [one - zero], link)
                for factor in (1.0, 2.0) if len(given) == 2 else ():
                    # onnxruntime then adds the base of the second class to the weights of the first
                    yield sums.ensemble([{0: factor}], [one * factor], link)
