"""A day's work in small, and what must be true of it whatever happened meanwhile."""

import asyncio
import random
from typing import Any

import orjson
import psycopg

from tests.client import Api
from tests.conftest import soak_run

ROWS = 4000
ANALYSES, DATASETS, DRAWS = (8, 3, 10_000) if soak_run() else (4, 2, 4_000)
LONGEST_S = 3.0 if soak_run() else 1.5
"""Between two blows, so that they fall while these jobs run."""


def lending(seed: int, rows: int = ROWS) -> str:
    """Decisions with three protected attributes, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 # no secret
    lines = ["race,sex,age,approved,predicted"]
    for _ in range(rows):
        race, sex = chance.choice(["a", "b", "c"]), chance.choice(["f", "m"])
        age, label = chance.choice(["young", "middle", "old"]), chance.random() < 0.6
        prediction = chance.random() < (0.7 if label else 0.2) - (0.1 if race == "b" else 0)
        lines.append(f"{race},{sex},{age},{label:d},{prediction:d}")
    return "\n".join(lines) + "\n"


async def begin(api: Api) -> tuple[list[str], list[str]]:
    """Ids of analyses and of datasets, all queued at once: jobs that run for a second or more, which in a soak are some."""
    model, ready = await api.model(name=f"model {random.random()}"), await api.dataset(content=lending(0))  # noqa: S311
    columns = {"label": "approved", "prediction": "predicted", "protected": ["race", "sex", "age"]}
    analyses = []
    for seed in range(ANALYSES):
        options = {"bootstrapSamples": DRAWS, "seed": seed}
        started = await api.start(model, ready, columns=columns, options=options)
        assert started.errors == []
        analyses.append(started.data["startAnalysis"]["id"])
    datasets = [
        (await api.upload(content=lending(seed, 40_000))).json()["id"] for seed in range(1, 1 + DATASETS)
    ]
    return analyses, datasets


async def all_ended(url: str, seconds: float) -> None:
    """Wait until nothing is queued or running any more."""
    async with asyncio.timeout(seconds):
        while await asyncio.to_thread(_open, url):  # noqa: ASYNC110 # other processes set no event
            await asyncio.sleep(0.2)


def _open(url: str) -> int:
    try:
        with psycopg.connect(url) as connection:
            query = "SELECT (SELECT count(*) FROM analysis WHERE status IN ('queued', 'running'))"
            query += " + (SELECT count(*) FROM dataset WHERE status IN ('queued', 'running'))"
            (count,) = connection.execute(query).fetchone()
            return int(count)
    except psycopg.OperationalError:
        return -1  # it restarts


def outcome(url: str) -> dict[str, Any]:
    """Reports by the seed of the analysis, and tables by content; none lost, none stored twice."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT id, status, error, options->>'seed', report FROM analysis"
        ).fetchall()
        ended = {(status, error) for _, status, error, *_ in rows}
        assert ended == {("completed", None)}, ended
        reports = {seed: orjson.dumps(report, option=orjson.OPT_SORT_KEYS) for *_, seed, report in rows}
        tables = connection.execute(
            "SELECT id, status, error, sha256, profile, preview, blob, organization_id FROM dataset"
        ).fetchall()
        ended = {(status, error) for _, status, error, *_ in tables}
        assert ended == {("completed", None)}, ended
        events = connection.execute(
            "SELECT subject_id, count(*) FILTER (WHERE status = 'completed') FROM event GROUP BY subject_id"
        ).fetchall()
        assert {id for id, _ in events} == {row[0] for row in rows} | {table[0] for table in tables}
        assert {count for _, count in events} == {1}
        numbers = [n for (n,) in connection.execute("SELECT number FROM event ORDER BY number").fetchall()]
        assert numbers == list(range(1, len(numbers) + 1))
        falls = connection.execute(
            "SELECT count(*) FROM (SELECT fraction - lag(fraction) OVER (PARTITION BY subject_id ORDER BY number)"
            " AS step FROM event) s WHERE step < 0"
        ).fetchone()
        assert falls == (0,)
    contents = {
        sha256: orjson.dumps([profile, preview, blob.removeprefix(str(organization))])
        for _, _, _, sha256, profile, preview, blob, organization in tables
    }
    return {"reports": reports, "tables": contents}
