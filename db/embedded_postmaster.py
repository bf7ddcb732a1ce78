"""One run of PostgreSQL on a folder of ours: its settings, its socket, its start and its end.

There is no TCP port. The socket lies inside the data, or where that path is too long for the kernel in a short one.
"""

import os
import signal
import stat
import subprocess
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from db.embedded_binaries import essence
from db.embedded_folder import OWNER, ServerFolder
from db.embedded_host import EmbeddedError, identity, own, serves, wait_while

START_S, STOP_S = 60.0, 20.0
PORT = "5432"
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
}
HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # a test's data may be lost
SOCKET_BYTES = 107  # what the kernel allows for the path of a socket


class Postmaster:
    """The process of the server, ours while `process` is not None, and the clients that ask it.

    Args:
        folder: whose data it serves.
        binaries: where its programs are; may be set anew before `launch`.
        durable: False leaves out every fsync.
    """

    def __init__(self, folder: ServerFolder, binaries: Path, *, durable: bool) -> None:
        self.binaries = binaries
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._durable = durable
        self.sockets = folder.data
        if len(os.fsencode(folder.data / f".s.PGSQL.{PORT}")) > SOCKET_BYTES:
            digest = sha256(os.fsencode(folder.data)).hexdigest()[:16]
            self.sockets = Path(f"/tmp/fairmind-{os.geteuid()}-{digest}")  # noqa: S108 # checked

    def launch(self) -> None:
        """Run the server and return once it answers."""
        self._prepare_sockets()
        settings = {**SETTINGS, **({} if self._durable else HASTE)}
        settings["unix_socket_directories"] = '"' + str(self.sockets).replace('"', '""') + '"'
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + START_S
        while self.process is None:
            self._clear_the_way()
            since = self._folder.log_size()
            data = str(self._folder.data)
            process = self.process = self._folder.run(self.binaries / "postgres", "-D", data, *words)
            while process.poll() is None:
                if self.answers():
                    return
                if time.monotonic() > deadline:
                    self.end()
                    said = essence(self._folder.log_since(since))
                    raise EmbeddedError(f"PostgreSQL did not answer in {START_S:.0f} s: {said}")
                time.sleep(0.02)
            self.process = None
            said = self._folder.log_since(since)
            # Shared memory is in use for a moment by the backends of a killed server.
            if "is still in use" not in said or time.monotonic() > deadline:
                raise EmbeddedError(
                    f"PostgreSQL did not start: {essence(said)} (its log is {self._folder.log})"
                )
            time.sleep(0.1)

    def end(self) -> None:
        """Shut it down, in a hurry after 20 s."""
        process, self.process = self.process, None
        if process is None:
            return
        for number, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, None)):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
                return

    def answers(self) -> bool:
        """Whether a server takes connections here, whoever runs it."""
        return self._client("pg_isready", "-q", "-t", "3").returncode == 0

    def sql(self, statement: str, **variables: str) -> str:
        """Run a statement with psql, which quotes the variables; the error, if there was one."""
        given = [f"--set={name}={value}" for name, value in {"VERBOSITY": "verbose", **variables}.items()]
        done = self._client("psql", "-Xwq", "--set=ON_ERROR_STOP=1", *given, text=statement)
        return (done.stderr or "psql failed") if done.returncode else ""

    def _client(self, program: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        where = f"-p {PORT} -U {OWNER} -d postgres -h".split()
        return subprocess.run(  # noqa: S603
            [str(self.binaries / program), *where, str(self.sockets), *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "PGCLIENTENCODING": "UTF8", "PGCONNECT_TIMEOUT": "10"},
        )

    def _prepare_sockets(self) -> None:
        if self.sockets == self._folder.data:
            return
        with suppress(FileExistsError):
            self.sockets.mkdir(mode=0o700)
            own(self.sockets)
        found, (user, _) = self.sockets.lstat(), identity()
        ours = found.st_uid == (os.geteuid() if user is None else user)
        if not ours or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise EmbeddedError(
                f"{self.sockets} is not ours alone: remove it, the server's socket goes there"
            )

    def _clear_the_way(self) -> None:
        """Stop a server that outlived its owner, and forget a pid that some unrelated process has by now."""
        data = self._folder.data
        for file in (data / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            try:
                pid = int(file.read_text().split()[0])
            except FileNotFoundError:
                continue
            except (ValueError, IndexError):
                pid = os.getpid()  # unreadable, so of no use to PostgreSQL either
            for number, patience_s in (
                (signal.SIGINT, STOP_S),
                (signal.SIGQUIT, 10.0),
                (signal.SIGKILL, 5.0),
            ):
                if serves(pid, data):
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                    wait_while(lambda pid=pid: serves(pid, data), patience_s)  # type: ignore[misc]
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                file.unlink(missing_ok=True)
