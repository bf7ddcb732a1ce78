"""The groups of a table: their counts, rates and intervals, and which of them are large enough to judge."""

import numpy as np
import numpy.typing as npt

from engine.fairness.intervals import f1_interval, wilson
from engine.fairness.metrics import RATES, Rate, counted
from engine.fairness.options import BiasOptions
from engine.fairness.outcomes import Table
from engine.fairness.report import Estimate, GroupReport, Interval
from engine.values import Count


def judged(table: Table, options: BiasOptions) -> npt.NDArray[np.bool_]:
    """Shape (groups,): whether each group has the size to be judged."""
    large: npt.NDArray[np.bool_] = table.counts.sum((1, 2)) >= options.min_group_size
    return large


def reference(table: Table, options: BiasOptions) -> int | None:
    """The largest judged group, the first by name among equals; None when no group is judged."""
    sizes = np.where(judged(table, options), table.counts.sum((1, 2)), 0)
    return int(sizes.argmax()) if sizes.any() else None


def reports(table: Table, options: BiasOptions) -> tuple[GroupReport, ...]:
    """All groups of a table with their rates, judged or not, in the order of the table."""
    large = judged(table, options)
    chosen = reference(table, options)
    against = None if chosen is None else selection_rate(table, chosen)
    return tuple(_report(table, i, bool(large[i]), against, options) for i in range(len(table.names)))


def selection_rate(table: Table, group: int) -> float:
    """Share of favourable predictions in one group, in [0, 1]."""
    k, n = counted(Rate.SELECTION_RATE, table.counts[group])
    return float(k / n)


def estimate(rate: Rate, cells: npt.NDArray[np.int64], confidence: float) -> Estimate:
    """A rate of one group with its Wilson interval.

    Args:
        rate: which share.
        cells: shape (2, 2), label by prediction.
        confidence: of the interval.
    """
    k, n = (int(number) for number in counted(rate, cells))
    if n == 0:
        reason = f"The {RATES[rate].title} is undefined: there are no {RATES[rate].among}."
        return Estimate(value=None, interval=None, numerator=Count(k), denominator=Count(n), reason=reason)
    low, high = wilson(k, n, confidence)
    return Estimate(
        value=k / n, interval=Interval(low=low, high=high), numerator=Count(k), denominator=Count(n)
    )


def f1(cells: npt.NDArray[np.int64], confidence: float) -> Estimate:
    """The F1 score of one group, 2 TP / (2 TP + FP + FN), with its interval; `cells` as for `estimate`."""
    tp = int(cells[1, 1])
    union = int(cells.sum() - cells[0, 0])
    if union == 0:
        reason = "The F1 score is undefined: no row has a favourable label or a favourable prediction."
        return Estimate(value=None, interval=None, numerator=Count(0), denominator=Count(0), reason=reason)
    low, high = f1_interval(tp, union, confidence)
    return Estimate(
        value=2 * tp / (tp + union),
        interval=Interval(low=low, high=high),
        numerator=Count(2 * tp),
        denominator=Count(tp + union),
    )


def _report(table: Table, i: int, large: bool, against: float | None, options: BiasOptions) -> GroupReport:
    cells = table.counts[i]
    size = int(cells.sum())
    rates = {rate: estimate(rate, cells, options.confidence) for rate in Rate}
    selected = selection_rate(table, i)
    return GroupReport(
        name=table.names[i],
        values=table.groups[i],
        size=Count(size),
        judged=large,
        reason=None if large else f"It has {size:,} rows, fewer than {options.min_group_size:,}.",
        true_positives=Count(int(cells[1, 1])),
        false_positives=Count(int(cells[0, 1])),
        true_negatives=Count(int(cells[0, 0])),
        false_negatives=Count(int(cells[1, 0])),
        selection_rate=rates[Rate.SELECTION_RATE],
        true_positive_rate=rates[Rate.TRUE_POSITIVE_RATE],
        false_positive_rate=rates[Rate.FALSE_POSITIVE_RATE],
        precision=rates[Rate.PRECISION],
        recall=rates[Rate.TRUE_POSITIVE_RATE],
        f1=f1(cells, options.confidence),
        accuracy=rates[Rate.ACCURACY],
        selection_rate_difference=None if against is None else selected - against,
        selection_rate_ratio=selected / against if against else None,
    )
