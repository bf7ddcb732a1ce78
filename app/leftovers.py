"""Files of processes that were killed: what is on its way into or through the house, and no longer moves."""

import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

OLD_S = 3600
"""Longer than any job or pause in an upload lasts, so that nothing of a living process is touched."""
BOUND_S = 10
"""Long enough for a socket that was just made to be listened on."""


def swept(folder: Path) -> Path:
    """The folder for files on the way, made if need be, and free of what was left in it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(folder)
    return folder


def sweep_silent(folder: Path, pattern: str) -> int:
    """Remove folders of ours whose socket, found by this pattern, nobody listens on; returns how many went."""
    removed = 0
    for path in folder.glob(pattern):
        with suppress(
            OSError
        ):  # another process swept it at this moment, or there is more in it than we made
            ours = path.parent.lstat().st_uid == os.geteuid() and not path.parent.is_symlink()
            if ours and time.time() - path.lstat().st_mtime > BOUND_S and _silent(path):
                path.unlink()
                path.parent.rmdir()
                removed += 1
    return removed


def _silent(path: Path) -> bool:
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:  # it is busy
            return False
    return False


def sweep(folder: Path, *, older_than_s: float = OLD_S) -> int:
    """Remove what nobody has written to for so long; returns how many files and folders went."""
    removed = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process swept it at this moment
            if time.time() - path.lstat().st_mtime > older_than_s:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
    return removed
