"""The outermost layer: an id for each request, the headers of every answer, and bodies of a sane size."""

import re
import time
from uuid import uuid4

import orjson
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import counted, known

GRAPHIQL_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:;"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
MOST_JSON = 1 << 20
FORM_OVERHEAD = 1 << 20
MOST_QUERY_STRING = 32 * 1024
CLIENT_LEFT = 499  # as nginx logs it; nobody gets it

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
            if scope["type"] == "http":
                await self._http(scope, receive, send, headers)
            else:
                await self._socket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        started, path = time.perf_counter(), known(scope["path"])
        added = self._headers | {"x-request-id": scope["state"]["request_id"]}
        answer = Answer(send, added if path == "/static" else added | {"cache-control": "no-store"})
        try:
            await self._guarded(scope, receive, answer, headers)
        finally:
            seconds = time.perf_counter() - started
            counted(scope["method"], path, answer.status, seconds)
            log.info(
                "request",
                method=scope["method"],
                path=path,
                status=answer.status,
                ms=round(seconds * 1000, 1),
            )

    async def _guarded(self, scope: Scope, receive: Receive, answer: "Answer", headers: Headers) -> None:
        try:
            if len(scope["query_string"]) > MOST_QUERY_STRING:
                raise TooLarge(f"the address may have {MOST_QUERY_STRING} bytes after the question mark")
            await self._app(scope, limited(receive, headers, self._most(scope, headers)), answer)
        except TooLarge as error:
            await answer.refuse(413, str(error), {"code": "LIMIT_EXCEEDED"})
        except ClientDisconnect:
            answer.status = answer.status or CLIENT_LEFT
        except Exception as error:
            request_id = scope["state"]["request_id"]
            log.error("unexpected error", path=known(scope["path"]), exc_info=error)
            said = f"something went wrong on our side; it has been logged under {request_id}"
            await answer.refuse(500, said, {"code": "INTERNAL", "requestId": request_id})

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log.error("unexpected error", path=known(scope["path"]), exc_info=error)

    def _most(self, scope: Scope, headers: Headers) -> int:
        if scope["path"].startswith("/uploads/"):
            return self._max_file_size
        if headers.get("content-type", "").lower().startswith("multipart/form-data"):
            return self._max_file_size + FORM_OVERHEAD
        return MOST_JSON


class Answer:
    """The way an answer goes out: headers are added, and its status is known afterwards."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send, self._headers = send, headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                given.setdefault(name, value)
        await self._send(message)

    async def refuse(self, status: int, message: str, extensions: dict[str, str]) -> None:
        """Answer with an error, unless an answer has begun; the body may be unread, so the connection ends."""
        if self.status:
            return
        content = orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": content})


def limited(receive: Receive, headers: Headers, most: int) -> Receive:
    """The same body, but TooLarge as soon as it is longer than allowed."""
    said, read = headers.get("content-length", ""), 0

    async def counted_receive() -> Message:
        nonlocal read
        if said.isdecimal() and int(said) > most:
            raise TooLarge(f"the body may have {most} bytes, this one has {said}")
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise TooLarge(f"the body may have {most} bytes, this one has more")
        return message

    return counted_receive
