"""Children: what they may do, what they may not, and that nothing of them stays."""

import asyncio
import contextlib
import os
import signal
import textwrap

import pytest
import pytest_asyncio

from engine.errors import InvalidInput
from engine.values import Step
from jobs import children as module
from jobs.children import ChildFailed, Children, Crashed, Killed
from tests.jobs import works
from tests.jobs.conftest import alive, spawn
from tests.waiting import eventually


@pytest_asyncio.fixture
async def children():
    running = Children(2)
    async with running.open():
        yield running


async def outcome(children, work, *args):
    async with children.run(work, *args) as child:
        return await child.outcome()


async def test_a_child_returns_its_result(children):
    assert await outcome(children, works.answer, {"rows": 3}) == {"rows": 3}


async def test_the_first_work_finds_everything_imported(children):
    await children._ready()
    assert {"duckdb", "numpy", "scipy", "pyarrow"} <= await outcome(children, works.libraries)


async def test_every_step_arrives_in_order_however_fast_the_child_ends(children):
    for _ in range(5):
        async with children.run(works.steps, 200, 0.0) as child:
            await child.outcome()
            told = await child.last_words()
        assert [step.message for step in told] == [f"Step {i}" for i in range(200)]
        assert told[0] == Step(stage="counting", fraction=1 / 200, message="Step 0", partial={"number": 0})


async def test_what_the_caller_did_wrong_comes_back_in_its_words_and_place(children):
    with pytest.raises(InvalidInput, match="the column race is empty") as refused:
        await outcome(children, works.refuses)
    assert refused.value.at == ("protected", 0)


async def test_a_mistake_of_ours_tells_where_and_quotes_nothing(children):
    with pytest.raises(Crashed) as crashed:
        await outcome(children, works.errs)
    assert crashed.value.kind == "KeyError"
    assert any("works.py" in place for place in crashed.value.frames)
    assert "somebody" not in repr(crashed.value)


async def test_an_exception_that_cannot_be_pickled_hurts_nobody_else(children):
    with pytest.raises(Crashed):
        await outcome(children, works.raises_what_cannot_be_pickled)
    assert await outcome(children, works.answer, 1) == 1


async def test_an_error_of_the_system_in_the_child_is_not_taken_for_a_lost_database(children):
    with pytest.raises(Crashed) as crashed:
        await outcome(children, works.errs_in_the_system)
    assert crashed.value.kind == "FileNotFoundError"


async def test_taking_too_much_memory_is_said_in_words(children):
    with pytest.raises(ChildFailed, match="needed more than 6 GiB of memory"):
        await outcome(children, works.takes_memory)


async def test_a_child_whose_library_finds_no_memory_says_memory_too(children):
    with pytest.raises(ChildFailed, match="more memory than there is"):
        await outcome(children, works.is_killed, signal.SIGABRT)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_child_that_was_killed_from_outside_has_not_failed(children, number):
    with pytest.raises(Killed, match="more memory than there is"):
        await outcome(children, works.is_killed, number)


async def test_a_child_that_crashes_fails_only_its_own_work(children, tmp_path):
    async with children.run(works.waits, 1.5, tmp_path / "neighbour") as neighbour:
        await eventually((tmp_path / "neighbour").exists)
        with pytest.raises(ChildFailed, match="ended unexpectedly"):
            await outcome(children, works.is_killed, signal.SIGSEGV)
        assert await neighbour.outcome() == "done"


async def test_children_that_die_while_they_idle_are_replaced(children):
    await children._ready()
    workers = children._pool._pool_manager.worker_manager.workers
    for pid in list(workers):
        with contextlib.suppress(ProcessLookupError):  # the one that warmed up ends by itself
            os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not children._pool.active)
    assert await outcome(children, works.answer, 2) == 2


async def test_too_slow_a_child_is_stopped_with_a_reason(children, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SECONDS", 0.5)
    with pytest.raises(ChildFailed, match="longer than 0 minutes and was stopped"):
        await outcome(children, works.waits, 600, tmp_path / "pid")
    await eventually(lambda: not alive(int((tmp_path / "pid").read_text())))


async def test_leaving_kills_a_child_at_work(children, mark):
    async with children.run(works.waits, 600, mark):
        await eventually(mark.exists)
        pid = int(mark.read_text())
        assert alive(pid)
    await eventually(lambda: not alive(pid))


async def test_a_child_knows_nothing_of_the_environment(children, monkeypatch):
    assert await outcome(children, works.environment) == {}


async def test_no_child_outlives_a_killed_worker(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, pathlib
            from jobs.children import Children
            from tests.jobs import works

            async def main():
                children = Children(2)
                async with children.open(), children.run(works.waits, 600, pathlib.Path({str(tmp_path / "pid")!r})):
                    await asyncio.sleep(600)

            if __name__ == "__main__":
                asyncio.run(main())
            """
        )
    )
    parent = spawn(str(script))
    try:
        await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), seconds=180)
        pid = int((tmp_path / "pid").read_text())
        assert alive(pid)
    finally:
        parent.kill()
    await asyncio.to_thread(parent.wait)
    await eventually(lambda: not alive(pid))
