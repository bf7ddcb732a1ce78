"""A worker: takes jobs from the queue, runs each in a child, and survives what may happen to it.

procrastinate hands the jobs out; whether one is really ours to do is decided by `claim`. A killed worker's jobs
are put back by the reaper of any other worker within seconds. A worker whose database went away lets its jobs
finish if they can, gives them back if not, and starts again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import procrastinate
import procrastinate.worker
import psycopg
import structlog
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from db.session import AWAY, Database, Scope, away
from db.tables import Subject
from engine.errors import EngineError, InvalidInput, camel
from jobs.attempt import Attempt, Busy, Lost, claim
from jobs.children import ChildFailed, Crashed, Killed
from jobs.reaper import reaping
from jobs.tasks import TASKS
from jobs.work import Workshop

HEARTBEAT_S, STALLED_S, GRACE_S, RELEASE_S = 2.0, 6.0, 5.0, 10.0
CONNECTION_S = 5.0
"""How long the queue waits for a connection: a worker that stops without a database need not hope for long."""
LONGEST_PAUSE_S = 60
ATTEMPTS = 12
"""How often work is begun before a store or a disk that fails it each time is held to be the cause."""

log = structlog.get_logger()


class Again(BaseRetryStrategy):
    """Whatever ends a task with an exception is tried again soon; the row says when to stop."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        if isinstance(exception, Busy):
            return RetryDecision(retry_in={"seconds": exception.seconds})
        ours = isinstance(exception, asyncio.CancelledError)  # we stop: the next worker need not wait
        return RetryDecision(retry_in={"seconds": 1 if ours else min(1 + job.attempts, LONGEST_PAUSE_S)})


class _Queue(procrastinate.worker.Worker):
    """procrastinate's worker, stopping when its heartbeat does."""

    async def _periodic_deferrer(self) -> None:
        """Never end. There are no periodic tasks, and once this task ends nobody watches over the others any more: a
        worker that was busy while the database restarted went on without heartbeats, and lost its jobs again and again.
        """
        await asyncio.Event().wait()


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
                _end_if_told()  # a database that is away may swallow the word that we are to stop
                log.warning("the worker lost its database, trying again")
                await asyncio.sleep(0.5)

    async def _work_once(self) -> None:
        app = self._app()
        async with app.open_async():
            worker = _Queue(
                app,
                concurrency=self.at_once,
                install_signal_handlers=False,
                fetch_job_polling_interval=1,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=STALLED_S,
                shutdown_graceful_timeout=GRACE_S,
                delete_jobs="successful",
            )
            async with reaping(app, worker, self.database, STALLED_S):
                await worker.run()  # type: ignore[no-untyped-call]

    def _app(self) -> procrastinate.App:
        connector = procrastinate.PsycopgConnector(
            conninfo=self.url, min_size=1, max_size=self.at_once + 4, timeout=CONNECTION_S
        )
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
        except Lost:
            raise
        except (EngineError, ChildFailed) as error:
            said = error.worded(camel) if isinstance(error, InvalidInput) else str(error)
            await attempt.fail(said)
        except Killed as error:
            if not await attempt.died(str(error)):
                raise
        except asyncio.CancelledError:
            await asyncio.shield(_given_back(attempt))
            raise
        except Exception as error:
            if not away(error) or attempt.number >= ATTEMPTS:
                await _failed(attempt, error)  # logged, and masked for the person
                return
            await asyncio.shield(_given_back(attempt))
            raise


def _end_if_told() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _failed(attempt: Attempt, error: Exception) -> None:
    child = {"child": error.kind, "places": error.frames} if isinstance(error, Crashed) else {}
    about = {"job": str(attempt.id), "kind": attempt.subject, **child}
    log.error("a job failed unexpectedly", exc_info=error, **about)
    await attempt.fail(f"something went wrong on our side; it has been logged under {attempt.id}")


async def _given_back(attempt: Attempt) -> None:
    """Give the work back as soon as the database is there to be told, or let the reaper find it."""
    with contextlib.suppress(Lost, TimeoutError):
        async with asyncio.timeout(RELEASE_S):
            await attempt.release()
