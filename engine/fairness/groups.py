"""The groups of a table: their quantities with intervals, against the reference, and which are large enough to judge."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.intervals import Floats, katz, newcombe, wilson
from engine.fairness.metrics import QUANTITIES, counted, measured, of_class
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Curve, Numbers, Quantity, Share, Statistic
from engine.fairness.report import GroupMetric, GroupReport
from engine.fairness.tables import Places, Table
from engine.fairness.words import joined, so_many
from engine.values import Count, Interval

PILOT = 200
"""Draws behind the interval of a quantity that has no formula."""


def judged(table: Table, options: BiasOptions) -> npt.NDArray[np.bool_]:
    """Shape (groups,): whether each group has the size to be judged, and so to be named."""
    large: npt.NDArray[np.bool_] = table.rows >= max(options.min_group_size, options.suppress_below)
    return large


def drawn_with(table: Table, options: BiasOptions) -> Places:
    """Places of the groups that are drawn: the judged ones, and all where values depend on the others too."""
    if any(spec.relative and spec.cells is table.kind for spec in QUANTITIES.values()):
        return np.arange(len(table.names))
    return np.flatnonzero(judged(table, options))


def reference(table: Table, options: BiasOptions) -> int | None:
    """The group that was asked for, if it is judged; else the largest judged one, the first among equals."""
    large = judged(table, options)
    asked = {each.attribute: each.group for each in options.references}
    if all(name in asked for name in table.attributes):
        wanted = tuple(asked[name] for name in table.attributes)
        if wanted in table.groups and large[table.groups.index(wanted)]:
            return table.groups.index(wanted)
    sizes = np.where(large, table.rows, 0)
    return int(sizes.argmax()) if sizes.any() else None


def on_reference(table: Table, options: BiasOptions) -> str | None:
    """A sentence where the group that was asked for as reference is too small; it names no group that may be hidden.

    Raises:
        InvalidInput: no row has the value that was asked for.
    """
    asked = {each.attribute: (i, each.group) for i, each in enumerate(options.references)}
    if not table.attributes or any(name not in asked for name in table.attributes):
        return None
    for place, name in enumerate(table.attributes):
        i, wanted = asked[name]
        if all(group[place] != wanted for group in table.groups):
            shown = [n for n, large in zip(table.names, judged(table, options), strict=True) if large]
            known = (
                f"; its groups are {', '.join(map(repr, shown[:10]))}" if len(table.attributes) == 1 else ""
            )
            raise InvalidInput(
                f"no row has {wanted!r} as {name}, which was asked for as reference{known}",
                at=("references", i, "group"),
            )
    at = reference(table, options)
    if at is not None and table.groups[at] == tuple(asked[name][1] for name in table.attributes):
        return None
    instead = "and no other group is large enough" if at is None else f"{table.names[at]} took its place"
    return f"The reference group asked for of {joined(table.attributes)} has too few rows to be judged; {instead}."


def reports(table: Table, options: BiasOptions) -> tuple[GroupReport, ...]:
    """All groups of a table with their quantities, judged or not, in the order of the table."""
    large, at = judged(table, options), reference(table, options)
    metrics = [
        _metrics(table, quantity, outcome, at, options)
        for quantity, spec in QUANTITIES.items()
        if spec.cells is table.kind and not spec.whole and not isinstance(spec.how, Curve)
        for outcome in (table.outcomes if spec.by_class else (1,))
    ]
    return tuple(
        GroupReport(
            name=name,
            values=table.groups[i],
            size=Count(int(table.rows[i])),
            judged=bool(large[i]),
            reason=None
            if large[i]
            else f"It has {so_many(table.rows[i], 'rows')}, fewer than {options.min_group_size:,}.",
            metrics=tuple(each[i] for each in metrics),
        )
        for i, name in enumerate(table.names)
    )


def _metrics(
    table: Table, quantity: Quantity, outcome: int, at: int | None, options: BiasOptions
) -> list[GroupMetric]:
    """One quantity of all groups."""
    spec = QUANTITIES[quantity]
    cells = of_class(quantity, table.cells, outcome)
    values, base = measured(quantity, cells)
    ends = _ends(table, quantity, outcome, values, options)
    counts = counted(quantity, cells) if isinstance(spec.how, Share) and spec.how.link is None else None
    whole = not table.weighted
    positive = not isinstance(spec.how, Statistic) or spec.how.low >= 0
    found = []
    for i in range(len(table.names)):
        value = float(values[i]) if np.isfinite(values[i]) else None
        difference = ratio = difference_interval = ratio_interval = None
        if at is not None and at != i and value is not None and np.isfinite(values[at]) and not spec.relative:
            other = float(values[at])
            difference, ratio = value - other, value / other if other > 0 and positive else None
            if counts is not None:
                k, n = counts
                difference_interval = _interval(newcombe((value, *ends[i]), (other, *ends[at])))
                pair = katz((k[i], n[i]), (k[at], n[at]), options.confidence)
                ratio_interval = None if pair is None else _interval(pair)
            else:
                low = difference - np.hypot(value - ends[i][0], ends[at][1] - other)
                high = difference + np.hypot(ends[i][1] - value, other - ends[at][0])
                difference_interval = _interval((low, high))
        found.append(
            GroupMetric(
                quantity=quantity,
                outcome=table.classes[outcome] if len(table.outcomes) > 1 and spec.by_class else None,
                value=value,
                interval=None if value is None else _interval(ends[i]),
                numerator=Count(int(counts[0][i])) if counts is not None and whole else None,
                denominator=Count(int(base[i])) if whole else None,
                reason=None
                if value is not None
                else f"The {spec.title} is undefined: there are no {spec.without or spec.among}.",
                difference=difference,
                difference_interval=difference_interval,
                ratio=ratio,
                ratio_interval=ratio_interval,
            )
        )
    return found


def _ends(
    table: Table, quantity: Quantity, outcome: int, values: Numbers, options: BiasOptions
) -> list[tuple[float, float]]:
    """Interval of a quantity in each group: Wilson's, carried over by the link, or from draws."""
    how = QUANTITIES[quantity].how
    if isinstance(how, Share):
        cells = of_class(quantity, table.cells, outcome)
        ends = []
        for k, n, value in zip(*counted(quantity, cells), values, strict=True):
            low, high = wilson(float(k), float(n), options.confidence) if n > 0 else (0.0, 0.0)
            if how.link is not None:
                with np.errstate(divide="ignore"):
                    low, high = how.link(np.array([low, high]))
            # the last digit may be rounded the other way
            ends.append((min(float(low), float(value)), max(float(high), float(value))))
        return ends
    if isinstance(how, Statistic) and how.variance is not None:
        error = np.sqrt(how.variance(table.cells))
    else:
        error = _errors(table, quantity, options)
    margin = NormalDist().inv_cdf((1 + options.confidence) / 2) * error
    floor, ceiling = (how.low, how.high) if isinstance(how, Statistic) else (-np.inf, None)
    top = np.inf if ceiling is None else ceiling
    return list(zip(np.maximum(values - margin, floor), np.minimum(values + margin, top), strict=True))


def _errors(table: Table, quantity: Quantity, options: BiasOptions) -> Floats:
    """Standard error of a quantity in each group, from draws."""
    places = np.flatnonzero(table.rows > 0)
    drawn = [measured(quantity, block)[0] for block in table.draws(places, PILOT, options.seed)]
    values = np.concatenate(drawn)
    counts = np.isfinite(values).sum(0)
    found = np.full(len(table.names), np.nan)
    known = counts > 1
    found[places[known]] = np.nanstd(np.where(np.isfinite(values), values, np.nan)[:, known], axis=0)
    return found


def _interval(ends: tuple[float, float]) -> Interval | None:
    low, high = ends
    return Interval(low=float(low), high=float(high)) if np.isfinite([low, high]).all() else None
