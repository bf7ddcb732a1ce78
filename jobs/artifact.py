"""The job behind an Artifact: open a model's file, or ask its endpoint, in a child that is kept in; store what it takes."""

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

import db.tables as t
from db.blobs import key
from db.owned import own
from engine.models.probe import Probed, probe, probe_endpoint
from engine.models.signature import ModelFormat, Signature
from engine.values import ModelType, Tell
from jobs.attempt import Attempt, Lost
from jobs.endpoint import ModelElsewhere
from jobs.models import ModelFile, allowed_types, kept_in
from jobs.work import Workshop, compute


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Look at the file or the endpoint, and complete the artifact; a bad one fails it in words and leaves nothing behind."""
    artifact: t.Artifact = attempt.row
    if artifact.format is ModelFormat.ENDPOINT:
        await _ask(attempt, workshop, artifact)
    elif artifact.upload is None:
        await attempt.fail("the uploaded file is no longer there, upload it again")
    else:
        await workshop.read_upload(attempt, artifact.upload, partial(_read, attempt, workshop, artifact))


async def _read(attempt: Attempt, workshop: Workshop, artifact: t.Artifact, source: Path) -> None:
    model = await _model(attempt, artifact)
    asked = source, model.type, model.features, await allowed_types(attempt)
    found = await compute(attempt, workshop, look, *asked, within=ModelFile.within)
    blob = key(artifact.organization_id, artifact.sha256, ".model")
    async with workshop.kept(attempt, blob, source):
        await _complete(attempt, artifact, found, blob=blob, upload=None)


async def _ask(attempt: Attempt, workshop: Workshop, artifact: t.Artifact) -> None:
    endpoint = await attempt.large(t.Artifact, "endpoint")
    there = ModelElsewhere.at(endpoint, workshop.outbound)
    model = await _model(attempt, artifact)
    await _complete(attempt, artifact, await kept_in(attempt, workshop, ask, there, model.features))


async def _model(attempt: Attempt, artifact: t.Artifact) -> t.Model:
    models = await attempt.rows(own(t.Model, attempt.scope).where(col(t.Model.id) == artifact.model_id))
    if not models:
        raise Lost
    return models[0]


async def _complete(attempt: Attempt, artifact: t.Artifact, found: Probed, **kept: Any) -> None:
    signature = found.signature

    async def name_features(session: AsyncSession) -> None:
        """A model that was registered without features gets those that were found."""
        query = own(t.Model, attempt.scope).where(col(t.Model.id) == artifact.model_id).with_for_update()
        model = await session.scalar(query)
        if model is not None and not model.features:
            model.features, model.updated_at = tuple(signature.names), t.now()

    await attempt.complete(
        ready(signature),
        also=name_features,
        format=signature.format,
        signature=signature,
        tried=found.tried,
        **kept,
    )


def ready(signature: Signature) -> str:
    """What is said of a file that was read."""
    return f"Ready: {signature.kind} of {signature.framework}, {len(signature.features)} features"


def look(
    tell: Tell, source: Path, kind: ModelType, names: tuple[str, ...], allowed: tuple[str, ...]
) -> Probed:
    """The whole reading of a file, in a child."""
    return probe(source, kind, names, tell, allowed)


def ask(tell: Tell, there: ModelElsewhere, names: tuple[str, ...]) -> Probed:
    """The first question to an endpoint, in a child."""
    return probe_endpoint(there.open(), names, tell)
