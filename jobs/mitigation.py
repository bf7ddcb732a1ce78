"""The job behind a Mitigation: train the model again in a child that is kept in, and store it as a new version.

The child writes the new file and looks at it as at one that was uploaded; the new model, its file and the report become
rows in one commit.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

import db.tables as t
from db.blobs import key
from db.events import record
from engine.errors import EngineError, within
from engine.mitigation import MitigationOptions, MitigationReport
from engine.models.probe import Probed, probe
from engine.tables.part import Part
from engine.values import Count, ModelType, Tell, portion
from jobs.artifact import ready
from jobs.attempt import Attempt
from jobs.models import Gone, ModelFile, kept_in, model_file, parts_of, within_reach
from jobs.work import Workshop

TRAINED = 0.95
"""Share of the work that is done when the new file is there."""


class Taken(EngineError):
    """Another model has the name and version by now that the new one was to have."""


async def run(attempt: Attempt, workshop: Workshop) -> None:
    """Train the model again, and complete the mitigation with its report and the new version."""
    asked: t.Mitigation = attempt.row
    trained = await attempt.one(t.Model, asked.model_id)
    dataset = await attempt.one(t.Dataset, asked.dataset_id)
    if trained is None or dataset is None:
        raise Gone("the model or the dataset of this mitigation is no longer there")
    async with (
        model_file(attempt, workshop, asked.model_id) as file,
        parts_of(attempt, workshop, dataset) as parts,
        workshop.scratch() as folder,
    ):
        if not isinstance(file, ModelFile):
            raise Gone("the model has no file any more that could be trained again")
        target = folder / "model.skops"
        names = dict.fromkeys([*file.signature.names, asked.options.label, asked.options.attribute])
        near = await within_reach(attempt, workshop, parts, list(names), folder)
        report, found = await kept_in(attempt, workshop, train, file, near, asked.options, target)
        sha256, size = await asyncio.to_thread(_measured, target)
        blob = key(attempt.scope.organization_id, sha256, ".model")
        model = _version(asked, trained, report)
        artifact = _artifact(asked, found, model_id=model.id, sha256=sha256, bytes=size, blob=blob)
        async with workshop.kept(attempt, blob, target):
            await _complete(attempt, report, model, artifact)


async def _complete(attempt: Attempt, report: MitigationReport, model: t.Model, artifact: t.Artifact) -> None:
    async def version(session: AsyncSession) -> None:
        session.add(model)
        try:
            await session.flush()
        except IntegrityError:
            raise Taken(
                f"a model {model.name!r} of version {model.version!r} was registered meanwhile; name another version"
            ) from None
        session.add(artifact)
        await session.flush()
        await record(session, t.Subject.ARTIFACT, artifact)
        row = await session.get_one(t.Mitigation, attempt.id)
        row.version_id = model.id

    await attempt.complete(report.summary, also=version, report=report)


def _version(asked: t.Mitigation, model: t.Model, report: MitigationReport) -> t.Model:
    """The new version, which belongs to whoever asked; what the card said of the old one need not hold."""
    return t.Model(
        id=uuid4(),
        organization_id=asked.organization_id,
        owner_id=asked.created_by_id,
        name=model.name,
        version=asked.version_name,
        type=model.type,
        description=f"Version {model.version} trained again for {report.constraint} between groups of {report.attribute}."
        f" {report.summary}",
        features=model.features,
    )


def _artifact(asked: t.Mitigation, found: Probed, **file: Any) -> t.Artifact:
    """Its file, read already."""
    now = t.now()
    return t.Artifact(
        organization_id=asked.organization_id,
        created_by_id=asked.created_by_id,
        status=t.Status.COMPLETED,
        stage="completed",
        progress=1.0,
        message=ready(found.signature),
        started_at=now,
        finished_at=now,
        format=found.signature.format,
        signature=found.signature,
        tried=found.tried,
        **file,
    )


def _measured(file: Path) -> tuple[str, Count]:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest(), Count(file.stat().st_size)


def train(
    tell: Tell, file: ModelFile, parts: Sequence[Part], options: MitigationOptions, target: Path
) -> tuple[MitigationReport, Probed]:
    """The whole computation, in a child."""
    from engine.mitigation.mitigate import mitigate  # noqa: PLC0415  # brings scikit-learn and fairlearn

    with within("options"):
        report = mitigate(portion(tell, 0.0, TRAINED), file.open(), parts, options, target, file.allowed)
    looking = portion(tell, TRAINED, 1.0)
    return report, probe(target, ModelType.CLASSIFICATION, file.names, looking, file.allowed)
