"""GraphQL over HTTP, server-sent events and WebSocket: strawberry's server, held to the specifications.

* answers `application/graphql-response+json` where it is asked for, with its status codes
* a wrong query on a socket is an error of that operation, not the end of the socket
* a refused token is an error that a client can show, on every operation
* events of a stream carry their number as `id:`, and `Last-Event-ID` is understood
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import orjson
import structlog
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.http.streaming import AsyncTextStream, HTTPStreamTransport, merge_stream_with_heartbeat
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from app.headers import GRAPHIQL_POLICY
from auth.errors import Unauthenticated
from db.errors import Full
from resolvers.context import Context, House
from resolvers.incoming import disk
from schema import Schema
from schema.limits import MOST_CHARACTERS

RESPONSE_JSON = "application/graphql-response+json"
INIT_S, OPERATIONS_PER_SOCKET = 10, 20
MOST_FIELDS_IN_FORM = 4
PREFLIGHT_HEADERS = ("graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name")

_CODES = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 413: "LIMIT_EXCEEDED", 507: "LIMIT_EXCEEDED"}

log = structlog.get_logger()


class Wire(ASGIWebSocketAdapter):
    """What is sent to a client that has left is nobody's failure."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        try:
            await super().send_json(message)
        except RuntimeError:  # starlette's, once either side has closed
            raise WebSocketDisconnected from None

    async def close(self, code: int, reason: str) -> None:
        with suppress(RuntimeError):
            await super().close(code, reason)


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One WebSocket; whatever a client sends, only what is wrong fails."""

    @staticmethod
    def _get_pre_execution_close_reason(error: object) -> None:
        """Never a reason to close: the error is sent for the operation that has it."""

    async def handle_message(self, message: Any) -> None:
        if _well_formed(message):
            await super().handle_message(message)
        else:
            await self.handle_invalid_message("This is no message of graphql-transport-ws")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if len(self.operations) >= OPERATIONS_PER_SOCKET and message["id"] not in self.operations:
            said = (
                f"a socket may run {OPERATIONS_PER_SOCKET} operations at once; complete one, or open another"
            )
            error = GraphQLError(said, extensions={"code": "LIMIT_EXCEEDED"})
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
        else:
            await super().handle_subscribe(message)

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):
            log.error("an operation on a socket failed", exc_info=error)


class Api(GraphQL[Context, None]):
    """The endpoint `/graphql`."""

    graphql_transport_ws_handler_class = Socket
    websocket_adapter_class = Wire

    def __init__(
        self, schema: Schema, house: House, *, allowed_origins: tuple[str, ...], page: Path | None
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if page else None,
            multipart_uploads_enabled=True,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=INIT_S),
            max_subscriptions_per_connection=OPERATIONS_PER_SOCKET,
            allowed_origins=allowed_origins,
        )
        self._house, self._page = house, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            if _is_form(request):
                await self._take_form(request)
            response = await self.run(request)
        except HTTPException as error:
            response = self._refused(request, error)
        try:
            await response(scope, receive, send)
        finally:
            await request.close()

    async def _take_form(self, request: Request) -> None:
        """Take a multipart body in, only from a person, and only one file, so that many cannot fill the memory."""
        if not any(request.headers.get(name) for name in PREFLIGHT_HEADERS):
            raise HTTPException(
                400, f"a multipart request needs the header {PREFLIGHT_HEADERS[0]} with any value"
            )
        caller = Context(house=self._house, request_id="")
        _identify(caller, request.headers.get("authorization"))
        if caller.claims is None:
            raise HTTPException(401, caller.refusal)
        try:
            with disk():
                await request.form(max_files=1, max_fields=MOST_FIELDS_IN_FORM)
        except Full as error:
            raise HTTPException(507, str(error)) from None
        except (StarletteHTTPException, MultiPartException) as error:
            said = getattr(error, "detail", None) or str(error)
            raise HTTPException(400, f"the multipart body cannot be read: {said}") from None

    def _refused(self, request: Request, error: HTTPException) -> Response:
        kind = RESPONSE_JSON if RESPONSE_JSON in request.headers.get("accept", "") else "application/json"
        headers = {"vary": "accept"} | ({"allow": "GET, POST"} if error.status_code == 405 else {})
        return refused(
            error.status_code, error.reason, _CODES.get(error.status_code, "BAD_INPUT"), headers, kind
        )

    async def get_context(self, request: HTTPConnection, response: Response | WebSocket) -> Context:
        context = Context(house=self._house, request_id=request.scope["state"]["request_id"])
        if request.scope["type"] == "http":
            _identify(context, request.headers.get("authorization"))
            context.resume_after = _number(request.headers.get("last-event-id"))
        request.state.context = context
        return context

    async def on_ws_connect(self, context: Context) -> UnsetType | None:
        """A token in `connection_init`, as `authorization`; a refused one is an error on each operation."""
        given = context.connection_params or {}
        token = given.get("authorization", given.get("Authorization"))
        _identify(context, token if isinstance(token, str) else None)
        return cast("UnsetType", UNSET)

    async def parse_http_body(
        self, request: AsyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        """The request, or a refusal for whatever has not its shape."""
        try:
            data = await super().parse_http_body(request)
        except (AttributeError, IndexError, RecursionError, TypeError, ValueError) as error:
            if isinstance(error, orjson.JSONDecodeError):
                raise
            raise HTTPException(400, "the request is no object with a `query`") from None
        if isinstance(data, GraphQLRequestData):
            if not isinstance(data.operation_name, str | None):
                raise HTTPException(400, "`operationName` must be a string or null")
            if data.query is not None and len(data.query) > MOST_CHARACTERS:
                raise HTTPException(413, f"a document may have {MOST_CHARACTERS} characters")
        return data

    def encode_json(self, data: object) -> str:
        """Text, because strawberry sends bytes as a binary frame."""
        return orjson.dumps(data).decode()

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """Leave `data` out where nothing was executed: the query itself was wrong."""
        data = await super().process_result(request, result)
        if result.data is None and result.errors and all(error.path is None for error in result.errors):
            data.pop("data", None)
            request.state.was_wrong = True
        request.state.accept = request.headers.get("accept", "")
        return data

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        response = await super().get_sub_response(request)
        response.state = request.state  # type: ignore[attr-defined]  # carried to create_response
        return response

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        response = super().create_response(response_data, sub_response)
        state = sub_response.state  # type: ignore[attr-defined]  # as above
        if RESPONSE_JSON in getattr(state, "accept", ""):
            response.headers["content-type"] = f"{RESPONSE_JSON}; charset=utf-8"
            if getattr(state, "was_wrong", False):
                response.status_code = 400
        response.headers["vary"] = "accept"
        return response

    async def render_graphql_ide(self, request: Request) -> Response:
        if self._page is None or not self._page.exists():
            raise HTTPException(404, "GraphiQL is not built: run `make dashboard`")
        return FileResponse(self._page, headers={"content-security-policy": GRAPHIQL_POLICY})

    def _stream_result(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncTextStream:
        state = request.state.context.stream

        async def frames() -> AsyncGenerator[str, None]:
            async with aclosing(cast("AsyncGenerator[object, None]", result)) as values:
                async for value in values:
                    content, _ = await self._process_stream_result(request, value, [])
                    frame = transport.encode_next(content, self.encode_json_string)
                    yield frame if state.last_event is None else f"id: {state.last_event}\n{frame}"
            yield transport.encode_complete()

        return merge_stream_with_heartbeat(
            frames,
            lambda: transport.heartbeat_message(self.encode_json_string),
            interval=transport.heartbeat_interval,
            send_initial_heartbeat=transport.send_initial_heartbeat,
        )


def refused(
    status: int,
    message: str,
    code: str,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """An answer outside GraphQL in the shape of GraphQL's errors."""
    content = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
    return Response(content, status, headers, media_type)


def _identify(context: Context, header: str | None) -> None:
    if header is None:
        return
    kind, _, token = header.partition(" ")
    try:
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated("the token must come as `Bearer <token>`")
        context.claims = context.house.tokens.check(token.strip())
    except Unauthenticated as refusal:
        context.refusal = str(refusal)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None


def _is_form(request: Request) -> bool:
    """A form can be posted across origins without asking; a header of one's own cannot."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def _well_formed(message: Any) -> bool:
    """Whether a message has the parts that its type says, so that nothing further in stumbles over it."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] == "connection_init" and message.get("payload", {}) is None:
        del message["payload"]
    if message["type"] in ("subscribe", "complete") and not isinstance(message.get("id"), str):
        return False
    if message["type"] != "subscribe":
        return True
    payload = message.get("payload")
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )
