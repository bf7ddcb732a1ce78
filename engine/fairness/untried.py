"""Findings that fail and that no recommendation is about: said, with what to look at."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from engine.fairness.looking import TRIED, what_to_look_at
from engine.fairness.metrics import METRICS, AnalysisType, Metric
from engine.fairness.remedies import AIMS
from engine.fairness.report import AttributeReport, Finding, Recommendation, Verdict
from engine.fairness.rules import Aim
from engine.fairness.severity import distance
from engine.fairness.words import limit_of, plural, value_of
from engine.values import ModelType

NAMED = 3
"""Findings of one metric that are named."""
CROSSED = (
    "Remedies are simulated for one attribute at a time: see what these bring, then analyse the new decisions, since gaps"
    " may remain where attributes cross."
)
INCLUDED: Mapping[Aim, tuple[Aim, ...]] = MappingProxyType(
    {Aim.ODDS: (Aim.ODDS, Aim.OPPORTUNITY, Aim.FALSE_ALARMS)}
)
"""What a remedy with an aim is about too."""


def untried(
    reports: Sequence[AttributeReport],
    overall: Sequence[Finding],
    made: Sequence[Recommendation],
    classes: int,
) -> tuple[Recommendation, ...]:
    """For each question that failing findings answer, a recommendation on those that none is about yet.

    Args:
        reports: of attributes alone and crossed.
        overall: findings over all rows.
        made: the recommendations there are.
        classes: of a classification.
    """
    about = {(each.attribute, metric) for each in made for own in each.metrics for metric in akin(own)}
    found = [(each, report) for report in reports for each in report.findings]
    every: list[tuple[Finding, AttributeReport | None]] = [*found, *((each, None) for each in overall)]
    left = [
        (finding, report)
        for finding, report in every
        if finding.verdict is Verdict.FAIL and (finding.attribute, finding.metric) not in about
    ]
    left.sort(key=lambda each: distance(each[0]) or 0.0, reverse=True)
    kinds = dict.fromkeys(_kind(finding) for finding, _ in left)
    return tuple(_said([each for each in left if _kind(each[0]) == kind], classes) for kind in kinds)


def akin(metric: Metric) -> set[Metric]:
    """Metrics that what is said of one holds for: for which the same thresholds are a remedy, or of the same question."""
    spec, aim = METRICS[metric], AIMS.get(metric)
    if spec.model is not ModelType.CLASSIFICATION:
        return {
            each
            for each, other in METRICS.items()
            if (other.model, other.answers) == (spec.model, spec.answers)
        }
    if aim is None:
        return {each for each, other in METRICS.items() if other.of and set(other.of) & set(spec.of)} | {
            metric
        }
    return {each for each, own in AIMS.items() if own in INCLUDED.get(aim, (aim,))}


def _kind(finding: Finding) -> tuple[tuple[AnalysisType, ...], bool, bool]:
    """The question a finding answers, and whether it is about all rows and, if so, about near ones."""
    spec = METRICS[finding.metric]
    return spec.answers, not finding.attributes, not spec.of


def _said(left: Sequence[tuple[Finding, AttributeReport | None]], classes: int) -> Recommendation:
    worst, report = left[0]
    metrics = tuple(dict.fromkeys(finding.metric for finding, _ in left))
    more = f" and {plural(len(metrics) - 1, 'more metric')}" if len(metrics) > 1 else ""
    named = "; ".join(_of_metric([each for each, _ in left if each.metric is metric]) for metric in metrics)
    crossed = CROSSED if worst.metric in AIMS and classes == 2 and len(worst.attributes) > 1 else ""
    return Recommendation(
        title=f"No remedy was tried for the {METRICS[worst.metric].title}{more}",
        text=f"Beyond the limit, and nothing was simulated for it: {named}."
        f" {crossed or what_to_look_at(worst, report, classes)} {TRIED}",
        attribute=worst.attribute,
        effects=(),
        metrics=metrics,
    )


def _of_metric(failing: Sequence[Finding]) -> str:
    """Where one metric fails, each with its value: several attributes, or classes."""
    first = failing[0]
    where = [
        f"{each.attribute}{'' if each.outcome is None else f' for {each.outcome!r}'} ({value_of(each)})"
        for each in failing[:NAMED]
    ]
    more = f" and {len(failing) - NAMED:,} more" if len(failing) > NAMED else ""
    title, limit = METRICS[first.metric].title, limit_of(first.threshold)
    return f"the {title}, with the limit {limit}, of {', '.join(where)}{more}"
