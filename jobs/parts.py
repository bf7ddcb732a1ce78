"""Where the parts of a table are summarised: here in children, or on a cluster.

A `Crew` is hired for one job, and what its hands are given runs side by side. Summaries are merged in the order of the parts, so they come out the same wherever they were made.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from engine.values import Step
from jobs.attempt import Attempt, Lost
from jobs.children import Children, Killed
from jobs.interim import Looks, Standing

LOOK_SECONDS = 0.2
CHECK_SECONDS = 0.5
"""Between two checks that the work is still wanted: what is cancelled stops within a second."""
TRIES = 3
"""For a part whose child the system kills."""


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Room for some parts at once."""

    width: int
    """Parts that are worth giving at the same time."""
    do: Callable[..., Coroutine[Any, Any, Any]]
    """`await do(work, *args)` runs `work(tell, *args)` elsewhere."""


class Crew(Protocol):
    """A place with many hands."""

    def hired(self) -> AbstractAsyncContextManager[Hands]:
        """Hands for one job; what still runs at the end of the block is stopped within a second."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """The worker's own children; a part whose child is killed is tried again, the others go on."""

    children: Children

    @asynccontextmanager
    async def hired(self) -> AsyncIterator[Hands]:
        yield Hands(width=self.children.processes, do=self._do)

    async def _do(self, work: Callable[..., Any], *args: Any) -> Any:
        for left in reversed(range(TRIES)):
            try:
                async with self.children.run(work, *args) as child:
                    return await child.outcome()
            except Killed:
                if not left:
                    raise
        raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is done with one part: `work(tell, *args)`."""

    args: tuple[Any, ...]
    rows: int


async def merged_in_order(
    attempt: Attempt,
    crew: Crew,
    work: Callable[..., Any],
    parts: Sequence[Part],
    together: Callable[[Any, Any], Any],
    share: float,
    looks: Looks | None = None,
) -> Any:
    """The sum of what `work` makes of the parts, at least one of them; steps tell how many rows are in it already.

    Args:
        share: of the whole job, which the steps stay below.
        looks: at the sum so far; never at the whole, which is judged once and for all by the caller.

    Raises:
        Lost: the work is no longer wanted; nothing of it runs on.
    """
    told = _Telling(attempt, sum(part.rows for part in parts), len(parts), share)
    waiting, total = deque(parts), None
    async with crew.hired() as hands:
        running: deque[tuple[Part, asyncio.Task[Any]]] = deque()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * hands.width:  # the next ones stand ready
                    part = waiting.popleft()
                    running.append((part, asyncio.create_task(hands.do(work, *part.args))))
                busy = [task for _, task in running if not task.done()]
                if busy:
                    await asyncio.wait(busy, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                _raise_any(task for _, task in running)
                while running and running[0][1].done():
                    part, task = running.popleft()
                    found = task.result()
                    total = found if total is None else await asyncio.to_thread(together, total, found)
                    told.count(part.rows)
                if looks is not None and (waiting or running):
                    looks.look(total, told.standing)
                    await told.now_and_then(looks.found())
                else:
                    await told.now_and_then([])
        finally:
            ending = [task for _, task in running] + (looks.running if looks is not None else [])
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
    return total


def _raise_any(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """The first failure counts, whichever part it is of."""
    for task in tasks:
        if task.done():
            task.result()


class _Telling:
    """Steps as parts are merged, and a look whether they are still wanted; neither too often."""

    def __init__(self, attempt: Attempt, rows: int, parts: int, share: float) -> None:
        self._attempt, self._rows, self._parts, self._share = attempt, rows, parts, share
        self._merged = self._counted = self._said = 0
        self._looked = self._spoke = time.monotonic()

    def count(self, rows: int) -> None:
        self._merged, self._counted = self._merged + 1, self._counted + rows

    @property
    def standing(self) -> Standing:
        fraction = self._share * self._counted / max(1, self._rows)
        return Standing(merged=self._merged, parts=self._parts, fraction=fraction)

    async def now_and_then(self, found: list[Step]) -> None:
        """Tell what a look has found, and how many rows are counted."""
        now = time.monotonic()
        if now - self._looked >= CHECK_SECONDS:
            self._looked = now
            if not await self._attempt.still_ours():
                raise Lost
        done = self._merged == self._parts
        if self._merged > self._said and (done or now - self._spoke >= LOOK_SECONDS):
            self._spoke, self._said = now, self._merged
            message = (
                f"Counted {self._counted:,} of {self._rows:,} rows, {self._merged:,} of {self._parts:,} parts"
            )
            found = [*found, Step(stage="counting rows", fraction=self.standing.fraction, message=message)]
        if found:
            await self._attempt.tell(found)
