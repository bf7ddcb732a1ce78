"""From counts to findings: which groups may be compared, how far apart they are, and the verdict."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.fairness.groups import judged
from engine.fairness.intervals import Floats, deviations, draws, simultaneous, spread
from engine.fairness.metrics import (
    METRICS,
    RATES,
    Form,
    Metric,
    MetricSpec,
    Numbers,
    Rate,
    counted,
    gap,
    range_of,
)
from engine.fairness.options import BiasOptions
from engine.fairness.outcomes import Table
from engine.fairness.report import Exclusion, Finding, Interval, Verdict
from engine.fairness.words import capital, gap_description, joined, left_out, too_few, verdict_reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The groups in which one rate rests on enough rows to be compared."""

    rate: Rate
    names: tuple[str, ...]
    counts: Numbers
    """Shape (groups, 2, 2): these groups only."""
    places: Numbers
    """Shape (groups,): where they stand among the judged groups."""
    excluded: tuple[Exclusion, ...]

    @property
    def possible(self) -> bool:
        return len(self.names) >= 2

    def extremes(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """Name and rate of the lowest and of the highest group."""
        k, n = counted(self.rate, self.counts)
        low, high = int(np.argmin(k / n)), int(np.argmax(k / n))
        return (self.names[low], float(k[low] / n[low])), (self.names[high], float(k[high] / n[high]))


Statistics = Mapping[tuple[Rate, Form], Floats]
"""For a rate on a scale, shape (draws,): the largest deviation over all pairs of groups in each draw."""


def verdict(interval: Interval | None, fair: float, limit: float) -> Verdict:
    """What an interval says about a limit.

    Acceptable is everything from the fair value to the limit, both included. The verdict is pass when
    the whole interval is acceptable, fail when none of it is, warning when it straddles the limit, and
    insufficient evidence without an interval.

    Args:
        interval: of the metric, or None.
        fair: 0 where small values are fair, as for differences; 1 where large ones are.
        limit: the furthest acceptable value.
    """
    if interval is None:
        return Verdict.INSUFFICIENT_EVIDENCE
    large_is_fair = fair > 0
    if (interval.low >= limit) if large_is_fair else (interval.high <= limit):
        return Verdict.PASS
    beyond = (interval.high < limit) if large_is_fair else (interval.low > limit)
    return Verdict.FAIL if beyond else Verdict.WARNING


def worst(findings: Sequence[Finding]) -> Verdict:
    """Fail before warning before pass; insufficient evidence when nothing was judged."""
    found = {finding.verdict for finding in findings}
    return next(
        (v for v in (Verdict.FAIL, Verdict.WARNING, Verdict.PASS) if v in found),
        Verdict.INSUFFICIENT_EVIDENCE,
    )


def judge(
    table: Table, metrics: Sequence[Metric], options: BiasOptions, drawn: Callable[[int], None]
) -> Iterator[tuple[Finding, int]]:
    """Judge the gaps between the groups of a table.

    Args:
        table: counts of label by prediction in each group.
        metrics: those to judge, all of them gaps between groups.
        options: confidence, draws, seed, smallest group, limits.
        drawn: told the number of bootstrap samples drawn so far.

    Yields:
        Per metric the finding, and how many groups were compared.
    """
    rates = dict.fromkeys(rate for metric in metrics for rate in METRICS[metric].rates)
    comparisons = {rate: compare(table, rate, options) for rate in rates}
    wanted = dict.fromkeys((rate, METRICS[m].form) for m in metrics for rate in METRICS[m].rates)
    possible = [key for key in wanted if comparisons[key[0]].possible]
    statistics = _statistics(table, comparisons, possible, options, drawn) if possible else {}
    for metric in metrics:
        parts = [comparisons[rate] for rate in METRICS[metric].rates]
        yield _finding(metric, table, parts, statistics, options), max(len(part.names) for part in parts)


def compare(table: Table, rate: Rate, options: BiasOptions) -> Comparison:
    """The judged groups whose rate rests on at least min_group_size rows, and why the others do not."""
    large = judged(table, options)
    _, n = counted(rate, table.counts)
    enough = large & (n >= options.min_group_size)
    sizes = table.counts.sum((1, 2))
    excluded = []
    for i in np.flatnonzero(~enough):
        has = f"{sizes[i]:,} rows" if not large[i] else f"{n[i]:,} {RATES[rate].among}"
        excluded.append(
            Exclusion(group=table.names[i], reason=f"which has {has}, fewer than {options.min_group_size:,}")
        )
    return Comparison(
        rate=rate,
        names=tuple(table.names[i] for i in np.flatnonzero(enough)),
        counts=table.counts[enough],
        places=np.flatnonzero(enough[large]),
        excluded=tuple(excluded),
    )


def _statistics(
    table: Table,
    comparisons: Mapping[Rate, Comparison],
    wanted: Sequence[tuple[Rate, Form]],
    options: BiasOptions,
    drawn: Callable[[int], None],
) -> Statistics:
    observed = {(rate, form): spread(*counted(rate, comparisons[rate].counts), form) for rate, form in wanted}
    blocks: dict[tuple[Rate, Form], list[Floats]] = {key: [] for key in wanted}
    done = 0
    for block in draws(table.counts[judged(table, options)], options.bootstrap_samples, options.seed):
        for rate, form in wanted:
            k, n = counted(rate, block[:, comparisons[rate].places])
            blocks[rate, form].append(deviations(observed[rate, form], k, n))
        done += len(block)
        drawn(done)
    return {key: np.concatenate(parts) for key, parts in blocks.items()}


def _finding(
    metric: Metric, table: Table, parts: Sequence[Comparison], statistics: Statistics, options: BiasOptions
) -> Finding:
    spec, limit, attribute = METRICS[metric], options.limit(metric), joined(table.attributes)
    excluded = tuple(dict.fromkeys(e for part in parts for e in part.excluded))
    missing = next((part for part in parts if not part.possible), None)
    value = None if missing else _value(spec, parts)
    lowest = highest = interval = None
    description = f"{capital(spec.title)} is {spec.meaning}. Here it could not be measured."
    if missing:
        reason = too_few(missing.rate, attribute, len(missing.names), missing.excluded)
    elif value is None:
        reason = f"The ratio is undefined: the {RATES[parts[0].rate].title} is 0 in every group.{left_out(excluded)}"
    else:
        interval = _interval(spec, parts, statistics, value, options)
        widest = max(parts, key=lambda part: gap(*range_of(part.rate, part.counts), Form.DIFFERENCE) or 0.0)
        low, high = widest.extremes()
        lowest, highest = low[0], high[0]
        description = gap_description(metric, widest.rate, low, high)
        reason = verdict_reason(verdict(interval, spec.fair, limit), interval, metric, limit, excluded)
    return Finding(
        metric=metric,
        attributes=table.attributes,
        attribute=attribute,
        value=value,
        interval=interval,
        threshold=limit,
        fair=spec.fair,
        verdict=verdict(interval, spec.fair, limit),
        reason=reason,
        description=description,
        lowest=lowest,
        highest=highest,
        excluded=excluded,
    )


def _value(spec: MetricSpec, parts: Sequence[Comparison]) -> float | None:
    gaps = [gap(*range_of(part.rate, part.counts), spec.form) for part in parts]
    known = [g for g in gaps if g is not None]
    if len(known) < len(gaps):
        return None
    return min(known) if spec.form is Form.RATIO else max(known)


def _interval(
    spec: MetricSpec, parts: Sequence[Comparison], statistics: Statistics, value: float, options: BiasOptions
) -> Interval:
    spreads = [spread(*counted(part.rate, part.counts), spec.form) for part in parts]
    largest = np.max([statistics[part.rate, spec.form] for part in parts], axis=0)
    low, high = simultaneous(spreads, largest, options.confidence)
    return Interval(
        low=min(low, value), high=max(high, value)
    )  # a rate of 0 has ratio 0, outside any logarithm
