"""Files of processes that were killed: what is on its way into or through the house, and no longer moves."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

OLD_S = 3600
"""Longer than any job or pause in an upload lasts, so that nothing of a living process is touched."""


def swept(folder: Path) -> Path:
    """The folder for files on the way, made if need be, and free of what was left in it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(folder)
    return folder


def sweep(folder: Path, *, older_than_s: float = OLD_S) -> int:
    """Remove what nobody has written to for so long; returns how many files and folders went."""
    removed = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process swept it at this moment
            if time.time() - path.lstat().st_mtime > older_than_s:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
    return removed
