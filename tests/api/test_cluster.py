"""Analyses of parts that a Dask cluster counts, from the mutation to the report."""

import os
import signal
from functools import partial

import pytest
from sqlmodel import col, select

import db.tables as t
from db.owned import one
from resolvers.ids import key
from tests.client import ANALYSIS
from tests.conftest import working
from tests.jobs import parts as work
from tests.waiting import eventually

CANCEL = "mutation ($id: ID!) { cancelAnalysis(id: $id) { status } }"
COLUMNS = {"label": "approved", "prediction": "predicted", "weights": "score", "protected": ["race", "age"]}
"""Weights that are fractions: their sums depend on the order in which parts are added."""


@pytest.fixture
def settings(settings, tmp_path):
    return settings.model_copy(update={"dataset_roots": (str(tmp_path),), "worker_processes": 2})


@pytest.fixture
def clustered(settings, scheduler):
    """The settings of a worker whose parts are read on the cluster."""
    return settings.model_copy(update={"dask_scheduler": scheduler.scheduler_address})


@pytest.fixture
def counts(monkeypatch):
    """Let parts be counted by one of `tests.jobs.parts`, wherever they are."""
    return lambda work, *args: monkeypatch.setattr("jobs.bias.count_part", partial(work, *args))


@pytest.fixture
def start(api):
    async def started(model, dataset):
        options = {"bootstrapSamples": 100}
        answer = await api.start(model, dataset, columns=COLUMNS, options=options)
        return answer.data["startAnalysis"]["id"]

    return started


@pytest.fixture
def made(api, application, people):
    """The report of an analysis when it has ended, and what is kept of its rows."""

    async def read(id):
        ended = await api.until_ended("analyst", ANALYSIS, id)
        assert ended["status"] == "COMPLETED", ended
        scope, row = people["analyst"].scope, key(t.Analysis, id)
        async with application.state.house.database.read(scope) as session:
            analysis = await one(session, t.Analysis, scope, row, "report")
            content = await session.scalar(select(col(t.Summary.content)).where(col(t.Summary.id) == row))
        return analysis.report, content

    return read


async def test_a_cluster_gives_the_report_of_the_worker_itself_also_when_one_of_its_processes_is_killed(
    api, settings, clustered, scheduler, url, tmp_path, counts, start, made
):
    work.written(tmp_path / "lake")
    pids, mark = tmp_path / "pids", tmp_path / "pid"
    pids.mkdir()
    model = await api.model()
    async with working(settings, url):
        dataset = await api.reference(tmp_path / "lake")
        here = await made(await start(model, dataset))
    async with working(clustered, url):
        counts(work.counts_and_says_where, pids)
        there = await made(await start(model, dataset))
        workers = {worker.pid for worker in scheduler.workers.values()}
        counts(work.counts_unless_first, mark)
        interrupted = await start(model, dataset)
        await eventually(mark.exists)
        os.kill(killed := int(mark.read_text()), signal.SIGKILL)
        after = await made(interrupted)
    seen = {int(path.name) for path in pids.iterdir()}
    assert seen and seen <= workers
    assert killed in workers
    assert there == here
    assert after == here


async def test_what_is_cancelled_stops_on_the_cluster(api, clustered, url, tmp_path, counts, start):
    work.written(tmp_path / "lake")
    counts(work.never_counts, tmp_path)
    async with working(clustered, url):
        id = await start(await api.model(), await api.reference(tmp_path / "lake"))
        await eventually(lambda: list(tmp_path.glob("running-*")))
        cancelled = await api("analyst", CANCEL, id=id)
        assert cancelled.data["cancelAnalysis"] == {"status": "CANCELLED"}
        await eventually(lambda: not list(tmp_path.glob("running-*")))  # else for minutes
        assert (await api.until_ended("analyst", ANALYSIS, id))["status"] == "CANCELLED"
