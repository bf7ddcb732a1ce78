"""The job behind a Dataset: read the uploaded file, store it as Parquet, describe its columns.

Of a dataset by reference only the last: nothing of it is copied.
"""

import hashlib
from pathlib import Path
from uuid import UUID

import db.tables as t
from db.blobs import key
from db.lake import again
from engine.errors import EngineError
from engine.tables import Ingested, Limits, TableFormat
from engine.tables.in_place import profiled
from engine.tables.ingest import ingest
from engine.tables.parts import Lake
from engine.values import Tell
from jobs.attempt import Attempt, Lost
from jobs.children import ChildFailed
from jobs.work import Workshop, compute


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Read the file, and complete the dataset; a bad file fails it in words and leaves nothing behind."""
    dataset: t.Dataset = attempt.row
    if dataset.uri is not None:
        found = dataset.uri, workshop.lake, dataset.organization_id, dataset.sha256
        await _complete(attempt, await compute(attempt, workshop, look, *found), None)
        return
    if dataset.upload is None:
        await attempt.fail("the uploaded file is no longer there, upload it again")
        return
    try:
        await _read(attempt, workshop, dataset, dataset.upload)
    except (EngineError, ChildFailed) as error:  # also a file that the child did not survive
        await attempt.fail(str(error), upload=None)
    except Lost:
        await workshop.discard_ended(attempt, dataset.upload)
        raise
    await workshop.blobs.delete(dataset.upload)


async def _read(attempt: Attempt, workshop: Workshop, dataset: t.Dataset, upload: str) -> None:
    async with workshop.file(upload) as source, workshop.scratch() as folder:
        target = folder / "table.parquet"
        sha256, ingested = await compute(attempt, workshop, read, source, target, dataset.format)
        blob = key(dataset.organization_id, sha256, ".parquet")
        await workshop.blobs.put_file(blob, target)
        try:
            await _complete(attempt, ingested, blob)
        except Lost:
            await workshop.discard_unused(attempt, blob)
            raise
        if not await workshop.blobs.exists(blob):  # its last other user was deleted a moment ago
            await workshop.blobs.put_file(blob, target)


async def _complete(attempt: Attempt, ingested: Ingested, blob: str | None) -> None:
    profile = ingested.profile
    await attempt.complete(
        f"Ready: {profile.rows:,} rows in {len(profile.columns)} columns",
        rows=profile.rows,
        format=profile.format,
        profile=profile,
        preview=ingested.preview,
        blob=blob,
        upload=None,
    )


def read(tell: Tell, source: Path, target: Path, format: TableFormat | None) -> tuple[str, Ingested]:
    """The whole reading, in a child; the hash is of the Parquet file, so equal tables are stored once."""
    ingested = ingest(source, target, Limits(), tell, format=format)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), ingested


def look(tell: Tell, uri: str, lake: Lake, organization: UUID, fingerprint: str) -> Ingested:
    """Describe the parts where they lie, in a child."""
    return profiled(again(uri, lake, organization, fingerprint), tell)
