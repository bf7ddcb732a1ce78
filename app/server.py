"""The server: routes, what surrounds them, and what lives as long as it does."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import app.logs
import app.metrics
from app.graphql import Api, refused
from app.headers import Envelope
from app.leftovers import swept
from app.secret import secret
from app.settings import Settings, settings
from app.uploads import put
from auth.sign_in import Viewers
from auth.tokens import Tokens
from db.blobs import Blobs
from db.migrate import newest
from db.notify import Hub
from db.session import AWAY, Database
from resolvers.context import House
from schema import create_schema

LOOPBACK = ("localhost", "127.0.0.1")  # our own probes; no other site can make a browser send these
NO_SUCH_HOST = "this server does not answer to that host name; its operator lists the names in ALLOWED_HOSTS"
DIST = Path(__file__).parents[1] / "dashboard" / "dist"


def create(given: Settings | None = None) -> Starlette:
    """The whole application; `given` is for tests, otherwise the environment is read."""
    chosen = given or settings()
    app.logs.set_up(chosen.log_level, debug=chosen.debug)
    house = furnished(chosen)
    api = Api(
        create_schema(open_to_strangers=not chosen.production),
        house,
        allowed_origins=chosen.allowed_origins,
        page=None if chosen.production else DIST / "graphiql.html",
    )

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        if chosen.enable_metrics:
            app.metrics.serve(chosen.metrics_port, house.hub)
        async with house.hub.listening():
            yield
        await house.database.close()

    application = Starlette(
        routes=[
            Route("/graphql", api),
            WebSocketRoute("/graphql", api),
            Route("/uploads/{ticket}", put, methods=["PUT"]),
            Route("/health", health),
            Route("/ready", ready),
            Mount("/static/dashboard", Pages(directory=DIST, check_dir=False)),
            *([] if chosen.production else [Route("/", front)]),
        ],
        middleware=[
            Middleware(Envelope, max_file_size=chosen.max_file_size, https=chosen.production),
            Middleware(Hosts, allowed=[*chosen.allowed_hosts, *LOOPBACK]),
            Middleware(
                Origins,
                allow_origins=list(chosen.allowed_origins),
                allow_methods=["GET", "POST", "PUT"],
                allow_headers=["authorization", "content-type", "graphql-require-preflight", "last-event-id"],
                expose_headers=["x-request-id"],
            ),
        ],
        exception_handlers={HTTPException: nothing_here},
        lifespan=lifespan,
    )
    application.state.house = house
    return application


def furnished(chosen: Settings) -> House:
    """What every operation shares, as the settings say."""
    if chosen.database_url is None:
        raise ValueError("DATABASE_URL is not set; `fairmind serve` sets it to the embedded database")
    url = chosen.database_url.get_secret_value()
    direct = chosen.database_direct_url.get_secret_value() if chosen.database_direct_url else url
    database = Database(
        url, pool_size=chosen.database_pool_size, max_connections=chosen.database_max_connections
    )
    return House(
        database=database,
        viewers=Viewers(database),
        blobs=Blobs.at(chosen.datasets, chosen.storage_options),
        hub=Hub(direct),
        tokens=Tokens(secret(chosen), algorithm=chosen.jwt_algorithm, hours=chosen.jwt_expiration_hours),
        max_file_size=chosen.max_file_size,
        scratch=swept(chosen.data / "incoming"),
        lake=chosen.lake,
        outbound=chosen.outbound,
    )


class Pages(StaticFiles):
    """The files of the dashboard; none while it is not built, which is no failure."""

    async def check_config(self) -> None:
        pass


class Hosts:
    """Which hosts we answer for; the library decides, and what it refuses is told in the shape of all errors."""

    def __init__(self, app: ASGIApp, allowed: list[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = refused(400, NO_SUCH_HOST, "BAD_INPUT")

        async def ours(*_: object) -> None:
            nonlocal answer
            answer = self._app

        async def unsent(_: object) -> None:
            pass

        await TrustedHostMiddleware(ours, self._allowed, www_redirect=False)(scope, receive, unsent)
        await answer(scope, receive, send)


class Origins(CORSMiddleware):
    """Which origins may ask from a browser; those refused are told in the shape of all errors."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return refused(response.status_code, bytes(response.body).decode(), "BAD_INPUT", headers)


async def nothing_here(request: Request, error: Exception) -> Response:
    """The answer at an address that is none of ours, or to a method it does not take."""
    known = cast("HTTPException", error)
    if known.status_code == 404:
        return refused(404, "there is nothing at this address; the API is at /graphql", "NOT_FOUND")
    allowed = (known.headers or {}).get("Allow")
    said = f"this address takes only {allowed}" if allowed else known.detail
    return refused(known.status_code, said, "BAD_INPUT", known.headers)


async def front(request: Request) -> Response:
    """Whoever opens the bare address wants the page."""
    return RedirectResponse("/graphql", 307)


async def health(request: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """The process can do its work: the database answers, and has the shape that this code expects."""
    house: House = request.app.state.house
    try:
        async with house.database.engine.connect() as connection:
            version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except AWAY:
        return JSONResponse({"status": "waiting", "reason": "the database does not answer"}, 503)
    if version != newest():
        return JSONResponse({"status": "waiting", "reason": "run `fairmind migrate`"}, 503)
    return JSONResponse({"status": "ok"})
