"""A bias report told that its model can be trained again under the constraint that a finding asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.fairness.advice import open_findings
from engine.fairness.metric import Metric
from engine.fairness.metrics import METRICS
from engine.fairness.report import BiasReport, Recommendation, Verdict
from engine.mitigation.options import METRIC_OF, Constraint, refuse_untrainable
from engine.models.signature import Signature
from engine.models.values import class_meant

CONSTRAINT_OF: Mapping[Metric, Constraint] = MappingProxyType(
    {metric: constraint for constraint, metric in METRIC_OF.items()}
    | {
        Metric.DEMOGRAPHIC_PARITY_RATIO: Constraint.DEMOGRAPHIC_PARITY,
        Metric.DISPARATE_IMPACT: Constraint.DEMOGRAPHIC_PARITY,
        Metric.AVERAGE_ODDS_DIFFERENCE: Constraint.EQUALIZED_ODDS,
        Metric.EQUALIZED_ODDS_RATIO: Constraint.EQUALIZED_ODDS,
    }
)
"""The constraint that makes each metric fair."""


def offered(report: BiasReport, signature: Signature) -> BiasReport:
    """The same with what `startMitigation` can do about failing findings, where it has all that it takes.

    Args:
        signature: of the model's file.
    """
    return replace(report, recommendations=(*report.recommendations, *_offers(report, signature)))


def _offers(report: BiasReport, signature: Signature) -> Iterator[Recommendation]:
    label, favorable = report.label, class_meant(signature.classes, report.favorable)
    try:
        refuse_untrainable(signature)
    except InvalidInput:
        return
    if label is None or label in signature.names or favorable is None:
        return
    for finding, _ in open_findings(report.attributes, tuple(CONSTRAINT_OF)):
        constraint = CONSTRAINT_OF.get(finding.metric)
        if constraint is None or finding.verdict is not Verdict.FAIL:
            continue
        yield Recommendation(
            title=f"Train the model again for {finding.attribute}",
            text=f"The model's file is here and the rows have a label, so startMitigation can train it again with the"
            f" {METRICS[finding.metric].title} of {finding.attribute} as a constraint, to become a new version. It"
            " measures what that brings on held-out rows; nothing was tried yet.",
            attribute=finding.attribute,
            effects=(),
            settings=(
                f"attribute: {finding.attribute}",
                f"constraint: {constraint.name}",
                f"label: {label}",
                f"favorable: {favorable}",
            ),
            metrics=(finding.metric,),
        )
