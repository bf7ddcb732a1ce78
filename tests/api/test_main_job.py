"""The main job, as a client of the API sees it."""

from tests.builders import LOANS
from tests.client import ANALYSIS

REPORT = """query ($id: ID!) { analysis(id: $id) { report {
  rows attributes { attribute groups { name size metrics { quantity value } } findings { metric value verdict } }
} } }"""
NOTES = "query ($id: ID!) { analysis(id: $id) { report { method { notes } } } }"
REJUDGE = "mutation ($id: ID!) { rejudgeAnalysis(id: $id, options: { confidence: 0.9 }) { id } }"


async def test_a_table_is_uploaded_analysed_and_judged(api, worker):
    model, dataset = await api.model(), await api.dataset()
    started = await api.start(model, dataset)
    assert started.errors == []
    id = started.data["startAnalysis"]["id"]
    ended = await api.until_ended("analyst", ANALYSIS, id)
    assert ended["status"] == "COMPLETED", ended
    assert ended["report"]["verdict"] == "FAIL"

    report = (await api("viewer", REPORT, id=id)).data["analysis"]["report"]
    assert report["rows"] == 360
    race = report["attributes"][0]
    rates = {group["name"]: selection_rate(group) for group in race["groups"]}
    assert rates == {"white": 160 / 200, "black": 60 / 160}
    gap = next(f for f in race["findings"] if f["metric"] == "DEMOGRAPHIC_PARITY_DIFFERENCE")
    assert gap["value"] == 160 / 200 - 60 / 160


async def test_a_score_of_the_dataset_that_nobody_named_is_in_the_notes_also_when_judged_again(api, worker):
    head, *rows = LOANS.splitlines()
    scored = "\n".join([f"{head},score", *(f"{row},0.{i}" for i, row in enumerate(rows))])
    started = await api.start(await api.model(), await api.dataset(content=scored))
    id = started.data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, id))["status"] == "COMPLETED"
    again = (await api("analyst", REJUDGE, id=id)).data["rejudgeAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, again))["status"] == "COMPLETED"
    for each in (id, again):
        notes = (await api("viewer", NOTES, id=each)).data["analysis"]["report"]["method"]["notes"]
        assert len([note for note in notes if note.startswith("Column 'score' looks like the score")]) == 1


def selection_rate(group) -> float:
    return next(each["value"] for each in group["metrics"] if each["quantity"] == "SELECTION_RATE")
