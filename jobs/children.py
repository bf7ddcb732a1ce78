"""Children: processes that do the heavy work, limited in memory and time, and killed without harm.

A child is forked from a server that has only imported libraries, does one piece of work and ends. What it
tells on the way comes over a local socket; its result comes back through pebble's pipe.
"""

import asyncio
import contextlib
import ctypes
import errno
import multiprocessing
import os
import pickle
import resource
import secrets
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import TimeoutError as TooSlow
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import duckdb
from pebble import ProcessExpired, ProcessPool

from engine.errors import EngineError
from engine.values import Step, Tell
from jobs.confinement import Confinement, confine

P = ParamSpec("P")
Result = TypeVar("Result")

MEMORY_BYTES = 6 * 1024**3
SECONDS = 1800.0
LAST_WORDS_S = 2.0
_HEADER = 4
PREFIX, SOCKET = "fairmind-", "steps"
"""The folder in the system's place for temporary files, and in it what a worker's children tell."""
_KILLED = (-signal.SIGKILL, -signal.SIGTERM)
"""How a child ends that the system or a person kills; our own limits end it in other ways."""
_STOPPED = "the work was stopped by the system, most likely because it needed more memory than there is"
_PRELOAD = [
    "duckdb",
    "numpy",
    "pandas",  # pyarrow asks for it at its first conversion: half a second in every child
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.spatial",
    "engine.explanations.leaf_tables",
    "engine.fairness.analysis",
    "engine.models.walking",
    "engine.tables.ingest",
    "jobs.tasks",
    "jobs.warm",
]


class ChildFailed(Exception):
    """The child ended without a result; the message says what a person can do about it."""


class Killed(Exception):
    """The child was killed from outside, by which another try need not be hit."""


class Crashed(Exception):
    """A mistake of ours, made in the child: its kind and the places it passed, without words of its own."""

    def __init__(self, kind: str, frames: Sequence[str]) -> None:
        super().__init__(kind, frames)
        self.kind, self.frames = kind, frames


@dataclass
class Running(Generic[Result]):
    """A child at work: its steps as they come, then its result."""

    result: "asyncio.Future[Result]"
    within: Confinement | None = None
    steps: "asyncio.Queue[Step]" = field(default_factory=asyncio.Queue)
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all that the child told has come in: it has ended, or is about to."""
    spoke: bool = False

    async def news(self, seconds: float) -> list[Step]:
        """The steps told since the last look, waiting at most so long for the child to end."""
        await asyncio.wait([self.result], timeout=seconds)
        return [self.steps.get_nowait() for _ in range(self.steps.qsize())]

    async def last_words(self) -> list[Step]:
        """The remaining steps of a child that has ended: its result may have overtaken them."""
        with contextlib.suppress(TimeoutError):  # a child that was killed may never have spoken
            await asyncio.wait_for(self.silent.wait(), LAST_WORDS_S)
        return await self.news(0)

    async def outcome(self) -> Result:
        try:
            return await self.result
        except MemoryError:
            raise ChildFailed(_memory(self.within)) from None
        except TooSlow:
            raise ChildFailed(
                f"the work took longer than {_seconds(self.within) / 60:.0f} minutes and was stopped"
            ) from None
        except BrokenProcessPool:  # an idle neighbour was killed
            raise Killed(_STOPPED) from None
        except ProcessExpired as error:
            if error.exitcode in _KILLED:
                raise Killed(_STOPPED) from None
            raise ChildFailed(_ended(error.exitcode, self.within)) from None
        except OSError as error:  # the child lets no other one pass
            raise ChildFailed("the server has no room left on its disk, so the work was stopped") from error


class Children:
    """A pool of limited processes, and the socket on which they tell their steps."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._pool: ProcessPool | None = None
        self._starting = asyncio.Lock()
        self._heard: dict[str, Running[Any]] = {}
        self._address = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run children for as long as the block lasts; the first ones are warmed up in the background."""
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            self._address = str(Path(folder) / SOCKET)
            server = await asyncio.start_unix_server(self._hear, self._address)
            warming = asyncio.create_task(self._ready())
            try:
                yield
            finally:
                server.close()
                await asyncio.wait([warming])
                await asyncio.to_thread(_stop, self._pool)

    @contextlib.asynccontextmanager
    async def run(
        self, work: Callable[Concatenate[Tell, P], Result], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[Running[Result]]:
        """Run `work(tell, ...)` in a child; leaving the block kills it when it is still at work."""
        async with self._run(None, work, args, kwargs) as running:
            yield running

    @contextlib.asynccontextmanager
    async def confined(
        self,
        within: Confinement,
        work: Callable[Concatenate[Tell, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AsyncIterator[Running[Result]]:
        """The same for work that touches what a stranger made: in a child that is kept in."""
        async with self._run(within, work, args, kwargs) as running:
            yield running

    @contextlib.asynccontextmanager
    async def _run(
        self,
        within: Confinement | None,
        work: Callable[..., Result],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> AsyncIterator[Running[Result]]:
        pool = await self._ready()
        token = secrets.token_hex(16)
        told = [self._address, token, within, work, args, kwargs]
        future = pool.schedule(_work, args=told, timeout=_seconds(within))
        running: Running[Result] = Running(result=asyncio.wrap_future(future), within=within)
        self._heard[token] = running
        try:
            yield running
        finally:
            killed = not future.done() and running.spoke
            future.cancel()  # type: ignore[no-untyped-call]
            running.result.cancel()
            if killed:  # what it was writing may be cleared away only when it writes no more
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running.silent.wait(), LAST_WORDS_S)
            del self._heard[token]

    async def _ready(self) -> ProcessPool:
        """A pool that takes work. Off the loop: the first start imports for seconds, and heartbeats go on."""
        async with self._starting:
            if (
                self._pool is None or not self._pool.active
            ):  # a child that dies while it idles breaks the pool
                broken, self._pool = self._pool, await asyncio.to_thread(_start, self.processes)
                await asyncio.to_thread(_stop, broken)
            return self._pool

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        child: Running[Any] | None = None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            child = self._heard.get(pickle.loads(await _message(reader)))  # noqa: S301  # our own child, private socket
            while child is not None:
                child.spoke = True
                child.steps.put_nowait(pickle.loads(await _message(reader)))  # noqa: S301  # as above
        if child is not None:
            child.silent.set()


def _start(processes: int) -> ProcessPool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    pool = ProcessPool(
        max_workers=processes, max_tasks=1, context=context, initializer=_limit, initargs=[MEMORY_BYTES]
    )
    try:
        pool.schedule(
            os.getpid
        ).result()  # now everything is imported, and whoever comes next is served at once
    except BaseException:
        _stop(pool)
        raise
    return pool


def _stop(pool: ProcessPool | None) -> None:
    if pool is not None:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_HEADER)))


def _work(
    address: str,
    token: str,
    within: Confinement | None,
    work: Callable[..., Result],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Result:
    with socket.socket(socket.AF_UNIX) as speaker:
        speaker.connect(address)

        def say(thing: object) -> None:
            content = pickle.dumps(thing)
            with contextlib.suppress(OSError):  # nobody listens any more: the result decides
                speaker.sendall(len(content).to_bytes(_HEADER) + content)

        say(token)
        try:
            if within is not None:
                confine(within)
            return work(say, *args, **kwargs)
        except EngineError as error:
            said: Exception = error
        except Exception as error:  # noqa: BLE001  # whatever it is, the parent is told
            said = told(error)
        said.__cause__ = said.__context__ = None  # some libraries have these pickled along with it
        raise said


def told(error: Exception) -> Exception:
    """What the parent is told of an exception: it could not unpickle any, and no message may quote a cell."""
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return MemoryError()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return OSError(errno.ENOSPC, "no space left")
    frames = traceback.extract_tb(error.__traceback__)
    return Crashed(type(error).__name__, [f"{at.filename}:{at.lineno} {at.name}" for at in frames])


def _limit(memory: int) -> None:
    """End with the worker, and never take more memory than is fair."""
    Thread(target=_end_with_worker, name="end with the worker", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, though the parent is the forkserver
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # at once: pebble's handler would wait for a long query
    os.environ.clear()  # a child needs no secret


def _end_with_worker() -> None:
    """The forkserver does not notice that the worker is gone as long as a child holds its pipe; a child does."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os.kill(os.getpid(), signal.SIGKILL)


def _seconds(within: Confinement | None) -> float:
    return SECONDS if within is None else within.seconds


def _memory(within: Confinement | None) -> str:
    most = MEMORY_BYTES if within is None else within.memory_bytes
    return f"the work needed more than {most // 1024**3} GiB of memory and was stopped"


def _ended(exitcode: int | None, within: Confinement | None) -> str:
    if exitcode == -signal.SIGABRT:  # a library that finds no memory gives up
        return _STOPPED
    if exitcode == -signal.SIGXCPU and within is not None:
        return f"the work needed more than {within.cpu_s / 60:.0f} minutes of computing and was stopped"
    said = "" if exitcode is None else f" ({exitcode})"
    return f"the process that did the work ended unexpectedly{said}"
