"""A file on its way in: every format and both ways, and what is left when its dataset goes."""

import asyncio
import gzip
import hashlib
import json

import pyarrow as pa
import pytest

from tests.builders import LOANS
from tests.client import DATASET
from tests.uploads import PREFLIGHT, TABLE, form, parquet, path_for, random_rows
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("scratch")

READ = """query ($id: ID!) { dataset(id: $id) {
  status error rows format columns { name type nulls distinct } notes preview bytes sha256
} }"""
TICKET_WITH_KEY = """mutation ($input: NewDatasetInput!, $key: String) {
  requestDatasetUpload(input: $input, idempotencyKey: $key) { path maxBytes expiresAt }
}"""
CANCEL = "mutation ($id: ID!) { cancelDataset(id: $id) { id status } }"
DELETE = "mutation ($id: ID!) { deleteDataset(id: $id) { deleted } }"


def jsonl(table: pa.Table) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in table.to_pylist())


async def test_every_format_is_read_into_the_same_table(api, worker, kept):
    """CSV, TSV, JSON Lines and Parquet, plain and packed, by PUT."""
    files = {
        "CSV": LOANS.encode(),
        "TSV": LOANS.replace(",", "\t").encode(),
        "JSONL": jsonl(TABLE),
        "PARQUET": parquet(TABLE),
    }
    contents = {
        (kind, packed): gzip.compress(c) if packed else c for kind, c in files.items() for packed in (0, 1)
    }
    ids = {key: (await api.upload(content=content)).json()["id"] for key, content in contents.items()}
    for (kind, packed), id in ids.items():
        await api.until_ended("analyst", DATASET, id)
        read = (await api("analyst", READ, id=id)).data["dataset"]
        assert (read["status"], read["error"], read["rows"], read["format"]) == ("COMPLETED", None, 360, kind)
        assert [(c["name"], c["type"], c["distinct"]) for c in read["columns"]] == [
            ("race", "STRING", 2),
            ("sex", "STRING", 2),
            ("approved", "INTEGER", 2),
            ("predicted", "INTEGER", 2),
        ], (kind, packed)
        assert read["preview"][0] == ["white", "f", "1", "1"]
        assert read["sha256"] == hashlib.sha256(contents[kind, packed]).hexdigest()
        assert read["bytes"] == len(contents[kind, packed])
    await eventually(lambda: set(kept()) == {"datasets/.parquet"} and len(kept()) <= len(files))


async def test_a_file_sent_along_with_the_mutation_is_read(api, worker, settles):
    response = await api.http.post(
        "/graphql", **form(LOANS.encode()), headers=api.headers("analyst") | PREFLIGHT
    )
    assert response.status_code == 200, response.text
    sent = response.json()["data"]["uploadDataset"]
    assert (sent["status"], sent["bytes"]) == ("QUEUED", len(LOANS))
    assert sent["sha256"] == hashlib.sha256(LOANS.encode()).hexdigest()
    assert (await api.until_ended("analyst", DATASET, sent["id"]))["rows"] == 360
    await settles("datasets/.parquet")


async def test_an_address_serves_once(api, settles):
    path = await path_for(api)
    assert (await api.http.put(path, content=LOANS)).status_code == 201
    again = await api.http.put(path, content=LOANS)
    assert again.status_code == 409
    (error,) = again.json()["errors"]
    assert error["extensions"] == {"code": "CONFLICT"} and "requestDatasetUpload" in error["message"]
    await settles("datasets/.upload")


async def test_two_files_sent_to_one_address_at_once_make_one_whole_dataset(api, settles):
    path = await path_for(api)
    answers = await asyncio.gather(*(api.http.put(path, content=LOANS) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    await settles("datasets/.upload")


async def test_an_idempotency_key_makes_one_dataset_of_two_uploads(api, settles):
    paths = []
    for _ in range(2):
        answer = await api("analyst", TICKET_WITH_KEY, input={"name": "loans"}, key="nightly")
        paths.append(answer.data["requestDatasetUpload"]["path"])
    first, second = [await api.http.put(path, content=LOANS) for path in paths]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    await settles("datasets/.upload")

    headers = api.headers("analyst") | PREFLIGHT
    third = await api.http.post("/graphql", **form(LOANS.encode(), key="nightly"), headers=headers)
    assert third.json()["data"]["uploadDataset"]["id"] == first.json()["id"]
    other = await api.http.post("/graphql", **form(b"a,b\n1,2\n", key="nightly"), headers=headers)
    assert other.json()["errors"][0]["extensions"]["code"] == "CONFLICT"
    await settles("datasets/.upload")


async def test_equal_content_is_stored_once_and_goes_with_its_last_dataset(api, worker, settles):
    first, second = await api.dataset(), await api.dataset(name="the same again")
    await settles("datasets/.parquet")
    assert (await api("analyst", DELETE, id=first)).data["deleteDataset"]["deleted"]
    await settles("datasets/.parquet")
    read = (await api("analyst", READ, id=second)).data["dataset"]
    assert read["rows"] == 360
    model = await api.model()
    assert (await api.start(model, second)).errors == []
    third = await api.dataset(name="and again")
    assert (await api("analyst", DELETE, id=third)).data["deleteDataset"]["deleted"]
    await settles("datasets/.parquet")


async def test_the_last_dataset_of_a_content_takes_it_along(api, worker, settles):
    only = await api.dataset()
    assert (await api("analyst", DELETE, id=only)).data["deleteDataset"]["deleted"]
    await settles()


async def test_a_dataset_cancelled_while_it_waits_leaves_nothing(api, settles):
    id = (await api.upload()).json()["id"]
    await settles("datasets/.upload")
    assert (await api("analyst", CANCEL, id=id)).data["cancelDataset"]["status"] == "CANCELLED"
    await settles()


async def test_a_dataset_cancelled_while_it_is_read_leaves_nothing(api, worker, kept, caplog, settles):
    """Some 40 MB of rows take a second or more to read, so that the cancel comes into the middle."""
    id = (await api.upload(content=random_rows(600_000))).json()["id"]
    await eventually(lambda: "scratch/table.parquet" in kept())
    assert (await api("analyst", CANCEL, id=id)).data["cancelDataset"]["status"] == "CANCELLED"
    await settles()
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_dataset_deleted_while_it_is_read_leaves_nothing(api, worker, kept, settles):
    id = (await api.upload(content=random_rows(600_000))).json()["id"]
    await eventually(lambda: "scratch/table.parquet" in kept())
    assert (await api("analyst", DELETE, id=id)).data["deleteDataset"]["deleted"]
    await settles()
