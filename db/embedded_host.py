"""What a server of our own needs of this machine: folders, the user it runs as, and processes that end with us."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread

from platformdirs import user_data_dir


class EmbeddedError(Exception):
    """The database server of our own cannot be had; the message says why and what to do, in one sentence."""


# Folders


def default_folder(name: str) -> Path:
    """Where the server called `name` keeps its data: the user's data folder; as root, where nobody can enter.

    Never inside the checkout; a user without a home gets a private folder that outlives a restart.
    """
    checkout = Path(__file__).resolve().parents[1]
    root = os.geteuid() == 0
    home = Path("/var/lib/fairmind") if root else Path(user_data_dir("fairmind"))
    for place in (home, Path(f"/var/tmp/fairmind-{os.geteuid()}")):  # noqa: S108 # its owner is checked
        found = next(folder for folder in (place, *place.parents) if os.path.lexists(folder))
        usable = os.access(found, os.W_OK | os.X_OK) and not place.resolve().is_relative_to(checkout)
        mine = found != place or (found.lstat().st_uid == os.geteuid() and found.is_dir())
        if usable and mine and obstacle(place / name) is None:
            return place / name
    raise EmbeddedError(f"neither {home} nor /var/tmp can hold a database: name a folder that can")


def make_folders(folder: Path) -> None:
    """Make the folder and the missing ones above it, enterable by the server's user whatever the umask."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(exist_ok=True)
        part.chmod(0o711 if os.geteuid() == 0 else 0o700)


def own(folder: Path) -> None:
    """Hand a private folder to the server's user."""
    user, group = identity()
    if user is not None and group is not None:
        os.chown(folder, user, group)


def obstacle(folder: Path) -> Path | None:
    """The first folder on the way that the server's user may not enter."""
    user, group = identity()
    if user is None:
        return None
    folder = folder.resolve()
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            return None  # it will be made, enterable
        found = part.stat()
        bit = 0o100 if found.st_uid == user else 0o010 if found.st_gid == group else 0o001
        if not found.st_mode & bit:
            return part
    return None


# Users and processes


def identity() -> tuple[int, int] | tuple[None, None]:
    """The user and group the server runs as, where that is not ourselves."""
    if os.geteuid() != 0:
        return None, None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root and there is no user nobody: start as another user"
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def offspring(words: list[str], log: int) -> subprocess.Popen[bytes]:
    """Start a program that ends with us and is reaped as soon as it ends.

    Linux ties the signal to the thread that forked, so a thread of its own starts it and waits for it.
    The environment is empty: no PG* variable of ours can change what the server does.
    """
    born: Future[subprocess.Popen[bytes]] = Future()
    user, group = identity()
    tie = end_with(os.getpid(), signal.SIGINT)

    def keep() -> None:
        try:
            process = subprocess.Popen(  # noqa: S603
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                preexec_fn=tie,  # runs after the change of user, which would clear the signal
            )
        except (OSError, subprocess.SubprocessError) as error:
            born.set_exception(error)
        else:
            born.set_result(process)
            process.wait()

    Thread(target=keep, name="postgres", daemon=True).start()
    return born.result()


def end_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    """What a child calls, as `preexec_fn`, to be sent a signal when its parent is gone; None where that cannot be.

    The child itself has to ask for it, and `preexec_fn` is the one place without another program in between. Python
    warns of it among threads because of locks held at the fork: this takes one system call and none of them.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: little may be done between fork and exec
    set_pdeathsig = 1

    def tie() -> None:
        prctl(set_pdeathsig, number)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def command_line(pid: int) -> str:
    """What the process was started with; empty when it has ended, even if nobody has reaped it yet."""
    if Path("/proc/self").exists():
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(raw.replace(b"\0", b" "))
    words = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() + " "  # noqa: S603


def serves(pid: int, data: Path) -> bool:
    """Whether this process really is a PostgreSQL on this folder: pids are used again."""
    program, _, rest = command_line(pid).partition(" -D ")
    if not program.endswith("/postgres"):
        return False
    with suppress(OSError):
        return rest.startswith(f"{data} ") or os.path.samefile(f"/proc/{pid}/cwd", data)
    return False


def wait_while(condition: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while condition() and time.monotonic() < deadline:
        time.sleep(0.02)
