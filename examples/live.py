"""The main job, as a client does it: sign in, upload a CSV, start a bias analysis, watch it, read the verdict.

    python examples/live.py                       # against `make demo`
    python examples/live.py --file my.csv --label outcome --prediction decision --protected race,sex

Uses public client libraries only: gql (HTTP and WebSocket) and httpx (the upload).
"""

import argparse
import asyncio
import sys
from pathlib import Path

import httpx
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

SIGN_IN = (
    "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { token } }"
)
MODELS = "{ models(first: 1) { edges { node { id name version } } } }"
DATASETS = "{ datasets(first: 1, filter: {status: COMPLETED}) { edges { node { id name } } } }"
REGISTER = "mutation ($input: NewModelInput!) { registerModel(input: $input) { id name version } }"
REQUEST_UPLOAD = "mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"
START = "mutation ($input: NewAnalysisInput!) { startAnalysis(input: $input) { id } }"
PROGRESS = "subscription ($id: ID!) { progress(id: $id) { number fraction message status } }"
ANALYSIS_PROGRESS = """
  subscription ($id: ID!) {
    analysisProgress(id: $id) {
      number fraction message status
      finding { metric attribute value verdict }
    }
  }
"""
REPORT = """
  query ($id: ID!) {
    analysis(id: $id) {
      status error
      report {
        summary verdict rows
        attributes {
          attribute referenceGroup
          groups { name size judged selectionRate { value interval { low high } } }
          findings { metric value interval { low high } threshold verdict reason }
        }
      }
    }
  }
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
        dataset = await upload(session, asked) if asked.file else await newest_dataset(session)
        async for step in stream.subscribe(GraphQLRequest(PROGRESS, variable_values={"id": dataset})):
            show(step["progress"])
        model = await some_model(session)
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


async def newest_dataset(session) -> str:
    found = (await session.execute(GraphQLRequest(DATASETS)))["datasets"]["edges"]
    if not found:
        raise SystemExit("there is no dataset yet: give one with --file")
    print(f"using the dataset {found[0]['node']['name']!r}")
    return found[0]["node"]["id"]


async def some_model(session) -> str:
    found = (await session.execute(GraphQLRequest(MODELS)))["models"]["edges"]
    if found:
        return found[0]["node"]["id"]
    made = await session.execute(
        GraphQLRequest(REGISTER, variable_values={"input": {"name": "my-model", "type": "CLASSIFICATION"}})
    )
    return made["registerModel"]["id"]


def question(asked: argparse.Namespace, model: str, dataset: str) -> dict:
    columns = {"label": asked.label, "prediction": asked.prediction, "protected": asked.protected.split(",")}
    return {"modelId": model, "datasetId": dataset, "type": "COMPREHENSIVE", "columns": columns}


def show(step: dict) -> None:
    print(f"{step['number']:>4}  {step['fraction']:>4.0%}  {step['message']}")


def verdict(analysis: dict) -> int:
    if analysis["status"] != "COMPLETED":
        print(f"the analysis {analysis['status'].lower()}: {analysis['error']}")
        return 1
    report = analysis["report"]
    print(f"\n{report['verdict']}: {report['summary']}\n")
    for part in report["attributes"]:
        print(f"{part['attribute']} (compared with {part['referenceGroup']})")
        for group in part["groups"]:
            rate = group["selectionRate"]["value"]
            print(
                f"    {group['name']:<24} {group['size']:>6}  selected {'—' if rate is None else f'{rate:.1%}'}"
            )
        for finding in part["findings"]:
            value = "undefined" if finding["value"] is None else f"{finding['value']:.3f}"
            print(f"    {finding['metric']:<34} {value:<9} {finding['verdict']}")
    return 0


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def asked_for() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The main job of FairMind, end to end.")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--email", default="demo@fairmind.example")
    parser.add_argument("--password", default="boston-mortgages-1990")
    parser.add_argument("--file", type=Path, help="a CSV to upload; the newest dataset otherwise")
    parser.add_argument("--label", default="approved")
    parser.add_argument("--prediction", default="predicted")
    parser.add_argument("--protected", default="race,sex", help="columns, with commas")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(asked_for())))
    except TransportQueryError as refused:
        sys.exit("refused: " + "; ".join(error["message"] for error in refused.errors or []))
    except (TransportConnectionFailed, OSError) as cut_off:
        sys.exit(f"the server cannot be reached: {cut_off}")
