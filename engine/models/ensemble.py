"""Tree ensembles as flat arrays: what XGBoost, LightGBM, scikit-learn and ONNX trees all become.

Every reader hands its trees over here, and here they are checked; whoever computes with an Ensemble need not check again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, softmax

from engine.errors import InvalidInput
from engine.models.forest import Forest, Tree, flattened

__all__ = ["Ensemble", "Link", "Tree"]

Numbers = NDArray[np.float64]

LARGEST = 1e300
"""What a margin may add up to: far beyond any model, and still a number."""
LARGEST_EXPONENT = 700.0
"""What a margin may add up to before it is raised to e to the margin."""


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
        if self is Link.COMPLEMENT:
            return np.hstack([1 - margins, margins])
        if self is Link.LOGISTIC:
            return np.hstack([expit(-margins), expit(margins)])
        if self is Link.SOFTMAX:
            return np.asarray(softmax(margins, axis=1))
        if (
            self is Link.ONE_VS_REST
        ):  # in logarithms: where all underflow to 0, the nearest still has the most
            return np.asarray(softmax(log_expit(margins), axis=1))
        if self is Link.EXPONENTIAL:
            return np.exp(margins)
        return margins

    @property
    def unit(self) -> str:
        """Of the margins, in words: "log-odds", "probability", "log of the value" or "value of the model"."""
        return _UNITS[self]

    @property
    def alone(self) -> bool:
        """Whether there is exactly one margin."""
        return self in (Link.COMPLEMENT, Link.LOGISTIC, Link.EXPONENTIAL)


_UNITS = {
    Link.IDENTITY: "value of the model",
    Link.COMPLEMENT: "probability",
    Link.LOGISTIC: "log-odds",
    Link.SOFTMAX: "log-odds",
    Link.ONE_VS_REST: "log-odds",
    Link.EXPONENTIAL: "log of the value",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """A sum of trees for each margin, and how margins become scores.

    Raises:
        InvalidInput: the trees are no trees, or reach outside of what there is; says where.
    """

    features: int
    """How many columns it sees."""
    base: Numbers
    """(margins,): what each margin is without trees."""
    trees: Sequence[Tree]
    link: Link
    single: bool = False
    """Whether values are rounded to float32 before they are compared (XGBoost, scikit-learn forests, ONNX)."""
    sets: Sequence[NDArray[np.int64]] = field(default=())
    """Sorted sets of category codes, for splits that are categorical. A value is cut towards 0, and one in no set goes
    right, as XGBoost and LightGBM have it. A reader whose library takes unseen categories for missing makes them NaN."""
    zeros_missing: Sequence[int] = ()
    """Columns whose zeros are missing values (LightGBM's zero_as_missing): encoding makes them NaN."""

    def __post_init__(self) -> None:
        if self.base.ndim != 1 or not len(self.base) or not np.isfinite(self.base).all():
            raise InvalidInput("the base of each margin must be a finite number")
        if self.link.alone and len(self.base) != 1:
            raise InvalidInput(f"a model with {self.link} scores has one margin, got {len(self.base)}")
        most = np.abs(self.base) + self.forest.reach(len(self.base))
        limit = LARGEST_EXPONENT if self.link is Link.EXPONENTIAL else LARGEST
        if not (most <= limit).all():
            raise InvalidInput(
                f"the leaves may add up to {most.max():g}; the most a margin may be is {limit:g}"
            )

    @cached_property
    def forest(self) -> Forest:
        """All trees one after another."""
        return flattened(self.trees, self.sets, self.features, len(self.base))

    def margins(self, encoded: Numbers) -> Numbers:
        """(rows, columns) to (rows, margins)."""
        if encoded.ndim != 2 or encoded.shape[1] != self.features:
            raise InvalidInput(f"the model sees {self.features} columns, got {encoded.shape[1:]}")
        from engine.models.walking import walk  # noqa: PLC0415  # its loops bring numba, which few models need

        return walk(self.forest, encoded, self.base, single=self.single)
