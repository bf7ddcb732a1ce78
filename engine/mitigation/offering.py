"""A bias report told that its model can be trained again under the constraint that a finding asks for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.fairness.advice import open_findings
from engine.fairness.metric import Metric
from engine.fairness.metrics import METRICS
from engine.fairness.options import Bands
from engine.fairness.quantity import Quantity
from engine.fairness.report import (
    AttributeReport,
    BiasReport,
    Finding,
    GroupReport,
    Proposal,
    Recommendation,
    Verdict,
)
from engine.fairness.severity import distance
from engine.mitigation.options import (
    METRIC_OF,
    RESTS_ON,
    Constraint,
    MitigationOptions,
    refuse_untrainable,
)
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
FEW = " Its groups may be too small for that: it then says how many held-out rows it takes, and minGroupSize lowers that."


LABELLED: Mapping[tuple[int, ...], Quantity] = MappingProxyType(
    {(1,): Quantity.TRUE_POSITIVE_RATE, (0,): Quantity.FALSE_POSITIVE_RATE}
)
"""Quantities of a group that rest on its rows with these labels."""
START = "mutation ($input: NewMitigationInput!) { startMitigation(input: $input) { id status versionName } }"


def offered(report: BiasReport, signature: Signature, bands: Sequence[Bands] = ()) -> BiasReport:
    """The same with what `startMitigation` can do about failing findings, where it has all that it takes.

    Args:
        signature: of the model's file.
        bands: that the analysis was asked with.
    """
    return replace(report, recommendations=(*report.recommendations, *_offers(report, signature, bands)))


def _offers(report: BiasReport, signature: Signature, bands: Sequence[Bands]) -> Iterator[Recommendation]:
    label, favorable = report.label, class_meant(signature.classes, report.favorable)
    try:
        refuse_untrainable(signature)
    except InvalidInput:
        return
    if label is None or label in signature.names or favorable is None:
        return
    for _, each in open_findings(report.attributes, tuple(CONSTRAINT_OF)):
        finding = _finding(each)
        if finding is None:
            continue
        constraint, edges = CONSTRAINT_OF[finding.metric], _edges(each, bands)
        few = "" if _enough(each, constraint) else FEW
        options = {
            "label": label,
            "attribute": each.attribute,
            "constraint": constraint.name,
            "favorable": favorable,
        } | ({"bands": edges} if edges else {})
        yield Recommendation(
            title=f"Train the model again for {finding.attribute}",
            text=f"The model's file is here and the rows have a label, so startMitigation can train it again with the"
            f" {METRICS[finding.metric].title} of {finding.attribute} as a constraint, to become a new version. It"
            f" measures what that brings on held-out rows; nothing was tried yet.{few}",
            attribute=finding.attribute,
            effects=(),
            settings=(
                f"attribute: {finding.attribute}",
                f"constraint: {constraint.name}",
                f"label: {label}",
                f"favorable: {favorable}",
            ),
            metrics=(finding.metric,),
            proposal=Proposal(mutation=START, variables=json.dumps({"input": {"options": options}})),
        )


def _finding(report: AttributeReport) -> Finding | None:
    """What fails worst of that which a constraint makes fair, before others if its groups are large enough."""
    failing = [
        each for each in report.findings if each.verdict is Verdict.FAIL and each.metric in CONSTRAINT_OF
    ]
    return max(
        failing,
        key=lambda each: (_enough(report, CONSTRAINT_OF[each.metric]), distance(each) or 0.0),
        default=None,
    )


def _enough(report: AttributeReport, constraint: Constraint) -> bool:
    """Whether two groups probably have as many held-out rows as a mitigation asks for by default."""

    def held_out(group: GroupReport, labels: tuple[int, ...]) -> float:
        if labels not in LABELLED:
            return MitigationOptions.held_out * group.size
        rests = (each.denominator for each in group.metrics if each.quantity is LABELLED[labels])
        return MitigationOptions.held_out * (next(rests, None) or 0)

    large = [
        group
        for group in report.groups
        if None not in group.values
        and all(
            held_out(group, labels) >= MitigationOptions.min_group_size for labels in RESTS_ON[constraint]
        )
    ]
    return len(large) > 1


def _edges(report: AttributeReport, bands: Sequence[Bands]) -> list[float]:
    return next((list(each.edges) for each in bands if each.attribute == report.attributes[0]), [])
