"""The worker process, as the settings say."""

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

import structlog

from app.leftovers import sweep_silent, swept
from app.settings import Settings
from db.blobs import Blobs
from db.session import Database
from jobs.children import PREFIX, SOCKET, Children
from jobs.parts import Crew, Local
from jobs.work import Workshop
from jobs.worker import Worker

log = structlog.get_logger()


def workshop(chosen: Settings) -> Workshop:
    """The tools of a worker, as the settings say."""
    children = Children(chosen.worker_processes)
    return Workshop(
        children=children,
        crew=_crew(chosen, children),
        lake=chosen.lake,
        outbound=chosen.outbound,
        blobs=Blobs.at(chosen.datasets, chosen.storage_options),
        place=swept(chosen.data / "scratch"),
    )


def _crew(chosen: Settings, children: Children) -> Crew:
    if chosen.dask_scheduler is None:
        return Local(children=children)
    try:
        from jobs.cluster import Cluster  # noqa: PLC0415  # of an extra that few need
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"DASK_SCHEDULER is set and {error.name} is not installed: in the checkout, run: pip install '.[dask]'"
        ) from None
    return Cluster(address=chosen.dask_scheduler)


async def work(chosen: Settings, url: str) -> None:
    """Run jobs until the process is told to stop; what is unfinished then goes back into the queue."""
    sweep_silent(Path(tempfile.gettempdir()), f"{PREFIX}*/{SOCKET}")
    direct = chosen.database_direct_url.get_secret_value() if chosen.database_direct_url else url
    database = Database(url, pool_size=4, max_connections=chosen.database_max_connections)
    worker = Worker(
        url=direct,
        database=database,
        workshop=workshop(chosen),
        at_once=chosen.worker_processes,
    )
    task = asyncio.create_task(worker.work())
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, _stop, task)
    log.info("worker started", processes=chosen.worker_processes)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await database.close()


def _stop(task: asyncio.Task[None]) -> None:
    """Once: a second word would cut off the jobs that the first one lets end."""
    if not task.cancelling():
        task.cancel()
