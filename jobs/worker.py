"""A worker: takes jobs from the queue, runs each in a child, and survives what may happen to it.

procrastinate hands the jobs out; whether one is really ours to do is decided by `claim`. A killed worker's jobs
are put back by the reaper of any other worker within seconds. A worker whose database went away lets its jobs
finish if they can, gives them back if not, and starts again.
"""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import procrastinate
import psycopg
import structlog
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from db.session import AWAY, Database, Scope
from db.tables import Subject
from engine.errors import EngineError
from jobs.attempt import Attempt, Busy, Lost, claim
from jobs.children import ChildFailed
from jobs.tasks import TASKS
from jobs.work import Workshop

HEARTBEAT_S, STALLED_S, REAP_S, GRACE_S, RELEASE_S = 2.0, 6.0, 2.0, 5.0, 20.0

log = structlog.get_logger()


class Again(BaseRetryStrategy):
    """Whatever ends a task with an exception is tried again soon; the row says when to stop."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        return RetryDecision(retry_in={"seconds": 1})


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One worker process."""

    url: str
    """Of a database connection that is no transaction pooler: it listens."""
    database: Database
    workshop: Workshop
    at_once: int

    async def work(self) -> None:
        """Run jobs until cancelled, beginning anew whenever the database comes back."""
        async with self.workshop.children.open():
            while True:
                with contextlib.suppress(ConnectorException, psycopg.Error, *AWAY):
                    await self._work_once()
                log.warning("the worker lost its database, trying again")
                await asyncio.sleep(0.5)

    async def _work_once(self) -> None:
        app = self._app()
        async with app.open_async(), _reaping(app):
            await app.run_worker_async(
                concurrency=self.at_once,
                install_signal_handlers=False,
                fetch_job_polling_interval=1,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=STALLED_S,
                shutdown_graceful_timeout=GRACE_S,
                delete_jobs="successful",
            )

    def _app(self) -> procrastinate.App:
        connector = procrastinate.PsycopgConnector(conninfo=self.url, min_size=1, max_size=self.at_once + 4)
        app = procrastinate.App(connector=connector)
        for subject in TASKS:
            app.task(name=subject.value, retry=Again())(self._task(subject))
        return app

    def _task(self, subject: Subject) -> Callable[[str, str], Awaitable[None]]:
        async def task(id: str, organization: str) -> None:
            scope = Scope(organization_id=UUID(organization))
            with contextlib.suppress(Lost):
                attempt = await claim(self.database, subject, scope, UUID(id))
                if attempt is not None:
                    await self._run(attempt)

        return task

    async def _run(self, attempt: Attempt) -> None:
        try:
            await TASKS[attempt.subject](attempt, self.workshop)
        except (EngineError, ChildFailed) as error:
            await attempt.fail(str(error))
        except (Lost, Busy):
            raise
        except (asyncio.CancelledError, *AWAY):
            await asyncio.shield(_given_back(attempt))
            raise
        except Exception:
            log.exception("a job failed unexpectedly", job=str(attempt.id), kind=attempt.subject)
            await attempt.fail(f"something went wrong on our side; it has been logged under {attempt.id}")


async def _given_back(attempt: Attempt) -> None:
    """Give the work back as soon as the database is there to be told, or let the reaper find it."""
    with contextlib.suppress(Lost, TimeoutError):
        async with asyncio.timeout(RELEASE_S):
            await attempt.release()


@contextlib.asynccontextmanager
async def _reaping(app: procrastinate.App) -> AsyncIterator[None]:
    """Put jobs of workers without a heartbeat back into the queue, for as long as the block lasts."""
    task = asyncio.create_task(_reap(app))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _reap(app: procrastinate.App) -> None:
    while True:
        with contextlib.suppress(ConnectorException):  # the worker itself notices, and starts anew
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
                log.warning(
                    "a worker stopped without a word, its job is taken over", job=job.task_kwargs.get("id")
                )
                await app.job_manager.retry_job(job, retry_at=datetime.datetime.now(datetime.UTC))
        await asyncio.sleep(REAP_S)
