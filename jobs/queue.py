"""Putting work into the queue, in the transaction that writes the row it is about.

The row is the truth; the queue (procrastinate, on the same PostgreSQL) only says which row to look at. Its
tables are out of the server's reach: `enqueue_job` is a function that may do this one thing.
"""

from typing import TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

import db.tables as t
from db.errors import Conflict, Limited
from db.events import record
from db.owned import own
from db.session import Scope
from engine.errors import InvalidInput

W = TypeVar("W", bound=t.Worked)

LONGEST_KEY = 200
WAITING_LIMIT = 1000
"""Pieces of work that one organization may have queued or running."""

_ENQUEUE = text("SELECT enqueue_job(:task, :id, :organization)")


async def start(session: AsyncSession, subject: t.Subject, row: t.Worked) -> None:
    """Store a new row with its first event, and queue the work on it; all or nothing."""
    row.message = "Waiting for a worker"
    session.add(row)
    await session.flush()
    await record(session, subject, row)
    await session.execute(
        _ENQUEUE, {"task": subject.value, "id": row.id, "organization": row.organization_id}
    )


async def cancel(session: AsyncSession, subject: t.Subject, row: t.Worked) -> None:
    """End the work on a row that its writer has locked; the worker notices within a second or two."""
    if row.status is t.Status.CANCELLED:
        return
    if row.status.ended:
        raise Conflict(f"this has already {row.status}, so there is nothing to cancel")
    row.status, row.finished_at = t.Status.CANCELLED, t.now()
    row.stage, row.message = "cancelled", "Cancelled on request"
    await record(session, subject, row)


async def asked_before(session: AsyncSession, table: type[W], scope: Scope, key: str | None) -> W | None:
    """The row that the same person already made with this idempotency key."""
    if key is None:
        return None
    query = own(table, scope).where(
        col(table.created_by_id) == scope.user_id, col(table.idempotency_key) == key
    )
    found: W | None = await session.scalar(query)
    return found


async def room(session: AsyncSession, table: type[t.Worked], scope: Scope) -> None:
    """Refuse more work than an organization may have waiting."""
    query = own(table, scope).where(col(table.status).in_([t.Status.QUEUED, t.Status.RUNNING]))
    waiting = len((await session.scalars(query.with_only_columns(col(table.id)).limit(WAITING_LIMIT))).all())
    if waiting >= WAITING_LIMIT:
        raise Limited(f"{WAITING_LIMIT} pieces of work are waiting already; try again when some have ended")


async def one_by_one(session: AsyncSession, scope: Scope) -> None:
    """Let one person's starts follow each other, so that the same key asked twice at once is one start."""
    person = (scope.user_id or scope.organization_id).int & 0x7FFF_FFFF_FFFF_FFFF
    await session.execute(select(func.pg_advisory_xact_lock(person)))


def checked_key(key: str | None) -> str | None:
    """An idempotency key of a length that can be stored."""
    if key is not None and (not 1 <= len(key) <= LONGEST_KEY or "\0" in key):
        raise InvalidInput(
            f"idempotency_key must have 1 to {LONGEST_KEY} characters and no NUL, got {len(key)}",
            at=("idempotency_key",),
        )
    return key
