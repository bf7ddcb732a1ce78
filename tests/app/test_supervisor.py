"""The supervisor of a command: what dies comes back, and nothing is left when it ends, however it ends."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import supervisor
from app.supervisor import Program, Supervisor
from db.embedded_host import command_line, wait_while
from tests.waiting import PATIENCE_S

CHECKOUT = Path(supervisor.__file__).parents[1]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")

STEADY = "import os, time; print(name, os.getpid(), flush=True); time.sleep(600)"
POLITE = (
    "import os, signal, sys, time;"
    "signal.signal(signal.SIGTERM, lambda *_: (print(name, 'asked', flush=True), sys.exit()));" + STEADY
)
STUBBORN = POLITE.replace(", sys.exit()", "")
CHILD = f"name = 'child'; {STEADY}"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {CHILD!r}]);time.sleep(600)"
TIED = "from app.supervisor import end_with_supervisor; end_with_supervisor();"
SUPERVISE = """
import os, signal, sys
from app import supervisor
from app.supervisor import Program, Supervisor

if sys.argv.pop(1) == "no help":
    supervisor.end_with = lambda *_: None
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background inherits that it is ignored
codes = [f"name = {name!r};{code}" for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
programs = [Program(name, [sys.executable, "-c", code], os.environ) for name, code in zip(sys.argv[1::2], codes)]
sys.exit(Supervisor(programs, None).run(lambda: False, lambda: None))
"""


@pytest.fixture
def supervise():
    """A process that supervises programs, each with a line of code, and leaves nothing to the next test."""
    started = []

    def run(kernel: str = "helps", **programs: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, kernel, *(word for pair in programs.items() for word in pair)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path])},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def pids(process: subprocess.Popen[str], *names: str) -> dict[str, int]:
    """The pids that these programs told, skipping everything else that is said."""
    found: dict[str, int] = {}
    for line in process.stdout:
        match line.split():
            case [name, number] if name in names and number.isdigit():
                found[name] = int(number)
        if len(found) == len(names):
            return found
    raise AssertionError(f"only {found} of {names} started")


def gone(*numbers: int, within_s: float = PATIENCE_S) -> bool:
    def left() -> bool:
        return any(command_line(number).strip() for number in numbers)

    wait_while(left, within_s)
    return not left()


def test_a_killed_program_comes_back_and_the_others_are_left_alone(supervise):
    process = supervise(first=STEADY, second=STEADY)
    before = pids(process, "first", "second")
    os.kill(before["first"], signal.SIGKILL)
    after = pids(process, "first")
    assert gone(before["first"])
    assert not gone(after["first"], within_s=0)
    assert not gone(before["second"], within_s=0)


def test_told_to_stop_it_stops_all_in_reverse_order_and_leaves_nothing(supervise):
    process = supervise(first=POLITE, second=POLITE, third=PARENT)
    running = pids(process, "first", "second", "child")
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert [line for line in said.splitlines() if "asked" in line] == ["second asked", "first asked"]
    assert gone(*running.values())


def test_a_second_interrupt_kills_at_once(supervise):
    process = supervise(first=STUBBORN)
    running = pids(process, "first")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "first asked\n"
    since = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - since < supervisor.PATIENCE_S  # after which it is killed anyway
    assert process.stderr.read().startswith("Stopping")
    assert gone(*running.values())


def test_a_program_that_never_starts_is_given_up_by_name(supervise):
    process = supervise(sound=STEADY, broken="import sys; sys.exit('there is no configuration')")
    running = pids(process, "sound")
    _, complaint = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert complaint.count("there is no configuration") == 5
    assert complaint.splitlines()[-1] == (
        "fairmind: broken does not start: it ended 5 times within 5 s, at last with exit code 1"
    )
    assert gone(*running.values())


@on_linux
def test_nothing_outlives_a_killed_supervisor(supervise):
    process = supervise(first=STEADY, second=POLITE)
    running = pids(process, "first", "second")
    process.kill()
    assert gone(*running.values())


def test_where_the_kernel_does_not_help_programs_end_with_a_killed_supervisor_themselves(supervise):
    busy = f"{TIED} from app import supervisor; supervisor.ALONE_S = 1; {STUBBORN}"
    busy = busy.replace(
        STEADY, f"import subprocess; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); {STEADY}"
    )
    process = supervise(kernel="no help", idle=TIED + STEADY, busy=busy)
    running = pids(process, "idle", "busy", "child")
    process.kill()
    assert gone(*running.values())


class Database:
    """Stands in for the server of our own: dies at every second look."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def ensure(self) -> bool:
        self.said.append("ensure")
        return len(self.said) % 2 == 0

    def stop(self) -> None:
        self.said.append("stop")


def test_the_database_comes_first_is_brought_back_and_stops_last(monkeypatch):
    monkeypatch.setattr(supervisor, "DATABASE_S", 0.0)
    monkeypatch.setattr(supervisor, "TICK_S", 0.02)
    database, greetings = Database(), []

    def on_ready() -> None:
        greetings.append("ready")
        os.kill(os.getpid(), signal.SIGTERM)

    handlers = {number: signal.getsignal(number) for number in supervisor.STOPPING}
    with capture_logs() as lines:
        code = Supervisor([], database).run(lambda: len(database.said) == 4, on_ready)
    assert code == 0
    assert greetings == ["ready"]
    assert database.said == ["ensure", "ensure", "ensure", "ensure", "stop"]
    assert [line["event"] for line in lines] == ["the database had ended and was started again"] * 2
    assert handlers == {number: signal.getsignal(number) for number in supervisor.STOPPING}


def test_a_fault_in_what_it_calls_leaves_no_program_behind():
    words = [sys.executable, "-c", STEADY]
    watched = Supervisor([Program("steady", words, os.environ)], None)

    def ready() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        watched.run(ready, lambda: None)
    assert watched._children[0]._process.returncode is not None


def test_a_program_that_is_not_there_is_given_up_like_one_that_fails(monkeypatch, capsys):
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(supervisor, "TICK_S", 0.0)
    missing = Program("missing", ["/nowhere/missing"], {})
    assert Supervisor([missing], None).run(lambda: False, lambda: None) == 1
    assert "missing does not start: it ended 5 times" in capsys.readouterr().err
