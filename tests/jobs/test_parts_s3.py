"""Parts in a store are counted by children and on a cluster like files, with what opens the store in the task alone."""

from uuid import UUID

import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from db.lake import listed
from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.analysis import judged, run
from engine.fairness.parts import prepared, together
from engine.tables.parts import Lake
from engine.values import ModelType
from jobs.bias import count_part
from jobs.children import Children
from jobs.cluster import Cluster
from jobs.parts import Local
from tests.jobs import parts as work
from tests.store import SECRET

COLUMNS = BiasColumns(label="approved", prediction="predicted", protected=("race", "age"))
OPTIONS = BiasOptions(bootstrap_samples=200)
ASKED = AnalysisType.COMPREHENSIVE, OPTIONS


@pytest.fixture(params=["local", "cluster"])
async def crew(request):
    if request.param == "cluster":
        with LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster:
            yield Cluster(address=cluster.scheduler_address)
        return
    children = Children(1)
    async with children.open():
        yield Local(children=children)


async def test_parts_in_a_store_give_the_report_of_the_whole_to_the_bit(crew, bucket, tmp_path, capfd):
    whole = work.table()
    pq.write_table(whole, tmp_path / "whole.parquet")
    expected = run(tmp_path / "whole.parquet", COLUMNS, *ASKED)
    uri = bucket.write("lake", whole.slice(0, 7_001), whole.slice(7_001, 12_000), whole.slice(19_001))
    parts = listed(uri, Lake(roots=(uri,), store=bucket.store), UUID(int=1)).parts
    options = prepared(parts, COLUMNS, *ASKED, ModelType.CLASSIFICATION)
    async with crew.hired() as hands:
        found = [
            await hands.do(count_part, part, COLUMNS, options, ModelType.CLASSIFICATION) for part in parts
        ]
    first, second, third = found
    summary = together(together(first, second, COLUMNS), third, COLUMNS)
    assert judged(summary, COLUMNS, *ASKED) == expected
    out, err = capfd.readouterr()
    assert SECRET not in out + err


async def test_a_cluster_that_cannot_reach_the_store_says_so_and_tells_no_secret(crew, bucket, capfd):
    uri = bucket.write("lake", work.table())
    (part,) = listed(uri, Lake(roots=(uri,), store=bucket.store), UUID(int=1)).parts
    bucket.stop()
    async with crew.hired() as hands:
        with pytest.raises(InvalidInput, match="the store does not answer") as failed:
            await hands.do(count_part, part, COLUMNS, OPTIONS, ModelType.CLASSIFICATION)
    out, err = capfd.readouterr()
    assert SECRET not in out + err + repr(failed.value)
