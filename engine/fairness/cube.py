"""The count cube: how many rows have each combination of protected values, label and prediction.

It is the only thing the analysis keeps of the data. Cubes of parts of the rows add up to the cube
of the whole, whatever the parts are: row groups, files, time windows, machines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One column of the cube and the values that occur in it, in text form."""

    name: str
    values: tuple[str | None, ...]
    """Distinct, in text order; None, for missing, comes last."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """Sparse counts over protected attributes x label x prediction; only cells with rows are held."""

    axes: tuple[Axis, ...]
    """The protected attributes in the order asked for, then the label, then the prediction."""
    codes: Codes
    """Shape (cells, axes), int32: index of each cell's value in the axis; rows in ascending order."""
    counts: Counts
    """Shape (cells,), int64: rows of the dataset in each cell, at least 1."""
    favorable: str | None = None
    """The favourable value the caller named, if any."""

    @property
    def protected(self) -> tuple[Axis, ...]:
        return self.axes[:-2]

    @property
    def label(self) -> Axis:
        return self.axes[-2]

    @property
    def prediction(self) -> Axis:
        return self.axes[-1]

    @property
    def rows(self) -> int:
        """Rows counted, those without label or prediction included."""
        return int(self.counts.sum())

    def __add__(self, other: "Cube") -> "Cube":
        """The cube of both sets of rows together.

        Raises:
            InvalidInput: the cubes count different columns or another favourable value.
        """
        if [a.name for a in self.axes] != [b.name for b in other.axes] or self.favorable != other.favorable:
            raise InvalidInput("only cubes of the same columns and favourable value can be added")
        axes = tuple(
            Axis(name=a.name, values=ordered({*a.values, *b.values}))
            for a, b in zip(self.axes, other.axes, strict=True)
        )
        codes = np.concatenate([_recoded(cube, axes) for cube in (self, other)])
        counts = np.concatenate([self.counts, other.counts])
        codes, counts = collapsed(codes, counts)
        return Cube(axes=axes, codes=codes, counts=counts, favorable=self.favorable)


def cube_of(
    names: Sequence[str],
    columns: Sequence[tuple[Sequence[str | None], npt.NDArray[np.integer]]],
    counts: Counts,
    favorable: str | None = None,
) -> Cube:
    """A cube from dictionary-encoded columns of cells, in any order and with repetitions.

    Args:
        names: one per axis: protected attributes, label, prediction.
        columns: per axis its dictionary (None for missing, repetitions allowed) and, shape (cells,),
            the index of each cell in it.
        counts: shape (cells,), rows per cell.
        favorable: the favourable value the caller named, if any.
    """
    axes = tuple(
        Axis(name=name, values=ordered(set(np.array(words, dtype=object)[np.unique(index)])))
        for name, (words, index) in zip(names, columns, strict=True)
    )
    codes = np.empty((counts.size, len(axes)), dtype=np.int32)
    for i, (axis, (words, index)) in enumerate(zip(axes, columns, strict=True)):
        codes[:, i] = _positions(axis, words)[index]
    codes, counts = collapsed(codes, counts)
    return Cube(axes=axes, codes=codes, counts=counts, favorable=favorable)


def collapsed(codes: Codes, counts: Counts) -> tuple[Codes, Counts]:
    """The same counts with equal rows of codes added up, in ascending order of codes."""
    if counts.size:
        order = np.lexsort(codes.T[::-1])
        codes, counts = codes[order], counts[order]
        starts = np.flatnonzero(np.concatenate([[True], (codes[1:] != codes[:-1]).any(axis=1)]))
        codes, counts = codes[starts], np.add.reduceat(counts, starts)
    codes.flags.writeable = counts.flags.writeable = False
    return codes, counts


def ordered(values: set[str | None]) -> tuple[str | None, ...]:
    """Values in text order with None last."""
    return tuple(sorted(values, key=lambda value: (value is None, value or "")))


def _positions(axis: Axis, words: Sequence[str | None]) -> Codes:
    place = {value: i for i, value in enumerate(axis.values)}
    return np.array([place.get(word, -1) for word in words], dtype=np.int32)


def _recoded(cube: Cube, axes: tuple[Axis, ...]) -> Codes:
    return np.stack(
        [
            _positions(new, old.values)[cube.codes[:, i]]
            for i, (old, new) in enumerate(zip(cube.axes, axes, strict=True))
        ],
        axis=1,
    )
