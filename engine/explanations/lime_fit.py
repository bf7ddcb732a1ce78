"""LIME's local linear model: weighted ridge regression on whether a point shares each bin with the row explained.

The definition is that of the package `lime` 0.2: an exponential kernel of width 0.75 sqrt(features), forward selection
for up to 6 features and the largest weights beyond, then a ridge regression with penalty 1 on those selected. Everything
is computed from one matrix of weighted products, so that choosing features costs no further pass over the points.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.models.scorer import Numbers

KERNEL_WIDTH = 0.75
"""Times the square root of the number of features."""
FORWARD_UP_TO = 6
CHOOSING_PENALTY = 0.01
PENALTY = 1.0


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A local linear model."""

    intercept: float
    features: NDArray[np.intp]
    """Those selected, the largest weight first."""
    weights: Numbers
    fidelity: float | None
    """Weighted R2; None where the answer is the same at all points."""


def fit(same: NDArray[np.bool_], answers: Numbers, most: int) -> Fit:
    """Fit the answers around a row.

    Args:
        same: (points, features), whether a point shares the row's bin; the first point is the row itself.
        answers: (points,)
        most: how many features to select.
    """
    products = _Products.of(same, answers)
    chosen = _forward(products, most) if most <= FORWARD_UP_TO else _largest(products, most)
    weights = products.ridge(chosen, PENALTY)
    order = np.argsort(-np.abs(weights), kind="stable")
    return Fit(
        intercept=products.answer_mean - float(weights @ products.means[chosen]),
        features=chosen[order],
        weights=weights[order],
        fidelity=products.explained(chosen, weights),
    )


@dataclass(frozen=True, kw_only=True)
class _Products:
    """Weighted and centred sums of products, all that a linear regression needs of its points."""

    means: Numbers
    answer_mean: float
    features: Numbers
    """(features, features)"""
    answers: Numbers
    """(features,)"""
    total: float
    """Of the squared answers."""

    @classmethod
    def of(cls, same: NDArray[np.bool_], answers: Numbers) -> "_Products":
        points = same.astype(np.float64)
        width = KERNEL_WIDTH * np.sqrt(same.shape[1])
        weights = np.sqrt(np.exp(-(same.shape[1] - points.sum(axis=1)) / width**2))
        whole = weights.sum()
        means = weights @ points / whole
        answer_mean = float(weights @ answers / whole)
        weighted = points * weights[:, None]
        away = answers - answer_mean
        return cls(
            means=means,
            answer_mean=answer_mean,
            features=points.T @ weighted - whole * np.outer(means, means),
            answers=away @ weighted - (weights @ away) * means,
            total=float(weights @ away**2),
        )

    def ridge(self, chosen: NDArray[np.intp], penalty: float) -> Numbers:
        products = self.features[np.ix_(chosen, chosen)] + penalty * np.eye(len(chosen))
        if penalty:
            return np.asarray(np.linalg.solve(products, self.answers[chosen]))
        return np.asarray(np.linalg.lstsq(products, self.answers[chosen], rcond=None)[0])  # may be singular

    def explained(self, chosen: NDArray[np.intp], weights: Numbers) -> float | None:
        """R2 of a model with these weights."""
        if self.total <= 1e-20:
            return None
        left = (
            self.total
            - 2 * weights @ self.answers[chosen]
            + weights @ self.features[np.ix_(chosen, chosen)] @ weights
        )
        return float(1 - left / self.total)


def _largest(products: _Products, most: int) -> NDArray[np.intp]:
    everything = np.arange(len(products.means))
    weights = products.ridge(everything, CHOOSING_PENALTY)
    return np.argsort(-np.abs(weights), kind="stable")[:most]


def _forward(products: _Products, most: int) -> NDArray[np.intp]:
    """One feature after the other, each time the one with which R2 is largest; the first of equals."""
    chosen: list[int] = []
    for _ in range(min(most, len(products.means))):
        left = [j for j in range(len(products.means)) if j not in chosen]
        gains = []
        for j in left:
            places = np.array([*chosen, j])
            gains.append(products.answers[places] @ products.ridge(places, 0.0))
        chosen.append(left[int(np.argmax(gains))])
    return np.array(chosen, dtype=np.intp)
