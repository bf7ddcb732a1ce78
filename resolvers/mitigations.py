"""Mitigations: models trained again under a constraint of fairness, to become new versions."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import strawberry
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from strawberry import ID

import db.tables as t
import jobs.queue
from auth.permissions import Permission
from db.errors import Conflict
from db.owned import one, own
from db.session import Scope
from engine.errors import InvalidInput, within
from engine.mitigation import Candidate, MitigationOptions, MitigationReport
from engine.mitigation.options import refuse_untrainable
from engine.models.signature import Signature
from engine.tables.names import no_column
from resolvers import work
from resolvers.context import Info
from resolvers.ids import key
from resolvers.lists import page
from resolvers.paging import USUAL_PAGE, Page, Slice
from resolvers.removal import Removal
from resolvers.scoring import refuse_misfit, signature_of
from resolvers.texts import LONGEST_VERSION, words


class MitigationOrder(StrEnum):
    """How a list of mitigations is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"


@dataclass(frozen=True, kw_only=True)
class MitigationFilter:
    """Which mitigations to list; conditions left out do not narrow the list."""

    model_id: ID | None = None
    """The model that is trained again."""
    dataset_id: ID | None = None
    status: t.Status | None = None


@dataclass(frozen=True, kw_only=True)
class NewMitigation:
    """A model to train again under a constraint of fairness, and the rows to do it on."""

    model_id: ID
    """A scikit-learn model of two classes with its file."""
    dataset_id: ID
    """Has the model's features, a label and the protected attribute."""
    options: MitigationOptions
    version: str | None = None
    """Of the new model; by default that of the old one with " mitigated" after it."""
    analysis_id: ID | None = None
    """The analysis of this model that it answers, if one led to it."""


async def start(info: Info, input: NewMitigation, idempotency_key: str | None = None) -> t.Mitigation:
    """Train a model again under a constraint of fairness, as a new version of it with a file; `mitigationProgress`
    follows it.

    The report says what it brings on held-out rows: the model as it was, retrained without the constraint, and mitigated.
    Asks for the permission analysis:create too. With an idempotency key, asking again for the same gives the mitigation that
    was started before.
    """
    context, viewer = info.context, info.context.viewer
    viewer.require(Permission.ANALYSIS_CREATE)
    asked_key, scope = jobs.queue.checked_key(idempotency_key), viewer.scope
    async with context.write() as session:
        await jobs.queue.one_by_one(session, scope)
        model = await one(session, t.Model, scope, key(t.Model, input.model_id, at="model_id"))
        dataset_id = key(t.Dataset, input.dataset_id, at="dataset_id")
        dataset = await one(session, t.Dataset, scope, dataset_id, "profile")
        row = t.Mitigation(
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=asked_key,
            model_id=model.id,
            dataset_id=dataset.id,
            analysis_id=await _analysis(session, scope, input.analysis_id, model.id),
            options=input.options,
            version_name=_version(input.version, model),
        )
        before = await jobs.queue.asked_before(session, t.Mitigation, scope, asked_key)
        if before is not None:
            return _same(before, row)
        _check(await signature_of(session, scope, input.model_id), dataset, input.options)
        await _refuse_taken(session, model, row.version_name)
        gone = "what is to be trained again was deleted a moment ago"
        await work.begin(session, t.Subject.MITIGATION, row, scope, gone)
    await context.tell()
    return row


async def cancel(info: Info, id: ID) -> t.Mitigation:
    """End a mitigation that waits or runs; it takes effect within seconds and no version is made."""
    return await work.cancel(info.context, t.Subject.MITIGATION, t.Mitigation, id)


async def delete(info: Info, id: ID) -> Removal:
    """Delete a mitigation with its report; one that runs is stopped. The version that it made stays."""
    return await work.delete(info.context, t.Subject.MITIGATION, t.Mitigation, id)


async def mitigation(info: Info, id: ID) -> t.Mitigation:
    """One mitigation by its id."""
    async with info.context.read() as session:
        return await one(session, t.Mitigation, info.context.viewer.scope, key(t.Mitigation, id))


async def report(mitigation: strawberry.Parent[t.Mitigation], info: Info) -> MitigationReport | None:
    """What came out, once the mitigation is completed."""
    kept: MitigationReport | None = await info.context.large(mitigation, "report")
    return kept


async def mitigations(
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    filter: MitigationFilter | None = None,
    order: MitigationOrder = MitigationOrder.NEWEST_FIRST,
) -> Page[t.Mitigation]:
    """The mitigations, a page at a time."""
    return await page(info.context, _part(info, first, after, filter or MitigationFilter(), order))


async def of_model(
    model: strawberry.Parent[t.Model],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: MitigationOrder = MitigationOrder.NEWEST_FIRST,
) -> Page[t.Mitigation]:
    """The mitigations that started from this model, a page at a time."""
    part = _part(info, first, after, MitigationFilter(status=status), order)
    return await info.context.children(t.Mitigation, "model_id", model.id, part)


async def of_analysis(
    analysis: strawberry.Parent[t.Analysis],
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    status: t.Status | None = None,
    order: MitigationOrder = MitigationOrder.NEWEST_FIRST,
) -> Page[t.Mitigation]:
    """The mitigations that answer this analysis, a page at a time."""
    part = _part(info, first, after, MitigationFilter(status=status), order)
    return await info.context.children(t.Mitigation, "analysis_id", analysis.id, part)


def candidate(event: strawberry.Parent[t.Event]) -> Candidate | None:
    """A model that was trained, on the rows on which one is chosen. The chosen one is told again at the end, as such."""
    if event.partial is None or event.subject is not t.Subject.MITIGATION:
        return None
    return _CANDIDATE.validate_python(event.partial)


async def model_of(mitigation: strawberry.Parent[t.Mitigation], info: Info) -> t.Model | None:
    """The model that is trained again."""
    return await info.context.one(t.Model, mitigation.model_id)


async def dataset_of(mitigation: strawberry.Parent[t.Mitigation], info: Info) -> t.Dataset | None:
    """The dataset whose rows it is trained and measured on."""
    return await info.context.one(t.Dataset, mitigation.dataset_id)


async def analysis_of(mitigation: strawberry.Parent[t.Mitigation], info: Info) -> t.Analysis | None:
    """The analysis that it answers; null where none was named, and when that one is deleted."""
    return (
        None if mitigation.analysis_id is None else await info.context.one(t.Analysis, mitigation.analysis_id)
    )


async def version_of(mitigation: strawberry.Parent[t.Mitigation], info: Info) -> t.Model | None:
    """The new version with its file, once the mitigation is completed; null when that one is deleted."""
    return None if mitigation.version_id is None else await info.context.one(t.Model, mitigation.version_id)


def _part(
    info: Info, first: int, after: str | None, asked: MitigationFilter, order: MitigationOrder
) -> Slice[t.Mitigation]:
    return work.part(info.context, t.Mitigation, first, after, order, **vars(asked))


async def _analysis(session: AsyncSession, scope: Scope, id: ID | None, model: UUID) -> UUID | None:
    if id is None:
        return None
    found = await one(session, t.Analysis, scope, key(t.Analysis, id, at="analysis_id"))
    if found.model_id != model:
        raise InvalidInput("the analysis is of another model", at=("analysis_id",))
    return found.id


def _version(asked: str | None, model: t.Model) -> str:
    return words("version", f"{model.version} mitigated" if asked is None else asked, LONGEST_VERSION)


async def _refuse_taken(session: AsyncSession, model: t.Model, version: str) -> None:
    """Refuse now what the table's constraint would refuse when all is trained."""
    same = own(t.Model, Scope(organization_id=model.organization_id)).where(
        col(t.Model.name) == model.name, col(t.Model.version) == version
    )
    if await session.scalar(same) is not None:
        raise Conflict(
            f"a model {model.name!r} of version {version!r} is registered already; name another version"
        )


def _check(signature: Signature, dataset: t.Dataset, options: MitigationOptions) -> None:
    """Refuse now, in words, what could only fail later."""
    if dataset.status is not t.Status.COMPLETED or dataset.profile is None:
        raise Conflict(f"the dataset is {dataset.status}, a mitigation needs one that is completed")
    refuse_untrainable(signature)
    refuse_misfit(signature, dataset.profile)
    columns = [column.name for column in dataset.profile.columns]
    with within("options"):
        options.check(signature)
        for name in ("label", "attribute"):
            if getattr(options, name) not in columns:
                raise no_column(getattr(options, name), columns, (name,))


def _same(before: t.Mitigation, now: t.Mitigation) -> t.Mitigation:
    def asked(row: t.Mitigation) -> tuple[object, ...]:
        return row.model_id, row.dataset_id, row.version_name, _OPTIONS.dump_json(row.options)

    if asked(before) != asked(now):
        raise Conflict("this idempotencyKey was used for another mitigation; take a new one")
    return before


_CANDIDATE = TypeAdapter(Candidate)
_OPTIONS = TypeAdapter(MitigationOptions)
