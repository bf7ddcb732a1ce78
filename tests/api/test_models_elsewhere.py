"""Datasets that stay where they are, scored by a model whose child reaches no store."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from tests import models
from tests.api.test_model_files import read
from tests.api.test_models_asked import SCORE
from tests.client import DATASET
from tests.store import SECRET

PREVIEW = "query ($id: ID!) { dataset(id: $id) { status error rows uri columns { name } preview } }"


@pytest.fixture
def settings(settings, bucket, tmp_path):
    return settings.model_copy(
        update={
            "dataset_roots": (str(tmp_path), f"s3://{bucket.name}/lake"),
            "aws_endpoint_url": bucket.endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": SecretStr("test"),
            "aws_secret_access_key": SecretStr(SECRET),
        }
    )


async def test_parts_in_a_bucket_and_in_a_folder_are_scored_alike(api, worker, bucket, tmp_path):
    table = pa.Table.from_pandas(models.people(), preserve_index=False)
    parts = (table.slice(0, 150), table.slice(150))
    (tmp_path / "people").mkdir()
    for i, part in enumerate(parts):
        pq.write_table(part, tmp_path / "people" / f"part-{i}.parquet")
    model = (await read(api, models.classifier(), model={"name": "m", "type": "CLASSIFICATION"}))["model"][
        "id"
    ]
    found = []
    for place in (tmp_path / "people", bucket.write("lake/people", *parts)):
        source = await api.reference(place)
        asked = {"modelId": model, "datasetId": source, "name": "scored"}
        id = (await api("analyst", SCORE, input=asked)).data["scoreDataset"]["id"]
        await api.until_ended("analyst", DATASET, id)
        found.append((await api("analyst", PREVIEW, id=id)).data["dataset"])
    assert found[0] == found[1]
    assert (found[0]["status"], found[0]["rows"], found[0]["uri"]) == ("COMPLETED", 400, None)
    expected = models.chances(models.people().head(len(found[0]["preview"])))
    assert [float(row[-1]) for row in found[0]["preview"]] == pytest.approx(expected, rel=1e-5)
