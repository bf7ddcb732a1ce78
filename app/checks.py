"""What `fairmind doctor` looks at. To add a check: a function that returns a Check, and a row of CHECKS."""

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

import app.home
from app.settings import Settings
from db.embedded import EmbeddedError, EmbeddedServer, default_folder
from db.embedded_folder import is_made
from db.migrate import newest
from db.session import APP_ROLE

DIST = Path(__file__).parents[1] / "dashboard" / "dist" / "graphiql.html"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, how it is, and what to do if that is not good."""

    name: str
    good: bool
    found: str
    remedy: str = ""


def report(chosen: Settings, console: Console) -> int:
    """Show every check; the exit code is 1 when something needs doing. Nothing is made where nothing is."""
    console.print(f"The installation in [bold]{escape(str(chosen.data))}[/]", soft_wrap=True)
    table = Table("check", "", "found", "remedy")
    results = [result for check in CHECKS for result in check(chosen)]
    for result in results:
        sign = "[green]✓[/]" if result.good else "[red]✗[/]"
        table.add_row(result.name, sign, result.found, "" if result.good else result.remedy)
    console.print(table)
    return 0 if all(result.good for result in results) else 1


def python(chosen: Settings) -> list[Check]:
    """3.11 is what we run."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return [Check(name="Python", good=good, found=version, remedy="install Python 3.11, 3.12 or 3.13")]


def signing(chosen: Settings) -> list[Check]:
    """Where the key of the tokens comes from; a weak one in production stops the settings themselves."""
    kept = chosen.data / "secret"
    made = (
        f"made by this machine, in {kept}" if kept.exists() else f"will be made at the first start, in {kept}"
    )
    found = "JWT_SECRET_KEY" if chosen.jwt_secret_key else made
    return [Check(name="signing key", good=True, found=found)]


def storage(chosen: Settings) -> list[Check]:
    """Whether files can be kept."""
    if "://" in chosen.datasets:
        return [Check(name="datasets", good=True, found=chosen.datasets)]
    place = Path(chosen.datasets)
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    good = os.access(existing, os.W_OK)
    remedy = f"make {existing} writable, or set DATASET_STORAGE_PATH"
    return [Check(name="datasets", good=good, found=str(place), remedy=remedy)]


def port(chosen: Settings) -> list[Check]:
    """Whether the port is free, or taken by a server that is ours."""
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", chosen.port)) == 0
    found = f"{chosen.port} is taken" if taken else f"{chosen.port} is free"
    ours = taken and app.home.answers(chosen)
    said = f"{found}, by a FairMind that is ready" if ours else found
    return [
        Check(name="port", good=ours or not taken, found=said, remedy="stop what listens there, or set PORT")
    ]


def graphiql(chosen: Settings) -> list[Check]:
    """Whether the page at /graphql is built."""
    if chosen.production:
        return [Check(name="GraphiQL", good=True, found="off in production")]
    found = "built" if DIST.exists() else "not built"
    return [Check(name="GraphiQL", good=DIST.exists(), found=found, remedy="run `make dashboard`")]


def database(chosen: Settings) -> list[Check]:
    """Whether the database answers, has our shape, and keeps organizations apart."""
    folder = chosen.data / "postgres"
    try:
        if chosen.database_url is None and not is_made(folder):
            return [_not_set_up(chosen)]
        with contextlib.nullcontext() if chosen.database_url else EmbeddedServer.shared(folder) as server:
            url = server.url(app.home.DATABASE) if server else app.home.given(chosen)
            engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True)
            try:
                with engine.connect() as connection:
                    where = str(server.folder) if server else "DATABASE_URL"
                    return _database_checks(connection.execute, where)
            finally:
                engine.dispose()
    except (SQLAlchemyError, EmbeddedError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return [
            Check(
                name="database", good=False, found=said, remedy="see that it runs and DATABASE_URL is right"
            )
        ]


def _not_set_up(chosen: Settings) -> Check:
    """Looking would make it; that is for the commands that serve."""
    remedy = "`make serve` does that"
    if chosen.data == default_folder("demo"):
        remedy = "`make demo` does that"
    elif is_made(default_folder("demo") / "postgres"):
        remedy += "; for what `make demo` has set up: `fairmind doctor --demo`"
    return Check(name="database", good=False, found="not set up yet", remedy=remedy)


def _database_checks(ask: Callable[..., object], where: str) -> list[Check]:
    def value(query: str, **bound: str) -> object:
        return ask(text(query), bound).scalar()  # type: ignore[attr-defined]  # a SQLAlchemy result

    release = str(value("SHOW server_version"))
    there = value("SELECT to_regclass('alembic_version') IS NOT NULL")
    version = value("SELECT version_num FROM alembic_version") if there else "empty"
    bound = "SELECT NOT rolbypassrls AND NOT rolsuper FROM pg_roles WHERE rolname = :role"
    walled = there and value(bound, role=APP_ROLE)
    return [
        Check(name="database", good=True, found=f"PostgreSQL {release}, {where}"),
        Check(
            name="migrations", good=version == newest(), found=str(version), remedy="run `fairmind migrate`"
        ),
        Check(
            name="row-level security",
            good=bool(walled),
            found=f"role {APP_ROLE} is bound by it" if walled else f"role {APP_ROLE} is missing or not bound",
            remedy="run `fairmind migrate` as a role that may create roles",
        ),
    ]


CHECKS: tuple[Callable[[Settings], list[Check]], ...] = (python, signing, storage, port, graphiql, database)
