"""What the tests of uploads ask for, what lies where files pass and where they are kept; and a server that reads documents once."""

import multiprocessing.util
import tempfile
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import strawberry.schema.schema as strawberry_schema
from graphql import DocumentNode, GraphQLError

from app.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def documents_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse and validate a document when it is first sent, and remember what came of it; all else is done each time.

    A walk sends the same few documents with thousands of variables, and reading them took most of its time.
    """
    read, validate = lru_cache(strawberry_schema.parse), strawberry_schema.validate_document
    found: dict[int, list[GraphQLError]] = {}

    def validated(schema: Any, document: DocumentNode, rules: Any) -> list[GraphQLError]:
        if id(document) not in found:
            found[id(document)] = validate(schema, document, rules)
            kept.append(document)
        return found[id(document)]

    kept: list[DocumentNode] = []  # so that no other takes its place in memory
    monkeypatch.setattr(strawberry_schema, "parse", read)
    monkeypatch.setattr(strawberry_schema, "validate_document", validated)


@pytest.fixture
def scratch(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's processes put temporary files, in a path short enough for a socket.

    `tmp_path` is asked for first: pytest would else keep its own files in here.
    """
    folder = place / uuid4().hex[:8]
    folder.mkdir()
    multiprocessing.util.get_temp_dir()  # is made once a process and gone with it: not in here
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def kept(settings: Settings, scratch: Path) -> Callable[[], list[str]]:
    """Every file below the data path as `<folder>/<suffix>`, and every temporary one."""

    def listed() -> list[str]:
        data = Path(str(settings.data_path))
        found = [path.relative_to(data) for path in data.rglob("*") if path.is_file()]
        passing = [f"scratch/{path.name}" for path in scratch.rglob("*") if path.is_file()]
        return sorted([f"{path.parts[0]}/{_ending(path)}" for path in found] + passing)

    return listed


def _ending(path: Path) -> str:
    return path.name if path.parts[0] == "scratch" else path.suffix


@pytest.fixture
def settles(kept: Callable[[], list[str]]) -> Callable[..., Awaitable[None]]:
    """Wait until exactly this is left: what is no longer needed goes a moment after the row says so."""

    async def wait(*names: str) -> None:
        try:
            await eventually(lambda: kept() == sorted(names))
        except TimeoutError:
            raise AssertionError(f"left: {kept()}, expected {sorted(names)}") from None

    return wait
