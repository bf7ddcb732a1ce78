"""Rows walked down the trees of a forest, compiled, on as many threads as there are processors."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.kernel import kernel
from engine.models.forest import Forest

Numbers = NDArray[np.float64]

BLOCK = 2_048
"""Rows that a thread takes at a time."""
TOGETHER = 64
"""Rows that go down one tree before the next tree is looked at, so that it is still at hand."""


def walk(forest: Forest, encoded: Numbers, base: Numbers, *, single: bool) -> Numbers:
    """The margins of each row: (rows, margins)."""
    margins = np.tile(base, (len(encoded), 1))

    def block(start: int) -> None:
        rows = np.asarray(encoded[start : start + BLOCK], np.float64)
        if single:
            with np.errstate(over="ignore"):  # beyond float32 is infinite, as it is for the library
                rows = rows.astype(np.float32).astype(np.float64)
        _walk(
            np.ascontiguousarray(rows),
            forest.starts,
            forest.outputs,
            forest.onward,
            forest.feature,
            forest.threshold,
            forest.missing_left,
            forest.value,
            forest.categories,
            forest.members,
            forest.bounds,
            margins[start : start + BLOCK],
        )

    starts = range(0, len(encoded), BLOCK)
    if len(starts) < 2:
        for start in starts:
            block(start)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(block, starts))
    return margins


@kernel("int64(float64, int64[::1], int64, int64)")
def _member(x: float, members: NDArray[np.int64], low: int, high: int) -> int:
    """1 where a number, cut towards 0, is among the ascending codes from `low` to `high`, else 0."""
    if not -1 < x < 2**53:
        return 0
    code = np.int64(x)
    while low < high:
        middle = (low + high) // 2
        if members[middle] < code:
            low = middle + 1
        elif members[middle] > code:
            high = middle
        else:
            return 1
    return 0


@kernel("int64(float64, boolean, int32, int64[::1], int64[::1])")
def _rare(
    x: float, missing_left: bool, kind: int, members: NDArray[np.int64], bounds: NDArray[np.int64]
) -> int:
    """1 where a value that is missing or a category goes left, else 0."""
    return int(missing_left) if np.isnan(x) else _member(x, members, bounds[kind], bounds[kind + 1])


@kernel(
    "void(float64[:, ::1], int64[::1], int64[::1], int32[:, ::1], int32[::1], float64[::1], boolean[::1], "
    "float64[::1], int32[::1], int64[::1], int64[::1], float64[:, ::1])"
)
def _walk(
    rows: Numbers,
    starts: NDArray[np.int64],
    outputs: NDArray[np.int64],
    onward: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Numbers,
    missing_left: NDArray[np.bool_],
    value: Numbers,
    categories: NDArray[np.int32],
    members: NDArray[np.int64],
    bounds: NDArray[np.int64],
    margins: Numbers,
) -> None:
    """Add to the margins what each tree says of each row.

    Rows go down side by side as far as a full tree of as many leaves is deep: there a processor need not foresee which
    way one goes, and that is most of the way. Then each goes on alone.
    """
    at = np.empty(TOGETHER, np.int64)
    for first in range(0, len(rows), TOGETHER):
        count = min(TOGETHER, len(rows) - first)
        for tree in range(len(outputs)):
            at[:count] = starts[tree]
            leaves = (starts[tree + 1] - starts[tree] + 1) // 2
            while leaves > 1:
                leaves //= 2
                for i in range(count):
                    node = int(at[i])
                    x = rows[first + i, feature[node]]
                    left = int(x < threshold[node])
                    if np.isnan(x) or categories[node] >= 0:
                        left = _rare(x, missing_left[node], categories[node], members, bounds)
                    at[i] = onward[node, left]
            for i in range(count):
                node = int(at[i])
                while onward[node, 0] != node:
                    x = rows[first + i, feature[node]]
                    left = int(x < threshold[node])
                    if np.isnan(x) or categories[node] >= 0:
                        left = _rare(x, missing_left[node], categories[node], members, bounds)
                    node = int(onward[node, left])
                margins[first + i, outputs[tree]] += value[node]
