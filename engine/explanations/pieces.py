"""Many rows explained some at a time, so that a person who waits sees the first ones soon."""

from collections.abc import Iterator, Sequence

import pandas as pd

from engine.explanations.answers import Answer
from engine.explanations.case import Case
from engine.explanations.ways import Attributions, Explainer

FIRST_ROWS = 100
PIECE_ROWS = 10_000
PIECE_EVALUATIONS = 500_000
"""Of a model that can only be asked: seconds between two pieces of news."""


def in_pieces(
    explainer: Explainer,
    rows: pd.DataFrame,
    answers: Sequence[Answer],
    first: int = FIRST_ROWS,
    piece: int = PIECE_ROWS,
) -> Iterator[tuple[int, Attributions]]:
    """A few rows, then many at a time: how many are done, and what was found of the last ones."""
    if explainer.cost:
        most = max(1, PIECE_EVALUATIONS // explainer.cost)
        first, piece = min(first, most), min(piece, most)
    done = 0
    while done < len(rows):
        end = min(len(rows), done + (piece if done else first))
        yield end, explainer.attributions(rows.iloc[done:end], answers[done:end])
        done = end


def one_answer(case: Case) -> list[Answer]:
    """For all rows the same: the class asked for, or of several the one that most are given; a mean over classes says
    nothing."""
    names = pd.Series([answer.name for answer in case.answers], dtype=object)
    if names.nunique(dropna=False) <= 1:
        return case.answers
    most = names.value_counts().index[0]
    return [next(answer for answer in case.answers if answer.name == most)] * len(names)
