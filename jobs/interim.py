"""What can be told while parts are still being read: the sum so far, judged in a child, one look at a time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from engine.errors import EngineError
from engine.values import Step
from jobs.children import Children, Crashed

PAUSE_S = 1.0
"""Least time before the first look, and from the end of one to the next: the parts have the processors."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far the merging is."""

    merged: int
    parts: int
    fraction: float
    """Of the whole job."""


class Looks:
    """Now and then, `judge(tell, total, standing, *args)` in a child makes the steps that are told.

    A look that fails tells nothing: the parts to come may bring what it lacked, and the report does not need it.
    """

    def __init__(self, children: Children, judge: Callable[..., list[Step]], *args: Any) -> None:
        self._children, self._judge, self._args = children, judge, args
        self._task: asyncio.Task[list[Step]] | None = None
        self._seen, self._ended = 0, time.monotonic()

    @property
    def running(self) -> list[asyncio.Task[list[Step]]]:
        """What whoever stops has to cancel."""
        return [] if self._task is None else [self._task]

    def look(self, total: Any, standing: Standing) -> None:
        """Begin to judge the sum, if it has grown since the last look and that one is over for a while."""
        paused = self._task is None and time.monotonic() - self._ended >= PAUSE_S
        if paused and standing.merged > self._seen:
            self._seen = standing.merged
            self._task = asyncio.create_task(self._steps(total, standing))

    def found(self) -> list[Step]:
        """The steps of a look that has ended, once."""
        if self._task is None or not self._task.done():
            return []
        task, self._task, self._ended = self._task, None, time.monotonic()
        return task.result()

    async def _steps(self, total: Any, standing: Standing) -> list[Step]:
        try:
            async with self._children.run(self._judge, total, standing, *self._args) as child:
                return await child.outcome()
        except EngineError:
            return []  # not to be judged yet, for instance without two groups
        except Exception as error:  # noqa: BLE001  # whatever it is, the analysis goes on
            about = {"child": error.kind, "places": error.frames} if isinstance(error, Crashed) else {}
            log.warning("an interim look failed", reason=str(error), **about)
            return []
