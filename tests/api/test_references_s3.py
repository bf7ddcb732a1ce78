"""Datasets by reference in an S3-compatible store: judged like the same parts in a folder, within the operator's roots."""

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.builders import LOANS
from tests.client import ANALYSIS, DATASET
from tests.store import SECRET

REGISTER = """mutation ($uri: String!) { registerDataset(input: {uri: $uri, name: "loans in place"}) { id uri bytes } }"""
READ = """query ($id: ID!) { dataset(id: $id) {
  status error rows format bytes preview notes columns { name type nulls distinct minimum maximum topValues { value count } }
} }"""
RESULT = """query ($id: ID!) { analysis(id: $id) { status error report {
  summary verdict rows attributes { attribute groups { name size } findings { metric value pValue interval { low high } } }
} } }"""
TABLE = pyarrow.csv.read_csv(pa.BufferReader(LOANS.encode()))
PARTS = (TABLE.slice(0, 100), TABLE.slice(100, 150), TABLE.slice(250))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "loans").mkdir()
    for i, table in enumerate(PARTS):
        pq.write_table(table, tmp_path / "loans" / f"part-{i}.parquet")
    return tmp_path / "loans"


@pytest.fixture
def settings(settings, bucket, tmp_path):
    return settings.model_copy(
        update={
            "dataset_roots": (
                str(tmp_path),
                f"s3://{bucket.name}/lake",
                "s3://of-nobody",
                f"s3://{bucket.name}/of/{{organization}}",
            ),
            "aws_endpoint_url": bucket.endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": SecretStr("test"),
            "aws_secret_access_key": SecretStr(SECRET),
        }
    )


@pytest.fixture
def register(api):
    async def ask(uri, who="analyst"):
        return await api(who, REGISTER, uri=str(uri))

    return ask


async def refused(register, uri, **more) -> str:
    answer = await register(uri, **more)
    (error,) = answer.errors
    assert answer.code == "BAD_INPUT" and error["extensions"]["argument"] == "input.uri"
    assert SECRET not in str(error) and "127.0.0.1" not in str(error)
    return error["message"]


async def test_a_prefix_is_described_and_judged_like_the_same_folder(
    api, worker, register, bucket, folder, capfd
):
    uri = bucket.write("lake/loans", *PARTS)
    model = await api.model()
    found = []
    for place in (uri + "/", folder):
        dataset = (await register(place)).data["registerDataset"]
        await api.until_ended("analyst", DATASET, dataset["id"])
        started = (await api.start(model, dataset["id"])).data["startAnalysis"]["id"]
        await api.until_ended("analyst", ANALYSIS, started)
        read = (await api("analyst", READ, id=dataset["id"])).data["dataset"]
        found.append((read, (await api("analyst", RESULT, id=started)).data["analysis"]))
        assert dataset["uri"] == (uri if place != folder else str(folder))
    (described, judged), _ = found
    assert (described["status"], described["rows"]) == ("COMPLETED", 360), described
    assert described["notes"] == ["read in place, in 3 parts"]
    assert (judged["status"], judged["report"]["rows"]) == ("COMPLETED", 360), judged
    assert found[0] == found[1]
    out, err = capfd.readouterr()
    assert SECRET not in out + err


async def test_what_opens_the_store_is_written_nowhere(api, worker, register, bucket, database):
    id = (await register(bucket.write("lake/loans", TABLE))).data["registerDataset"]["id"]
    assert (await api.until_ended("analyst", DATASET, id))["status"] == "COMPLETED"
    async with database.engine.connect() as connection:
        tables = (
            await connection.execute(
                text(
                    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
                )
            )
        ).scalars()
        for name in tables.all():
            rows = await connection.scalar(text(f"SELECT string_agg(t::text, '') FROM \"{name}\" t"))
            assert SECRET not in (rows or ""), name


async def test_a_part_that_changed_since_is_noticed(api, worker, register, bucket):
    dataset = (await register(bucket.write("lake/loans", *PARTS))).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, dataset)
    bucket.write("lake/loans", TABLE, named="part-3.parquet")
    started = (await api.start(await api.model(), dataset)).data["startAnalysis"]["id"]
    ended = await api.until_ended("analyst", ANALYSIS, started)
    assert ended["status"] == "FAILED" and "have changed since" in ended["error"]


async def test_a_store_that_is_away_later_fails_the_analysis_in_words(api, worker, register, bucket):
    dataset = (await register(bucket.write("lake/loans", *PARTS))).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, dataset)
    bucket.stop()
    started = (await api.start(await api.model(), dataset)).data["startAnalysis"]["id"]
    ended = await api.until_ended("analyst", ANALYSIS, started)
    assert ended["status"] == "FAILED" and "the store does not answer" in ended["error"]


async def test_what_lies_outside_the_roots_is_refused(register, bucket, people):
    ours, theirs = (str(people[who].organization_id) for who in ("analyst", "stranger"))
    for prefix in ("lake-private", "other", f"of/{ours}", f"of/{theirs}"):
        bucket.write(prefix, TABLE)
    start = f"s3://{bucket.name}"
    for outside in ("/lake-private", "/other", f"/of/{theirs}", "/of", ""):
        assert "names nothing in the folders" in await refused(register, start + outside)
    for odd in ("/lake/../other", "/lake//x", "/lake/%2e%2e/other", "/lake/a b"):
        assert "written like s3://bucket" in await refused(register, start + odd)
    assert (await register(f"{start}/of/{ours}")).errors == []
    assert (await register(f"{start}/of/{theirs}", who="stranger")).errors == []


async def test_a_store_that_has_or_gives_nothing_is_told(register, bucket):
    uri = bucket.write("lake/loans", TABLE)
    assert "this prefix has 0" in await refused(register, f"s3://{bucket.name}/lake/nothing")
    assert "no bucket of that name" in await refused(register, "s3://of-nobody/loans")
    bucket.lock()
    assert "does not let this server read" in await refused(register, uri)
    bucket.stop()
    assert "does not answer" in await refused(register, uri)
