"""A model with a file put to work: whether it fits a dataset, its answers to single rows and to all, and analyses by it."""

import time

import pandas as pd
import pytest

import resolvers.scoring
from resolvers.ids import global_id
from tests import models
from tests.api.test_model_files import read
from tests.builders import a_model, an_artifact, keep
from tests.client import ANALYSIS, DATASET

FITS = """query ($model: ID!, $dataset: ID!) { modelFits(modelId: $model, datasetId: $dataset) {
  fits mismatches { feature kind message similar } } }"""
SCORE = """mutation ($input: NewScoringInput!, $key: String) { scoreDataset(input: $input, idempotencyKey: $key) {
  id status scoring { prediction score ofClass threshold } } }"""
SCORED = """query ($id: ID!) { dataset(id: $id) { status error rows notes columns { name type } preview
  scoredFrom { id } scoredBy { id } } }"""
PREDICT = """mutation ($model: ID!, $rows: [GivenRowInput!]!, $key: String) {
  predict(modelId: $model, rows: $rows, idempotencyKey: $key) {
    id status error model { id } answers { prediction value scores { label score } notes } } }"""
PREDICTION = (
    "query ($id: ID!) { node(id: $id) { ... on Prediction { status error answers { prediction } } } }"
)


def row(**values: object):
    return {
        "values": [{"feature": name, "value": None if v is None else str(v)} for name, v in values.items()]
    }


@pytest.fixture
async def model(api, worker):
    id = await api.model()
    assert (await read(api, models.classifier(), modelId=id))["status"] == "COMPLETED"
    return id


@pytest.fixture
async def loans(api, worker):
    return await api.dataset(content=models.csv())


async def test_a_dataset_is_scored_into_another_one(api, model, loans):
    asked = {"modelId": model, "datasetId": loans, "name": "scored"}
    made = (await api("analyst", SCORE, input=asked, key="once")).data["scoreDataset"]
    assert made["scoring"] == {
        "prediction": "prediction",
        "score": "score",
        "ofClass": None,
        "threshold": 0.5,
    }
    again = (await api("analyst", SCORE, input=asked, key="once")).data["scoreDataset"]
    assert again["id"] == made["id"]
    assert (await api.until_ended("analyst", DATASET, made["id"]))["status"] == "COMPLETED"
    found = (await api("analyst", SCORED, id=made["id"])).data["dataset"]
    assert (found["rows"], found["scoredFrom"], found["scoredBy"]) == (400, {"id": loans}, {"id": model})
    assert [(column["name"], column["type"]) for column in found["columns"]] == [
        ("age", "INTEGER"),
        ("income", "INTEGER"),
        ("group", "STRING"),
        ("repaid", "INTEGER"),
        ("prediction", "INTEGER"),
        ("score", "FLOAT"),
    ]
    expected = models.chances(models.people().head(len(found["preview"])))
    assert [float(shown[5]) for shown in found["preview"]] == pytest.approx(expected, rel=1e-5)
    assert [shown[4] for shown in found["preview"]] == [str(int(each >= 0.5)) for each in expected]

    columns = {"label": "repaid", "prediction": "prediction", "score": "score", "protected": ["group"]}
    analysis = (await api.start(model, made["id"], columns=columns)).data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, analysis))["status"] == "COMPLETED"


async def test_an_analysis_may_let_the_model_score_the_rows(api, model, loans):
    """The same verdicts as on a dataset that was scored before."""
    scored = await api("analyst", SCORE, input={"modelId": model, "datasetId": loans, "name": "scored"})
    scored = scored.data["scoreDataset"]["id"]
    await api.until_ended("analyst", DATASET, scored)
    columns = {"label": "repaid", "protected": ["group"]}
    named = columns | {"prediction": "prediction", "score": "score"}
    report = "query ($id: ID!) { analysis(id: $id) { status error useModel columns { prediction score }"
    report += " report { verdict summary attributes { findings { metric value verdict } } } } }"
    before = (await api.start(model, scored, columns=named)).data["startAnalysis"]["id"]
    direct = (await api.start(model, loans, columns=columns, useModel=True)).data["startAnalysis"]["id"]
    kept = [await api.until_ended("analyst", report, id) for id in (before, direct)]
    assert [one["status"] for one in kept] == ["COMPLETED"] * 2, kept
    assert [one["useModel"] for one in kept] == [False, True]
    assert kept[1]["columns"] == {"prediction": "prediction", "score": "score"}
    assert kept[0]["report"] == kept[1]["report"]

    rejudge = (
        """mutation ($id: ID!) { rejudgeAnalysis(id: $id, options: {minGroupSize: 5}) { id useModel } }"""
    )
    again = (await api("analyst", rejudge, id=direct)).data["rejudgeAnalysis"]
    assert again["useModel"]
    assert (await api.until_ended("analyst", report, again["id"]))["status"] == "COMPLETED"
    none = await api.start(model, loans, columns=columns)
    assert (
        none.errors[0]["message"] == "classification needs the column prediction or score, or useModel: true"
    )
    twice = await api.start(model, loans, columns=named, useModel=True)
    assert twice.code == "BAD_INPUT" and "the model makes the prediction" in twice.errors[0]["message"]
    other = await api.start(model, loans, columns=columns | {"favorable": "yes"}, useModel=True)
    assert "the model has no class 'yes'" in other.errors[0]["message"]


async def test_new_columns_take_no_name_that_is_there(api, model):
    scored = await api.dataset(content="age,income,Prediction\n1,2,3\n")
    asked = {"modelId": model, "datasetId": scored, "name": "again"}
    refused = await api("analyst", SCORE, input=asked)
    assert refused.code == "BAD_INPUT" and "has a column 'prediction' already" in refused.errors[0]["message"]
    named = asked | {"columns": {"prediction": "second", "threshold": 0.9}}
    made = (await api("analyst", SCORE, input=named)).data["scoreDataset"]["id"]
    assert (await api.until_ended("analyst", DATASET, made))["status"] == "COMPLETED"


async def test_a_dataset_that_lacks_a_feature_is_refused_at_once_and_said_beforehand(api, model):
    other = await api.dataset(content="Age,income,group\n30,low,a\n40,high,b\n")
    found = (await api("analyst", FITS, model=model, dataset=other)).data["modelFits"]
    assert found["fits"] is False
    assert [(each["feature"], each["kind"], each["similar"]) for each in found["mismatches"]] == [
        ("age", "MISSING", ["Age"]),
        ("income", "WRONG_TYPE", []),
    ]
    refused = await api("analyst", SCORE, input={"modelId": model, "datasetId": other, "name": "x"})
    assert refused.code == "BAD_INPUT"
    assert "did you mean 'Age'?" in refused.errors[0]["message"] and "1 more" in refused.errors[0]["message"]
    columns = {"protected": ["group"]}
    assert (await api.start(model, other, columns=columns, useModel=True)).code == "BAD_INPUT"


async def test_a_model_without_a_file_can_be_asked_nothing(api, worker, loans):
    model = await api.model()
    for asked, given in (
        (FITS, {"model": model, "dataset": loans}),
        (SCORE, {"input": {"modelId": model, "datasetId": loans, "name": "x"}}),
        (PREDICT, {"model": model, "rows": [row(age=1)]}),
    ):
        answer = await api("analyst", asked, **given)
        assert answer.code == "CONFLICT" and "no file" in answer.errors[0]["message"]
    started = await api.start(model, loans, columns={"protected": ["group"]}, useModel=True)
    assert started.code == "CONFLICT"


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is."""
    monkeypatch.setattr(resolvers.scoring, "PATIENCE_S", 60)


async def test_rows_that_are_given_are_answered_in_one_request(api, model, patient):
    rows = [row(age=70, income=10), row(income=40, age=20), row(age=30)]
    found = (await api("analyst", PREDICT, model=model, rows=rows, key="once")).data["predict"]
    assert (found["status"], found["model"]) == ("COMPLETED", {"id": model})
    first, second, third = found["answers"]
    expected_ones = models.chances(pd.DataFrame({"age": [70, 20], "income": [10, 40]}))
    for answer, expected in zip((first, second), expected_ones, strict=True):
        assert {each["label"]: each["score"] for each in answer["scores"]} == pytest.approx(
            {"0": 1 - expected, "1": expected}, rel=1e-5
        )
        assert (answer["prediction"], answer["value"]) == (str(int(expected >= 0.5)), None)
    assert third["prediction"] in ("0", "1")
    again = (await api("analyst", PREDICT, model=model, rows=rows, key="once")).data["predict"]
    assert again["id"] == found["id"]
    assert (await api("analyst", PREDICT, model=model, rows=rows[:1], key="once")).code == "CONFLICT"
    listed = "query ($id: ID!) { model(id: $id) { predictions { totalCount } } }"
    assert (await api("analyst", listed, id=model)).data["model"]["predictions"]["totalCount"] == 1


async def test_a_pipeline_of_scikit_learn_is_asked_in_the_users_own_columns(api, worker, patient):
    content, itself = models.pipeline()
    asked = {"model": {"name": "pipeline", "type": "CLASSIFICATION"}}
    found = await read(api, content, **asked)
    assert found["status"] == "COMPLETED", found
    assert found["signature"]["framework"] == "scikit-learn"
    features = {each["name"]: each["type"] for each in found["signature"]["features"]}
    assert features == {"group": "CATEGORY", "age": "NUMBER", "income": "NUMBER"}
    rows = [row(group="a", age=30, income=40), row(group="b", age=30, income=60)]
    answer = (await api("analyst", PREDICT, model=found["model"]["id"], rows=rows)).data["predict"]
    given = pd.DataFrame({"group": ["a", "b"], "age": [30, 30], "income": [40, 60]})
    expected = itself.predict_proba(given)[:, 1]
    odd = (await api("analyst", PREDICT, model=found["model"]["id"], rows=[row(group="A", age=30)])).data[
        "predict"
    ]
    assert ["'A' in 'group'" in note for note in odd["answers"][0]["notes"]] == [True]
    assert [each["scores"][1]["score"] for each in answer["answers"]] == pytest.approx(expected)


async def test_rows_that_make_no_sense_are_refused_at_their_place(api, model, patient):
    for rows, path, said in (
        ([row(age=1), row(agee=1)], "rows.1.values.0.feature", "did you mean 'age'"),
        ([{"values": [{"feature": "age", "value": "1"}] * 2}], "rows.0.values.1", "given twice"),
        ([], "rows", "rows must be 1 to 1,000, got 0"),
        ([row(age=1), row(age="old")], "rows.1.values.0.value", "got 'old' in row 1"),
        ([row(income="")], "rows.0.values.0.value", "what is missing is null"),
    ):
        (error,) = (await api("analyst", PREDICT, model=model, rows=rows)).errors
        assert said in error["message"] and error["extensions"]["code"] == "BAD_INPUT", error
        assert error["extensions"]["argument"] == path
    many = await api("analyst", PREDICT, model=model, rows=[row(age=1, income=2)] * 2_501)
    assert many.code == "LIMIT_EXCEEDED" and "scoreDataset scores more rows" in many.errors[0]["message"]


async def test_a_prediction_that_takes_long_goes_on_without_its_request(api, url, people, monkeypatch):
    """No worker runs here."""
    monkeypatch.setattr(resolvers.scoring, "PATIENCE_S", 0.2)
    mine = a_model(people["analyst"])
    keep(url, mine, an_artifact(people["analyst"], mine))
    started = time.monotonic()
    found = await api("analyst", PREDICT, model=global_id("Model", mine.id), rows=[row(age=1)])
    assert found.data["predict"]["status"] == "QUEUED"
    assert time.monotonic() - started < 5
    looked = await api("analyst", PREDICTION, id=found.data["predict"]["id"])
    assert looked.data["node"] == {"status": "QUEUED", "error": None, "answers": None}
