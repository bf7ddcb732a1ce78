"""Shapley values by their definition, over all coalitions of a few features: exact for any model."""

from math import factorial

import numpy as np
import pandas as pd

from engine.explanations.mixing import BLOCK, Mixer
from engine.models.scorer import Numbers

MOST_FEATURES = 11
"""2,048 coalitions, each asked about with every background row."""


def values(mixer: Mixer, row: pd.DataFrame) -> Numbers:
    """(features,): exact interventional Shapley values of one row.

    Source: L. S. Shapley, A value for n-person games, 1953; the game of Janzing, Minorics and Blöbaum, 2020.
    """
    features = len(mixer.names)
    return shapley(_worths(mixer, row, features), features)


def shapley(worths: Numbers, players: int) -> Numbers:
    """(players,): Shapley values of a game.

    Args:
        worths: (2 ** players,), what each coalition gets; player j belongs to coalition c where bit j of c is set.
    """
    coalitions = np.arange(2**players)
    sizes = np.bitwise_count(coalitions)
    weights = np.array(
        [factorial(k) * factorial(players - 1 - k) / factorial(players) for k in range(players)]
    )
    found = np.empty(players)
    for player in range(players):
        without = coalitions[coalitions >> player & 1 == 0]
        gains = worths[without | 1 << player] - worths[without]
        found[player] = weights[sizes[without]] @ gains
    return found


def _worths(mixer: Mixer, row: pd.DataFrame, features: int) -> Numbers:
    """The mean answer of each coalition over the whole background."""
    at_once = max(1, BLOCK // mixer.rows)
    worths = []
    for start in range(0, 2**features, at_once):
        coalitions = np.arange(start, min(start + at_once, 2**features))
        known = (coalitions[:, None] >> np.arange(features) & 1).astype(bool)
        stand_ins = np.tile(np.arange(mixer.rows), len(coalitions))
        scores = mixer.mixed(row, np.repeat(known, mixer.rows, axis=0), stand_ins)
        worths.append(scores.reshape(len(coalitions), mixer.rows).mean(axis=1))
    return np.concatenate(worths)
