"""Models and datasets: registered, changed, archived and deleted, with refusals that say what to do."""

import asyncio

import psycopg
import pytest

import db.tables as t
from db.blobs import Blobs
from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, an_analysis, keep

REGISTER = """mutation ($input: NewModelInput!) { registerModel(input: $input) {
  id name version type description features archivedAt owner { email }
} }"""
UPDATE = """mutation ($id: ID!, $changes: ModelChangesInput!) { updateModel(id: $id, changes: $changes) {
  name version description features owner { email }
} }"""
ARCHIVE = "mutation ($id: ID!, $to: Boolean! = true) { archiveModel(id: $id, archived: $to) { archivedAt } }"
DELETE = "mutation ($id: ID!) { deleteModel(id: $id) { id deleted archived message } }"
NAMES = (
    "query ($f: ModelFilterInput) { models(filter: $f, order: NAME_ASCENDING) { edges { node { name } } } }"
)
UPDATE_DATASET = """mutation ($id: ID!, $changes: DatasetChangesInput!) {
  updateDataset(id: $id, changes: $changes) { name description }
}"""
DELETE_DATASET = "mutation ($id: ID!) { deleteDataset(id: $id) { id deleted archived message } }"
CREDIT = {"name": "credit", "type": "CLASSIFICATION"}
UNKNOWN = global_id("Model", "00000000-0000-0000-0000-000000000000")


def refusal(answer) -> tuple[str, str | None, str]:
    """Code, argument and message of the only error."""
    (error,) = answer.errors
    return error["extensions"]["code"], error["extensions"].get("argument"), error["message"]


async def names(api, **given) -> list[str]:
    found = (await api("viewer", NAMES, f=given)).data["models"]["edges"]
    return [edge["node"]["name"] for edge in found]


async def test_a_model_is_registered_by_and_for_whoever_asks(api):
    asked = CREDIT | {
        "name": "  credit ",
        "version": "2.1",
        "description": "Scores",
        "features": ["income", "age"],
    }
    answer = await api("analyst", REGISTER, input=asked)
    assert answer.errors == []
    model = answer.data["registerModel"]
    assert model.pop("id")
    assert model == {
        "name": "credit",
        "version": "2.1",
        "type": "CLASSIFICATION",
        "description": "Scores",
        "features": ["income", "age"],
        "archivedAt": None,
        "owner": {"email": "analyst@example.org"},
    }


async def test_what_is_left_out_of_a_registration_has_a_default(api):
    model = (await api("analyst", REGISTER, input=CREDIT)).data["registerModel"]
    assert (model["version"], model["description"], model["features"]) == ("1", "", [])


async def test_a_name_and_version_can_be_registered_once(api):
    assert (await api("analyst", REGISTER, input=CREDIT)).errors == []
    again = await api("admin", REGISTER, input=CREDIT)
    assert refusal(again) == ("CONFLICT", None, "a model 'credit' of version '1' is registered already")
    assert (await api("admin", REGISTER, input=CREDIT | {"version": "2"})).errors == []


async def test_of_two_registrations_at_once_one_wins(api):
    answers = await asyncio.gather(*(api("analyst", REGISTER, input=CREDIT) for _ in range(4)))
    assert sorted(answer.code or "" for answer in answers) == ["", "CONFLICT", "CONFLICT", "CONFLICT"]


async def test_a_bad_registration_is_refused_with_the_path_of_what_is_wrong(api):
    for given, argument, said in [
        ({"name": ""}, "input.name", "name must have 1 to 200 printable characters, got 0"),
        ({"name": "   "}, "input.name", "got 0"),
        ({"name": "x" * 201}, "input.name", "1 to 200 printable characters, got 201"),
        ({"name": "a\0b"}, "input.name", "printable"),
        ({"name": "a\nb"}, "input.name", "printable"),
        ({"version": "x" * 101}, "input.version", "1 to 100 printable characters, got 101"),
        ({"description": "x" * 10_001}, "input.description", "10000 characters and no NUL, got 10001"),
        ({"description": "\0"}, "input.description", "no NUL"),
        ({"features": ["a", "a"]}, "input.features", "at most 2000 different names"),
        ({"features": [""]}, "input.features", "1 to 200 printable characters"),
        ({"features": [f"f{i}" for i in range(2001)]}, "input.features", "at most 2000"),
    ]:
        code, at, message = refusal(await api("analyst", REGISTER, input=CREDIT | given))
        assert (code, at) == ("BAD_INPUT", argument)
        assert said in message


async def test_only_what_is_given_is_changed(api, people):
    id = await api.model(name="credit", description="old", features=["a"])
    owner = global_id("User", people["auditor"].user_id)
    for changes, changed in (
        ({"description": "new"}, {"description": "new"}),
        ({"features": []}, {"features": []}),
        ({"version": "2", "name": None}, {"version": "2"}),
        ({"ownerId": owner}, {"owner": {"email": "auditor@example.org"}}),
        ({}, {}),
    ):
        before = (await api("admin", UPDATE, id=id, changes={})).data["updateModel"]
        after = (await api("admin", UPDATE, id=id, changes=changes)).data["updateModel"]
        assert after == before | changed


async def test_a_change_that_makes_two_models_the_same_is_refused_and_not_kept(api):
    await api.model(name="first")
    id = await api.model(name="second")
    refused = await api("admin", UPDATE, id=id, changes={"name": "first", "description": "changed"})
    assert refusal(refused) == ("CONFLICT", None, "a model 'first' of version '1' is registered already")
    kept = (await api("admin", UPDATE, id=id, changes={})).data["updateModel"]
    assert (kept["name"], kept["description"]) == ("second", "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, ("BAD_INPUT", "changes.name")),
        ({"features": ["a", "a"]}, ("BAD_INPUT", "changes.features")),
        ({"ownerId": "nonsense"}, ("BAD_INPUT", "changes.ownerId")),
        ({"ownerId": UNKNOWN}, ("NOT_FOUND", None)),
    ],
    ids=range(4),
)
async def test_a_bad_change_is_refused_with_the_path_of_what_is_wrong(api, changes, expected):
    id = await api.model()
    assert refusal(await api("admin", UPDATE, id=id, changes=changes))[:2] == expected


async def test_an_id_that_leads_nowhere_is_refused_in_words(api):
    for id, expected in [
        (UNKNOWN, ("NOT_FOUND", None, "there is no model with this id")),
        (
            global_id("Dataset", "00000000-0000-0000-0000-000000000000"),
            ("NOT_FOUND", None, "there is no model with this id"),
        ),
        ("nonsense", ("BAD_INPUT", "id", "id must be an id that this API has given")),
        ("", ("BAD_INPUT", "id", "id must be an id that this API has given")),
        ("é", ("BAD_INPUT", "id", "id must be an id that this API has given")),
        ("TW9kZWw6MQ==", ("BAD_INPUT", "id", "id must be an id that this API has given")),
    ]:
        for asked in (DELETE, ARCHIVE, "query ($id: ID!) { model(id: $id) { id } }"):
            assert refusal(await api("admin", asked, id=id)) == expected


async def test_an_archived_model_is_out_of_the_lists_but_readable_and_comes_back(api):
    id, _ = await api.model(name="a"), await api.model(name="b")
    archived = (await api("admin", ARCHIVE, id=id)).data["archiveModel"]["archivedAt"]
    assert archived is not None
    assert (await api("admin", ARCHIVE, id=id)).data["archiveModel"]["archivedAt"] == archived  # since then
    assert await names(api) == ["b"]
    assert await names(api, archived=True) == ["a"]
    assert await names(api, archived=None) == ["a", "b"]
    assert (await api("viewer", "query ($id: ID!) { model(id: $id) { name } }", id=id)).data["model"][
        "name"
    ] == "a"
    assert (await api("admin", ARCHIVE, id=id, to=False)).data == {"archiveModel": {"archivedAt": None}}
    assert await names(api) == ["a", "b"]


async def test_lists_are_narrowed_by_type_and_by_a_part_of_the_name(api):
    await api.model(name="Credit 50%")
    await api.model(name="credit_risk", type="REGRESSION")
    await api.model(name="churn")
    assert sorted(await names(api, nameContains="CREDIT")) == ["Credit 50%", "credit_risk"]
    assert await names(api, nameContains="%") == ["Credit 50%"]  # no wildcards
    assert await names(api, nameContains="_") == ["credit_risk"]
    assert await names(api, type="REGRESSION") == ["credit_risk"]
    assert await names(api, type="CLUSTERING") == []
    assert sorted(await names(api, nameContains="")) == ["Credit 50%", "churn", "credit_risk"]


async def test_a_text_that_cannot_be_looked_for_is_refused(api):
    refused = await api("viewer", NAMES, f={"nameContains": "a\0"})
    assert refusal(refused)[:2] == ("BAD_INPUT", "filter.nameContains")


async def test_a_model_that_nothing_refers_to_is_deleted(api):
    id = await api.model()
    removed = (await api("analyst", DELETE, id=id)).data["deleteModel"]
    assert removed == {"id": id, "deleted": True, "archived": False, "message": "the model is deleted"}
    assert (await api("analyst", DELETE, id=id)).code == "NOT_FOUND"


@pytest.fixture
def analysed(url, people, settings) -> dict[str, str]:
    """A model and a dataset that an analysis refers to."""
    person = people["analyst"]
    model, dataset = a_model(person), a_dataset(person, blob=f"{person.organization_id}/{'a' * 64}.parquet")
    analysis = an_analysis(person, model, dataset)
    keep(url, model, dataset, analysis)
    path = blob(settings, dataset.blob)
    path.parent.mkdir(parents=True)
    path.write_text("rows")
    rows = {"Model": model.id, "Dataset": dataset.id, "Analysis": analysis.id}
    return {kind: global_id(kind, key) for kind, key in rows.items()} | {"blob": dataset.blob}


def blob(settings, key):
    path = Blobs.at(settings.datasets).local_path(key)
    assert path is not None
    return path


async def test_what_analyses_refer_to_is_archived_instead_until_they_are_gone(api, analysed, settings):
    for kind, delete in (("Model", DELETE), ("Dataset", DELETE_DATASET)):
        (removed,) = (await api("analyst", delete, id=analysed[kind])).data.values()
        said = f"analyses, explanations or mitigations refer to this {kind.lower()}, so it is archived: delete them first"
        assert removed == {"id": analysed[kind], "deleted": False, "archived": True, "message": said}
    look = (
        """query ($id: ID!) { analysis(id: $id) { model { archivedAt } dataset { archivedAt preview } } }"""
    )
    kept = (await api("viewer", look, id=analysed["Analysis"])).data["analysis"]
    assert kept["model"]["archivedAt"]
    assert kept["dataset"]["archivedAt"]
    assert blob(settings, analysed["blob"]).exists()

    await api(
        "analyst", "mutation ($id: ID!) { deleteAnalysis(id: $id) { deleted } }", id=analysed["Analysis"]
    )
    for kind, delete in (("Model", DELETE), ("Dataset", DELETE_DATASET)):
        (removed,) = (await api("analyst", delete, id=analysed[kind])).data.values()
        assert removed["deleted"]
    assert not blob(settings, analysed["blob"]).exists()


async def test_what_another_organization_refers_to_is_archived_too(api, url, people, analysed):
    """A row that was shared may be referred to from where its owner cannot see."""
    model, stranger = a_model(people["analyst"]), people["stranger"]
    theirs = a_dataset(stranger)
    keep(url, model, theirs, an_analysis(stranger, model, theirs))
    removed = (await api("analyst", DELETE, id=global_id("Model", model.id))).data["deleteModel"]
    assert (removed["deleted"], removed["archived"]) == (False, True)


async def test_the_same_content_stored_twice_is_kept_until_the_last_dataset_goes(
    api, url, people, analysed, settings
):
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM analysis")
    second = a_dataset(people["admin"], blob=analysed["blob"])
    keep(url, second)
    assert (await api("admin", DELETE_DATASET, id=analysed["Dataset"])).data["deleteDataset"]["deleted"]
    assert blob(settings, analysed["blob"]).exists()
    assert (await api("admin", DELETE_DATASET, id=global_id("Dataset", second.id))).data["deleteDataset"][
        "deleted"
    ]
    assert not blob(settings, analysed["blob"]).exists()


async def test_a_dataset_that_waits_is_deleted_with_its_file(api, settings):
    id = (await api.upload()).json()["id"]
    folder = blob(settings, "x").parent
    assert len(list(folder.rglob("*.upload"))) == 1
    assert (await api("analyst", DELETE_DATASET, id=id)).data["deleteDataset"]["deleted"]
    assert list(folder.rglob("*.upload")) == []


async def test_a_dataset_is_renamed_and_described(api, analysed):
    id = analysed["Dataset"]
    answer = await api("analyst", UPDATE_DATASET, id=id, changes={"name": " new ", "description": "Why"})
    assert answer.data == {"updateDataset": {"name": "new", "description": "Why"}}
    answer = await api("analyst", UPDATE_DATASET, id=id, changes={"description": ""})
    assert answer.data == {"updateDataset": {"name": "new", "description": ""}}
    refused = await api("analyst", UPDATE_DATASET, id=id, changes={"name": "\t"})
    assert refusal(refused)[:2] == ("BAD_INPUT", "changes.name")


async def test_datasets_are_narrowed_by_status(api, url, people):
    person = people["analyst"]
    keep(
        url,
        a_dataset(person, name="good"),
        a_dataset(person, name="bad", status=t.Status.FAILED, error="why"),
    )
    asked = (
        "query ($f: DatasetFilterInput) { datasets(filter: $f) { totalCount edges { node { name error } } } }"
    )
    found = (await api("viewer", asked, f={"status": "FAILED"})).data["datasets"]
    assert found == {"totalCount": 1, "edges": [{"node": {"name": "bad", "error": "why"}}]}


async def test_a_dataset_shows_its_columns_and_what_was_noted(api, analysed):
    asked = """query ($id: ID!) { dataset(id: $id) { rows bytes format notes columns {
      name type nulls distinct distinctIsExact topValues { value count } roleHints
    } } }"""
    found = (await api("viewer", asked, id=analysed["Dataset"])).data["dataset"]
    assert (found["rows"], found["bytes"], found["format"]) == (360, 1000, "CSV")
    assert found["notes"] == ["a byte order mark was left out"]
    assert [column["name"] for column in found["columns"]] == ["race", "sex", "approved", "predicted"]
    assert found["columns"][0] == {
        "name": "race",
        "type": "STRING",
        "nulls": 0,
        "distinct": 2,
        "distinctIsExact": True,
        "topValues": [{"value": "white", "count": 200}, {"value": "black", "count": 160}],
        "roleHints": ["PROTECTED"],
    }
