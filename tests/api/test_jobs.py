"""Work as a client starts, cancels and deletes it."""

import asyncio

from tests.client import ANALYSIS
from tests.jobs.resilience import lending
from tests.waiting import eventually

CANCEL = "mutation ($id: ID!) { cancelAnalysis(id: $id) { status message } }"
DELETE = "mutation ($id: ID!) { deleteAnalysis(id: $id) { deleted } }"
LONG = {
    "columns": {"label": "approved", "prediction": "predicted", "protected": ["race", "sex", "age"]},
    "options": {"bootstrapSamples": 10_000},
}


async def running(api, worker) -> str:
    """Id of an analysis that a child works on at this moment."""
    model, dataset = await api.model(), await api.dataset(content=lending(1))
    id = (await api.start(model, dataset, **LONG)).data["startAnalysis"]["id"]
    await eventually(lambda: slots(worker))
    return id


def slots(worker) -> int:
    return len(worker.workshop.children._heard)


async def test_a_running_analysis_is_cancelled_and_stays_so(api, worker):
    id = await running(api, worker)
    cancelled = await api("analyst", CANCEL, id=id)
    assert cancelled.data["cancelAnalysis"] == {"status": "CANCELLED", "message": "Cancelled on request"}
    await eventually(lambda: not slots(worker))
    after = (await api("viewer", ANALYSIS, id=id)).data["analysis"]
    assert (after["status"], after["report"]) == ("CANCELLED", None)
    assert (await api("analyst", CANCEL, id=id)).errors == []  # asked twice is fine


async def test_deleting_a_running_analysis_stops_its_child(api, worker):
    id = await running(api, worker)
    assert (await api("analyst", DELETE, id=id)).data["deleteAnalysis"] == {"deleted": True}
    await eventually(lambda: not slots(worker))
    assert (await api("viewer", ANALYSIS, id=id)).code == "NOT_FOUND"


async def test_what_has_ended_cannot_be_cancelled(api, worker):
    model, dataset = await api.model(), await api.dataset()
    id = (await api.start(model, dataset)).data["startAnalysis"]["id"]
    assert (await api.until_ended("viewer", ANALYSIS, id))["status"] == "COMPLETED"
    refused = await api("analyst", CANCEL, id=id)
    assert refused.code == "CONFLICT"


async def test_the_same_key_starts_one_analysis_however_often_it_is_asked_at_once(api, worker):
    model, dataset = await api.model(), await api.dataset()
    answers = await asyncio.gather(*(api.start(model, dataset, key="monday") for _ in range(5)))
    assert len({answer.data["startAnalysis"]["id"] for answer in answers}) == 1
    other = await api.start(model, dataset, key="monday", type="DEMOGRAPHIC_PARITY")
    assert other.code == "CONFLICT"
