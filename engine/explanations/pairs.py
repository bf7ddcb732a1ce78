"""Which two features do together what neither does alone: Shapley interaction indices, over many rows."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

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
MOST_NUMBERS = 50_000_000
"""Rows times pairs times classes that are held at once, 400 MB: of more than 178 classes fewer rows are looked at."""


def interactions(
    case: Case, explainer: Explainer, answer: Answer, features: Sequence[str]
) -> tuple[tuple[Interaction, ...], int] | None:
    """All pairs of the first features, the strongest first, and over how many rows; None where the method gives none."""
    names = list(features[:MOST_FEATURES])
    each_row = max(1, comb(len(names), 2)) * max(1, len(case.scorer.signature.classes))
    rows, most = case.rows, min(MOST_ROWS, max(1, MOST_NUMBERS // each_row))
    if len(rows) > most:
        rows = rows.sample(most, random_state=case.options.seed)
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
