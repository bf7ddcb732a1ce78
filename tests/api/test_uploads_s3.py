"""The same with datasets in an S3-compatible store."""

import pytest
from pydantic import SecretStr

from app.settings import Settings
from tests.client import ANALYSIS, DATASET
from tests.store import SECRET, Bucket
from tests.waiting import eventually

DELETE = "mutation ($id: ID!) { deleteDataset(id: $id) { deleted } }"


@pytest.fixture
def settings(settings: Settings, bucket: Bucket) -> Settings:
    """The settings of every test, with another place for datasets."""
    return settings.model_copy(
        update={
            "dataset_storage_path": f"s3://{bucket.name}/kept",
            "aws_endpoint_url": bucket.endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": SecretStr("test"),
            "aws_secret_access_key": SecretStr(SECRET),
        }
    )


async def one_object(bucket: Bucket) -> str:
    """Key of the only object; what is no longer needed goes a moment after the row says so."""
    await eventually(lambda: len(bucket.keys()) == 1)
    (key,) = bucket.keys()
    return key


async def test_a_table_kept_in_s3_is_uploaded_analysed_and_deleted(api, worker, bucket, settings):
    dataset = await api.dataset()
    stored = await one_object(bucket)
    assert stored.startswith("kept/") and stored.endswith(".parquet")
    again = await api.dataset(name="the same again")
    assert await one_object(bucket) == stored

    started = await api.start(await api.model(), dataset)
    ended = await api.until_ended("analyst", ANALYSIS, started.data["startAnalysis"]["id"])
    assert (ended["status"], ended["report"]["verdict"]) == ("COMPLETED", "FAIL"), ended

    bad = (await api.upload(content=b"a,b\n1\n")).json()["id"]
    assert (await api.until_ended("analyst", DATASET, bad))["status"] == "FAILED"
    assert (await api("analyst", DELETE, id=again)).data["deleteDataset"]["deleted"]
    assert await one_object(bucket) == stored
    assert [path for path in settings.data_path.rglob("*") if path.is_file()] == []


async def test_a_store_that_is_away_is_an_error_of_ours_and_no_dataset(api, bucket):
    bucket.delete()
    response = await api.upload()
    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert bucket.name not in response.text
    assert (await api("analyst", "{ datasets { totalCount } }")).data["datasets"]["totalCount"] == 0
