"""Bias analyses: starting, judging again, reading, cancelling and deleting them."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

import strawberry
from pydantic import TypeAdapter
from strawberry import ID

import db.tables as t
import jobs.queue
from auth.permissions import Viewer
from db.errors import Conflict
from db.owned import one
from engine.errors import InvalidInput, within
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport, Recommendation
from engine.fairness.metrics import metrics_of
from engine.models.prediction import Scoring, added
from engine.models.signature import Signature, Task
from engine.tables.names import no_column
from resolvers import work
from resolvers.context import Info
from resolvers.ids import global_id, key
from resolvers.lists import page
from resolvers.paging import USUAL_PAGE, Page, Slice
from resolvers.removal import Removal
from resolvers.scoring import can_be_asked, refuse_misfit, signature_of


class AnalysisOrder(StrEnum):
    """How a list of analyses is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


@dataclass(frozen=True, kw_only=True)
class AnalysisFilter:
    """Which analyses to list; conditions left out do not narrow the list."""

    model_id: ID | None = None
    dataset_id: ID | None = None
    status: t.Status | None = None
    type: AnalysisType | None = None


@dataclass(frozen=True, kw_only=True)
class NewAnalysis:
    """A bias analysis to run: which model, on which rows, with which question."""

    model_id: ID
    dataset_id: ID
    type: AnalysisType
    columns: BiasColumns
    options: BiasOptions | None = None
    use_model: bool = False
    """Let the model's file score the rows, in place of a column with its prediction: `columns` then names neither
    prediction nor score. The scores are those of the favourable class, and predictions follow `scoreThreshold`."""


async def start(info: Info, input: NewAnalysis, idempotency_key: str | None = None) -> t.Analysis:
    """Start a bias analysis and return it at once; `analysisProgress` follows it, `report` holds what came out.

    With an idempotency key, asking again for the same gives the analysis that was started before.
    """
    return await _start(info, input, idempotency_key)


async def rejudge(info: Info, id: ID, options: BiasOptions, idempotency_key: str | None = None) -> t.Analysis:
    """Ask the question of a completed analysis again with other options, as a new analysis.

    Other thresholds, reference groups, sizes, confidence or seeds need no second pass over the rows: what the
    first analysis counted is judged again. Options that change how rows are counted have them read again.
    """
    scope = info.context.viewer.scope
    async with info.context.read() as session:
        base = await one(session, t.Analysis, scope, key(t.Analysis, id))
    if base.status is not t.Status.COMPLETED:
        raise Conflict(f"the analysis is {base.status}; only one that is completed can be judged again")
    asked = NewAnalysis(
        model_id=global_id("Model", base.model_id),
        dataset_id=global_id("Dataset", base.dataset_id),
        type=base.type,
        columns=replace(base.columns, prediction=None, score=None) if base.use_model else base.columns,
        options=options,
        use_model=base.use_model,
    )
    return await _start(info, asked, idempotency_key, base.id)


async def _start(
    info: Info, input: NewAnalysis, idempotency_key: str | None, based_on_id: UUID | None = None
) -> t.Analysis:
    context, viewer = info.context, info.context.viewer
    asked_key = jobs.queue.checked_key(idempotency_key)
    async with context.write() as session:
        await jobs.queue.one_by_one(session, viewer.scope)
        model = await one(session, t.Model, viewer.scope, key(t.Model, input.model_id, at="model_id"))
        asked_of = key(t.Dataset, input.dataset_id, at="dataset_id")
        dataset = await one(session, t.Dataset, viewer.scope, asked_of, "profile")
        if input.use_model:
            signature = await signature_of(session, viewer.scope, input.model_id)
            input = replace(input, columns=_by_model(input.columns, dataset, signature))
        row = _row(viewer, model, dataset, input, asked_key, based_on_id)
        before = await jobs.queue.asked_before(session, t.Analysis, viewer.scope, asked_key)
        if before is not None:
            return _same(before, row)
        _check(model, dataset, row, can_score=await can_be_asked(session, viewer.scope, model.id))
        gone = "what the analysis is about was deleted a moment ago"
        await work.begin(session, t.Subject.ANALYSIS, row, viewer.scope, gone)
    await context.tell()
    return row


async def cancel(info: Info, id: ID) -> t.Analysis:
    """End an analysis that waits or runs; it takes effect within seconds and nothing of it is kept."""
    return await work.cancel(info.context, t.Subject.ANALYSIS, t.Analysis, id)


async def delete(info: Info, id: ID) -> Removal:
    """Delete an analysis with its report; one that runs is stopped."""
    return await work.delete(info.context, t.Subject.ANALYSIS, t.Analysis, id)


async def analysis(info: Info, id: ID) -> t.Analysis:
    """One analysis by its id."""
    async with info.context.read() as session:
        return await one(session, t.Analysis, info.context.viewer.scope, key(t.Analysis, id))


async def of_explanation(explanation: strawberry.Parent[t.Explanation], info: Info) -> t.Analysis | None:
    """The bias analysis from which it was asked; null of one that stands by itself, and when that one is deleted."""
    if explanation.analysis_id is None:
        return None
    return await info.context.one(t.Analysis, explanation.analysis_id)


async def report(analysis: strawberry.Parent[t.Analysis], info: Info) -> BiasReport | None:
    """What came out, once the analysis is completed."""
    kept: BiasReport | None = await info.context.large(analysis, "report")
    return None if kept is None else _addressed(kept, analysis)


def _addressed(report: BiasReport, analysis: t.Analysis) -> BiasReport:
    """With the ids of the analysis in what its recommendations propose to send."""
    ids = {
        "modelId": global_id("Model", analysis.model_id),
        "datasetId": global_id("Dataset", analysis.dataset_id),
        "analysisId": global_id("Analysis", analysis.id),
    }

    def with_ids(each: Recommendation) -> Recommendation:
        if each.proposal is None:
            return each
        asked = json.loads(each.proposal.variables)["input"]
        return replace(each, proposal=replace(each.proposal, variables=json.dumps({"input": ids | asked})))

    return replace(report, recommendations=tuple(with_ids(each) for each in report.recommendations))


def based_on(analysis: strawberry.Parent[t.Analysis]) -> ID | None:
    """Id of the analysis that was judged again here; null for one of its own, and when that one is deleted."""
    return None if analysis.based_on_id is None else global_id("Analysis", analysis.based_on_id)


async def analyses(
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    filter: AnalysisFilter | None = None,
    order: AnalysisOrder = AnalysisOrder.NEWEST_FIRST,
) -> Page[t.Analysis]:
    """The analyses, a page at a time."""
    return await page(info.context, _part(info, first, after, filter or AnalysisFilter(), order))


async def of_model(
    model: strawberry.Parent[t.Model],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: AnalysisOrder = AnalysisOrder.NEWEST_FIRST,
) -> Page[t.Analysis]:
    """The analyses of this model, a page at a time."""
    part = _part(info, first, after, AnalysisFilter(status=status), order)
    return await info.context.children(t.Analysis, "model_id", model.id, part)


async def of_dataset(
    dataset: strawberry.Parent[t.Dataset],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: AnalysisOrder = AnalysisOrder.NEWEST_FIRST,
) -> Page[t.Analysis]:
    """The analyses on this dataset, a page at a time."""
    part = _part(info, first, after, AnalysisFilter(status=status), order)
    return await info.context.children(t.Analysis, "dataset_id", dataset.id, part)


def _part(
    info: Info, first: int, after: str | None, asked: AnalysisFilter, order: AnalysisOrder
) -> Slice[t.Analysis]:
    return work.part(info.context, t.Analysis, first, after, order, **vars(asked))


def _row(
    viewer: Viewer,
    model: t.Model,
    dataset: t.Dataset,
    input: NewAnalysis,
    idempotency_key: str | None,
    based_on_id: UUID | None,
) -> t.Analysis:
    return t.Analysis(
        organization_id=viewer.organization_id,
        created_by_id=viewer.user_id,
        idempotency_key=idempotency_key,
        model_id=model.id,
        dataset_id=dataset.id,
        type=input.type,
        columns=input.columns,
        options=input.options or BiasOptions(),
        use_model=input.use_model,
        based_on_id=based_on_id,
    )


def _by_model(columns: BiasColumns, dataset: t.Dataset, signature: Signature) -> BiasColumns:
    """The columns with those that the model will make, under names that the dataset leaves free."""
    named = next((role for role in ("prediction", "score") if getattr(columns, role) is not None), None)
    if named is not None:
        raise InvalidInput(f"the model makes the {named}; name no column for it", at=("columns", named))
    if dataset.profile is not None:
        refuse_misfit(signature, dataset.profile)
    taken = (
        {column.name.strip().casefold() for column in dataset.profile.columns} if dataset.profile else set()
    )
    scoring = Scoring(
        prediction=_free("prediction", taken), score=_free("score", taken), of_class=columns.favorable
    )
    if signature.task is not Task.REGRESSION:
        with within("columns"):
            _refuse_class(scoring, signature)
    several = signature.task is Task.MULTICLASS and columns.favorable is None
    score = None if several or signature.task is Task.REGRESSION else scoring.score
    return replace(columns, prediction=scoring.prediction, score=score)


def _refuse_class(scoring: Scoring, signature: Signature) -> None:
    try:
        added(signature, scoring)
    except InvalidInput as error:
        raise InvalidInput(str(error), at=("favorable",)) from None


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _free(f"model {name}", taken)


def _same(before: t.Analysis, now: t.Analysis) -> t.Analysis:
    def asked(row: t.Analysis) -> tuple[object, ...]:
        about = row.model_id, row.dataset_id, row.type, row.based_on_id, row.use_model
        return *about, _plain(row.columns), _plain(row.options)

    if asked(before) != asked(now):
        raise Conflict("this idempotencyKey was used for another analysis; take a new one")
    return before


def _plain(value: BiasColumns | BiasOptions) -> bytes:
    """As it is stored: what came from a client holds lists and tuples, what was read holds lists only."""
    return TypeAdapter(type(value)).dump_json(value)


def _check(model: t.Model, dataset: t.Dataset, row: t.Analysis, *, can_score: bool) -> None:
    """Refuse now, in words, what could only fail later."""
    if dataset.status is not t.Status.COMPLETED or dataset.profile is None:
        raise Conflict(f"the dataset is {dataset.status}, an analysis needs one that is completed")
    names = [column.name for column in dataset.profile.columns]
    if row.use_model:
        names += [name for name in (row.columns.prediction, row.columns.score) if name is not None]
    for at, column in row.columns.places():
        if column not in names:
            raise no_column(column, names, ("columns", *at))
    with within("columns"):
        row.columns.check(model.type, ", or useModel: true" if can_score else "")
    if "\0" in (row.columns.favorable or ""):
        raise InvalidInput("favorable may hold no NUL, and no value does", at=("columns", "favorable"))
    if not metrics_of(row.type, model.type):
        raise InvalidInput(
            f"{row.type} is no question for a {model.type} model; ask for comprehensive", at=("type",)
        )
    with within("options"):
        row.options.refuse_unprotected(row.columns.protected)
        row.options.check(row.type, model.type)
    if row.type is AnalysisType.INDIVIDUAL_FAIRNESS and not row.columns.features:
        raise InvalidInput(
            "individual fairness compares similar rows: features must name the columns that make rows similar",
            at=("columns", "features"),
        )
