"""Tree ensembles as flat arrays: what XGBoost, LightGBM, scikit-learn and ONNX trees all become.

Every reader hands its trees over here, and here they are checked; whoever computes with an Ensemble need not check again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Link(StrEnum):
    """How margins become scores."""

    IDENTITY = "identity"
    """The margins are the scores: a regression, or k probabilities of a forest."""
    COMPLEMENT = "complement"
    """One margin p that is the probability of the second class: scores 1 - p, p."""
    LOGISTIC = "logistic"
    """One margin in log-odds of the second class."""
    SOFTMAX = "softmax"
    """One margin for each class."""
    ONE_VS_REST = "one_vs_rest"
    """A log-odds for each class; the probabilities are scaled to sum to 1."""
    EXPONENTIAL = "exponential"
    """The logarithm of the predicted value (Poisson, gamma, Tweedie)."""

    def scores(self, margins: Numbers) -> Numbers:
        """(rows, margins) to (rows, classes) probabilities or (rows, 1) values."""
        raise NotImplementedError  # of the helper that fills this module

    @property
    def unit(self) -> str:
        """Of the margins, in words: "log-odds", "probability", "log of the value" or "value of the model"."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One tree; node 0 is the root. All arrays have one entry for each node.

    A row goes left where its value is below the threshold (`x < threshold`; libraries that test `<=` hand over the
    next number above), where it is in the node's set of categories, or where it is missing and `missing_left`.
    """

    left: NDArray[np.int32]
    """-1 in a leaf."""
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Numbers
    missing_left: NDArray[np.bool_]
    value: Numbers
    """What a leaf adds to its margin; 0 in other nodes."""
    cover: Numbers
    """Training rows, or their weight, that reached the node; for path-dependent values. NaN where the file does not say."""
    output: int
    """The margin that it adds to."""
    categories: NDArray[np.int32] | None = None
    """Place in `Ensemble.sets` of the categories that go left; -1 for a numeric split. None: no categorical splits."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A sum of trees for each margin, and how margins become scores."""

    features: int
    """How many columns it sees."""
    base: Numbers
    """(margins,): what each margin is without trees."""
    trees: Sequence[Tree]
    link: Link
    single: bool = False
    """Whether values are rounded to float32 before they are compared (XGBoost, scikit-learn forests, ONNX)."""
    sets: Sequence[NDArray[np.int64]] = field(default=())
    """Sorted sets of category codes, for splits that are categorical. A value that is no code is missing, unless the
    library says otherwise (LightGBM: an unseen category goes right)."""

    def margins(self, encoded: Numbers) -> Numbers:
        """(rows, columns) to (rows, margins)."""
        raise NotImplementedError
