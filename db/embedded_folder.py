"""The folder of a server of our own: whose it is, the data in it, and the log of what ran on it."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from db.embedded_binaries import essence, version
from db.embedded_host import EmbeddedError, make_folders, offspring, own

OWNER = "fairmind"
LOG_BYTES = 16 << 20


def locked(file: Path) -> int | None:
    """A descriptor that holds this file for as long as it is open; None if another process holds it."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return lock


def is_made(folder: Path) -> bool:
    """Whether a server has been set up in this folder."""
    return (folder / "data" / "PG_VERSION").exists()


class ServerFolder:
    """Holds `lock`, taken for as long as the owning process lives, `data`, private, and `server.log`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.log = path / "server.log"
        self._lock: int | None = None

    @property
    def taken(self) -> bool:
        return self._lock is not None

    def take(self) -> bool:
        """Make the folder and own it; False if another process does."""
        if self._lock is not None:
            return True
        make_folders(self.path)
        self._lock = locked(self.path / "lock")
        return self.taken

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def check_version(self, binaries: Path) -> None:
        stamp = self.data / "PG_VERSION"
        if not stamp.exists():
            return
        theirs, ours = stamp.read_text().strip(), version(binaries)
        if theirs != ours:
            raise EmbeddedError(
                f"the data in {self.data} were written by PostgreSQL {theirs} and the binaries here are of"
                f" {ours}: dump them with PostgreSQL {theirs} and load them into a new folder, or move the"
                " folder away to start empty"
            )

    def initialize(self, binaries: Path, *, durable: bool) -> None:
        """Make the data if there are none: elsewhere, then renamed: no kill leaves half of them."""
        for left in self.path.glob("new-*"):
            shutil.rmtree(left, ignore_errors=True)
        if is_made(self.path):
            return
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self.path))
        own(fresh)
        words = f"-U {OWNER} -A trust -E UTF8 --locale=C.UTF-8 --data-checksums --no-instructions".split()
        since = self.log_size()
        process = self.run(binaries / "initdb", "-D", str(fresh), *words, *([] if durable else ["--no-sync"]))
        if process.wait():
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not make its folder: {essence(self.log_since(since))}")
        fresh.rename(self.data)
        folder = os.open(self.path, os.O_RDONLY)
        os.fsync(folder)  # or a power cut could bring the old name back, and the next start clear it away
        os.close(folder)

    def run(self, program: Path, *words: str) -> subprocess.Popen[bytes]:
        """Start a program as the server's user, which writes to the log."""
        if self.log_size() > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            return offspring([str(program), *words], log)
        finally:
            os.close(log)

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")
