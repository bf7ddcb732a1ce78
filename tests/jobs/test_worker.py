"""A worker: whatever ends a job, the person reads why, and nothing is lost or left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

import db.tables as t
import jobs.queue
from db.owned import one_to_change
from engine.errors import InvalidInput
from engine.values import Step
from jobs import worker as module
from jobs.work import compute
from tests.jobs import works
from tests.jobs.conftest import alive, spawn
from tests.waiting import PATIENCE_S, eventually


async def test_steps_are_stored_at_most_five_times_a_second_and_no_partial_result_is_lost(table, hire, task):
    task(works.steps, 60, 0.03)
    await hire()
    id = await table.queued()
    await table.ended(id)
    told = [event for event in await table.events(id) if event.stage == "counting"]
    assert [e.partial["number"] for e in told if e.partial] == list(range(0, 60, 3))
    plain = [event.created_at.timestamp() for event in told if event.partial is None]
    assert len(plain) <= 5 * 60 * 0.03 * 2 + 2  # 5 a second of about 2 s; a busy machine makes it longer
    assert all(later - earlier > 0.1 for earlier, later in pairwise(plain[:-1]))
    fractions = [event.fraction for event in await table.events(id)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize(
    ("work", "arguments", "said"),
    [
        (works.refuses, (), "the column race is empty"),
        (works.takes_memory, (), "the work needed more than 6 GiB of memory and was stopped"),
        (works.is_killed, (signal.SIGABRT,), "most likely because it needed more memory than there is"),
        (works.is_killed, (signal.SIGSEGV,), "ended unexpectedly"),
    ],
)
async def test_how_a_child_ends_is_told_to_the_person(table, hire, task, work, arguments, said):
    task(work, *arguments)
    await hire()
    id = await table.queued()
    row = await table.ended(id)
    assert row.status is t.Status.FAILED
    assert said in row.error
    assert (await table.events(id))[-1].message == row.error


async def test_work_whose_child_was_killed_is_tried_again(table, hire, task, mark):
    task(works.waits, 600, mark)
    await hire()
    id = await table.queued()
    await eventually(lambda: mark.exists() and mark.read_text())
    task(works.answer, 1)
    os.kill(int(mark.read_text()), signal.SIGKILL)
    row = await table.ended(id)
    assert (row.status, row.attempt, row.deaths) == (t.Status.COMPLETED, 2, 1)
    said = [event.message for event in await table.events(id)]
    assert "Its process was stopped by the system, waiting for another try" in said


async def test_work_whose_child_is_killed_three_times_is_failed_with_the_reason(table, hire, task):
    task(works.is_killed, signal.SIGKILL)
    await hire()
    id = await table.queued()
    row = await table.ended(id)
    assert (row.status, row.attempt, row.deaths) == (t.Status.FAILED, 3, 3)
    assert row.error == (
        "the work was stopped by the system, most likely because it needed more memory than there is;"
        " it was stopped 3 times, so it is not tried again"
    )


async def test_a_mistake_of_ours_is_masked_and_logged_without_the_data(table, hire, task, capfd):
    task(works.errs)
    await hire()
    id = await table.queued()
    row = await table.ended(id)
    assert row.error == f"something went wrong on our side; it has been logged under {id}"
    logged = capfd.readouterr().err + capfd.readouterr().out
    assert "somebody" not in logged


async def test_a_job_that_fails_leaves_its_neighbour_alone(table, hire, monkeypatch, mark):
    works_of = iter([(works.waits, 2, mark), (works.is_killed, signal.SIGSEGV)])

    async def run(attempt, workshop):
        await attempt.complete(str(await compute(attempt, workshop, *next(works_of))))

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    await hire()
    first = await table.queued()
    await eventually(mark.exists)
    second = await table.queued()
    assert (await table.ended(second)).status is t.Status.FAILED
    assert (await table.ended(first)).status is t.Status.COMPLETED


async def test_a_store_that_fails_each_time_ends_the_work_after_some_attempts(table, hire, monkeypatch):
    async def run(attempt, workshop):
        raise FileNotFoundError("the store is gone")

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    await hire()
    id = await table.queued()
    row = await table.ended(id)
    assert (row.status, row.attempt) == (t.Status.FAILED, 2)
    assert row.error.startswith("something went wrong on our side")


async def test_a_result_that_the_database_refuses_fails_the_job_at_once_and_is_logged(
    table, hire, monkeypatch
):
    async def run(attempt, workshop):
        await attempt.complete("Ready", bytes=2**70)

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    # one that was used under another configuration keeps it: take one that was not
    monkeypatch.setattr(module, "log", structlog.get_logger())
    with capture_logs() as logged:
        await hire()
        id = await table.queued()
        row = await table.ended(id)
    assert (row.status, row.attempt) == (t.Status.FAILED, 1)
    assert row.error == f"something went wrong on our side; it has been logged under {id}"
    (said,) = [each for each in logged if each["event"] == "a job failed unexpectedly"]
    assert said["exc_info"].orig.sqlstate == "22000"


async def test_a_nul_in_what_a_job_says_is_stored_as_a_replacement_character(table, hire, monkeypatch):
    preview = (("a\0\0b", "\\u0000", "\\\0"),)

    async def run(attempt, workshop):
        await attempt.tell([Step(stage="reading", fraction=0.5, message="at \0", partial={"value": "x\0"})])
        await attempt.complete("of \0", preview=preview)

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    await hire()
    id = await table.queued()
    row = await table.ended(id)
    assert (row.status, row.message) == (t.Status.COMPLETED, "of \ufffd")
    told = {event.message: event.partial for event in await table.events(id)}
    assert told["at \ufffd"] == {"value": "x\ufffd"}
    async with table.database.engine.connect() as connection:
        stored = await connection.scalar(text("SELECT preview FROM dataset WHERE id = :id"), {"id": id})
    assert stored == [["a\ufffd\ufffdb", "\\u0000", "\\\ufffd"]]


async def test_a_nul_in_the_reason_of_a_failure_leaves_no_job_running(table, hire, monkeypatch):
    async def run(attempt, workshop):
        raise InvalidInput("the group 'a\0' is too small")

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    await hire()
    row = await table.ended(await table.queued())
    assert (row.status, row.error) == (t.Status.FAILED, "the group 'a\ufffd' is too small")


async def test_a_worker_that_stops_gives_its_job_back_and_the_next_one_completes_it(
    table, hire, task, mark, monkeypatch
):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    task(works.waits, 600, mark)
    leaving = await hire()
    id = await table.queued()
    await eventually(lambda: mark.exists() and mark.read_text())
    child = int(mark.read_text())
    async with asyncio.timeout(PATIENCE_S):
        await leaving.stop()
    row = await table.row(id)
    assert (row.status, row.deaths, row.message) == (t.Status.QUEUED, 0, "Waiting for another worker")
    assert not alive(child)

    task(works.answer, 1)
    await hire()
    row = await table.ended(id)
    assert (row.status, row.attempt, row.deaths) == (t.Status.COMPLETED, 2, 0)


async def test_a_worker_that_stops_lets_a_short_job_finish(table, hire, task, mark):
    task(works.waits, 1, mark)
    leaving = await hire()
    id = await table.queued()
    await eventually(mark.exists)
    await leaving.stop()
    row = await table.row(id)
    assert (row.status, row.attempt) == (t.Status.COMPLETED, 1)


# Cancelling


async def cancelled(table, id, *, delete=False):
    async with table.database.write(table.people["analyst"].scope) as session:
        row = await one_to_change(session, t.Dataset, table.people["analyst"].scope, id)
        await jobs.queue.cancel(session, t.Subject.DATASET, row)
        if delete:
            await session.flush()
            await session.delete(row)


async def test_cancelled_while_it_waits_it_is_never_begun(table, hire, task, mark):
    task(works.waits, 0, mark)
    id, after = await table.queued(), await table.queued()
    await cancelled(table, id)
    await hire()
    await table.ended(after)
    row = await table.row(id)
    assert (row.status, row.attempt) == (t.Status.CANCELLED, 0)
    assert [event.status for event in await table.events(id)] == [t.Status.QUEUED, t.Status.CANCELLED]


@pytest.mark.parametrize("delete", [False, True])
async def test_cancelled_or_deleted_while_a_child_works_the_child_is_gone(table, hire, task, mark, delete):
    task(works.waits, 600, mark)
    await hire()
    id = await table.queued()
    await eventually(lambda: mark.exists() and mark.read_text())
    child = int(mark.read_text())
    await cancelled(table, id, delete=delete)
    await eventually(lambda: not alive(child))
    await asyncio.sleep(0.5)
    assert (await table.events(id))[-1].status is t.Status.CANCELLED
    row = await table.row(id)
    assert row is None if delete else row.status is t.Status.CANCELLED

    task(works.answer, 1)  # the slot is free
    assert (await table.ended(await table.queued())).status is t.Status.COMPLETED


async def test_cancelled_while_the_result_is_stored_nothing_of_it_stays(table, hire, monkeypatch):
    stored = asyncio.Event()

    async def run(attempt, workshop):
        stored.set()
        await asyncio.sleep(0.5)
        await attempt.complete("Ready", rows=7)

    monkeypatch.setattr(module, "TASKS", {t.Subject.DATASET: run})
    await hire()
    id = await table.queued()
    await stored.wait()
    await cancelled(table, id)
    await asyncio.sleep(1)
    row = await table.row(id)
    assert (row.status, row.rows) == (t.Status.CANCELLED, None)
    assert (await table.events(id))[-1].status is t.Status.CANCELLED


# Deaths

WORKER = """
import asyncio, os, sys
import jobs.attempt, jobs.children, jobs.worker, db.tables as t
from app.settings import Settings
from app.working import work

async def run(attempt, workshop):
    if sys.argv[1] == "deadly":
        os.kill(os.getpid(), 9)
    await asyncio.sleep(600)

if __name__ == "__main__":
    jobs.worker.GRACE_S, jobs.attempt.SETTLED_S = 0.5, 0
    if sys.argv[1] == "deadly":  # so that its next one finds out soon
        jobs.worker.HEARTBEAT_S, jobs.worker.STALLED_S = 0.5, 2.0
    jobs.worker.TASKS = {t.Subject.DATASET: run}
    jobs.children._PRELOAD.clear()  # its jobs need no child
    chosen = Settings(_env_file=None)
    asyncio.run(work(chosen, chosen.database_url.get_secret_value()))
"""


def spawned(folder: Path, url: str, manner: str, **environment: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own, whose jobs kill it or never end."""
    (folder / "worker.py").write_text(WORKER)
    told = {"DATABASE_URL": url, "DATA_PATH": str(folder), "WORKER_PROCESSES": "1"} | environment
    return spawn(str(folder / "worker.py"), manner, **told)


async def test_the_job_of_a_killed_worker_is_taken_over_by_another(table, hire, task, url, tmp_path):
    task(works.answer, 1)
    dying = spawned(tmp_path, url, "endless")
    try:
        id = await table.queued()
        await table.until(id, t.Status.RUNNING)
        other = await hire()
        await other.worker.workshop.children._ready()
    finally:
        dying.kill()
    row = await table.ended(id)
    assert (row.status, row.attempt, row.deaths) == (t.Status.COMPLETED, 2, 1)
    await asyncio.to_thread(dying.wait)


async def test_a_worker_sweeps_what_a_killed_one_left_and_told_twice_to_stop_it_stops_once(
    table, url, tmp_path, place, capfd
):
    left = place / "fairmind-left"
    left.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left / "steps"))
    os.utime(left / "steps", (time.time() - 60,) * 2)
    worker = spawned(tmp_path, url, "endless", TMPDIR=str(place))
    try:
        id = await table.queued()
        await table.until(id, t.Status.RUNNING)
        assert not left.exists()
        for _ in range(2):
            worker.terminate()
            await asyncio.sleep(0.2)
        await asyncio.to_thread(worker.wait, PATIENCE_S)
    finally:
        worker.kill()
    row = await table.row(id)
    assert (row.status, row.message) == (t.Status.QUEUED, "Waiting for another worker")
    assert "AppNotOpen" not in capfd.readouterr().err


async def test_a_job_that_kills_three_workers_is_failed_with_the_reason(table, url, tmp_path):
    """The real thing: each worker is a process that dies by SIGKILL in the middle of the job."""
    id = await table.queued()
    deaths = 0
    process = None
    try:
        async with asyncio.timeout(5 * PATIENCE_S):  # three workers start and are missed
            while (row := await table.row(id)).status is not t.Status.FAILED:
                if process is None or process.poll() is not None:
                    deaths += process is not None
                    process = spawned(tmp_path, url, "deadly")
                await asyncio.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    assert row.error == "3 workers stopped while they ran this, so it is not tried again"
    assert (deaths, row.attempt, row.deaths) == (3, 3, 3)
