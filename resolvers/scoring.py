"""What a model with a file can be asked: whether it fits a dataset, to score it, and to answer single rows."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import strawberry
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from sqlmodel import col
from strawberry import ID

import db.tables as t
import jobs.queue
from auth.permissions import Permission
from db.errors import Conflict
from db.notify import woken
from db.owned import one, owned
from db.session import Scope
from engine.errors import InvalidInput, within
from engine.models.matching import ModelFit, fit
from engine.models.prediction import GivenRow, Predicted, Scoring, added, checked
from engine.models.signature import ModelFormat, Signature
from engine.models.values import refuse
from engine.tables import TableFormat, TableProfile
from engine.tables.names import no_column
from resolvers import work
from resolvers.context import Context, Info
from resolvers.ids import key
from resolvers.lists import ORDERS, ListOrder
from resolvers.paging import USUAL_PAGE, Page, Slice
from resolvers.texts import LONGEST_NAME, description, words
from resolvers.uploads import store

PATIENCE_S = 5.0
"""How long the answer to `predict` waits for the model's."""


@dataclass(frozen=True, kw_only=True)
class NewScoring:
    """A dataset to make of another one, by letting a model score its rows."""

    model_id: ID
    dataset_id: ID
    name: str
    description: str = ""
    columns: Scoring | None = None
    """How the new columns are named and the prediction is made."""


async def model_fits(info: Info, model_id: ID, dataset_id: ID) -> ModelFit:
    """Whether a model can score the rows of a dataset, by the names and types of columns, and what is in the way."""
    context = info.context
    context.viewer.require(Permission.DATASET_READ)
    async with context.read() as session:
        signature = await signature_of(session, context.viewer.scope, model_id)
        profile = _profile(await _dataset(session, context.viewer.scope, dataset_id))
    return fit(signature, profile)


async def score(info: Info, input: NewScoring, idempotency_key: str | None = None) -> t.Dataset:
    """Make a new dataset of all rows of another one with the model's prediction and score added; `progress` follows it.

    Analyses take it like any other dataset, with the new columns as `prediction` and `score`.
    """
    context, viewer = info.context, info.context.viewer
    viewer.require(Permission.MODEL_READ)
    asked_key = jobs.queue.checked_key(idempotency_key)
    scoring = input.columns or Scoring()
    async with context.read() as session:
        signature = await signature_of(session, viewer.scope, input.model_id)
        source = await _dataset(session, viewer.scope, input.dataset_id)
        artifact = await _artifact(session, viewer.scope, input.model_id)
    refuse_misfit(signature, _profile(source))
    with within("columns"):
        _refuse_taken(added(signature, scoring), _profile(source))
    row = t.Dataset(
        id=uuid4(),
        organization_id=viewer.organization_id,
        created_by_id=viewer.user_id,
        idempotency_key=asked_key,
        name=words("name", input.name, LONGEST_NAME),
        description=description(input.description),
        format=TableFormat.PARQUET,
        sha256=_made_from(source, artifact, scoring),
        bytes=source.bytes,
        scored_from_id=source.id,
        model_id=artifact.model_id,
        scoring=scoring,
    )
    return await store(context, row)


async def predict(
    info: Info, model_id: ID, rows: Sequence[GivenRow], idempotency_key: str | None = None
) -> t.Prediction:
    """Ask a model about rows that are given by their values, and wait some seconds for the answers.

    At most 1,000 rows; given as variables, of which a request may hold 20,000 values, about 860 rows of 7 features.
    scoreDataset scores more. What the model cannot take is refused at its place.

    A prediction that is not completed then goes on; `progress` follows it, and `node` finds it. Only workers open
    models, so one must run.
    """
    context, viewer = info.context, info.context.viewer
    asked_key = jobs.queue.checked_key(idempotency_key)
    given = checked(rows)
    scope = viewer.scope
    async with context.write() as session:
        await jobs.queue.one_by_one(session, scope)
        signature = await signature_of(session, scope, model_id)
        _refuse_values(given, signature)
        row = t.Prediction(
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=asked_key,
            model_id=key(t.Model, model_id, at="model_id"),
            rows=given,
        )
        before = await jobs.queue.asked_before(session, t.Prediction, scope, asked_key)
        if before is not None:
            kept = await one(session, t.Prediction, scope, before.id, "rows")
            if (kept.model_id, _plain(kept.rows)) != (row.model_id, _plain(given)):
                raise Conflict("this idempotencyKey was used for other rows; take a new one")
            return kept
        await work.begin(session, t.Subject.PREDICTION, row, scope, "the model was deleted a moment ago")
    await context.tell()
    return await _ended(context, row)


async def of_model(
    model: strawberry.Parent[t.Model], info: Info, first: int = USUAL_PAGE, after: str | None = None
) -> Page[t.Prediction]:
    """What this model was asked, newest first, a page at a time."""
    scope, order = info.context.viewer.scope, ORDERS[ListOrder.NEWEST_FIRST]
    part = Slice(table=t.Prediction, scope=scope, order=order, first=first, after=after)
    return await info.context.children(t.Prediction, "model_id", model.id, part)


async def answers(prediction: strawberry.Parent[t.Prediction], info: Info) -> Sequence[Predicted] | None:
    """The model's answers in the order of the rows, once the prediction is completed."""
    kept: Sequence[Predicted] | None = await info.context.large(prediction, "answers")
    return kept


async def scored_from(dataset: strawberry.Parent[t.Dataset], info: Info) -> t.Dataset | None:
    """The dataset whose rows were scored to make this one; null of others, and when that one is deleted."""
    if dataset.scored_from_id is None:
        return None
    return await info.context.one(t.Dataset, dataset.scored_from_id)


async def scored_by(dataset: strawberry.Parent[t.Dataset], info: Info) -> t.Model | None:
    """The model that scored its rows; null of others, and when that one is deleted."""
    return None if dataset.model_id is None else await info.context.one(t.Model, dataset.model_id)


async def model_of(prediction: strawberry.Parent[t.Prediction], info: Info) -> t.Model | None:
    """The model that was asked."""
    return await info.context.one(t.Model, prediction.model_id)


async def signature_of(session: AsyncSession, scope: Scope, model_id: ID) -> Signature:
    """What a model with a file takes and gives."""
    signature = (await _artifact(session, scope, model_id)).signature
    assert signature is not None  # noqa: S101  a completed one has one
    return signature


def refuse_misfit(signature: Signature, profile: TableProfile) -> None:
    """Refuse now, in words, what could only fail later."""
    found = [each for each in fit(signature, profile).mismatches if each.hinders]
    if found:
        more = f" (and {len(found) - 1} more: ask modelFits)" if len(found) > 1 else ""
        raise InvalidInput(found[0].message + more, at=("dataset_id",))


async def can_be_asked(session: AsyncSession, scope: Scope, model_id: UUID) -> bool:
    """Whether a model has a file or an endpoint that was tried."""
    found = await session.scalar(owned(t.Artifact, scope).where(col(t.Artifact.model_id) == model_id))
    return found is not None and found.status is t.Status.COMPLETED


async def _artifact(session: AsyncSession, scope: Scope, model_id: ID) -> t.Artifact:
    model = await one(session, t.Model, scope, key(t.Model, model_id, at="model_id"))
    query = owned(t.Artifact, scope).where(col(t.Artifact.model_id) == model.id)
    found: t.Artifact | None = await session.scalar(query.options(undefer(t.Artifact.signature)))  # type: ignore[arg-type]  # a column
    if found is None:
        raise Conflict("the model has no file; give it one with uploadModel or registerEndpoint")
    if found.status is not t.Status.COMPLETED or found.signature is None:
        what = "endpoint" if found.format is ModelFormat.ENDPOINT else "file"
        ended = found.status.ended
        again = "registerEndpoint" if what == "endpoint" else "uploadModel"
        way = (
            f"give it another one with {again} and its modelId"
            if ended
            else "it can be asked when that is completed"
        )
        raise Conflict(f"the model's {what} is {found.status}; {way}")
    return found


async def _dataset(session: AsyncSession, scope: Scope, id: ID) -> t.Dataset:
    return await one(session, t.Dataset, scope, key(t.Dataset, id, at="dataset_id"), "profile")


def _profile(dataset: t.Dataset) -> TableProfile:
    if dataset.status is not t.Status.COMPLETED or dataset.profile is None:
        raise Conflict(f"the dataset is {dataset.status}; rows can be scored when it is completed")
    return dataset.profile


def _refuse_taken(names: Sequence[str], profile: TableProfile) -> None:
    there = {column.name.strip().casefold() for column in profile.columns}
    taken = next((i for i, name in enumerate(names) if name.strip().casefold() in there), None)
    if taken is not None:
        raise InvalidInput(
            f"the dataset has a column {names[taken]!r} already; give another name",
            at=("prediction" if taken == 0 else "score",),
        )


def _refuse_values(rows: Sequence[GivenRow], signature: Signature) -> None:
    """Refuse at its place what the model cannot take."""
    known = {feature.name: feature for feature in signature.features}
    for i, row in enumerate(rows):
        for j, each in enumerate(row.values):
            feature = known.get(each.feature)
            if feature is None:
                at = ("rows", i, "values", j, "feature")
                raise no_column(each.feature, signature.names, at, "model", "feature")
            if each.value is not None:
                at = ("rows", i, "values", j, "value")
                refuse(signature, feature, each.value, at, f" in row {i}" if len(rows) > 1 else "")


def _made_from(source: t.Dataset, artifact: t.Artifact, scoring: Scoring) -> str:
    """What a scored dataset is made from, as a hash: the rows, the model's file, and how."""
    how = TypeAdapter(Scoring).dump_json(scoring)
    return hashlib.sha256(b" ".join([source.sha256.encode(), artifact.sha256.encode(), how])).hexdigest()


def _plain(rows: Sequence[GivenRow]) -> bytes:
    """As they are stored: what came from a client holds lists and tuples, what was read holds lists only."""
    return TypeAdapter(tuple[GivenRow, ...]).dump_json(tuple(rows))


async def _ended(context: Context, row: t.Prediction) -> t.Prediction:
    """The prediction once it has ended, or as it stands after some seconds."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            with context.house.hub.waiter(row.organization_id) as flag:
                while not row.status.ended:
                    async with context.read() as session:
                        row = await one(session, t.Prediction, context.viewer.scope, row.id)
                    if not row.status.ended:
                        await woken(flag, PATIENCE_S)
    except TimeoutError:
        pass
    return row
