"""What every test may ask for: a database of its own, people of two organizations, a server and a worker.

A session has one embedded PostgreSQL; each test that asks gets a fresh copy of a migrated database (0.06 s).
"""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import uvicorn
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from starlette.applications import Starlette
from xdist.remote import Producer

from app.cli import FRAME_BYTES
from app.server import create
from app.settings import Environment, Settings
from app.working import workshop
from auth.tokens import Tokens
from db.embedded import EmbeddedServer
from db.migrate import migrate
from db.session import Database
from jobs.worker import Worker
from tests.builders import Person, populate
from tests.client import Api
from tests.order import Together

hypothesis_settings.register_profile("house", deadline=None, derandomize=True)
hypothesis_settings.load_profile("house")

SECRET = "a secret for tests, which has more than 32 bytes"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder with a short path that also the user `nobody` can enter, as PostgreSQL needs under root."""
    folder = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(place: Path) -> Iterator[EmbeddedServer]:
    """The session's PostgreSQL, with a migrated database to copy."""
    with EmbeddedServer(place / "pg", durable=False) as server:
        server.start()
        server.create_database("template")
        migrate(server.url("template"))
        yield server


@pytest.fixture
def url(postgres: EmbeddedServer) -> Iterator[str]:
    """A fresh database."""
    name = f"t{uuid4().hex}"
    postgres.create_database(name, template="template")
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """What a test's server is told; change with `model_copy(update=...)`."""
    return Settings(
        _env_file=None,
        environment=Environment.TEST,
        database_url=SecretStr(url),
        jwt_secret_key=SecretStr(SECRET),
        data_path=tmp_path / "data",
        allowed_hosts=("localhost", "127.0.0.1"),
        log_level="WARNING",
    )


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A bucket of this test's own, a `tests.store.Bucket`."""
    from tests.store import made  # noqa: PLC0415  # brings boto3 and moto, which few tests need

    with made() as found:
        yield found


@pytest.fixture
def people(url: str) -> dict[str, Person]:
    """Two organizations: ours with `admin`, `analyst`, `auditor`, `viewer`, and another with `stranger`."""
    return populate(url, Tokens(SECRET))


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def application(settings: Settings) -> AsyncIterator[Starlette]:
    """The whole application, running as long as the test, without a socket."""
    running = create(settings)
    async with running.router.lifespan_context(running):
        yield running


@pytest_asyncio.fixture
async def api(application: Starlette, people: dict[str, Person]) -> AsyncIterator[Api]:
    """Ask the API over HTTP as somebody: `await api("analyst", QUERY, id=...)`."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
        yield Api(http, people)


@pytest_asyncio.fixture
async def address(application: Starlette) -> AsyncIterator[str]:
    """The same application on a port, for clients that need a real socket."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            ws="websockets-sansio",
            ws_max_size=FRAME_BYTES,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # the signals are pytest's
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Any]:
    """A Dask cluster on loopback: two workers, each a process of its own that is started again when it dies."""
    from distributed import LocalCluster  # noqa: PLC0415  # half a second, and few tests ask

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def worker(settings: Settings, url: str) -> AsyncIterator[Worker]:
    """A worker that runs jobs in real children for as long as the test."""
    async with working(settings, url) as running:
        yield running


@contextlib.asynccontextmanager
async def working(settings: Settings, url: str) -> AsyncIterator[Worker]:
    """The same for as long as the block, as the settings say."""
    database = Database(url, pool_size=3)
    running = Worker(url=url, database=database, workshop=workshop(settings), at_once=2)
    task = asyncio.create_task(running.work())
    yield running
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await database.close()


def full_run() -> bool:
    """Whether everything a full run needs was installed on purpose, so that nothing may be skipped."""
    return os.environ.get("FAIRMIND_FULL") == "1"


def soak_run() -> bool:
    """Whether to kill and restart as often as `make soak` promises, instead of a few times."""
    return os.environ.get("FAIRMIND_SOAK") == "1"
