"""Who waits for events, and how they are woken: NOTIFY after a commit, LISTEN on one connection a process.

A notice only says whose events to read again; the rows are the truth. So notices may be lost, doubled or
merged without harm: waiters also look every few seconds.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import text

from db.session import Database

CHANNEL = "fairmind_events"
LOOK_AGAIN_SECONDS = 3.0

log = structlog.get_logger()


async def tell(database: Database, organization_id: UUID) -> None:
    """Wake everyone who waits for this organization's events; called after the commit."""
    async with database.nobody() as session:
        await session.execute(
            text("SELECT pg_notify(:channel, :of)"), {"channel": CHANNEL, "of": str(organization_id)}
        )


class Hub:
    """One LISTEN connection of a process, and the waiters it wakes."""

    def __init__(self, url: str) -> None:
        self._dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    @contextlib.contextmanager
    def waiter(self, organization_id: UUID) -> Iterator[asyncio.Event]:
        """A flag that is set whenever the organization may have new events; gone with the block."""
        flag = asyncio.Event()
        self._waiting[organization_id].add(flag)
        try:
            yield flag
        finally:
            flags = self._waiting[organization_id]
            flags.discard(flag)
            if not flags:
                del self._waiting[organization_id]

    @property
    def waiters(self) -> int:
        return sum(len(flags) for flags in self._waiting.values())

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen until the block ends, connecting again whenever the database was away."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("listening was cut off, trying again", reason=type(error).__name__)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            self.wake_all()  # whatever was said while nobody listened
            await lost.wait()
        finally:
            connection.terminate()

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        with contextlib.suppress(ValueError):  # a notice that is not ours wakes nobody
            for flag in self._waiting.get(UUID(str(payload)), ()):
                flag.set()

    def wake_all(self) -> None:
        for flags in self._waiting.values():
            for flag in flags:
                flag.set()


async def woken(flag: asyncio.Event) -> None:
    """Wait until there may be something new: a notice came, or a while went by."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(flag.wait(), LOOK_AGAIN_SECONDS)
    flag.clear()
