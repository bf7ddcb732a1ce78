"""Quantities of several groups, made comparable: which groups take part, and how sure each value is.

Shares and some statistics have a formula for their variance; for everything else it comes from a first few draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
import numpy.typing as npt

from engine.fairness.groups import drawn_with, judged
from engine.fairness.intervals import Floats, linear, linked, logarithmic, logarithmic_linked
from engine.fairness.metrics import QUANTITIES, counted, measured, of_class
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Curve, Numbers, Quantity, QuantitySpec, Share, Statistic
from engine.fairness.report import Exclusion
from engine.fairness.tables import Table
from engine.fairness.words import so_many

PILOT = 200
"""Draws from which the variance of a quantity without a formula is taken."""
TINY = 1e-12
BORROWED = 100.0
"""Rows at which a group is trusted half to be as even as it looks."""
IN_DRAWS = 0.25
"""Share of that floor which holds in draws. Draws of ordinary small groups keep their own variances, as the quantile would
be too small otherwise; those without any spread are not infinitely many standard errors off."""

Part = tuple[Quantity, int]
"""A quantity and the class it is about."""


class Scale(StrEnum):
    """On which values are compared."""

    LINEAR = "linear"
    LOG = "log"


Formula = Callable[[Numbers], tuple[Floats, Floats]]
"""From cells to values on a scale and their variances, which are finite even where the values are not."""


def formula(
    quantity: Quantity, scale: Scale, unit: float = 1.0, base: Floats | None = None, share: float = 1.0
) -> Formula | None:
    """How a quantity is put on a scale with its variance, where that needs no draws.

    `base` are the rows that the compared groups rest on, whose statistics are then not held to be surer than alike ones
    of the others can be; `share` is how much of that floor holds.
    """
    how = QUANTITIES[quantity].how
    if isinstance(how, Statistic) and how.variance is not None:
        return partial(_of_statistic, how, how.variance, scale, unit, base, share)
    if not isinstance(how, Share):
        return None
    if how.link is None or how.slope is None:
        plain = linear if scale is Scale.LINEAR else logarithmic
        return lambda cells: plain(*counted(quantity, cells))
    link, slope = how.link, how.slope
    through = linked if scale is Scale.LINEAR else logarithmic_linked
    return lambda cells: through(*counted(quantity, cells), link, slope)


def _of_statistic(
    how: Statistic,
    spread: Callable[[Numbers], Numbers],
    scale: Scale,
    unit: float,
    base: Floats | None,
    share: float,
    cells: Numbers,
) -> tuple[Floats, Floats]:
    """Values in units on a scale and their variances, on the logarithmic one by the delta method."""
    value, variance = how.value(cells) / unit, np.maximum(spread(cells) / unit**2, TINY)
    if base is not None:
        slope = 1.0 if how.slope is None else how.slope(cells)
        variance = floored(variance / slope, base, share) * slope
    if scale is Scale.LINEAR:
        return value, variance
    least = np.maximum(value, TINY)
    return np.log(least), variance / least**2


def floored(variance: Floats, base: Floats, share: float = 1.0) -> Floats:
    """Variances of means of groups, none far smaller than it would be if the group's rows varied as those of all do.

    A small group in which a rare event did not happen has no spread at all, and would be taken for exactly known; shares
    are smoothed against that, and this does it for everything else. A group of n rows is held to vary at least
    BORROWED / (n + BORROWED) as much as all together, so a large one may be as even as it looks.

    Args:
        variance: (..., groups), of the mean.
        base: (groups,), rows that each mean rests on.
        share: of the floor that holds, up to 1.
    """
    together = (variance * base**2).sum(axis=-1, keepdims=True) / base.sum()
    found: Floats = np.maximum(variance, share * BORROWED / (base + BORROWED) * together / base)
    return found


def view(cells: Numbers, part: Part) -> Numbers:
    """Cells as the quantity of a part reads them."""
    return of_class(part[0], cells, part[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The groups in which one quantity rests on enough rows to be compared."""

    part: Part
    names: tuple[str, ...]
    cells: Numbers
    """Cells of all groups that are drawn."""
    places: npt.NDArray[np.intp]
    """Shape (groups,): where the compared groups stand among those drawn."""
    value: Floats
    """Shape (groups,); of a curve shape (groups, points)."""
    finer: Floats | None
    """Shape (groups, more points): of a curve that is drawn at fewer points than there are, all of them."""
    base: Floats
    """Shape (groups,): rows that the value rests on."""
    excluded: tuple[Exclusion, ...]
    reference: int | None
    """Where the reference group stands among the compared ones."""
    unit: float = 1.0
    """What values are divided by, so that gaps have a scale."""

    @property
    def quantity(self) -> Quantity:
        return self.part[0]

    def extremes(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """Name and value, in its own unit, of the lowest and of the highest group."""
        low, high = int(np.argmin(self.value)), int(np.argmax(self.value))
        values = self.value * self.unit
        return (self.names[low], float(values[low])), (self.names[high], float(values[high]))


def compare(
    table: Table, part: Part, options: BiasOptions, reference: int | None, unit: float = 1.0
) -> Comparison:
    """The judged groups whose quantity rests on at least min_group_size rows, and why the others do not.

    Args:
        table: groups and their cells.
        part: what is compared.
        options: the smallest group that is compared, and the smallest that is named.
        reference: place of the reference group in the table, if there is one.
        unit: what values are divided by; NaN leaves nothing to compare.
    """
    spec = QUANTITIES[part[0]]
    drawn, large = drawn_with(table, options), judged(table, options)
    cells = view(table.cells[drawn], part)
    if isinstance(spec.how, Curve):
        value, base = spec.how.points(cells), spec.how.base(cells)
        known = np.isfinite(value).all(-1)
    else:
        value, base = measured(part[0], cells)
        value = value / unit
        known = np.isfinite(value)
    places = np.flatnonzero(known & (base >= options.min_group_size) & large[drawn])
    compared = {int(i) for i in drawn[places]}
    rests_on = dict(zip(drawn.tolist(), base.tolist(), strict=True))
    found = np.flatnonzero(drawn[places] == (-1 if reference is None else reference))
    return Comparison(
        part=part,
        names=tuple(table.names[i] for i in drawn[places]),
        cells=table.cells[drawn],
        places=places,
        value=value[places],
        finer=None
        if table.finer is None or not isinstance(spec.how, Curve)
        else spec.how.points(table.finer[drawn[places]]),
        base=base[places],
        excluded=tuple(
            Exclusion(
                group=name,
                reason=_too_small(spec, rests_on[i], options, weighted=table.weighted)
                if large[i]
                else f"which has {so_many(table.rows[i], 'rows')}, fewer than {options.min_group_size:,}",
            )
            for i, name in enumerate(table.names)
            if i not in compared and table.rows[i] >= options.suppress_below
        ),
        reference=int(found[0]) if len(found) else None,
        unit=unit,
    )


def _too_small(spec: QuantitySpec, base: float, options: BiasOptions, *, weighted: bool) -> str:
    """Why a group that is large enough has too few rows for one quantity."""
    has = f"{'effectively ' if weighted else ''}{so_many(base, spec.among)}"
    few = base < options.min_group_size
    if not few and spec.without is not None:
        has = f"no {spec.without}"
    what = spec.title if spec.unit is None else f"{spec.title} in {spec.unit}"
    return f"which has {has}, {f'fewer than {options.min_group_size:,}' if few else f'so no {what}'}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaled:
    """A comparison on a scale: the values as observed, and their errors in draws."""

    of: Comparison
    scale: Scale
    centre: Floats
    """Shape (groups,)."""
    variance: Floats
    """Shape (groups,)."""
    formula: Formula | None
    """Where there is one, each draw has a variance of its own."""

    def lift(self) -> Floats:
        """Shape (groups,): how far at most chance lifts the values, 0 where it moves them both ways alike."""
        how = QUANTITIES[self.of.quantity].how
        if not isinstance(how, Statistic) or how.lift is None or self.scale is not Scale.LINEAR:
            return np.zeros_like(self.centre)
        found: Floats = how.lift(view(self.of.cells, self.of.part))[self.of.places] / self.of.unit
        return found

    def errors(self, block: Numbers) -> tuple[Floats, Floats]:
        """Of drawn cells, (draws, groups, *cells): drawn minus observed, and variances, both (draws, compared groups)."""
        if self.formula is not None:
            centre, variance = self.formula(view(block, self.of.part)[:, self.of.places])
            return np.where(np.isfinite(centre), centre - self.centre, 0.0), variance
        drawn = _drawn(self.of, self.scale, block)
        error = np.where(np.isfinite(drawn), drawn - self.centre, 0.0)
        return error, np.broadcast_to(self.variance, error.shape)


def scaled(comparison: Comparison, scale: Scale, pilot: Numbers) -> Scaled:
    """Make a comparison ready for draws; `pilot` are some first draws of the same cells, for what has no formula."""
    known = formula(comparison.quantity, scale, comparison.unit, comparison.base)
    if known is not None:
        centre, variance = known(view(comparison.cells, comparison.part)[comparison.places])
        in_draws = formula(comparison.quantity, scale, comparison.unit, comparison.base, IN_DRAWS)
        return Scaled(of=comparison, scale=scale, centre=centre, variance=variance, formula=in_draws)
    drawn = _drawn(comparison, scale, pilot)
    observed = _drawn(comparison, scale, comparison.cells[None])[0]
    floor = floored(_spread(_drawn(comparison, Scale.LINEAR, pilot)), comparison.base)
    if scale is Scale.LOG:
        floor = floor / np.maximum(comparison.value, TINY) ** 2
    return Scaled(
        of=comparison,
        scale=scale,
        centre=observed,
        variance=np.maximum(_spread(drawn), floor),
        formula=None,
    )


def _spread(drawn: Floats) -> Floats:
    """The variance of each group in draws, where it is defined."""
    with np.errstate(invalid="ignore"):
        variance: Floats = np.nanvar(np.where(np.isfinite(drawn), drawn, np.nan), axis=0)
    found: Floats = np.maximum(np.nan_to_num(variance), TINY)
    return found


def _drawn(comparison: Comparison, scale: Scale, block: Numbers) -> Floats:
    """Values of drawn cells on the scale, shape (draws, groups)."""
    value = (
        measured(comparison.quantity, view(block, comparison.part))[0][:, comparison.places] / comparison.unit
    )
    if scale is Scale.LINEAR:
        return value
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.maximum(value, TINY))
