"""What an operation carries to its resolvers."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import strawberry
from aiodataloader import DataLoader
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from auth.errors import Unauthenticated
from auth.permissions import Viewer
from auth.sign_in import Viewers
from auth.tokens import Claims, Tokens
from db.blobs import Blobs
from db.notify import Hub, tell
from db.owned import Row, owned
from db.session import Database, when_back
from db.tables import Status, Worked
from engine.tables.parts import Lake
from jobs.hosts import Outbound
from resolvers.paging import Page, Slice, count, counts, sliced

LONGEST_SILENCE_S = 30.0
SEATS = 32


@dataclass(frozen=True, kw_only=True)
class House:
    """What all operations of a process share."""

    database: Database
    blobs: Blobs
    hub: Hub
    tokens: Tokens
    viewers: Viewers
    max_file_size: int
    scratch: Path
    """A folder for files on the way in."""
    lake: Lake = field(default_factory=Lake)
    """Where datasets by reference may lie."""
    outbound: Outbound = field(default_factory=Outbound)
    """Where models may be that are served elsewhere."""
    seats: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, SEATS))
    """Requests that are answered at once; the rest wait at the door, where waiting holds nothing."""


@dataclass
class Stream:
    """What the transport of a stream must know of the operation that fills it."""

    last_event: int | None = None
    """Number of the event that is being sent, for the `id:` of a server-sent event."""


@dataclass(kw_only=True)
class Context:
    """Who asks, and the batches of rows this operation has asked for."""

    house: House
    request_id: str
    claims: Claims | None = None
    refusal: str = "nobody is signed in: send a token, which the mutation signIn gives"
    """Why there are no claims."""
    resume_after: int | None = None
    """Number of the last event that the client of a broken stream has seen."""
    connection_params: dict[str, object] | None = None
    stream: Stream = field(default_factory=Stream)
    _viewer: Viewer | None = None
    _loaders: dict[Any, DataLoader[Any, Any]] = field(default_factory=dict)

    def fresh(self) -> "Context":
        """The same caller with nothing loaded: one for each operation."""
        return replace(self, _viewer=None, _loaders={})

    @property
    def viewer(self) -> Viewer:
        """Who asks. Locks identify the caller before any resolver runs, so this is known where it is used."""
        if self._viewer is None:
            raise Unauthenticated(self.refusal)
        return self._viewer

    async def identify(self) -> Viewer:
        """Look up who asks and what they may do now; once an operation, and again for each event."""
        if self._viewer is None:
            if self.claims is None:
                raise Unauthenticated(self.refusal)
            self._viewer = await self.house.viewers.of(self.claims)
        return self._viewer

    async def next_event(self, number: int) -> None:
        """Between two events of a stream everything may have changed: rows, roles, the token's validity."""
        self.stream.last_event = number
        await self.look_again()

    def patience(self) -> float:
        """How long a stream may be silent until it is looked at who listens: a while, or until the token expires."""
        if self.claims is None:
            return LONGEST_SILENCE_S
        left = self.claims.expires_at - datetime.now(UTC)
        return max(0.0, min(left.total_seconds(), LONGEST_SILENCE_S))

    async def look_again(self) -> None:
        """Forget who asks and what was loaded, and identify anew: Unauthenticated ends a stream that goes on."""
        self._viewer = None
        self._loaders.clear()
        if self.claims is not None:
            self.claims.still_valid()
        await when_back(self.identify)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        async with self.house.database.read(self.viewer.scope) as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One mutation, one transaction; those who wait for events are told when it is committed."""
        async with self.house.database.write(self.viewer.scope) as session:
            yield session

    async def tell(self) -> None:
        await tell(self.house.database, self.viewer.organization_id)

    async def one(self, table: type[Row], id: UUID) -> Row | None:
        """A row by id, if the viewer may see it; one query however many are asked for."""

        async def load(ids: list[UUID]) -> list[Row | None]:
            async with self.read() as session:
                rows = await session.scalars(owned(table, self.viewer.scope).where(col(table.id).in_(ids)))
                found = {row.id: row for row in rows}
            return [found.get(id) for id in ids]

        row: Row | None = await self._loader(table, load).load(id)
        return row

    async def large(self, row: Worked, column: str, *, asked: bool = False) -> Any:
        """What a row keeps in a large column, read now that it is asked for; one query however many rows ask.

        Only completed work has any, and that never changes: so it fits the row, whenever that was read.

        Args:
            asked: it is not what the work made but what was asked for, and so there from the start.
        """
        if row.status is not Status.COMPLETED and not asked:
            return None
        table = type(row)

        async def load(ids: list[UUID]) -> list[Any]:
            kept = owned(table, self.viewer.scope).where(col(table.id).in_(ids))
            async with self.read() as session:
                rows = await session.execute(kept.with_only_columns(col(table.id), getattr(table, column)))
                found = {row[0]: row[1] for row in rows}
            return [found.get(id) for id in ids]

        return await self._loader((table, column), load).load(row.id)

    async def children(self, table: type[Row], key: str, parent: UUID | str, part: Slice[Row]) -> Page[Row]:
        """One page of the rows whose column `key` is `parent`; one query however many parents ask."""

        async def load(parents: list[UUID | str]) -> list[Page[Row]]:
            found: dict[UUID | str, list[Row]] = defaultdict(list)
            async with self.read() as session:
                for row in await session.scalars(sliced(table, self.viewer.scope, part, key, parents)):
                    found[getattr(row, key)].append(row)
            return [part.page(found[parent], of=(key, parent)) for parent in parents]

        page: Page[Row] = await self._loader((table, key, part), load).load(parent)
        return page

    async def together(
        self, of: Hashable, load: Callable[[list[UUID]], Awaitable[list[Any]]], id: UUID
    ) -> Any:
        """What `load` finds for a row, by its id; one call of it for all rows that ask for the same `of`."""
        return await self._loader(of, load).load(id)

    async def total(self, page: Page[Any]) -> int:
        """Length of the whole list that a page is of; one query however many pages of such lists ask."""
        part = page.part
        if page.of is None:
            async with self.read() as session:
                return await session.scalar(count(part)) or 0
        key, parent = page.of

        async def load(parents: list[UUID | str]) -> list[int]:
            async with self.read() as session:
                found = {row[0]: row[1] for row in await session.execute(counts(part, key, parents))}
            return [found.get(parent, 0) for parent in parents]

        total: int = await self._loader(("count", key, part), load).load(parent)
        return total

    def _loader(self, of: Any, load: Any) -> DataLoader[Any, Any]:
        found = self._loaders.get(of)
        if found is None:
            found = self._loaders[of] = DataLoader(load)
        return found


Info = strawberry.Info[Context, None]
