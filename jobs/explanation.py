"""The job behind an Explanation: read the rows, ask the model in a child that is kept in, store what came out."""

from collections.abc import Sequence

import db.tables as t
from engine.explanations.asking import ask
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import ExplanationReport, RowExplanation
from engine.tables.part import Part
from engine.values import Tell
from jobs.attempt import Attempt
from jobs.models import Gone, Openable, kept_in, model_file, parts_of, within_reach
from jobs.work import Workshop

Made = tuple[ExplanationReport, tuple[RowExplanation, ...]]


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Ask the model, and complete the explanation with its report."""
    asked: t.Explanation = attempt.row
    dataset = await attempt.one(t.Dataset, asked.dataset_id)
    if dataset is None:
        raise Gone("the dataset of this explanation is no longer there")
    async with (
        model_file(attempt, workshop, asked.model_id) as file,
        parts_of(attempt, workshop, dataset) as parts,
        workshop.scratch() as folder,
    ):
        names = list(file.signature.names)
        for more in (asked.options.label, asked.options.attribute):
            if more is not None and more not in names:
                names.append(more)
        near = await within_reach(attempt, workshop, parts, names, folder)
        report, rows = await kept_in(attempt, workshop, explain, file, near, asked.kind, asked.options)
    await attempt.complete(report.summary, report=report, rows=rows)


def explain(
    tell: Tell, file: Openable, parts: Sequence[Part], kind: ExplanationKind, options: ExplanationOptions
) -> Made:
    """The whole computation, in a child."""
    found = ask(tell, file.open(), parts, kind, options)
    return found.report(), found.rows
