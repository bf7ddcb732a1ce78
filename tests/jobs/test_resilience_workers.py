"""kill -9 of a worker at random instants: no job is lost, none doubled, and the results are the same bits."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import psycopg
import pytest_asyncio

from tests.conftest import SECRET, full_run
from tests.jobs.conftest import spawn
from tests.jobs.resilience import all_ended, begin, outcome

KILLS = 20 if full_run() else 3
TAKEN_OVER_S = 15


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


async def taken_over(url: str, victims: dict[str, int]) -> float:
    """Wait until none of them is in the hands of the worker that was killed; after how many seconds."""
    started = time.monotonic()
    async with asyncio.timeout(60):
        while victims.items() & (await asyncio.to_thread(running, url)).items():  # noqa: ASYNC110 # another process
            await asyncio.sleep(0.2)
    return time.monotonic() - started


async def test_workers_killed_at_random_instants_lose_nothing_and_double_nothing(api, url, workers):
    await begin(api)
    await all_ended(url, 120)
    undisturbed = await asyncio.to_thread(outcome, url)

    chance, waits = random.Random(7), []  # noqa: S311 # instants, no secret
    while len(waits) < KILLS:
        await begin(api)
        while len(waits) < KILLS and await asyncio.to_thread(running, url):
            await asyncio.sleep(chance.uniform(0.05, 3))
            victims = await asyncio.to_thread(running, url)
            if victims:
                workers.kill()
                waits.append(await taken_over(url, victims))
    await all_ended(url, 180)

    assert await asyncio.to_thread(outcome, url) == undisturbed
    assert max(waits) < TAKEN_OVER_S, waits
