"""Finds work that was lost: of workers that died, of answers that were cut off, of entries that are gone.

The rows say what is to be done. The queue is brought back into line with them whatever happened to it, so a
row that is queued or running always has an entry that will be looked at.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from db.alongside import alongside
from db.session import AWAY, Database, Scope
from db.tables import Subject
from jobs.attempt import TABLES, left_behind

REAP_S, SWEEP_EVERY = 2.0, 5
SILENT_S = 60
"""A running row without an entry is given to another worker only when nothing was heard of it so long."""
_SWEEPING = 7_214_830_551  # any number: two workers must not sweep at once
_FORGET = "DELETE FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing')"

log = structlog.get_logger()


def reaping(
    app: App, worker: Worker, database: Database, stalled_s: float
) -> contextlib.AbstractAsyncContextManager[None]:
    """Look for lost work as long as the block lasts."""
    return alongside(_Reaper(app, worker, database, stalled_s).reap())


@dataclass
class _Reaper:
    app: App
    worker: Worker
    database: Database
    stalled_s: float
    unheld: frozenset[int] = frozenset()
    """Jobs that seemed to be lost at the last look; one may only have been on its way."""

    async def reap(self) -> None:
        looks = 0
        while True:
            with contextlib.suppress(ConnectorException, *AWAY):  # the worker itself notices, and starts anew
                jobs = self.app.job_manager
                await self._again(await jobs.get_stalled_jobs(seconds_since_heartbeat=self.stalled_s))
                await self._again(await self._unheld())
                if looks % SWEEP_EVERY == 0:
                    await self.app.connector.execute_query_async(_sweep())
            looks += 1
            await asyncio.sleep(REAP_S)

    async def _unheld(self) -> list[Job]:
        """What the queue gave to this worker, which never heard of it: the database was cut off meanwhile."""
        if self.worker.worker_id is None:
            return []
        given = await self.app.job_manager.list_jobs_async(status="doing", worker_id=self.worker.worker_id)
        held = {context.job.id for context in self.worker._running_jobs.values()}
        unheld = {job.id: job for job in given if job.id is not None and job.id not in held}
        before, self.unheld = self.unheld, frozenset(unheld)
        return [job for id, job in unheld.items() if id in before]

    async def _again(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            about = job.task_kwargs
            log.warning("a job was left without a worker and goes to another", job=about.get("id"))
            with contextlib.suppress(KeyError, ValueError):  # no job of ours: claiming it will tell
                scope = Scope(organization_id=UUID(str(about["organization"])))
                await left_behind(self.database, Subject(job.task_name), scope, UUID(str(about["id"])))
            await self.app.job_manager.retry_job(job, retry_at=datetime.now(UTC))


def _sweep() -> str:
    """One transaction: entries for rows that have none, and away with entries that have ended.

    A block, so that what is looked at is what there is once the lock is held.
    """
    found = "".join(
        f"PERFORM enqueue_job('{subject.value}', r.id, r.organization_id) FROM {table.__tablename__} r"  # noqa: S608  # our own names
        " WHERE r.status IN ('queued', 'running') AND NOT EXISTS (SELECT FROM procrastinate_jobs j"
        f" WHERE j.task_name = '{subject.value}' AND j.status IN ('todo', 'doing') AND j.args->>'id' = r.id::text)"
        " AND (r.status = 'queued' OR NOT EXISTS (SELECT FROM event e WHERE e.subject_id = r.id"
        " AND e.organization_id = r.organization_id"
        f" AND e.created_at > now() - interval '{SILENT_S} seconds')); "
        for subject, table in TABLES.items()
    )
    return f"DO $$ BEGIN PERFORM pg_advisory_xact_lock({_SWEEPING}); {found} {_FORGET}; END $$"
