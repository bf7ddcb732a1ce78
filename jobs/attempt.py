"""One try at one piece of work: claimed, told about, and ended, only while it is still ours.

The number of the attempt is the fencing token. A worker that was thought dead, or whose work was cancelled
or deleted, finds another number or status on the row and stops with `Lost`; nothing of it is stored.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from sqlmodel import SQLModel, col
from sqlmodel.sql.expression import SelectOfScalar

import db.tables as t
from db.columns import without_nul
from db.errors import NotFound
from db.events import record
from db.notify import tell
from db.owned import one_to_change, own, owned
from db.session import Database, Scope, when_back
from engine.values import Step

Found = TypeVar("Found")
Row = TypeVar("Row", bound=t.Owned)

DEATHS = 3
"""Workers or children that may stop while they run a job before the job is held to be the cause."""
WORKERS_STOPPED = f"{DEATHS} workers stopped while they ran this"
SETTLED_S = 15
"""Time after a start of the database in which a worker without a heartbeat was cut off rather than killed."""
AT_ONCE = 4
"""Jobs of one organization that run at the same time."""

LOOKS_A_SECOND = 20
"""How often, all together, jobs that wait for their organization's turn ask whether it has come."""

TABLES: dict[t.Subject, type[t.Worked]] = {
    t.Subject.DATASET: t.Dataset,
    t.Subject.ANALYSIS: t.Analysis,
    t.Subject.ARTIFACT: t.Artifact,
    t.Subject.PREDICTION: t.Prediction,
    t.Subject.EXPLANATION: t.Explanation,
    t.Subject.MITIGATION: t.Mitigation,
}

Also = Callable[[AsyncSession], Awaitable[None]]


class Lost(Exception):
    """The work is no longer ours: cancelled, deleted, or taken over by another worker."""


class Busy(Exception):
    """The organization has enough jobs running; ask again when so many seconds have passed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The right to work on one row, and the ways to say how it goes."""

    database: Database
    subject: t.Subject
    scope: Scope
    id: UUID
    number: int
    row: Any
    share: tuple[float, float] = (0.0, 1.0)
    """From where to where of the whole work the steps that are told run."""

    def portion(self, start: float, end: float) -> "Attempt":
        """The same right, for one part of the work, whose steps run from `start` to `end` of the whole."""
        return replace(self, share=(start, end))

    async def still_ours(self) -> bool:
        return await when_back(self._still_ours)

    async def _still_ours(self) -> bool:
        table = TABLES[self.subject]
        async with self.database.read(self.scope) as session:
            columns = select(col(table.status), col(table.attempt)).where(
                col(table.id) == self.id, col(table.organization_id) == self.scope.organization_id
            )
            found = (await session.execute(columns)).one_or_none()
        return found is not None and tuple(found) == (t.Status.RUNNING, self.number)

    async def rows(self, query: SelectOfScalar[Found]) -> Sequence[Found]:
        """What a query finds for the work's organization, as soon as the database is there to be asked."""
        return await when_back(partial(self._rows, query))

    async def _rows(self, query: SelectOfScalar[Found]) -> Sequence[Found]:
        async with self.database.read(self.scope) as session:
            return (await session.scalars(query)).all()

    async def one(self, table: type[Row], id: UUID | None, *large: str) -> Row | None:
        """The row with this id and those of its large columns that are named, or None where it is there no longer."""
        query = owned(table, self.scope).where(col(table.id) == id)
        found = await self.rows(query.options(*(undefer(getattr(table, column)) for column in large)))
        return found[0] if found else None

    async def large(self, table: type[t.Worked], column: str) -> Any:
        """What the row keeps in a large column."""
        found = await self.rows(
            own(table, self.scope).where(col(table.id) == self.id).options(undefer(getattr(table, column)))
        )
        if not found:
            raise Lost
        return getattr(found[0], column)

    async def tell(self, steps: list[Step]) -> None:
        """Store the steps that are worth it: each with a partial result, and the last of the others."""
        start, end = self.share
        kept = [
            replace(step, fraction=start + (end - start) * step.fraction)
            for step in [step for step in steps[:-1] if step.partial is not None] + steps[-1:]
        ]
        await when_back(partial(self._tell, kept))

    async def _tell(self, steps: list[Step]) -> None:
        async with self.database.write(self.scope) as session:
            row = await self._locked(session)
            if _stands_at(row, steps[-1]):
                return  # it was all told, and only the answer was cut off
            for step in steps:
                row.stage, row.message = step.stage, without_nul(step.message)
                row.progress = max(row.progress, min(step.fraction, 1.0))
                await record(session, self.subject, row, _plain(step.partial), interim=step.interim)
        await tell(self.database, self.scope.organization_id)

    async def complete(
        self, message: str, *, beside: Sequence[SQLModel] = (), also: Also | None = None, **results: Any
    ) -> None:
        """Store the result and say so, exactly once.

        Args:
            beside: rows of other tables that belong to it.
            also: what else changes with it, in the same transaction.
        """
        await self._end(t.Status.COMPLETED, "completed", message, beside, also, progress=1.0, **results)

    async def fail(self, reason: str, **results: Any) -> None:
        """Store why there is no result, in words for the person who asked."""
        await self._end(t.Status.FAILED, "failed", reason, error=reason, **results)

    async def release(self) -> None:
        """Give the work back unharmed, because this worker stops."""
        await self._end(t.Status.QUEUED, "queued", "Waiting for another worker", finished_at=None)

    async def died(self, reason: str) -> bool:
        """Put the work back whose child was killed, which counts against it; whether it was given up instead."""
        return await when_back(partial(self._died, reason))

    async def _died(self, reason: str) -> bool:
        async with self.database.write(self.scope) as session:
            row = await self._locked(session)
            given_up = _counted(row, 1, f"{reason}; it was stopped {row.deaths + 1} times")
            if not given_up:
                row.status, row.stage = t.Status.QUEUED, "queued"
                row.message = "Its process was stopped by the system, waiting for another try"
            await record(session, self.subject, row)
        await tell(self.database, self.scope.organization_id)
        return given_up

    async def _end(
        self,
        status: t.Status,
        stage: str,
        message: str,
        beside: Sequence[SQLModel] = (),
        also: Also | None = None,
        **values: Any,
    ) -> None:
        await when_back(partial(self._set, status, stage, message, beside, also, values))

    async def _set(
        self,
        status: t.Status,
        stage: str,
        message: str,
        beside: Sequence[SQLModel],
        also: Also | None,
        values: dict[str, Any],
    ) -> None:
        async with self.database.write(self.scope) as session:
            row = await self._locked(session)
            row.status, row.stage, row.message, row.finished_at = status, stage, without_nul(message), t.now()
            for name, value in values.items():
                setattr(row, name, without_nul(value) if isinstance(value, str) else value)
            session.add_all(beside)
            if also is not None:
                await also(session)
            await record(session, self.subject, row)
        await tell(self.database, self.scope.organization_id)

    async def _locked(self, session: AsyncSession) -> t.Worked:
        try:
            row = await one_to_change(session, TABLES[self.subject], self.scope, self.id)
        except NotFound:
            raise Lost from None
        if row.status is not t.Status.RUNNING or row.attempt != self.number:
            raise Lost
        return row


async def claim(database: Database, subject: t.Subject, scope: Scope, id: UUID) -> Attempt | None:
    """Take the work on, or None when there is nothing left to do; Busy when it must wait its turn."""
    table = TABLES[subject]
    async with database.write(scope) as session:
        try:
            row = await one_to_change(session, table, scope, id)
        except NotFound:
            return None
        if row.status.ended:
            return None
        running = row.status is t.Status.RUNNING
        given_up = running and _counted(row, await _death(session), WORKERS_STOPPED)
        if not given_up:
            await _turn(session, scope, id)
            row.attempt += 1
            row.status, row.stage, row.message = t.Status.RUNNING, "starting", "A worker has started"
            row.started_at = row.started_at or t.now()
        await record(session, subject, row)
    await tell(database, scope.organization_id)
    if given_up:
        return None
    return Attempt(database=database, subject=subject, scope=scope, id=id, number=row.attempt, row=row)


async def left_behind(database: Database, subject: t.Subject, scope: Scope, id: UUID) -> None:
    """Put work back whose worker stopped without a word; that counts against the work."""
    async with database.write(scope) as session:
        try:
            row = await one_to_change(session, TABLES[subject], scope, id)
        except NotFound:
            return
        if row.status is not t.Status.RUNNING:
            return
        if not _counted(row, await _death(session), WORKERS_STOPPED):
            row.status, row.stage = t.Status.QUEUED, "queued"
            row.message = "Its worker stopped, waiting for another one"
        await record(session, subject, row)
    await tell(database, scope.organization_id)


async def _death(session: AsyncSession) -> int:
    """1 for a worker that stopped by itself, 0 for one that was cut off when the database restarted."""
    settled = func.now() - func.pg_postmaster_start_time() > timedelta(seconds=SETTLED_S)
    return int(bool(await session.scalar(select(settled))))


def _stands_at(row: t.Worked, step: Step) -> bool:
    return (row.stage, row.message) == (step.stage, without_nul(step.message)) and row.progress >= min(
        step.fraction, 1.0
    )


def _counted(row: t.Worked, deaths: int, reason: str) -> bool:
    """Hold deaths against the work; whether it is given up, since they were too many."""
    row.deaths += deaths
    if row.deaths < DEATHS:
        return False
    row.status, row.stage, row.finished_at = t.Status.FAILED, "failed", t.now()
    row.error = row.message = f"{reason}, so it is not tried again"
    return True


async def _turn(session: AsyncSession, scope: Scope, id: UUID) -> None:
    """Raise Busy while the organization has enough running; the lock makes two claims count one by one.

    The more of its jobs wait, the longer each does: together they ask some twenty times a second at most, and
    a worker gets past them to another organization's job.
    """
    await session.execute(
        select(func.pg_advisory_xact_lock(scope.organization_id.int & 0x7FFF_FFFF_FFFF_FFFF))
    )
    if await _count(session, scope, t.Status.RUNNING, id) >= AT_ONCE:
        waiting = await _count(session, scope, t.Status.QUEUED, id)
        raise Busy(1 + waiting // LOOKS_A_SECOND)


async def _count(session: AsyncSession, scope: Scope, status: t.Status, but: UUID) -> int:
    count = 0
    for table in TABLES.values():
        query = own(table, scope).where(col(table.status) == status, col(table.id) != but)
        count += await session.scalar(query.with_only_columns(func.count())) or 0
    return count


def _plain(partial: object) -> Any:
    return None if partial is None else TypeAdapter(type(partial)).dump_python(partial, mode="json")
