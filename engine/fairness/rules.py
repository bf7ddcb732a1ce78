"""Rules of decision by thresholds of a score: chosen from counts, and what they decide.

Counts have shape (groups, 2, bins): rows with an unfavourable and with a favourable label, by rising score. A rule
is, for each group, the first bin that is decided favourably; the number of bins for none.
"""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from engine.fairness.intervals import Floats
from engine.fairness.quantity import Numbers

NEAR = 0.01
"""Gap in one rate that counts as none."""
NEAR_BOTH = 0.05
"""Gap in two rates at once that counts as small: one threshold a group cannot meet both in general."""
LOSS = 0.01
"""Accuracy that a single threshold may cost; ours."""
TARGETS = 1001
TARGETS_OF_BOTH = 61
WIDTHS = 200

Rule = npt.NDArray[np.intp]
Choose = Callable[[Numbers], Rule]
"""From counts to a rule."""


class Aim(StrEnum):
    """Which rates a rule is to make alike."""

    SELECTION = "selection"
    OPPORTUNITY = "opportunity"
    FALSE_ALARMS = "false_alarms"
    ODDS = "odds"


def points(counts: Numbers, aim: Aim) -> Floats:
    """The rates of each group at each threshold, shape (groups, bins + 1, rates); NaN without rows."""
    selected = _selected(counts)
    totals = selected[..., :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_label = selected / totals
        every = selected.sum(1) / totals.sum(1)
    rates = {
        Aim.SELECTION: [every],
        Aim.OPPORTUNITY: [by_label[:, 1]],
        Aim.FALSE_ALARMS: [by_label[:, 0]],
        Aim.ODDS: [by_label[:, 1], by_label[:, 0]],
    }[aim]
    return np.stack(rates, axis=-1)


def right(counts: Numbers) -> Numbers:
    """Rows that each threshold decides as labelled, shape (groups, bins + 1)."""
    selected = _selected(counts)
    found: Numbers = selected[:, 1] + selected[:, 0, :1] - selected[:, 0]
    return found


def group_thresholds(counts: Numbers, aim: Aim) -> Rule:
    """A threshold for each group, so that the rates are alike, at the least loss of accuracy.

    Every group takes the threshold nearest to a common target, and of the targets at which the gap is small the
    one with the most right decisions is taken. No decision is drawn by lot, so two rates are only met roughly.

    Args:
        counts: shape (groups, 2, bins).
        aim: the rates.

    Source: Hardt, Price and Srebro, "Equality of opportunity in supervised learning" (2016), without
    randomisation.
    """
    rates, correct = points(counts, aim), right(counts)
    targets = _targets(rates.shape[-1])
    chosen = np.stack([_nearest(np.nan_to_num(each), targets) for each in rates], axis=1)
    places = np.arange(len(counts))
    gaps = _gap(rates[places, chosen])
    near = NEAR if rates.shape[-1] == 1 else NEAR_BOTH
    good = correct[places, chosen].sum(1).astype(float)
    best: Rule = chosen[np.where(gaps <= max(near, gaps.min()), good, -1.0).argmax()]
    return best


def single_threshold(counts: Numbers, aim: Aim, least_right: float) -> Rule:
    """One threshold for all groups: of those that decide enough rows rightly, the one with the smallest gap.

    Args:
        counts: shape (groups, 2, bins).
        aim: the rates.
        least_right: share of rows to decide as labelled; the most accurate threshold always counts.
    """
    good = right(counts).sum(0)
    enough = good >= min(least_right * counts.sum(), good.max())
    gaps = np.where(enough, _gap(points(counts, aim).swapaxes(0, 1)), np.inf)
    best = np.lexsort((-good, gaps))[0]
    return np.full(len(counts), best, dtype=np.intp)


def most_accurate(counts: Numbers) -> int:
    """The first bin of the single threshold that decides most rows as labelled."""
    return int(right(counts).sum(0).argmax())


def reject_option(counts: Numbers, aim: Aim, least: Floats, threshold: float) -> Rule:
    """Decide rows near the threshold for groups that get less than all rows together, and against the others.

    Args:
        counts: shape (groups, 2, bins).
        aim: the rates that say who gets less, and are to become alike.
        least: shape (bins,), the least score of each bin.
        threshold: from which the score is favourable.

    Returns:
        The rule of the narrowest band with which the gap is small, else of the one with the smallest gap.

    Source: Kamiran, Karim and Zhang, "Decision theory for discrimination-aware classification" (2012).
    """
    rates, places = points(counts, aim), np.arange(len(counts))
    at = int(np.searchsorted(least, threshold))
    pooled = points(counts.sum(0, keepdims=True), aim)[0, at].mean()
    less = np.nan_to_num(rates[:, at].mean(-1), nan=1.0) < pooled
    distances = np.unique(np.abs(least - threshold))
    widths = np.quantile(distances, np.linspace(0, 1, WIDTHS)) if len(distances) > WIDTHS else distances
    low, high = np.searchsorted(least, threshold - widths), np.searchsorted(least, threshold + widths)
    chosen = np.where(less, low[:, None], high[:, None])
    gaps = _gap(rates[places, chosen])
    small = np.flatnonzero(gaps <= (NEAR if rates.shape[-1] == 1 else NEAR_BOTH))
    best: Rule = chosen[small[0] if small.size else gaps.argmin()]
    return best


def outcomes(counts: Numbers, rule: Rule) -> Numbers:
    """What a rule decides: label by prediction, shape (groups, 3, 2), rows without a label last."""
    selected = _selected(counts)[np.arange(len(counts)), :, rule]
    found = np.zeros((len(counts), 3, 2), dtype=counts.dtype)
    found[:, :2, 1] = selected
    found[:, :2, 0] = counts.sum(-1) - selected
    return found


def crossfitted(counts: Numbers, choose: Choose, seed: int) -> Numbers:
    """What rules decide about rows that they were not chosen on, shape (groups, 3, 2).

    Each row falls into one of two halves by lot. The rule of either half decides about the other one.
    """
    half = np.random.default_rng(seed).binomial(counts, 0.5)
    other = counts - half
    return outcomes(other, choose(half)) + outcomes(half, choose(other))


def _selected(counts: Numbers) -> Numbers:
    """Rows in the bins from each one on, shape (groups, 2, bins + 1)."""
    found = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), dtype=counts.dtype)
    found[..., :-1] = counts[..., ::-1].cumsum(-1)[..., ::-1]
    return found


def _targets(rates: int) -> Floats:
    if rates == 1:
        return np.linspace(0, 1, TARGETS)[:, None]
    side = np.linspace(0, 1, TARGETS_OF_BOTH)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def _nearest(rates: Floats, targets: Floats) -> Rule:
    """For each target the threshold of one group that comes nearest, in the rate that is furthest off."""
    if rates.shape[-1] == 1:
        falling = -rates[:, 0]
        after = np.clip(np.searchsorted(falling, -targets[:, 0]), 1, len(falling) - 1)
        nearer = np.abs(falling[after - 1] + targets[:, 0]) <= np.abs(falling[after] + targets[:, 0])
        return np.where(nearer, after - 1, after)
    apart = np.abs(rates[None, :, 0] - targets[:, None, 0])
    np.maximum(apart, np.abs(rates[None, :, 1] - targets[:, None, 1]), out=apart)
    nearest: Rule = apart.argmin(1)
    return nearest


def _gap(rates: Floats) -> Floats:
    """Highest minus lowest over groups, of the rate that is furthest apart: (..., groups, rates) to (...).

    Groups in which a rate is undefined take no part in it.
    """
    high = np.where(np.isnan(rates), -np.inf, rates).max(-2)
    low = np.where(np.isnan(rates), np.inf, rates).min(-2)
    found: Floats = np.where(high >= low, high - low, 0.0).max(-1)
    return found
