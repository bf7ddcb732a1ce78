"""A table of work without an API: rows, their events, and workers that can be started and stopped."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlmodel import col

import db.tables as t
import jobs.queue
from app.settings import Settings
from app.working import workshop
from db.owned import events, own
from db.session import Database
from engine.values import Count
from jobs.work import Workshop, compute
from jobs.worker import Worker
from tests.builders import Person
from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Table:
    """Rows of work, as the worker and the server see them."""

    database: Database
    people: dict[str, Person]

    async def queued(self, who: str = "analyst", **given: object) -> UUID:
        """A dataset that waits to be read."""
        person = self.people[who]
        row = t.Dataset(
            organization_id=person.organization_id,
            created_by_id=person.user_id,
            name="loans",
            sha256="0" * 64,
            bytes=Count(1),
            upload=f"{person.organization_id}/{uuid4()}.upload",
            **given,
        )
        async with self.database.write(person.scope) as session:
            await jobs.queue.start(session, t.Subject.DATASET, row)
        return row.id

    async def row(self, id: UUID, who: str = "analyst") -> t.Dataset | None:
        scope = self.people[who].scope
        async with self.database.read(scope) as session:
            return await session.scalar(own(t.Dataset, scope).where(col(t.Dataset.id) == id))

    async def events(self, id: UUID, who: str = "analyst") -> list[t.Event]:
        async with self.database.read(self.people[who].scope) as session:
            query = events(self.people[who].scope).where(col(t.Event.subject_id) == id)
            return list((await session.scalars(query)).all())

    async def until(
        self, id: UUID, *statuses: t.Status, who: str = "analyst", seconds: float = PATIENCE_S
    ) -> t.Dataset:
        async with asyncio.timeout(seconds):
            while True:
                row = await self.row(id, who)
                if row is not None and row.status in statuses:
                    return row
                await asyncio.sleep(0.05)

    async def ended(self, id: UUID, who: str = "analyst", seconds: float = PATIENCE_S) -> t.Dataset:
        ends = (t.Status.COMPLETED, t.Status.FAILED, t.Status.CANCELLED)
        return await self.until(id, *ends, who=who, seconds=seconds)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's database counts as having run so long that a worker which stops is to blame itself."""
    monkeypatch.setattr("jobs.attempt.SETTLED_S", 0)


@pytest.fixture
def table(database: Database, people: dict[str, Person], settled: None) -> Table:
    return Table(database, people)


@pytest.fixture
def tools(settings: Settings) -> Workshop:
    return workshop(settings)


@pytest.fixture
def scope(people: dict[str, Person]) -> object:
    return people["analyst"].scope


@pytest_asyncio.fixture
async def hire(settings: Settings, url: str) -> AsyncIterator[Callable[..., Awaitable[SimpleNamespace]]]:
    """Start a worker, and another: `worker = await hire()`, then `await worker.stop()`."""
    async with contextlib.AsyncExitStack() as hired:

        async def hire(at_once: int = 2) -> SimpleNamespace:
            database = Database(url, pool_size=3)
            chosen = settings.model_copy(update={"worker_processes": at_once})
            worker = Worker(url=url, database=database, workshop=workshop(chosen), at_once=at_once)
            task = asyncio.create_task(worker.work())

            async def stop() -> None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await database.close()

            hired.push_async_callback(stop)
            return SimpleNamespace(worker=worker, task=task, stop=stop)

        yield hire


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let every dataset's job be something else: `task(works.waits, 60, path)`; runs it in a child."""

    def be(work: Callable[..., object], *args: object) -> None:
        async def run(attempt, workshop):
            result = await compute(attempt, workshop, work, *args)
            await attempt.complete(f"Result: {result}")

        monkeypatch.setattr("jobs.worker.TASKS", {t.Subject.DATASET: run})

    return be


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "pid"


def spawn(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """A Python process of its own that finds our packages."""
    root = str(Path(__file__).parents[2])
    return subprocess.Popen([sys.executable, *words], env=os.environ | {"PYTHONPATH": root} | environment)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False
