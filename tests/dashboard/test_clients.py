"""The clients that people use, from npm, against a real server: live streams, and tools that read the schema."""

import pytest

from tests.client import ANALYSIS
from tests.dashboard.conftest import ROOT
from tests.live import FOLLOW

SCHEMA = str(ROOT / "schema.graphql")


@pytest.fixture
def asked(api):
    async def start() -> str:
        model, dataset = await api.model(), await api.dataset()
        return (await api.start(model, dataset)).data["startAnalysis"]["id"]

    return start


async def test_both_live_clients_hear_the_same_events_of_one_analysis(
    node, api, worker, address, people, asked
):
    id = await asked()
    words = (f"{address}/graphql", people["viewer"].token, FOLLOW, f'{{"id": "{id}"}}')
    over_socket = await node("clients/ws-live.mjs", *words)  # while it runs
    await api.until_ended("viewer", ANALYSIS, id)
    over_events = await node("clients/sse-live.mjs", *words)  # from the store
    assert (over_socket.code, over_events.code) == (0, 0), over_socket.complaints + over_events.complaints
    assert over_socket.lines == over_events.lines
    told = [line["data"]["analysisProgress"] for line in over_socket.lines]
    assert (told[0]["status"], told[-1]["status"]) == ("QUEUED", "COMPLETED")
    assert any(event["finding"] for event in told)
    numbers = [event["number"] for event in told]
    assert numbers == sorted(set(numbers))


async def test_a_live_client_goes_on_after_the_last_number_it_has_seen(
    node, api, worker, address, people, asked
):
    id = await asked()
    await api.until_ended("viewer", ANALYSIS, id)
    words = (f"{address}/graphql", people["viewer"].token, FOLLOW)
    whole = (await node("clients/ws-live.mjs", *words, f'{{"id": "{id}"}}')).lines
    seen = whole[1]["data"]["analysisProgress"]["number"]
    for client in ("ws-live", "sse-live"):
        rest = await node(f"clients/{client}.mjs", *words, f'{{"id": "{id}", "after": {seen}}}')
        assert (rest.code, rest.lines) == (0, whole[2:])


@pytest.mark.parametrize("client", ["ws-live", "sse-live"])
@pytest.mark.parametrize("token", ["", "not-a-token"])
async def test_a_refused_token_is_an_error_that_the_client_shows(node, address, client, token):
    document = "subscription { activity { number } }"
    said = await node(f"clients/{client}.mjs", f"{address}/graphql", token, document)
    assert said.code == 1
    (error,) = said.lines[-1]["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_relays_compiler_accepts_the_schema(node):
    said = await node("clients/relay-check.mjs", SCHEMA)
    assert said.code == 0, said.complaints
    assert said.lines[-1]["ok"]


async def test_graphql_codegen_accepts_the_schema(node):
    said = await node("clients/codegen-check.mjs", SCHEMA)
    assert said.code == 0, said.complaints
    assert said.lines[-1]["types"] > 50
