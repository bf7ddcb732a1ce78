"""Which two features do together what neither does alone: Shapley interaction indices, over many rows."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from engine.explanations.answers import Answer
from engine.explanations.case import Case
from engine.explanations.means import student
from engine.explanations.report import Interaction
from engine.explanations.ways import Explainer
from engine.models.scorer import Numbers

MOST_FEATURES = 8
"""Features whose pairs are looked at: 28 pairs."""
MOST_ROWS = 10_000
"""Rows that are looked at: on trees seconds, however many rows importances are means over."""


def interactions(
    case: Case, explainer: Explainer, answer: Answer, features: Sequence[str]
) -> tuple[tuple[Interaction, ...], int] | None:
    """All pairs of the first features, the strongest first, and over how many rows; None where the method gives none."""
    rows = case.rows
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=case.options.seed)
    names = list(features[:MOST_FEATURES])
    found = explainer.pairs(rows, answer, [list(case.names).index(name) for name in names])
    if found is None:
        return None
    pairs = [
        _interaction(first, second, found[:, i], case.options.confidence)
        for i, (first, second) in enumerate(combinations(names, 2))
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.strength)), len(rows)


def _interaction(first: str, second: str, values: Numbers, confidence: float) -> Interaction:
    sizes = np.abs(values)
    return Interaction(
        first=first,
        second=second,
        strength=float(sizes.mean()),
        interval=student(sizes, confidence),
        mean=float(values.mean()),
    )
