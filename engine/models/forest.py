"""A tree as readers hand it over, and all trees of an ensemble in flat arrays, proven to be trees."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput

Numbers = NDArray[np.float64]

MAX_NODES = 5_000_000
"""Of all trees together."""
KINDS = {
    "left": "i",
    "right": "i",
    "feature": "i",
    "threshold": "f",
    "missing_left": "b",
    "value": "f",
    "cover": "f",
    "categories": "i",
}
"""Of numpy's dtypes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """One tree; node 0 is the root. All arrays have one entry for each node.

    A row goes left where its value is below the threshold (`x < threshold`; libraries that test `<=` hand over the
    next number above), where it is in the node's set of categories, or where it is missing (NaN) and `missing_left`.
    """

    left: NDArray[np.int32]
    """-1 in a leaf."""
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    """Whatever it is in a leaf, it is not looked at."""
    threshold: Numbers
    """Finite; where every number goes left, the largest there is."""
    missing_left: NDArray[np.bool_]
    value: Numbers
    """What a leaf adds to its margin; 0 in other nodes."""
    cover: Numbers
    """Training rows, or their weight, that reached the node; for path-dependent values. NaN where the file does not say."""
    output: int
    """The margin that it adds to."""
    categories: NDArray[np.int32] | None = None
    """Place in `Ensemble.sets` of the categories that go left; -1 for a numeric split. None: no categorical splits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Nodes of all trees, one tree after another; children are places in these arrays, -1 in a leaf."""

    starts: NDArray[np.int64]
    """(trees + 1,): where each tree begins, and the end."""
    outputs: NDArray[np.int64]
    """(trees,)"""
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Numbers
    missing_left: NDArray[np.bool_]
    value: Numbers
    cover: Numbers
    categories: NDArray[np.int32]
    """-1 for a numeric split."""
    members: NDArray[np.int64]
    """All sets of categories one after another."""
    bounds: NDArray[np.int64]
    """(sets + 1,): where each set begins, and the end."""

    @cached_property
    def onward(self) -> NDArray[np.int32]:
        """(nodes, 2): where a row goes on, right and left; from a leaf to itself."""
        both = np.stack([self.right, self.left], axis=1)
        return np.where(both < 0, np.arange(len(both), dtype=np.int32)[:, None], both)

    def reach(self, margins: int) -> Numbers:
        """(margins,): the most that the trees of each can add up to, whatever the sign."""
        if not len(self.outputs):
            return np.zeros(margins)
        largest = np.maximum.reduceat(np.abs(self.value), self.starts[:-1])
        with np.errstate(over="ignore"):  # infinite is what the caller looks for
            return np.bincount(self.outputs, largest, minlength=margins).astype(np.float64)


def flattened(
    trees: Sequence[Tree], sets: Sequence[NDArray[np.int64]], features: int, margins: int
) -> Forest:
    """Put all trees into one set of arrays, and see that they are trees: each node reached once from its root.

    Raises:
        InvalidInput: they are not, or they reach for what is not there; says in which tree.
    """
    sizes = np.array([len(tree.left) for tree in trees], np.int64)
    if sizes.sum() > MAX_NODES:
        raise InvalidInput(f"the trees have {sizes.sum()} nodes; at most {MAX_NODES} are read")
    for place, tree in enumerate(trees):
        _fitting(tree, f"tree {place}", margins)
    for place, members in enumerate(sets):
        _codes(members, f"set {place} of categories")
    starts = np.concatenate([[0], sizes.cumsum()])
    roots = np.repeat(starts[:-1], sizes)
    left, right = (_inside(_all(trees, side), roots, starts) for side in ("left", "right"))
    _refuse(starts, (left < 0) != (right < 0), "has one child; a split has two and a leaf none")
    _once(left, right, roots, starts)
    inner = left >= 0
    feature = np.where(inner, _all(trees, "feature"), 0)
    threshold = np.where(inner, _all(trees, "threshold"), 0.0)
    value = np.where(inner, 0.0, _all(trees, "value"))
    cover = _all(trees, "cover").astype(np.float64)
    categories = np.where(inner, _all(trees, "categories"), -1)
    for wrong, why in (
        (
            inner & ((feature < 0) | (feature >= features)),
            f"splits by a feature that is not among the {features}",
        ),
        (~np.isfinite(threshold), "has a threshold that is no finite number"),
        (~np.isfinite(value), "has a value that is no finite number"),
        ((cover < 0) | np.isinf(cover), "has a weight of rows that is negative or infinite"),
        ((categories < -1) | (categories >= len(sets)), "splits by a set of categories that is not there"),
    ):
        _refuse(starts, wrong, why)
    return Forest(
        starts=starts,
        outputs=np.array([tree.output for tree in trees], np.int64),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float64),
        missing_left=_all(trees, "missing_left").astype(np.bool_),
        value=value.astype(np.float64),
        cover=cover,
        categories=categories.astype(np.int32),
        members=np.concatenate([np.zeros(0, np.int64), *sets]),
        bounds=np.concatenate([[0], np.cumsum([len(members) for members in sets], dtype=np.int64)]),
    )


def _fitting(tree: Tree, where: str, margins: int) -> None:
    """See that the arrays of a tree are of one length and of the right kind."""
    if not len(tree.left):
        raise InvalidInput(f"{where} has no nodes")
    if not 0 <= tree.output < margins:
        raise InvalidInput(f"{where} adds to margin {tree.output}; there are {margins}, counted from 0")
    for name, kind in KINDS.items():
        values = getattr(tree, name)
        if values is not None and (values.shape != (len(tree.left),) or values.dtype.kind != kind):
            raise InvalidInput(f"{where} has another {name} than one for each of its {len(tree.left)} nodes")


def _codes(members: NDArray[np.int64], where: str) -> None:
    if members.ndim != 1 or members.dtype != np.int64 or (members < 0).any() or (np.diff(members) <= 0).any():
        raise InvalidInput(f"{where} must hold ascending codes from 0")


def _all(trees: Sequence[Tree], name: str) -> NDArray[Any]:
    """One field of all nodes."""
    parts = [getattr(tree, name) for tree in trees]
    if name == "categories":
        none = [np.full(len(tree.left), -1, np.int32) for tree in trees]
        parts = [gap if part is None else part for part, gap in zip(parts, none, strict=True)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _inside(child: NDArray[Any], roots: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Children counted over all trees, -1 for none."""
    child = child.astype(np.int64)
    sizes = np.repeat(np.diff(starts), np.diff(starts))
    _refuse(starts, (child < -1) | (child >= sizes), "has a child that is no node of its tree")
    return np.where(child < 0, -1, child + roots)


def _once(
    left: NDArray[np.int64], right: NDArray[np.int64], roots: NDArray[np.int64], starts: NDArray[np.int64]
) -> None:
    """See that every node is reached from its root on exactly one way."""
    inner = np.flatnonzero(left >= 0)
    children = np.concatenate([left[inner], right[inner]])
    places = np.arange(len(left))
    times = np.bincount(children, minlength=len(left))
    _refuse(starts, times != (places != roots), "is not reached exactly once, as a node of a tree is")
    up = places.copy()  # the parent; a root is its own
    up[children] = np.concatenate([inner, inner])
    for _ in range(len(left).bit_length()):  # twice as far up in each round; a ring never arrives
        if (up == roots).all():
            return
        up = up[up]
    _refuse(starts, up != roots, "is one of a ring that its root does not reach")


def _refuse(starts: NDArray[np.int64], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        node = int(wrong.argmax())
        tree = int(np.searchsorted(starts, node, side="right")) - 1
        raise InvalidInput(f"tree {tree} is damaged: node {node - starts[tree]} {why}")
