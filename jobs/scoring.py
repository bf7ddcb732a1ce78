"""The job behind a Dataset that a model makes of another one: all its rows, with the model's answers added."""

import db.tables as t
from db.blobs import key
from engine.tables import TableFormat
from engine.values import Count
from jobs.attempt import Attempt
from jobs.dataset import complete, read
from jobs.models import Gone, model_file, scored
from jobs.work import Workshop, compute


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Score the rows, and complete the dataset with a table of them."""
    made: t.Dataset = attempt.row
    source = await attempt.one(t.Dataset, made.scored_from_id)
    if source is None or made.scoring is None:
        raise Gone("the dataset whose rows were to be scored is no longer there")
    async with model_file(attempt, workshop, made.model_id) as file, workshop.scratch() as folder:
        table = await scored(attempt, workshop, file, source, made.scoring, folder)
        target = folder / "table.parquet"
        sha256, ingested = await compute(attempt, workshop, read, table, target, TableFormat.PARQUET)
        blob = key(attempt.scope.organization_id, sha256, ".parquet")
        async with workshop.kept(attempt, blob, target):
            await complete(attempt, ingested, blob, bytes=Count(target.stat().st_size))
