"""Attempts: only the one that holds the work may tell of it, and how work comes to be held."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlmodel import col, update

import db.tables as t
from db.notify import tell
from engine.values import Step
from jobs.attempt import AT_ONCE, DEATHS, Busy, Lost, claim, left_behind
from jobs.work import _pass_on

DATASET = t.Subject.DATASET


def step(fraction: float, message: str = "Counting", partial: object = None) -> Step:
    return Step(stage="counting", fraction=fraction, message=message, partial=partial)


async def test_claiming_counts_the_attempt_and_says_that_a_worker_has_started(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    row = await table.row(id)
    assert (row.status, row.attempt, attempt.number) == (t.Status.RUNNING, 1, 1)
    assert [event.status for event in await table.events(id)] == [t.Status.QUEUED, t.Status.RUNNING]


@pytest.mark.parametrize("ending", ["tell", "complete", "fail", "release"])
async def test_an_attempt_that_was_overtaken_is_lost_and_stores_nothing(table, scope, ending):
    id = await table.queued()
    stale = await claim(table.database, DATASET, scope, id)
    fresh = await claim(table.database, DATASET, scope, id)
    before = await table.events(id)
    ways = {
        "tell": lambda: stale.tell([step(0.9, "from the grave")]),
        "complete": lambda: stale.complete("Ready", rows=1),
        "fail": lambda: stale.fail("broken"),
        "release": stale.release,
    }
    with pytest.raises(Lost):
        await ways[ending]()
    row = await table.row(id)
    assert (row.status, row.attempt, row.rows, row.error) == (t.Status.RUNNING, 2, None, None)
    assert [event.number for event in await table.events(id)] == [event.number for event in before]
    assert not await stale.still_ours()
    assert await fresh.still_ours()


async def test_completing_twice_stores_one_result(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    await attempt.complete("Ready", rows=1)
    with pytest.raises(Lost):
        await attempt.complete("Ready", rows=2)
    row = await table.row(id)
    assert (row.rows, row.progress) == (1, 1.0)
    assert [e.status for e in await table.events(id)].count(t.Status.COMPLETED) == 1


@pytest.mark.parametrize("status", [t.Status.COMPLETED, t.Status.FAILED, t.Status.CANCELLED])
async def test_there_is_nothing_to_claim_of_work_that_has_ended(table, scope, status):
    id = await table.queued(status=status)
    assert await claim(table.database, DATASET, scope, id) is None


async def test_there_is_nothing_to_claim_of_a_row_that_is_gone(table, scope):
    assert await claim(table.database, DATASET, scope, uuid4()) is None


async def test_another_organizations_row_cannot_be_claimed(table, people):
    id = await table.queued("stranger")
    assert await claim(table.database, DATASET, people["analyst"].scope, id) is None


async def test_two_claims_at_once_take_turns(table, scope):
    id = await table.queued()
    both = await asyncio.gather(*(claim(table.database, DATASET, scope, id) for _ in range(2)))
    assert sorted(attempt.number for attempt in both) == [1, 2]
    assert [await attempt.still_ours() for attempt in sorted(both, key=lambda a: a.number)] == [False, True]


async def test_an_organization_has_a_cap_of_running_jobs_and_another_one_is_not_held_up(table, people):
    scope = people["analyst"].scope
    running = [await table.queued() for _ in range(AT_ONCE)]
    for id in running:
        await claim(table.database, DATASET, scope, id)
    more = await table.queued()
    with pytest.raises(Busy):
        await claim(table.database, DATASET, scope, more)
    assert (await table.row(more)).status is t.Status.QUEUED
    assert len(await table.events(more)) == 1
    theirs = await table.queued("stranger")
    assert await claim(table.database, DATASET, people["stranger"].scope, theirs)
    ended = await claim(table.database, DATASET, scope, running[0])  # taking over is no further job
    await ended.complete("Ready")
    assert await claim(table.database, DATASET, scope, more)


async def test_the_cap_holds_for_claims_at_the_same_moment(table, scope):
    ids = [await table.queued() for _ in range(AT_ONCE + 3)]
    tries = await asyncio.gather(
        *(claim(table.database, DATASET, scope, id) for id in ids), return_exceptions=True
    )
    assert sum(isinstance(one, Busy) for one in tries) == 3


async def test_the_more_jobs_wait_the_longer_each_waits_before_it_asks_again(table, scope):
    for id in [await table.queued() for _ in range(AT_ONCE)]:
        await claim(table.database, DATASET, scope, id)
    waiting = [await table.queued() for _ in range(41)]
    with pytest.raises(Busy) as busy:
        await claim(table.database, DATASET, scope, waiting[0])
    assert busy.value.seconds == 3  # 40 others, 20 a second


async def test_work_that_outlived_three_workers_fails_with_the_reason(table, scope):
    id = await table.queued()
    for _ in range(DEATHS):
        assert await claim(table.database, DATASET, scope, id)
    assert await claim(table.database, DATASET, scope, id) is None
    row = await table.row(id)
    assert row.status is t.Status.FAILED
    assert row.error == "3 workers stopped while they ran this, so it is not tried again"
    assert (await table.events(id))[-1].message == row.error


async def test_work_whose_worker_died_waits_for_another_one_and_no_longer_takes_a_place(table, scope):
    for id in [await table.queued() for _ in range(AT_ONCE)]:
        attempt = await claim(table.database, DATASET, scope, id)
    await left_behind(table.database, DATASET, scope, attempt.id)
    row = await table.row(attempt.id)
    assert (row.status, row.deaths) == (t.Status.QUEUED, 1)
    assert row.message == "Its worker stopped, waiting for another one"
    with pytest.raises(Lost):  # it may have been only slow
        await attempt.complete("Ready")
    assert await claim(table.database, DATASET, scope, await table.queued())
    await left_behind(table.database, DATASET, scope, attempt.id)  # two workers noticed
    assert (await table.row(attempt.id)).deaths == 1


async def test_work_that_killed_its_third_worker_is_failed_as_soon_as_that_is_noticed(table, scope):
    id = await table.queued()
    for _ in range(DEATHS):
        await claim(table.database, DATASET, scope, id)
        await left_behind(table.database, DATASET, scope, id)
    row = await table.row(id)
    assert (row.status, row.deaths) == (t.Status.FAILED, DEATHS)


async def test_work_that_is_given_back_is_not_held_against_it(table, scope):
    id = await table.queued()
    for _ in range(DEATHS + 2):
        attempt = await claim(table.database, DATASET, scope, id)
        await attempt.release()
    row = await table.row(id)
    assert (row.status, row.deaths, row.finished_at) == (t.Status.QUEUED, 0, None)


async def test_progress_never_falls_not_even_when_another_worker_starts_anew(table, scope):
    id = await table.queued()
    first = await claim(table.database, DATASET, scope, id)
    await first.tell([step(0.6)])
    second = await claim(table.database, DATASET, scope, id)
    await second.tell([step(0.1, "Again")])
    await second.tell([step(1.7, "Too much")])
    fractions = [event.fraction for event in await table.events(id)]
    assert fractions == sorted(fractions)
    assert max(fractions) == 1.0


async def test_of_many_steps_at_once_the_last_and_every_partial_result_are_kept(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    steps = [step(i / 10, f"Step {i}", {"number": i} if i in (2, 5) else None) for i in range(10)]
    await _pass_on(attempt, steps)
    told = (await table.events(id))[2:]
    assert [(event.message, event.partial) for event in told] == [
        ("Step 2", {"number": 2}),
        ("Step 5", {"number": 5}),
        ("Step 9", None),
    ]


async def test_steps_whose_answer_was_cut_off_are_told_once(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    steps = [step(0.1, "One", {"number": 1}), step(0.2, "Two", {"number": 2}), step(0.3, "Three")]
    await attempt.tell(steps)
    await attempt.tell(steps)  # as `when_back` does when the commit went through and its answer did not
    assert [event.message for event in (await table.events(id))[2:]] == ["One", "Two", "Three"]


async def test_the_same_words_at_another_fraction_are_told_again(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    await attempt.tell([step(0.1, "Reading rows")])
    await attempt.tell([step(0.2, "Reading rows")])
    assert [event.fraction for event in (await table.events(id))[2:]] == [0.1, 0.2]


async def test_work_that_was_cancelled_is_lost(table, scope):
    id = await table.queued()
    attempt = await claim(table.database, DATASET, scope, id)
    async with table.database.write(scope) as session:
        await session.execute(update(t.Dataset).where(col(t.Dataset.id) == id).values(status="cancelled"))
    with pytest.raises(Lost):
        await attempt.complete("Ready", rows=1)
    assert (await table.row(id)).rows is None


async def test_a_lost_notice_is_no_failure_of_the_work(table, scope, monkeypatch):
    id = await table.queued()

    class Nowhere:
        def nobody(self):
            raise ConnectionRefusedError

    monkeypatch.setattr("jobs.attempt.tell", lambda _, organization: tell(Nowhere(), organization))
    attempt = await claim(table.database, DATASET, scope, id)
    await attempt.complete("Ready", rows=3)
    assert (await table.row(id)).rows == 3


async def test_numbers_rise_without_gaps_however_many_write_at_once(table, scope):
    ids = [await table.queued() for _ in range(4)]
    attempts = [await claim(table.database, DATASET, scope, id) for id in ids]

    async def talk(attempt):
        for i in range(10):
            await attempt.tell([step(i / 10, f"Step {i}")])

    await asyncio.gather(*map(talk, attempts))
    async with table.database.read(scope) as session:
        numbers = (await session.scalars(text("SELECT number FROM event ORDER BY number"))).all()
    assert list(numbers) == list(range(1, 4 + 4 + 40 + 1))
