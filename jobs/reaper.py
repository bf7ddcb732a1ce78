"""Finds work that was lost: of workers that died, of answers that were cut off, of entries that are gone.

The rows say what is to be done. The queue is brought back into line with them whatever happened to it, so a
row that is queued or running always has an entry that will be looked at.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from jobs.attempt import TABLES

REAP_S, SWEEP_EVERY = 2.0, 5
SILENT_S = 60
"""A running row without an entry is given to another worker only when nothing was heard of it so long."""
_SWEEPING = 7_214_830_551  # any number: two workers must not sweep at once
_FORGET = "DELETE FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing')"

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def reaping(app: App, worker: Worker, stalled_s: float) -> AsyncIterator[None]:
    """Look for lost work as long as the block lasts."""
    task = asyncio.create_task(_reap(app, worker, stalled_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _reap(app: App, worker: Worker, stalled_s: float) -> None:
    looks, unheld = 0, set[int]()
    while True:
        with contextlib.suppress(ConnectorException):  # the worker itself notices, and starts anew
            await _again(app, await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_s))
            unheld = await _unheld(app, worker, unheld)
            if looks % SWEEP_EVERY == 0:
                await app.connector.execute_query_async(_sweep())
        looks += 1
        await asyncio.sleep(REAP_S)


async def _unheld(app: App, worker: Worker, before: set[int]) -> set[int]:
    """Jobs the queue gave to this worker, which never heard of it: the database was cut off while it answered."""
    if worker.worker_id is None:
        return set()
    given = await app.job_manager.list_jobs_async(status="doing", worker_id=worker.worker_id)
    held = {context.job.id for context in worker._running_jobs.values()}
    unheld = [job for job in given if job.id not in held]
    await _again(
        app, [job for job in unheld if job.id in before]
    )  # not one that is on its way at this moment
    return {job.id for job in unheld if job.id is not None}


async def _again(app: App, jobs: Iterable[Job]) -> None:
    for job in jobs:
        log.warning("a job was left without a worker and is taken over", job=job.task_kwargs.get("id"))
        await app.job_manager.retry_job(job, retry_at=datetime.now(UTC))


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
