"""Rows that have some features of one row and the others of background rows: what a model is asked about."""

from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.explanations.answers import Answer
from engine.models.scorer import Numbers, Scorer

BLOCK = 200_000
"""Rows that the model is asked about at once; bounds the memory."""


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

    def _frame(
        self, row: pd.DataFrame, known: NDArray[np.bool_], stand_ins: NDArray[np.intp]
    ) -> pd.DataFrame:
        columns = {}
        for place, name in enumerate(self.names):
            both = pd.concat([self.background[name], row[name]], ignore_index=True)
            columns[name] = both.to_numpy()[np.where(known[:, place], self.rows, stand_ins)]
        return pd.DataFrame(columns)
