"""What is favourable: from the texts of label and prediction to yes and no, and to tables of groups."""

import re
from dataclasses import dataclass

import numpy as np

from engine.errors import InvalidInput
from engine.fairness.cube import Axis, Codes, Counts, Cube, collapsed
from engine.fairness.words import CROSS

ENCODINGS = (("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"))
"""Pairs that need no explanation, unfavourable first, in lower case."""
MISSING = "(missing)"
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The cube with label and prediction read as favourable or not; rows lacking one left out."""

    protected: tuple[Axis, ...]
    codes: Codes
    """Shape (cells, attributes + 2): values of the attributes, then label and prediction as 0 or 1."""
    counts: Counts
    """Shape (cells,): rows."""
    favorable: str
    rows: int
    """All rows, the excluded ones included."""
    excluded: int
    exclusion_reason: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Counts of label by prediction within each group of some attributes."""

    attributes: tuple[str, ...]
    groups: tuple[tuple[str | None, ...], ...]
    """The values of each group, in the order of the axes; only groups that have rows."""
    names: tuple[str, ...]
    counts: Counts
    """Shape (groups, 2, 2): label by prediction, 1 being favourable."""


def decisions(cube: Cube) -> Decisions:
    """Read a cube's labels and predictions as favourable or not.

    Raises:
        InvalidInput: the values are no known pair and no favourable one was named; the one that was
            named does not occur; or no row has both a label and a prediction.
    """
    read = [_favorable(axis, cube) for axis in (cube.label, cube.prediction)]
    outcomes = np.stack([now[cube.codes[:, i]] for i, (now, _) in zip((-2, -1), read, strict=True)], axis=1)
    lacking = outcomes < 0
    kept = ~lacking.any(axis=1)
    if not kept.any():
        raise InvalidInput("no row has both a label and a prediction")
    codes, counts = collapsed(
        np.concatenate([cube.codes[kept, :-2], outcomes[kept]], axis=1).astype(np.int32), cube.counts[kept]
    )
    no_label, no_prediction = (int(cube.counts[lacking[:, i]].sum()) for i in (0, 1))
    excluded = cube.rows - int(counts.sum())
    return Decisions(
        protected=cube.protected,
        codes=codes,
        counts=counts,
        favorable=_both([word for _, word in read]),
        rows=cube.rows,
        excluded=excluded,
        exclusion_reason=(
            f"{no_label:,} rows have no label and {no_prediction:,} have no prediction" if excluded else None
        ),
    )


def favorable_predictions(cube: Cube) -> tuple[str, ...]:
    """The texts of a favourable prediction; errors as for `decisions`."""
    read, _ = _favorable(cube.prediction, cube)
    return tuple(v for v, yes in zip(cube.prediction.values, read, strict=True) if v is not None and yes == 1)


def table(data: Decisions, attributes: tuple[int, ...]) -> Table:
    """The groups of some attributes, by their positions, with all others summed out."""
    codes, counts = collapsed(data.codes[:, [*attributes, -2, -1]], data.counts)
    first = np.flatnonzero(np.concatenate([[True], (codes[1:, :-2] != codes[:-1, :-2]).any(axis=1)]))
    group = np.repeat(np.arange(first.size), np.diff([*first, counts.size]))
    cells = np.zeros((first.size, 2, 2), dtype=np.int64)
    cells[group, codes[:, -2], codes[:, -1]] = counts
    axes = [data.protected[i] for i in attributes]
    values = tuple(
        tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in codes[first, :-2]
    )
    shown = [_shown(axis) for axis in axes]
    return Table(
        attributes=tuple(axis.name for axis in axes),
        groups=values,
        names=tuple(
            CROSS.join(words[value] for words, value in zip(shown, row, strict=True)) for row in values
        ),
        counts=cells,
    )


def _favorable(axis: Axis, cube: Cube) -> tuple[Codes, str | None]:
    """1, 0 or -1 (missing) for each value of an axis, and the favourable value as written."""
    present = [value for value in axis.values if value is not None]
    if cube.favorable is not None:
        _refuse_unseen(cube.favorable, axis, cube)
        yes = {value for value in present if _same(value, cube.favorable)}
        word: str | None = cube.favorable
    else:
        lowered = {value.strip().lower() for value in present}
        pair = next((pair for pair in ENCODINGS if lowered <= set(pair)), None)
        if pair is None:
            raise InvalidInput(
                f"column {axis.name!r} holds {_listed(present)}; name the favourable value, as these are not"
                " 0/1, -1/1, false/true or no/yes",
                at=("favorable",),
            )
        yes = {value for value in present if value.strip().lower() == pair[1]}
        word = min(yes, default=None)
    return np.array(
        [-1 if value is None else int(value in yes) for value in axis.values], dtype=np.int32
    ), word


def _refuse_unseen(favorable: str, axis: Axis, cube: Cube) -> None:
    """A column without the favourable value is fine only where it speaks the language of the other one.

    Labels yes/no with predictions Yes/No would otherwise read as nobody ever selected.
    """
    found = dict.fromkeys(v for axis in (cube.label, cube.prediction) for v in axis.values if v is not None)
    if not any(_same(value, favorable) for value in found):
        raise InvalidInput(
            f"the favourable value {favorable!r} occurs neither as label nor as prediction; these are"
            f" {_listed(list(found))}",
            at=("favorable",),
        )
    present = [value for value in axis.values if value is not None]
    other = cube.prediction if axis is cube.label else cube.label
    if not any(_same(value, favorable) for value in present) and not set(present) <= set(other.values):
        raise InvalidInput(
            f"the favourable value {favorable!r} does not occur in column {axis.name!r}, which holds"
            f" {_listed(present)}; write both columns alike",
            at=("favorable",),
        )


def _same(value: str, favorable: str) -> bool:
    if value == favorable:
        return True
    numbers = [float(text) for text in (value, favorable) if _NUMBER.fullmatch(text)]
    return len(numbers) == 2 and numbers[0] == numbers[1]


def _both(words: list[str | None]) -> str:
    label, prediction = words
    if label is not None and prediction is not None and label != prediction:
        return f"{label} (label), {prediction} (prediction)"
    return label or prediction or "(none occurs)"


def _listed(values: list[str]) -> str:
    some = ", ".join(repr(value if len(value) <= 40 else value[:39] + "…") for value in values[:5])
    return f"{some} and {len(values) - 5:,} more" if len(values) > 5 else some


def _shown(axis: Axis) -> dict[str | None, str]:
    """Names of an axis' values, distinct even where a value holds our own signs."""
    missing = MISSING
    while missing in axis.values:
        missing = f"({missing})"
    return {
        value: missing if value is None else f'"{value}"' if CROSS in value else value
        for value in axis.values
    }
