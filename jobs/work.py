"""What every kind of job works with: children, files, and a way to compute while telling how it goes."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import col

import db.tables as t
from db.blobs import Blobs
from db.owned import own
from engine.tables.parts import Lake
from engine.values import Step
from jobs.attempt import Attempt, Lost
from jobs.children import Children
from jobs.parts import Crew

Result = TypeVar("Result")

LOOK_SECONDS = 0.2
"""How often steps are stored, so at most five events a second; a partial result is never dropped."""
CHECK_EVERY = 5
"""Looks between two checks that the work is still wanted: once a second."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The tools of one worker process."""

    children: Children
    blobs: Blobs
    place: Path
    """A folder for files on the way."""
    crew: Crew
    """Where the parts of datasets are read."""
    lake: Lake = field(default_factory=Lake)
    """Where datasets by reference may lie."""

    @contextlib.asynccontextmanager
    async def file(self, key: str) -> AsyncIterator[Path]:
        """A blob as a local file that a child can read."""
        local = self.blobs.local_path(key)
        if local is not None:
            yield local
            return
        async with self.scratch() as folder:
            await self.blobs.open_to(key, folder / "blob")
            yield folder / "blob"

    async def discard_ended(self, attempt: Attempt, upload: str) -> None:
        """Delete an uploaded file that nobody will read any more: its dataset was cancelled or deleted."""
        rows = await attempt.rows(own(t.Dataset, attempt.scope).where(col(t.Dataset.id) == attempt.id))
        if all(dataset.status.ended for dataset in rows):
            await self.blobs.delete(upload)

    async def discard_unused(self, attempt: Attempt, blob: str) -> None:
        """Delete a table that was stored for a dataset which then no longer wanted it, unless another has it."""
        if not await attempt.rows(own(t.Dataset, attempt.scope).where(col(t.Dataset.blob) == blob)):
            await self.blobs.delete(blob)

    @contextlib.asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A folder for files on the way, gone with the block."""
        with tempfile.TemporaryDirectory(prefix="fairmind-", dir=self.place) as folder:
            yield Path(folder)


async def compute(attempt: Attempt, workshop: Workshop, work: Callable[..., Result], *args: Any) -> Result:
    """Run `work(tell, *args)` in a child and store its steps; Lost kills the child at once."""
    async with workshop.children.run(work, *args) as child:
        looks = 0
        while not child.result.done():
            steps = await child.news(LOOK_SECONDS)
            await _pass_on(attempt, steps)
            looks += 1
            if looks % CHECK_EVERY == 0 and not await attempt.still_ours():
                raise Lost
        await _pass_on(attempt, await child.last_words())
        return await child.outcome()


async def _pass_on(attempt: Attempt, steps: list[Step]) -> None:
    if steps:
        await attempt.tell(steps)
