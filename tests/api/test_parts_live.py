"""Interim findings: what a client sees of a dataset in parts while its parts are still being counted."""

import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.builders import LOANS
from tests.client import ANALYSIS

FOLLOW = """subscription ($id: ID!) { analysisProgress(id: $id) {
  fraction message interim finding { metric attribute value verdict }
} }"""
TABLE = pyarrow.csv.read_csv(pa.BufferReader(LOANS.encode()))
PARTS = 13


@pytest.fixture
def settings(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.interim.PAUSE_S", 0)
    return settings.model_copy(update={"dataset_roots": (str(tmp_path),), "worker_processes": 2})


@pytest.fixture
def follow(api, tmp_path, worker):
    """The events of an analysis of tables as parts, from its start to its end."""

    async def events(*tables, **given):
        folder = tmp_path / "lake"
        folder.mkdir()
        for i, table in enumerate(tables):
            pq.write_table(table, folder / f"part-{i:02}.parquet")
        started = await api.start(await api.model(), await api.reference(folder), **given)
        id = started.data["startAnalysis"]["id"]
        ended = await api.until_ended("analyst", ANALYSIS, id)
        assert ended["status"] == "COMPLETED", ended
        return [event.data["analysisProgress"] for event in await api.all_events("viewer", FOLLOW, id=id)]

    return events


def parity(told, *, interim):
    """Which demographic parity differences were told, as attribute and value."""
    found = [event["finding"] for event in told if event["finding"] and event["interim"] is interim]
    return {
        (f["attribute"], round(f["value"], 9))
        for f in found
        if f["metric"] == "DEMOGRAPHIC_PARITY_DIFFERENCE"
    }


async def test_findings_of_the_parts_so_far_are_told_apart_from_final_ones(follow):
    refused = pa.table({"race": ["white"], "sex": ["f"], "approved": [0], "predicted": [0]})
    told = await follow(*[TABLE] * (PARTS - 1), pa.concat_tables([refused] * 1440), type="DEMOGRAPHIC_PARITY")
    # in each of the first 12 parts white 160 of 200 and black 60 of 160, f 60 of 200 and m all 160; with the last
    # part, which is merged last, white 1,920 of 3,840 and black 720 of 1,920, f 720 of 3,840 and m all
    assert parity(told, interim=True) == {("race", 0.425), ("sex", 0.7)}
    assert parity(told, interim=False) == {("race", 0.125), ("sex", 0.8125)}
    interim = [event["interim"] for event in told if event["finding"]]
    assert interim == sorted(interim, reverse=True)  # none after a final one
    assert {event["finding"]["metric"] for event in told if event["interim"]} == {
        "DEMOGRAPHIC_PARITY_DIFFERENCE"
    }
    said = next(event["message"] for event in told if event["interim"])
    assert re.fullmatch(
        rf"After \d+ of {PARTS} parts: the demographic parity difference of race is 0\.425 \[.+\] \(interim\)",
        said,
    )
    fractions = [event["fraction"] for event in told]
    assert fractions == sorted(fractions)


async def test_an_attribute_without_two_groups_so_far_is_left_to_the_report(follow):
    white, black = (TABLE.filter(pc.equal(TABLE["race"], race)) for race in ("white", "black"))
    told = await follow(*[white] * (PARTS - 1), black, type="DEMOGRAPHIC_PARITY")
    # white f 60 of 100 and m all 100; in all white 1,920 of 2,400 and black 60 of 160, f 720 of 1,300, m all 1,260
    assert parity(told, interim=True) == {("sex", 0.4)}
    assert parity(told, interim=False) == {("race", 0.425), ("sex", round(1 - 720 / 1300, 9))}


async def test_where_small_groups_are_suppressed_nothing_is_told_before_the_end(follow):
    told = await follow(*[TABLE] * PARTS, type="DEMOGRAPHIC_PARITY", options={"suppressBelow": 5})
    assert parity(told, interim=True) == set()
    assert parity(told, interim=False) == {("race", 0.425), ("sex", 0.7)}
