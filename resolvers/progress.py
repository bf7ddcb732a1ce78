"""Following work live: what was missed first, then what happens, each event once and in order.

A follower holds a number and a flag, nothing else: events wait in the database until it has sent the ones
before. So a slow client costs no memory, and a client that leaves leaves nothing behind.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from uuid import UUID

import strawberry
from pydantic import TypeAdapter
from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar
from strawberry import ID

import db.tables as t
from auth.permissions import Permission
from db.notify import woken
from db.owned import events, one
from db.session import Scope, when_back
from engine.errors import InvalidInput
from engine.fairness import Finding
from engine.fairness.flip_report import FlipReport
from engine.values import Count
from resolvers.context import Context, Info
from resolvers.ids import global_id, parts

TABLES: Mapping[t.Subject, type[t.Worked]] = MappingProxyType(
    {
        t.Subject.DATASET: t.Dataset,
        t.Subject.ANALYSIS: t.Analysis,
        t.Subject.ARTIFACT: t.Artifact,
        t.Subject.PREDICTION: t.Prediction,
        t.Subject.EXPLANATION: t.Explanation,
        t.Subject.MITIGATION: t.Mitigation,
    }
)
SEEN_WITH: Mapping[t.Subject, Permission] = MappingProxyType(
    {
        t.Subject.DATASET: Permission.DATASET_READ,
        t.Subject.ANALYSIS: Permission.ANALYSIS_READ,
        t.Subject.ARTIFACT: Permission.MODEL_READ,
        t.Subject.PREDICTION: Permission.ANALYSIS_READ,
        t.Subject.EXPLANATION: Permission.EXPLANATION_READ,
        t.Subject.MITIGATION: Permission.ANALYSIS_READ,
    }
)
AT_A_TIME = 100

_FINDING = TypeAdapter(Finding)
_FLIPS = TypeAdapter(FlipReport)


async def progress(info: Info, id: ID, after: Count | None = None) -> AsyncGenerator[t.Event, None]:
    """Follow any piece of work from the event after `after` until it ends; without `after` from its start."""
    subject, row_id = _subject(id)
    (await info.context.identify()).require(SEEN_WITH[subject])
    async for event in _follow_one(info.context, subject, row_id, after):
        yield event


async def analysis_progress(info: Info, id: ID, after: Count | None = None) -> AsyncGenerator[t.Event, None]:
    """Follow an analysis until it ends, with each finding as soon as it is known, and interim ones before."""
    subject, row_id = _subject(id, only=t.Subject.ANALYSIS)
    async for event in _follow_one(info.context, subject, row_id, after):
        yield event


async def explanation_progress(
    info: Info, id: ID, after: Count | None = None
) -> AsyncGenerator[t.Event, None]:
    """Follow an explanation until it ends, with its first rows, its strongest features, or changes as they are found."""
    subject, row_id = _subject(id, only=t.Subject.EXPLANATION)
    async for event in _follow_one(info.context, subject, row_id, after):
        yield event


async def mitigation_progress(
    info: Info, id: ID, after: Count | None = None
) -> AsyncGenerator[t.Event, None]:
    """Follow a mitigation until it ends, with each candidate as soon as it is trained."""
    subject, row_id = _subject(id, only=t.Subject.MITIGATION)
    async for event in _follow_one(info.context, subject, row_id, after):
        yield event


async def activity(info: Info, after: Count | None = None) -> AsyncGenerator[t.Event, None]:
    """Follow everything in the organization that the viewer may see; without `after` from now on."""
    context = info.context
    seen = after if after is not None else context.resume_after
    if seen is None:
        seen = await when_back(partial(_newest, context))
    async for event in _follow(context, events(context.viewer.scope), _checked(seen)):
        permission = SEEN_WITH[event.subject]
        await context.next_event(event.number)
        if permission in context.viewer.permissions:
            yield event


def finding(event: strawberry.Parent[t.Event]) -> Finding | None:
    """The finding that this step made known; see `interim` for whether it is final."""
    if event.partial is None or event.subject is not t.Subject.ANALYSIS or "verdict" not in event.partial:
        return None
    return _FINDING.validate_python(event.partial)


def flips(event: strawberry.Parent[t.Event]) -> FlipReport | None:
    """What this step found of one protected attribute: how many decisions change with it alone."""
    if event.partial is None or event.subject is not t.Subject.ANALYSIS or "flip_rate" not in event.partial:
        return None
    return _FLIPS.validate_python(event.partial)


def subject_id(event: strawberry.Parent[t.Event]) -> ID:
    """The global id of the row that the work makes."""
    return global_id(TABLES[event.subject].__name__, event.subject_id)


async def _follow_one(
    context: Context, subject: t.Subject, id: UUID, after: Count | None
) -> AsyncGenerator[t.Event, None]:
    row = await when_back(partial(_row, context, subject, id))
    seen = max(_checked(after or 0), context.resume_after or 0)
    query = events(Scope(organization_id=row.organization_id)).where(col(t.Event.subject_id) == id)
    if row.status.ended and not await when_back(
        partial(_batch, context, query.where(col(t.Event.number) > seen))
    ):
        return  # all was seen before the stream broke
    async for event in _follow(context, query, seen):
        await context.next_event(event.number)
        context.viewer.require(SEEN_WITH[subject])
        yield event
        if event.status.ended:
            return


async def _follow(
    context: Context, query: SelectOfScalar[t.Event], seen: int
) -> AsyncGenerator[t.Event, None]:
    organization = context.viewer.organization_id
    with context.house.hub.waiter(organization) as flag:
        while True:
            batch = await when_back(partial(_batch, context, query.where(col(t.Event.number) > seen)))
            for event in batch:
                seen = event.number
                yield event
            if not batch and not await woken(flag, context.patience()):
                await context.look_again()


async def _batch(context: Context, query: SelectOfScalar[t.Event]) -> Sequence[t.Event]:
    async with context.read() as session:
        return (await session.scalars(query.limit(AT_A_TIME))).all()


async def _row(context: Context, subject: t.Subject, id: UUID) -> t.Worked:
    async with context.read() as session:
        return await one(session, TABLES[subject], context.viewer.scope, id)


async def _newest(context: Context) -> int:
    async with context.read() as session:
        organization = await session.get_one(t.Organization, context.viewer.organization_id)
        return organization.last_event


def _subject(id: ID, *, only: t.Subject | None = None) -> tuple[t.Subject, UUID]:
    kind, key = parts(id, at="id")
    for subject, table in TABLES.items():
        if table.__name__ == kind and only in (None, subject):
            return subject, key
    wanted = only.value if only else " or ".join(TABLES)
    raise InvalidInput(f"id must be the id of an existing {wanted}, got that of a {kind[:40]!r}", at=("id",))


def _checked(after: int) -> int:
    if not 0 <= after < 2**63:
        raise InvalidInput(f"after must be the number of an event, got {after}", at=("after",))
    return after
