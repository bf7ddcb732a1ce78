"""Regression: groups of the cells of moments, and rows drawn with replacement."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.fairness.cube import Codes, Counts, Floats
from engine.fairness.intervals import DRAWN_AT_ONCE
from engine.fairness.moments import Moments
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.tables import Places, Sampler, Table, names_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """The groups of some attributes, with all others summed out."""

    attributes: tuple[str, ...]
    values: tuple[tuple[str | None, ...], ...]
    names: tuple[str, ...]
    of_cell: Places
    """Shape (cells,): the group that each cell of the moments belongs to."""
    rows: Counts
    """Shape (groups,)."""

    @staticmethod
    def of(moments: Moments, attributes: tuple[int, ...]) -> "Groups":
        """The groups that arise where attributes cross, by their positions; without any, one group of all rows."""
        axes = [moments.axes[i] for i in attributes]
        own: Codes = moments.codes[:, list(attributes)]
        place: Places = np.zeros(len(own), dtype=np.intp)
        if attributes:
            own, place = np.unique(own, axis=0, return_inverse=True)
        else:
            own = own[:1]
        values = tuple(
            tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in own.tolist()
        )
        rows = np.bincount(place.ravel(), moments.sizes, minlength=len(values)).astype(np.int64)
        return Groups(
            attributes=tuple(axis.name for axis in axes),
            values=values,
            names=names_of(axes, values),
            of_cell=place.ravel(),
            rows=rows,
        )

    def table(
        self, kind: Cells, cells: Numbers, sampler: Sampler, finer: Numbers | None = None, unit: float = 1.0
    ) -> Table:
        """These groups with cells of theirs."""
        return Table(
            kind=kind,
            attributes=self.attributes,
            groups=self.values,
            names=self.names,
            rows=self.rows,
            cells=cells,
            finer=finer,
            unit=unit,
            sampler=sampler,
        )


def in_blocks(samples: int, seed: int, widest: int) -> Iterator[tuple[np.random.Generator, int]]:
    """One generator, and how many samples to draw with it at a time."""
    generator = np.random.default_rng(seed)
    size = max(1, DRAWN_AT_ONCE // max(1, widest))
    for start in range(0, samples, size):
        yield generator, min(size, samples - start)


def resampled(
    generator: np.random.Generator, samples: int, places: Places, count: int, size: int | None = None
) -> Floats:
    """Shape (samples, count): how many of the rows drawn with replacement have each place.

    `places` has one per row; `size` rows are drawn, by default as many as there are.
    """
    chosen = places[generator.integers(0, len(places), (samples, size or len(places)), dtype=np.int32)]
    chosen += count * np.arange(samples)[:, None]
    return np.bincount(chosen.ravel(), minlength=samples * count).reshape(samples, count).astype(np.float64)
