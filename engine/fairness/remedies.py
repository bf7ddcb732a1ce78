"""What to do about a finding, and what it would have brought on the rows of this analysis.

Everything is simulated on counts. Thresholds are chosen on one half of the rows and measured on the other, both
ways round, so that the effects are not flattered by the choice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from engine.fairness.advice import acceptable, look_into, more_rows, open_findings
from engine.fairness.groups import judged
from engine.fairness.intervals import Floats, wilson
from engine.fairness.judging import judge
from engine.fairness.metrics import METRICS, QUANTITIES, Metric
from engine.fairness.of_scores import Layer
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells, Numbers
from engine.fairness.report import AttributeReport, Effect, Finding, Interval, Recommendation
from engine.fairness.rules import (
    LOSS,
    Aim,
    Choose,
    Rule,
    crossfitted,
    group_thresholds,
    most_accurate,
    outcomes,
    reject_option,
    single_threshold,
)
from engine.fairness.tables import Places, Table
from engine.fairness.words import number, plural

ACCURACY = "accuracy"
OTHERS = "small groups together"

AIMS: Mapping[Metric, Aim] = MappingProxyType(
    {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: Aim.SELECTION,
        Metric.DEMOGRAPHIC_PARITY_RATIO: Aim.SELECTION,
        Metric.DISPARATE_IMPACT: Aim.SELECTION,
        Metric.EQUALIZED_ODDS_DIFFERENCE: Aim.ODDS,
        Metric.AVERAGE_ODDS_DIFFERENCE: Aim.ODDS,
        Metric.EQUALIZED_ODDS_RATIO: Aim.ODDS,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: Aim.OPPORTUNITY,
        Metric.FALSE_POSITIVE_RATE_DIFFERENCE: Aim.FALSE_ALARMS,
    }
)
"""Metrics that thresholds can mend, and the rates to make alike for it."""

LAW = (
    "Treating groups by different thresholds may be unlawful in some places, even where it makes outcomes more"
    " alike: take legal advice first."
)
SIMULATED = (
    "Simulated on the rows of this analysis: thresholds were chosen on one half of the rows and measured on the"
    " other, and the intervals take them as given. Other data may behave differently."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """What is known of the groups of one attribute."""

    decided: Table
    """Label by prediction."""
    scored: Table | None = None
    """Label by bin of the score, where it can be simulated with."""
    least: Floats | None = None
    """Shape (bins,): the least score of each bin; with `scored`."""
    threshold: float | None = None
    """From which score decisions were favourable, where they were made so."""


def recommendations(
    reports: Sequence[AttributeReport],
    options: BiasOptions,
    ground_of: Callable[[str], Ground],
    missing: str | None,
) -> tuple[Recommendation, ...]:
    """What to do about the protected attributes that fail or may fail, the worst first.

    Args:
        reports: of attributes alone and crossed; only those of one attribute are looked at.
        options: confidence, draws, seed, smallest group.
        ground_of: from the name of an attribute to the tables of its groups.
        missing: why nothing can be simulated with thresholds and what data would allow it, if so.

    Returns:
        Recommendations with effects measured on the same rows; without effects where none can be measured.
    """
    found: list[Recommendation] = []
    for finding, report in open_findings(reports, tuple(AIMS)):
        if acceptable(finding):
            found.append(more_rows(finding))
            continue
        ground = ground_of(report.attribute)
        found += _with_thresholds(finding, ground, options, missing)
        found += _with_other_groups(finding, ground, options)
    return tuple(found)


def _with_thresholds(
    finding: Finding, ground: Ground, options: BiasOptions, missing: str | None
) -> Iterator[Recommendation]:
    title = METRICS[finding.metric].title
    aim = AIMS.get(finding.metric)
    if aim is None:
        yield look_into(finding)
        return
    if missing is not None or ground.scored is None or ground.least is None:
        yield Recommendation(
            title=f"Give what it takes to simulate other thresholds for {finding.attribute}",
            text=f"The {title} could be lowered by other thresholds, but what that brings cannot be simulated"
            f" here. {missing or 'With the score behind each decision and a label, it could.'}",
            attribute=finding.attribute,
            effects=(),
        )
        return
    tries = list(_tried(finding, aim, ground.scored, ground.least, ground, options))
    if not tries:
        yield Recommendation(
            title=f"Improve the model for {finding.attribute}",
            text=f"No threshold that was tried on these rows brought the {title} nearer to its limit. Look at the"
            " labels and features of the groups, and gather more rows of the smallest.",
            attribute=finding.attribute,
            effects=(),
        )
    yield from tries


def _tried(
    finding: Finding, aim: Aim, scored: Table, least: Floats, ground: Ground, options: BiasOptions
) -> Iterator[Recommendation]:
    """Rules of thresholds that brought the metric nearer to its fair value."""
    every = scored.cells[:, [Layer.UNFAVORABLE, Layer.FAVORABLE]].astype(np.int64)
    places = np.flatnonzero(judged(scored, options) & (every.sum((1, 2)) >= options.min_group_size))
    counts = every[places]
    if len(places) < 2:
        return
    present = _present(ground, counts, places, least)
    before = _measured(_as_table(scored, places, present), finding, options)
    share = _accuracy(present, options)
    at = float(least[min(most_accurate(counts), len(least) - 1)])
    if ground.threshold is not None:
        at = ground.threshold
    named = METRICS[finding.metric].title
    rules: tuple[tuple[str, str, Choose], ...] = (
        (
            f"Set the threshold for each group of {finding.attribute}",
            f"A threshold of its own for each group, chosen to bring the {named} down at the least loss of"
            f" accuracy. {LAW}",
            lambda c: group_thresholds(c, aim),
        ),
        (
            f"Move the one threshold for all groups of {finding.attribute}",
            "One other threshold for everyone: of those that cost at most one point of accuracy on the rows where it"
            " was chosen, the one with the smallest gap.",
            lambda c: single_threshold(c, aim, share[0] - LOSS),
        ),
        (
            f"Decide close cases in favour of disadvantaged groups of {finding.attribute}",
            f"Scores near {at:.4g} are uncertain. In a band around it, groups that get less than all rows together are"
            f" decided favourably and the others are not. {LAW}",
            lambda c: reject_option(c, aim, least, at),
        ),
    )
    for title, text, choose in rules:
        table = _as_table(scored, places, crossfitted(counts, choose, options.seed))
        after = _measured(table, finding, options)
        if before is None or after is None or not _nearer(finding, after, before):
            continue
        yield Recommendation(
            title=title,
            text=f"{text} {SIMULATED}",
            attribute=finding.attribute,
            effects=(
                _effect(finding.metric, before, after),
                _effect(ACCURACY, share, _accuracy(table.cells, options)),
            ),
            settings=_settings([scored.names[i] for i in places], choose(counts), least),
        )


def _present(ground: Ground, counts: Numbers, places: Places, least: Floats) -> Numbers:
    """The decisions as they are, of rows with a label, shape (groups, 3, 2)."""
    if ground.threshold is not None:
        at = int(np.searchsorted(least, ground.threshold))
        return outcomes(counts, np.full(len(counts), at, dtype=np.intp))
    cells = ground.decided.cells[places].copy()
    cells[:, -1] = 0
    return cells


def _as_table(like: Table, places: Places, cells: Numbers) -> Table:
    """Decisions about some groups of a table; these stay judged where labels are missing."""
    chosen = part_of(like, places)
    return replace(chosen, kind=Cells.OUTCOMES, cells=cells, sampler=None)


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


Measured = tuple[float, Interval | None]


def _measured(table: Table, finding: Finding, options: BiasOptions) -> Measured | None:
    """The metric of a finding on other cells; None where it is undefined."""
    for found, _ in judge(table, [finding.metric], options, lambda _: None):
        if found.outcome == finding.outcome and found.value is not None:
            return found.value, found.interval
    return None


def _accuracy(cells: Numbers, options: BiasOptions) -> Measured:
    """Share of rows with a label that are decided as labelled, with Wilson's interval."""
    k, n = float(cells[:, 0, 0].sum() + cells[:, 1, 1].sum()), float(cells[:, :2].sum())
    low, high = wilson(k, n, options.confidence)
    return k / n, Interval(low=low, high=high)


def _nearer(finding: Finding, after: Measured, before: Measured) -> bool:
    return abs(after[0] - finding.fair) < abs(before[0] - finding.fair)


def _effect(name: str, before: Measured, after: Measured) -> Effect:
    return Effect(
        name=str(name),
        before=before[0],
        before_interval=before[1],
        after=after[0],
        after_interval=after[1],
        metric=name if isinstance(name, Metric) else None,
    )


def _settings(names: Sequence[str], rule: Rule, least: Floats) -> tuple[str, ...]:
    """A sentence for each group, or one for all where they are alike."""
    said = [
        f"favourable from a score of {least[at]:.10g}" if at < len(least) else "no score seen is favourable"
        for at in rule
    ]
    if len(set(said)) == 1:
        return (f"all groups: {said[0]}",)
    return tuple(f"{name}: {text}" for name, text in zip(names, said, strict=True))


def _with_other_groups(finding: Finding, ground: Ground, options: BiasOptions) -> Iterator[Recommendation]:
    """What leaving out the group that is furthest off would show, and putting small groups together."""
    kinds = {QUANTITIES[quantity].cells for quantity in METRICS[finding.metric].of}
    tables = [each for each in (ground.decided, ground.scored) if each is not None and kinds == {each.kind}]
    if not tables or finding.value is None:
        return
    table, title = tables[0], METRICS[finding.metric].title
    before = finding.value, finding.interval
    large = judged(table, options)
    extremes = [name for name in (finding.lowest, finding.highest) if name is not None]
    without = [
        (name, after)
        for name in extremes
        if (after := _measured(part_of(table, np.flatnonzero(_except(table, name))), finding, options))
        is not None
    ]
    best = min(without, key=lambda each: abs(each[1][0] - finding.fair), default=None)
    if large.sum() >= 3 and best is not None and _nearer(finding, best[1], before):
        name, after = best
        yield Recommendation(
            title=f"Look first at {name}",
            text=f"Without {name} the {title} of {finding.attribute} would be {number(after[0])} instead of"
            f" {number(before[0])}. This is no remedy, it shows how much of the gap lies with this one group: look"
            " at its labels, features and decisions first.",
            attribute=finding.attribute,
            effects=(_effect(finding.metric, before, after),),
        )
    small = np.flatnonzero(~large)
    if len(small) < 2 or table.rows[small].sum() < max(options.min_group_size, options.suppress_below):
        return
    banded = _together(table, small)
    shown = None if banded is None else _measured(banded, finding, options)
    if shown is not None:
        yield Recommendation(
            title=f"Put small groups of {finding.attribute} together",
            text=f"{plural(len(small), 'group')} are too small to be judged. Put together they have"
            f" {table.rows[small].sum():,} rows, and with them the {title} would be {number(shown[0])} instead of"
            f" {number(before[0])}. Band them by meaning, or gather more of their rows.",
            attribute=finding.attribute,
            effects=(_effect(finding.metric, before, shown),),
        )


def _except(table: Table, name: str) -> Sequence[bool]:
    return [other != name for other in table.names]


def _together(table: Table, small: Places) -> Table | None:
    """The table with some groups as one; None where cells do not simply add up."""
    if table.kind is not Cells.OUTCOMES:
        return None
    rest = part_of(table, np.setdiff1d(np.arange(len(table.names)), small))
    return replace(
        rest,
        groups=(*rest.groups, (OTHERS,)),
        names=(*rest.names, OTHERS),
        rows=np.append(rest.rows, table.rows[small].sum()),
        cells=np.concatenate([rest.cells, table.cells[small].sum(0, keepdims=True)]),
    )
