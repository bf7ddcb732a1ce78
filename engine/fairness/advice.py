"""What can be advised from findings alone, for any kind of model; nothing here is simulated."""

from collections.abc import Sequence

from engine.fairness.looking import TRIED, what_to_look_at
from engine.fairness.metrics import METRICS, QUANTITIES, Metric
from engine.fairness.options import BiasOptions
from engine.fairness.report import AttributeReport, Finding, Recommendation, Verdict
from engine.fairness.severity import distance
from engine.fairness.words import limit_of, value_of

MOST = 3
"""Attributes that are advised on, the worst first."""


def advice(
    reports: Sequence[AttributeReport], overall: Sequence[Finding], options: BiasOptions
) -> tuple[Recommendation, ...]:
    """What to do about the attributes that fail or may fail, where no change can be simulated from the rows."""
    return tuple(
        more_rows(finding, report) if acceptable(finding) else look_into(finding, report)
        for finding, report in open_findings(reports)
    )


def open_findings(
    reports: Sequence[AttributeReport], first: Sequence[Metric] = ()
) -> list[tuple[Finding, AttributeReport]]:
    """The worst failed or open finding of each single attribute, the worst attribute first, at most MOST.

    Args:
        reports: of attributes alone and crossed; only those of one attribute are looked at.
        first: metrics that go before others of the same verdict, because something can be done about them.
    """
    found = [
        (worst, report)
        for report in reports
        if len(report.attributes) == 1 and (worst := _worst(report.findings, first)) is not None
    ]
    found.sort(key=lambda each: (each[0].verdict is Verdict.FAIL, distance(each[0]) or 0.0), reverse=True)
    return found[:MOST]


def acceptable(finding: Finding) -> bool:
    """Whether the value itself lies within the limit, though its interval may not."""
    return (distance(finding) or 0.0) <= 1


def more_rows(finding: Finding, report: AttributeReport) -> Recommendation:
    """For a gap that is acceptable as measured, though not surely so."""
    return Recommendation(
        title=f"Gather more rows to settle {finding.attribute}",
        text=f"The {METRICS[finding.metric].title} of {value_of(finding)} is within its limit of"
        f" {limit_of(finding.threshold)}, but these rows are too few to be sure of that.{_needed(finding, report)}"
        " Nothing was simulated: as measured there is no gap to mend.",
        attribute=finding.attribute,
        effects=(),
        metrics=(finding.metric,),
    )


def look_into(finding: Finding, report: AttributeReport, classes: int = 2) -> Recommendation:
    """For a gap that nothing can be simulated for: what to look at and to try, for this kind of model.

    Args:
        finding: what fails or may fail.
        report: of its groups.
        classes: of a classification; more than two are judged one by one.
    """
    title = METRICS[finding.metric].title
    said = what_to_look_at(finding, report, classes)
    return Recommendation(
        title=f"Find out why {finding.attribute} differs in {title}",
        text=f"What would mend the {title} cannot be simulated on these rows. {said} {TRIED}",
        attribute=finding.attribute,
        effects=(),
        metrics=(finding.metric,),
    )


def _needed(finding: Finding, report: AttributeReport) -> str:
    """How many rows would settle a finding, and of which kind: those that the rates compared rest on."""
    if finding.rows_needed is None:
        return ""
    of = METRICS[finding.metric].of
    left_out = {each.group for each in finding.excluded}
    found = [
        (int(metric.denominator), metric.quantity)
        for group in report.groups
        if group.judged and group.name not in left_out
        for metric in group.metrics
        if metric.quantity in of and metric.denominator is not None
        if finding.outcome is None or metric.outcome in (None, finding.outcome)
    ]
    least, quantity = min(found, default=(None, of[0]))
    now = "" if least is None else f", which has {least:,} now,"
    among = QUANTITIES[quantity].among
    return f" About {finding.rows_needed:,} {among} in the smallest group{now} would do if all groups grew alike."


def _worst(findings: Sequence[Finding], first: Sequence[Metric]) -> Finding | None:
    bad = [f for f in findings if f.verdict in (Verdict.FAIL, Verdict.WARNING) and f.value is not None]
    return max(
        bad, key=lambda f: (f.verdict is Verdict.FAIL, f.metric in first, distance(f) or 0.0), default=None
    )
