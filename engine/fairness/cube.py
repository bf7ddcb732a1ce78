"""The count cube: how many rows have each combination of protected values, label and prediction.

It is the only thing the analysis keeps of the data. Cubes of parts of the rows add up to the cube
of the whole, whatever the parts are: row groups, files, time windows, machines.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput

Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Role(StrEnum):
    """What an axis of a cube means."""

    PROTECTED = "protected"
    STRATUM = "stratum"
    LABEL = "label"
    PREDICTION = "prediction"


_NUMBER = re.compile(r"(below )?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: to below \S+| and above)?")
"""A number, or a band as `reading` names it."""


ORDER = tuple(Role)
"""In which the axes of a cube stand."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One column of the cube and the values that occur in it, in text form."""

    name: str
    values: tuple[str | None, ...]
    """Distinct, as `ordered` puts them; None, for missing, comes last."""
    role: Role = Role.PROTECTED


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """Sparse counts over protected attributes [x stratum] [x label] x prediction; only cells with rows are held."""

    axes: tuple[Axis, ...]
    """The protected attributes in the order asked for, then the others in the order of their roles."""
    codes: Codes
    """Shape (cells, axes), int32: index of each cell's value in the axis; rows in ascending order."""
    counts: Counts
    """Shape (cells,), int64: rows of the dataset in each cell, at least 1."""
    weights: Floats | None = None
    """Shape (cells, 2): sum of the weights of the rows and of their squares; None where all weigh alike."""
    favorable: str | None = None
    """The favourable value the caller named, if any."""
    notes: tuple[str, ...] = ()
    """How columns were read, such as the bands of an age, in sentences."""

    @property
    def protected(self) -> tuple[Axis, ...]:
        return tuple(axis for axis in self.axes if axis.role is Role.PROTECTED)

    def place(self, role: Role) -> int | None:
        """Where the axis of a role other than protected stands, if there is one."""
        return next((i for i, axis in enumerate(self.axes) if axis.role is role), None)

    @property
    def rows(self) -> int:
        """Rows counted, those without label or prediction included."""
        return int(self.counts.sum())

    def __add__(self, other: "Cube") -> "Cube":
        """The cube of both sets of rows together.

        Raises:
            InvalidInput: the cubes count different columns, or read them differently.
        """
        if _shape(self) != _shape(other):
            raise InvalidInput("only cubes of the same columns, read alike, can be added")
        axes = tuple(
            replace(a, values=ordered({*a.values, *b.values}))
            for a, b in zip(self.axes, other.axes, strict=True)
        )
        codes = np.concatenate([_recoded(cube, axes) for cube in (self, other)])
        codes, sums = collapsed(codes, np.concatenate([_sums(self), _sums(other)]))
        return _cube(axes, codes, sums, weighted=self.weights is not None, like=self)


def cube_of(
    names: Sequence[str],
    columns: Sequence[tuple[Sequence[str | None], npt.NDArray[np.integer]]],
    counts: Counts,
    favorable: str | None = None,
    *,
    roles: Sequence[Role] | None = None,
    weights: Floats | None = None,
    notes: tuple[str, ...] = (),
) -> Cube:
    """A cube from dictionary-encoded columns of cells, in any order and with repetitions.

    Args:
        names: one per axis.
        columns: per axis its dictionary (None for missing, repetitions allowed) and, shape (cells,),
            the index of each cell in it.
        counts: shape (cells,), rows per cell.
        favorable: the favourable value the caller named, if any.
        roles: one per axis, protected ones first; by default the last two are label and prediction.
        weights: shape (cells, 2), sums of weights and of their squares.
        notes: how columns were read.
    """
    meant = roles or [Role.PROTECTED] * (len(names) - 2) + [Role.LABEL, Role.PREDICTION]
    axes = tuple(
        Axis(name=name, values=ordered(set(np.array(words, dtype=object)[np.unique(index)])), role=role)
        for name, role, (words, index) in zip(names, meant, columns, strict=True)
    )
    codes = np.empty((counts.size, len(axes)), dtype=np.int32)
    for i, (axis, (words, index)) in enumerate(zip(axes, columns, strict=True)):
        codes[:, i] = _positions(axis, words)[index]
    unsummed = Cube(axes=axes, codes=codes, counts=counts, weights=weights, favorable=favorable, notes=notes)
    codes, sums = collapsed(codes, _sums(unsummed))
    return _cube(axes, codes, sums, weighted=weights is not None, like=unsummed)


def collapsed(codes: Codes, sums: npt.NDArray[Any]) -> tuple[Codes, npt.NDArray[Any]]:
    """The same with equal rows of codes added up, in ascending order of codes; `sums` has one row per cell."""
    if len(sums):
        order = np.lexsort(codes.T[::-1])
        codes, sums = codes[order], sums[order]
        starts = np.flatnonzero(np.concatenate([[True], (codes[1:] != codes[:-1]).any(axis=1)]))
        codes, sums = codes[starts], np.add.reduceat(sums, starts)
    codes.flags.writeable = sums.flags.writeable = False
    return codes, sums


def _shape(cube: Cube) -> tuple[object, ...]:
    return [(a.name, a.role) for a in cube.axes], cube.favorable, cube.weights is None, cube.notes


def _sums(cube: Cube) -> npt.NDArray[Any]:
    """Rows and, where rows have weights, the sums of these: whatever adds up, one column each."""
    if cube.weights is None:
        return cube.counts[:, None]
    return np.column_stack([cube.counts, cube.weights])


def _cube(
    axes: tuple[Axis, ...], codes: Codes, sums: npt.NDArray[Any], *, weighted: bool, like: Cube
) -> Cube:
    return replace(
        like,
        axes=axes,
        codes=codes,
        counts=sums[:, 0].astype(np.int64),
        weights=sums[:, 1:] if weighted else None,
    )


def ordered(values: set[str | None]) -> tuple[str | None, ...]:
    """Numbers and bands of numbers by size, then texts in text order, then None."""
    return tuple(sorted(values, key=_place))


def _place(value: str | None) -> tuple[int, float, str]:
    if value is None:
        return 2, 0.0, ""
    number = _NUMBER.fullmatch(value)
    if number is None:
        return 1, 0.0, value
    return 0, -math.inf if number[1] else float(number[2]), value


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
