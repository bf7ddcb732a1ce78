"""The file of a model on its way in: what is found in it, what is refused, and what is left when the model goes."""

import hashlib
import pickle

import psycopg
import pytest

from tests import models
from tests.client import REGISTER

pytestmark = pytest.mark.usefixtures("scratch")

SEND = """mutation ($file: Upload!, $input: NewArtifactInput!, $key: String) {
  uploadModel(file: $file, input: $input, idempotencyKey: $key) { id status model { id } }
}"""
TICKET = """mutation ($input: NewArtifactInput!, $key: String) {
  requestModelUpload(input: $input, idempotencyKey: $key) { path maxBytes }
}"""
ARTIFACT = """query ($id: ID!) { node(id: $id) { ... on Artifact {
  status error tried format sha256 bytes model { id features artifact { id } }
  signature { framework kind task features { name type } classes notes }
} } }"""
MODEL = "query ($id: ID!) { model(id: $id) { features artifact { id status } } }"
CANCEL = "mutation ($id: ID!) { cancelModelUpload(id: $id) { status } }"
DELETE = "mutation ($id: ID!) { deleteModel(id: $id) { deleted archived } }"
PROGRESS = "subscription ($id: ID!) { progress(id: $id) { status stage message subject subjectId } }"
NEW = {"model": {"name": "repaid", "type": "CLASSIFICATION"}}


async def sent(api, content: bytes, key: str | None = None, **asked: object):
    """The answer to a file sent along."""
    return await api.with_file("analyst", SEND, content, input=asked, key=key)


async def read(api, content: bytes, **asked: object):
    """The artifact once its file is read, whatever way it ends."""
    id = (await sent(api, content, **asked)).data["uploadModel"]["id"]
    return await api.until_ended("analyst", ARTIFACT, id)


async def test_a_file_sent_along_is_read_and_tried(api, worker, settles):
    content = models.classifier()
    model = await api.model()
    id = (await sent(api, content, modelId=model)).data["uploadModel"]["id"]
    found = await api.until_ended("analyst", ARTIFACT, id)
    assert (found["status"], found["error"]) == ("COMPLETED", None)
    assert (found["sha256"], found["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert found["signature"]["task"] == "BINARY"
    assert found["signature"]["classes"] == ["0", "1"]
    assert [(each["name"], each["type"]) for each in found["signature"]["features"]] == [
        ("age", "NUMBER"),
        ("income", "NUMBER"),
    ]
    assert "a made-up row is of class" in found["tried"]
    assert found["model"] == {"id": model, "features": ["age", "income"], "artifact": {"id": id}}
    events = [each.data["progress"] for each in await api.all_events("analyst", PROGRESS, id=id)]
    assert events[-1]["status"] == "COMPLETED"
    assert {(event["subject"], event["subjectId"]) for event in events} == {("ARTIFACT", id)}
    await settles("datasets/.model")


async def test_a_file_streamed_to_an_address_registers_its_model(api, worker, settles):
    path = (await api("analyst", TICKET, input=NEW)).data["requestModelUpload"]["path"]
    assert (await api("analyst", "{ models { totalCount } }")).data["models"]["totalCount"] == 0
    answer = await api.http.put(path, content=models.classifier())
    assert answer.status_code == 201, answer.text
    found = await api.until_ended("analyst", ARTIFACT, answer.json()["id"])
    assert found["status"] == "COMPLETED"
    assert found["model"]["features"] == ["age", "income"]
    again = await api.http.put(path, content=models.classifier())
    assert again.status_code == 409 and "requestModelUpload" in again.text
    await settles("datasets/.model")


async def test_a_model_has_one_file(api, worker):
    model = await api.model()
    await read(api, models.classifier(), modelId=model)
    for answer in (
        await sent(api, models.classifier(), modelId=model),
        await api("analyst", TICKET, input={"modelId": model}),
    ):
        assert answer.code == "CONFLICT"
        assert "register a new version" in answer.errors[0]["message"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps({"a": 1}), "pickle"),
        (b"not a model at all", "no model"),
        (models.classifier()[:-500], ""),
    ],
    ids=["pickle", "text", "cut"],
)
async def test_a_file_that_is_no_model_fails_in_words_and_gives_way_to_the_next(
    api, worker, settles, content, reason
):
    model = await api.model()
    found = await read(api, content, modelId=model)
    assert found["status"] == "FAILED" and found["error"]
    assert reason in found["error"]
    assert found["signature"] is None
    await settles()
    assert (await read(api, models.classifier(), modelId=model))["status"] == "COMPLETED"
    await settles("datasets/.model")


async def test_a_file_of_another_kind_of_model_fails_in_words(api, worker, settles):
    found = await read(api, models.regression(), **NEW)
    assert found["status"] == "FAILED"
    assert "registered as classification and its file holds a regression model" in found["error"]
    await settles()
    id = found["model"]["id"]
    asked = "mutation ($m: ID!) { predict(modelId: $m, rows: [{values: []}]) { id } }"
    refused = await api("analyst", asked, m=id)
    said = "the model's file is failed; give it another one with uploadModel and its modelId"
    assert (refused.code, refused.errors[0]["message"]) == ("CONFLICT", said)
    again = await sent(api, models.classifier(), **NEW)
    assert f"and has no file yet: modelId '{id}' in place of model" in again.errors[0]["message"]


async def test_a_kind_of_model_without_files_is_refused_at_once(api, settles):
    model = await api.model(type="CLUSTERING")
    for asked in ({"modelId": model}, {"model": {"name": "segments", "type": "CLUSTERING"}}):
        for answer in (await sent(api, b"x", **asked), await api("analyst", TICKET, input=asked)):
            assert answer.code == "BAD_INPUT"
            assert "only classification and regression models have one" in answer.errors[0]["message"]
    await settles()


async def test_a_model_and_an_id_of_one_are_either_or(api):
    model = await api.model()
    for asked in ({}, {"modelId": model, **NEW}):
        answer = await api("analyst", TICKET, input=asked)
        assert answer.code == "BAD_INPUT" and "one of them" in answer.errors[0]["message"]


async def test_a_name_that_is_taken_registers_nothing_and_leaves_nothing(api, settles):
    id = (await api("analyst", REGISTER, input=NEW["model"])).data["registerModel"]["id"]
    refused = await sent(api, models.classifier(), **NEW)
    assert refused.code == "CONFLICT"
    assert f"has no file yet: modelId '{id}' in place of model gives it one" in refused.errors[0]["message"]
    assert (await api("analyst", TICKET, input=NEW)).code == "CONFLICT"
    await settles()


async def test_features_that_were_registered_stay_and_the_difference_is_noted(api, worker):
    model = await api.model(features=["age", "town"])
    found = await read(api, models.classifier(), modelId=model)
    assert found["model"]["features"] == ["age", "town"]
    (note,) = [note for note in found["signature"]["notes"] if "registered" in note]
    assert note == (
        "the features in the file are not those registered: it takes 'income' besides and it does not take 'town'"
    )


async def test_a_reading_cancelled_while_it_waits_leaves_nothing(api, settles):
    id = (await sent(api, models.classifier(), **NEW)).data["uploadModel"]["id"]
    await settles("datasets/.upload")
    assert (await api("analyst", CANCEL, id=id)).data == {"cancelModelUpload": {"status": "CANCELLED"}}
    await settles()


async def test_an_idempotency_key_makes_one_file_of_two(api, worker, settles):
    first = (await sent(api, models.classifier(), "nightly", **NEW)).data["uploadModel"]
    again = await sent(api, models.classifier(), "nightly", **NEW)
    assert again.data["uploadModel"]["id"] == first["id"]
    by_id = await sent(api, models.classifier(), "nightly", modelId=first["model"]["id"])
    assert by_id.data["uploadModel"]["id"] == first["id"]
    assert (await sent(api, models.regression(), "nightly", **NEW)).code == "CONFLICT"
    await api.until_ended("analyst", ARTIFACT, first["id"])
    await settles("datasets/.model")


async def test_a_file_goes_with_the_last_model_that_has_it(api, worker, settles):
    one, other = await api.model(), await api.model(version="2")
    for model in (one, other):
        await read(api, models.classifier(), modelId=model)
    await settles("datasets/.model")
    assert (await api("analyst", DELETE, id=one)).data["deleteModel"]["deleted"]
    await settles("datasets/.model")
    assert (await api("analyst", MODEL, id=other)).data["model"]["artifact"]["status"] == "COMPLETED"
    assert (await api("analyst", DELETE, id=other)).data["deleteModel"]["deleted"]
    await settles()


async def test_a_model_deleted_while_its_file_waits_leaves_nothing_and_tells_who_follows(api, url, settles):
    made = (await sent(api, models.classifier(), **NEW)).data["uploadModel"]
    assert (await api("analyst", DELETE, id=made["model"]["id"])).data["deleteModel"]["deleted"]
    await settles()
    assert (await api("analyst", ARTIFACT, id=made["id"])).code == "NOT_FOUND"
    with psycopg.connect(url) as connection:
        told = connection.execute("SELECT subject, status FROM event ORDER BY number").fetchall()
    assert told == [("artifact", "queued"), ("artifact", "cancelled")]
