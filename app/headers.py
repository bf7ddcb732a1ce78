"""The outermost layer: an id for each request, the headers of every answer, and bodies of a sane size."""

import re
import time
from uuid import uuid4

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import counted

GRAPHIQL_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:;"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
MOST_JSON = 1 << 20
FORM_OVERHEAD = 1 << 20

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

log = structlog.get_logger()


class TooLarge(Exception):
    """A body that is longer than its kind may be."""


class Envelope:
    """Around every request: its id, its log line, its limits, the headers of its answer."""

    def __init__(self, app: ASGIApp, *, max_file_size: int, https: bool) -> None:
        self._app, self._max_file_size = app, max_file_size
        self._headers = _HEADERS | ({"strict-transport-security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        request_id = request_id if _SAFE_ID.fullmatch(request_id) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._http(scope, receive, send, headers, request_id)

    async def _http(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str
    ) -> None:
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = MutableHeaders(scope=message)
                for name, value in (self._headers | {"x-request-id": request_id}).items():
                    given.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    given.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self._app(scope, limited(receive, headers, self._most(scope, headers)), answer)
        except TooLarge as error:
            if status == 0:
                await _refuse(answer, str(error))
        finally:
            seconds = time.perf_counter() - started
            path = "/" + scope["path"].split("/")[1]  # no more: an upload's address is a secret
            counted(scope["method"], path, status, seconds)
            log.info("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1000, 1))

    def _most(self, scope: Scope, headers: Headers) -> int:
        if scope["path"].startswith("/uploads/"):
            return self._max_file_size
        if headers.get("content-type", "").lower().startswith("multipart/form-data"):
            return self._max_file_size + FORM_OVERHEAD
        return MOST_JSON


def limited(receive: Receive, headers: Headers, most: int) -> Receive:
    """The same body, but TooLarge as soon as it is longer than allowed."""
    said, read = headers.get("content-length", ""), 0

    async def counted_receive() -> Message:
        nonlocal read
        if said.isdigit() and int(said) > most:
            raise TooLarge(f"the body may have {most} bytes, this one has {said}")
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise TooLarge(f"the body may have {most} bytes, this one has more")
        return message

    return counted_receive


async def _refuse(send: Send, message: str) -> None:
    content = orjson.dumps({"errors": [{"message": message, "extensions": {"code": "LIMIT_EXCEEDED"}}]})
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": content})
