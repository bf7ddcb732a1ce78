"""A whole FairMind on one machine: database, server and worker under one supervisor."""

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

import app.logs
from app.secret import secret
from app.settings import Settings
from app.supervisor import Program, Supervisor
from auth.passwords import hashed
from db.embedded import EmbeddedServer, default_folder
from db.embedded_folder import locked
from db.errors import Conflict, NotFound
from db.migrate import migrate
from db.people import People

DATABASE = "fairmind"
DEMO_EMAIL, DEMO_PASSWORD = "demo@fairmind.example", "boston-mortgages-1990"  # printed, for loopback only
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEMO_ORGANIZATION = "Demo Bank"

console = Console(stderr=True, highlight=False)


def run(chosen: Settings, *, demo: bool) -> int:
    """Run everything until told to stop; returns the exit code."""
    if demo:
        chosen = for_demo(chosen)
    app.logs.set_up(chosen.log_level, debug=chosen.debug)
    _check_ports(chosen)
    key = secret(chosen)
    with embedded(chosen) as server, alone(chosen) if server else contextlib.nullcontext():
        url = server.url(DATABASE) if server else given(chosen)
        if server or demo:
            migrate(url)
        people = People(url)
        if demo:
            _establish_demo(people)
        fresh = people.empty()
        people.close()
        console.print("Starting the server and a worker")
        return Supervisor(_programs(chosen, url, key), server).run(
            lambda: answers(chosen), lambda: _welcome(chosen, server, demo=demo, fresh=fresh)
        )


def _establish_demo(people: People) -> None:
    """The demonstration's organization, in a database that is nobody else's."""
    if people.empty():
        people.establish(DEMO_ORGANIZATION, DEMO_EMAIL, "Demo", hashed(DEMO_PASSWORD))
        return
    try:
        people.found(DEMO_EMAIL)
    except NotFound:
        raise Conflict(
            "this is a real installation, no place for a demonstration; unset DATA_PATH and DATABASE_URL"
        ) from None


def for_demo(chosen: Settings) -> Settings:
    """A place of its own, and a terminal that shows only what a person asked for; settings that are given hold."""
    if chosen.production or chosen.host not in LOOPBACK:
        raise Conflict(
            "the demonstration's password is known to all: it runs on this machine only, never in production"
        )
    defaults = {"data_path": default_folder("demo"), "log_level": "WARNING"}
    return chosen.model_copy(
        update={name: value for name, value in defaults.items() if name not in chosen.model_fields_set}
    )


@contextlib.contextmanager
def database(chosen: Settings) -> Iterator[str]:
    """Address of the database for one command: the given one, or our own, which runs as long as needed."""
    with embedded(chosen) as server:
        if server:
            migrate(server.url(DATABASE))
        yield server.url(DATABASE) if server else given(chosen)


@contextlib.contextmanager
def embedded(chosen: Settings) -> Iterator[EmbeddedServer | None]:
    """Our own PostgreSQL, unless another is given; one that another of our processes runs is used, not stopped."""
    if chosen.database_url is not None:
        yield None
        return
    with EmbeddedServer.shared(chosen.data / "postgres") as server:
        server.create_database(DATABASE)
        yield server


@contextlib.contextmanager
def alone(chosen: Settings) -> Iterator[None]:
    """Serve this folder as the only one; the lock ends with the process, however that ends."""
    lock = locked(chosen.data / "serving")
    if lock is None:
        raise Conflict(
            f"FairMind already runs on the data in {chosen.data}: stop that one, or choose another folder with DATA_PATH"
        )
    try:
        yield
    finally:
        os.close(lock)


def given(chosen: Settings) -> str:
    if chosen.database_url is None:
        raise ValueError("DATABASE_URL is not set")
    return chosen.database_url.get_secret_value()


def _programs(chosen: Settings, url: str, key: str) -> list[Program]:
    environment = os.environ | {"DATABASE_URL": url, "JWT_SECRET_KEY": key, "DATA_PATH": str(chosen.data)}
    environment["LOG_LEVEL"] = chosen.log_level
    return [
        Program(name, (sys.executable, "-m", "app", command, "--supervised"), environment)
        for name, command in (("server", "http"), ("worker", "worker"))
    ]


def _check_ports(chosen: Settings) -> None:
    """Say in one line what would otherwise end each server that is started."""
    wanted = {"PORT": (chosen.host, chosen.port)}
    if chosen.enable_metrics:
        wanted["METRICS_PORT"] = ("127.0.0.1", chosen.metrics_port)
    for name, (host, port) in wanted.items():
        try:
            with socket.create_server((host, port), family=_family(host)):
                pass
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ValueError(
                f"cannot listen on {host}:{port} ({reason}): stop what listens there, or set {name}"
            ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _address(chosen: Settings) -> str:
    return f"http://{'localhost' if chosen.host in ('127.0.0.1', '0.0.0.0') else chosen.host}:{chosen.port}"  # noqa: S104  # compared, not bound


def answers(chosen: Settings) -> bool:
    """Whether our server is ready; it may listen on one address only, and answer to its own hosts only."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.host, chosen.host)  # noqa: S104  # compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{chosen.port}/ready"
    request = urllib.request.Request(url, headers={"host": "localhost"})  # our own server
    try:
        with urllib.request.urlopen(request, timeout=2) as response:  # noqa: S310  # as above
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _welcome(chosen: Settings, server: EmbeddedServer | None, *, demo: bool, fresh: bool) -> None:
    address = _address(chosen)
    if demo:
        loading = "Loading the demonstration: real mortgage applications, and a model's decisions"
        if not console.is_terminal:  # a file shows no spinner
            console.print(loading)
        with console.status(loading):
            subprocess.run(  # noqa: S603  # our own module
                [
                    sys.executable,
                    "-m",
                    "app.demo",
                    f"http://127.0.0.1:{chosen.port}",
                    DEMO_EMAIL,
                    DEMO_PASSWORD,
                ],
                check=False,  # what went wrong it has said itself; the server is there all the same
                cwd=Path(__file__).parents[1],
            )
    lines = [
        f"[bold]FairMind is ready[/]   {address}/graphql" if not chosen.production else "FairMind is ready"
    ]
    if demo:
        lines += [f"sign in as    [bold]{DEMO_EMAIL}[/]", f"password      [bold]{DEMO_PASSWORD}[/]"]
    elif fresh:
        lines += ["nobody is there yet: make the first administrator with [bold]fairmind init[/]"]
    lines += [f"data          {chosen.data}" if server else "database      as DATABASE_URL says"]
    lines += ["stop          Ctrl-C"]
    console.print(Panel("\n".join(lines), expand=False, border_style="green"))
