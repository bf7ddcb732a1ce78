"""kill -9 of the database while jobs run and clients listen: nothing lost, nothing twice, no gap on any stream."""

import asyncio
import gc
import os
import random
import signal
from collections.abc import Iterator
from contextlib import aclosing
from uuid import uuid4

import psycopg
import pytest

import jobs.worker
from app.working import workshop
from db import tables as t
from db.embedded import EmbeddedServer
from db.migrate import migrate
from db.session import Database
from jobs.worker import Worker
from resolvers.ids import key
from tests.conftest import soak_run
from tests.jobs.resilience import LONGEST_S, all_ended, begin, outcome
from tests.live import ACTIVITY, FOLLOW, PROGRESS, socket, sse
from tests.waiting import PATIENCE_S, eventually

pytestmark = [  # a pool drops its dead connections for the collector to close
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RESTARTS = 5 if soak_run() else 2


@pytest.fixture(scope="module")
def server(place) -> Iterator[EmbeddedServer]:
    """A PostgreSQL of our own, that may be killed."""
    with EmbeddedServer(place / "killed") as server:
        server.start()
        yield server


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let the collector find what the dead connections left while the warnings of it are expected."""
    yield
    gc.collect()


@pytest.fixture
def url(server: EmbeddedServer) -> str:
    name = f"t{uuid4().hex}"
    server.create_database(name)
    migrate(server.url(name))
    return server.url(name)


def restart(server: EmbeddedServer) -> None:
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert server.ensure()


async def test_a_worker_whose_database_is_away_stops_all_the_same(settings, url, server, monkeypatch):
    monkeypatch.setattr(jobs.worker, "CONNECTION_S", 1.0)
    database = Database(url, pool_size=1)
    worker = Worker(url=url, database=database, workshop=workshop(settings), at_once=1)
    task = asyncio.create_task(worker.work())
    await eventually(lambda: registered(url))
    try:
        await asyncio.to_thread(server.stop)
        task.cancel()
        stopped, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        assert stopped and task.cancelled()
    finally:
        await asyncio.to_thread(server.start)
        await database.close()


def registered(url: str) -> bool:
    with psycopg.connect(url) as owner:
        return owner.execute("SELECT count(*) FROM procrastinate_workers").fetchone() == (1,)


async def over_socket(address, token, document, field, heard, **variables):
    async with socket(address, token) as opened:
        async for payload in opened.operate(document, **variables):
            assert "errors" not in payload, payload
            heard.append(payload["data"][field]["number"])


async def over_sse(address, token, document, field, heard, **variables):
    async with aclosing(sse(address, token, document, **variables)) as frames:
        async for frame in frames:
            if frame.event == "next":
                assert "errors" not in frame.data, frame.data
                heard.append(frame.data["data"][field]["number"])


async def test_a_database_that_restarts_loses_nothing_and_leaves_no_gap(
    api, address, worker, people, url, server
):
    token = people["viewer"].token
    await begin(api)
    await all_ended(url, 120)
    undisturbed = await asyncio.to_thread(outcome, url)
    with psycopg.connect(url) as owner:
        (begun,) = owner.execute("SELECT max(number) FROM event").fetchone()

    analyses, datasets = await begin(api)
    heard: dict[str, list[int]] = {}
    following = []
    for follow in (over_socket, over_sse):
        for id in analyses:
            told = heard[f"{follow.__name__} {id}"] = []
            following.append(
                asyncio.create_task(follow(address, token, FOLLOW, "analysisProgress", told, id=id))
            )
        for id in datasets:
            told = heard[f"{follow.__name__} {id}"] = []
            following.append(asyncio.create_task(follow(address, token, PROGRESS, "progress", told, id=id)))
    everything: list[int] = []
    watching = asyncio.create_task(over_socket(address, token, ACTIVITY, "activity", everything, after=begun))

    async with asyncio.timeout(PATIENCE_S):
        while not all(heard.values()):  # noqa: ASYNC110 # until everybody listens
            await asyncio.sleep(0.1)
    chance = random.Random(11)  # noqa: S311 # instants, no secret
    for _ in range(RESTARTS):
        await asyncio.sleep(chance.uniform(0.3, LONGEST_S))
        await asyncio.to_thread(restart, server)
    await all_ended(url, 180)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*following)

    with psycopg.connect(url) as owner:
        stored = owner.execute("SELECT number, subject_id FROM event ORDER BY number").fetchall()
    for name, numbers in heard.items():
        id = name.split()[1]
        subject = key(t.Analysis if id in analyses else t.Dataset, id)
        assert numbers == [number for number, row in stored if row == subject]
    async with asyncio.timeout(PATIENCE_S):
        while not everything or everything[-1] < stored[-1][0]:  # noqa: ASYNC110 # it ends with the test
            await asyncio.sleep(0.1)
    watching.cancel()
    assert everything == [number for number, _ in stored if number > begun]
    assert await asyncio.to_thread(outcome, url) == undisturbed
