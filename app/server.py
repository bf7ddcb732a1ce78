"""The server: routes, what surrounds them, and what lives as long as it does."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import app.logs
import app.metrics
from app.graphql import Api
from app.headers import Envelope
from app.leftovers import swept
from app.secret import secret
from app.settings import Settings, settings
from app.uploads import put
from auth.tokens import Tokens
from db.blobs import Blobs
from db.migrate import newest
from db.notify import Hub
from db.session import AWAY, Database
from resolvers.context import House
from schema import create_schema

LOOPBACK = ("localhost", "127.0.0.1")  # our own probes; no other site can make a browser send these
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
            Mount("/static/dashboard", StaticFiles(directory=DIST, check_dir=False)),
        ],
        middleware=[
            Middleware(Envelope, max_file_size=chosen.max_file_size, https=chosen.production),
            Middleware(
                TrustedHostMiddleware, allowed_hosts=[*chosen.allowed_hosts, *LOOPBACK], www_redirect=False
            ),
            Middleware(
                CORSMiddleware,
                allow_origins=list(chosen.allowed_origins),
                allow_methods=["GET", "POST", "PUT"],
                allow_headers=["authorization", "content-type", "graphql-require-preflight", "last-event-id"],
                expose_headers=["x-request-id"],
            ),
        ],
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
    return House(
        database=Database(
            url, pool_size=chosen.database_pool_size, max_connections=chosen.database_max_connections
        ),
        blobs=Blobs.at(chosen.datasets, chosen.storage_options),
        hub=Hub(direct),
        tokens=Tokens(secret(chosen), algorithm=chosen.jwt_algorithm, hours=chosen.jwt_expiration_hours),
        max_file_size=chosen.max_file_size,
        scratch=swept(chosen.data / "incoming"),
    )


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
