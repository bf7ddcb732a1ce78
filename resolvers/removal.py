"""Taking rows away: deleted when nothing refers to them, archived when something does."""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from strawberry import ID

import db.tables as t
import jobs.queue
from db.owned import one_to_change
from resolvers.context import Context
from resolvers.ids import global_id, key

Archivable = TypeVar("Archivable", t.Model, t.Dataset)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What became of a row that was to be deleted."""

    id: ID
    deleted: bool
    archived: bool
    """True when the row is referenced: it stays readable for the sake of what refers to it."""
    message: str


async def remove(context: Context, table: type[Archivable], id: ID) -> tuple[Removal, Archivable]:
    """Delete a row, or archive it when analyses refer to it, those of others it is shared with included."""
    name = table.__name__.lower()
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        unfinished = _unfinished(row)
        if unfinished is not None:
            await jobs.queue.cancel(
                session, t.Subject.DATASET, unfinished
            )  # whoever follows it learns of the end
        try:
            async with session.begin_nested():
                await session.delete(row)
            used, message = False, f"the {name} is deleted"
        except IntegrityError:  # only the database sees every reference: ours is not the only organization
            row.archived_at = row.archived_at or t.now()
            used, message = True, f"analyses refer to this {name}, so it is archived: delete them first"
    await context.tell()
    given = global_id(table.__name__, row.id)
    return Removal(id=given, deleted=not used, archived=used, message=message), row


def _unfinished(row: t.Owned) -> t.Worked | None:
    return row if isinstance(row, t.Worked) and not row.status.ended else None


async def archive(context: Context, table: type[Archivable], id: ID, archived: bool) -> Archivable:
    """Take a row out of the lists, or bring it back."""
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        row.archived_at = (row.archived_at or t.now()) if archived else None
    return row
