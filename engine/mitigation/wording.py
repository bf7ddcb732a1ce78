"""What a mitigation brought, in words."""

from collections.abc import Iterator, Sequence

from engine.fairness.metrics import METRICS
from engine.fairness.words import between, capital, number, so_many
from engine.mitigation.options import MitigationOptions
from engine.mitigation.report import MitigationReport, ModelMeasures
from engine.models.signature import Signature


def summary(report: MitigationReport) -> str:
    """The outcome for a person who reads nothing else."""
    title = METRICS[report.metric].title
    on = f"On {report.rows.held_out:,} held-out rows"
    if not report.changed:
        return (
            f"{on} the constraint brought nothing: of all candidates the one trained without it was best, with a {title}"
            f" of {_gap(report.mitigated)} between groups of {report.attribute} and an accuracy of"
            f" {number(report.mitigated.accuracy)}."
        )
    return (
        f"{on} the {title} between groups of {report.attribute} is {_gap(report.mitigated)} with the mitigated model,"
        f" {_gap(report.retrained)} when retrained without the constraint and {_gap(report.before)} as it was. Accuracy is"
        f" {number(report.mitigated.accuracy)}, {number(report.retrained.accuracy)} and {number(report.before.accuracy)}."
    )


def notes(
    report: MitigationReport,
    options: MitigationOptions,
    signature: Signature,
    small: Sequence[str],
    bands: Sequence[str],
    coarse: str | None,
) -> tuple[str, ...]:
    """What a person should know before using it.

    Args:
        coarse: the kind of the last step, where it cannot be told what rows weigh.
    """
    return (*bands, *_on_rows(report, small), *_on_models(report, options, signature, coarse))


def _on_rows(report: MitigationReport, small: Sequence[str]) -> Iterator[str]:
    rows = report.rows
    left = [
        so_many(rows.no_label, "rows have no label") if rows.no_label else "",
        so_many(rows.no_group, f"rows have no value of {report.attribute}") if rows.no_group else "",
    ]
    if any(left):
        yield f"{capital(' and '.join(filter(None, left)))}; they took no part."
    if small:
        yield f"Too small to be compared, so left out of everything: {'; '.join(small)}."
    if rows.not_drawn:
        yield f"{so_many(rows.not_drawn, 'rows were not drawn')}; ask for more with sampleRows."


def _on_models(
    report: MitigationReport, options: MitigationOptions, signature: Signature, coarse: str | None
) -> Iterator[str]:
    yield (
        "The model as it was may have been trained on the held-out rows, which flatters it; the one that was retrained"
        " without the constraint has seen no more than the mitigated one, so compare these two."
    )
    yield (
        f"Of {options.candidates} candidates the one was chosen with the smallest sum of {number(options.constraint_weight)}"
        f" times the gap and {number(1 - options.constraint_weight)} times the share of wrong decisions on"
        f" {report.rows.selection:,} rows that nothing was trained on. Intervals are of each model by itself."
    )
    if coarse is not None:
        yield (
            f"{coarse} cannot be told what rows weigh, so candidates were trained on rows that are repeated or left out as"
            " they weigh, which is coarser."
        )
    low, other = report.mitigated.gap_interval, report.retrained.gap
    if report.changed and low is not None and other is not None and low.low <= other <= low.high:
        yield (
            "The gap without the constraint lies within the interval of the gap with it: these rows cannot be sure that it"
            " became smaller."
        )
    if report.attribute in signature.names:
        yield f"The model looks at {report.attribute} itself, and may decide by it."


def _gap(measures: ModelMeasures) -> str:
    if measures.gap is None:
        return "undefined"
    shown = "" if measures.gap_interval is None else f" {between(measures.gap_interval)}"
    return f"{number(measures.gap)}{shown}"
