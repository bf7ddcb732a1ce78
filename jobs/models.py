"""What every job with a model needs: its file or the way to it, the rows, and a child that is kept in.

Such a child reaches no network, unless the model is served elsewhere: rows that lie in a store are copied for it by
another one, which never opens the file.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy.orm import undefer
from sqlmodel import col, select

import db.tables as t
import engine.models.rows
import engine.models.scoring
from db.lake import again
from db.owned import owned
from engine.errors import EngineError
from engine.models.formats import opened
from engine.models.prediction import Scoring
from engine.models.scorer import Scorer
from engine.models.signature import ModelFormat, Signature
from engine.tables.part import Part, Remote
from engine.tables.parts import Lake
from engine.values import Count, Tell
from jobs.attempt import Attempt
from jobs.confinement import Confinement
from jobs.endpoint import ModelElsewhere
from jobs.work import Workshop, compute

Result = TypeVar("Result")


class Gone(EngineError):
    """What a job was to work on was deleted meanwhile; the message says which."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What opens a model, in a child."""

    path: Path
    format: ModelFormat
    names: tuple[str, ...]
    """Of its features as registered, for files without names."""
    signature: Signature
    allowed: tuple[str, ...] = ()
    """Types that the organization opens beyond the usual."""
    within: ClassVar[Confinement] = Confinement()

    def open(self) -> Scorer:
        """Only in a child that is kept in."""
        return opened(self.path, self.format, self.names, self.allowed)


Openable = ModelFile | ModelElsewhere


async def signature_of(attempt: Attempt, model_id: UUID) -> Signature | None:
    """What a model takes and gives; None of one with neither file nor endpoint that was tried."""
    query = owned(t.Artifact, attempt.scope).where(col(t.Artifact.model_id) == model_id)
    found = await attempt.rows(query.options(undefer(t.Artifact.signature)))  # type: ignore[arg-type]  # a column
    return found[0].signature if found else None


@asynccontextmanager
async def model_file(attempt: Attempt, workshop: Workshop, model_id: UUID | None) -> AsyncIterator[Openable]:
    """A model as a child can open it.

    Raises:
        Gone: it has neither file nor endpoint that was tried, or is gone.
        InvalidInput: its endpoint is at an address that is no longer called.
    """
    query = owned(t.Artifact, attempt.scope).where(col(t.Artifact.model_id) == model_id)
    columns = undefer(t.Artifact.signature), undefer(t.Artifact.endpoint)  # type: ignore[arg-type]  # of a class
    found = await attempt.rows(query.options(*columns))
    signature, endpoint, blob = (
        (found[0].signature, found[0].endpoint, found[0].blob) if found else (None, None, None)
    )
    if signature is not None and endpoint is not None:
        yield ModelElsewhere.at(endpoint, workshop.outbound)
    elif signature is not None and blob is not None:
        model = await attempt.one(t.Model, model_id)
        names = () if model is None else model.features
        allowed = await allowed_types(attempt)
        async with workshop.file(blob) as path:
            yield ModelFile(
                path=path, format=signature.format, names=names, signature=signature, allowed=allowed
            )
    else:
        raise Gone("the model has neither file nor endpoint any more that could be asked")


async def allowed_types(attempt: Attempt) -> tuple[str, ...]:
    """What the organization that asks opens in model files beyond the usual."""
    (asking,) = await attempt.rows(
        select(t.Organization).where(col(t.Organization.id) == attempt.scope.organization_id)
    )
    return asking.allowed_types


async def kept_in(
    attempt: Attempt, workshop: Workshop, work: Callable[..., Result], model: Openable, *args: Any
) -> Result:
    """Run `work(tell, model, *args)`, which opens the model, in a child that is kept in as it needs."""
    return await compute(attempt, workshop, work, model, *args, within=model.within)


@asynccontextmanager
async def parts_of(attempt: Attempt, workshop: Workshop, dataset: t.Dataset) -> AsyncIterator[Sequence[Part]]:
    """The parts of a dataset, wherever they lie.

    Raises:
        Gone: it has no rows that can be read.
    """
    if dataset.uri is not None:
        found = dataset.uri, workshop.lake, dataset.organization_id, dataset.sha256
        yield await compute(attempt, workshop, listed, *found)
    elif dataset.blob is not None:
        async with workshop.file(dataset.blob) as path:
            yield [path]
    else:
        raise Gone("the dataset is no longer there")


async def within_reach(
    attempt: Attempt, workshop: Workshop, parts: Sequence[Part], names: Sequence[str], folder: Path
) -> Sequence[Part]:
    """The same rows where a child that is kept in can read them: themselves, or a copy of these columns."""
    if not any(isinstance(part, Remote) for part in parts):
        return parts
    target = folder / "rows.parquet"
    await compute(attempt, workshop, copied, parts, list(names), target)
    return [target]


async def scored(
    attempt: Attempt,
    workshop: Workshop,
    file: Openable,
    dataset: t.Dataset,
    scoring: Scoring,
    folder: Path,
) -> Path:
    """A file with all columns of a dataset and the model's answers."""
    async with parts_of(attempt, workshop, dataset) as parts:
        near = await within_reach(attempt, workshop, parts, file.signature.names, folder)
        numbers, table = folder / "numbers", folder / "scored.parquet"
        await kept_in(attempt, workshop, score, file, near, numbers)
        await compute(attempt, workshop, joined, parts, numbers, file.signature, scoring, table)
        numbers.unlink()
        return table


def listed(tell: Tell, uri: str, lake: Lake, organization: UUID, fingerprint: str) -> list[Part]:
    return list(again(uri, lake, organization, fingerprint).parts)


def copied(tell: Tell, parts: Sequence[Part], names: Sequence[str], target: Path) -> None:
    engine.models.rows.copy(parts, names, target)


def score(tell: Tell, file: Openable, parts: Sequence[Part], target: Path) -> Count:
    return engine.models.scoring.score(file.open(), parts, target, tell)


def joined(
    tell: Tell, parts: Sequence[Part], scores: Path, signature: Signature, scoring: Scoring, target: Path
) -> None:
    engine.models.scoring.join(parts, scores, signature, scoring, target)
