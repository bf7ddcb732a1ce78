"""What decisions say: from the texts of label and prediction to classes, and to tables of groups."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.cube import Axis, Codes, Cube, Role, collapsed
from engine.fairness.quantity import Cells
from engine.fairness.reading import shortened
from engine.fairness.tables import Table, names_of
from engine.fairness.words import so_many

ENCODINGS = (("0", "1"), ("-1", "1"), ("false", "true"), ("no", "yes"))
"""Pairs that need no explanation, unfavourable first, in lower case."""
MAX_CLASSES = 20
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The cube with label and prediction read as classes; rows without a prediction left out."""

    protected: tuple[Axis, ...]
    stratum: Axis | None
    classes: tuple[str, ...]
    """Names of the classes; of a binary decision the unfavourable and the favourable one."""
    codes: Codes
    """Shape (cells, attributes + 3): values of the attributes, stratum, label and prediction; a missing
    label is len(classes), and the stratum is 0 where there is none."""
    sums: npt.NDArray[Any]
    """Shape (cells, 1 or 3): rows, and where rows have weights the sums of these and of their squares."""
    favorable: str
    rows: int
    """All rows, the excluded ones included."""
    excluded: int
    exclusion_reason: str | None
    notes: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[int, ...]:
        """The classes that are compared one against the rest: the favourable one, or all of more than two."""
        return (1,) if len(self.classes) == 2 else tuple(range(len(self.classes)))


def decisions(cube: Cube, missing: str = "prediction") -> Decisions:
    """Read a cube's labels and predictions as classes.

    Args:
        cube: the counts.
        missing: what rows without a prediction lack, in words.

    Raises:
        InvalidInput: the values are no known pair and no favourable one was named; the one that was
            named does not occur; there are more than 20 classes; or no row has a prediction.
    """
    label, prediction, stratum = (cube.place(role) for role in (Role.LABEL, Role.PREDICTION, Role.STRATUM))
    if prediction is None:
        raise InvalidInput("there is no prediction to judge", at=("prediction",))
    places = [place for place in (label, prediction) if place is not None]
    axes = [cube.axes[place] for place in places]
    classes = _classes(axes) if cube.favorable is None else None
    if classes is None:
        found = [_favorable(axis, cube, axes) for axis in axes]
        reads, favorable = [codes for codes, _ in found], _both(axes, [word for _, word in found])
        classes = f"not {favorable}", favorable
    else:
        reads, favorable = [_in_classes(axis, classes) for axis in axes], "each class in turn"
    read = [now[cube.codes[:, place]] for now, place in zip(reads, places, strict=True)]
    predicted = read[-1]
    labelled = read[0] if label is not None else np.full_like(predicted, -1)
    kept = predicted >= 0
    if not kept.any():
        raise InvalidInput(f"no row has a {missing}")
    within = np.zeros_like(predicted) if stratum is None else cube.codes[:, stratum]
    attributes = [i for i, axis in enumerate(cube.axes) if axis.role is Role.PROTECTED]
    columns = [cube.codes[:, attributes], within, np.where(labelled < 0, len(classes), labelled), predicted]
    sums = cube.counts[:, None] if cube.weights is None else np.column_stack([cube.counts, cube.weights])
    codes, sums = collapsed(np.column_stack(columns)[kept].astype(np.int32), sums[kept])
    if cube.weights is not None and not sums[:, 1].any():
        raise InvalidInput("every row with a prediction has the weight 0", at=("weights",))
    excluded = cube.rows - int(sums[:, 0].sum())
    unlabelled = int(sums[codes[:, -2] == len(classes), 0].sum())
    return Decisions(
        protected=cube.protected,
        stratum=None if stratum is None else cube.axes[stratum],
        classes=classes,
        codes=codes,
        sums=sums,
        favorable=favorable,
        rows=cube.rows,
        excluded=excluded,
        exclusion_reason=so_many(excluded, f"rows have no {missing}") if excluded else None,
        notes=(
            *cube.notes,
            *_on_labels(label is not None, unlabelled),
            *_on_weights(cube.weights is not None),
        ),
    )


def predicted_classes(cube: Cube) -> dict[str, int]:
    """The code of the class that each text of a prediction says; errors as for `decisions`."""
    place = cube.place(Role.PREDICTION)
    label = cube.place(Role.LABEL)
    if place is None:
        return {}
    axis = cube.axes[place]
    axes = [axis] if label is None else [cube.axes[label], axis]
    classes = _classes(axes) if cube.favorable is None else None
    codes = _favorable(axis, cube, axes)[0] if classes is None else _in_classes(axis, classes)
    return {v: int(code) for v, code in zip(axis.values, codes, strict=True) if v is not None}


def favorable_labels(cube: Cube) -> tuple[str, ...]:
    """The texts of a favourable label, none where classes are judged one by one; errors as for `decisions`."""
    places = [place for role in (Role.LABEL, Role.PREDICTION) if (place := cube.place(role)) is not None]
    axes = [cube.axes[place] for place in places]
    if not axes or axes[0].role is not Role.LABEL or (cube.favorable is None and _classes(axes) is not None):
        return ()
    read, _ = _favorable(axes[0], cube, axes)
    return tuple(v for v, yes in zip(axes[0].values, read, strict=True) if v is not None and yes == 1)


def table(data: Decisions, attributes: tuple[int, ...], kind: Cells = Cells.OUTCOMES) -> Table:
    """The groups of some attributes, by their positions, with all others summed out.

    Cells are counts of label by prediction, shape (groups, classes + 1, classes), or of stratum by
    prediction, shape (groups, strata, 2). Where rows have weights they are sums of weights, scaled to the
    effective number of rows, (sum of weights)^2 / sum of squared weights (Kish): each group by itself, but all
    alike with strata, where groups are shares of each other.
    """
    classes = len(data.classes)
    if kind is Cells.STRATA:
        strata = 1 if data.stratum is None else len(data.stratum.values)
        inner, shape = data.codes[:, [-3, -1]], (strata, classes)
    else:
        inner, shape = data.codes[:, [-2, -1]], (classes + 1, classes)
    codes, sums = collapsed(np.column_stack([data.codes[:, list(attributes)], inner]), data.sums)
    own = codes[:, :-2]
    first = np.flatnonzero(np.concatenate([[True], (own[1:] != own[:-1]).any(axis=1)]))
    group = np.repeat(np.arange(first.size), np.diff([*first, len(codes)]))
    spread = np.zeros((sums.shape[1], first.size, *shape), dtype=sums.dtype)
    spread[:, group, codes[:, -2], codes[:, -1]] = sums.T
    axes = [data.protected[i] for i in attributes]
    values = tuple(
        tuple(axis.values[code] for axis, code in zip(axes, row, strict=True)) for row in own[first]
    )
    cells = spread[0]
    if len(spread) > 1:
        weight, square = (each.sum((1, 2), keepdims=True) for each in spread[1:])
        if kind is Cells.STRATA:
            weight, square = weight.sum(0, keepdims=True), square.sum(0, keepdims=True)
        cells = _settled(spread[1] * np.divide(weight, square, out=np.zeros_like(weight), where=square > 0))
    return Table(
        kind=kind,
        attributes=tuple(axis.name for axis in axes),
        groups=values,
        names=names_of(axes, values),
        rows=spread[0].sum((1, 2)).astype(np.int64),
        cells=cells,
        outcomes=data.outcomes if kind is Cells.OUTCOMES else (1,),
        classes=data.classes,
    )


def _settled(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cells in 13 digits, so that the order in which weights were added up shows in no draw."""
    with np.errstate(divide="ignore"):
        scale = 10.0 ** np.where(cells > 0, 12 - np.floor(np.log10(cells)), 0)
    settled: npt.NDArray[np.float64] = np.round(cells * scale) / scale
    return settled


def _on_labels(there: bool, unlabelled: int) -> tuple[str, ...]:
    if not there:
        return ("There is no label, so only selection is compared.",)
    if unlabelled:
        what = "it counts" if unlabelled == 1 else "they count"
        return (f"{so_many(unlabelled, 'rows have no label')}; {what} in selection rates and nowhere else.",)
    return ()


def _on_weights(there: bool) -> tuple[str, ...]:
    if not there:
        return ()
    return (
        "Rows count by their weights. For intervals, and to see whether a rate rests on minGroupSize rows, a group"
        " counts as its effective number of rows, (sum of weights)^2 / sum of squared weights (Kish).",
    )


def _classes(axes: Sequence[Axis]) -> tuple[str, ...] | None:
    """The classes of more than two, or None for a binary decision."""
    present = {value for axis in axes for value in axis.values if value is not None}
    lowered = [{value.strip().lower() for value in axis.values if value is not None} for axis in axes]
    if all(any(words <= set(pair) for pair in ENCODINGS) for words in lowered) or len(present) <= 2:
        return None
    _refuse_strangers(axes)
    if len(present) > MAX_CLASSES:
        raise InvalidInput(
            f"label and prediction hold {len(present)} classes; at most {MAX_CLASSES} can be compared one by one."
            " Name a favourable value, or group the classes",
            at=("favorable",),
        )
    return tuple(sorted(present))


def refuse_other_labels(cube: Cube) -> None:
    """Refuse labels that are no pair, where decisions are whether a score reaches its threshold: these are two.

    Raises:
        InvalidInput: no favourable value says which of the labels goes with the higher scores.
    """
    place = cube.place(Role.LABEL)
    if place is None or cube.favorable is not None:
        return
    axis = cube.axes[place]
    held = [value for value in axis.values if value is not None]
    if not any({value.strip().lower() for value in held} <= set(pair) for pair in ENCODINGS):
        raise InvalidInput(
            f"a score and its threshold tell two outcomes apart, and label column {axis.name!r} holds"
            f" {_listed(held)}: name the favourable value, or give a prediction",
            at=("favorable",),
        )


def _refuse_strangers(axes: Sequence[Axis]) -> None:
    """Labels good/bad with predictions 0/1, or with Good/Bad, are no four classes."""
    held = [[value for value in axis.values if value is not None] for axis in axes]
    if len(held) < 2 or set(held[0]) <= set(held[1]) or set(held[1]) <= set(held[0]):
        return
    if len(set(held[0]) & set(held[1])) < 2:
        said = " and ".join(
            f"column {axis.name!r} holds {_listed(words)}" for axis, words in zip(axes, held, strict=True)
        )
        raise InvalidInput(
            f"label and prediction speak of different values: {said}; write both alike, or name the favourable value",
            at=("favorable",),
        )


def _in_classes(axis: Axis, classes: tuple[str, ...]) -> Codes:
    place = {word: i for i, word in enumerate(classes)}
    return np.array([-1 if v is None else place[v] for v in axis.values], dtype=np.int32)


def _favorable(axis: Axis, cube: Cube, axes: Sequence[Axis]) -> tuple[Codes, str | None]:
    """1, 0 or -1 (missing) for each value of an axis, and the favourable value as written."""
    present = [value for value in axis.values if value is not None]
    if cube.favorable is not None:
        _refuse_unseen(cube.favorable, axis, axes)
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


def _refuse_unseen(favorable: str, axis: Axis, axes: Sequence[Axis]) -> None:
    """A column without the favourable value is fine only where it speaks the language of the other one.

    Labels yes/no with predictions Yes/No would otherwise read as nobody ever selected.
    """
    found = dict.fromkeys(v for each in axes for v in each.values if v is not None)
    if not any(_same(value, favorable) for value in found):
        raise InvalidInput(
            f"the favourable value {shortened(favorable)} occurs neither as label nor as prediction; these are"
            f" {_listed(list(found))}",
            at=("favorable",),
        )
    present = [value for value in axis.values if value is not None]
    others = {value for each in axes if each is not axis for value in each.values}
    others.add(f"not {favorable}")  # how a score below the threshold reads
    if not any(_same(value, favorable) for value in present) and not set(present) <= others:
        raise InvalidInput(
            f"the favourable value {shortened(favorable)} does not occur in column {axis.name!r}, which holds"
            f" {_listed(present)}; write both columns alike",
            at=("favorable",),
        )


def _same(value: str, favorable: str) -> bool:
    if value == favorable:
        return True
    numbers = [float(text) for text in (value, favorable) if _NUMBER.fullmatch(text)]
    return len(numbers) == 2 and numbers[0] == numbers[1]


def _both(axes: Sequence[Axis], words: Sequence[str | None]) -> str:
    known = {word: axis.role for axis, word in zip(axes, words, strict=True) if word is not None}
    if len(known) > 1:
        return ", ".join(f"{word} ({role})" for word, role in known.items())
    return next(iter(known), "(none occurs)")


def _listed(values: list[str]) -> str:
    some = ", ".join(repr(value if len(value) <= 40 else value[:39] + "…") for value in values[:5])
    return f"{some} and {len(values) - 5:,} more" if len(values) > 5 else some
