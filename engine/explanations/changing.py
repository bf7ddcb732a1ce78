"""What may change in a counterfactual, to which values, and how far that is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from engine.explanations.answers import measured, text
from engine.explanations.case import Case
from engine.explanations.options import AllowedChange
from engine.models.scorer import Numbers
from engine.models.values import truth
from engine.values import LARGEST

VALUES = 24
"""Values of a feature that the search tries: quantiles of the background, or its categories."""
DIGITS = 4
"""Of a number that people read easily; tried in place of one with more."""
MOST_DECIMALS = 9

Change = Mapping[int, Any]
"""New values, by the place of the feature; none is the row's own."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """The features of a case as a search changes them."""

    names: Sequence[str]
    allowed: Mapping[int, AllowedChange]
    chosen: bool
    """Whether a person named what may change, and so meant each of them, missing values included."""
    background: Mapping[int, NDArray[Any]]
    texts: Mapping[int, NDArray[Any]]
    """Of what is no number, in text form."""
    permitted: NDArray[np.bool_]
    """(background rows, features): whether the feature may take the value of the row."""
    scores: Numbers
    """(background rows, classes)"""
    values: Mapping[int, list[Any]]
    """Those the search tries of each feature that may change."""
    scales: Mapping[int, float | None]
    """Of numbers the median absolute deviation; None of others, where any change is 1."""
    decimals: Mapping[int, int | None]
    """Places behind the point that the values of a column have; None where they have no such end."""

    @classmethod
    def of(cls, case: Case) -> "Field":
        """What the options allow, with the background's values."""
        named = {
            each.feature: _of_truths(each) if each.feature in case.truths else each
            for each in case.options.changes
        }
        allowed = {
            j: named.get(name) or AllowedChange(feature=name)
            for j, name in enumerate(case.names)
            if name in named or not named
        }
        columns = {j: case.background[name] for j, name in enumerate(case.names)}
        numbers = {j for j, column in columns.items() if is_numeric_dtype(column)}
        decimals = {j: _decimals(columns[j]) if j in numbers else None for j in columns}
        permitted = np.zeros((len(case.background), len(columns)), dtype=bool)
        for j, asked in allowed.items():
            permitted[:, j] = _permitted(columns[j], asked, j in numbers)
        return cls(
            names=case.names,
            allowed=allowed,
            chosen=bool(named),
            background={j: column.to_numpy() for j, column in columns.items()},
            texts={j: columns[j].map(text).to_numpy(object) for j in columns.keys() - numbers},
            permitted=permitted,
            scores=case.scorer.scores(case.background),
            values={j: _tried(columns[j], allowed[j], j in numbers, decimals[j]) for j in allowed},
            scales={j: _scale(columns[j]) if j in numbers else None for j in columns},
            decimals=decimals,
        )

    def permits(self, j: int, value: float) -> bool:
        """Whether a number may take a value."""
        asked = self.allowed[j]
        return (asked.low is None or value >= asked.low) and (asked.high is None or value <= asked.high)

    def measurable(self, j: int, own: Any) -> bool:
        """Whether it can be said how far a row's own value is from others."""
        return self.scales[j] is None or text(own) is None or abs(float(own)) <= LARGEST

    def far(self, j: int, before: Any, after: Any) -> float:
        """How far a change is; one from a missing value is 1, as between categories."""
        if text(before) == text(after):
            return 0.0
        scale = self.scales[j]
        return 1.0 if scale is None or text(before) is None else abs(float(after) - float(before)) / scale

    def between(self, j: int, good: float, own: float, parts: int) -> list[float]:
        """Up to so many values from near one's own to near a good one, with the column's decimals, that are allowed."""
        inner = np.linspace(own, good, parts + 2)[1:-1]
        places = self.decimals[j]
        values = inner if places is None else np.round(inner, places)
        return [
            float(value)
            for value in dict.fromkeys(values)
            if min(own, good) < value < max(own, good) and self.permits(j, value)
        ]

    def readable(self, j: int, value: float, own: float) -> list[float]:
        """Values of few digits near one that is good: the nearest first, then the next one away from one's own."""
        near = float(f"{value:.{DIGITS}g}")
        if near == value:
            return []
        step = 10.0 ** (np.floor(np.log10(abs(value))) - DIGITS + 1)
        away = float(f"{near + np.copysign(step, value - own):.{DIGITS}g}")
        return [each for each in (near, away) if self.permits(j, each)]


def _of_truths(asked: AllowedChange) -> AllowedChange:
    """Truth values that are named, as the numbers that rows hold."""
    values = [float(value) for each in asked.categories if (value := truth(each)) is not None]
    return replace(asked, categories=(), low=min(values), high=max(values)) if values else asked


def _permitted(column: "pd.Series[Any]", asked: AllowedChange, number: bool) -> NDArray[np.bool_]:
    there = column.notna()
    if not number:
        return np.asarray(
            there & (column.map(text).isin(list(asked.categories)) if asked.categories else True)
        )
    low = -LARGEST if asked.low is None else max(asked.low, -LARGEST)
    high = LARGEST if asked.high is None else min(asked.high, LARGEST)
    return np.asarray(there & (column >= low) & (column <= high))


def _tried(column: "pd.Series[Any]", asked: AllowedChange, number: bool, decimals: int | None) -> list[Any]:
    present = column.dropna()
    if not number:
        return list(asked.categories) or list(present.value_counts().index[:VALUES])
    present = present[present.abs() <= LARGEST]
    low = present.min() if asked.low is None else asked.low
    high = present.max() if asked.high is None else asked.high
    inside = present[(present >= low) & (present <= high)]
    drawn: Iterable[Any] = (
        np.quantile(inside, np.linspace(0, 1, VALUES), method="nearest") if len(inside) else []
    )
    ends = [_end(asked.low, decimals, ceil), _end(asked.high, decimals, floor)]
    given = [end for end in ends if end is not None and low <= end <= high]
    return sorted({float(value) for value in [*drawn, *given]})


def _end(value: float | None, decimals: int | None, whole: Callable[[float], float]) -> float | None:
    """The end of a range, moved inwards to the column's decimals."""
    if value is None or decimals is None or round(value, decimals) == value:
        return value
    moved: float = whole(value * 10.0**decimals) / 10.0**decimals
    return round(moved, decimals)


def _decimals(column: "pd.Series[Any]") -> int | None:
    present = measured(column)
    return next((n for n in range(MOST_DECIMALS) if np.array_equal(np.round(present, n), present)), None)


def _scale(column: "pd.Series[Any]") -> float:
    """The median absolute deviation; of mostly equal values their standard deviation; of all equal ones 1."""
    present = measured(column)
    if not len(present):
        return 1.0
    deviation = float(np.median(np.abs(present - np.median(present))))
    return deviation or float(present.std()) or 1.0
