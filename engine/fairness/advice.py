"""What can be advised from findings alone, for any kind of model; nothing here is simulated."""

from collections.abc import Sequence

from engine.fairness.assessment import distance
from engine.fairness.metrics import METRICS, Metric
from engine.fairness.options import BiasOptions
from engine.fairness.report import AttributeReport, Finding, Recommendation, Verdict
from engine.fairness.words import number

MOST = 3
"""Attributes that are advised on, the worst first."""


def advice(reports: Sequence[AttributeReport], options: BiasOptions) -> tuple[Recommendation, ...]:
    """What to do about the attributes that fail or may fail, where no change can be simulated from the rows."""
    return tuple(
        more_rows(finding) if acceptable(finding) else look_into(finding)
        for finding, _ in open_findings(reports)
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


def more_rows(finding: Finding) -> Recommendation:
    """For a gap that is acceptable as measured, though not surely so."""
    needed = (
        "" if finding.rows_needed is None else f" About {finding.rows_needed:,} rows in each group would do."
    )
    return Recommendation(
        title=f"Gather more rows to settle {finding.attribute}",
        text=f"The {METRICS[finding.metric].title} of {number(finding.value or 0.0)} is within its limit of"
        f" {number(finding.threshold)}, but these rows are too few to be sure of that.{needed} Nothing was simulated:"
        " as measured there is no gap to mend.",
        attribute=finding.attribute,
        effects=(),
    )


def look_into(finding: Finding) -> Recommendation:
    """For a gap that no rule on top of the predictions is known to mend."""
    title = METRICS[finding.metric].title
    return Recommendation(
        title=f"Find out why {finding.attribute} differs in {title}",
        text=f"No other threshold mends the {title}, so nothing could be simulated. Look at how well the features"
        f" describe {finding.lowest or 'each group'} and {finding.highest or 'the others'}, whether what is known of"
        " them is as reliable, and train with more of their rows. Then analyse the new model on the same rows, and"
        " compare the two analyses: that measures what it brought.",
        attribute=finding.attribute,
        effects=(),
    )


def _worst(findings: Sequence[Finding], first: Sequence[Metric]) -> Finding | None:
    bad = [f for f in findings if f.verdict in (Verdict.FAIL, Verdict.WARNING) and f.value is not None]
    return max(
        bad, key=lambda f: (f.verdict is Verdict.FAIL, f.metric in first, distance(f) or 0.0), default=None
    )
