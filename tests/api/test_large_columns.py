"""Profiles, previews and reports may be megabytes: they leave the database only for who asks for them, all at once."""

import pytest
from sqlalchemy import event

import db.tables as t
from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, an_analysis, keep

LARGE = ("profile", "preview", "report", "headlines")
WITHOUT = [
    "{ datasets { totalCount edges { node { id name rows status createdBy { email } } } } }",
    "{ datasets { edges { node { analyses { edges { node { id status columns { protected } } } } } } } }",
    "{ analyses { edges { node { id status options { seed } dataset { name } model { name } } } } }",
    "{ models { edges { node { name analyses { edges { node { status dataset { rows } } } } } } } }",
    "query ($dataset: ID!) { node(id: $dataset) { id ... on Dataset { name } } }",
    "query ($dataset: ID!) { dataset(id: $dataset) { name analyses { totalCount } } }",
    "query ($analysis: ID!) { analysis(id: $analysis) { status } }",
    "mutation ($dataset: ID!) { archiveDataset(id: $dataset) { name } }",
    'mutation ($dataset: ID!) { updateDataset(id: $dataset, changes: {name: "new"}) { name } }',
    "mutation ($analysis: ID!) { deleteAnalysis(id: $analysis) { deleted } }",
    "query ($dataset: ID!) { dataset(id: $dataset) { columns @skip(if: true) { name } } }",
]
WITH = {
    "{ datasets { edges { node { name columns { name } notes } } } }": ["profile"],
    "{ datasets { edges { node { preview } } } }": ["preview"],
    "{ analyses { edges { node { report { summary } } } } }": ["report"],
    "{ analyses { edges { node { dataset { columns { name } } } } } }": ["profile"],
    "{ models { edges { node { analyses { edges { node { report { summary } } } } } } } }": ["report"],
    "{ datasets { edges { node { ... on Dataset { notes } analyses { edges { node { report { rows } } } } } } } }": [
        "profile",
        "report",
    ],
}


@pytest.fixture
def received(application):
    """Every large column of every answer of the database, however many rows it was of."""
    names: list[str] = []
    engine = application.state.house.database.engine.sync_engine

    def hear(connection, cursor, *_):
        found = [column[0] for column in cursor.description or ()]
        names.extend(large for name in found for large in LARGE if name.startswith(large))

    event.listen(engine, "after_cursor_execute", hear)
    yield names
    event.remove(engine, "after_cursor_execute", hear)


@pytest.fixture
def known(url, people):
    """Three datasets with two analyses each: what an operation may name of them, as variables."""
    person = people["analyst"]
    model, datasets = a_model(person), [a_dataset(person) for _ in range(3)]
    analyses = [an_analysis(person, model, dataset) for dataset in datasets for _ in range(2)]
    keep(url, model, *datasets, *analyses)
    return {
        "dataset": global_id("Dataset", datasets[0].id),
        "analysis": global_id("Analysis", analyses[0].id),
    }


@pytest.mark.parametrize("document", WITHOUT)
async def test_who_does_not_ask_for_large_columns_loads_none(api, known, received, document):
    answer = await api(
        "admin", document, **{name: id for name, id in known.items() if f"${name}:" in document}
    )
    assert answer.errors == []
    assert received == []


@pytest.mark.parametrize("document", WITH)
async def test_who_asks_for_a_large_column_loads_it_once_for_all_rows(api, known, received, document):
    answer = await api("admin", document)
    assert answer.errors == []
    assert sorted(received) == WITH[document]


async def test_large_columns_are_those_of_their_own_row(api, url, people):
    person = people["analyst"]
    ready = [a_dataset(person, columns=(f"c{i}",), name=f"d{i}") for i in range(3)]
    waiting = a_dataset(person, name="waiting", status=t.Status.QUEUED, profile=None, preview=None)
    keep(url, *ready, waiting)
    asked = "{ datasets(order: NAME_ASCENDING) { edges { node { name columns { name } notes preview } } } }"
    found = [edge["node"] for edge in (await api("analyst", asked)).data["datasets"]["edges"]]
    assert [row["columns"] for row in found] == [[{"name": f"c{i}"}] for i in range(3)] + [None]
    assert [row["preview"] for row in found] == [[["1"]]] * 3 + [None]
    assert found[3]["notes"] is None and None not in [row["notes"] for row in found[:3]]


async def test_starting_an_analysis_reads_the_profile_and_no_report(api, url, people, received):
    person = people["analyst"]
    model, dataset = a_model(person), a_dataset(person)
    keep(url, model, dataset)
    start = """mutation ($model: ID!, $dataset: ID!) { startAnalysis(input: {modelId: $model, datasetId: $dataset,
      type: COMPREHENSIVE, columns: {label: "approved", prediction: "predicted", protected: ["race"]}})
      { status report { summary } } }"""
    ids = {"model": global_id("Model", model.id), "dataset": global_id("Dataset", dataset.id)}
    answer = await api("analyst", start, **ids)
    assert answer.errors == []
    assert answer.data["startAnalysis"] == {"status": "QUEUED", "report": None}
    assert received == ["profile"]
