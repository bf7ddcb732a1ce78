"""What is alike for all work that is started by asking: begun, listed by its age, cancelled, deleted."""

from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import ID

import db.tables as t
import jobs.queue
from db.errors import NotFound
from db.owned import one_to_change
from db.session import Scope
from resolvers.context import Context
from resolvers.ids import global_id, key
from resolvers.lists import ORDERS, ListOrder
from resolvers.paging import Slice
from resolvers.removal import Removal

W = TypeVar("W", bound=t.Worked)


async def begin(session: AsyncSession, subject: t.Subject, row: t.Worked, scope: Scope, gone: str) -> None:
    """Store a row and queue the work on it, where there is room; `gone` is said when what it refers to is not there."""
    await jobs.queue.room(session, type(row), scope)
    try:
        await jobs.queue.start(session, subject, row)
    except IntegrityError:
        raise NotFound(gone) from None


def part(
    context: Context,
    table: type[W],
    first: int,
    after: str | None,
    order: str,
    *,
    model_id: ID | None = None,
    dataset_id: ID | None = None,
    **wanted: object,
) -> Slice[W]:
    """One page of the work on a model or dataset, by its age; conditions that are None do not narrow it."""
    conditions = {
        "model_id": key(t.Model, model_id, at="model_id") if model_id else None,
        "dataset_id": key(t.Dataset, dataset_id, at="dataset_id") if dataset_id else None,
    } | wanted
    return Slice(
        table=table,
        scope=context.viewer.scope,
        order=ORDERS[ListOrder(order)],
        first=first,
        after=after,
        where=tuple((column, "is", value) for column, value in conditions.items() if value is not None),
    )


async def cancel(context: Context, subject: t.Subject, table: type[W], id: ID) -> W:
    """End work that waits or runs; it takes effect within seconds and nothing of it is kept."""
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        await jobs.queue.cancel(session, subject, row)
    await context.tell()
    return row


async def delete(context: Context, subject: t.Subject, table: type[W], id: ID) -> Removal:
    """Delete work with what it made; work that runs is stopped."""
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        if not row.status.ended:
            await jobs.queue.cancel(session, subject, row)
            await session.flush()
        await session.delete(row)
    await context.tell()
    name = table.__name__
    return Removal(
        id=global_id(name, row.id), deleted=True, archived=False, message=f"the {name.lower()} is deleted"
    )
