"""What every kind of job works with: children, files, and a way to compute while telling how it goes."""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import col

import db.tables as t
from db.blobs import Blobs
from db.owned import own
from engine.errors import EngineError
from engine.tables.parts import Lake
from engine.values import Step
from jobs.attempt import Attempt, Lost
from jobs.children import ChildFailed, Children
from jobs.confinement import Confinement
from jobs.hosts import Outbound
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
    outbound: Outbound = field(default_factory=Outbound)
    """Where models may be that are served elsewhere."""

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

    @contextlib.asynccontextmanager
    async def kept(self, attempt: Attempt, blob: str, file: Path) -> AsyncIterator[None]:
        """Around what completes a row with a file: it is stored before, and not kept when the work is lost or fails."""
        await self.blobs.put_file(blob, file)
        try:
            yield
        except (Lost, EngineError):
            table = _with_file(attempt)
            if not await attempt.rows(own(table, attempt.scope).where(col(table.blob) == blob)):
                await self.blobs.delete(blob)
            raise
        if not await self.blobs.exists(blob):  # its last other user was deleted a moment ago
            await self.blobs.put_file(blob, file)

    async def read_upload(
        self, attempt: Attempt, upload: str, read: Callable[[Path], Awaitable[None]]
    ) -> None:
        """Let `read` complete a row from its uploaded file, which goes afterwards; a bad file fails it in words."""
        try:
            async with self.file(upload) as source:
                await read(source)
        except (EngineError, ChildFailed) as error:  # also a file that the child did not survive
            await attempt.fail(str(error), upload=None)
        except Lost:
            table = _with_file(attempt)
            rows = await attempt.rows(own(table, attempt.scope).where(col(table.id) == attempt.id))
            if all(row.status.ended for row in rows):  # cancelled or deleted: nobody will read it any more
                await self.blobs.delete(upload)
            raise
        await self.blobs.delete(upload)

    @contextlib.asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A folder for files on the way, gone with the block."""
        with tempfile.TemporaryDirectory(prefix="fairmind-", dir=self.place) as folder:
            yield Path(folder)


def _with_file(attempt: Attempt) -> type[t.Dataset] | type[t.Artifact]:
    return t.Dataset if attempt.subject is t.Subject.DATASET else t.Artifact


async def compute(
    attempt: Attempt,
    workshop: Workshop,
    work: Callable[..., Result],
    *args: Any,
    within: Confinement | None = None,
) -> Result:
    """Run `work(tell, *args)` in a child and store its steps; Lost kills the child at once.

    Args:
        within: for work that touches what a stranger made; the child is kept in.
    """
    children = workshop.children
    running = children.run(work, *args) if within is None else children.confined(within, work, *args)
    async with running as child:
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
