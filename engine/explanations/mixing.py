"""Rows that have some features of one row and the others of background rows: what a model is asked about."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.explanations.answers import Answer
from engine.models.scorer import Numbers, Scorer

BLOCK = 40_000
"""Rows that the model is asked about at once: few enough to stay in the processor's cache, and many beside a call's cost."""


class Mixer:
    """Scores of mixtures of one row with background rows.

    Features are those of `scorer.signature.names`, in that order.
    """

    def __init__(self, scorer: Scorer, answer: Answer, background: pd.DataFrame) -> None:
        self.names = list(scorer.signature.names)
        self.background = background[self.names].reset_index(drop=True)
        self.rows = len(self.background)
        self.evaluations = 0
        self._scorer = scorer
        self._answer = answer

    @cached_property
    def alone(self) -> Numbers:
        """(background rows,): scores of the background itself."""
        return self.score(self.background)

    def score(self, rows: pd.DataFrame) -> Numbers:
        """(rows,): the answer that is explained."""
        self.evaluations += len(rows)
        return self._answer.score(self._scorer, rows)

    def mixed(self, row: pd.DataFrame, known: NDArray[np.bool_], stand_ins: NDArray[np.intp]) -> Numbers:
        """Scores of mixtures.

        Args:
            row: the one row that is explained.
            known: (mixtures, features), whether a feature is the row's own.
            stand_ins: (mixtures,), the background row that the other features are from.
        """
        scores = [
            self.score(self._frame(row, known[start : start + BLOCK], stand_ins[start : start + BLOCK]))
            for start in range(0, len(known), BLOCK)
        ]
        return np.concatenate(scores) if scores else np.empty(0)

    @cached_property
    def _columns(self) -> list[NDArray[Any]]:
        return [self.background[name].to_numpy() for name in self.names]

    def _frame(
        self, row: pd.DataFrame, known: NDArray[np.bool_], stand_ins: NDArray[np.intp]
    ) -> pd.DataFrame:
        columns = {}
        for place, (name, others) in enumerate(zip(self.names, self._columns, strict=True)):
            both = np.concatenate([others, row[name].to_numpy()])
            mixed = both[np.where(known[:, place], self.rows, stand_ins)]
            columns[name] = pd.Series(mixed, dtype=mixed.dtype, copy=False)  # texts stay objects
        return pd.DataFrame(columns, copy=False)
