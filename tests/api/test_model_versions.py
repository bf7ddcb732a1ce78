"""A model's line of versions, its card, and two models compared."""

import pytest

from engine.models.signature import Feature, FeatureType
from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, a_signature, an_analysis, an_artifact, keep

VERSIONS = """query ($id: ID!, $after: String) { model(id: $id) { versions(first: 2, after: $after) {
  totalCount edges { cursor node { version } } pageInfo { hasNextPage } } } }"""
COMPARE = """query ($a: ID!, $b: ID!) { compareModels(a: $a, b: $b) {
  signatures { summary same featuresAdded { name } featuresRemoved { name }
    featuresChanged { name before after categoriesAdded categoriesRemoved } classesAdded frameworkBefore frameworkAfter }
  bytesBefore bytesAfter sameFile fairness { summary } fairnessReason } }"""
CARD = "{ card { intendedUse limits owners licence contact } cardCompleteness { share missing } }"


def shown(row) -> str:
    return global_id(type(row).__name__, row.id)


@pytest.fixture
def two(url, people):
    """Two versions of a model, each with its file."""
    person = people["analyst"]
    first, second = a_model(person, name="repaid"), a_model(person, name="repaid", version="2")
    city = Feature(name="city", type=FeatureType.CATEGORY, categories=("bonn", "trier"))
    other = a_signature(
        features=(city, Feature(name="income", type=FeatureType.NUMBER)), framework_version=None
    )
    keep(url, first, second, an_artifact(person, first))
    keep(url, an_artifact(person, second, signature=other, bytes=3000, sha256="b" * 64))
    return first, second


async def test_versions_of_a_model_are_those_of_its_name_newest_first(api, url, people):
    person = people["analyst"]
    line = [a_model(person, name="repaid", version=str(i)) for i in range(3)]
    keep(url, *line, a_model(person, name="another"))
    found = (await api("viewer", VERSIONS, id=shown(line[0]))).data["model"]["versions"]
    assert (found["totalCount"], found["pageInfo"]) == (3, {"hasNextPage": True})
    assert [edge["node"]["version"] for edge in found["edges"]] == ["2", "1"]
    rest = await api("viewer", VERSIONS, id=shown(line[1]), after=found["edges"][-1]["cursor"])
    assert [edge["node"]["version"] for edge in rest.data["model"]["versions"]["edges"]] == ["0"]


async def test_two_models_are_compared_by_what_they_take(api, two):
    first, second = two
    found = (await api("viewer", COMPARE, a=shown(first), b=shown(second))).data["compareModels"]
    assert found["signatures"] == {
        "summary": "From a to b, 1 feature is new, 1 feature is gone and 1 feature is of another type or other values.",
        "same": False,
        "featuresAdded": [{"name": "income"}],
        "featuresRemoved": [{"name": "age"}],
        "featuresChanged": [
            {
                "name": "city",
                "before": "CATEGORY",
                "after": "CATEGORY",
                "categoriesAdded": ["trier"],
                "categoriesRemoved": ["ulm"],
            }
        ],
        "classesAdded": [],
        "frameworkBefore": "xgboost 3.0.0",
        "frameworkAfter": "xgboost",
    }
    assert (found["bytesBefore"], found["bytesAfter"], found["sameFile"]) == (2000, 3000, False)
    assert found["fairness"] is None
    assert (
        found["fairnessReason"] == "the two have no completed analyses of the same kind on the same dataset"
    )


async def test_what_analyses_of_the_same_dataset_found_is_compared_with_them(api, url, people, two):
    person = people["analyst"]
    dataset, other = a_dataset(person), a_dataset(person)
    keep(url, dataset, other, an_analysis(person, two[0], other))
    keep(url, *(an_analysis(person, model, dataset) for model in two))
    found = (await api("viewer", COMPARE, a=shown(two[0]), b=shown(two[1]))).data["compareModels"]
    assert found["fairness"]["summary"] and found["fairnessReason"] is None


async def test_models_without_files_cannot_be_compared(api, url, people, two):
    bare = a_model(people["analyst"])
    keep(url, bare)
    answer = await api("viewer", COMPARE, a=shown(two[0]), b=shown(bare))
    assert answer.code == "CONFLICT" and "the model b has no file" in answer.errors[0]["message"]
    same = await api("viewer", COMPARE, a=shown(two[0]), b=shown(two[0]))
    assert same.code == "BAD_INPUT"


async def test_a_card_says_how_much_of_it_is_written(api):
    model = await api.model()
    asked = f"query ($id: ID!) {{ model(id: $id) {CARD} }}"
    found = (await api("viewer", asked, id=model)).data["model"]
    assert found["cardCompleteness"]["share"] == 0 and len(found["cardCompleteness"]["missing"]) == 8
    update = f"mutation ($id: ID!, $card: ModelCardInput) {{ updateModel(id: $id, changes: {{card: $card}}) {CARD} }}"
    card = {
        "intendedUse": "advice to clerks",
        "owners": ["credit team"],
        "licence": " ",
        "contact": "a@example.org",
    }
    found = (await api("analyst", update, id=model, card=card)).data["updateModel"]
    assert found["card"] == {**card, "limits": ""}
    assert found["cardCompleteness"] == {
        "share": 0.375,  # 3 of 8
        "missing": ["LIMITS", "TRAINING_DATA", "EVALUATION", "ETHICAL_CONSIDERATIONS", "LICENCE"],
    }
    name = f'mutation ($id: ID!) {{ updateModel(id: $id, changes: {{version: "2"}}) {CARD} }}'
    assert (await api("analyst", name, id=model)).data["updateModel"]["card"]["owners"] == ["credit team"]
    long = await api("analyst", update, id=model, card={"limits": "x" * 10_001})
    assert long.code == "BAD_INPUT" and "limits may have 10,000 characters" in long.errors[0]["message"]
