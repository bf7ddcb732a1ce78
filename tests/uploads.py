"""Files to upload, and the two ways to send them."""

import hashlib
import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tests.builders import LOANS
from tests.client import TICKET

SEND = """mutation ($file: Upload!, $input: NewDatasetInput!, $key: String) {
  uploadDataset(file: $file, input: $input, idempotencyKey: $key) { id status bytes sha256 }
}"""
TABLE = pyarrow.csv.read_csv(io.BytesIO(LOANS.encode()))
PREFLIGHT = {"graphql-require-preflight": "1"}


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def form(content: bytes, *, name: str = "loans.csv", key: str | None = None, **given: object) -> dict:
    """A request of the GraphQL multipart request specification, as httpx takes it."""
    variables = {"file": None, "input": {"name": "loans"} | given, "key": key}
    return {
        "data": {
            "operations": json.dumps({"query": SEND, "variables": variables}),
            "map": json.dumps({"0": ["variables.file"]}),
        },
        "files": {"0": (name, content)},
    }


async def path_for(api, who: str = "analyst", **given: object) -> str:
    answer = await api(who, TICKET, input={"name": "loans"} | given)
    return answer.data["requestDatasetUpload"]["path"]


def random_rows(count: int) -> bytes:
    return b"a,b\n" + b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b",1\n" for n in range(count))
