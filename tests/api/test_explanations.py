"""Explanations as a client of the API sees them: started, followed, read, and refused in words."""

import pytest

from resolvers.ids import global_id
from tests import models
from tests.api.test_model_files import read
from tests.builders import a_dataset, a_model, an_artifact, an_explanation, keep

START = """mutation ($input: NewExplanationInput!, $key: String) {
  startExplanation(input: $input, idempotencyKey: $key) { id status kind } }"""
READ = """query ($id: ID!) { explanation(id: $id) { status error kind
  options { rows maxFeatures backgroundRows }
  rows { row prediction predicted output base others additivityError explainedClass
    attributions { feature value attribution condition standardError } }
  report { kind method exact why summary unit explainedClass perturbation evaluations rowsUsed
    background { rows ofRows seed sha256 } largestAdditivityError performance performanceValue notes
    importances { feature importance interval { low high } mean }
    dependence { feature points { low high rows mean } }
    interactions { first second strength interval { low high } } interactionsWhy interactionsRows
    counterfactuals { row predicted prediction distance changes { feature before after } }
    agreement { first second rankCorrelation sameSign sharedTop } } } }"""
FOLLOW = """subscription ($id: ID!) { explanationProgress(id: $id) {
  status stage fraction message interim row { row attributions { feature } }
  importance { feature importance } counterfactual { predicted } } }"""


@pytest.fixture
async def model(api, worker):
    id = await api.model()
    content, _ = models.pipeline()
    assert (await read(api, content, modelId=id))["status"] == "COMPLETED"
    return id


@pytest.fixture
async def loans(api, worker):
    return await api.dataset(content=models.csv())


@pytest.fixture
def explain(api, model, loans):
    """The explanation of a kind, once it has ended."""

    async def made(kind: str, **options: object):
        asked = {"modelId": model, "datasetId": loans, "kind": kind, "options": options}
        started = (await api("analyst", START, input=asked)).data["startExplanation"]
        return await api.until_ended("analyst", READ, started["id"])

    return made


async def test_a_row_is_explained_in_the_users_own_columns(api, explain):
    found = await explain("SHAP", rows=[17, 3], backgroundRows=200)
    assert found["status"] == "COMPLETED", found["error"]
    report = found["report"]
    assert (report["method"], report["exact"], report["unit"]) == ("TREE_LEAF_TABLES", True, "log-odds")
    assert report["background"]["rows"] == 200
    assert report["background"]["ofRows"] == 400
    _, pipeline = models.pipeline()
    rows = models.people().iloc[[17, 3]]
    scores = pipeline.predict_proba(rows[["group", "age", "income"]])[:, 1]
    for row, place, score in zip(found["rows"], (17, 3), scores, strict=True):
        assert row["row"] == place
        assert row["prediction"] == pytest.approx(score)
        assert {each["feature"] for each in row["attributions"]} == {"group", "age", "income"}
        total = row["base"] + sum(each["attribution"] for each in row["attributions"])
        assert total == pytest.approx(row["output"])
    assert found["rows"][0]["attributions"][0]["value"] is not None


async def test_a_row_may_be_given_by_its_values(explain):
    values = [
        {"feature": "age", "value": "40"},
        {"feature": "income", "value": "90"},
        {"feature": "group", "value": None},
    ]
    found = await explain("SHAP", values=values)
    (row,) = found["rows"]
    assert row["row"] is None
    assert {each["feature"]: each["value"] for each in row["attributions"]} == {
        "age": "40",
        "income": "90",
        "group": None,
    }


async def test_the_other_kinds_answer_too(explain):
    local = await explain("LIME", rows=[0], samples=500)
    assert local["rows"][0]["attributions"][0]["condition"]
    shuffled = await explain("PERMUTATION", label="repaid")
    assert shuffled["report"]["performance"] == "ROC_AUC"
    assert shuffled["report"]["importances"][0]["feature"] == "income"
    whole = await explain("GLOBAL", sampleRows=300)
    assert whole["rows"] == []
    assert whole["report"]["rowsUsed"] == 300
    assert whole["report"]["importances"][0]["feature"] == "income"
    assert whole["report"]["dependence"][0]["feature"] == "income"
    assert len(whole["report"]["interactions"]) == 3  # pairs of three features
    assert whole["report"]["interactionsRows"] == 300
    other = await explain("COUNTERFACTUAL", rows=[0], changes=[{"feature": "income"}])
    (change,) = other["report"]["counterfactuals"][0]["changes"]
    assert change["feature"] == "income"
    agreed = await explain("AGREEMENT", rows=[0, 1], samples=500)
    assert agreed["report"]["agreement"][0]["second"] == "LIME"


async def test_rows_and_features_are_told_live(api, model, loans):
    asked = {"modelId": model, "datasetId": loans, "kind": "SHAP", "options": {"rows": [5, 6]}}
    id = (await api("analyst", START, input=asked)).data["startExplanation"]["id"]
    events = [answer.data["explanationProgress"] for answer in await api.all_events("analyst", FOLLOW, id=id)]
    assert events[-1]["status"] == "COMPLETED"
    assert [each["row"]["row"] for each in events if each["row"]] == [5, 6]
    asked |= {"kind": "GLOBAL", "options": {"maxFeatures": 2}}
    id = (await api("analyst", START, input=asked)).data["startExplanation"]["id"]
    events = [answer.data["explanationProgress"] for answer in await api.all_events("analyst", FOLLOW, id=id)]
    told = [(each["importance"]["feature"], each["interim"]) for each in events if each["importance"]]
    assert told[0] == ("income", True)
    assert told[-2:] == [("income", False), ("age", False)]


async def test_the_same_key_is_one_explanation_and_another_question_a_conflict(api, model, loans):
    asked = {"modelId": model, "datasetId": loans, "kind": "SHAP", "options": {"rows": [0]}}
    first, again = [await api("analyst", START, input=asked, key="once") for _ in range(2)]
    assert first.data["startExplanation"]["id"] == again.data["startExplanation"]["id"]
    other = await api("analyst", START, input=asked | {"kind": "LIME"}, key="once")
    assert other.code == "CONFLICT"


@pytest.mark.parametrize(
    ("kind", "options", "at", "said"),
    [
        ("SHAP", {}, "input.options.rows", "explains single rows"),
        ("GLOBAL", {"rows": [1]}, "input.options.rows", "looks at sampleRows of the dataset together"),
        (
            "COUNTERFACTUAL",
            {"rows": [0], "changes": [{"feature": "agee"}]},
            "input.options.changes.0.feature",
            "did you mean 'age'?",
        ),
        ("SHAP", {"rows": [1, 360]}, "input.options.rows.1", "has 360 rows, counted from 0, and no row 360"),
        ("SHAP", {"rows": [0], "maxFeatures": 51}, "input.options.maxFeatures", "maxFeatures must lie in"),
        ("SHAP", {"values": [{"feature": "agee", "value": "1"}]}, "input.options.values.0.feature", "'age'"),
        (
            "LIME",
            {"values": [{"feature": "age", "value": "old"}]},
            "input.options.values.0.value",
            "got 'old'",
        ),
        (
            "SHAP",
            {"rows": [0], "explainedClass": "maybe"},
            "input.options.explainedClass",
            "no class 'maybe'",
        ),
        ("PERMUTATION", {}, "input.options.label", "true outcome"),
        ("PERMUTATION", {"label": "repayed"}, "input.options.label", "'repaid'"),
    ],
)
async def test_what_could_only_fail_later_is_refused_at_once(api, url, people, kind, options, at, said):
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person, ("age", "city", "repaid"))
    keep(url, model, dataset, an_artifact(person, model))
    asked = {"modelId": global_id("Model", model.id), "datasetId": global_id("Dataset", dataset.id)}
    answer = await api("analyst", START, input=asked | {"kind": kind, "options": options})
    assert answer.code == "BAD_INPUT", answer
    assert answer.errors[0]["extensions"]["argument"] == at
    assert said in answer.errors[0]["message"]


async def test_what_only_the_job_can_see_fails_it_in_words(explain):
    found = await explain("PERMUTATION", label="income")
    assert found["status"] == "FAILED"
    assert "none of the model's classes" in found["error"]


async def test_a_model_without_a_file_cannot_be_asked(api, url, people):
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person)
    keep(url, model, dataset)
    asked = {"modelId": global_id("Model", model.id), "datasetId": global_id("Dataset", dataset.id)}
    answer = await api("analyst", START, input=asked | {"kind": "GLOBAL"})
    assert answer.code == "CONFLICT"
    assert "uploadModel" in answer.errors[0]["message"]


async def test_a_dataset_without_the_models_features_is_refused(api, url, people):
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person)
    keep(url, model, dataset, an_artifact(person, model))
    asked = {"modelId": global_id("Model", model.id), "datasetId": global_id("Dataset", dataset.id)}
    answer = await api("analyst", START, input=asked | {"kind": "GLOBAL"})
    assert answer.code == "BAD_INPUT"
    assert "no column 'age'" in answer.errors[0]["message"]
    assert "more: ask modelFits)" in answer.errors[0]["message"]


async def test_rows_come_in_pages(api, url, people):
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person)
    made = an_explanation(person, model, dataset)
    made.rows = made.rows * 30
    keep(url, model, dataset, made)
    id = global_id("Explanation", made.id)
    page = "query ($id: ID!, $first: Int!, $skip: Int!) { explanation(id: $id) { rows(first: $first, skip: $skip) { row } } }"
    for first, skip, expected in ((20, 0, 20), (20, 20, 10), (100, 0, 30), (5, 30, 0)):
        answer = await api("viewer", page, id=id, first=first, skip=skip)
        assert len(answer.data["explanation"]["rows"]) == expected
    for first, skip in ((0, 0), (101, 0), (1, -1)):
        assert (await api("viewer", page, id=id, first=first, skip=skip)).code == "BAD_INPUT"


async def test_explanations_are_listed_deleted_and_keep_their_model(api, url, people):
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person)
    made = an_explanation(person, model, dataset)
    keep(url, model, dataset, made)
    listed = "query { explanations(filter: { kind: SHAP }) { totalCount edges { node { id model { id explanations { totalCount } } } } } }"
    found = (await api("viewer", listed)).data["explanations"]
    assert found["totalCount"] == 1
    assert found["edges"][0]["node"]["model"]["explanations"]["totalCount"] == 1
    remove = "mutation ($id: ID!) { deleteModel(id: $id) { deleted archived message } }"
    kept = (await api("analyst", remove, id=global_id("Model", model.id))).data["deleteModel"]
    assert (kept["deleted"], kept["archived"]) == (False, True)
    delete = "mutation ($id: ID!) { deleteExplanation(id: $id) { deleted } }"
    assert (await api("analyst", delete, id=global_id("Explanation", made.id))).data["deleteExplanation"][
        "deleted"
    ]
    gone = (await api("analyst", remove, id=global_id("Model", model.id))).data["deleteModel"]
    assert gone["deleted"]
