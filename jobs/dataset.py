"""The job behind a Dataset: read the uploaded file, store it as Parquet, describe its columns.

Of a dataset by reference only the last: nothing of it is copied.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import db.tables as t
from db.blobs import key
from db.lake import again
from engine.tables import Ingested, Limits, TableFormat
from engine.tables.in_place import profiled
from engine.tables.ingest import ingest
from engine.tables.parts import Lake
from engine.values import Tell
from jobs.attempt import Attempt
from jobs.work import Workshop, compute


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Read the file, and complete the dataset; a bad file fails it in words and leaves nothing behind."""
    dataset: t.Dataset = attempt.row
    if dataset.uri is not None:
        found = dataset.uri, workshop.lake, dataset.organization_id, dataset.sha256
        await complete(attempt, await compute(attempt, workshop, look, *found), None)
        return
    if dataset.upload is None:
        await attempt.fail("the uploaded file is no longer there, upload it again")
        return
    await workshop.read_upload(attempt, dataset.upload, partial(_read, attempt, workshop, dataset))


async def _read(attempt: Attempt, workshop: Workshop, dataset: t.Dataset, source: Path) -> None:
    async with workshop.scratch() as folder:
        target = folder / "table.parquet"
        sha256, ingested = await compute(attempt, workshop, read, source, target, dataset.format)
        blob = key(dataset.organization_id, sha256, ".parquet")
        async with workshop.kept(attempt, blob, target):
            await complete(attempt, ingested, blob)


async def complete(attempt: Attempt, ingested: Ingested, blob: str | None, **more: Any) -> None:
    """Store what was found in a table, and where it is."""
    profile = ingested.profile
    await attempt.complete(
        f"Ready: {profile.rows:,} rows in {len(profile.columns)} columns",
        rows=profile.rows,
        format=profile.format,
        profile=profile,
        preview=ingested.preview,
        blob=blob,
        upload=None,
        **more,
    )


def read(tell: Tell, source: Path, target: Path, format: TableFormat | None) -> tuple[str, Ingested]:
    """The whole reading, in a child; the hash is of the Parquet file, so equal tables are stored once."""
    ingested = ingest(source, target, Limits(), tell, format=format)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), ingested


def look(tell: Tell, uri: str, lake: Lake, organization: UUID, fingerprint: str) -> Ingested:
    """Describe the parts where they lie, in a child."""
    return profiled(again(uri, lake, organization, fingerprint), tell)
