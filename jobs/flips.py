"""A part of a bias analysis whose model is at hand: how many decisions change with a protected attribute alone.

Asked when all else is known, and of a sample of the rows; an analysis whose model cannot be asked keeps its report.
"""

from collections.abc import Sequence

import db.tables as t
import engine.explanations.between_groups
import engine.fairness.flipping
from engine.errors import EngineError
from engine.fairness import BiasColumns, BiasOptions, BiasReport
from engine.fairness.flip_report import FlipReport, not_asked
from engine.tables.part import Part
from engine.values import Tell
from jobs.attempt import Attempt
from jobs.children import ChildFailed, Killed
from jobs.models import Openable, kept_in, model_file, parts_of, within_reach
from jobs.work import Workshop


async def with_flips(
    attempt: Attempt,
    workshop: Workshop,
    dataset: t.Dataset,
    columns: BiasColumns,
    options: BiasOptions,
    report: BiasReport,
) -> BiasReport:
    """The report, with what the model says of each protected attribute, or why it says nothing."""
    try:
        found = await _asked(attempt, workshop, dataset, columns, options)
    except (EngineError, ChildFailed, Killed) as error:
        found = [not_asked(attribute, str(error)) for attribute in columns.protected]
    return engine.fairness.flipping.with_flips(report, found)


async def _asked(
    attempt: Attempt, workshop: Workshop, dataset: t.Dataset, columns: BiasColumns, options: BiasOptions
) -> Sequence[FlipReport]:
    async with (
        model_file(attempt, workshop, attempt.row.model_id) as file,
        parts_of(attempt, workshop, dataset) as parts,
        workshop.scratch() as folder,
    ):
        names = list(dict.fromkeys([*file.signature.names, *columns.protected]))
        near = await within_reach(attempt, workshop, parts, names, folder)
        return await kept_in(attempt, workshop, flips, file, near, columns, options)


def flips(
    tell: Tell, file: Openable, parts: Sequence[Part], columns: BiasColumns, options: BiasOptions
) -> tuple[FlipReport, ...]:
    """The whole computation, in a child."""
    return engine.explanations.between_groups.flips_of_analysis(tell, file.open(), parts, columns, options)
