"""Shapley values of any model from sampled orders of its features, with a standard error.

Features join in a random order, and each is credited with what it changes; then in the reverse order (antithetic
pairs, which take out most of the noise of pairwise interactions). Each pair stands on one background row and all rows
get equally many pairs, so the whole background is used and the values add up exactly: for a given number of
evaluations that is better than averaging every coalition over all of the background.
Source: Strumbelj and Kononenko, 2014; antithetic pairs: Mitchell, Cooper, Frank and Holmes, JMLR 2022.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.mixing import BLOCK, Mixer
from engine.explanations.spending import for_each_row
from engine.models.scorer import Numbers


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Estimates of Shapley values."""

    values: Numbers
    """(features,)"""
    standard_errors: Numbers | None
    """(features,), of the order of the features given the background; None where one pair in all was drawn."""


def cost(pairs: int, features: int, rows: int) -> int:
    """Evaluations for each row explained, where each of so many background rows gets so many pairs."""
    return pairs * 2 * max(1, features - 1) * rows


def pairs_for(budget: int | None, features: int, rows: int, explained: int = 1) -> int:
    """How many antithetic pairs each background row gets, where so many rows are explained.

    Raises:
        InvalidInput: the budget does not reach for one pair each.
    """
    one_each = cost(1, features, rows)
    if budget is None:
        return max(1, for_each_row(explained) // one_each)
    if budget < one_each:
        raise InvalidInput(
            f"a budget of {budget:,} evaluations is too small for {features} features and {rows:,} background rows:"
            f" they need {one_each:,}; raise the budget, or take fewer background_rows",
            at=("budget",),
        )
    return budget // one_each


def values(
    mixer: Mixer, row: pd.DataFrame, output: float, pairs: int, generator: np.random.Generator
) -> Sampled:
    """Estimate the interventional Shapley values of one row, whose answer is `output`."""
    features = len(mixer.names)
    stand_ins = np.repeat(np.arange(mixer.rows), pairs)
    at_once = max(1, BLOCK // (2 * max(1, features - 1)))
    found = np.concatenate(
        [
            _pair_values(mixer, row, stand_ins[start : start + at_once], output, generator)
            for start in range(0, len(stand_ins), at_once)
        ]
    )
    return Sampled(
        values=found.mean(axis=0), standard_errors=_errors(found.reshape(mixer.rows, pairs, features))
    )


def _pair_values(
    mixer: Mixer,
    row: pd.DataFrame,
    stand_ins: NDArray[np.intp],
    output: float,
    generator: np.random.Generator,
) -> Numbers:
    """(pairs, features): what each feature changed on the way, on average over there and back."""
    features = len(mixer.names)
    there = generator.permuted(np.tile(np.arange(features), (len(stand_ins), 1)), axis=1)
    orders = np.concatenate([there, there[:, ::-1]])
    stand_ins = np.tile(stand_ins, 2)
    joined = np.argsort(orders, axis=1)  # when each feature joins
    known = joined[:, None, :] < np.arange(1, features)[None, :, None]
    scores = mixer.mixed(row, known.reshape(-1, features), np.repeat(stand_ins, features - 1))
    path = np.column_stack(
        [
            mixer.alone[stand_ins],
            scores.reshape(len(orders), features - 1),
            np.full(len(orders), output),
        ]
    )
    np.put_along_axis(changes := np.empty(orders.shape), orders, np.diff(path, axis=1), axis=1)
    total: Numbers = changes[: len(there)] + changes[len(there) :]
    return total / 2


def _errors(found: Numbers) -> Numbers | None:
    """Standard errors from (background rows, pairs, features).

    With several pairs for each row, from their spread within the rows, for all rows take part. With one each, from the
    spread over all, which also holds how the rows differ and so is too large rather than too small.
    """
    rows, pairs, _ = found.shape
    if rows * pairs == 1:
        return None
    if pairs == 1:
        return np.asarray(found[:, 0].std(axis=0, ddof=1) / np.sqrt(rows))
    within = found.var(axis=1, ddof=1).mean(axis=0)
    return np.asarray(np.sqrt(within / (rows * pairs)))
