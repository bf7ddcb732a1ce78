"""Rows divided by lot into three: to train on, to choose on, and held out; alike in groups and labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Places of rows, rising, no place in two of them."""

    training: Places
    selection: Places
    held_out: Places


def divided(strata: NDArray[np.integer], selection: float, held_out: float, seed: int) -> Splits:
    """Divide rows so that each part has about its share of every stratum.

    Args:
        strata: (rows,), the stratum of each row.
        selection: share of the rows to choose on.
        held_out: share of the rows to measure on; the rest is to train on.
    """
    rng = np.random.default_rng(seed)
    part = np.zeros(len(strata), np.intp)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        out = round(held_out * len(rows))
        choose = min(round(selection * len(rows)), len(rows) - out)
        part[rows[:out]] = 2
        part[rows[out : out + choose]] = 1
    training, chosen, measured = (np.flatnonzero(part == which) for which in range(3))
    return Splits(training=training, selection=chosen, held_out=measured)
