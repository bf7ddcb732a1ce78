"""Quantities of scores: read from counts and sums of label by bin of the score.

The cells of a group have shape (LAYERS, bins), bins by rising score; `Layer` says what each layer holds.
"""

import math
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engine.fairness.quantity import Cells, Curve, Numbers, Quantity, QuantitySpec, Statistic

CALIBRATION_BINS = 10
"""Equal parts of [0, 1] over which calibration is averaged, as usual; the last one includes 1."""
CURVE_POINTS = 100
"""False positive rates at which ROC curves are compared: the middles of as many equal parts of [0, 1]."""


class Layer(IntEnum):
    """What the layers of the cells hold, for each bin."""

    UNFAVORABLE = 0
    """Rows with an unfavourable label."""
    FAVORABLE = 1
    """Rows with a favourable label."""
    SCORE_UNFAVORABLE = 2
    """Sum of the scores of rows with an unfavourable label."""
    SCORE_FAVORABLE = 3
    ERROR_UNFAVORABLE = 4
    """Sum of the squared differences of score and label of rows with an unfavourable label."""
    ERROR_FAVORABLE = 5
    CONCORDANCE = 6
    """Chance, within the bin, that a favourable label scores higher than an unfavourable one, ties counting half."""
    TENTH = 7
    """The part of [0, 1] that the bin lies in, from 0; -1 in all bins where scores are no probabilities."""


LAYERS = len(Layer)


def _totals(t: Numbers) -> tuple[Numbers, Numbers]:
    return t[..., Layer.UNFAVORABLE, :].sum(-1), t[..., Layer.FAVORABLE, :].sum(-1)


def _rarer(t: Numbers) -> Numbers:
    rows: Numbers = np.minimum(*_totals(t))
    return rows


def _scored(t: Numbers) -> Numbers:
    """Rows, 0 where scores are no probabilities."""
    unfavorable, favorable = _totals(t)
    rows: Numbers = np.where(t[..., Layer.TENTH, 0] >= 0, unfavorable + favorable, 0)
    return rows


def _over(part: Numbers, whole: Numbers) -> Numbers:
    """A part of a whole, NaN where whole is 0."""
    found: Numbers = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return found


def auc(t: Numbers) -> Numbers:
    """Area under the ROC curve.

    Args:
        t: shape (..., LAYERS, bins).

    Returns:
        Shape (...), in [0, 1], 0.5 for scores that say nothing; NaN where a label is missing. Exact where no
        bin was made of several scores, or their order within it is known.

    Source: Hanley and McNeil, "The meaning and use of the area under a ROC curve" (1982).
    """
    unfavorable, favorable = t[..., Layer.UNFAVORABLE, :], t[..., Layer.FAVORABLE, :]
    below = np.cumsum(unfavorable, axis=-1) - unfavorable
    pairs = unfavorable.sum(-1) * favorable.sum(-1)
    won = (favorable * (below + t[..., Layer.CONCORDANCE, :] * unfavorable)).sum(-1)
    return _over(won, pairs)


def auc_variance(t: Numbers) -> Numbers:
    """Variance of the area under the ROC curve.

    Args:
        t: shape (..., LAYERS, bins).

    Returns:
        Shape (...), above 0 and finite. A perfect order of m and n labels, which shows no spread, has that of a share
        of the rarer label, smoothed to (k + 2) / (n + 4); this is ours.

    Source: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves" (1988), with divisors m - 1 and n - 1; order within a bin counts half.
    """
    unfavorable, favorable = t[..., Layer.UNFAVORABLE, :], t[..., Layer.FAVORABLE, :]
    n, m = unfavorable.sum(-1), favorable.sum(-1)
    beaten = np.cumsum(unfavorable, axis=-1) - 0.5 * unfavorable
    beating = m[..., None] - np.cumsum(favorable, axis=-1) + 0.5 * favorable
    found = _spread(favorable, beaten / np.maximum(n, 1)[..., None], m)
    found = found + _spread(unfavorable, beating / np.maximum(m, 1)[..., None], n)
    rarer = np.minimum(m, n)
    perfect = 2 / (rarer + 4)
    return np.where(found > 1e-12, found, perfect * (1 - perfect) / (rarer + 4))


def _spread(rows: Numbers, value: Numbers, total: Numbers) -> Numbers:
    """Variance of the mean of a value of each bin over rows; 0 of fewer than two rows."""
    mean = (rows * value).sum(-1) / np.maximum(total, 1)
    squares = (rows * (value - mean[..., None]) ** 2).sum(-1)
    found: Numbers = np.where(total > 1, squares / np.maximum(total * (total - 1), 1), 0.0)
    return found


def calibration_error(t: Numbers) -> Numbers:
    """Expected calibration error over ten equal parts of [0, 1].

    Args:
        t: shape (..., LAYERS, bins).

    Returns:
        Shape (...), in [0, 1]: the distance of mean score and base rate in each part, averaged by rows. NaN
        without rows, and where scores are no probabilities.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (2015).
    """
    if not t.size:
        return np.full(t.shape[:-2], np.nan)
    starts = _starts(t)
    scores = t[..., Layer.SCORE_UNFAVORABLE, :] + t[..., Layer.SCORE_FAVORABLE, :]
    apart = np.abs(np.add.reduceat(scores - t[..., Layer.FAVORABLE, :], starts, axis=-1)).sum(-1)
    rows = _scored(t)
    return _over(apart, rows)


def calibration_lift(t: Numbers) -> Numbers:
    """How far at most chance alone lifts the calibration error, shape (...).

    A mean m of normal chance around d has a mean size above abs(d) by s (2 f(x) - 2 x F(-x)), where x = abs(d) / s and
    f and F are the density and distribution of chance: that falls with x. Each part is taken at the least distance
    that agrees well with the data, abs(m) - s.
    """
    if not t.size:
        return np.zeros(t.shape[:-2])
    starts = _starts(t)
    scores = t[..., Layer.SCORE_UNFAVORABLE, :] + t[..., Layer.SCORE_FAVORABLE, :]
    squares = t[..., Layer.ERROR_UNFAVORABLE, :] + t[..., Layer.ERROR_FAVORABLE, :]
    apart = np.abs(np.add.reduceat(scores - t[..., Layer.FAVORABLE, :], starts, axis=-1))
    error = np.sqrt(np.add.reduceat(squares, starts, axis=-1))
    x = np.maximum(np.divide(apart, error, out=np.zeros_like(apart), where=error > 0) - 1, 0.0)
    density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    lifted = error * (2 * density - 2 * x * _beyond(x))
    return np.nan_to_num(_over(lifted.sum(-1), _scored(t)))


def _beyond(x: Numbers) -> Numbers:
    """Chance of a standard normal number above x, from 0 on."""
    found: Numbers = np.vectorize(lambda each: math.erfc(each / math.sqrt(2)) / 2, otypes=[float])(x)
    return found


def _starts(t: Numbers) -> npt.NDArray[np.intp]:
    """The first bin of each tenth."""
    tenths = t.reshape(-1, *t.shape[-2:])[0, Layer.TENTH]
    return np.flatnonzero(np.diff(tenths, prepend=-2))


def brier_score(t: Numbers) -> Numbers:
    """Mean squared difference of score and label, shape (...), in [0, 1]; NaN as for the calibration error.

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability" (1950).
    """
    rows = _scored(t)
    errors = t[..., Layer.ERROR_UNFAVORABLE, :].sum(-1) + t[..., Layer.ERROR_FAVORABLE, :].sum(-1)
    return _over(errors, rows)


def brier_variance(t: Numbers) -> Numbers:
    """Variance of the Brier score, shape (...): of the mean over rows, errors within a bin and label taken as equal."""
    rows = np.concatenate([t[..., Layer.UNFAVORABLE, :], t[..., Layer.FAVORABLE, :]], axis=-1)
    errors = np.concatenate([t[..., Layer.ERROR_UNFAVORABLE, :], t[..., Layer.ERROR_FAVORABLE, :]], axis=-1)
    return np.maximum(_spread(rows, errors / np.maximum(rows, 1), rows.sum(-1)), 1e-12)


def roc_curve(t: Numbers) -> Numbers:
    """True positive rates at CURVE_POINTS false positive rates.

    Args:
        t: shape (..., LAYERS, bins).

    Returns:
        Shape (..., CURVE_POINTS), in [0, 1] and rising; straight between the thresholds of the bins. NaN where
        a label is missing.
    """
    bins = t.shape[-1]
    at = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS
    found = np.full((*t.shape[:-2], CURVE_POINTS), np.nan)
    flat = found.reshape(-1, CURVE_POINTS)
    cells = t.reshape(-1, LAYERS, bins)
    selected = np.zeros((len(cells), 2, bins + 1))
    np.cumsum(cells[:, :2, ::-1], axis=-1, out=selected[:, :, 1:])
    for i in np.flatnonzero((selected[:, :, -1] > 0).all(-1)):
        unfavorable, favorable = selected[i]
        flat[i] = np.interp(at * unfavorable[-1], unfavorable, favorable) / favorable[-1]
    return found


def area_between(difference: Numbers) -> Numbers:
    """Area between two ROC curves, of the difference of their points: shape (..., points) to (...).

    Source: Gardner, Brooks and Baker, "Evaluating the fairness of predictive student models through slicing
    analysis" (2019).
    """
    found: Numbers = np.abs(difference).mean(-1)
    return found


_PROBABILITY = "rows with a label and a probability as score"

OF_SCORES: Mapping[Quantity, QuantitySpec] = MappingProxyType(
    {
        Quantity.AUC: QuantitySpec(
            how=Statistic(value=auc, base=_rarer, variance=auc_variance),
            title="AUC",
            among="rows of the rarer label with a score",
            cells=Cells.SCORES,
            by_class=False,
            harm_when_low="scores tell least about {}",
        ),
        Quantity.ROC_CURVE: QuantitySpec(
            how=Curve(points=roc_curve, base=_rarer, norm=area_between),
            title="ROC curve",
            among="rows of the rarer label with a score",
            cells=Cells.SCORES,
            by_class=False,
        ),
        Quantity.CALIBRATION_ERROR: QuantitySpec(
            how=Statistic(value=calibration_error, base=_scored, lift=calibration_lift),
            title="calibration error",
            among=_PROBABILITY,
            cells=Cells.SCORES,
            by_class=False,
            harm_when_high="scores are least honest about {}",
        ),
        Quantity.BRIER_SCORE: QuantitySpec(
            how=Statistic(value=brier_score, base=_scored, variance=brier_variance),
            title="Brier score",
            among=_PROBABILITY,
            cells=Cells.SCORES,
            by_class=False,
            harm_when_high="scores are furthest off for {}",
        ),
    }
)
