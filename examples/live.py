"""The main job, as a client does it: sign in, upload a CSV, start a bias analysis, watch it, read the verdict.

    make examples                                           # sets up what it needs
    .venv/bin/python examples/live.py                       # against `make demo`
    .venv/bin/python examples/live.py --file my.csv --label outcome --prediction decision --protected race,sex

A table given with --file holds the decisions of a classification, and a model for them is registered under its name;
examples/bias/ has a document for each other kind of model.
It looks for the server at the port of this machine that PORT names, 8000 without it; `--url` names any other address,
with or without /graphql behind it.
Uses public client libraries only: gql (HTTP and WebSocket) and httpx (the upload).
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

try:
    import httpx
    from gql import Client, GraphQLRequest
    from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
    from gql.transport.httpx import HTTPXAsyncTransport
    from gql.transport.websockets import WebsocketsTransport
except ImportError as missing:
    sys.exit(
        f"{missing.name} is not installed here: run `make examples`, then `.venv/bin/python examples/live.py`"
    )

SIGN_IN = (
    "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { token } }"
)
MODELS = """
  query ($name: String!) {
    found: models(first: 100, filter: {nameContains: $name, type: CLASSIFICATION}) { edges { node { id name } } }
  }
"""
DATASETS = """
  query ($name: String!) {
    found: datasets(first: 100, filter: {nameContains: $name, status: COMPLETED}) { edges { node { id name } } }
  }
"""
DEMO_MODEL, DEMO_DATASET, DEMO_SCORE = "mortgage-approval", "Boston mortgage applications, 1990", "score"
READING = "query ($id: ID!) { dataset(id: $id) { status error columns { name } } }"
REGISTER = "mutation ($input: NewModelInput!) { registerModel(input: $input) { id } }"
REQUEST_UPLOAD = "mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"
START = "mutation ($input: NewAnalysisInput!) { startAnalysis(input: $input) { id } }"
PROGRESS = "subscription ($id: ID!) { progress(id: $id) { number fraction message status } }"
ANALYSIS_PROGRESS = """
  subscription ($id: ID!) {
    analysisProgress(id: $id) {
      number fraction message status
      finding { metric attribute outcome value verdict }
    }
  }
"""
REPORT = """
  query ($id: ID!) {
    analysis(id: $id) {
      status error
      report {
        summary verdict rows
        riskAssessment { risk urgency factors }
        recommendations { title text effects { name before after afterInterval { low high } } settings }
        attributes {
          attribute referenceGroup
          groups { name size judged metrics { quantity outcome value interval { low high } } }
          findings { ...Judged }
        }
        intersections { attribute findings { ...Judged } }
      }
    }
  }
  fragment Judged on Finding { metric outcome value interval { low high } threshold verdict reason }
"""


async def main(asked: argparse.Namespace) -> int:
    token = await sign_in(asked)
    http = Client(transport=HTTPXAsyncTransport(asked.url + "/graphql", headers=bearer(token), timeout=60))
    live = Client(
        transport=WebsocketsTransport(
            asked.url.replace("http", "ws", 1) + "/graphql", init_payload={"authorization": f"Bearer {token}"}
        )
    )
    async with http as session, live as stream:
        if asked.file:
            dataset = await upload(session, asked)
            async for step in stream.subscribe(GraphQLRequest(PROGRESS, variable_values={"id": dataset})):
                show(step["progress"])
            await check_read(session, dataset, asked)
            model = await own_model(session, asked.file.stem)
        else:
            dataset = await the_demo(session, DATASETS, DEMO_DATASET)
            model = await the_demo(session, MODELS, DEMO_MODEL)
        started = await session.execute(
            GraphQLRequest(START, variable_values={"input": question(asked, model, dataset)})
        )
        analysis = started["startAnalysis"]["id"]
        async for step in stream.subscribe(
            GraphQLRequest(ANALYSIS_PROGRESS, variable_values={"id": analysis})
        ):
            show(step["analysisProgress"])
        result = await session.execute(GraphQLRequest(REPORT, variable_values={"id": analysis}))
    return verdict(result["analysis"])


async def sign_in(asked: argparse.Namespace) -> str:
    async with Client(transport=HTTPXAsyncTransport(asked.url + "/graphql")) as session:
        answer = await session.execute(
            GraphQLRequest(SIGN_IN, variable_values={"email": asked.email, "password": asked.password})
        )
        return answer["signIn"]["token"]


async def upload(session, asked: argparse.Namespace) -> str:
    ticket = await session.execute(
        GraphQLRequest(REQUEST_UPLOAD, variable_values={"input": {"name": asked.file.name}})
    )
    async with httpx.AsyncClient(timeout=300) as client:
        response = await client.put(
            asked.url + ticket["requestDatasetUpload"]["path"], content=asked.file.read_bytes()
        )
    answer = response.json()
    if response.is_error:
        raise SystemExit(answer["errors"][0]["message"])
    print(f"uploaded {answer['bytes']:,} bytes, sha256 {answer['sha256'][:12]}…")
    return answer["id"]


async def check_read(session, dataset: str, asked: argparse.Namespace) -> None:
    """Before a model is registered, which nobody would want without an analysis."""
    read = (await session.execute(GraphQLRequest(READING, variable_values={"id": dataset})))["dataset"]
    if read["status"] != "COMPLETED":
        raise SystemExit(f"the dataset {read['status'].lower()}: {read['error']}")
    there = [column["name"] for column in read["columns"]]
    wanted = columns_of(asked)
    missing = [name for name in (*wanted.pop("protected"), *wanted.values()) if name not in there]
    if missing:
        raise SystemExit(f"{asked.file.name} has no column {', '.join(missing)}; it has {', '.join(there)}")


async def named(session, query: str, name: str) -> str | None:
    """Id of the newest row with this very name."""
    answer = await session.execute(GraphQLRequest(query, variable_values={"name": name}))
    return next(
        (edge["node"]["id"] for edge in answer["found"]["edges"] if edge["node"]["name"] == name), None
    )


async def the_demo(session, query: str, name: str) -> str:
    found = await named(session, query, name)
    if found is None:
        raise SystemExit(f"there is no {name!r}: start `make demo`, or give a table with --file")
    print(f"using {name!r}")
    return found


async def own_model(session, name: str) -> str:
    found = await named(session, MODELS, name)
    if found is not None:
        return found
    model = {"name": name, "type": "CLASSIFICATION"}
    made = await session.execute(GraphQLRequest(REGISTER, variable_values={"input": model}))
    return made["registerModel"]["id"]


def question(asked: argparse.Namespace, model: str, dataset: str) -> dict:
    return {
        "modelId": model,
        "datasetId": dataset,
        "type": "COMPREHENSIVE",
        "columns": columns_of(asked),
    }


def columns_of(asked: argparse.Namespace) -> dict:
    columns = {"label": asked.label, "prediction": asked.prediction, "protected": asked.protected.split(",")}
    if score := asked.score or (None if asked.file else DEMO_SCORE):
        columns["score"] = score
    return columns


def show(step: dict) -> None:
    print(f"{step['number']:>4}  {step['fraction']:>4.0%}  {step['message']}")


def verdict(analysis: dict) -> int:
    if analysis["status"] != "COMPLETED":
        print(f"the analysis {analysis['status'].lower()}: {analysis['error']}")
        return 1
    report = analysis["report"]
    risk = report["riskAssessment"]
    print(f"\n{report['verdict']}: {report['summary']}")
    print(f"risk {risk['risk'].lower()}, to act: {risk['urgency'].lower().replace('_', ' ')}")
    for factor in risk["factors"]:
        print(f"  - {factor}")
    for part in report["attributes"]:
        print(f"\n{part['attribute']} (compared with {part['referenceGroup']})")
        for group in part["groups"]:
            judged = "" if group["judged"] else "  (too small, not judged)"
            for rate in (each for each in group["metrics"] if each["quantity"] == "SELECTION_RATE"):
                share = "—" if rate["value"] is None else f"{rate['value']:.1%}"
                print(
                    f"    {group['name']:<24} {group['size']:>6}  {of_class('selected', rate)} {share}{judged}"
                )
        show_findings(part)
    for part in report["intersections"]:
        print(f"\n{part['attribute']}")
        show_findings(part)
    print("\nWhat to do")
    for i, advice in enumerate(report["recommendations"], start=1):
        print(f" {i}. {advice['title']}: {advice['text']}")
        for effect in advice["effects"]:
            print(f"      {effect['name']}: {effect['before']:.3f} -> {effect['after']:.3f}{span(effect)}")
        for setting in advice["settings"]:
            print(f"      {setting}")
    return 0


def show_findings(part: dict) -> None:
    for finding in part["findings"]:
        value = "undefined" if finding["value"] is None else f"{finding['value']:.3f}"
        print(f"    {of_class(finding['metric'], finding):<34} {value:<9} {finding['verdict']}")


def of_class(words: str, measured: dict) -> str:
    """Where there are more than two classes, each is compared with the others, and then all together."""
    return words if measured["outcome"] is None else f"{words}, {measured['outcome']}"


def span(effect: dict) -> str:
    after = effect["afterInterval"]
    return "" if after is None else f" [{after['low']:.3f}, {after['high']:.3f}]"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def asked_for() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The main job of FairMind, end to end.")
    port = os.environ.get("PORT") or "8000"
    parser.add_argument("--url", default=f"http://localhost:{port}", help="of the server, now %(default)s")
    parser.add_argument("--email", default="demo@fairmind.example")
    parser.add_argument("--password", default="boston-mortgages-1990")
    parser.add_argument(
        "--file", type=Path, help="a table with the decisions of a classification; the demo's otherwise"
    )
    parser.add_argument("--label", default="approved")
    parser.add_argument("--prediction", default="predicted")
    parser.add_argument("--score", help="column with the score behind the decision, if there is one")
    parser.add_argument("--protected", default="race,sex", help="columns, with commas")
    asked = parser.parse_args()
    asked.url = asked.url.rstrip("/").removesuffix("/graphql").rstrip("/")  # either address is the server's
    if asked.file and not os.access(asked.file, os.R_OK):
        parser.exit(2, f"there is no file {asked.file} that can be read\n")
    if asked.file and not asked.file.is_file():
        parser.exit(2, f"{asked.file} is not a file\n")
    return asked


if __name__ == "__main__":
    given = asked_for()
    try:
        sys.exit(asyncio.run(main(given)))
    except TransportQueryError as refused:
        sys.exit("refused: " + "; ".join(error["message"] for error in refused.errors or []))
    except (TransportConnectionFailed, httpx.TransportError, OSError) as cut_off:
        sys.exit(
            f"no server is reached at {given.url}: {cut_off}; another address is named with --url, or PORT"
        )
