"""How long a whole analysis takes through the API, from the mutation to the report that can be read, stage by stage.

Run: `.venv/bin/python -m benchmarks.job [--rows 1000000]`. It starts a PostgreSQL of its own, a server and a worker
(see `benchmarks/upload.py`), uploads generated rows, runs the same analysis a few times, and prints for each the
seconds and where they went, as the events tell it.
"""

import argparse
import shutil
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from benchmarks.bias import generate
from benchmarks.upload import ask, by_put, running, wait

RUNS = 3
REGISTER = 'mutation { registerModel(input: {name: "bench", type: CLASSIFICATION}) { id } }'
START = "mutation ($input: NewAnalysisInput!) { startAnalysis(input: $input) { id } }"
LOOK = "query ($id: ID!) { analysis(id: $id) { status error createdAt startedAt finishedAt report { summary } } }"
COLUMNS = {"label": "label", "prediction": "prediction", "protected": ["race", "sex", "age"]}


def run(given: dict[str, object], client: object) -> tuple[float, dict]:
    """Seconds until the report is there, and the row."""
    started = time.perf_counter()
    id = ask(client, START, input=given)["startAnalysis"]["id"]
    while (row := ask(client, LOOK, id=id)["analysis"])["status"] in ("QUEUED", "RUNNING"):
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    assert row["status"] == "COMPLETED", row
    return seconds, row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))  # short, and open to PostgreSQL's user
    place.chmod(0o711)
    try:
        with running(place) as (client, _):
            file = place / "rows.parquet"
            generate(file, asked.rows)
            dataset = by_put(client, file)
            wait(client, dataset)
            model = ask(client, REGISTER)["registerModel"]["id"]
            given = {"modelId": model, "datasetId": dataset, "type": "COMPREHENSIVE", "columns": COLUMNS}
            for i in range(RUNS):
                seconds, row = run(given, client)
                moments = [
                    datetime.fromisoformat(row[name]) for name in ("createdAt", "startedAt", "finishedAt")
                ]
                waited, worked = ((b - a).total_seconds() for a, b in pairwise(moments))
                print(f"run {i + 1}: {seconds:.2f} s; waited {waited:.2f} s, worked {worked:.2f} s")
            print(row["report"]["summary"])
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
