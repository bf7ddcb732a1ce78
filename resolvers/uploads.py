"""Datasets on their way in: what a file is to become, and the reading of it cancelled."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import ID
from strawberry.file_uploads import Upload

import db.tables as t
import jobs.queue
from auth.permissions import Permission, Viewer
from engine.tables import TableFormat
from engine.values import Count
from resolvers.context import Context, Info
from resolvers.incoming import Asked, Received, UploadTicket, sent_along, take_in, ticket
from resolvers.incoming import cancel as cancel_row
from resolvers.incoming import store as store_row
from resolvers.texts import LONGEST_NAME, description, words


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A dataset to make from a file."""

    name: str
    description: str = ""
    format: TableFormat | None = None
    """Found out from the content when left out."""


@dataclass(frozen=True, kw_only=True)
class AskedDataset(Asked):
    """A dataset that is to be made of a file."""

    subject = t.Subject.DATASET
    table = t.Dataset
    permission = Permission.DATASET_WRITE
    entrance = "requestDatasetUpload"
    too_long = "description", "leave it out, and add it with updateDataset"

    name: str
    description: str
    format: TableFormat | None

    @classmethod
    def checked(cls, input: NewDataset, idempotency_key: str | None) -> "AskedDataset":
        return cls(
            id=uuid4(),
            name=words("name", input.name, LONGEST_NAME),
            description=description(input.description),
            format=input.format,
            idempotency_key=jobs.queue.checked_key(idempotency_key),
        )

    def row(self, viewer: Viewer, file: Received, upload: str) -> t.Dataset:
        return t.Dataset(
            id=self.id,
            organization_id=viewer.organization_id,
            created_by_id=viewer.user_id,
            idempotency_key=self.idempotency_key,
            name=self.name,
            description=self.description,
            format=self.format,
            sha256=file.sha256,
            bytes=Count(file.bytes),
            upload=upload,
        )

    def same(self, before: t.Dataset, row: t.Dataset) -> bool:
        return _same(before, row)


async def upload(
    info: Info, file: Upload, input: NewDataset, idempotency_key: str | None = None
) -> t.Dataset:
    """Make a dataset from a file sent along (GraphQL multipart request); `progress` follows the reading of it."""
    pieces = sent_along(file, AskedDataset.entrance)
    made: t.Dataset = await take_in(info.context, AskedDataset.checked(input, idempotency_key), pieces)
    return made


async def request_upload(info: Info, input: NewDataset, idempotency_key: str | None = None) -> UploadTicket:
    """Ask for an address to stream a file to with PUT; the answer to the PUT holds the dataset's id."""
    return ticket(info.context, AskedDataset.checked(input, idempotency_key))


async def store(context: Context, row: t.Dataset) -> t.Dataset:
    """Store a dataset that is not made of a file, and queue the reading of it."""
    return await store_row(
        context, t.Subject.DATASET, row, _same, _nothing, "this dataset is registered already"
    )


async def cancel(info: Info, id: ID) -> t.Dataset:
    """End the reading of a dataset that waits or runs; its file is not kept."""
    return await cancel_row(info.context, t.Subject.DATASET, t.Dataset, id)


def _same(before: t.Dataset, row: t.Dataset) -> bool:
    return (before.sha256, before.name) == (row.sha256, row.name)


async def _nothing(session: AsyncSession, viewer: Viewer, row: Any) -> None:
    """Nothing belongs to it."""
