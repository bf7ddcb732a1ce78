"""Neighbours with other outcomes: how large their share is, how sure that is, and the worst pairs of rows.

An outcome of a neighbour is another one when it differs by more than a bound that may grow with distance: any
difference for the consistency, and `lipschitz` times the distance for Lipschitz violations.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.fairness.intervals import Floats, wilson
from engine.fairness.neighbours import NEIGHBOURS, Indexes, Links
from engine.fairness.report import AlikePair
from engine.values import Count, Interval

WORST = 10
ROUNDING = 1e-9
"""A difference that exceeds its bound by less is rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """The outcomes of all rows, by point and rising within each."""

    known: npt.NDArray[np.float64]
    """Shape (different outcomes,): rising."""
    keys: Indexes
    """Shape (entries,): point * (different outcomes + 1) + place of the outcome among them; rising."""
    before: Indexes
    """Shape (entries + 1,): rows in earlier entries."""
    first: Indexes
    """Shape (entries,): where the first row of each entry stands in the file."""
    names: bool
    """Whether outcomes are names, of which any two differ by 1, and not numbers."""

    def at(self, point: Indexes, place: Indexes) -> Indexes:
        """The first entry at a point whose outcome has that place or a later one."""
        return np.searchsorted(self.keys, point * (self.known.size + 1) + place)

    def value(self, entry: Indexes) -> Floats:
        """The outcome of entries."""
        return self.known[self.keys[entry] % (self.known.size + 1)]


def outcomes(point: Indexes, value: npt.NDArray[np.generic], in_file: Indexes, *, names: bool) -> Outcomes:
    """Outcomes of rows, each array of shape (rows,), made quick to count by point and range."""
    known, place = np.unique(value.astype(np.float64), return_inverse=True)
    key = point * (known.size + 1) + place
    order = np.lexsort((in_file, key))
    key = key[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if key.size else np.array([], np.int64)
    )
    return Outcomes(
        known=known,
        keys=key[starts],
        before=np.append(starts, key.size).astype(np.int64),
        first=in_file[order[starts]],
        names=names,
    )


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over the rows compared, of a share of neighbours each."""

    value: float
    effective: float
    """Independent yes-or-no answers that would be as sure."""

    def interval(self, confidence: float) -> Interval:
        """Wilson's, over the effective number of rows."""
        low, high = wilson(self.value * self.effective, self.effective, confidence)
        return Interval(low=low, high=high)


@dataclass(kw_only=True, eq=False)
class Tally:
    """The share of neighbours with another outcome, summed over the rows compared so far."""

    outcomes: Outcomes
    bound: float
    """Largest difference of outcomes for each unit of distance that is none."""
    shares: list[Floats] = field(default_factory=list)
    """Of each row compared, in [0, 1]."""
    anchors: list[Indexes] = field(default_factory=list)
    """Entries of the rows compared."""
    worst: dict[tuple[int, int], tuple[float, float, float]] = field(default_factory=dict)
    """Excess over the bound, distance and difference, by where the two rows stand in the file."""
    reached: Floats = field(init=False)
    """Shape (2, entries + 1): steps of the weight with which rows of an entry are neighbours at all, and with
    which they are neighbours with another outcome; the cumulative sum has the weights."""
    squares: Floats = field(init=False)
    """Shape (2,): sums over neighbours of squared weights: of those with a like outcome and of the others."""

    def __post_init__(self) -> None:
        self.reached = np.zeros((2, self.outcomes.keys.size + 1))
        self.squares = np.zeros(2)

    def take(self, links: Links, at: Indexes, own: Floats, in_file: Indexes) -> None:
        """Compare some rows with their neighbours.

        Args:
            links: one entry for each row compared and point reached; `origin` tells the row.
            at: shape (rows,), point of each row compared.
            own: shape (rows,), outcome of each.
            in_file: shape (rows,), where each stands in the file.
        """
        held, weight = self.outcomes, links.weight
        value = own[links.origin]
        allowed = self.bound * links.distance + ROUNDING
        start, end = (
            held.at(links.point, np.zeros_like(links.point)),
            held.at(links.point + 1, np.zeros_like(links.point)),
        )
        if held.names:
            place = np.searchsorted(held.known, value)
            low, high = held.at(links.point, place), held.at(links.point, place + 1)
            low, high = np.where(allowed < 1, low, start), np.where(allowed < 1, high, end)
        else:
            low = held.at(links.point, np.searchsorted(held.known, value - allowed, side="left"))
            high = held.at(links.point, np.searchsorted(held.known, value + allowed, side="right"))
        alike = held.before[high] - held.before[low] - links.itself
        other = held.before[end] - held.before[start] - links.itself - alike
        self.shares.append(
            np.bincount(links.origin, weights=weight * other, minlength=at.size).clip(0.0, 1.0)
        )
        mine = held.at(at, np.searchsorted(held.known, own))
        self.anchors.append(mine)
        self.squares += (weight**2 * alike).sum(), (weight**2 * other).sum()
        for row, ends in ((0, (start, end)), (1, (start, end)), (1, (high, low))):
            for sign, steps in ((1.0, ends[0]), (-1.0, ends[1])):
                np.add.at(self.reached[row], steps, sign * weight)
        # a row gives nothing to itself, and its entry has been given its share
        self_weight = weight[links.itself] / np.diff(held.before)[mine[links.origin[links.itself]]]
        np.add.at(self.reached[0], mine[links.origin[links.itself]], -self_weight)
        np.add.at(self.reached[0], mine[links.origin[links.itself]] + 1, self_weight)
        some = np.flatnonzero(other > 0)
        if some.size:
            self._remember(links, value, start, end, in_file, some)

    def _remember(
        self, links: Links, value: Floats, start: Indexes, end: Indexes, in_file: Indexes, some: Indexes
    ) -> None:
        """Keep the pairs that exceed their bound most; at each point its extreme outcome stands for all."""
        held, value = self.outcomes, value[some]
        lowest, highest = start[some], end[some] - 1
        below, above = (np.abs(held.value(entry) - value) for entry in (lowest, highest))
        entry = np.where(below >= above, lowest, highest)
        difference = np.ones(some.size) if held.names else np.maximum(below, above)
        distance = links.distance[some]
        excess = difference - self.bound * distance
        one, other = in_file[links.origin[some]], held.first[entry]
        for i in np.lexsort((distance, -excess))[: 2 * WORST]:  # a pair may be seen from both its rows
            pair = int(min(one[i], other[i])), int(max(one[i], other[i]))
            self.worst[pair] = float(excess[i]), float(distance[i]), float(difference[i])
        kept = sorted(self.worst.items(), key=lambda each: (-each[1][0], each[1][1], each[0]))[:WORST]
        self.worst = dict(kept)

    def mean(self, rows: int) -> Mean:
        """The mean share and how sure it is, for the people that the rows of the file are a sample of.

        Two things make it uncertain. Only n of N rows were compared: (1 - n / N) s^2 / n. And the file is a
        sample itself: changing one row changes its own share and those of the rows that it is a neighbour of,
        so the mean's variance is the sum over rows of their squared influence, over N^2 (the jackknife, which
        errs on the wide side). Influences through neighbours are estimated from the rows compared.

        Args:
            rows: N, rows that could have been compared.

        Source: Efron and Stein, "The jackknife estimate of variance" (1981); effective sample sizes in Wilson's
        interval as in Korn and Graubard, "Confidence intervals for proportions" (1998).
        """
        shares, at = np.concatenate(self.shares), np.concatenate(self.anchors)
        n, mean = shares.size, float(shares.mean())
        part = n / rows
        off = shares - mean
        met, differing = np.cumsum(self.reached, axis=1)[:, :-1]
        given = differing - mean * met
        diagonal = self.squares @ np.array([mean**2, (1 - mean) ** 2])
        through = float((np.diff(self.outcomes.before) * given**2).sum()) - (1 - part) * diagonal
        own = float((off**2).sum())
        influence = own / part + (2 * float((off * given[at]).sum()) + through) / part**2
        variance = (1 - part) * own / n**2 + max(influence, own / part) / rows**2
        # each row makes five comparisons, so it is never surer than five independent answers
        spread = mean * (1 - mean)  # 0 where all agree, whatever rounding leaves of the variance
        effective = min(NEIGHBOURS * n, spread / variance) if variance > 0 and spread > 0 else n
        return Mean(value=mean, effective=float(effective))

    def touched(self) -> float:
        """Share of the rows compared with at least one such neighbour."""
        return float((np.concatenate(self.shares) > 0).mean())

    def pairs(self) -> tuple[AlikePair, ...]:
        """The worst pairs seen, the worst first."""
        return tuple(
            AlikePair(rows=(Count(a + 1), Count(b + 1)), distance=distance, difference=difference)
            for (a, b), (_, distance, difference) in self.worst.items()
        )
