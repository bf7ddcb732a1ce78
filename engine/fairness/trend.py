"""What is kept of a report for trends: one short line for each finding, so that nobody reads whole reports."""

from dataclasses import dataclass

from engine.fairness.metrics import Metric
from engine.fairness.report import BiasReport, Verdict
from engine.values import Interval

MOST_HEADLINES = 1000
"""Of one report; findings on single attributes come first, then the worst crossings."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One finding without its words."""

    metric: Metric
    attribute: str
    crossed: bool
    """Whether several attributes are crossed."""
    outcome: str | None
    value: float | None
    interval: Interval | None
    threshold: float
    verdict: Verdict


def headlines(report: BiasReport) -> tuple[Headline, ...]:
    """The findings of a report in short: on all rows, on each attribute, then on crossings."""
    parts = (*report.attributes, *report.intersections)
    findings = [*report.overall_findings, *(finding for part in parts for finding in part.findings)]
    return tuple(
        Headline(
            metric=finding.metric,
            attribute=finding.attribute,
            crossed=len(finding.attributes) > 1,
            outcome=finding.outcome,
            value=finding.value,
            interval=finding.interval,
            threshold=finding.threshold,
            verdict=finding.verdict,
        )
        for finding in findings[:MOST_HEADLINES]
    )
