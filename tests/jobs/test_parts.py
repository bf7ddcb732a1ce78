"""Parts that are summarised by children or by a cluster of two processes, and added up in their order."""

import asyncio
import os
import signal

import pyarrow.parquet as pq
import pytest

from app.working import workshop
from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.analysis import judged, run
from engine.fairness.keeping import packed
from engine.fairness.parts import prepared, together
from engine.values import ModelType
from jobs.attempt import Lost
from jobs.bias import count_part
from jobs.children import ChildFailed, Children
from jobs.cluster import Cluster
from jobs.parts import Local, Part, merged_in_order
from tests.jobs import parts as work
from tests.jobs.parts import Wanted
from tests.waiting import PATIENCE_S, eventually

COLUMNS = BiasColumns(label="approved", prediction="predicted", protected=("race", "age"))
OPTIONS = BiasOptions(bootstrap_samples=200)
COMPREHENSIVE, CLASSIFICATION = AnalysisType.COMPREHENSIVE, ModelType.CLASSIFICATION


@pytest.fixture(params=["local", "cluster"])
async def crew(request):
    if request.param == "cluster":
        yield Cluster(address=request.getfixturevalue("scheduler").scheduler_address)
        return
    children = Children(2)
    async with children.open():
        yield Local(children=children)


async def numbers(crew, what, *args, attempt=None, count=5):
    given = [Part(args=(i, *args), rows=10) for i in range(count)]
    return await merged_in_order(attempt or Wanted(), crew, what, given, lambda a, b: a + b, 0.4)


async def test_parts_give_the_report_of_the_whole_to_the_bit(crew, tmp_path):
    whole = tmp_path / "whole.parquet"
    pq.write_table(work.table(), whole)
    paths = work.written(tmp_path / "parts")
    expected = run(whole, COLUMNS, COMPREHENSIVE, OPTIONS)
    options = prepared(paths, COLUMNS, COMPREHENSIVE, OPTIONS, CLASSIFICATION)
    attempt = Wanted()
    summary = await merged_in_order(
        attempt,
        crew,
        count_part,
        [
            Part(args=(path, COLUMNS, options, CLASSIFICATION), rows=pq.read_metadata(path).num_rows)
            for path in paths
        ],
        lambda a, b: together(a, b, COLUMNS),
        0.4,
    )
    assert judged(summary, COLUMNS, COMPREHENSIVE, OPTIONS) == expected
    assert attempt.steps[-1].message == "Counted 30,000 of 30,000 rows, 3 of 3 parts"
    assert attempt.steps[-1].fraction == pytest.approx(0.4)


async def test_scores_and_errors_come_out_alike_here_and_on_a_cluster(scheduler, tmp_path):
    paths = work.written(tmp_path)
    scored = BiasColumns(label="approved", score="score", protected=("race", "age"))
    regression = BiasColumns(label="score", prediction="age", protected=("race",))
    children = Children(2)
    async with children.open():
        for columns, model in ((scored, CLASSIFICATION), (regression, ModelType.REGRESSION)):
            options = prepared(paths, columns, COMPREHENSIVE, OPTIONS, model)
            given = [Part(args=(path, columns, options, model), rows=1) for path in paths]
            local, far = [
                await merged_in_order(
                    Wanted(), crew, count_part, given, lambda a, b, c=columns: together(a, b, c), 0.4
                )
                for crew in (Local(children=children), Cluster(address=scheduler.scheduler_address))
            ]
            assert packed(local) == packed(far)


async def test_parts_are_merged_in_their_order_whichever_is_done_first(crew):
    given = [Part(args=(i, 0.3 if i == 0 else 0.0), rows=1) for i in range(9)]
    found = await merged_in_order(Wanted(), crew, work.numbered, given, lambda a, b: a + b, 0.4)
    assert found == list(range(9))


async def test_a_bad_part_ends_the_work_in_its_own_words(crew):
    given = [Part(args=(i,), rows=1) for i in (2, 3)]  # of which the other takes minutes
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(InvalidInput, match="part two is bad"):
            await merged_in_order(Wanted(), crew, work.refused, given, lambda a, b: a + b, 0.4)


async def test_a_killed_process_costs_only_its_part(crew, tmp_path):
    mark = tmp_path / "pid"
    running = asyncio.create_task(numbers(crew, work.once_then_done, mark))
    await eventually(mark.exists)
    os.kill(int(mark.read_text()), signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        assert await running == list(range(5))


async def test_what_is_cancelled_stops_in_the_middle(crew, tmp_path):
    attempt = Wanted()
    running = asyncio.create_task(numbers(crew, work.counts_long, tmp_path, attempt=attempt))
    await eventually(lambda: len(list(tmp_path.glob("running-*"))) >= 2)
    attempt.ours = False
    async with asyncio.timeout(PATIENCE_S):  # it would take minutes
        with pytest.raises(Lost):
            await running
    if isinstance(crew, Cluster):  # a child is killed and cannot take its mark away
        await eventually(lambda: not list(tmp_path.glob("running-*")))


async def test_a_cluster_that_does_not_answer_is_told_in_words(monkeypatch):
    monkeypatch.setattr("jobs.cluster.CONNECT_S", 0.3)
    with pytest.raises(ChildFailed, match="DASK_SCHEDULER"):
        await numbers(Cluster(address="tcp://127.0.0.1:9"), work.numbered)


async def test_a_regression_too_stops_when_it_is_interrupted(scheduler, tmp_path):
    """Its rows come in batches, between which DuckDB and NumPy take turns."""
    paths = work.written(tmp_path, work.table())
    columns = BiasColumns(label="score", prediction="age", protected=("race",))
    given = [Part(args=(paths[0], columns, tmp_path), rows=1)]
    attempt = Wanted()
    crew = Cluster(address=scheduler.scheduler_address)
    running = asyncio.create_task(
        merged_in_order(attempt, crew, work.regresses_for_ever, given, lambda a, b: a, 0.4)
    )
    await eventually((tmp_path / "running").exists)
    attempt.ours = False
    with pytest.raises(Lost):
        await running
    await eventually(lambda: not (tmp_path / "running").exists())


async def test_a_setting_chooses_where_parts_are_read(settings):
    assert isinstance(workshop(settings).crew, Local)
    chosen = settings.model_copy(update={"dask_scheduler": "tcp://127.0.0.1:8786"})
    assert workshop(chosen).crew == Cluster(address="tcp://127.0.0.1:8786")
