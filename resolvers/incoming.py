"""Files on their way in: sent along with a mutation, or streamed to an address that a mutation hands out.

Either way the bytes are written to disk and hashed as they come, never held in memory; then one transaction
stores the row and queues the reading of it. What may come: a class of `Asked`, and a row of `receiving.ASKED`.
"""

import asyncio
import errno
import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar
from uuid import UUID, uuid4

import structlog
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from strawberry import ID
from strawberry.file_uploads import Upload

import db.tables as t
import jobs.queue
from auth.permissions import Permission, Viewer
from auth.tokens import LONGEST_TOKEN, UPLOAD
from db.errors import Conflict, Full, Limited
from db.owned import one_to_change, own
from engine.errors import InvalidInput
from engine.values import Count
from resolvers.context import Context, House
from resolvers.ids import key

TICKET_S = 3600
PIECE = 1 << 20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

Incoming = TypeVar("Incoming", t.Dataset, t.Artifact)
"""A row that is made of a file."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class UploadTicket:
    """Where to send a file: `curl -T FILE URL`, without any header of ours. It serves once."""

    path: str
    """To be appended to the server's address."""
    expires_at: datetime
    max_bytes: Count


@dataclass(frozen=True, kw_only=True)
class Received:
    """A file that came in whole."""

    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Asked(ABC):
    """What a file is to become, checked before any byte of it is taken in; it travels in the address."""

    subject: ClassVar[t.Subject]
    table: ClassVar[type[t.Dataset] | type[t.Artifact]]
    permission: ClassVar[Permission]
    entrance: ClassVar[str]
    """The mutation that hands out addresses."""
    too_long: ClassVar[tuple[str, str]]
    """The argument that makes an address too long, and what to do instead."""

    id: UUID
    idempotency_key: str | None

    @abstractmethod
    def row(self, viewer: Viewer, file: Received, upload: str) -> t.Dataset | t.Artifact:
        """The row for a file that came in."""

    @abstractmethod
    def same(self, before: Any, row: Any) -> bool:
        """Whether a row that the same idempotency key made is of the same file and words."""

    async def ready(self, session: AsyncSession, viewer: Viewer) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse before the bytes come what else could only be refused after."""

    async def beside(self, session: AsyncSession, viewer: Viewer, row: Any) -> None:  # noqa: B027 - as above
        """Change what belongs to a new row, in its own transaction."""

    @property
    def used(self) -> str:
        return f"this upload address was used already; ask for another one with {self.entrance}"


def ticket(context: Context, asked: Asked) -> UploadTicket:
    """An address that takes one file for what is asked."""
    viewer, house = context.viewer, context.house
    content = {"of": asked.subject.value, "upload": TypeAdapter(type(asked)).dump_python(asked, mode="json")}
    signed, expires = house.tokens.sign(
        UPLOAD, viewer.user_id, viewer.organization_id, content, seconds=TICKET_S
    )
    if len(signed) > LONGEST_TOKEN:
        argument, instead = asked.too_long
        raise InvalidInput(f"{argument} is too long to be carried in an address; {instead}", at=(argument,))
    return UploadTicket(path=f"/uploads/{signed}", expires_at=expires, max_bytes=Count(house.max_file_size))


def sent_along(file: Upload, entrance: str) -> AsyncIterator[bytes]:
    """The content of a file in a multipart request, piece by piece."""
    if not hasattr(file, "file"):  # the scalar takes any value
        raise InvalidInput(
            f"file must come as a part of a multipart request, or be sent to the address of {entrance}",
            at=("file",),
        )

    async def pieces() -> AsyncIterator[bytes]:
        source: BinaryIO = file.file  # starlette's UploadFile, spooled to disk
        while piece := await asyncio.to_thread(source.read, PIECE):
            yield piece

    return pieces()


async def take_in(context: Context, asked: Asked, pieces: AsyncIterator[bytes]) -> Any:
    """Write the pieces to disk, then store the row for them and queue its reading."""
    house, viewer = context.house, context.viewer
    async with context.read() as session:
        if await session.scalar(own(asked.table, viewer.scope).where(col(asked.table.id) == asked.id)):
            raise Conflict(asked.used)
        await asked.ready(session, viewer)
    async with _received(house, pieces) as file:
        # a key of its own: two may send to one address at once
        upload = f"{viewer.organization_id}/{uuid4()}.upload"
        row: Any = asked.row(viewer, file, upload)
        await house.blobs.put_file(upload, file.path)
    try:
        stored = await store(context, asked.subject, row, asked.same, asked.beside, asked.used)
    except BaseException:
        await house.blobs.delete(upload)
        raise
    if stored is not row:
        await house.blobs.delete(upload)
    return stored


async def store(
    context: Context,
    subject: t.Subject,
    row: Incoming,
    same: Callable[[Incoming, Incoming], bool],
    beside: Callable[[AsyncSession, Viewer, Incoming], Any],
    used: str,
) -> Incoming:
    """Store the row and queue its reading; or find the row that the same key stored before."""
    scope, table = context.viewer.scope, type(row)
    async with context.write() as session:
        await jobs.queue.one_by_one(session, scope)
        before = await jobs.queue.asked_before(session, table, scope, row.idempotency_key)
        if before is not None:
            if not same(before, row):
                raise Conflict("this idempotencyKey was used for something else; take a new one")
            return before
        await jobs.queue.room(session, table, scope)
        await beside(session, context.viewer, row)
        try:
            await jobs.queue.start(session, subject, row)
        except IntegrityError:
            raise Conflict(used) from None
    await context.tell()
    return row


async def cancel(context: Context, subject: t.Subject, table: type[Incoming], id: ID) -> Incoming:
    """End the reading of a file that waits or runs; the file is not kept."""
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        waiting = row.status is t.Status.QUEUED
        await jobs.queue.cancel(session, subject, row)
    await context.tell()
    if waiting and row.upload is not None:
        await context.house.blobs.delete(row.upload)
    return row


@contextmanager
def disk() -> Iterator[None]:
    """Around what writes a file: a full disk is told in words, to the log too, for only the operator can help."""
    try:
        yield
    except Exception as error:
        # obstore tells it in words only
        if getattr(error, "errno", None) in NO_ROOM or any(f"(os error {n})" in str(error) for n in NO_ROOM):
            log.error("the disk is full")
            raise Full(
                "the server has no room left on its disk, so the file was not kept; tell its operator, then send it again"
            ) from error
        raise


@asynccontextmanager
async def _received(house: House, pieces: AsyncIterator[bytes]) -> AsyncIterator[Received]:
    """The stream as a file, hashed on the way; gone with the block."""
    # Its own `with` would leave the file when a full disk refuses also what is written while closing.
    with disk(), closing(tempfile.NamedTemporaryFile(dir=house.scratch, prefix="upload-")) as file:
        hash, size = hashlib.sha256(), 0

        def keep(piece: bytes) -> None:
            hash.update(piece)
            file.write(piece)

        async for piece in _large(pieces):
            size += len(piece)
            if size > house.max_file_size:
                raise Limited(f"a file may have {house.max_file_size} bytes, this one has more")
            await asyncio.to_thread(keep, piece)
        if size == 0:
            raise InvalidInput("the file is empty: send its content as the body", at=("file",))
        await asyncio.to_thread(file.flush)
        yield Received(path=Path(file.name), bytes=size, sha256=hash.hexdigest())


async def _large(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces worth a turn of a thread."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
