"""Datasets on their way in: a file with a mutation, or a stream to an address that a mutation hands out.

Either way the bytes are written to disk and hashed as they come, never held in memory; then one transaction
stores the row and queues the reading of it.
"""

import asyncio
import errno
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import structlog
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from sqlmodel import col
from strawberry import ID
from strawberry.file_uploads import Upload

import db.tables as t
import jobs.queue
from auth.errors import Unauthenticated
from auth.permissions import Permission
from auth.tokens import LONGEST_TOKEN, UPLOAD, Claims
from db.errors import Conflict, Full, Limited
from db.owned import one_to_change, own
from engine.errors import InvalidInput
from engine.tables import TableFormat
from engine.values import Count
from resolvers.context import Context, House, Info
from resolvers.ids import key
from resolvers.texts import LONGEST_NAME, description, words

TICKET_S = 3600
PIECE = 1 << 20
USED = "this upload address was used already; ask for another one with requestDatasetUpload"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A dataset to make from a file."""

    name: str
    description: str = ""
    format: TableFormat | None = None
    """Found out from the content when left out."""


@dataclass(frozen=True, kw_only=True)
class UploadTicket:
    """Where to send a file: `curl -T file.csv URL`, without any header of ours. It serves once."""

    path: str
    """To be appended to the server's address."""
    expires_at: datetime
    max_bytes: Count


async def upload(
    info: Info, file: Upload, input: NewDataset, idempotency_key: str | None = None
) -> t.Dataset:
    """Make a dataset from a file sent along (GraphQL multipart request); `progress` follows the reading of it."""
    context = info.context
    if not hasattr(file, "file"):  # the scalar takes any value
        raise InvalidInput(
            "file must come as a part of a multipart request, or be sent to the address of requestDatasetUpload",
            at=("file",),
        )

    async def pieces() -> AsyncIterator[bytes]:
        source: BinaryIO = file.file  # starlette's UploadFile, spooled to disk
        while piece := await asyncio.to_thread(source.read, PIECE):
            yield piece

    asked = _Asked.checked(input, idempotency_key)
    return await _take_in(context, asked, pieces())


async def request_upload(info: Info, input: NewDataset, idempotency_key: str | None = None) -> UploadTicket:
    """Ask for an address to stream a file to with PUT; the answer to the PUT holds the dataset's id."""
    viewer, house = info.context.viewer, info.context.house
    asked = _Asked.checked(input, idempotency_key)
    ticket, expires = house.tokens.sign(
        UPLOAD, viewer.user_id, viewer.organization_id, asked.content(), seconds=TICKET_S
    )
    if len(ticket) > LONGEST_TOKEN:
        raise InvalidInput(
            "description is too long to be carried in an address; leave it out, and add it with updateDataset",
            at=("description",),
        )
    return UploadTicket(path=f"/uploads/{ticket}", expires_at=expires, max_bytes=Count(house.max_file_size))


async def receive(context: Context, ticket: str, body: AsyncIterator[bytes]) -> t.Dataset:
    """Take in what is streamed to an address; the ticket says for whom, their rights are looked up now."""
    try:
        context.claims = claims = context.house.tokens.check(ticket, UPLOAD)
        viewer = await context.identify()
    except Unauthenticated:  # one sentence for all: whoever guesses addresses learns nothing
        raise Unauthenticated(
            "this upload address is unknown, was used or has expired; ask for another one with requestDatasetUpload"
        ) from None
    viewer.require(Permission.DATASET_WRITE)
    return await _take_in(context, _Asked.of_ticket(claims), body)


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


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a dataset is to be called, checked before any byte is taken in."""

    id: UUID
    name: str
    description: str
    format: TableFormat | None
    idempotency_key: str | None

    @classmethod
    def checked(cls, input: NewDataset, idempotency_key: str | None) -> "_Asked":
        return cls(
            id=uuid4(),
            name=words("name", input.name, LONGEST_NAME),
            description=description(input.description),
            format=input.format,
            idempotency_key=jobs.queue.checked_key(idempotency_key),
        )

    @classmethod
    def of_ticket(cls, ticket: Claims) -> "_Asked":
        return TypeAdapter(cls).validate_python(ticket.content["upload"])

    def content(self) -> dict[str, Any]:
        return {"upload": TypeAdapter(_Asked).dump_python(self, mode="json")}


@dataclass(frozen=True, kw_only=True)
class _Received:
    """A file that came in whole."""

    path: Path
    bytes: int
    sha256: str


async def _take_in(context: Context, asked: _Asked, pieces: AsyncIterator[bytes]) -> t.Dataset:
    house, viewer = context.house, context.viewer
    async with context.read() as session:
        if await session.scalar(own(t.Dataset, viewer.scope).where(col(t.Dataset.id) == asked.id)):
            raise Conflict(USED)
    async with _received(house, pieces) as file:
        row = t.Dataset(
            id=asked.id,
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=asked.idempotency_key,
            name=asked.name,
            description=asked.description,
            format=asked.format,
            sha256=file.sha256,
            bytes=Count(file.bytes),
            upload=f"{viewer.organization_id}/{uuid4()}.upload",  # of its own: two may send to one address at once
        )
        await house.blobs.put_file(str(row.upload), file.path)
    try:
        stored = await store(context, row)
    except BaseException:
        await house.blobs.delete(str(row.upload))
        raise
    if stored is not row:
        await house.blobs.delete(str(row.upload))
    return stored


async def store(context: Context, row: t.Dataset) -> t.Dataset:
    """Store the row and queue its reading; or find the row that the same key stored before."""
    scope = context.viewer.scope
    async with context.write() as session:
        await jobs.queue.one_by_one(session, scope)
        before = await jobs.queue.asked_before(session, t.Dataset, scope, row.idempotency_key)
        if before is not None:
            if (before.sha256, before.name) != (row.sha256, row.name):
                raise Conflict("this idempotencyKey was used for another file; take a new one")
            return before
        await jobs.queue.room(session, t.Dataset, scope)
        try:
            await jobs.queue.start(session, t.Subject.DATASET, row)
        except IntegrityError:
            raise Conflict(USED) from None
    await context.tell()
    return row


@asynccontextmanager
async def _received(house: House, pieces: AsyncIterator[bytes]) -> AsyncIterator[_Received]:
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
        yield _Received(path=Path(file.name), bytes=size, sha256=hash.hexdigest())


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


async def cancel(info: Info, id: ID) -> t.Dataset:
    """End the reading of a dataset that waits or runs; its file is not kept."""
    async with info.context.write() as session:
        row = await one_to_change(session, t.Dataset, info.context.viewer.scope, key(t.Dataset, id))
        waiting = row.status is t.Status.QUEUED
        await jobs.queue.cancel(session, t.Subject.DATASET, row)
    await info.context.tell()
    if waiting and row.upload is not None:
        await info.context.house.blobs.delete(row.upload)
    return row
