"""A Dask cluster as the place where parts are summarised; needs the extra `dask`.

Its workers run this same code and see the same files under the same paths. What they are given is one part each,
never a `dask.dataframe`. A worker that dies costs only the parts it had: the scheduler gives them to others.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import duckdb
from distributed import Client, Event, get_client
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from engine.errors import EngineError
from engine.fairness.reading import OPENED
from engine.values import silent
from jobs.children import ChildFailed, told
from jobs.parts import Hands

CONNECT_S = 10
LOOK_S = 1.0
"""How long a task waits for the word to stop before it looks whether it is over by itself."""
AGAIN_S = 0.1
NO_CLUSTER = "the cluster does not answer; its operator should look at DASK_SCHEDULER"
WORKERS_DIED = "too many workers of the cluster stopped while they read this part, so it is not tried again"
CLUSTER_LOST = "the connection to the cluster was lost while parts were being read; start the analysis again"


class Stopped(Exception):
    """Nobody waits for the part any more."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running cluster, by the address of its scheduler."""

    address: str

    @asynccontextmanager
    async def hired(self) -> AsyncIterator[Hands]:
        """Hands on all workers there are; at the end of the block those still at work are told to stop.

        Raises:
            ChildFailed: no scheduler answers there.
        """
        try:
            client = await asyncio.to_thread(self._connected)
        except OSError:
            raise ChildFailed(NO_CLUSTER) from None
        try:
            stop = await asyncio.to_thread(Event, f"fairmind-stop-{uuid4()}", client)
            executor = client.get_executor(pure=False)

            async def do(work: Callable[..., Any], *args: Any) -> Any:
                future = executor.submit(_part, stop.name, work, args)
                try:
                    return await asyncio.wrap_future(future)
                except (KilledWorker, FutureCancelledError) as error:
                    raise ChildFailed(
                        WORKERS_DIED if isinstance(error, KilledWorker) else CLUSTER_LOST
                    ) from None
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    raise ChildFailed(CLUSTER_LOST) from None  # not we: the cluster gave it up

            threads = sum((await asyncio.to_thread(client.nthreads)).values())
            try:
                yield Hands(width=max(1, threads), do=do)
            finally:
                with suppress(OSError, TimeoutError):
                    await asyncio.to_thread(stop.set)
        finally:
            await asyncio.to_thread(client.close)

    def _connected(self) -> Client:
        return Client(self.address, timeout=CONNECT_S, set_as_default=False)


def _part(stop: str, work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The task on a worker of the cluster: the work, with somebody beside it who can stop it."""
    with _stoppable(Event(stop, client=get_client())):  # found here: the watching thread could not
        try:
            return work(silent, *args)
        except EngineError:
            raise
        except duckdb.InterruptException:
            raise Stopped from None
        except Exception as error:  # noqa: BLE001  # whatever it is, the client is told
            raise told(error) from None


@contextmanager
def _stoppable(stop: Event) -> Iterator[None]:
    """Interrupt DuckDB in the block as soon as the event is set, also between two queries."""
    opened: list[duckdb.DuckDBPyConnection] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not stop.wait(timeout=LOOK_S):
            pass
        while not over.wait(AGAIN_S):
            for connection in list(opened):
                with suppress(duckdb.Error):  # closed already
                    connection.interrupt()

    before = OPENED.set(opened)
    threading.Thread(target=watch, name="stop a part", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        OPENED.reset(before)
