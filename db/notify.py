"""Who waits for events, and how they are woken: NOTIFY after a commit, LISTEN on one connection a process.

A notice only says whose events to read again; the rows are the truth. So notices may be lost, doubled or
merged without harm: every few seconds one query asks for all waiters together whether there is something new.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import text

from db.alongside import alongside
from db.session import AWAY, Database

CHANNEL = "fairmind_events"
LOOK_AGAIN_SECONDS, CONNECT_AGAIN_SECONDS = 3.0, 1.0
_NEWEST = "SELECT id, last_event FROM organization WHERE id = ANY($1)"

CUT_OFF = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a kind of its own: the server went away in the middle of an answer
)

log = structlog.get_logger()


async def tell(database: Database, organization_id: UUID) -> None:
    """Wake everyone who waits for this organization's events; called after the commit, which it cannot undo."""
    with contextlib.suppress(*AWAY):  # those who wait find out a little later
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

    def listening(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Listen until the block ends, connecting again whenever the database was away."""
        return alongside(self._listen())

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except CUT_OFF as error:
                log.warning("listening was cut off, trying again", reason=type(error).__name__)
            self.wake_all()  # whoever waits looks for themselves meanwhile
            await asyncio.sleep(CONNECT_AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10, command_timeout=10, statement_cache_size=0)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            seen: dict[UUID, int] = {}
            while not lost.is_set():
                seen = await self._look(connection, seen)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), LOOK_AGAIN_SECONDS)
        finally:
            connection.terminate()

    async def _look(self, connection: "asyncpg.Connection", seen: dict[UUID, int]) -> dict[UUID, int]:
        """Wake those whose organization has events that were not there at the last look.

        An organization that was not looked at before is woken too: its waiters may have read just before.
        The connection is the owner's, which row-level security does not bind; only counters are read with it.
        """
        waiting = list(self._waiting)
        found = await connection.fetch(_NEWEST, waiting) if waiting else []
        newest: dict[UUID, int] = {row["id"]: row["last_event"] for row in found}
        for organization, number in newest.items():
            if seen.get(organization) != number:
                self._wake(organization)
        return newest

    def _hear(self, connection: object, pid: int, channel: str, payload: object) -> None:
        with contextlib.suppress(ValueError):  # a notice that is not ours wakes nobody
            self._wake(UUID(str(payload)))

    def wake_all(self) -> None:
        for organization in self._waiting:
            self._wake(organization)

    def _wake(self, organization: UUID) -> None:
        for flag in self._waiting.get(organization, ()):
            flag.set()


async def woken(flag: asyncio.Event, seconds: float) -> bool:
    """Wait until there may be something new, or so many seconds; whether there may be."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(flag.wait(), seconds)
    may_be = flag.is_set()
    flag.clear()
    return may_be
