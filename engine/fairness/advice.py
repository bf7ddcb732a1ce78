"""What can be advised from findings alone, for any kind of model; nothing here is simulated."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.fairness.metrics import METRICS, QUANTITIES, Metric
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells
from engine.fairness.report import AttributeReport, Finding, Recommendation, Verdict
from engine.fairness.severity import distance
from engine.fairness.words import limit_of, value_of
from engine.values import ModelType

MOST = 3
"""Attributes that are advised on, the worst first."""
LAW = (
    "Treating groups differently may be unlawful in some places, even where it makes outcomes more alike: take legal"
    " advice first."
)
TRIED = (
    "Then analyse the new model on the same rows and compare the two analyses: that measures what it brought."
)

LOOK: Mapping[ModelType, str] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: "Look at how well the features describe {lowest} and {highest}, and whether their"
        " labels are as reliable. Train with more rows of the groups that are served worse, or give these more weight.",
        ModelType.REGRESSION: "Look at the sign of the mean error of {lowest} and of {highest}. Where a group's errors"
        " have one sign, recalibrate its predictions on rows that were not trained on, or look for the feature that is"
        " missing. Where they are only larger, train with more of its rows, or give them more weight in the loss."
        f" {LAW}",
        ModelType.CLUSTERING: "Look at which clusters rows of {lowest} and of {highest} fall into, and what"
        " these have in common otherwise. Try other numbers of clusters; look among the features for those that stand in for"
        " {attribute}; and try a fair k-means, which bounds the share of each group in every cluster (Chierichetti et"
        " al. 2017, Bera et al. 2019) or the cost of the worst served group (Ghadiri et al. 2021).",
        ModelType.RECOMMENDATION: "Look at whether users of {lowest} and of {highest} have as many interactions to"
        " learn from, and train with more of those of users who are served worse. Re-rank lists so that they"
        " are shown what is as relevant.",
    }
)
"""What to do about a gap that is not simulated."""
OF_ITEMS = (
    "These are groups of items, not of users: re-rank the lists under a constraint on the exposure that each group of"
    " items gets (Singh and Joachims 2018), and look at whether items of {lowest} and of {highest} have had as many"
    " chances to be seen in the data that were trained on."
)
OF_CLASSES = (
    "Look at which classes the model confuses for {lowest} and for {highest}, whether their labels are as reliable,"
    " and train with more of their rows in the classes that go wrong, or give these more weight. Where one class is"
    " what is good for the person, name it as the favourable value: then there is one decision to look at."
)


def advice(reports: Sequence[AttributeReport], options: BiasOptions) -> tuple[Recommendation, ...]:
    """What to do about the attributes that fail or may fail, where no change can be simulated from the rows."""
    return tuple(
        more_rows(finding, report) if acceptable(finding) else look_into(finding)
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
    )


def look_into(finding: Finding, classes: int = 2) -> Recommendation:
    """For a gap that nothing can be simulated for: what to look at and to try, for this kind of model.

    Args:
        finding: what fails or may fail.
        classes: of a classification; more than two are judged one by one.
    """
    spec = METRICS[finding.metric]
    of_items = any(QUANTITIES[quantity].cells is Cells.EXPOSURES for quantity in spec.of)
    how = OF_ITEMS if of_items else OF_CLASSES if classes > 2 else LOOK[spec.model]
    said = how.format(
        lowest=finding.lowest or "each group",
        highest=finding.highest or "the others",
        attribute=finding.attribute,
    )
    return Recommendation(
        title=f"Find out why {finding.attribute} differs in {spec.title}",
        text=f"What would mend the {spec.title} cannot be simulated on these rows. {said} {TRIED}",
        attribute=finding.attribute,
        effects=(),
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
