"""The HTTP process: uvicorn, which here ends streams of events too when it is told to stop."""

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE_S = 2
"""How long requests may go on when the server is told to stop."""


def run(application: ASGIApp, **options: Any) -> int:
    """Serve with these options of uvicorn until told to stop; returns the exit code."""
    streams = Streams(application)
    server = Server(uvicorn.Config(streams, timeout_graceful_shutdown=GRACE_S, **options), streams)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the Ctrl-C that ended it once more
        server.run()
    return 0 if server.started else 1


class Server(uvicorn.Server):
    """Sockets it closes itself, with 1012; for streams it would wait, and they have no end."""

    def __init__(self, config: uvicorn.Config, streams: "Streams") -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        await super().shutdown(sockets)


class Streams:
    """Around the application, so that the server can end streams of events.

    Their body ends properly but without `complete`, which would say that the work is over: a client comes back and
    hears the rest.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._open: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def end(self) -> None:
        self._stopping = True
        for task in self._open:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task, begun = asyncio.current_task(), False
        if scope["type"] != "http" or task is None:
            await self._application(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            if _opens_stream(message):
                self._open.add(task)
                if self._stopping:
                    task.cancel()
            elif not message.get("more_body"):
                self._open.discard(task)
            await send(message)

        try:
            await self._application(scope, receive, noted)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            if task in self._open:
                await send({"type": "http.response.body"})
            elif not begun:
                await PlainTextResponse("the server stops", 503)(scope, receive, send)
        finally:
            self._open.discard(task)


def _opens_stream(message: Message) -> bool:
    kind: bytes = dict(message.get("headers", ())).get(b"content-type", b"")
    return kind.startswith(b"text/event-stream")
