"""Connections: one `Database` per process, one session per unit of work, one organization per session.

Every session runs as the role `fairmind_app`, which row-level security binds, and says whose rows it is
for; both hold for the transaction only, so a pooler in transaction mode may stand in between.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from db.columns import as_json
from db.errors import Busy

APP_ROLE = "fairmind_app"

AWAY = (DBAPIError, PoolTimeout, OSError, TimeoutError)
"""How it may look when the database is not there for the moment; `away` says whether it is that."""
_NOT_NOW = re.compile("08|53|57|40|25006")
"""How codes begin of errors that pass: no connection, too few resources, an operator at work, a transaction rolled
back for another's sake, and a server that is not the one to write to any more."""
PATIENCE_S = 60.0
WAIT_S = 10
"""How long work waits for a connection of the pool."""

T = TypeVar("T")

log = structlog.get_logger()

_ENTER = text(
    "SELECT set_config('role', :role, true), set_config('app.organization', :organization, true),"
    " set_config('app.person', :person, true)"
)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Whose rows a session is for: an organization's, and those shared with it or with the person."""

    organization_id: UUID
    user_id: UUID | None = None


class Database:
    """A pool of connections and the ways to use one."""

    def __init__(self, url: str, *, pool_size: int = 5, max_connections: int = 20) -> None:
        self.url = _asyncpg(url)
        self.engine = create_async_engine(
            self.url,
            pool_size=min(pool_size, max_connections),
            max_overflow=max(0, max_connections - pool_size),
            pool_pre_ping=True,
            pool_timeout=WAIT_S,
            hide_parameters=True,  # what people store stays out of logs
            json_serializer=as_json,
            # no prepared statements are kept, so that a transaction pooler may hand out any connection
            connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0, "timeout": 10},
        )
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def read(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """A session for looking; nothing done to it is kept."""
        async with self._session() as session:
            await _enter(session, scope)
            yield session

    @asynccontextmanager
    async def write(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self._session.begin() as session:
            await _enter(session, scope)
            yield session

    @asynccontextmanager
    async def nobody(self) -> AsyncIterator[AsyncSession]:
        """A session before anyone is known: it sees no row, and calls the functions made for that."""
        async with self._session.begin() as session:
            await _enter(session)
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def _asyncpg(url: str) -> URL:
    """The address as SQLAlchemy's asyncpg wants it: libpq's `sslmode` is called `ssl` there."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    mode = parsed.query.get("sslmode")
    return (
        parsed
        if mode is None
        else parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    )


async def _enter(session: AsyncSession, scope: Scope | None = None) -> None:
    organization, person = ("", None) if scope is None else (str(scope.organization_id), scope.user_id)
    known = {"role": APP_ROLE, "organization": organization, "person": str(person or "")}
    try:
        await session.execute(_ENTER, known)
    except PoolTimeout:
        log.warning("no connection to the database became free", waited_s=WAIT_S)
        raise Busy("the server is busy, try again in a moment") from None


def away(error: BaseException) -> bool:
    """Whether an error says that the database is not there for the moment, and is no answer to what was asked."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, AWAY)
    code = getattr(error.orig, "sqlstate", None)  # none where the connection broke before any answer
    return code is None or _NOT_NOW.match(code) is not None


async def when_back(work: Callable[[], Awaitable[T]]) -> T:
    """Do `work`, again and again while the database restarts; for work that may be begun twice."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await work()
            except AWAY as error:
                if not away(error):
                    raise
                await asyncio.sleep(0.3)
