"""Two reports compared: did a gap change between two analyses, or is the difference within chance?

Method, from the reports alone. A finding of each report has a value and an interval. The interval of the
change after - before takes the margins of the two together as for independent samples (MOVER: Zou and Donner,
"Construction of confidence limits about effect measures", 2008):

    low  = change - hypot(after - low of after, high of before - before)
    high = change + hypot(high of after - after, before - low of before)

The intervals of gaps are simultaneous over all pairs of groups (max-t), so with many groups this is wider than
needed: it errs to the side of no change. Where an interval ends at an end of its scale (a gap of 0, a ratio of
1), that end says nothing of the error, so the margin of the other side stands in for it. The p-value is that
of the confidence at which the interval would end at 0, margins growing and shrinking like a normal's. Two
analyses of the same rows are not independent: their errors mostly cancel, and the interval is then too wide.

Simulated at 95 %, 400 pairs of reports each: false alarms in 0.05 of comparisons of two groups with a gap and
at most 0.03 with more groups, unequal sizes or no gap; where a gap opened from 0 to 0.2, the interval held the
change of the difference in 0.95, that of the ratio in 0.92.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

from engine.errors import InvalidInput
from engine.fairness.differing import Question, differences
from engine.fairness.metrics import METRICS, Form, Metric
from engine.fairness.multiplicity import benjamini_hochberg, holm
from engine.fairness.report import AttributeReport, BiasReport, Finding, GroupReport, Verdict
from engine.fairness.words import SAME, between, capital, joined, number, plural
from engine.values import Interval

GOOD = frozenset({"1", "true", "yes"})
"""Ways to write a favourable value that mean the same."""
MOST_CHANGES = 1000
"""Compared findings of two reports, the single attributes first; our own bound."""
EXAMPLES = 5

Key = tuple[Metric, tuple[str, ...], str | None]
"""What makes two findings one: metric, attributes and class. Names of attributes are for people."""

NOTES = (
    "The interval of a change takes the margins of both reports' intervals together as for independent samples"
    " (MOVER). These hold over all pairs of groups at once, so a change between many groups must be clearer to"
    " be called one.",
    "Analyses of the same rows are not independent; their changes are then surer than said here.",
    "A change is called one where its interval at the report's confidence leaves out 0. With many findings some"
    " do so by chance: the adjusted p-values allow for that.",
)


class Direction(StrEnum):
    """Where a metric went between two analyses."""

    FAIRER = "fairer"
    """Nearer to fair, beyond chance."""
    LESS_FAIR = "less_fair"
    """Further from fair, beyond chance."""
    UNCLEAR = "unclear"
    """The data cannot tell a change from chance."""
    UNCHANGED = "unchanged"
    """Both rest on the same counts: there is nothing to tell from chance."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One finding before and after, and whether it changed."""

    metric: Metric
    attribute: str
    """As in the reports, such as "race × sex"."""  # noqa: RUF001
    outcome: str | None
    """The class it is about, where classes are compared one by one."""
    before: float
    before_interval: Interval
    before_verdict: Verdict
    after: float
    after_interval: Interval
    after_verdict: Verdict
    change: float
    """After minus before."""
    interval: Interval
    """Of the change, were the two samples independent; leaves out 0 where there was one."""
    p_value: float
    """Chance of a change as large as this where there is none; conservative with many groups."""
    direction: Direction
    description: str
    """Whether it changed, in plain words."""
    groups_in_one_only: tuple[str, ...] = ()
    """Groups that took part in one of the two comparisons only; a change may come from them."""
    p_value_holm: float | None = None
    """The same, adjusted over all changes so that any false alarm is as unlikely (Holm)."""
    p_value_bh: float | None = None
    """The same, adjusted so that the share of false alarms is bounded (Benjamini and Hochberg)."""


@dataclass(frozen=True, kw_only=True)
class NotCompared:
    """A finding of either report without a counterpart to compare it with, and why."""

    metric: Metric
    attribute: str
    outcome: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportComparison:
    """What changed between two reports."""

    summary: str
    """The outcome in one sentence."""
    confidence: float
    """Of the intervals of changes: the higher of the two reports'."""
    changes: tuple[Change, ...]
    not_compared: tuple[NotCompared, ...]
    notes: tuple[str, ...]
    """The method in sentences, and what differs between the two analyses."""


def compared(
    before: BiasReport, after: BiasReport, asked: tuple[Question, Question] | None = None
) -> ReportComparison:
    """Test for each finding that two reports share whether it changed.

    Findings belong together when metric, attributes and class are the same.

    Args:
        before: the report of the first analysis.
        after: that of the second.
        asked: the questions of the two, where they are known: what differs between them is noted.

    Raises:
        InvalidInput: the reports judge models of different kinds, or count different outcomes as favourable.
    """
    if before.model is not after.model:
        raise InvalidInput(
            f"a {before.model} model and a {after.model} model have no metric in common", at=("b",)
        )
    if _good(before.favorable) != _good(after.favorable):
        raise InvalidInput(
            f"the favourable outcome is {before.favorable!r} in one analysis and {after.favorable!r} in the other",
            at=("b",),
        )
    confidence = max(before.method.confidence, after.method.confidence)
    old, new = dict(_findings(before)), dict(_findings(after))
    changes: list[Change] = []
    missing: list[NotCompared] = []
    for key in [*old, *(key for key in new if key not in old)]:
        reason = _why_not(old.get(key), new.get(key)) or _other_reference(key, before, after)
        if reason is None and len(changes) == MOST_CHANGES:
            reason = f"Only {MOST_CHANGES:,} findings are compared at once."
        if reason is not None:
            metric, attributes, outcome = key
            missing.append(
                NotCompared(metric=metric, attribute=joined(attributes), outcome=outcome, reason=reason)
            )
            continue
        groups = _judged(before, old[key]).keys() ^ _judged(after, new[key]).keys()
        sure = before.method.confidence, after.method.confidence
        same = not groups and _same_counts((before, old[key]), (after, new[key]))
        changes.append(_change(old[key], new[key], sure, confidence, tuple(sorted(groups)), same=same))
    adjusted = _adjusted(changes)
    return ReportComparison(
        summary=_summary(adjusted, missing),
        confidence=confidence,
        changes=adjusted,
        not_compared=tuple(missing[:MOST_CHANGES]),
        notes=(*NOTES, *differences(before, after, asked)),
    )


def change_interval(
    before: tuple[float, Interval], after: tuple[float, Interval], confidences: tuple[float, float], at: float
) -> tuple[Interval, float]:
    """Interval and p-value of a change, by MOVER.

    Args:
        before: value and interval of the first finding.
        after: the same of the second.
        confidences: of the two intervals, in (0, 1).
        at: confidence of the interval of the change, in (0, 1).

    Returns:
        The interval of after - before, and the two-sided p-value of no change in [0, 1].
    """
    normal = NormalDist()
    units = [normal.inv_cdf((1 + confidence) / 2) for confidence in confidences]
    wide = normal.inv_cdf((1 + at) / 2)
    down, up = (margin / units[0] for margin in _margins(*before))
    later_down, later_up = (margin / units[1] for margin in _margins(*after))
    change = after[0] - before[0]
    low, high = math.hypot(later_down, up), math.hypot(later_up, down)
    toward_none = low if change > 0 else high
    if change == 0:
        p_value = 1.0
    elif toward_none == 0:
        p_value = 0.0
    else:
        p_value = 2 * normal.cdf(-abs(change) / toward_none)
    return Interval(low=change - wide * low, high=change + wide * high), p_value


def _margins(value: float, interval: Interval) -> tuple[float, float]:
    """How far below and above its value an interval reaches, ends of the scale looked through."""
    down, up = value - interval.low, interval.high - value
    if interval.low <= 0:
        down = max(down, up)
    if interval.high >= 1:
        up = max(down, up)
    return down, up


def _change(
    before: Finding,
    after: Finding,
    confidences: tuple[float, float],
    confidence: float,
    groups: tuple[str, ...],
    *,
    same: bool,
) -> Change:
    if before.value is None or after.value is None or before.interval is None or after.interval is None:
        raise TypeError("only findings with a value can be compared")
    interval, p_value = change_interval(
        (before.value, before.interval), (after.value, after.interval), confidences, confidence
    )
    found = Direction.UNCHANGED if same else Direction.UNCLEAR
    if interval.low > 0 or interval.high < 0:
        large_is_fair = after.fair > 0
        found = Direction.FAIRER if (interval.low > 0) is large_is_fair else Direction.LESS_FAIR
    change = Change(
        metric=before.metric,
        attribute=before.attribute,
        outcome=before.outcome,
        before=before.value,
        before_interval=before.interval,
        before_verdict=before.verdict,
        after=after.value,
        after_interval=after.interval,
        after_verdict=after.verdict,
        change=after.value - before.value,
        interval=interval,
        p_value=p_value,
        direction=found,
        description="",
        groups_in_one_only=groups,
    )
    return replace(change, description=_said(change))


def _findings(report: BiasReport) -> Iterator[tuple[Key, Finding]]:
    parts = (*report.attributes, *report.intersections)
    for finding in (*report.overall_findings, *(finding for part in parts for finding in part.findings)):
        yield (finding.metric, tuple(finding.attributes), finding.outcome), finding


def _why_not(before: Finding | None, after: Finding | None) -> str | None:
    if before is None or after is None:
        return f"It is part of the {'second' if before is None else 'first'} analysis only."
    for finding, which in ((before, "first"), (after, "second")):
        if finding.value is None or finding.interval is None:
            return f"It has no value in the {which} analysis: {finding.reason}"
    return None


def _other_reference(key: Key, before: BiasReport, after: BiasReport) -> str | None:
    """That a ratio to the reference group has another one in the other report."""
    if METRICS[key[0]].form is not Form.AGAINST_REFERENCE:
        return None
    one, other = (getattr(_part(report, key[1]), "reference_group", None) for report in (before, after))
    return None if one == other else f"The reference group is {one} in one analysis and {other} in the other."


def _part(report: BiasReport, attributes: tuple[str, ...]) -> AttributeReport | None:
    parts = (*report.attributes, *report.intersections)
    return next((part for part in parts if tuple(part.attributes) == attributes), None)


def _judged(report: BiasReport, finding: Finding) -> dict[str, GroupReport]:
    """The groups that a finding compares, by name."""
    out = {each.group for each in finding.excluded}
    part = _part(report, tuple(finding.attributes))
    groups = () if part is None or not finding.attributes else part.groups
    return {group.name: group for group in groups if group.judged and group.name not in out}


def _same_counts(before: tuple[BiasReport, Finding], after: tuple[BiasReport, Finding]) -> bool:
    """Whether two findings on the same groups rest on the same rows, as far as reports tell."""
    if not _alike(before[1].value, after[1].value):
        return False
    rows = [(report.rows, report.rows_excluded) for report, _ in (before, after)]
    if not before[1].attributes:
        return rows[0] == rows[1]
    groups, others = _judged(*before), _judged(*after)
    return all(_same_group(groups[name], others[name], before[1].metric) for name in groups)


def _same_group(one: GroupReport, other: GroupReport, metric: Metric) -> bool:
    of = METRICS[metric].of
    told, again = ([each for each in group.metrics if each.quantity in of] for group in (one, other))
    return (
        one.size == other.size
        and [(m.quantity, m.outcome, m.numerator, m.denominator) for m in told]
        == [(m.quantity, m.outcome, m.numerator, m.denominator) for m in again]
        and all(_alike(a.value, b.value) for a, b in zip(told, again, strict=True))
    )


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=SAME, abs_tol=SAME)


def _good(favorable: str | None) -> str | None:
    lowered = (favorable or "").strip().lower()
    return "yes" if lowered in GOOD else favorable


def _adjusted(changes: Sequence[Change]) -> tuple[Change, ...]:
    values = [change.p_value for change in changes]
    if not values:
        return ()
    return tuple(
        replace(change, p_value_holm=float(one), p_value_bh=float(other))
        for change, one, other in zip(changes, holm(values), benjamini_hochberg(values), strict=True)
    )


def _said(change: Change) -> str:
    title = capital(METRICS[change.metric].title)
    of = f" of {change.attribute}" + (f" for {change.outcome!r}" if change.outcome is not None else "")
    if change.direction is Direction.UNCHANGED:
        return f"{title}{of} is {number(change.after)} in both, from the same counts: nothing changed."
    went = f"went from {number(change.before)} to {number(change.after)}"
    by = f"the change of {number(change.change)} lies in {between(change.interval)}"
    what = {
        Direction.FAIRER: f"{by}: it is fairer now",
        Direction.LESS_FAIR: f"{by}: it is less fair now",
        Direction.UNCLEAR: f"{by}, which holds 0: the data cannot tell this from chance",
    }[change.direction]
    if not change.groups_in_one_only:
        return f"{title}{of} {went}; {what}."
    shown = ", ".join(change.groups_in_one_only[:EXAMPLES])
    more = len(change.groups_in_one_only) - EXAMPLES
    return (
        f"{title}{of} {went}; {what}. In one of the two only, and so perhaps the cause: {shown}"
        f"{f' and {more:,} more' if more > 0 else ''}."
    )


def _summary(changes: Sequence[Change], missing: Sequence[NotCompared]) -> str:
    if not changes:
        why = f" {missing[0].reason}" if missing else ""
        return f"Nothing could be compared.{why}"
    fairer = sum(change.direction is Direction.FAIRER for change in changes)
    less = sum(change.direction is Direction.LESS_FAIR for change in changes)
    if all(change.direction is Direction.UNCHANGED for change in changes):
        told = f"Nothing changed: {plural(len(changes), 'finding')} {'rests' if len(changes) == 1 else 'rest'} on the same counts in both analyses"
    elif not fairer and not less:
        told = f"None of {plural(len(changes), 'finding')} changed beyond chance"
    else:
        told = f"Of {plural(len(changes), 'finding')}, {fairer:,} became fairer and {less:,} less fair"
    return told + (f"; {len(missing):,} could not be compared." if missing else ".")
