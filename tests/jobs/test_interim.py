"""Looks at the sum so far while parts are merged: in children, now and then, and never in the way."""

import asyncio

import pytest

from jobs.attempt import Lost
from jobs.children import Children
from jobs.interim import Looks
from jobs.parts import Local, Part, merged_in_order
from tests.jobs import looks
from tests.jobs import parts as work
from tests.jobs.conftest import alive
from tests.jobs.parts import Wanted
from tests.waiting import PATIENCE_S, eventually

PARTS = 12


@pytest.fixture
async def children():
    opened = Children(2)
    async with opened.open():
        yield opened


@pytest.fixture
def at_once(monkeypatch):
    """A look as soon as there is something new to see."""
    monkeypatch.setattr("jobs.interim.PAUSE_S", 0)


async def merged(children, judge, *args, attempt=None, seconds=0.0):
    return await merged_in_order(
        attempt or Wanted(),
        Local(children=children),
        work.numbered,
        [Part(args=(i, seconds), rows=10) for i in range(PARTS)],
        lambda a, b: a + b,
        0.4,
        Looks(children, judge, *args),
    )


async def test_what_a_look_finds_is_told_and_is_of_a_part_of_the_sum(children, at_once):
    attempt = Wanted()
    assert await merged(children, looks.says, attempt=attempt) == list(range(PARTS))
    told = [step for step in attempt.steps if step.interim]
    assert told
    assert all(step.partial["sum"] == list(range(step.partial["merged"])) for step in told)
    assert all(1 <= step.partial["merged"] < PARTS for step in told)
    assert attempt.steps[-1].message == f"Counted 120 of 120 rows, {PARTS} of {PARTS} parts"


async def test_quick_work_is_not_looked_at(children, monkeypatch):
    monkeypatch.setattr("jobs.interim.PAUSE_S", 60)
    attempt = Wanted()
    assert await merged(children, looks.says, attempt=attempt) == list(range(PARTS))
    assert not [step for step in attempt.steps if step.interim]


@pytest.mark.parametrize("judge", [looks.refuses, looks.errs, looks.is_killed])
async def test_a_look_that_fails_tells_nothing_and_harms_nothing(children, at_once, judge, tmp_path):
    attempt = Wanted()
    assert await merged(children, judge, tmp_path, attempt=attempt) == list(range(PARTS))
    assert list(tmp_path.iterdir())
    assert not [step for step in attempt.steps if step.interim]


async def test_nobody_waits_for_a_look_when_all_is_merged(children, at_once, tmp_path):
    async with asyncio.timeout(PATIENCE_S):
        assert await merged(children, looks.takes_minutes, tmp_path / "pid") == list(range(PARTS))
    await eventually(lambda: not alive(int((tmp_path / "pid").read_text())))


async def test_a_look_ends_with_the_work(children, at_once, tmp_path):
    attempt, mark = Wanted(), tmp_path / "pid"
    running = asyncio.create_task(merged(children, looks.takes_minutes, mark, attempt=attempt, seconds=1.0))
    await eventually(lambda: mark.exists() and mark.read_text())
    attempt.ours = False
    with pytest.raises(Lost):
        await running
    await eventually(lambda: not alive(int(mark.read_text())))
