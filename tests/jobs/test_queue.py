"""The queue: it says what the rows say, in the same transaction and whatever happens to it."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

import db.tables as t
import jobs.reaper
from jobs.attempt import AT_ONCE
from jobs.queue import start
from tests.jobs import works
from tests.waiting import eventually


def entries(url: str) -> list[tuple[str, str]]:
    """Id of the row and status of the entry, of all there are."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT args->>'id', status::text FROM procrastinate_jobs ORDER BY id")
        return found.fetchall()


def change(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement, values)


async def test_an_entry_is_not_seen_before_the_commit_and_gone_with_a_rollback(table, people, url):
    person = people["analyst"]
    row = t.Dataset(
        organization_id=person.organization_id, created_by_id=person.user_id, name="x", sha256="", bytes=1
    )

    async def starts_and_fails() -> None:
        async with table.database.write(person.scope) as session:
            await start(session, t.Subject.DATASET, row)
            assert await session.scalar(text("SELECT count(*) FROM dataset")) == 1
            assert entries(url) == []
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await starts_and_fails()
    assert entries(url) == []
    assert await table.row(row.id) is None
    id = await table.queued()
    assert entries(url) == [(str(id), "todo")]


async def test_two_workers_run_one_job_once(table, hire, task):
    task(works.answer, 42)
    await hire()
    await hire()
    ids = [await table.queued() for _ in range(8)]
    for id in ids:
        row = await table.ended(id)
        assert (row.status, row.attempt, row.message) == (t.Status.COMPLETED, 1, "Result: 42")
        assert [e.status for e in await table.events(id)].count(t.Status.COMPLETED) == 1


async def test_entries_of_ended_work_do_not_pile_up(table, hire, task, url, monkeypatch):
    monkeypatch.setattr(jobs.reaper, "REAP_S", 0.1)
    task(works.errs)
    id = await table.queued()
    await hire()
    await table.ended(id)
    await eventually(lambda: entries(url) == [])
    change(
        url,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 'x', 'failed')",
    )
    await eventually(lambda: entries(url) == [])


async def test_a_row_whose_entry_was_lost_is_found_again(table, hire, task, url):
    task(works.answer, 1)
    id = await table.queued()
    change(url, "DELETE FROM procrastinate_jobs")
    await hire()
    assert (await table.ended(id)).status is t.Status.COMPLETED
    assert [e.status for e in await table.events(id)].count(t.Status.COMPLETED) == 1


async def test_running_work_whose_entry_was_lost_is_left_alone_while_something_is_heard_of_it(
    table, hire, task, url, mark, monkeypatch
):
    monkeypatch.setattr(jobs.reaper, "REAP_S", 0.1)
    monkeypatch.setattr(jobs.reaper, "SWEEP_EVERY", 1)
    task(works.waits, 2, mark)
    id = await table.queued()
    await hire()
    await eventually(mark.exists)
    change(url, "DELETE FROM procrastinate_jobs")
    row = await table.ended(id)
    assert (row.status, row.attempt) == (t.Status.COMPLETED, 1)


async def test_running_work_without_an_entry_is_taken_over_when_nothing_is_heard_of_it(
    table, hire, task, url, monkeypatch
):
    monkeypatch.setattr(jobs.reaper, "SILENT_S", 0)
    task(works.answer, 1)
    id = await table.queued(status=t.Status.RUNNING, attempt=1)
    change(url, "DELETE FROM procrastinate_jobs")
    await hire()
    row = await table.ended(id)
    assert (row.status, row.attempt, row.deaths) == (t.Status.COMPLETED, 2, 1)


async def test_a_job_given_to_a_worker_that_never_heard_of_it_is_run(table, hire, task, url, monkeypatch):
    """The database was cut off while it handed the job out; the worker lives on and its heartbeat with it."""
    monkeypatch.setattr(jobs.reaper, "REAP_S", 0.2)
    task(works.answer, 1)
    await hire()
    first = await table.queued()
    await table.ended(first)
    with psycopg.connect(url) as connection:  # hand one out, as a fetch whose answer is lost
        (worker,) = connection.execute("SELECT max(id) FROM procrastinate_workers").fetchone()
        connection.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
    async with table.database.write(table.people["analyst"].scope) as session:
        row = t.Dataset(
            organization_id=table.people["analyst"].organization_id,
            created_by_id=table.people["analyst"].user_id,
            name="x",
            sha256="",
            bytes=1,
        )
        session.add(row)
    change(
        url,
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id, args)"
        " VALUES ('default', 'dataset', 'doing', %s, jsonb_build_object('id', %s::text, 'organization', %s::text))",
        worker,
        str(row.id),
        str(row.organization_id),
    )
    assert (await table.ended(row.id)).status is t.Status.COMPLETED


async def test_workers_that_sweep_at_once_make_one_entry(table, url):
    id = await table.queued()
    change(url, "DELETE FROM procrastinate_jobs")
    await asyncio.gather(*(asyncio.to_thread(change, url, jobs.reaper._sweep()) for _ in range(4)))
    assert entries(url) == [(str(id), "todo")]


async def test_an_organization_with_a_long_queue_does_not_starve_another(table, hire, task, url):
    task(works.answer, 1)
    for _ in range(AT_ONCE):
        await table.queued(status=t.Status.RUNNING)
    change(url, "DELETE FROM procrastinate_jobs")  # they run somewhere else
    waiting = [await table.queued() for _ in range(40)]
    await hire(at_once=1)
    theirs = await table.queued("stranger")
    assert (await table.ended(theirs, "stranger")).status is t.Status.COMPLETED
    assert {(await table.row(id)).status for id in waiting} == {t.Status.QUEUED}
