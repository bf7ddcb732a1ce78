"""What the tests with npm's clients and with a browser need, and what is said when it is not there."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import full_run

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "dashboard" / "tests"


@dataclass(frozen=True)
class Said:
    """What a script printed: one JSON object a line, its complaints, and how it ended."""

    code: int
    lines: list[Any]
    complaints: str


Run = Callable[..., Awaitable[Said]]


def missing(what: str, remedy: str) -> None:
    """Skip, or in a full run fail: there nothing may be missing."""
    said = f"{what} is not there: {remedy}"
    if full_run():
        pytest.fail(said)
    pytest.skip(said)


@pytest.fixture
def node() -> Run:
    """Run one of our scripts: `await node("clients/ws-live.mjs", ...)`."""
    binary = shutil.which("node")
    if binary is None:
        missing("node", "install Node 20.19 or newer")
    if not (TESTS / "clients" / "node_modules" / ".package-lock.json").exists():
        missing("what the clients need", "run `.venv/bin/python dashboard/build.py --clients`")

    async def run(script: str, *words: str, seconds: float = 90, **environment: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            str(binary),
            str(TESTS / script),
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | environment,
        )
        try:
            output, complaints = await asyncio.wait_for(process.communicate(), seconds)
        finally:
            if process.returncode is None:
                process.kill()
        lines = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
        return Said(process.returncode or 0, lines, complaints.decode())

    return run
