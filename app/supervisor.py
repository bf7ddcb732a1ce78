"""Keeps the processes of one command alive: starts them, brings back what ended, stops them in order.

Each program leads a session of its own, so that Ctrl-C in a terminal reaches only the supervisor. When the supervisor
itself is killed, the kernel ends them (on Linux) and the database, and so do they themselves (see
`end_with_supervisor`): their standard input is a pipe that it holds and nobody writes to.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Thread

import structlog

from db.embedded import EmbeddedError, EmbeddedServer
from db.embedded_host import end_with

TICK_S, DATABASE_S = 0.25, 1.0
PATIENCE_S = 15.0
ALONE_S = 5.0
"""How long a program may go on when its supervisor, and with it the database of our own, is gone."""
YOUNG_S, SETTLED_S = 5.0, 30.0  # a program that ends younger has failed to start; an older one is sound
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
MOST_FAILURES = 5
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger()


def end_with_supervisor() -> None:
    """Called by a program, as one of a supervisor: end with it, on any system and whatever it is busy with."""
    Thread(target=_end_when_alone, name="end with the supervisor", daemon=True).start()


def _end_when_alone() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ALONE_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


@dataclass(frozen=True)
class Program:
    """What to run, under which name, in exactly this environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]


class Supervisor:
    """Runs programs in this order, after the database of our own if there is one, until it is told to stop."""

    def __init__(self, programs: Sequence[Program], database: EmbeddedServer | None) -> None:
        self._children = [_Child(program) for program in programs]
        self._database = database
        self._database_due = 0.0
        self._stopping = self._hurried = False

    def run(self, ready: Callable[[], bool], on_ready: Callable[[], None]) -> int:
        """Keep everything alive until SIGINT, SIGTERM or SIGHUP; a second Ctrl-C kills what is still there.

        Args:
            ready: asked at each tick until it is true, so it has to answer quickly; then `on_ready` is called once.

        Returns:
            The exit code: 0, or 1 if a program failed to start time and again before all was ready.
        """
        with ExitStack() as undoing:
            ends = os.pipe()
            for end in ends:
                undoing.callback(os.close, end)
            for number in STOPPING:
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:  # as under nohup
                    signal.signal(number, self._asked_to_stop)
                    undoing.callback(signal.signal, number, before)
            undoing.callback(self._stop)
            if self._database is not None:
                self._database.ensure()
            return self._keep(ends[0], ready, on_ready)

    def _keep(self, lifeline: int, ready: Callable[[], bool], on_ready: Callable[[], None]) -> int:
        is_ready = False
        while not self._stopping:
            self._keep_database()
            for child in self._children:
                child.keep(lifeline)
                if not is_ready and child.failures >= MOST_FAILURES:
                    sys.stderr.write(
                        f"fairmind: {child.program.name} does not start: it ended {child.failures} times"
                        f" within {YOUNG_S:.0f} s, at last with {child.end_note}\n"
                    )
                    return 1
            if not is_ready and ready():
                is_ready = True
                on_ready()
            time.sleep(TICK_S)
        with suppress(OSError):  # the terminal that says SIGHUP is gone
            start = "\n" if sys.stderr.isatty() else ""  # below the ^C that a terminal shows
            sys.stderr.write(f"{start}Stopping; another Ctrl-C does not wait for what still works\n")
        return 0

    def _keep_database(self) -> None:
        now = time.monotonic()
        if self._database is None or now < self._database_due:
            return
        self._database_due = now + DATABASE_S
        try:
            if self._database.ensure():
                log.warning("the database had ended and was started again")
        except (EmbeddedError, OSError) as error:
            self._database_due = now + LONGEST_PAUSE_S
            log.error("the database has ended and does not start, trying again", reason=str(error))

    def _asked_to_stop(self, number: int, _: object) -> None:
        again, self._stopping = self._stopping, True
        if again and number == signal.SIGINT:
            self._hurried = True  # only Ctrl-C is impatience: a closing terminal may say SIGHUP twice
            signal.signal(number, signal.SIG_DFL)  # a third one does not even wait for the database
            for child in self._children:
                child.kill()

    def _stop(self) -> None:
        for child in reversed(self._children):
            child.end(0 if self._hurried else PATIENCE_S)
        if self._database is not None:
            self._database.stop()


class _Child:
    """A program's present process, and how often in a row it failed to start."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.failures = 0
        self.end_note = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._born = self._due = 0.0

    def keep(self, lifeline: int) -> None:
        """Start it if it is due; note its end if it ended."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now, lifeline)
        elif (code := self._process.poll()) is not None:
            self.kill()  # its own children, should it have left any behind
            self._process = None
            self._ended(now, f"exit code {code}")

    def end(self, patience_s: float) -> None:
        """Ask it to end and kill it if it does not in time, with all that it started."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: the latter if only zombies are left
                os.killpg(self._process.pid, signal.SIGKILL)

    def _start(self, now: float, lifeline: int) -> None:
        self._born = now
        try:
            self._process = subprocess.Popen(  # noqa: S603
                self.program.argv,
                stdin=lifeline,
                env=self.program.env,
                start_new_session=True,
                preexec_fn=end_with(os.getpid(), signal.SIGTERM),
            )
        except OSError as error:
            self._ended(now, f"{error}")

    def _ended(self, now: float, note: str) -> None:
        age_s, self.end_note = now - self._born, note
        self.failures = self.failures + 1 if age_s < YOUNG_S else 0 if age_s >= SETTLED_S else self.failures
        pause_s = min(FIRST_PAUSE_S * 2 ** min(max(self.failures - 1, 0), 10), LONGEST_PAUSE_S)
        self._due = now + pause_s
        log.warning("a program ended, starting it again", program=self.program.name, note=note, in_s=pause_s)
