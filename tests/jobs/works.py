"""Pieces of work for children, each with one habit worth a test; a child imports them by name."""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Thread
from typing import NoReturn

import numpy as np

from engine.errors import InvalidInput
from engine.values import Step, Tell


def answer(tell: Tell, value: object) -> object:
    return value


def libraries(tell: Tell) -> set[str]:
    """What is imported, of which none is asked for here."""
    return {name.partition(".")[0] for name in sys.modules}


def steps(tell: Tell, count: int, pause_s: float) -> int:
    """Tell `count` steps, every third with a partial result."""
    for i in range(count):
        partial = {"number": i} if i % 3 == 0 else None
        tell(Step(stage="counting", fraction=(i + 1) / count, message=f"Step {i}", partial=partial))
        time.sleep(pause_s)
    return count


def waits(tell: Tell, seconds: float, mark: Path) -> str:
    """Leave the child's pid in `mark`, and take a while."""
    mark.write_text(str(os.getpid()))
    tell(Step(stage="waiting", fraction=0.1, message="Waiting"))
    time.sleep(seconds)
    return "done"


def takes_memory(tell: Tell) -> int:
    return len(bytearray(7 << 30))


def is_killed(tell: Tell, number: int) -> NoReturn:
    os.kill(os.getpid(), number)
    signal.pause()
    raise AssertionError


def calls(tell: Tell, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def calls_by_name(tell: Tell, port: int) -> None:
    with socket.create_connection(("localhost", port), timeout=5):
        pass


def waits_to_be_called(tell: Tell) -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass


def starts_a_program(tell: Tell, mark: Path) -> None:
    subprocess.run(["touch", str(mark)], check=True)


def forks(tell: Tell) -> None:
    if os.fork() == 0:
        os._exit(0)


def kills_another(tell: Tell, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def signals_another_by_a_pipe(tell: Tell, pid: int) -> None:
    read, _ = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, pid)


def signals_otherwise(tell: Tell) -> None:
    read, _ = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETSIG, signal.SIGUSR1)


def slows_another(tell: Tell, pid: int) -> None:
    os.setpriority(os.PRIO_PROCESS, pid, 5)


def opens_a_socket(tell: Tell, family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def keeps_descriptors_as_ever(tell: Tell) -> bool:
    read, write = os.pipe()
    os.set_blocking(read, False)
    fcntl.fcntl(write, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return not os.get_blocking(read)


def reads_another(tell: Tell, pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def is_hidden(tell: Tell) -> bool:
    return ctypes.CDLL(None).prctl(3) == 0  # PR_GET_DUMPABLE


def frees_itself(tell: Tell) -> None:
    most = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def calls_from_a_thread(tell: Tell, port: int) -> str:
    """The name of what is raised: a filter that held for one thread only would let the others pass."""
    raised = []

    def call() -> None:
        try:
            calls(tell, port)
        except OSError as error:
            raised.append(type(error).__name__)

    thread = Thread(target=call)
    thread.start()
    thread.join()
    return "".join(raised)


def computes(tell: Tell) -> bool:
    """Threads, files and matrices work as ever."""
    with tempfile.TemporaryFile() as file:
        file.write(b"rows")
    matrix = np.ones((300, 300))
    with ThreadPool(2) as pool:
        sums = pool.map(np.sum, [matrix @ matrix, matrix])
    return sums == [300.0**3, 300.0**2]


def takes_a_lot(tell: Tell) -> int:
    return len(bytearray(16 << 30))


def spins(tell: Tell) -> NoReturn:
    while True:
        pass


def errs(tell: Tell) -> NoReturn:
    raise KeyError("a cell of somebody's data")


def errs_in_the_system(tell: Tell) -> NoReturn:
    raise FileNotFoundError("a file that is no longer there")


def raises_what_cannot_be_pickled(tell: Tell) -> NoReturn:
    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__("odd")

    raise Odd(1, 2)


def refuses(tell: Tell) -> NoReturn:
    raise InvalidInput("the column race is empty", at=("protected", 0))


def environment(tell: Tell) -> dict[str, str]:
    return dict(os.environ)
