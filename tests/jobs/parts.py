"""Parts of a table for tests, and pieces of work for hands, here or on a cluster; both import them by name."""

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidInput
from engine.fairness import BiasColumns, BiasOptions
from engine.fairness.analysis import FAMILIES
from engine.fairness.evidence import Summary
from engine.fairness.reading import connect
from engine.values import ModelType, Step, Tell


class Wanted:
    """An attempt as far as parts know it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.ours = True

    async def still_ours(self) -> bool:
        return self.ours

    async def tell(self, steps: list[Step]) -> None:
        self.steps += steps


ROWS = 30_000
CUTS = (0, 7_001, 19_000, ROWS)


def table(seed: int = 0) -> pa.Table:
    """Loans with an age that is banded, a word only the last part has, and missing values."""
    random = np.random.default_rng(seed)
    race = random.choice(["black", "white", None], ROWS, p=[0.3, 0.65, 0.05])
    race[CUTS[2] + 5] = "other"
    approved = random.integers(0, 2, ROWS)
    return pa.table(
        {
            "race": race.tolist(),
            "age": random.integers(18, 90, ROWS) + np.arange(ROWS) // 10_000,
            "approved": approved,
            "predicted": np.where(random.random(ROWS) < 0.8, approved, 1 - approved),
            "score": np.clip(0.3 + 0.4 * approved + random.normal(0, 0.2, ROWS), 0, 1),
        }
    )


def written(folder: Path, whole: pa.Table | None = None) -> list[Path]:
    """Three parts in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = table() if whole is None else whole
    paths = []
    for i, (start, end) in enumerate(pairwise(CUTS)):
        paths.append(folder / f"part-{i}.parquet")
        pq.write_table(rows.slice(start, end - start), paths[-1])
    return paths


def numbered(tell: Tell, number: int, seconds: float = 0.0) -> list[int]:
    time.sleep(seconds)
    return [number]


def refused(tell: Tell, number: int) -> list[int]:
    if number == 2:
        raise InvalidInput("part two is bad", at=("protected", 0))
    _long()
    return [number]


def once_then_done(tell: Tell, number: int, mark: Path) -> list[int]:
    """Part 1 takes long the first time, and leaves its process in `mark` meanwhile."""
    if number == 1 and not mark.exists():
        mark.with_suffix(".new").write_text(str(os.getpid()))
        mark.with_suffix(".new").rename(mark)
        time.sleep(600)
    return [number]


def counts_long(tell: Tell, number: int, folder: Path) -> list[int]:
    """A query that takes minutes, with a mark while it runs."""
    mark = folder / f"running-{number}"
    mark.touch()
    try:
        _long()
    except duckdb.InterruptException:
        mark.unlink()
        raise
    return [number]


def counts_and_says_where(folder: Path, tell: Tell, *args: Any) -> Summary:
    """The count itself; the number of its process is then a file in `folder`."""
    (folder / str(os.getpid())).touch()
    return _counted(tell, *args)


def counts_unless_first(mark: Path, tell: Tell, part: object, *args: Any) -> Summary:
    """The count itself, but who reads part 1 first leaves its process in `mark` and takes long."""
    once_then_done(tell, int("part-1." in str(part)), mark)
    return _counted(tell, part, *args)


def _counted(tell: Tell, *args: Any) -> Summary:
    from jobs.bias import count_part  # noqa: PLC0415  # seconds in a process that was just started

    return count_part(tell, *args)


def never_counts(folder: Path, tell: Tell, *args: object) -> None:
    """Minutes of DuckDB instead, with a mark while it runs."""
    counts_long(tell, os.getpid(), folder)


def _long() -> None:
    """Minutes of DuckDB."""
    with connect() as connection:
        connection.sql("SELECT sum(a.i * b.i) FROM range(100000000) a(i), range(1000000) b(i)").fetchall()


def regresses_for_ever(tell: Tell, path: Path, columns: BiasColumns, folder: Path) -> None:
    """The summary of a regression again and again, with a mark while it goes on."""
    mark = folder / "running"
    mark.touch()
    try:
        while True:
            FAMILIES[ModelType.REGRESSION].summarise(path, columns, BiasOptions(), tell)
    finally:
        mark.unlink()
