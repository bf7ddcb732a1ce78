"""Following work live, over WebSocket and over server-sent events: nothing missed, nothing twice."""

import asyncio
from contextlib import aclosing

import pytest
from sqlmodel import col

import db.tables as t
from db.owned import events
from resolvers.ids import key
from tests.client import ANALYSIS
from tests.live import ACTIVITY, FOLLOW, PROGRESS, Refused, socket, sse
from tests.waiting import PATIENCE_S

FEW = {
    "type": "DEMOGRAPHIC_PARITY",
    "columns": {"label": "approved", "prediction": "predicted", "protected": ["race"]},
}
"""A question with few findings, where each event is tried."""


async def started(api, **given) -> str:
    model, dataset = await api.model(), await api.dataset()
    return (await api.start(model, dataset, **given)).data["startAnalysis"]["id"]


async def stored(application, person, id) -> list[int]:
    async with application.state.house.database.read(person.scope) as session:
        query = events(person.scope).where(col(t.Event.subject_id) == key(t.Analysis, id))
        return [event.number for event in (await session.scalars(query)).all()]


def followed(payloads) -> list[dict]:
    assert all("errors" not in payload for payload in payloads), payloads
    return [payload["data"]["analysisProgress"] for payload in payloads]


async def over_socket(address, token, id, after=None):
    async with socket(address, token) as opened:
        return followed([payload async for payload in opened.operate(FOLLOW, id=id, after=after)])


async def over_sse(address, token, id, after=None, last=None):
    frames = [frame async for frame in sse(address, token, FOLLOW, id=id, after=after, last_event_id=last)]
    assert (frames[-1].event, frames[-1].data) == ("complete", None)
    told = followed([frame.data for frame in frames[:-1]])
    assert [frame.id for frame in frames[:-1]] == [str(event["number"]) for event in told]
    return told


@pytest.mark.parametrize("follow", [over_socket, over_sse])
async def test_an_analysis_is_followed_to_its_end_and_then_the_stream_completes(
    api, application, worker, address, people, follow
):
    id = await started(api)
    token = people["viewer"].token
    told = await asyncio.wait_for(follow(address, token, id), PATIENCE_S)
    assert [event["number"] for event in told] == await stored(application, people["viewer"], id)
    assert (told[0]["status"], told[-1]["status"]) == ("QUEUED", "COMPLETED")
    assert {event["subject"] for event in told} == {"ANALYSIS"}
    assert {event["subjectId"] for event in told} == {id}
    assert [event["fraction"] for event in told] == sorted(event["fraction"] for event in told)

    findings = [event["finding"] for event in told if event["finding"]]
    assert {
        "metric": "DEMOGRAPHIC_PARITY_DIFFERENCE",
        "value": 160 / 200 - 60 / 160,
        "verdict": "FAIL",
    } in findings

    again = await follow(address, token, id)  # long after: the same, from the store
    assert again == told
    assert await follow(address, token, id, after=told[-1]["number"]) == []  # nothing is left to be told


@pytest.mark.parametrize("follow", [over_socket, over_sse])
async def test_a_stream_goes_on_after_the_last_number_seen(api, worker, address, people, follow):
    id = await started(api, **FEW)
    await api.until_ended("analyst", ANALYSIS, id)
    token = people["analyst"].token
    whole = await follow(address, token, id)
    assert len(whole) > 3
    for seen in range(len(whole)):
        assert await follow(address, token, id, after=whole[seen]["number"]) == whole[seen + 1 :]


async def test_server_sent_events_go_on_after_the_last_event_id(api, worker, address, people):
    id = await started(api)
    await api.until_ended("analyst", ANALYSIS, id)
    token = people["analyst"].token
    whole = await over_sse(address, token, id)
    last = str(whole[2]["number"])
    assert await over_sse(address, token, id, last=last) == whole[3:]
    assert await over_sse(address, token, id, last="no number") == whole


async def test_a_stream_cut_off_in_the_middle_and_resumed_tells_each_event_once(
    api, application, worker, address, people
):
    id = await started(api)
    token, numbers, last = people["analyst"].token, [], None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with aclosing(sse(address, token, FOLLOW, id=id, last_event_id=last)) as frames:
                taken = 0
                async for frame in frames:
                    if frame.event == "complete":
                        break
                    numbers.append(frame.data["data"]["analysisProgress"]["number"])
                    last, taken = frame.id, taken + 1
                    if taken == 2:
                        break  # the connection breaks
                if frame.event == "complete":
                    break
    assert numbers == await stored(application, people["analyst"], id)


async def test_a_dataset_is_followed_while_it_is_read(api, worker, address, people):
    id = (await api.upload()).json()["id"]
    async with socket(address, people["viewer"].token) as opened:
        told = [payload["data"]["progress"] async for payload in opened.operate(PROGRESS, id=id)]
    assert (told[0]["status"], told[-1]["status"]) == ("QUEUED", "COMPLETED")


async def test_cancelling_ends_the_stream_with_what_happened(api, address, people):
    id = (await api.upload()).json()["id"]  # no worker: it waits
    async with socket(address, people["analyst"].token) as opened:
        stream = opened.operate(PROGRESS, id=id)
        assert (await anext(stream))["data"]["progress"]["status"] == "QUEUED"
        cancelled = await api("analyst", "mutation ($id: ID!) { cancelDataset(id: $id) { status } }", id=id)
        assert cancelled.errors == []
        rest = [payload["data"]["progress"]["status"] async for payload in stream]
    assert rest == ["CANCELLED"]


# Whose events


async def test_activity_shows_everything_of_the_own_organization_and_nothing_of_another(
    api, worker, address, people
):
    ours = (await api.upload()).json()["id"]
    theirs = (await api.upload("stranger")).json()["id"]
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(ACTIVITY, after=0)
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            async for payload in stream:
                seen.append(payload["data"]["activity"])
                if seen[-1]["status"] == "COMPLETED":
                    break
        await stream.aclose()
    assert {event["subjectId"] for event in seen} == {ours}
    assert theirs != ours
    assert [event["number"] for event in seen] == list(range(1, len(seen) + 1))


async def test_activity_without_a_number_begins_now(api, address, people):
    await api.upload()
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(ACTIVITY)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.5)
        assert not first.done()
        id = (await api.upload()).json()["id"]
        told = (await asyncio.wait_for(first, PATIENCE_S))["data"]["activity"]
        assert (told["subjectId"], told["number"]) == (id, 2)
        await stream.aclose()


async def test_activity_leaves_out_what_the_viewer_may_not_read(api, address, people, monkeypatch):
    from auth import permissions  # noqa: PLC0415  # the table of grants, to be changed

    grants = {**permissions.GRANTS, t.Role.VIEWER: permissions.READ - {permissions.Permission.DATASET_READ}}
    monkeypatch.setattr(permissions, "GRANTS", grants)
    await api.upload()
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(ACTIVITY, after=0)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(1)
        assert not first.done()
        first.cancel()


NOWHERE = {"analysisProgress": FOLLOW, "progress": PROGRESS}


@pytest.mark.parametrize("field", NOWHERE)
async def test_another_organizations_work_looks_like_none_at_all(api, worker, address, people, field):
    theirs = await started(api)
    invented = theirs[:-6] + "AAAAAA"
    answers = []
    for id in (theirs, invented):
        async with socket(address, people["stranger"].token) as opened:
            answers.append([payload async for payload in opened.operate(NOWHERE[field], id=id)])
    refusals = [[error["extensions"]["code"] for error in payload["errors"]] for (payload,) in answers]
    assert refusals[0] == ["NOT_FOUND"]
    assert answers[0][0]["errors"][0]["message"] == "there is no analysis with this id"
    assert refusals[1] in (["NOT_FOUND"], ["BAD_INPUT"])


# Who may go on


async def change(application, person, **values):
    async with application.state.house.database.write(person.scope) as session:
        user = await session.get_one(t.User, person.user_id)
        for name, value in values.items():
            setattr(user, name, value)


async def ends_with(stream) -> str:
    async with asyncio.timeout(PATIENCE_S):
        async for payload in stream:
            if payload.get("errors"):
                (error,) = payload["errors"]
                return error["extensions"]["code"]
    raise AssertionError("the stream ended without an error")


async def test_a_permission_that_is_revoked_ends_the_stream(api, application, address, people, monkeypatch):
    from auth import permissions  # noqa: PLC0415  # the table of grants, to be changed

    id = (await api.upload()).json()["id"]
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(PROGRESS, id=id)
        await anext(stream)
        reduced = permissions.READ - {permissions.Permission.DATASET_READ}
        monkeypatch.setattr(permissions, "GRANTS", {**permissions.GRANTS, t.Role.VIEWER: reduced})
        await api("analyst", "mutation ($id: ID!) { cancelDataset(id: $id) { status } }", id=id)
        assert await ends_with(stream) == "FORBIDDEN"


async def test_a_person_who_is_no_longer_there_hears_no_more(api, address, people, url):
    import psycopg  # noqa: PLC0415  # as the owner: nothing in the product deletes a person yet

    id = (await api.upload()).json()["id"]
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(PROGRESS, id=id)
        await anext(stream)
        with psycopg.connect(url) as owner:
            owner.execute("DELETE FROM users WHERE id = %s", [people["viewer"].user_id])
        await api("analyst", "mutation ($id: ID!) { cancelDataset(id: $id) { status } }", id=id)
        assert await ends_with(stream) == "UNAUTHENTICATED"


def short_lived(application, person, seconds: float) -> str:
    tokens = application.state.house.tokens
    return tokens.sign("fairmind-api", person.user_id, person.organization_id, {}, seconds=seconds)[0]


@pytest.mark.parametrize("transport", ["socket", "sse"])
async def test_a_token_that_expires_ends_even_a_stream_on_which_nothing_happens(
    api, application, address, people, transport
):
    token = short_lived(application, people["viewer"], 3)
    id = (await api.upload()).json()["id"]
    if transport == "socket":
        async with socket(address, token) as opened:
            assert await ends_with(opened.operate(PROGRESS, id=id)) == "UNAUTHENTICATED"
    else:
        frames = (frame.data or {} async for frame in sse(address, token, PROGRESS, id=id))
        assert await ends_with(frames) == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", [None, "not-a-token", "x" * 9000])
async def test_a_refused_token_is_an_error_of_the_operation_and_the_socket_stays_sane(
    api, address, people, token
):
    id = (await api.upload()).json()["id"]
    async with socket(address, token) as opened:
        for _ in range(2):
            codes = []
            try:
                async with asyncio.timeout(PATIENCE_S):
                    async for payload in opened.operate(PROGRESS, id=id):
                        codes += [error["extensions"]["code"] for error in payload["errors"]]
            except Refused as refused:
                codes.append(refused.code)
            assert codes == ["UNAUTHENTICATED"]
        (answer,) = [payload async for payload in opened.operate("{ __typename }")]
        assert answer["data"] == {"__typename": "Query"}


async def test_a_wrong_document_is_an_error_of_that_operation_only(address, people):
    async with socket(address, people["viewer"].token) as opened:
        for wrong in ("subscription {", "subscription { nothing }", "subscription { activity { nothing } }"):
            with pytest.raises(Refused):
                [payload async for payload in opened.operate(wrong)]
        (answer,) = [payload async for payload in opened.operate("{ me { email } }")]
        assert answer["data"]["me"]["email"] == "viewer@example.org"


@pytest.mark.parametrize("after", [-1, 2**63])
async def test_a_number_that_cannot_be_one_is_refused_in_words(api, address, people, after):
    id = (await api.upload()).json()["id"]
    async with socket(address, people["viewer"].token) as opened:
        try:
            answers = [payload async for payload in opened.operate(PROGRESS, id=id, after=after)]
            codes = [error["extensions"]["code"] for payload in answers for error in payload["errors"]]
        except Refused as refused:
            codes = [refused.code]
    assert codes == ["BAD_INPUT"]
