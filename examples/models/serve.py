"""A model that is served elsewhere, for `endpoint.graphql`: it runs on this machine and needs nothing but Python.

    OUTBOUND_HOSTS=127.0.0.1:9000 make demo       # the operator says that this address may be called
    python3 examples/models/serve.py --port 9000  # in another terminal

It answers for the demo's mortgage applications in both protocols: `POST /invocations` as MLflow, and
`POST /v2/models/mortgage/infer` as KServe. In place of its three weights stands your model.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp
from typing import Any

WEIGHTS = {"obligations_percent": -0.06, "loan_to_price": -1.5, "meets_credit_guidelines": 3.0}
START = 3.0
MOST_BYTES = 16 << 20


def chance(row: dict[str, float | None]) -> float:
    """How likely an application is to be approved, in [0, 1]; what is missing counts as 0."""
    return 1 / (1 + exp(-START - sum(weight * (row[name] or 0) for name, weight in WEIGHTS.items())))


def answer(path: str, asked: Any) -> Any:
    """What either protocol answers, or None where nothing is served."""
    if path == "/invocations":
        split = asked["dataframe_split"]
        rows = [dict(zip(split["columns"], values, strict=True)) for values in split["data"]]
        return {"predictions": [[1 - chance(row), chance(row)] for row in rows]}
    if path == "/v2/models/mortgage/infer":
        columns = {tensor["name"]: tensor["data"] for tensor in asked["inputs"]}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        chances = [chance(row) for row in rows]
        tensor = {"name": "probabilities", "datatype": "FP64", "shape": [len(rows)], "data": chances}
        return {"model_name": "mortgage", "outputs": [tensor]}
    return None


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"] or 0)
        found = answer(self.path, json.loads(self.rfile.read(length))) if length <= MOST_BYTES else None
        content = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--port", type=int, default=9000)
    with ThreadingHTTPServer(("127.0.0.1", asked.parse_args().port), Handler) as server:
        print(f"serving a model at http://127.0.0.1:{server.server_port}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main()
