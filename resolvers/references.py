"""Datasets by reference: Parquet parts that stay where they are, in folders and buckets that the operator allows."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import db.tables as t
import jobs.queue
from db.lake import listed
from engine.tables import TableFormat
from engine.values import Count
from resolvers.context import Info
from resolvers.texts import LONGEST_NAME, description, words
from resolvers.uploads import store

LONGEST_URI = 1000


@dataclass(frozen=True, kw_only=True)
class NewReference:
    """A dataset to make of Parquet files that are there already."""

    uri: str
    """A place within those that the operator allows: the absolute path of a folder, `file://` and that, or
    `s3://bucket/prefix`. Each file right in it that ends in `.parquet` is a part; all have the same columns and types."""
    name: str
    description: str = ""


async def register(info: Info, input: NewReference, idempotency_key: str | None = None) -> t.Dataset:
    """Make a dataset of Parquet parts in a folder or a bucket, without copying them; `progress` follows the description of it.

    Analyses read the parts again, so they must stay as they are: after a change they are registered anew.
    """
    context = info.context
    viewer = context.viewer
    asked_key = jobs.queue.checked_key(idempotency_key)
    uri = words("uri", input.uri, LONGEST_URI)
    found = await asyncio.to_thread(listed, uri, context.house.lake, viewer.organization_id)
    row = t.Dataset(
        id=uuid4(),
        organization_id=viewer.organization_id,
        created_by_id=viewer.user_id,
        idempotency_key=asked_key,
        name=words("name", input.name, LONGEST_NAME),
        description=description(input.description),
        format=TableFormat.PARQUET,
        sha256=found.fingerprint,
        bytes=Count(found.bytes),
        uri=found.uri,
    )
    return await store(context, row)
