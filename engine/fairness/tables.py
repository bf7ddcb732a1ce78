"""Tables of groups: what is counted in each group of some protected attributes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.fairness.cube import Axis, Codes, Counts
from engine.fairness.intervals import multinomial
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.words import crossed

MISSING = "(missing)"

Places = npt.NDArray[np.intp]
Sampler = Callable[[Places, int, int], Iterator[Numbers]]
"""From places of groups, samples and seed to blocks of drawn cells, shape (some, places, *cells)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The groups of some attributes, and the cells from which quantities are read."""

    kind: Cells
    attributes: tuple[str, ...]
    groups: tuple[tuple[str | None, ...], ...]
    """The values of each group, in the order of the axes; only groups that have rows."""
    names: tuple[str, ...]
    rows: Counts
    """Shape (groups,): rows of the dataset in each group."""
    cells: Numbers
    """Shape (groups, *cells), as `kind` says."""
    finer: Numbers | None = None
    """The same where curves are taken at all values there are, if `cells` are coarser so that they can be drawn."""
    outcomes: tuple[int, ...] = (1,)
    """Classes that are compared one against the rest."""
    classes: tuple[str, ...] = ()
    unit: float = 1.0
    """What differences of quantities with a unit are divided by; NaN where there is no such scale."""
    sampler: Sampler | None = None
    """How bootstrap samples are drawn; by default multinomially from the cells."""

    @property
    def weighted(self) -> bool:
        """Whether cells are effective numbers of rows."""
        return self.kind in (Cells.OUTCOMES, Cells.STRATA) and self.cells.dtype.kind == "f"

    def draws(self, places: Places, samples: int, seed: int) -> Iterator[Numbers]:
        """Bootstrap samples of the cells of some groups, in blocks of shape (some, places, *cells)."""
        if self.sampler is not None:
            return self.sampler(places, samples, seed)
        return multinomial(self.cells[places], samples, seed)


def distinct(codes: Codes) -> tuple[Codes, Places]:
    """The different rows of codes in ascending order, and which of them each row is; without columns, one row.

    Column by column it is ten times as fast as `numpy.unique` with an axis.
    """
    own = np.zeros(len(codes), dtype=np.int64)
    for column in codes.T:
        together = own * (int(column.max(initial=0)) + 1) + column
        own = np.unique(together, return_inverse=True)[1].reshape(-1)
    first = np.unique(own, return_index=True)[1]
    return codes[first], own


def names_of(axes: Sequence[Axis], groups: Sequence[Sequence[str | None]]) -> tuple[str, ...]:
    """A name for each group: its values joined."""
    shown = [_shown(axis) for axis in axes]
    return tuple(crossed([words[value] for words, value in zip(shown, row, strict=True)]) for row in groups)


def _shown(axis: Axis) -> dict[str | None, str]:
    """Names of an axis' values, distinct even where a value is our own word."""
    missing = MISSING
    while missing in axis.values:
        missing = f"({missing})"
    return {value: missing if value is None else value for value in axis.values}
