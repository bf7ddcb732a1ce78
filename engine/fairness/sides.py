"""One quantity of a metric over its groups: the gap, its ends, and how far draws move it."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.fairness.balances import BALANCES
from engine.fairness.comparing import Comparison, Scaled
from engine.fairness.curves import changes, furthest
from engine.fairness.intervals import Floats, largest_pair
from engine.fairness.metrics import QUANTITIES, Form
from engine.fairness.quantity import Numbers, Share, Statistic

POWER = 0.8
"""Chance with which the minimum detectable gap is found."""


@dataclass(kw_only=True, eq=False)
class Side:
    """One quantity of a metric: its groups, and the largest deviation of any pair of them in each draw."""

    comparison: Comparison
    form: Form
    scaled: Scaled | None = None
    """None for curves."""
    statistics: list[Floats]
    chance: Floats | None = None
    """The same of independent normal errors, for ratios: a group without a single favourable row shows no error in
    any draw, and its logarithm has the largest of all."""

    @property
    def possible(self) -> bool:
        groups = len(self.comparison.names)
        if self.form is Form.AGAINST_REFERENCE:
            return groups >= 2 and self.comparison.reference is not None
        return groups >= (1 if self.form is Form.SCORE else 2)

    @property
    def against(self) -> int:
        """Where the reference group stands; asked for only where there is one."""
        return self.comparison.reference or 0

    def take(self, block: Numbers) -> None:
        """Look at more draws of the cells of the judged groups."""
        self.statistics.append(self._deviations(block))

    def _deviations(self, block: Numbers) -> Floats:
        if self.form in BALANCES:
            return BALANCES[self.form].deviations(self.comparison.cells, self.comparison.places, block)
        if self.scaled is None:
            return changes(self.comparison, block)
        return studentised(self.form, *self.scaled.errors(block), self.comparison.reference)

    def observed(self) -> float:
        """The statistic of the data themselves, against no gap at all."""
        if self.form in BALANCES:
            return BALANCES[self.form].observed(self.comparison.cells, self.comparison.places)
        if self.scaled is None:
            return self.value()
        if self.form is Form.DIFFERENCE and self.scaled.lift().any():
            centre, lowest = self.scaled.centre, self.scaled.centre - self.scaled.lift()
            error = np.sqrt(self.scaled.variance)
            return float(((lowest[:, None] - centre) / np.hypot(error[:, None], error)).max().clip(0.0))
        return float(
            studentised(
                self.form, self.scaled.centre[None], self.scaled.variance[None], self.comparison.reference
            )[0]
        )

    def value(self) -> float:
        """The gap as observed; NaN where it is undefined."""
        values = self.comparison.value
        if self.form in BALANCES:
            return BALANCES[self.form].worst(self.comparison.cells, self.comparison.places).value
        if self.form is Form.DISTANCE:
            return furthest(self.comparison)[0]
        if self.form is Form.RATIO:
            return float(values.min() / values.max()) if values.max() > 0 else math.nan
        if self.form is Form.AGAINST_REFERENCE:
            at = self.against
            lowest = np.delete(values, at).min()
            return float(lowest / values[at]) if values[at] > 0 else math.nan
        if self.form in (Form.LARGEST, Form.SCORE):
            return float(values.max())
        return float(values.max() - values.min())

    def ends(self, quantile: float) -> tuple[float, float]:
        """Ends of the gap, from intervals of all pairs that hold together at this quantile."""
        if self.form in BALANCES:
            return BALANCES[self.form].ends(self.comparison.cells, self.comparison.places, quantile)
        if self.scaled is None:
            value = self.value()
            return max(0.0, value - quantile), value + quantile
        centre, error = self.scaled.centre, np.sqrt(self.scaled.variance)
        if self.form in (Form.LARGEST, Form.SCORE):
            how = QUANTITIES[self.comparison.quantity].how
            low, high = (how.low, how.high) if isinstance(how, Statistic) else (0.0, 1.0)
            ends = float((centre - quantile * error).max()), float((centre + quantile * error).max())
            return max(low, ends[0]), ends[1] if high is None else min(high, ends[1])
        if self.form is Form.AGAINST_REFERENCE:
            at = self.against
            gap = np.delete(centre - centre[at], at)
            margin = np.delete(quantile * np.hypot(error, error[at]), at)
            return math.exp(float((gap - margin).min())), math.exp(float((gap + margin).min()))
        lowest = centre - self.scaled.lift()
        margin = quantile * np.hypot(error[:, None], error[None, :])
        low = max(0.0, float((lowest[:, None] - centre[None, :] - margin).max()))
        above = centre[:, None] - lowest[None, :] + margin
        np.fill_diagonal(above, 0.0)
        high = float(above.max())
        if self.form is Form.RATIO:
            return math.exp(-high), math.exp(-low)
        bounded = isinstance(how := QUANTITIES[self.comparison.quantity].how, Share) and how.link is None
        bounded = bounded or (isinstance(how, Statistic) and (how.low, how.high) == (0.0, 1.0))
        return low, min(1.0, high) if bounded else high

    def extremes(self) -> tuple[tuple[str, float] | None, tuple[str, float] | None]:
        """The groups that drive the gap, with their values: of the lowest and of the highest."""
        if self.form in BALANCES:
            worst = BALANCES[self.form].worst(self.comparison.cells, self.comparison.places)
            low, high = (
                None if at is None else (self.comparison.names[at], math.nan)
                for at in (worst.low, worst.high)
            )
            return low, high
        if self.form is Form.DISTANCE:
            one, other = furthest(self.comparison)[1]
            return (self.comparison.names[one], math.nan), (self.comparison.names[other], math.nan)
        low, high = self.comparison.extremes()
        if self.form is Form.SCORE:
            return None, None
        if self.form is Form.LARGEST:
            return None, high
        if self.form is Form.AGAINST_REFERENCE:
            at = self.against
            others = np.delete(np.arange(len(self.comparison.names)), at)
            least = int(others[self.comparison.value[others].argmin()])
            names, values = self.comparison.names, self.comparison.value
            ends = (names[least], float(values[least])), (names[at], float(values[at]))
            return ends if ends[0][1] <= ends[1][1] else (ends[1], ends[0])
        return low, high

    def detectable(self, quantile: float) -> float | None:
        """The smallest true gap that would be found with a chance of 80 % between the two least sure groups."""
        if self.scaled is None:
            return None
        error = np.sort(np.sqrt(self.scaled.variance))[-2:]
        wide = float(np.hypot(*error)) if error.size == 2 else float(error[0])
        gap = (quantile + NormalDist().inv_cdf(POWER)) * wide
        return math.exp(-gap) if self.form in (Form.RATIO, Form.AGAINST_REFERENCE) else gap


def studentised(form: Form, error: Floats, variance: Floats, at: int | None) -> Floats:
    """The largest error in standard errors, in each draw: of a pair of groups, or of a group."""
    if form in (Form.LARGEST, Form.SCORE):
        found: Floats = (np.abs(error) / np.sqrt(variance)).max(axis=1)
        return found
    if form is Form.AGAINST_REFERENCE and at is not None:
        gap = np.delete(error - error[:, [at]], at, axis=1)
        wide = np.delete(variance + variance[:, [at]], at, axis=1)
        found = (np.abs(gap) / np.sqrt(wide)).max(axis=1)
        return found
    return np.sqrt(largest_pair(error, variance))
