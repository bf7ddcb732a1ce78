"""A model that is open: what every format becomes, so that nothing beyond this package asks which it was."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models.signature import Signature
from engine.values import LARGEST

if TYPE_CHECKING:  # whoever only asks a model need not load what walks its trees
    import pandas as pd

    from engine.models.ensemble import Ensemble, Link

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Margins that are sums: `encoded @ weights.T + intercept`."""

    weights: Numbers
    """(margins, columns)"""
    intercept: Numbers
    """(margins,)"""
    link: "Link"

    def margins(self, encoded: Numbers) -> Numbers:
        """(rows, margins), in the units of the link: log-odds for a logistic regression."""
        with np.errstate(over="ignore", invalid="ignore"):  # who asks looks at what comes out
            return encoded @ self.weights.T + self.intercept


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What is known of how a model decides, where its structure is known.

    `core.link.scores(core.margins(encode(rows)))` are the model's scores.
    """

    core: "Ensemble | Linear"
    players: NDArray[np.intp]
    """For each column that the core sees, the place in `signature.features` of the one column of the user's it is
    made of. A model whose encoding mixes columns (PCA, interactions) has no Inside."""
    encode: "Callable[[pd.DataFrame], Numbers]"
    """The user's columns as the core sees them: (rows, columns)."""


def bounded(scores: Numbers) -> Numbers:
    """The same scores or margins, all of which can be computed with.

    Raises:
        InvalidInput: one is infinite, no number, or beyond LARGEST; quotes none.
    """
    if not (np.abs(scores) <= LARGEST).all():  # nor where it is NaN
        raise InvalidInput(
            "the model answers with what cannot be computed with: a number that is not finite, or not within"
            f" -{LARGEST:g} and {LARGEST:g}"
        )
    return scores


class Scorer(Protocol):
    """A model that is open, in the child that opened it.

    `rows` is a pandas frame with at least the columns of `signature.names`, in any order; numbers as float64 or int64
    with NaN for missing, texts as object with None for missing.
    """

    @property
    def signature(self) -> Signature: ...

    def scores(self, rows: "pd.DataFrame") -> Numbers:
        """(rows, classes) probabilities that sum to 1, or (rows, 1) predicted values.

        Raises:
            InvalidInput: a column is missing or holds what the model cannot read; says which and why.
        """
        ...

    def inside(self) -> Inside | None:
        """The structure, where it is known."""
        ...


@dataclass(frozen=True)
class Bounded:
    """A scorer whose scores can be computed with, or are refused."""

    scorer: Scorer

    @property
    def signature(self) -> Signature:
        return self.scorer.signature

    def scores(self, rows: "pd.DataFrame") -> Numbers:
        return bounded(self.scorer.scores(rows))

    def inside(self) -> Inside | None:
        return self.scorer.inside()
