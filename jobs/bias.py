"""The job behind an Analysis: count the dataset's rows, judge the counts, store the report."""

from pathlib import Path

from sqlmodel import col

import db.tables as t
import engine.fairness.analysis
from db.owned import owned
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport
from engine.values import Tell
from jobs.attempt import Attempt
from jobs.work import Workshop, compute


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Measure, and complete the analysis with its report."""
    analysis: t.Analysis = attempt.row
    datasets = await attempt.rows(
        owned(t.Dataset, attempt.scope).where(col(t.Dataset.id) == analysis.dataset_id)
    )
    blob = datasets[0].blob if datasets else None
    if blob is None:
        await attempt.fail("the dataset of this analysis is no longer there")
        return
    async with workshop.file(blob) as path:
        report = await compute(
            attempt, workshop, measure, path, analysis.columns, analysis.type, analysis.options
        )
    await attempt.complete(report.summary, report=report)


def measure(
    tell: Tell, path: Path, columns: BiasColumns, kind: AnalysisType, options: BiasOptions
) -> BiasReport:
    """The whole computation, in a child."""
    return engine.fairness.analysis.run(path, columns, kind, options, tell)
