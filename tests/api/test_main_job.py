"""The main job, as a client of the API sees it."""

from tests.client import ANALYSIS

REPORT = """query ($id: ID!) { analysis(id: $id) { report {
  rows attributes { attribute groups { name size metrics { quantity value } } findings { metric value verdict } }
} } }"""


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


def selection_rate(group) -> float:
    return next(each["value"] for each in group["metrics"] if each["quantity"] == "SELECTION_RATE")
