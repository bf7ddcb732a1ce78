"""Which of a model's answers is explained, as one column of numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.models.scorer import Inside, Numbers, Scorer, bounded
from engine.models.signature import Task
from engine.models.values import place_of, truth
from engine.values import LARGEST

EXACT = 2**53
"""Whole numbers below this are told apart as floating-point numbers."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One class of a model, or its predicted value."""

    place: int
    """Of the class in `signature.classes`; 0 for a regression."""
    name: str | None
    """Of the class; None for a regression."""

    def score(self, scorer: Scorer, rows: pd.DataFrame) -> Numbers:
        """(rows,): the probability of the class, or the value."""
        return scorer.scores(rows)[:, self.place]

    def of_margins(self, values: Numbers) -> Numbers:
        """What belongs to this answer of an array whose last axis is the margins of a core.

        With one margin for two classes, the first class has it with the sign turned.
        """
        if values.shape[-1] == 1:
            return -values[..., 0] if self.name is not None and self.place == 0 else values[..., 0]
        return values[..., self.place]

    def margin(self, inside: Inside, encoded: Numbers) -> Numbers:
        """(rows,): what attributions to this answer add up to, in the core's units, but for a constant.

        Of the first class of a probability p this is -p: its own is 1 - p.
        """
        return self.of_margins(bounded(inside.core.margins(encoded)))


def chosen(scorer: Scorer, name: str | None) -> Answer | None:
    """The answer that was asked for; None where each row is to explain the class it is given.

    Raises:
        InvalidInput: the model has no such class.
    """
    signature = scorer.signature
    if name is not None:
        place = place_of(signature, name, ("explained_class",))
        return Answer(place=place, name=signature.classes[place])
    if signature.task is Task.REGRESSION:
        return Answer(place=0, name=None)
    if signature.task is Task.BINARY:
        return Answer(place=1, name=signature.classes[1])
    return None


def every(scorer: Scorer) -> list[Answer]:
    """All answers of a model, in the order of its scores."""
    if scorer.signature.task is Task.REGRESSION:
        return [Answer(place=0, name=None)]
    return [Answer(place=place, name=name) for place, name in enumerate(scorer.signature.classes)]


def predicted(scorer: Scorer, scores: Numbers) -> list[str]:
    """The class with the highest score of each row, or the value, in its text form."""
    if scorer.signature.task is Task.REGRESSION:
        return [text(value) or "" for value in scores[:, 0]]
    return [scorer.signature.classes[place] for place in np.argmax(scores, axis=1)]


def row_named(row: int | None) -> str:
    """A row as a sentence begins with it."""
    return "The given row" if row is None else f"Row {row}"


def text(value: object) -> str | None:
    """A value of a row as a person reads it; None is missing."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float | np.floating):
        number = float(value)
        if np.isnan(number):
            return None
        whole = number.is_integer() and abs(number) < EXACT  # as an identifier, of which each digit counts
        return str(int(number)) if whole else f"{number:.12g}"
    return str(value)


def text_of_truth(value: object) -> str | None:
    """A value of a column of truth values, which rows hold as 0 and 1, as tables show it: false or true."""
    found = text(value)
    held = None if found is None else truth(found)
    return found if held is None else str(held).lower()


def measured(column: "pd.Series[Any]") -> Numbers:
    """The numbers of a column that can be computed with."""
    present = column.dropna().to_numpy(dtype=float)
    return np.asarray(present[np.abs(present) <= LARGEST], np.float64)
