"""One set of protected attributes judged: its groups, its findings, and what is told meanwhile."""

from collections.abc import Sequence
from dataclasses import replace

from engine.fairness import groups
from engine.fairness.judging import judge, worst
from engine.fairness.metrics import METRICS, QUANTITIES, Form, Metric
from engine.fairness.options import BiasOptions
from engine.fairness.report import AttributeReport, Finding
from engine.fairness.tables import Table
from engine.fairness.words import joined, plural, summary, told
from engine.values import Step, Tell, portion


def on(table: Table, metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics whose quantities are all read from the cells of a table."""
    return [m for m in metrics if all(QUANTITIES[quantity].cells is table.kind for quantity in METRICS[m].of)]


def attribute_report(
    tables: Sequence[Table], metrics: Sequence[Metric], options: BiasOptions, tell: Tell
) -> AttributeReport:
    """Judge the groups of one attribute, or of several crossed: all metrics on the tables that they are read from."""
    first = tables[0]
    name = joined(first.attributes)
    drawing = f"for {plural(len(first.names), 'group')} of {name}"
    tell(
        Step(stage="drawing bootstrap samples", fraction=0.0, message=f"Drawing bootstrap samples {drawing}")
    )
    compared = [metric for metric in metrics if METRICS[metric].form is not Form.SCORE]
    findings: list[Finding] = []
    for i, each in enumerate(tables):
        part = portion(tell, i / len(tables), (i + 1) / len(tables))
        findings += _findings(each, on(each, compared), options, part, drawing)
    reports = [groups.reports(each, options) for each in tables]
    whole = {group.values: group for report in reversed(reports) for group in report}
    every = [
        replace(
            group,
            metrics=tuple(
                m for report in reports for g in report if g.values == group.values for m in g.metrics
            ),
        )
        for group in whole.values()
    ]
    at, verdict = groups.reference(first, options), worst(findings)
    return AttributeReport(
        attributes=first.attributes,
        attribute=name,
        reference_group=None if at is None else first.names[at],
        groups=tuple(group for group in every if group.size >= options.suppress_below),
        findings=tuple(findings),
        verdict=verdict,
        summary=summary(findings, verdict),
    )


def _findings(
    table: Table, metrics: Sequence[Metric], options: BiasOptions, tell: Tell, drawing: str
) -> list[Finding]:
    shown = 0.0

    def drawn(samples: int) -> None:
        nonlocal shown
        fraction = samples / options.bootstrap_samples
        if fraction - shown >= 0.1 and fraction < 1:
            shown = fraction
            message = f"Drew {samples:,} of {options.bootstrap_samples:,} bootstrap samples {drawing}"
            tell(Step(stage="drawing bootstrap samples", fraction=0.9 * fraction, message=message))

    findings: list[Finding] = []
    for finding, compared in judge(table, metrics, options, drawn):
        findings.append(finding)
        fraction = 0.9 + 0.1 * min(1.0, len(findings) / len(metrics))
        tell(Step(stage="judging", fraction=fraction, message=told(finding, compared), partial=finding))
    return findings
