"""Rows walked down the trees of a forest, compiled, on as many threads as there are processors."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
            forest.left,
            forest.right,
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


@njit(cache=True)
def _member(x: float, members: NDArray[np.int64], low: int, high: int) -> bool:
    """Whether a number, cut towards 0, is among the ascending codes from `low` to `high`."""
    if not -1 < x < 2**53:
        return False
    code = np.int64(x)
    while low < high:
        middle = (low + high) // 2
        if members[middle] < code:
            low = middle + 1
        elif members[middle] > code:
            high = middle
        else:
            return True
    return False


@njit(cache=True, nogil=True)
def _walk(
    rows: Numbers,
    starts: NDArray[np.int64],
    outputs: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Numbers,
    missing_left: NDArray[np.bool_],
    value: Numbers,
    categories: NDArray[np.int32],
    members: NDArray[np.int64],
    bounds: NDArray[np.int64],
    margins: Numbers,
) -> None:
    """Add to the margins what each tree says of each row."""
    for first in range(0, len(rows), TOGETHER):
        last = min(first + TOGETHER, len(rows))
        for tree in range(len(outputs)):
            root, output = starts[tree], outputs[tree]
            for row in range(first, last):
                node = root
                while left[node] >= 0:
                    x = rows[row, feature[node]]
                    kind = categories[node]
                    if np.isnan(x):
                        goes_left = missing_left[node]
                    elif kind < 0:
                        goes_left = x < threshold[node]
                    else:
                        goes_left = _member(x, members, bounds[kind], bounds[kind + 1])
                    node = left[node] if goes_left else right[node]
                margins[row, output] += value[node]
