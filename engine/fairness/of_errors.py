"""Quantities of predicted numbers: read from sums over rows, and from how many predictions lie below each value."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.fairness.quantity import Cells, Curve, Numbers, Quantity, QuantitySpec, Statistic

ROWS, ERROR, DISTANCE, SQUARE, PREDICTION, SPREAD, SQUARE_SPREAD, PREDICTION_SPREAD, UNEXPLAINED_SPREAD = (
    range(9)
)
"""Places in the cells of Cells.ERRORS."""
DEVIATIONS = "standard deviations of the label"


def _mean(t: Numbers, place: int) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Numbers = t[..., place] / t[..., ROWS]
    return found


def _of_mean(t: Numbers, spread: Numbers) -> Numbers:
    """Squared error of a mean over rows, from their summed squared deviations; 0 of one row."""
    n = t[..., ROWS]
    found: Numbers = np.maximum(spread, 0.0) / np.maximum(n * (n - 1), 1.0)
    return found


def _of_mean_error(t: Numbers) -> Numbers:
    return _of_mean(t, t[..., SQUARE] - t[..., ERROR] ** 2 / np.maximum(t[..., ROWS], 1))


def _of_mean_distance(t: Numbers) -> Numbers:
    return _of_mean(t, t[..., SQUARE] - t[..., DISTANCE] ** 2 / np.maximum(t[..., ROWS], 1))


def _of_root(t: Numbers) -> Numbers:
    """Squared error of the root of the mean squared error, by the delta method; 0 where there is none."""
    mean = t[..., SQUARE] / np.maximum(t[..., ROWS], 1)
    variance = _of_mean(t, t[..., SQUARE_SPREAD])
    found: Numbers = np.divide(variance, 4 * mean, out=np.zeros_like(variance), where=mean > 0)
    return found


def _of_explained(t: Numbers) -> Numbers:
    """Squared error of R2, by the delta method; 0 where the labels are all the same."""
    found: Numbers = np.where(
        t[..., SPREAD] > 0, _of_mean(t, t[..., UNEXPLAINED_SPREAD]) * _by_labels(t), 0.0
    )
    return found


def _by_labels(t: Numbers) -> Numbers:
    """Of a mean squared error to R2: over the squared variance of the labels; 1 where these are all the same."""
    scale = (t[..., SPREAD] / np.maximum(t[..., ROWS], 1)) ** 2
    found: Numbers = np.divide(1.0, scale, out=np.ones_like(scale), where=scale > 0)
    return found


def _rows(t: Numbers) -> Numbers:
    rows: Numbers = t[..., ROWS]
    return rows


def _varied(t: Numbers) -> Numbers:
    """Rows of groups whose labels are not all the same."""
    return np.where(t[..., SPREAD] > 0, t[..., ROWS], 0)


def explained(t: Numbers) -> Numbers:
    """Coefficient of determination, 1 - sum (label - prediction)^2 / sum (label - mean label)^2.

    Args:
        t: shape (..., 9), sums as in Cells.ERRORS.

    Returns:
        Shape (...), at most 1: 1 when every prediction is right, 0 when predictions are as good as the mean label of
        the group, below 0 when they are worse. NaN where the labels are all the same.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1 - t[..., SQUARE] / t[..., SPREAD]
    return np.where(t[..., SPREAD] > 0, found, np.nan)


def _shares(t: Numbers) -> Numbers:
    """Share of predictions up to each value; NaN of no rows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Numbers = t[..., 0, :] / t[..., 0, -1:]
    return found


OF_ERRORS: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.MEAN_PREDICTION: QuantitySpec(
            how=Statistic(
                value=lambda t: _mean(t, PREDICTION),
                base=_rows,
                low=-np.inf,
                high=None,
                variance=lambda t: _of_mean(t, t[..., PREDICTION_SPREAD]),
            ),
            title="mean prediction",
            among="rows",
            cells=Cells.ERRORS,
            by_class=False,
            unit=DEVIATIONS,
        ),
        Quantity.MEAN_LABEL: QuantitySpec(
            how=Statistic(
                value=lambda t: _mean(t, PREDICTION) - _mean(t, ERROR),
                base=_rows,
                low=-np.inf,
                high=None,
                variance=lambda t: _of_mean(t, t[..., SPREAD]),
            ),
            title="mean label",
            among="rows",
            cells=Cells.ERRORS,
            by_class=False,
            unit=DEVIATIONS,
        ),
        Quantity.MEAN_ERROR: QuantitySpec(
            how=Statistic(
                value=lambda t: _mean(t, ERROR),
                base=_rows,
                low=-np.inf,
                high=None,
                variance=_of_mean_error,
            ),
            title="mean error",
            among="rows",
            cells=Cells.ERRORS,
            by_class=False,
            unit=DEVIATIONS,
            harm_when_low="beside the truth, predictions are lowest for {}",
        ),
        Quantity.MEAN_ABSOLUTE_ERROR: QuantitySpec(
            how=Statistic(
                value=lambda t: _mean(t, DISTANCE), base=_rows, high=None, variance=_of_mean_distance
            ),
            title="mean absolute error",
            among="rows",
            cells=Cells.ERRORS,
            by_class=False,
            unit=DEVIATIONS,
            harm_when_high="predictions are furthest off for {}",
        ),
        Quantity.ROOT_MEAN_SQUARED_ERROR: QuantitySpec(
            how=Statistic(
                value=lambda t: np.sqrt(_mean(t, SQUARE)), base=_rows, high=None, variance=_of_root
            ),
            title="root mean squared error",
            among="rows",
            cells=Cells.ERRORS,
            by_class=False,
            unit=DEVIATIONS,
            harm_when_high="predictions are furthest off for {}",
        ),
        Quantity.R2: QuantitySpec(
            how=Statistic(
                value=explained,
                base=_varied,
                low=-np.inf,
                high=1.0,
                variance=_of_explained,
                slope=_by_labels,
            ),
            title="R2",
            among="rows with differing labels",
            cells=Cells.ERRORS,
            by_class=False,
            harm_when_low="predictions explain least for {}",
        ),
        Quantity.PREDICTION_DISTRIBUTION: QuantitySpec(
            how=Curve(
                points=_shares,
                base=lambda t: t[..., 0, -1],
                norm=lambda change: np.abs(change).max(-1),  # Kolmogorov and Smirnov
            ),
            title="distribution of predictions",
            among="rows",
            cells=Cells.PREDICTIONS,
            by_class=False,
        ),
        Quantity.PREDICTION_VALUES: QuantitySpec(
            how=Curve(
                points=lambda t: _shares(t) * t[..., 1, :],
                base=lambda t: t[..., 0, -1],
                norm=lambda change: np.abs(change).sum(-1),  # Wasserstein: the area between distributions
            ),
            title=f"distribution of predictions in {DEVIATIONS}",
            among="rows",
            cells=Cells.PREDICTIONS,
            by_class=False,
        ),
    }
)
