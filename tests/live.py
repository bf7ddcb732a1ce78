"""Clients of the two live transports: graphql-transport-ws, and server-sent events in distinct connections mode."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import websockets

FOLLOW = """subscription ($id: ID!, $after: Count) { analysisProgress(id: $id, after: $after) {
  number subject subjectId status stage fraction message finding { metric value verdict }
} }"""
PROGRESS = (
    "subscription ($id: ID!, $after: Count) { progress(id: $id, after: $after) { number status stage } }"
)
ACTIVITY = "subscription ($after: Count) { activity(after: $after) { number subject subjectId status } }"

Payload = dict[str, Any]


class Refused(Exception):
    """The operation was refused before it began: the `error` frame's errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors

    @property
    def code(self) -> str:
        (error,) = self.errors
        return str(error["extensions"]["code"])


class Socket:
    """One WebSocket with any number of operations."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self._queues: dict[str, asyncio.Queue[Payload]] = {}
        self._number = 0

    async def operate(self, document: str, **variables: Any) -> AsyncGenerator[Payload, None]:
        """Each payload of one operation until it completes; leaving early tells the server."""
        self._number += 1
        id = str(self._number)
        queue = self._queues[id] = asyncio.Queue()
        payload = {"query": document, "variables": variables}
        await self.send({"id": id, "type": "subscribe", "payload": payload})
        ended = False
        try:
            while True:
                message = await queue.get()
                if message["type"] == "next":
                    yield message["payload"]
                    continue
                ended = True
                if message["type"] == "error":
                    raise Refused(message["payload"])
                return
        finally:
            del self._queues[id]
            if not ended:
                with contextlib.suppress(websockets.ConnectionClosed):
                    await self.send({"id": id, "type": "complete"})

    async def send(self, message: object) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def listen(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for content in self.connection:
                message = orjson.loads(content)
                if message.get("id") in self._queues:
                    self._queues[message["id"]].put_nowait(message)
        for queue in self._queues.values():
            queue.put_nowait({"type": "closed"})


@asynccontextmanager
async def socket(address: str, token: str | None) -> AsyncIterator[Socket]:
    """A WebSocket that has introduced itself."""
    url = address.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(url, subprotocols=["graphql-transport-ws"], compression=None) as connection:
        opened = Socket(connection)
        init = {"authorization": f"Bearer {token}"} if token else {}
        await opened.send({"type": "connection_init", "payload": init})
        assert orjson.loads(await connection.recv()) == {"type": "connection_ack"}
        listening = asyncio.create_task(opened.listen())
        try:
            yield opened
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    id: str | None
    event: str
    data: Any


async def sse(
    address: str,
    token: str | None,
    document: str,
    *,
    last_event_id: str | None = None,
    **variables: Any,
) -> AsyncGenerator[Frame, None]:
    """The frames of one operation, `complete` included."""
    headers = {"accept": "text/event-stream"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if last_event_id:
        headers["last-event-id"] = last_event_id
    body = {"query": document, "variables": variables}
    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("POST", f"{address}/graphql", json=body, headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream"), await response.aread()
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif fields:
                data = orjson.loads(fields["data"]) if fields.get("data") else None
                yield Frame(fields.get("id"), fields.get("event", "message"), data)
                fields = {}
