"""What a finding compared and what came out, in words, from its quantities."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.fairness.balances import BALANCES
from engine.fairness.joint import RATIOS, Sides, driving, value_of
from engine.fairness.metrics import METRICS, Metric
from engine.fairness.sides import Side
from engine.fairness.tables import Table
from engine.fairness.words import (
    among_known,
    balance_description,
    class_description,
    gap_description,
    joined,
)


def described(metric: Metric, table: Table, outcome: str | None, rows: Sides, limit: float) -> str:
    """What was compared and what came out, in the class where it is worst if it is a mean over classes."""
    form, widest = METRICS[metric].form, driving(METRICS[metric], rows)
    extremes, mean = widest.extremes(), outcome is None and len(rows) > 1
    if form in BALANCES:
        at = BALANCES[form].worst(widest.comparison.cells, widest.comparison.places).part
        said = balance_description(
            metric, table.classes[at], *(None if end is None else end[0] for end in extremes)
        )
    else:
        worst_class = table.classes[widest.comparison.part[1]] if mean else None
        good = not mean and outcome is None
        said = gap_description(metric, widest.comparison.quantity, *extremes, worst_class, good=good)
    said += _without_missing(metric, table, rows, limit)
    return class_description(said, outcome, len(rows)) if mean or outcome is not None else said


def _without_missing(metric: Metric, table: Table, rows: Sides, limit: float) -> str:
    """Where a group of missing values is at an end, the largest gap among the others, if that is beyond the limit too."""
    spec = METRICS[metric]
    unknown = {name for name, group in zip(table.names, table.groups, strict=True) if None in group}
    ends = [end[0] for end in driving(spec, rows).extremes() if end is not None]
    if unknown.isdisjoint(ends):
        return ""
    known = [[_without(side, unknown) for side in row] for row in rows]
    if not all(side.possible for row in known for side in row):
        return ""
    value = value_of(spec, known)
    if not (value < limit if spec.form in RATIOS else value > limit):  # undefined is neither
        return ""
    return among_known(joined(table.attributes), value, limit, *driving(spec, known).extremes())


def _without(side: Side, names: set[str]) -> Side:
    """A quantity without some of its groups, as far as values go."""
    old: Sequence[str] = side.comparison.names
    kept = np.array([i for i, name in enumerate(old) if name not in names], dtype=np.intp)
    at = np.flatnonzero(kept == (-1 if side.comparison.reference is None else side.comparison.reference))
    finer = side.comparison.finer
    return replace(
        side,
        comparison=replace(
            side.comparison,
            names=tuple(old[i] for i in kept),
            places=side.comparison.places[kept],
            value=side.comparison.value[kept],
            finer=None if finer is None else finer[kept],
            base=side.comparison.base[kept],
            reference=int(at[0]) if len(at) else None,
        ),
    )
