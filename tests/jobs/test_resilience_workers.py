"""kill -9 of a worker at random instants: no job is lost, none doubled, and the results are the same bits."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from tests.conftest import SECRET, soak_run
from tests.jobs.conftest import spawn
from tests.jobs.resilience import LONGEST_S, all_ended, begin, outcome
from tests.waiting import PATIENCE_S

KILLS = 20 if soak_run() else 3


class Workers:
    """One worker process that is started again as soon as it ends, as the supervisor does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.process = self._start()

    def _start(self):
        return spawn("-m", "tests.jobs.hardy_worker", **self._environment)

    async def keep(self) -> None:
        while True:
            if self.process.poll() is not None:
                self.process = self._start()
            await asyncio.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()


@pytest_asyncio.fixture
async def workers(settings, url) -> AsyncIterator[Workers]:
    kept = Workers(
        {
            "DATABASE_URL": url,
            "DATA_PATH": str(settings.data),
            "JWT_SECRET_KEY": SECRET,
            "LOG_LEVEL": "ERROR",
            "WORKER_PROCESSES": "2",
        }
    )
    task = asyncio.create_task(kept.keep())
    yield kept
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    kept.process.terminate()
    await asyncio.to_thread(kept.process.wait, 30)


def running(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT id::text, attempt FROM analysis WHERE status = 'running'"
            " UNION ALL SELECT id::text, attempt FROM dataset WHERE status = 'running'"
        )
        return dict(found.fetchall())


async def taken_over(url: str, victims: dict[str, int]) -> None:
    """Wait until none of them is in the hands of the worker that was killed."""
    async with asyncio.timeout(PATIENCE_S):
        while victims.items() & (await asyncio.to_thread(running, url)).items():  # noqa: ASYNC110 # another process
            await asyncio.sleep(0.2)


async def test_workers_killed_at_random_instants_lose_nothing_and_double_nothing(api, url, workers):
    await begin(api)
    await all_ended(url, 120)
    undisturbed = await asyncio.to_thread(outcome, url)

    chance, kills = random.Random(7), 0  # noqa: S311 # instants, no secret
    while kills < KILLS:
        await begin(api)
        while kills < KILLS and await asyncio.to_thread(running, url):
            await asyncio.sleep(chance.uniform(0.05, LONGEST_S))
            victims = await asyncio.to_thread(running, url)
            if victims:
                workers.kill()
                kills += 1
                await taken_over(url, victims)
    await all_ended(url, 180)

    assert await asyncio.to_thread(outcome, url) == undisturbed
