"""A client of the API, as short as tests like it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.builders import LOANS, Person
from tests.waiting import PATIENCE_S

REGISTER = "mutation ($input: NewModelInput!) { registerModel(input: $input) { id } }"
TICKET = "mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"
REFERENCE = "mutation ($input: NewReferenceInput!) { registerDataset(input: $input) { id } }"
DATASET = "query ($id: ID!) { dataset(id: $id) { status error rows } }"
START = """mutation ($input: NewAnalysisInput!, $key: String) {
  startAnalysis(input: $input, idempotencyKey: $key) { id status }
}"""
ANALYSIS = "query ($id: ID!) { analysis(id: $id) { status error report { verdict summary } } }"
COLUMNS = {"label": "approved", "prediction": "predicted", "protected": ["race", "sex"]}


@dataclass(frozen=True)
class Answer:
    """What came back: data, and errors as GraphQL says them."""

    data: Any
    errors: list[dict[str, Any]]
    status: int

    @property
    def code(self) -> str | None:
        """Code of the only error."""
        if not self.errors:
            return None
        (error,) = self.errors
        return error["extensions"]["code"]


def _answer(body: dict[str, Any], status: int) -> Answer:
    return Answer(body.get("data"), body.get("errors") or [], status)


class Api:
    """Asks as one of the people of the test, or as nobody (None)."""

    def __init__(self, http: httpx.AsyncClient, people: dict[str, Person]) -> None:
        self.http, self.people = http, people

    async def __call__(self, who: str | None, document: str, **variables: Any) -> Answer:
        response = await self.http.post(
            "/graphql", json={"query": document, "variables": variables}, headers=self.headers(who)
        )
        return _answer(response.json(), response.status_code)

    def headers(self, who: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.people[who].token}"} if who else {}

    async def with_file(
        self, who: str | None, document: str, content: bytes, *, at: str = "file", **variables: Any
    ) -> Answer:
        """The same with a file in the variable `at`, by the GraphQL multipart request specification."""
        asked = {"query": document, "variables": variables | {at: None}}
        form = {"operations": json.dumps(asked), "map": json.dumps({"0": [f"variables.{at}"]})}
        headers = self.headers(who) | {"graphql-require-preflight": "1"}
        response = await self.http.post(
            "/graphql", data=form, files={"0": ("file.csv", content)}, headers=headers
        )
        return _answer(response.json(), response.status_code)

    async def all_events(self, who: str | None, document: str, **variables: Any) -> list[Answer]:
        """Everything that a subscription says until it ends by itself, over server-sent events."""
        headers = self.headers(who) | {"accept": "text/event-stream"}
        response = await self.http.post(
            "/graphql", json={"query": document, "variables": variables}, headers=headers
        )
        said = [
            line.removeprefix("data:") for line in response.text.splitlines() if line.startswith("data:{")
        ]
        said += [
            line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")
        ]
        return [_answer(json.loads(line), response.status_code) for line in said]

    async def model(self, who: str = "analyst", **given: Any) -> str:
        """Id of a model that is registered now."""
        asked = {"name": "approver", "type": "CLASSIFICATION"} | given
        return (await self(who, REGISTER, input=asked)).data["registerModel"]["id"]

    async def upload(
        self, who: str = "analyst", content: str | bytes = LOANS, **given: Any
    ) -> httpx.Response:
        """The answer to a file streamed to an address that was asked for."""
        ticket = await self(who, TICKET, input={"name": "loans"} | given)
        body = content.encode() if isinstance(content, str) else content
        return await self.http.put(ticket.data["requestDatasetUpload"]["path"], content=body)

    async def dataset(self, who: str = "analyst", content: str | bytes = LOANS, **given: Any) -> str:
        """Id of a dataset that is read and ready; needs a worker."""
        id = (await self.upload(who, content, **given)).json()["id"]
        ended = await self.until_ended(who, DATASET, id)
        assert ended["status"] == "COMPLETED", ended
        return id

    async def reference(self, uri: object, who: str = "analyst") -> str:
        """Id of a dataset that stays where it is, is read and ready; needs a worker."""
        asked = {"uri": str(uri), "name": "in place"}
        id = (await self(who, REFERENCE, input=asked)).data["registerDataset"]["id"]
        ended = await self.until_ended(who, DATASET, id)
        assert ended["status"] == "COMPLETED", ended
        return id

    async def start(self, model: str, dataset: str, who: str = "analyst", **given: Any) -> Answer:
        """The answer to an analysis that is started now."""
        key = given.pop("key", None)
        asked = {"modelId": model, "datasetId": dataset, "type": "COMPREHENSIVE", "columns": COLUMNS} | given
        return await self(who, START, input=asked, key=key)

    async def until_ended(self, who: str, document: str, id: str, seconds: float = PATIENCE_S) -> Any:
        """The row once its work has ended, whatever way."""
        async with asyncio.timeout(seconds):
            while True:
                (row,) = (await self(who, document, id=id)).data.values()
                if row is None or row["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
                    return row
                await asyncio.sleep(0.1)
