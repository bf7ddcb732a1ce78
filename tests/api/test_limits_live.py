"""What a socket may do, and that nothing a client sends over one harms the server or another operation."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.graphql import OPERATIONS_PER_SOCKET
from app.settings import Settings
from tests.waiting import PATIENCE_S

PROTOCOL = "graphql-transport-ws"
ACTIVITY = {"query": "subscription { activity { number } }"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The settings of every test, with one other origin that may open sockets."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",)})


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Whatever happens here is a client's doing: no error, no traceback."""
    yield
    assert [each.getMessage() for each in caplog.records if each.levelname in ("ERROR", "CRITICAL")] == []


@asynccontextmanager
async def socket(address: str, token: str | None = None, *, init: bool = True, **options):
    """A socket that has said who it is, and the ways to speak on it."""
    url = address.replace("http", "ws") + "/graphql"
    async with connect(url, **{"subprotocols": [PROTOCOL], "proxy": None} | options) as wire:
        if init:
            payload = {"authorization": f"Bearer {token}"} if token else {}
            await wire.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await wire.recv())["type"] == "connection_ack"
        yield wire


async def say(wire, type: str, **more) -> None:
    await wire.send(json.dumps({"type": type} | more))


async def hear(wire) -> dict:
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await wire.recv())


async def closing_code(wire) -> int:
    """With which code the server ends the socket; what it says before is passed over."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_S):
            async for _ in wire:
                pass
    return wire.close_code


async def test_a_wrong_query_is_an_error_of_that_operation_only(address, people):
    async with socket(address, people["viewer"].token) as wire:
        for id, query in (
            ("a", "{"),
            ("b", "{ missing }"),
            ("c", ""),
            ("d", "query A { me { id } } query B { me { id } }"),
        ):
            await say(wire, "subscribe", id=id, payload={"query": query})
            frame = await hear(wire)
            assert (frame["type"], frame["id"]) == ("error", id), frame
            assert frame["payload"][0]["extensions"]["code"] == "BAD_INPUT", frame
        await say(wire, "subscribe", id="z", payload={"query": "{ me { email } }", "variables": None})
        assert (await hear(wire))["payload"]["data"]["me"]["email"] == "viewer@example.org"
        assert await hear(wire) == {"id": "z", "type": "complete"}


async def test_a_hostile_document_is_an_error_of_that_operation_only(address, people):
    async with socket(address, people["viewer"].token) as wire:
        for query in ("{ me {" + " name" * 3_000 + " } }", "{" + " me" * 5_000 + "}"):
            await say(wire, "subscribe", id="a", payload={"query": query})
            frame = await hear(wire)
            assert frame["type"] == "error"
            assert frame["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await say(wire, "ping")
        assert (await hear(wire))["type"] == "pong"


WRONG = [
    "not json",
    "[]",
    '"text"',
    "7",
    "null",
    "{}",
    '{"type": 7}',
    '{"type": ["subscribe"]}',
    '{"type": "start", "id": "a", "payload": {"query": "{ me { id } }"}}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": 7, "payload": {"query": "{ me { id } }"}}',
    '{"type": "subscribe", "id": {}, "payload": {"query": "{ me { id } }"}}',
    '{"type": "subscribe", "id": "a", "payload": "text"}',
    '{"type": "subscribe", "id": "a", "payload": {}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": 7}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": "{ me { id } }", "variables": []}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": "{ me { id } }", "operationName": 7}}',
    '{"type": "complete"}',
    '{"type": "complete", "id": {}}',
    "[" * 5_000,
    b"\x00\x01",
]


async def test_a_message_of_no_sense_ends_the_socket_and_nothing_else(address, people):
    async with socket(address, people["viewer"].token) as other:
        await say(other, "subscribe", id="live", payload=ACTIVITY)
        for message in WRONG:
            async with socket(address, people["viewer"].token) as wire:
                await say(wire, "subscribe", id="live", payload=ACTIVITY)
                await wire.send(message)
                assert await closing_code(wire) == 4400, message
        await say(other, "ping")
        assert (await hear(other))["type"] == "pong"


@pytest.mark.parametrize("payload", ["text", 7, ["a"]])
async def test_an_init_of_the_wrong_shape_ends_the_socket(address, payload):
    async with socket(address, init=False) as wire:
        await say(wire, "connection_init", payload=payload)
        assert await closing_code(wire) == 4400


async def test_an_init_without_payload_or_with_odd_ones_is_taken(address):
    for payload in ({}, {"payload": None}, {"payload": {}}, {"payload": {"authorization": 7}}):
        async with socket(address, init=False) as wire:
            await say(wire, "connection_init", **payload)
            assert (await hear(wire))["type"] == "connection_ack"
            await say(wire, "subscribe", id="a", payload={"query": "{ me { id } }"})
            assert (await hear(wire))["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_nothing_is_done_before_the_init(address):
    async with socket(address, init=False) as wire:
        await say(wire, "subscribe", id="a", payload={"query": "{ me { id } }"})
        assert await closing_code(wire) == 4401


async def test_a_second_init_ends_the_socket(address):
    async with socket(address) as wire:
        await say(wire, "connection_init")
        assert await closing_code(wire) == 4429


async def test_a_frame_over_64_kib_ends_the_socket(address):
    async with socket(address) as wire:
        await say(wire, "subscribe", id="a", payload={"query": "{ me { id } }" + " " * 70_000})
        assert await closing_code(wire) == 1009
    async with socket(address) as wire:
        await say(wire, "subscribe", id="a", payload={"query": "{ me { id } }" + " " * 60_000})
        assert (await hear(wire))["type"] == "next"


async def test_a_socket_without_an_init_is_closed(application, address):
    api = next(route.app for route in application.routes if route.path == "/graphql")
    assert api.connection_init_wait_timeout == timedelta(seconds=10)
    api.connection_init_wait_timeout = timedelta(seconds=0.2)
    async with socket(address, init=False) as wire:
        assert await closing_code(wire) == 4408


async def test_a_socket_runs_twenty_operations_at_once(address, people):
    async with socket(address, people["viewer"].token) as wire:
        for n in range(OPERATIONS_PER_SOCKET):
            await say(wire, "subscribe", id=str(n), payload=ACTIVITY)
        await say(wire, "subscribe", id="one more", payload=ACTIVITY)
        frame = await hear(wire)
        assert (frame["type"], frame["id"]) == ("error", "one more")
        assert frame["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await say(wire, "complete", id="0")
        await say(wire, "subscribe", id="one more", payload={"query": "{ me { email } }"})
        assert (await hear(wire))["payload"]["data"]["me"]["email"] == "viewer@example.org"


async def test_a_token_over_eight_kib_is_an_error_that_a_client_can_show(address):
    async with socket(address, "a" * 30_000) as wire:
        await say(wire, "subscribe", id="a", payload={"query": "{ me { id } }"})
        (error,) = (await hear(wire))["payload"]["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED" and "longer" in error["message"]


async def test_the_legacy_protocol_is_refused(address):
    async with connect(
        address.replace("http", "ws") + "/graphql", subprotocols=["graphql-ws"], proxy=None
    ) as wire:
        assert wire.subprotocol is None
        assert await closing_code(wire) == 4406


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        ("https://evil.example", False),
        ("null", False),
        ("https://app.example", True),
        (None, True),
        ("own", True),
    ],
)
async def test_only_our_own_and_named_origins_may_open_a_socket(address, origin, opens):
    asked = address if origin == "own" else origin
    if opens:
        async with socket(address, origin=asked) as wire:
            await say(wire, "ping")
            assert (await hear(wire))["type"] == "pong"
    else:
        with pytest.raises(InvalidStatus) as refused:
            async with socket(address, origin=asked):
                pass
        assert refused.value.response.status_code == 403


async def test_a_foreign_host_opens_no_socket(address):
    host, port = address.removeprefix("http://").split(":")
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"ws://evil.example:{port}/graphql", subprotocols=[PROTOCOL], host=host, proxy=None
        ):
            pass
    assert refused.value.response.status_code in (400, 403)


async def test_many_clients_that_leave_without_a_word_leave_no_trace(application, address, people):
    hub = application.state.house.hub

    async def leave():
        async with socket(address, people["viewer"].token) as wire:
            for n in range(10):
                await say(wire, "subscribe", id=str(n), payload=ACTIVITY)
            await say(wire, "subscribe", id="q", payload={"query": "{ me { id } }"})
            wire.transport.abort()

    await asyncio.gather(*(leave() for _ in range(20)))
    async with asyncio.timeout(PATIENCE_S):
        while hub.waiters:  # noqa: ASYNC110  # a count has no event
            await asyncio.sleep(0.05)
