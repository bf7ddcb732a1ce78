"""How long an explanation takes through the API, from the mutation to the report that can be read, for each kind.

Run: `.venv/bin/python -m benchmarks.explanation_job`. It starts a PostgreSQL of its own, a server and a worker (see
`benchmarks/upload.py`), uploads 20,000 generated rows and a scikit-learn pipeline of one-hot columns and boosted trees,
and asks each kind a few times. The first time of a kind loads what it needs into the worker's warm child.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.upload import ask, by_put, running, wait

ROWS, RUNS = 20_000, 5
REGISTER = 'mutation { registerModel(input: {name: "bench", type: CLASSIFICATION}) { id } }'
TICKET = "mutation ($id: ID!) { requestModelUpload(input: {modelId: $id}) { path } }"
LOOK_AT_FILE = "query ($id: ID!) { model(id: $id) { artifact { status error } } }"
START = "mutation ($input: NewExplanationInput!) { startExplanation(input: $input) { id } }"
LOOK = "query ($id: ID!) { explanation(id: $id) { status error report { summary method } } }"
KINDS = {
    "SHAP": {"rows": [17]},
    "LIME": {"rows": [17]},
    "COUNTERFACTUAL": {"rows": [17]},
    "AGREEMENT": {"rows": [17]},
    "PERMUTATION": {"label": "label"},
    "GLOBAL": {},
}


def generate() -> tuple[pd.DataFrame, Pipeline]:
    """Rows with a label, and a pipeline that was trained on them."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(ROWS, 10)).round(3)
    rows = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(10)])
    rows["town"] = random.choice(["Aa", "Bo", "Cu"], ROWS)
    chance = 1 / (1 + np.exp(-(2 * rows.x0 - rows.x1 * rows.x2 + (rows.town == "Bo"))))
    label = (random.uniform(size=ROWS) < chance).astype(int)
    encoder = make_column_transformer((OneHotEncoder(sparse_output=False), ["town"]), remainder="passthrough")
    model = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=50)).fit(rows, label)
    return rows.assign(label=label), model


def with_file(client: object, model: Pipeline, file: Path) -> str:
    """The id of a model that has this file."""
    skops.io.dump(model, file)
    id = ask(client, REGISTER)["registerModel"]["id"]
    answer = client.put(ask(client, TICKET, id=id)["requestModelUpload"]["path"], content=file.read_bytes())
    assert answer.status_code == 201, answer.text
    while (found := ask(client, LOOK_AT_FILE, id=id)["model"]["artifact"])["status"] in ("QUEUED", "RUNNING"):
        time.sleep(0.05)
    assert found["status"] == "COMPLETED", found
    return id


def seconds(client: object, given: dict[str, object]) -> tuple[float, str]:
    """Until the report is there, and its method."""
    started = time.perf_counter()
    id = ask(client, START, input=given)["startExplanation"]["id"]
    while (row := ask(client, LOOK, id=id)["explanation"])["status"] in ("QUEUED", "RUNNING"):
        time.sleep(0.01)
    assert row["status"] == "COMPLETED", row
    return time.perf_counter() - started, row["report"]["method"]


def main() -> None:
    place = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))  # short, and open to PostgreSQL's user
    place.chmod(0o711)
    try:
        rows, pipeline = generate()
        rows.to_csv(place / "rows.csv", index=False)
        with running(place) as (client, _):
            dataset = by_put(client, place / "rows.csv")
            wait(client, dataset)
            model = with_file(client, pipeline, place / "model.skops")
            print("| kind | method | first, s | then, s (median of four) |\n|---|---|---|---|")
            for kind, options in KINDS.items():
                given = {"modelId": model, "datasetId": dataset, "kind": kind, "options": options}
                found = [seconds(client, given) for _ in range(RUNS)]
                times = [each for each, _ in found]
                print(f"| {kind} | {found[0][1]} | {times[0]:.2f} | {np.median(times[1:]):.2f} |", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
