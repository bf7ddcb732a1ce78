"""What models decide about held-out rows, measured by the bias engine: gaps, accuracy, and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.fairness.judging import judge
from engine.fairness.metrics import measured
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells, Quantity
from engine.fairness.report import Finding
from engine.fairness.simulating import accuracy, selection
from engine.fairness.tables import Table
from engine.mitigation.learner import Decisions
from engine.mitigation.options import MitigationOptions
from engine.mitigation.report import Candidate, GroupRates, ModelMeasures
from engine.values import Count

FEWEST = BiasOptions(bootstrap_samples=100, min_group_size=1)
"""For values without intervals, of all groups."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """Rows on which models are measured."""

    names: Sequence[str]
    groups: NDArray[np.intp]
    """(rows,), places of `names`."""
    truth: Decisions
    """(rows,), whether the label is the favourable one."""
    options: MitigationOptions

    def table(self, favored: Decisions) -> Table:
        """Label by decision in each group."""
        cells = np.zeros((len(self.names), 3, 2), np.int64)
        np.add.at(cells, (self.groups, self.truth.astype(int), favored.astype(int)), 1)
        return Table(
            kind=Cells.OUTCOMES,
            attributes=(self.options.attribute,),
            groups=tuple((name,) for name in self.names),
            names=tuple(self.names),
            rows=cells.sum((1, 2)),
            cells=cells,
        )

    def finding(self, favored: Decisions, options: BiasOptions) -> Finding:
        """The gap of the constraint."""
        return next(
            found for found, _ in judge(self.table(favored), [self.options.metric], options, lambda _: None)
        )

    def measures(self, favored: Decisions) -> ModelMeasures:
        """All that is told of a model."""
        options = self.options.measuring()
        found, table = self.finding(favored, options), self.table(favored)
        right, chosen = accuracy(table.cells, options), selection(table.cells, options)
        assert right is not None  # noqa: S101  every row has a label
        return ModelMeasures(
            gap=found.value,
            gap_interval=found.interval,
            gap_reason=None if found.value is not None else found.reason,
            lowest=found.lowest,
            highest=found.highest,
            accuracy=right[0],
            accuracy_interval=right[1],
            selection_rate=chosen[0],
            selection_rate_interval=chosen[1],
            groups=_rates(table),
        )

    def candidate(self, number: int, favored: Decisions) -> Candidate:
        """A point of the trade-off."""
        return Candidate(
            number=number,
            gap=self.finding(favored, FEWEST).value,
            accuracy=float((favored == self.truth).mean()),
            chosen=False,
        )


def choose(found: Sequence[Candidate], weight: float) -> tuple[Candidate, ...]:
    """The same with the best marked; among equals the first, and one without a gap only if none has any."""

    def loss(each: Candidate) -> float:
        return np.inf if each.gap is None else weight * each.gap + (1 - weight) * (1 - each.accuracy)

    best = min(range(len(found)), key=lambda i: loss(found[i]))
    return tuple(replace(each, chosen=i == best) for i, each in enumerate(found))


def _rates(table: Table) -> tuple[GroupRates, ...]:
    asked = (
        Quantity.SELECTION_RATE,
        Quantity.TRUE_POSITIVE_RATE,
        Quantity.FALSE_POSITIVE_RATE,
        Quantity.ACCURACY,
    )
    values = [measured(quantity, table.cells)[0] for quantity in asked]
    return tuple(
        GroupRates(
            group=name,
            rows=Count(int(table.rows[i])),
            selection_rate=float(values[0][i]),
            true_positive_rate=_defined(values[1][i]),
            false_positive_rate=_defined(values[2][i]),
            accuracy=float(values[3][i]),
        )
        for i, name in enumerate(table.names)
    )


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
