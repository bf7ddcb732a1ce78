"""Pieces of work for children, each with one habit worth a test; a child imports them by name."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

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
