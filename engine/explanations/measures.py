"""Measures of performance, each with how every row sways it. To add one: a name and its tasks in performance.py, a row of MEASURES.

The influence of a row is what a little more weight on it would do to the measure; the variance of a measure, or of a
difference of two on the same rows, is that of its influences over the number of rows (Hampel, JASA 1974). For the area
under the curve that is DeLong's variance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.answers import text
from engine.explanations.performance import Performance
from engine.models.scorer import Numbers
from engine.models.signature import Signature, Task
from engine.models.values import class_spellings
from engine.values import LARGEST

LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Of a true class, as scikit-learn's log loss has it."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measure, and how each row sways it."""

    value: float | None
    """None where it is undefined."""
    influence: Numbers
    """(rows,)"""
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What of, and how."""

    of: Callable[[Numbers, Numbers], Measured]
    """From the labels, as places of classes or as values, and the scores (rows, classes) or (rows, 1)."""


def labels(column: "pd.Series[Any]", signature: Signature) -> tuple[Numbers, NDArray[np.bool_]]:
    """The true outcomes as places of the model's classes, or as values; and which rows have one.

    Raises:
        InvalidInput: an outcome is none of the classes, or no number.
    """
    present = column.notna().to_numpy()
    if signature.task is Task.REGRESSION:
        try:
            values = column[present].to_numpy(dtype=float)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"this model predicts a number, and the column {column.name!r} holds texts", at=("label",)
            ) from None
        if not (np.abs(values) <= LARGEST).all():
            raise InvalidInput(
                f"column {column.name!r} holds a number that is not within -{LARGEST:g} and {LARGEST:g}",
                at=("label",),
            )
        return values, present
    of = {name: place for place, name in enumerate(signature.classes)}
    places = {spelt: of[name] for spelt, name in class_spellings(signature.classes).items()}
    names = [text(value) for value in column[present]]
    strange = next((name for name in names if name not in places), None)
    if strange is not None:
        known = ", ".join(map(repr, signature.classes[:20]))
        raise InvalidInput(
            f"the label {strange!r} in column {column.name!r} is none of the model's classes {known}",
            at=("label",),
        )
    return np.array([places[name or ""] for name in names], dtype=float), present


def _mean(rows: Numbers) -> Measured:
    return Measured(value=float(rows.mean()), influence=rows - rows.mean())


def _right(truth: Numbers, scores: Numbers) -> NDArray[np.bool_]:
    return np.asarray(scores.argmax(axis=1) == truth)


def _auc(truth: Numbers, scores: Numbers) -> Measured:
    positive = truth == 1
    n, of_second = len(truth), int(positive.sum())
    of_first = n - of_second
    if not of_first or not of_second:
        reason = "all rows have the same label, so there is no area under the curve"
        return Measured(value=None, influence=np.zeros(n), reason=reason)
    order = np.argsort(scores[:, 1])
    score, of_sorted = scores[order, 1], positive[order]
    starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
    alike = np.diff(np.append(starts, n))  # rows with equal scores
    second = np.add.reduceat(of_sorted, starts, dtype=float)
    first = alike - second
    lower = (np.cumsum(first) - first / 2) / of_first  # a tie is half a pair on the right side
    higher = 1 - (np.cumsum(second) - second / 2) / of_second
    below = np.empty(n)  # share of the other class that a row is on the right side of
    below[order] = np.where(of_sorted, np.repeat(lower, alike), np.repeat(higher, alike))
    value = float(below[positive].mean())
    influence = (below - value) * n / np.where(positive, of_second, of_first)
    return Measured(value=value, influence=influence)


def _balanced(truth: Numbers, scores: Numbers) -> Measured:
    right, influence, recalls = _right(truth, scores), np.zeros(len(truth)), []
    present = np.unique(truth)
    for place in present:
        of_class = truth == place
        recall = float(right[of_class].mean())
        recalls.append(recall)
        influence[of_class] = (right[of_class] - recall) * len(truth) / of_class.sum() / len(present)
    return Measured(value=float(np.mean(recalls)), influence=influence)


def _f1(truth: Numbers, scores: Numbers) -> Measured:
    guess = scores.argmax(axis=1)
    places = [1] if scores.shape[1] == 2 else [int(place) for place in np.union1d(truth, guess)]
    values, influence = [], np.zeros(len(truth))
    for place in places:
        hits = 2.0 * ((truth == place) & (guess == place))
        whole = (truth == place).astype(float) + (guess == place)
        if not whole.any():
            reason = "no row has the second class, and none is given it, so F1 is undefined"
            return Measured(value=None, influence=influence, reason=reason)
        value = float(hits.sum() / whole.sum())
        values.append(value)
        influence += (hits - value * whole) / whole.mean() / len(places)
    return Measured(value=float(np.mean(values)), influence=influence)


def _log_loss(truth: Numbers, scores: Numbers) -> Measured:
    own = scores[np.arange(len(truth)), truth.astype(int)]
    return _mean(np.log(np.clip(own, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)))


def _brier(truth: Numbers, scores: Numbers) -> Measured:
    if scores.shape[1] == 2:
        return _mean(-((scores[:, 1] - truth) ** 2))
    own = truth[:, None] == np.arange(scores.shape[1])
    return _mean(np.asarray(-((scores - own) ** 2).sum(axis=1), dtype=np.float64))


def _r2(truth: Numbers, scores: Numbers) -> Measured:
    squares, spread = (truth - scores[:, 0]) ** 2, (truth - truth.mean()) ** 2
    error, variance = float(squares.mean()), float(spread.mean())
    if not variance:
        reason = "all rows have the same value, so there is no variance to explain"
        return Measured(value=None, influence=np.zeros(len(truth)), reason=reason)
    influence = -(squares - error) / variance + error / variance**2 * (spread - variance)
    return Measured(value=1 - error / variance, influence=influence)


def _root_mean_square(truth: Numbers, scores: Numbers) -> Measured:
    squares = (truth - scores[:, 0]) ** 2
    root = float(squares.mean()) ** 0.5
    influence = -(squares - root**2) / (2 * root) if root else np.zeros(len(truth))
    return Measured(value=-root, influence=influence)


MEASURES: Mapping[Performance, Measure] = MappingProxyType(
    {
        Performance.ROC_AUC: Measure(of=_auc),
        Performance.ACCURACY: Measure(
            of=lambda truth, scores: _mean(_right(truth, scores).astype(np.float64))
        ),
        Performance.BALANCED_ACCURACY: Measure(of=_balanced),
        Performance.F1: Measure(of=_f1),
        Performance.LOG_LOSS: Measure(of=_log_loss),
        Performance.BRIER: Measure(of=_brier),
        Performance.R2: Measure(of=_r2),
        Performance.MEAN_ABSOLUTE_ERROR: Measure(
            of=lambda truth, scores: _mean(np.asarray(-np.abs(truth - scores[:, 0]), dtype=np.float64)),
        ),
        Performance.ROOT_MEAN_SQUARED_ERROR: Measure(of=_root_mean_square),
    }
)
