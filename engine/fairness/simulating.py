"""Rules of thresholds tried on the rows of an analysis, and what each would have brought there.

Thresholds are chosen on one half of the rows and measured on the other, both ways round, so that the effects are not
flattered by the choice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from engine.fairness.groups import judged
from engine.fairness.intervals import Floats, wilson
from engine.fairness.judging import judge
from engine.fairness.metrics import Metric
from engine.fairness.of_scores import LAYERS, Layer, auc, auc_variance
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.report import Finding
from engine.fairness.rules import (
    LOSS,
    Aim,
    Choose,
    Rule,
    as_many,
    crossfitted,
    group_thresholds,
    moderate,
    outcomes,
    reject_option,
    single_threshold,
    unlabelled,
)
from engine.fairness.tables import Places, Table
from engine.values import Interval

CLOSED = 0.25
"""Share of what a gap lies beyond its limit that a remedy closes at least; ours."""

BASES: Mapping[Aim, tuple[int, ...]] = MappingProxyType(
    {Aim.SELECTION: (0, 1, 2), Aim.OPPORTUNITY: (1,), Aim.FALSE_ALARMS: (0,)}
)
"""Layers of the counts that a rate rests on."""

Measured = tuple[float, Interval | None]


class Kind(StrEnum):
    """How a rule treats the groups."""

    GROUPS = "groups"
    SINGLE = "single"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """What is known of the groups of one attribute."""

    decided: Table
    """Label by prediction."""
    scored: Table | None = None
    """Label by bin of the score, where scores are compared."""
    counts: Numbers | None = None
    """Shape (groups, 3, bins), as `scores.decidable` says, where thresholds can be tried."""
    least: Floats | None = None
    """Shape (bins,): the least score of each bin; with `counts`."""
    threshold: float | None = None
    """From which score decisions were favourable, where they were made so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The rows and groups that thresholds are tried on for one finding, and how these are decided now."""

    finding: Finding
    aim: Aim
    counts: Numbers
    """Of the groups that take part, shape (groups, 3, bins)."""
    least: Floats
    table: Table
    """The decisions as they are."""
    decided: int
    """Rows with a decision in the groups that the finding compares."""
    same: bool
    """Whether all of these have a score, and none but these."""
    everyone: bool
    """Whether all groups take part."""
    own: bool
    """Whether the threshold is the model's own."""
    threshold: float
    """The model's own threshold, or the one from which on as many rows are favourable as are now."""
    gap: Measured
    accuracy: Measured | None
    """None without labels."""

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def labelled(self) -> int:
        return int(self.counts[:, :2].sum())

    @property
    def present(self) -> Floats:
        """The share of each group that is decided favourably now."""
        return _selected(self.table.cells)

    @property
    def alike(self) -> float:
        """The accuracy of deciding everybody alike, in the better of the two ways."""
        return float(self.counts[:, :2].sum((0, 2)).max() / self.labelled) if self.labelled else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One rule, and what it brings on rows that it was not chosen on."""

    kind: Kind
    gap: Measured
    selection: Measured
    accuracy: Measured | None
    settings: tuple[str, ...]
    table: Table
    """The decisions as they would be."""


def rows_for(finding: Finding, aim: Aim, ground: Ground, options: BiasOptions) -> Rows | None:
    """The rows that thresholds can be tried on; None where fewer than two groups have enough of them."""
    decided, counts, least = ground.decided, ground.counts, ground.least
    if counts is None or least is None:
        return None
    places = _taking_part(decided, counts.sum(-1), aim, options)
    in_finding = _taking_part(decided, decided.cells.sum(-1), aim, options)
    if len(places) < 2:
        return None
    tried = counts[places]
    present = decided.cells[places]
    if ground.threshold is not None:
        at = int(np.searchsorted(least, ground.threshold))
        present = outcomes(tried, np.full(len(tried), at, dtype=np.intp))
        threshold = ground.threshold
    else:
        at = as_many(tried, float(present[..., 1].sum() / present.sum()))
        threshold = float(least[min(at, len(least) - 1)])
    same = np.array_equal(places, in_finding) and np.array_equal(present.sum(-1), tried.sum(-1))
    table = as_decided(decided, places, present)
    gap = (finding.value, finding.interval) if same and finding.value is not None else None
    gap = gap or measured_again(table, finding, options)
    if gap is None:
        return None
    return Rows(
        finding=finding,
        aim=aim,
        counts=tried,
        least=least,
        table=table,
        decided=int(decided.rows[in_finding].sum()),
        same=same,
        everyone=len(places) == len(decided.names),
        own=ground.threshold is not None,
        threshold=threshold,
        gap=gap,
        accuracy=accuracy(present, options),
    )


def _taking_part(table: Table, rows: Numbers, aim: Aim, options: BiasOptions) -> Places:
    """Groups that are judged and have enough rows for a rate, of rows by group and label, those without one last."""
    aims = (Aim.OPPORTUNITY, Aim.FALSE_ALARMS) if aim is Aim.ODDS else (aim,)
    enough = [rows[:, list(BASES[each])].sum(1) >= options.min_group_size for each in aims]
    return np.flatnonzero(judged(table, options) & np.any(enough, axis=0))


def one_sided(rows: Rows, options: BiasOptions) -> bool:
    """Whether a gap in selection is tried on labels known almost only where decisions are alike.

    Labels of those that were approved say nothing of what it costs to approve others.
    """
    every, labelled = rows.table.cells.sum((0, 1)), rows.table.cells[:, :2].sum((0, 1))
    blind = (every >= options.min_group_size) & (labelled < options.min_group_size)
    return rows.aim is Aim.SELECTION and bool(blind.any())


def trials(rows: Rows, options: BiasOptions) -> Iterator[Trial]:
    """Rules that still decide both ways, tried: a threshold for each group, one for all, and the reject option."""
    aim, present, before = rows.aim, rows.present, rows.accuracy
    blind = one_sided(rows, options)

    def for_groups(counts: Numbers) -> Rule | None:
        return group_thresholds(unlabelled(counts) if blind else counts, aim, present)

    def for_all(counts: Numbers) -> Rule | None:
        if blind or before is None:
            return None
        return single_threshold(counts, aim, before[0] - LOSS, present)

    def rejecting(counts: Numbers) -> Rule | None:
        return reject_option(counts, aim, rows.least, rows.threshold, present)

    choices: tuple[tuple[Kind, Choose], ...] = (
        (Kind.GROUPS, for_groups),
        (Kind.SINGLE, for_all),
        (Kind.REJECT, rejecting),
    )
    for kind, choose in choices:
        rule, cells = choose(rows.counts), crossfitted(rows.counts, choose, options.seed)
        if rule is None or cells is None or not _moderate(cells, present):
            continue
        table = replace(rows.table, cells=cells)
        gap = measured_again(table, rows.finding, options)
        if gap is None:
            continue
        yield Trial(
            kind=kind,
            gap=gap,
            selection=selection(cells, options),
            accuracy=accuracy(cells, options),
            settings=_settings(rows.table.names, rule, rows.least),
            table=table,
        )


def beyond(finding: Finding, value: float) -> float:
    """How far a value of the finding's metric lies beyond its limit; 0 within it."""
    off = max(0.0, finding.fair - value) if finding.fair > 0 else abs(value - finding.fair)
    return max(0.0, off - abs(finding.threshold - finding.fair))


def closes(rows: Rows, trial: Trial) -> bool:
    """Whether a rule brings the gap within its limit, or nearer to it by a quarter of what it lies beyond."""
    before, after = beyond(rows.finding, rows.gap[0]), beyond(rows.finding, trial.gap[0])
    return before > 0 and after <= (1 - CLOSED) * before


def worth_it(rows: Rows, trial: Trial, options: BiasOptions) -> bool:
    """Whether a rule decides as many rows rightly as deciding everybody alike, where labels can tell."""
    if trial.accuracy is None or one_sided(rows, options):
        return True
    return trial.accuracy[0] >= rows.alike


def inverted(rows: Rows, options: BiasOptions) -> float | None:
    """The AUC over all rows tried on, where it is clearly below 0.5: high scores then go with unfavourable labels."""
    cells = np.zeros((LAYERS, rows.counts.shape[-1]))
    cells[[Layer.UNFAVORABLE, Layer.FAVORABLE]] = rows.counts[:, :2].sum(0)
    cells[Layer.CONCORDANCE] = 0.5
    value = float(auc(cells))
    margin = NormalDist().inv_cdf((1 + options.confidence) / 2) * float(np.sqrt(auc_variance(cells)))
    return value if value + margin < 0.5 else None


def as_decided(like: Table, places: Places, cells: Numbers) -> Table:
    """Decisions about some groups of a table; these stay judged where labels are missing."""
    return replace(part_of(like, places), kind=Cells.OUTCOMES, cells=cells, sampler=None)


def part_of(table: Table, places: Places) -> Table:
    """Some groups of a table."""

    def sampler(chosen: Places, samples: int, seed: int) -> Iterator[Numbers]:
        return table.draws(places[chosen], samples, seed)

    return replace(
        table,
        groups=tuple(table.groups[i] for i in places),
        names=tuple(table.names[i] for i in places),
        rows=table.rows[places],
        cells=table.cells[places],
        sampler=None if table.sampler is None else sampler,
    )


def measured_again(table: Table, finding: Finding, options: BiasOptions) -> Measured | None:
    """The metric of a finding on other cells; None where it is undefined."""
    for found, _ in judge(table, [finding.metric], options, lambda _: None):
        if found.outcome == finding.outcome and found.value is not None:
            return found.value, found.interval
    return None


def measured_both(
    before: Table, after: Table, metrics: Sequence[Metric], options: BiasOptions
) -> dict[Metric, tuple[Measured, Measured]]:
    """Metrics of decisions as they are and as they would be, of two classes; those that are undefined left out."""
    one, other = (
        {
            found.metric: (found.value, found.interval)
            for found, _ in judge(table, metrics, options, lambda _: None)
            if found.value is not None
        }
        for table in (before, after)
    )
    return {metric: (one[metric], other[metric]) for metric in metrics if metric in one and metric in other}


def accuracy(cells: Numbers, options: BiasOptions) -> Measured | None:
    """Share of rows with a label that are decided as labelled, with Wilson's interval; None without labels."""
    rows = float(cells[:, :2].sum())
    return _share(float(cells[:, 0, 0].sum() + cells[:, 1, 1].sum()), rows, options) if rows else None


def selection(cells: Numbers, options: BiasOptions) -> Measured:
    """Share of all rows that are decided favourably, with Wilson's interval."""
    return _share(float(cells[..., 1].sum()), float(cells.sum()), options)


def _share(k: float, n: float, options: BiasOptions) -> Measured:
    low, high = wilson(k, n, options.confidence)
    return k / n, Interval(low=low, high=high)


def _selected(cells: Numbers) -> Floats:
    """The share of each group that is decided favourably, 0 without rows."""
    rows = cells.sum((1, 2))
    found: Floats = cells[..., 1].sum(-1) / np.maximum(rows, 1)
    return found


def _moderate(cells: Numbers, present: Floats) -> bool:
    """Whether decisions still go both ways, as `rules.moderate` says of rules."""
    as_bins = np.stack([cells[..., 0].sum(-1), cells[..., 1].sum(-1)], axis=-1)[:, None]
    return bool(moderate(as_bins, np.ones((1, len(cells)), dtype=np.intp), present)[0])


def _settings(names: Sequence[str], rule: Rule, least: Floats) -> tuple[str, ...]:
    """A sentence for each group, or one for all where they are alike."""
    said = [
        f"favourable from a score of {least[at]:.10g}" if at < len(least) else "no score seen is favourable"
        for at in rule
    ]
    if len(set(said)) == 1:
        return (f"all groups: {said[0]}",)
    return tuple(f"{name}: {text}" for name, text in zip(names, said, strict=True))
