"""Rules of decision by thresholds of a score: chosen from counts, and what they decide.

Counts have shape (groups, 2 or 3, bins): rows with an unfavourable, with a favourable and without a label, by rising
score. A rule is, for each group, the first bin that is decided favourably; the number of bins for none. What is
present is the share of each group that is decided favourably now: rules that decide nearly all alike are no choice.
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
KEPT = 0.5
"""Share of the favourable and of the unfavourable decisions that a rule leaves at least; ours."""
TARGETS = 1001
TARGETS_OF_BOTH = 61
WIDTHS = 200

Rule = npt.NDArray[np.intp]
Choose = Callable[[Numbers], Rule | None]
"""From counts to a rule; None where there is none."""


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


def moderate(counts: Numbers, rules: Rule, present: Floats | None) -> npt.NDArray[np.bool_]:
    """Which rules still decide both ways, (rules, groups) to (rules,): the others switch the model off, or always on.

    They do so where a group is decided all alike that is not so at present, or where less than KEPT of the
    favourable or of the unfavourable decisions are left.
    """
    if present is None:
        return np.ones(len(rules), dtype=bool)
    chosen = _selected(counts).sum(1)[np.arange(len(counts)), rules]
    rows = counts.sum((1, 2))
    differs = (present > 0) & (present < 1) & (rows > 0)
    alike = differs & ((chosen == 0) | (chosen == rows))
    before, after = (present * rows).sum(), chosen.sum(1)
    enough = (after >= KEPT * before) & (rows.sum() - after >= KEPT * (rows.sum() - before))
    found: npt.NDArray[np.bool_] = enough & ~alike.any(1)
    return found


def group_thresholds(counts: Numbers, aim: Aim, present: Floats | None = None) -> Rule | None:
    """A threshold for each group, so that the rates are alike, with as many right decisions as that allows.

    Every group takes the threshold nearest to a common target, and of the targets at which the gap is small the
    one with the most right decisions is taken; among equals the one nearest to the decisions at present. No decision
    is drawn by lot, so two rates are only met roughly.

    Args:
        counts: shape (groups, 2 or 3, bins).
        aim: the rates.
        present: shape (groups,), the shares decided favourably now; None allows rules that decide all alike.

    Source: Hardt, Price and Srebro, "Equality of opportunity in supervised learning" (2016), without
    randomisation.
    """
    rates, correct = points(counts, aim), right(counts)
    targets = _targets(rates.shape[-1])
    chosen = np.stack([_nearest(np.nan_to_num(each), targets) for each in rates], axis=1)
    allowed = moderate(counts, chosen, present)
    if not allowed.any():
        return None
    places = np.arange(len(counts))
    gaps = np.where(allowed, _gap(rates[places, chosen]), np.inf)
    near = NEAR if rates.shape[-1] == 1 else NEAR_BOTH
    good = np.where(gaps <= max(near, gaps.min()), correct[places, chosen].sum(1).astype(float), -1.0)
    moved = np.zeros(len(targets))
    if present is not None:
        selected = _selected(counts).sum(1)[places, chosen]
        moved = np.abs(selected.sum(1) - (present * counts.sum((1, 2))).sum())
    best: Rule = chosen[np.lexsort((moved, -good))[0]]
    return best


def single_threshold(
    counts: Numbers, aim: Aim, least_right: float, present: Floats | None = None
) -> Rule | None:
    """One threshold for all groups: of those that decide enough rows rightly, the one with the smallest gap.

    Args:
        counts: shape (groups, 2 or 3, bins).
        aim: the rates.
        least_right: share of labelled rows to decide as labelled; None is returned where no threshold does.
        present: as for `group_thresholds`.
    """
    good = right(counts).sum(0)
    every = np.repeat(np.arange(len(good))[:, None], len(counts), axis=1)
    enough = (good >= least_right * counts[:, :2].sum()) & moderate(counts, every, present)
    if not enough.any():
        return None
    gaps = np.where(enough, _gap(points(counts, aim).swapaxes(0, 1)), np.inf)
    best = np.lexsort((-good, gaps))[0]
    return np.full(len(counts), best, dtype=np.intp)


def as_many(counts: Numbers, share: float) -> int:
    """The first bin of the single threshold that decides about this share of all rows favourably."""
    selected = _selected(counts).sum((0, 1))
    return int(np.abs(selected - share * selected[0]).argmin())


def reject_option(
    counts: Numbers, aim: Aim, least: Floats, threshold: float, present: Floats | None = None
) -> Rule | None:
    """Decide rows near the threshold for groups that get less than all rows together, and against the others.

    Args:
        counts: shape (groups, 2 or 3, bins).
        aim: the rates that say who gets less, and are to become alike.
        least: shape (bins,), the least score of each bin.
        threshold: from which the score is favourable.
        present: as for `group_thresholds`.

    Returns:
        The rule of the narrowest band with which the gap is small, else of the one with the smallest gap; None where
        no band decides groups differently.

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
    allowed = moderate(counts, chosen, present) & (chosen.min(1) < chosen.max(1))
    if not allowed.any():
        return None
    gaps = np.where(allowed, _gap(rates[places, chosen]), np.inf)
    small = np.flatnonzero(gaps <= (NEAR if rates.shape[-1] == 1 else NEAR_BOTH))
    best: Rule = chosen[small[0] if small.size else gaps.argmin()]
    return best


def unlabelled(counts: Numbers) -> Numbers:
    """The same rows with their labels left out, so that a rule is chosen without them."""
    found = np.zeros_like(counts)
    found[:, -1] = counts.sum(1)
    return found


def outcomes(counts: Numbers, rule: Rule) -> Numbers:
    """What a rule decides: label by prediction, shape (groups, 3, 2), rows without a label last."""
    selected = _selected(counts)[np.arange(len(counts)), :, rule]
    found = np.zeros((len(counts), 3, 2), dtype=counts.dtype)
    layers = counts.shape[1]
    found[:, :layers, 1] = selected
    found[:, :layers, 0] = counts.sum(-1) - selected
    return found


def crossfitted(counts: Numbers, choose: Choose, seed: int) -> Numbers | None:
    """What rules decide about rows that they were not chosen on, shape (groups, 3, 2).

    Each row falls into one of two halves by lot. The rule of either half decides about the other one; None where
    one of them has no rule.
    """
    half = np.random.default_rng(seed).binomial(counts, 0.5)
    other = counts - half
    one, two = choose(half), choose(other)
    if one is None or two is None:
        return None
    return outcomes(other, one) + outcomes(half, two)


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
