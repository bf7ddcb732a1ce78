"""The job behind a dataset: however it ends, no file stays that nobody will read."""

import pytest
from sqlmodel import col, update

import db.tables as t
import jobs.dataset
from jobs.attempt import Lost, claim
from jobs.children import ChildFailed
from tests.builders import LOANS


@pytest.fixture
async def attempt(table, scope, tools, tmp_path):
    """A dataset whose file has come in, claimed by us."""
    id = await table.queued()
    row = await table.row(id)
    (tmp_path / "loans.csv").write_text(LOANS)
    await tools.blobs.put_file(row.upload, tmp_path / "loans.csv")
    async with tools.children.open():
        yield await claim(table.database, t.Subject.DATASET, scope, id)


async def test_a_table_that_is_read_leaves_its_parquet_file_and_nothing_else(table, tools, attempt):
    await jobs.dataset.run(attempt, tools)
    row = await table.row(attempt.id)
    assert (row.status, row.rows, row.upload) == (t.Status.COMPLETED, 360, None)
    assert await tools.blobs.list() == [row.blob]


async def test_cancelled_at_the_last_moment_it_leaves_no_file(table, scope, tools, attempt, monkeypatch):
    complete = jobs.dataset.complete

    async def too_late(*given):
        assert len(await tools.blobs.list()) == 2
        async with table.database.write(scope) as session:
            change = (
                update(t.Dataset).where(col(t.Dataset.id) == attempt.id).values(status=t.Status.CANCELLED)
            )
            await session.execute(change)
        await complete(*given)

    monkeypatch.setattr(jobs.dataset, "complete", too_late)
    with pytest.raises(Lost):
        await jobs.dataset.run(attempt, tools)
    assert await tools.blobs.list() == []


async def test_cancelled_at_the_last_moment_it_spares_the_file_of_an_equal_dataset(
    table, scope, tools, attempt, monkeypatch
):
    complete = jobs.dataset.complete

    async def too_late(attempt, ingested, blob):
        async with table.database.write(scope) as session:
            change = (
                update(t.Dataset).where(col(t.Dataset.id) == attempt.id).values(status=t.Status.CANCELLED)
            )
            await session.execute(change)
        await table.queued(status=t.Status.COMPLETED, blob=blob)
        await complete(attempt, ingested, blob)

    monkeypatch.setattr(jobs.dataset, "complete", too_late)
    with pytest.raises(Lost):
        await jobs.dataset.run(attempt, tools)
    assert len(await tools.blobs.list()) == 1


async def test_a_file_that_the_child_does_not_survive_is_failed_and_not_kept(
    table, tools, attempt, monkeypatch
):
    async def dies(*_):
        raise ChildFailed("the work needed more than 6 GiB of memory and was stopped")

    monkeypatch.setattr(jobs.dataset, "compute", dies)
    await jobs.dataset.run(attempt, tools)
    row = await table.row(attempt.id)
    assert (row.status, row.upload) == (t.Status.FAILED, None)
    assert "memory" in row.error
    assert await tools.blobs.list() == []
