"""What the tests of uploads ask for: what lies where files pass and where they are kept."""

import multiprocessing.util
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from app.settings import Settings
from tests.waiting import eventually


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
