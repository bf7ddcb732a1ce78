"""The job behind an Artifact: recognise a model's file, open it in a child that is kept in, and store what it takes."""

from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

import db.tables as t
from db.blobs import key
from db.owned import own
from engine.models.probe import Probed, probe
from engine.values import ModelType, Tell
from jobs.attempt import Attempt, Lost
from jobs.models import kept_in
from jobs.work import Workshop


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Look at the file, and complete the artifact; a bad file fails it in words and leaves nothing behind."""
    artifact: t.Artifact = attempt.row
    if artifact.upload is None:
        await attempt.fail("the uploaded file is no longer there, upload it again")
        return
    await workshop.read_upload(attempt, artifact.upload, partial(_read, attempt, workshop, artifact))


async def _read(attempt: Attempt, workshop: Workshop, artifact: t.Artifact, source: Path) -> None:
    models = await attempt.rows(own(t.Model, attempt.scope).where(col(t.Model.id) == artifact.model_id))
    if not models:
        raise Lost
    asked = source, models[0].type, models[0].features
    found = await kept_in(attempt, workshop, look, *asked)
    blob = key(artifact.organization_id, artifact.sha256, ".model")
    async with workshop.kept(attempt, blob, source):
        await _complete(attempt, artifact, found, blob)


async def _complete(attempt: Attempt, artifact: t.Artifact, found: Probed, blob: str) -> None:
    signature = found.signature

    async def name_features(session: AsyncSession) -> None:
        """A model that was registered without features gets those of its file."""
        query = own(t.Model, attempt.scope).where(col(t.Model.id) == artifact.model_id).with_for_update()
        model = await session.scalar(query)
        if model is not None and not model.features:
            model.features, model.updated_at = tuple(signature.names), t.now()

    await attempt.complete(
        f"Ready: {signature.kind} of {signature.framework}, {len(signature.features)} features",
        also=name_features,
        format=signature.format,
        signature=signature,
        tried=found.tried,
        blob=blob,
        upload=None,
    )


def look(tell: Tell, source: Path, kind: ModelType, names: tuple[str, ...]) -> Probed:
    """The whole reading, in a child."""
    return probe(source, kind, names, tell)
