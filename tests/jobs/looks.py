"""Looks at the sum so far, each with one habit worth a test; a child imports them by name."""

import os
import signal
from pathlib import Path

from engine.errors import InvalidInput
from engine.values import Step, Tell
from jobs.interim import Standing
from tests.jobs import works


def says(tell: Tell, total: list[int], standing: Standing) -> list[Step]:
    partial = {"sum": total, "merged": standing.merged}
    return [
        Step(stage="looking", fraction=standing.fraction, message="So far", partial=partial, interim=True)
    ]


def refuses(tell: Tell, total: list[int], standing: Standing, folder: Path) -> list[Step]:
    (folder / "refused").touch()
    raise InvalidInput("there are not two groups yet")


def errs(tell: Tell, total: list[int], standing: Standing, folder: Path) -> list[Step]:
    (folder / "erred").touch()
    raise KeyError("a cell of somebody's data")


def is_killed(tell: Tell, total: list[int], standing: Standing, folder: Path) -> list[Step]:
    (folder / "killed").touch()
    works.is_killed(tell, signal.SIGKILL)


def takes_minutes(tell: Tell, total: list[int], standing: Standing, mark: Path) -> list[Step]:
    mark.write_text(str(os.getpid()))
    signal.pause()
    raise AssertionError
