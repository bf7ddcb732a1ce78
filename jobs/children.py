"""Children: processes that do the heavy work, limited in memory and time, and killed without harm.

A child is forked from a server that has only imported libraries, does one piece of work and ends. What it
tells on the way comes over a local socket; its result comes back through pebble's pipe.
"""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import pickle
import resource
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from engine.values import Step, Tell

P = ParamSpec("P")
Result = TypeVar("Result")

MEMORY_BYTES = 6 * 1024**3
SECONDS = 1800.0
_HEADER = 4
_PRELOAD = [
    "duckdb",
    "numpy",
    "pyarrow.parquet",
    "engine.fairness.analysis",
    "engine.tables.ingest",
    "jobs.tasks",
]


class ChildFailed(Exception):
    """The child ended without a result; the message says what a person can do about it."""


@dataclass
class Running(Generic[Result]):
    """A child at work: its steps as they come, then its result."""

    result: "asyncio.Future[Result]"
    steps: "asyncio.Queue[Step]" = field(default_factory=asyncio.Queue)

    async def news(self, seconds: float) -> list[Step]:
        """The steps told since the last look, waiting at most so long for the child to end."""
        await asyncio.wait([self.result], timeout=seconds)
        return [self.steps.get_nowait() for _ in range(self.steps.qsize())]

    async def outcome(self) -> Result:
        try:
            return await self.result
        except MemoryError:
            raise ChildFailed(_memory()) from None
        except TooSlow:
            raise ChildFailed(
                f"the work took longer than {SECONDS / 60:.0f} minutes and was stopped"
            ) from None
        except ProcessExpired as error:
            raise ChildFailed(
                f"the process that did the work ended unexpectedly ({error.exitcode})"
            ) from None


class Children:
    """A pool of limited processes, and the socket on which they tell their steps."""

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOAD)
        self._pool = ProcessPool(
            max_workers=processes, max_tasks=1, context=context, initializer=_limit, initargs=[MEMORY_BYTES]
        )
        self._heard: dict[str, asyncio.Queue[Step]] = {}
        self._address = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="fairmind-") as folder:
            self._address = str(Path(folder) / "steps")
            server = await asyncio.start_unix_server(self._hear, self._address)
            try:
                yield
            finally:
                server.close()
                self._pool.stop()  # type: ignore[no-untyped-call]
                await asyncio.to_thread(self._pool.join)

    @contextlib.asynccontextmanager
    async def run(
        self, work: Callable[Concatenate[Tell, P], Result], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[Running[Result]]:
        """Run `work(tell, ...)` in a child; leaving the block kills it when it is still at work."""
        token = secrets.token_hex(16)
        future = self._pool.schedule(_work, args=[self._address, token, work, args, kwargs], timeout=SECONDS)
        running: Running[Result] = Running(result=asyncio.wrap_future(future))
        self._heard[token] = running.steps
        try:
            yield running
        finally:
            future.cancel()  # type: ignore[no-untyped-call]
            running.result.cancel()
            del self._heard[token]

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            steps = self._heard.get(pickle.loads(await _message(reader)))  # noqa: S301  # our own child, private socket
            while steps is not None:
                steps.put_nowait(pickle.loads(await _message(reader)))  # noqa: S301  # as above


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_HEADER)))


def _work(
    address: str, token: str, work: Callable[..., Result], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    with socket.socket(socket.AF_UNIX) as speaker:
        speaker.connect(address)

        def say(thing: object) -> None:
            content = pickle.dumps(thing)
            with contextlib.suppress(OSError):  # nobody listens any more: the result decides
                speaker.sendall(len(content).to_bytes(_HEADER) + content)

        say(token)
        return work(say, *args, **kwargs)


def _limit(memory: int) -> None:
    """End with the parent, and never take more memory than is fair."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no child outlives a killed worker
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    os.environ.clear()  # a child needs no secret


def _memory() -> str:
    return f"the work needed more than {MEMORY_BYTES // 1024**3} GiB of memory and was stopped"
