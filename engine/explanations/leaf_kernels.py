"""The loops of exact Shapley values of trees: rows to readings, readings to patterns, patterns to values.

A *reading* of a row is a small number such that a split sends the row left where it is at most the split's cut; a
missing value reads 0 or HIGHEST, as the split sends it. A *group* is the leaves of a small subtree; the *pattern* of a
row in a group has one bit for each question the group asks. What each is made of stands in leaf_groups.py.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernel import kernel

Bits = NDArray[np.uint16]
Places = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

HIGHEST = 65_535
MAX_BITS = 16
"""Of a group, and so most players that may decide about one leaf."""
BLOCK = 2_048
"""Most rows at a time: their readings and sums stay in the processor's cache, and so does a table while they use it."""
BLOCK_BYTES = 4 << 20
"""Of readings and sums together; many scales or margins make fewer rows at a time."""


@kernel("i8(f8, f8[::1], i8, i8)")
def after(x: float, edges: Numbers, low: int, high: int) -> int:
    """The first place in [low, high) whose edge is above x; `high` if there is none."""
    size = high - low
    while size > 0:
        half = size >> 1
        if edges[low + half] <= x:
            low += half + 1
            size -= half + 1
        else:
            size = half
    return low


@kernel("b1(f8, f8[::1], i8, i8)")
def member(x: float, edges: Numbers, low: int, high: int) -> bool:
    """Whether x, cut towards 0, is one of the codes."""
    code = np.trunc(x)
    at = after(code, edges, low, high)
    return at > low and edges[at - 1] == code


@kernel("void(f8[:, ::1], i8, i8, b1, i8[::1], b1[::1], b1[::1], i8[::1], f8[::1], u2[:, ::1])")
def read(
    encoded: Numbers,
    first: int,
    stop: int,
    single: bool,
    column: Places,
    categorical: Flags,
    missing_left: Flags,
    edge_start: Places,
    edges: Numbers,
    readings: Bits,
) -> None:
    """Fills (scales, rows of the block): how many thresholds are at most the value, plus 1; of a set 0 in it, else HIGHEST."""
    for s in range(column.size):
        gone = np.uint16(0 if missing_left[s] else HIGHEST)
        for r in range(first, stop):
            x = encoded[r, column[s]]
            if np.isnan(x):
                readings[s, r - first] = gone
            elif categorical[s]:
                known = member(x, edges, edge_start[s], edge_start[s + 1])
                readings[s, r - first] = 0 if known else HIGHEST
            else:
                if single:
                    x = np.float64(np.float32(x))
                at = after(x, edges, edge_start[s], edge_start[s + 1])
                readings[s, r - first] = at - edge_start[s] + 1


@kernel("void(u2[:, ::1], i8, i8, i8, i8[::1], u2[::1], u2[::1], u2[::1], u2[::1])")
def ask(
    readings: Bits,
    rows: int,
    start: int,
    stop: int,
    scale: Places,
    low: Bits,
    width: Bits,
    bit: Bits,
    pattern: Bits,
) -> None:
    """Clears each question's bit in the patterns of rows whose reading is outside [low, low + width]."""
    for r in range(rows):
        pattern[r] = HIGHEST
    for q in range(start, stop):
        reading = readings[scale[q]]
        least, span, kept = low[q], width[q], np.uint16(~bit[q])
        for r in range(rows):
            inside = np.uint16(reading[r] - least) <= span
            pattern[r] &= np.uint16(HIGHEST) if inside else kept


@kernel("i8(i8, i8)")
def block_of(scales: int, sums: int) -> int:
    """How many rows to take at a time."""
    return max(64, min(BLOCK, BLOCK_BYTES // (2 * scales + 8 * sums + 1)))


@kernel(
    "void(f8[:, ::1], b1, i8[::1], b1[::1], b1[::1], i8[::1], f8[::1],"
    " i8[::1], i8[::1], u2[::1], u2[::1], u2[::1], i8[::1], i8[::1], i8, i8, f8[::1])"
)
def count(
    encoded: Numbers,
    single: bool,
    column: Places,
    categorical: Flags,
    missing_left: Flags,
    edge_start: Places,
    edges: Numbers,
    question_start: Places,
    scale: Places,
    low: Bits,
    width: Bits,
    bit: Bits,
    bits: Places,
    pattern_start: Places,
    first_group: int,
    stop_group: int,
    counts: Numbers,
) -> None:
    """How many background rows show each pattern of these groups."""
    block = block_of(column.size, 0)
    readings, pattern = np.empty((column.size, block), np.uint16), np.empty(block, np.uint16)
    for first in range(0, encoded.shape[0], block):
        stop = min(first + block, encoded.shape[0])
        read(encoded, first, stop, single, column, categorical, missing_left, edge_start, edges, readings)
        for g in range(first_group, stop_group):
            ask(
                readings,
                stop - first,
                question_start[g],
                question_start[g + 1],
                scale,
                low,
                width,
                bit,
                pattern,
            )
            mask = (1 << bits[g]) - 1
            for r in range(stop - first):
                counts[pattern_start[g] + (pattern[r] & mask)] += 1.0


@kernel(
    "void(f8[:, ::1], i8, i8, b1, i8[::1], b1[::1], b1[::1], i8[::1], f8[::1],"
    " i8[::1], i8[::1], u2[::1], u2[::1], u2[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8[:, :, ::1])"
)
def add_up(
    encoded: Numbers,
    first_row: int,
    stop_row: int,
    single: bool,
    column: Places,
    categorical: Flags,
    missing_left: Flags,
    edge_start: Places,
    edges: Numbers,
    question_start: Places,
    scale: Places,
    low: Bits,
    width: Bits,
    bit: Bits,
    bits: Places,
    output: Places,
    share_start: Places,
    share: Places,
    table_start: Places,
    table: Numbers,
    values: Numbers,
) -> None:
    """Adds to (rows, players or pairs, margins) what the groups' tables say of each row's pattern."""
    players, margins = values.shape[1], values.shape[2]
    block = block_of(column.size, players * margins)
    readings, pattern = np.empty((column.size, block), np.uint16), np.empty(block, np.uint16)
    sums = np.empty((margins * players, block))
    for first in range(first_row, stop_row, block):
        stop = min(first + block, stop_row)
        rows = stop - first
        sums[:] = 0.0
        read(encoded, first, stop, single, column, categorical, missing_left, edge_start, edges, readings)
        for g in range(bits.size):
            if share_start[g] == share_start[g + 1]:
                continue
            ask(readings, rows, question_start[g], question_start[g + 1], scale, low, width, bit, pattern)
            patterns = 1 << bits[g]
            for r in range(rows):
                pattern[r] &= np.uint16(patterns - 1)
            start = table_start[g]
            for k in range(share_start[g], share_start[g + 1]):
                of_share = table[start : start + patterns]
                start += patterns
                total = sums[output[g] * players + share[k]]
                for r in range(rows):
                    total[r] += of_share[pattern[r]]
        for r in range(rows):
            for k in range(players):
                for m in range(margins):
                    values[first + r, k, m] += sums[m * players + k, r]
