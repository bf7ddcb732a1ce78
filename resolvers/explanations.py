"""Explanations: starting, reading, cancelling and deleting them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import strawberry
from pydantic import TypeAdapter
from strawberry import ID

import db.tables as t
import jobs.queue
from db.errors import Conflict
from db.owned import one
from engine.errors import InvalidInput, within
from engine.explanations.gap_report import FeatureGap
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.questions import check
from engine.explanations.report import Counterfactual, ExplanationReport, Importance, RowExplanation
from engine.models.matching import NUMBERS
from engine.models.signature import Signature
from engine.tables import ColumnType, TableProfile
from engine.tables.names import no_column
from resolvers import asking, work
from resolvers.context import Info
from resolvers.ids import key
from resolvers.lists import page
from resolvers.paging import USUAL_PAGE, Page, Slice
from resolvers.removal import Removal
from resolvers.scoring import refuse_misfit, signature_of

Told = TypeVar("Told")

MOST_ROWS = 100
"""Explained rows on a page."""


class ExplanationOrder(StrEnum):
    """How a list of explanations is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


@dataclass(frozen=True, kw_only=True)
class ExplanationFilter:
    """Which explanations to list; conditions left out do not narrow the list."""

    model_id: ID | None = None
    dataset_id: ID | None = None
    status: t.Status | None = None
    kind: ExplanationKind | None = None


@dataclass(frozen=True, kw_only=True)
class NewExplanation:
    """A question about a model's answers: of which kind, and on which dataset."""

    model_id: ID | None = None
    """A model with its file or endpoint; by default that of the analysis."""
    dataset_id: ID | None = None
    """Has the rows that are explained, and those that stand in for features taken away; by default that of the analysis."""
    analysis_id: ID | None = None
    """A bias analysis that raises the question, and then lists the explanation. What is left out of a `GAP` is taken from
    it once it is completed: the attribute and the two groups that its report puts first, its bands, and its favourable
    class."""
    kind: ExplanationKind
    options: ExplanationOptions | None = None


async def start(info: Info, input: NewExplanation, idempotency_key: str | None = None) -> t.Explanation:
    """Start an explanation and return it at once; `explanationProgress` follows it, `report` holds what came out.

    With an idempotency key, asking again for the same gives the explanation that was started before.
    """
    context, viewer = info.context, info.context.viewer
    asked_key = jobs.queue.checked_key(idempotency_key)
    async with context.write() as session:
        await jobs.queue.one_by_one(session, viewer.scope)
        base = await asking.analysis(session, viewer, input.analysis_id)
        model_id = asking.model_of(base, input.model_id)
        asked_of = key(t.Dataset, asking.dataset_of(base, input.dataset_id), at="dataset_id")
        dataset = await one(session, t.Dataset, viewer.scope, asked_of, "profile")
        options, signature = input.options or ExplanationOptions(), None
        if base is not None and input.kind is ExplanationKind.GAP:
            signature = await signature_of(session, viewer.scope, model_id)
            options = asking.with_groups(base, options, signature)
        row = t.Explanation(
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=asked_key,
            model_id=key(t.Model, model_id, at="model_id"),
            dataset_id=dataset.id,
            analysis_id=None if base is None else base.id,
            kind=input.kind,
            options=options,
        )
        before = await jobs.queue.asked_before(session, t.Explanation, viewer.scope, asked_key)
        if before is not None:
            return _same(before, row)
        _check(signature or await signature_of(session, viewer.scope, model_id), dataset, row)
        gone = "what the explanation is about was deleted a moment ago"
        await work.begin(session, t.Subject.EXPLANATION, row, viewer.scope, gone)
    await context.tell()
    return row


async def cancel(info: Info, id: ID) -> t.Explanation:
    """End an explanation that waits or runs; it takes effect within seconds and nothing of it is kept."""
    return await work.cancel(info.context, t.Subject.EXPLANATION, t.Explanation, id)


async def delete(info: Info, id: ID) -> Removal:
    """Delete an explanation with its report; one that runs is stopped."""
    return await work.delete(info.context, t.Subject.EXPLANATION, t.Explanation, id)


async def explanation(info: Info, id: ID) -> t.Explanation:
    """One explanation by its id."""
    async with info.context.read() as session:
        return await one(session, t.Explanation, info.context.viewer.scope, key(t.Explanation, id))


async def report(explanation: strawberry.Parent[t.Explanation], info: Info) -> ExplanationReport | None:
    """What came out, once the explanation is completed."""
    kept: ExplanationReport | None = await info.context.large(explanation, "report")
    return kept


async def rows(
    explanation: strawberry.Parent[t.Explanation], info: Info, first: int = 20, skip: int = 0
) -> list[RowExplanation] | None:
    """The rows that were explained one by one, `first` of them after the `skip` first; once it is completed."""
    if not 1 <= first <= MOST_ROWS:
        raise InvalidInput(f"first must lie in [1, {MOST_ROWS}], got {first}", at=("first",))
    if skip < 0:
        raise InvalidInput(f"skip must be 0 or more, got {skip}", at=("skip",))
    kept: tuple[RowExplanation, ...] | None = await info.context.large(explanation, "rows")
    return None if kept is None else list(kept[skip : skip + first])


async def explanations(
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    filter: ExplanationFilter | None = None,
    order: ExplanationOrder = ExplanationOrder.NEWEST_FIRST,
) -> Page[t.Explanation]:
    """The explanations, a page at a time."""
    return await page(info.context, _part(info, first, after, filter or ExplanationFilter(), order))


async def of_model(
    model: strawberry.Parent[t.Model],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: ExplanationOrder = ExplanationOrder.NEWEST_FIRST,
) -> Page[t.Explanation]:
    """The explanations of this model, a page at a time."""
    part = _part(info, first, after, ExplanationFilter(status=status), order)
    return await info.context.children(t.Explanation, "model_id", model.id, part)


async def of_analysis(
    analysis: strawberry.Parent[t.Analysis],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: ExplanationOrder = ExplanationOrder.NEWEST_FIRST,
) -> Page[t.Explanation]:
    """The explanations that were asked from this analysis, a page at a time."""
    part = _part(info, first, after, ExplanationFilter(status=status), order)
    return await info.context.children(t.Explanation, "analysis_id", analysis.id, part)


def row_explanation(event: strawberry.Parent[t.Event]) -> RowExplanation | None:
    """The row that this step explained."""
    return _told(event, "attributions", _ROW)


def importance(event: strawberry.Parent[t.Event]) -> Importance | None:
    """A feature that matters, of the rows looked at so far; see `interim` for whether it is final."""
    return _told(event, "importance", _IMPORTANCE)


def counterfactual(event: strawberry.Parent[t.Event]) -> Counterfactual | None:
    """A change that this step found."""
    return _told(event, "changes", _COUNTERFACTUAL)


def feature_gap(event: strawberry.Parent[t.Event]) -> FeatureGap | None:
    """What a feature adds to the gap between two groups, of the rows looked at so far; see `interim` for whether it is
    final."""
    return _told(event, "reference_mean", _FEATURE_GAP)


_ROW = TypeAdapter(RowExplanation)
_FEATURE_GAP = TypeAdapter(FeatureGap)
_IMPORTANCE = TypeAdapter(Importance)
_COUNTERFACTUAL = TypeAdapter(Counterfactual)


def _told(event: t.Event, sign: str, adapter: TypeAdapter[Told]) -> Told | None:
    """The partial result of an event, if it is the one that has the field `sign`."""
    if event.partial is None or event.subject is not t.Subject.EXPLANATION or sign not in event.partial:
        return None
    return adapter.validate_python(event.partial)


def _part(
    info: Info, first: int, after: str | None, asked: ExplanationFilter, order: ExplanationOrder
) -> Slice[t.Explanation]:
    return work.part(info.context, t.Explanation, first, after, order, **vars(asked))


def _same(before: t.Explanation, now: t.Explanation) -> t.Explanation:
    def asked(row: t.Explanation) -> tuple[object, ...]:
        about = row.model_id, row.dataset_id, row.analysis_id, row.kind
        return *about, _OPTIONS.dump_json(row.options)

    if asked(before) != asked(now):
        raise Conflict("this idempotencyKey was used for another explanation; take a new one")
    return before


_OPTIONS = TypeAdapter(ExplanationOptions)


def _check(signature: Signature, dataset: t.Dataset, row: t.Explanation) -> None:
    """Refuse now, in words, what could only fail later."""
    if dataset.status is not t.Status.COMPLETED or dataset.profile is None:
        raise Conflict(f"the dataset is {dataset.status}, an explanation needs one that is completed")
    profile, options = dataset.profile, row.options
    with within("options"):
        options.check(row.kind)
        numbers = {each.name: each.type in NUMBERS for each in profile.columns}
        truths = {each.name for each in profile.columns if each.type is ColumnType.BOOLEAN}
        check(row.kind, options, signature, numbers, truths)
        _check_dataset(profile, options)
    refuse_misfit(signature, profile)


def _check_dataset(profile: TableProfile, options: ExplanationOptions) -> None:
    columns = [column.name for column in profile.columns]
    for at in ("label", "attribute"):
        named = getattr(options, at)
        if named is not None and named not in columns:
            raise no_column(named, columns, (at,))
    beyond = next((i for i, row in enumerate(options.rows) if row >= profile.rows), None)
    if beyond is not None:
        raise InvalidInput(
            f"the dataset has {profile.rows:,} rows, counted from 0, and no row {options.rows[beyond]}",
            at=("rows", beyond),
        )
