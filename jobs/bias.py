"""The job behind an Analysis: count the dataset's rows, judge the counts, store the report and the counts.

Where the model scores the rows it is asked once more what hangs on each protected attribute alone (`flips.py`).

A dataset by reference is counted part by part, wherever the workshop's crew works, and its counts are added up.
An analysis that is based on another starts from the counts which that one kept, where these are the ones its own
options would make; otherwise it reads the rows like any other.
"""

from functools import partial
from uuid import UUID

from sqlmodel import col

import db.lake
import db.tables as t
import engine.fairness.analysis
import engine.fairness.interim
import engine.fairness.parts
import engine.tables.in_place
import engine.tables.part
import jobs.models
from db.owned import own
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport
from engine.fairness.evidence import Summary
from engine.fairness.keeping import NotKept, fits, packed, unpacked
from engine.fairness.likeness import Likeness
from engine.fairness.trend import headlines
from engine.fairness.unused import noted
from engine.fairness.words import interim
from engine.mitigation.offering import offered
from engine.models.prediction import Scoring
from engine.tables.parts import Lake
from engine.values import ModelType, Step, Tell, portion
from jobs.attempt import Attempt
from jobs.flips import with_flips
from jobs.interim import Looks, Standing
from jobs.parts import Part, merged_in_order
from jobs.work import Workshop, compute

SCORED, SCORED_AND_JUDGED = 0.4, 0.8
"""Shares of the work that are done, where a model scores the rows; the rest is asking it about changed ones."""

Question = tuple[BiasColumns, AnalysisType, BiasOptions, ModelType]
Made = tuple[BiasReport, bytes | None, str | None]
"""The report, and what is kept of the rows or why nothing is."""


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Measure, and complete the analysis with its report."""
    analysis: t.Analysis = attempt.row
    model = await attempt.one(t.Model, analysis.model_id)
    if model is None:
        await attempt.fail("the model of this analysis is no longer there")
        return
    question = analysis.columns, analysis.type, analysis.options, model.type
    dataset = await attempt.one(t.Dataset, analysis.dataset_id, "profile")
    content = await _counted_before(attempt, analysis)
    part = attempt.portion(0.0, SCORED_AND_JUDGED) if analysis.use_model else attempt
    if content is not None:
        made = await compute(part, workshop, rejudge, content, *question)
    elif dataset is not None and analysis.use_model:
        made = await _by_model(attempt, workshop, dataset, question)
    elif dataset is not None and dataset.uri is not None:
        made = await _of_parts(attempt, workshop, dataset, dataset.uri, question)
    elif dataset is not None and dataset.blob is not None:
        async with workshop.file(dataset.blob) as path:
            made = await compute(attempt, workshop, measure, path, *question)
    else:
        await attempt.fail("the dataset of this analysis is no longer there")
        return
    report, kept, reason = made
    if dataset is not None and dataset.profile is not None:
        report = noted(report, dataset.profile, *question)
    if dataset is not None and analysis.use_model:
        part = attempt.portion(SCORED_AND_JUDGED, 1.0)
        report = await with_flips(part, workshop, dataset, analysis.columns, analysis.options, report)
    signature = await jobs.models.signature_of(attempt, analysis.model_id)
    if signature is not None:
        report = offered(report, signature, analysis.options.bands)
    await _complete(attempt, (report, kept, reason))


async def _by_model(attempt: Attempt, workshop: Workshop, dataset: t.Dataset, question: Question) -> Made:
    """Let the model score the rows into a table that is gone afterwards, and measure that."""
    columns, _, options, _ = question
    scoring = Scoring(
        prediction=columns.prediction or Scoring.prediction,
        score=columns.score or "model score",
        of_class=columns.favorable if columns.score else None,
        threshold=options.score_threshold,
    )
    model_id = attempt.row.model_id
    async with (
        jobs.models.model_file(attempt, workshop, model_id) as file,
        workshop.scratch() as folder,
    ):
        part = attempt.portion(0.0, SCORED)
        table = await jobs.models.scored(part, workshop, file, dataset, scoring, folder)
        part = attempt.portion(SCORED, SCORED_AND_JUDGED)
        return await compute(part, workshop, measure, table, *question)


def measure(
    tell: Tell,
    path: engine.tables.part.Part,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> Made:
    """The whole computation, in a child."""
    start = engine.fairness.analysis.MEASURED
    reading, judging = (portion(tell, *ends) for ends in ((0.0, start), (start, 1.0)))
    counted = engine.fairness.analysis.measured(path, columns, kind, options, reading, model)
    return judge(judging, counted, columns, kind, options, model)


def judge(
    tell: Tell,
    counted: tuple[Summary, Likeness | None],
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> Made:
    """The judging of what was counted, in a child."""
    summary, similar = counted
    report = engine.fairness.analysis.judged(summary, columns, kind, options, tell, model, similar)
    try:
        return report, packed(counted), None
    except NotKept as reason:
        return report, None, str(reason)


async def _of_parts(
    attempt: Attempt, workshop: Workshop, dataset: t.Dataset, uri: str, question: Question
) -> Made:
    """Count each part, wherever the crew is, add up in their order, and judge the sum here."""
    found = uri, workshop.lake, attempt.scope.organization_id, dataset.sha256
    paths, rows, options = await compute(attempt, workshop, prepare, *found, *question)
    if len(paths) == 1:
        return await compute(attempt, workshop, measure, paths[0], *question)
    columns, kind, asked, model = question
    looks = Looks(workshop.children, judge_so_far, columns, kind, asked, model)
    summary = await merged_in_order(
        attempt,
        workshop.crew,
        count_part,
        [Part(args=(path, columns, options, model), rows=n) for path, n in zip(paths, rows, strict=True)],
        partial(engine.fairness.parts.together, columns=columns),
        engine.fairness.analysis.MEASURED,
        None if asked.suppress_below > 1 else looks,  # two looks may differ by the rows of one person
    )
    return await compute(attempt, workshop, judge_all, (summary, None), *question)


def prepare(
    tell: Tell,
    uri: str,
    lake: Lake,
    organization: UUID,
    fingerprint: str,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> tuple[list[engine.tables.part.Part], list[int], BiasOptions]:
    """The parts with rows, how many, and the options to count them with; in a child."""
    listing = db.lake.again(uri, lake, organization, fingerprint)
    rows = engine.tables.in_place.rows_of(listing.parts)
    options = engine.fairness.parts.prepared(listing.parts, columns, kind, options, model)
    return list(listing.parts), rows, options


def count_part(
    tell: Tell, path: engine.tables.part.Part, columns: BiasColumns, options: BiasOptions, model: ModelType
) -> Summary:
    """The summary of one part, in a child or on another machine."""
    return engine.fairness.parts.part(path, columns, options, model, tell)


def judge_so_far(
    tell: Tell,
    counted: Summary,
    standing: Standing,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> list[Step]:
    """What can be said of the parts that are counted already, in a child."""
    return [
        Step(
            stage="counting rows",
            fraction=standing.fraction,
            message=f"After {standing.merged:,} of {standing.parts:,} parts: {interim(finding)}",
            partial=finding,
            interim=True,
        )
        for finding in engine.fairness.interim.so_far(counted, columns, kind, options, model)
    ]


def judge_all(
    tell: Tell,
    counted: tuple[Summary, Likeness | None],
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> Made:
    """The judging of parts that are counted, in a child."""
    judging = portion(tell, engine.fairness.analysis.MEASURED, 1.0)
    return judge(judging, counted, columns, kind, options, model)


def rejudge(
    tell: Tell,
    content: bytes,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> Made:
    """The judging alone, in a child, from what another analysis counted."""
    summary, similar = unpacked(content)
    report = engine.fairness.analysis.judged(summary, columns, kind, options, tell, model, similar)
    return report, content, None


async def _counted_before(attempt: Attempt, analysis: t.Analysis) -> bytes | None:
    """What the analysis that this one is based on has kept, if that is what this one would count."""
    if analysis.based_on_id is None:
        return None
    base = await attempt.one(t.Analysis, analysis.based_on_id)
    if base is None or not fits(base.options, analysis.options, analysis.columns):
        return None
    kept = await attempt.rows(own(t.Summary, attempt.scope).where(col(t.Summary.id) == analysis.based_on_id))
    return kept[0].content if kept else None


async def _complete(attempt: Attempt, made: Made) -> None:
    report, content, reason = made
    kept = t.Summary(
        id=attempt.id, organization_id=attempt.scope.organization_id, content=content, reason=reason
    )
    await attempt.complete(report.summary, beside=[kept], report=report, headlines=headlines(report))
