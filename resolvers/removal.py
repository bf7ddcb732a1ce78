"""Taking rows away: deleted when nothing refers to them, archived when something does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from strawberry import ID

import db.tables as t
import jobs.queue
from db.owned import one_to_change, own
from db.session import Scope
from resolvers.context import Context
from resolvers.ids import global_id, key

Archivable = TypeVar("Archivable", t.Model, t.Dataset)
WithFile = t.Dataset | t.Artifact


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What became of a row that was to be deleted."""

    id: ID
    deleted: bool
    archived: bool
    """True when the row is referenced: it stays readable for the sake of what refers to it."""
    message: str


async def remove(context: Context, table: type[Archivable], id: ID) -> Removal:
    """Delete a row and its files, or archive it when analyses, explanations or mitigations refer to it, also those of others it is shared with."""
    name = table.__name__.lower()
    async with context.write() as session:
        files = await _files(session, context.viewer.scope, table, key(table, id))
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        unfinished = await _unfinished(session, context.viewer.scope, row, files)
        try:
            async with session.begin_nested():
                for subject, work in unfinished:  # whoever follows it learns of the end
                    await jobs.queue.cancel(session, subject, work)
                await session.flush()
                await session.delete(row)
            used, message = False, f"the {name} is deleted"
        except IntegrityError:  # only the database sees every reference: ours is not the only organization
            row.archived_at = row.archived_at or t.now()
            used, message = (
                True,
                f"analyses, explanations or mitigations refer to this {name}, so it is archived: delete them first",
            )
    await context.tell()
    if not used:
        for file in files:
            await _forget(context, file)
    given = global_id(table.__name__, row.id)
    return Removal(id=given, deleted=not used, archived=used, message=message)


async def _files(
    session: AsyncSession, scope: Scope, table: type[Archivable], id: UUID
) -> Sequence[WithFile]:
    """Rows whose files go along, locked before the row itself: a job that ends locks them in this order too."""
    query = own(t.Artifact, scope).where(col(t.Artifact.model_id) == id)
    if table is t.Dataset:
        return [await one_to_change(session, t.Dataset, scope, id)]
    return (await session.scalars(query.with_for_update())).all()


async def _unfinished(
    session: AsyncSession, scope: Scope, row: t.Model | t.Dataset, files: Sequence[WithFile]
) -> Sequence[tuple[t.Subject, t.Worked]]:
    """The work that ends when the row goes."""
    reading = t.Subject.DATASET if isinstance(row, t.Dataset) else t.Subject.ARTIFACT
    asked = own(t.Prediction, scope).where(
        col(t.Prediction.model_id) == row.id,
        col(t.Prediction.status).in_([t.Status.QUEUED, t.Status.RUNNING]),
    )
    predictions = (await session.scalars(asked.with_for_update())).all()
    return [
        *((reading, file) for file in files if not file.status.ended),
        *((t.Subject.PREDICTION, each) for each in predictions),
    ]


async def _forget(context: Context, row: WithFile) -> None:
    """Delete the files of a row that is gone, those that no other row has."""
    if row.upload is not None:
        await context.house.blobs.delete(row.upload)
    if row.blob is None:
        return
    table = type(row)
    async with context.read() as session:
        others = own(table, context.viewer.scope).where(col(table.blob) == row.blob)
        shared = await session.scalar(others.limit(1)) is not None
    if not shared:
        await context.house.blobs.delete(row.blob)


async def archive(context: Context, table: type[Archivable], id: ID, archived: bool) -> Archivable:
    """Take a row out of the lists, or bring it back."""
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        row.archived_at = (row.archived_at or t.now()) if archived else None
    return row
