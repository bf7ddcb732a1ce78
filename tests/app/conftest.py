"""What tests of the whole program may ask for: its environment, and ways to run it as a person would."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import app.checks
import app.cli
import app.complaints
import app.home
import app.settings
from app.settings import Settings
from tests.conftest import SECRET
from tests.waiting import PATIENCE_S

CHECKOUT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of FairMind is set, whatever the person who tests has set."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PYTHONPATH": str(CHECKOUT), "DATA_PATH": str(tmp_path / "data"), "HOME": str(tmp_path)}


@pytest.fixture
def environment(bare: dict[str, str], url: str) -> dict[str, str]:
    """The environment of a program on the database of this test."""
    return bare | {"DATABASE_URL": url, "JWT_SECRET_KEY": SECRET}


@pytest.fixture
def fairmind(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `fairmind ...` to its end, in a process and a folder of its own; None unsets a variable.

    The process is forked with what most commands import, which takes seconds off each.
    """

    def run(*argv: str, **changes: str | None) -> "subprocess.CompletedProcess[str]":
        given = {name: value for name, value in (environment | changes).items() if value is not None}
        out, err = tmp_path / "out", tmp_path / "err"
        process = multiprocessing.get_context("fork").Process(
            target=_command, args=(argv, given, tmp_path, out, err)
        )
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode is not None
        done = subprocess.CompletedProcess(argv, process.exitcode, out.read_text(), err.read_text())
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    return run


def _command(argv: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(("/dev/null", out, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
    app.settings.settings.cache_clear()
    sys.argv = ["fairmind", *argv]
    app.cli.main()


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def started(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a process of FairMind whose log goes to a file; it ends with the test."""
    running = []

    def start(argv: list[str], log: Path, **changes: str) -> "subprocess.Popen[bytes]":
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *argv], env=environment | changes, cwd=tmp_path, stderr=output, stdout=output
            )
        running.append(process)
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE_S)


def answering(url: str, seconds: float = PATIENCE_S) -> bytes:
    """The answer of an address, once there is one."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  # our own server
                return response.read()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
