"""What parts cost: the count of one file, of 8 parts by children, and of 8 parts by a Dask cluster on loopback.

    python -m benchmarks.parts --folder /tmp/parts [--rows 20000000] [--parts 8]

Makes its table in the folder first (some 40 MB a million rows) and leaves it there.
"""

import argparse
import asyncio
import time
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from engine.fairness import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.analysis import FAMILIES, judged
from engine.fairness.keeping import packed
from engine.fairness.parts import prepared, together
from engine.values import ModelType, silent
from jobs.bias import count_part
from jobs.children import Children
from jobs.parts import Local, Part, merged_in_order

COLUMNS = BiasColumns(label="label", prediction="prediction", protected=("race", "sex", "age"))
KIND, MODEL, OPTIONS = AnalysisType.COMPREHENSIVE, ModelType.CLASSIFICATION, BiasOptions()
MADE = """COPY (SELECT ['asian', 'black', 'hispanic', 'other', 'white'][1 + (hash(i) % 5)::INTEGER] AS race,
  ['f', 'm'][1 + (hash(i + 7) % 2)::INTEGER] AS sex, (18 + hash(i + 13) % 70)::INTEGER AS age,
  (hash(i + 17) % 100 < 40)::INTEGER AS label, (hash(i + 19) % 100 < 30 + 5 * (hash(i) % 5))::INTEGER AS prediction,
  random() AS a, random() AS b, random() AS c, random() AS d FROM range({start}, {end}) t(i)) TO '{path}' (FORMAT parquet)"""


class Nobody:
    """An attempt whose steps nobody follows."""

    async def still_ours(self) -> bool:
        return True

    async def tell(self, steps: object) -> None:
        pass


def made(folder: Path, rows: int, parts: int) -> tuple[Path, list[Path]]:
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    paths = [folder / "parts" / f"part-{i:03}.parquet" for i in range(parts)]
    whole = folder / "whole.parquet"
    with duckdb.connect() as connection:
        for i, path in enumerate(paths):
            if not path.exists():
                connection.execute(
                    MADE.format(start=i * rows // parts, end=(i + 1) * rows // parts, path=path)
                )
        if not whole.exists():
            connection.execute(f"COPY (FROM '{folder}/parts/*.parquet') TO '{whole}' (FORMAT parquet)")
    return whole, paths


async def counted(crew, options, paths):
    given = [
        Part(args=(path, COLUMNS, options, MODEL), rows=pq.read_metadata(path).num_rows) for path in paths
    ]
    add = partial(together, columns=COLUMNS)
    return await merged_in_order(Nobody(), crew, count_part, given, add, 0.4)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--parts", type=int, default=8)
    asked = parser.parse_args()
    whole, paths = made(asked.folder, asked.rows, asked.parts)
    size = sum(path.stat().st_size for path in paths) / 2**20
    print(f"{asked.rows:,} rows, {asked.parts} parts, {size:,.0f} MiB")

    took = {}
    for turn in range(3):
        start = time.perf_counter()
        alone = FAMILIES[MODEL].summarise(whole, COLUMNS, OPTIONS, silent)
        took["one file, one process", turn] = time.perf_counter() - start
        start = time.perf_counter()
        options = prepared(paths, COLUMNS, KIND, OPTIONS, MODEL)
        took["bands of all parts, once", turn] = time.perf_counter() - start
    children = Children(2)
    async with children.open():
        await counted(Local(children=children), options, paths[:1])  # warm
        for turn in range(3):
            start = time.perf_counter()
            here = await counted(Local(children=children), options, paths)
            took["parts, 2 children", turn] = time.perf_counter() - start
    from distributed import LocalCluster  # noqa: PLC0415  # children import this file, and would take its time

    from jobs.cluster import Cluster  # noqa: PLC0415

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        crew = Cluster(address=cluster.scheduler_address)
        await counted(crew, options, paths)  # the workers import
        for turn in range(3):
            start = time.perf_counter()
            there = await counted(crew, options, paths)
            took["parts, Dask with 2 workers", turn] = time.perf_counter() - start
        start = time.perf_counter()
        async with crew.hired():
            pass
        print(f"hiring the cluster and letting it go: {time.perf_counter() - start:.3f} s")
        empty = asked.folder / "empty.parquet"
        pq.write_table(pq.read_table(paths[0]).slice(0, 1000), empty)
        start = time.perf_counter()
        await counted(crew, options, [empty] * 200)
        task = (time.perf_counter() - start) / 200
        start = time.perf_counter()
        for _ in range(50):
            count_part(silent, empty, COLUMNS, options, MODEL)
        print(
            f"a part of 1,000 rows: {task * 1000:.1f} ms with Dask, {(time.perf_counter() - start) * 20:.1f} ms without"
        )
    for name in dict.fromkeys(name for name, _ in took):
        print(f"{name}: {min(took[name, turn] for turn in range(3)):.2f} s")
    start = time.perf_counter()
    judged(here, COLUMNS, KIND, OPTIONS)
    print(f"judging: {time.perf_counter() - start:.2f} s")
    assert packed(here) == packed(there)
    print("the two are the same to the bit:", packed(here) == packed(there))
    print("and the same as the one file:", packed(alone) == packed(here))


if __name__ == "__main__":
    asyncio.run(main())
