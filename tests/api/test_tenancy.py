"""Two organizations on one server: nothing of one can be seen, guessed or changed by the other.

Generated from the schema: whatever takes an id is tried with every kind of id of the other organization, and must
answer exactly as for an id that nobody has. A new field is tried as soon as it is there.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import TypeAdapter

import db.tables as t
from db.blobs import Blobs
from engine.fairness import BiasColumns, BiasOptions, BiasReport
from engine.models.prediction import Predicted
from engine.models.signature import Feature, FeatureType
from engine.tables import TableProfile
from resolvers.ids import global_id
from tests import walk
from tests.builders import (
    STORED,
    a_dataset,
    a_mitigation,
    a_model,
    a_prediction,
    a_signature,
    an_analysis,
    an_artifact,
    an_endpoint,
    an_event,
    an_explanation,
    keep,
)
from tests.client import LOANS
from tests.walk import Door, entrances, id_places

CANARY = "canary"
COLUMNS = ("label", "prediction", "protected", "race")
"""So that the values which the walk makes up, an argument's own name, are columns of these datasets."""
TAKE_IDS = [door for door in entrances() if id_places(door)]
TABLES = (
    "organization",
    "users",
    "share",
    "model",
    "dataset",
    "analysis",
    "summary",
    "artifact",
    "prediction",
    "explanation",
    "mitigation",
    "event",
)


@pytest.fixture
def ours(url, people) -> dict[str, str]:
    """Our organization's rows, by kind."""
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person, COLUMNS)
    dataset.scored_from_id, dataset.model_id = dataset.id, model.id
    analysis = an_analysis(person, model, dataset)
    explanation = an_explanation(person, model, dataset, analysis_id=analysis.id)
    more = an_artifact(person, model), a_prediction(person, model), explanation
    more = *more, a_mitigation(person, model, dataset, analysis_id=analysis.id)
    keep(url, model, dataset, analysis, *more, an_event(person, 1, t.Subject.ANALYSIS, analysis))
    keep(url, an_event(person, 2, t.Subject.DATASET, dataset))
    return ids(person, model, dataset, analysis, *more)


@pytest.fixture
def theirs(url, people, settings) -> dict[str, str]:
    """The other organization's rows, each text of which holds a canary."""
    person = people["stranger"]
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE organization SET name = %s WHERE id = %s", (CANARY, person.organization_id)
        )
        connection.execute(
            "UPDATE users SET name = %s, email = %s WHERE id = %s",
            (CANARY, f"{CANARY}@example.org", person.user_id),
        )
    model = a_model(person, name=f"{CANARY} model", description=CANARY, features=(f"{CANARY}_1",))
    dataset = a_dataset(
        person,
        COLUMNS,
        name=f"{CANARY} dataset",
        description=CANARY,
        preview=((CANARY,) * len(COLUMNS),),
        profile=sung(TableProfile, "table_profile", "race"),
        message=CANARY,
        blob=f"{person.organization_id}/{'c' * 64}.parquet",
    )
    analysis = an_analysis(
        person,
        model,
        dataset,
        message=CANARY,
        error=CANARY,
        columns=BiasColumns(label=f"{CANARY}_label", prediction="p", protected=(f"{CANARY}_group",)),
        options=BiasOptions(seed=1),
        report=sung(BiasReport, "bias_report", "race", "white", "approved"),
    )
    dataset.scored_from_id, dataset.model_id = dataset.id, model.id
    signature = a_signature(
        kind=CANARY, features=(Feature(name=f"{CANARY}_1", type=FeatureType.ANY),), classes=(CANARY,)
    )
    told = {"message": CANARY, "tried": CANARY, "signature": signature, "endpoint": an_endpoint(CANARY)}
    artifact = an_artifact(person, model, **told)
    answers = (Predicted(prediction=CANARY),)
    prediction = a_prediction(person, model, message=CANARY, answers=answers)
    told = {"message": CANARY, "error": CANARY, "analysis_id": analysis.id}
    explanation = an_explanation(person, model, dataset, **told)
    explanation.report = replace(explanation.report, summary=CANARY, unit=CANARY)
    mitigation = a_mitigation(
        person, model, dataset, analysis_id=analysis.id, message=CANARY, version_name=CANARY
    )
    mitigation.report = replace(mitigation.report, summary=CANARY, label=CANARY)
    told = {"message": CANARY, "stage": CANARY}
    keep(
        url,
        model,
        dataset,
        analysis,
        artifact,
        prediction,
        explanation,
        mitigation,
        an_event(person, 1, t.Subject.ANALYSIS, analysis, **told),
    )
    keep(url, an_event(person, 2, t.Subject.DATASET, dataset, **told))
    blobs = Blobs.at(settings.datasets)
    assert dataset.blob is not None
    kept = blobs.local_path(dataset.blob)
    assert kept is not None
    kept.parent.mkdir(parents=True)
    kept.write_text(CANARY)
    return ids(person, model, dataset, analysis, artifact, prediction, explanation, mitigation)


def sung(kind: Any, name: str, *words: str) -> Any:
    """A stored value with canaries in place of some of its words."""
    content = (STORED / f"{name}.json").read_text()
    for word in words:
        content = content.replace(f'"{word}"', f'"{CANARY}_{word}"')
    assert CANARY in content
    return TypeAdapter(kind).validate_json(content)


def ids(person, *rows) -> dict[str, str]:
    keys = {type(row).__name__: row.id for row in rows}
    keys |= {"User": person.user_id, "Organization": person.organization_id}
    return {kind: global_id(kind, key) for kind, key in keys.items()}


def kept(url: str, organization) -> Any:
    """All that the database holds of an organization."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                f"SELECT to_jsonb({table}) FROM {table} WHERE {column} = %s ORDER BY 1", (organization,)
            ).fetchall()
            for table in TABLES
            for column in ["id" if table == "organization" else "organization_id"]
        }


async def said(api, who: str, door: Door, given: dict[walk.Place, str]) -> str:
    """The whole answer as text, with the ids that were given made the same."""
    asked = {"query": walk.operation(door), "variables": walk.arguments(door, given)}
    if "file" in asked["variables"]:
        del asked["variables"]["file"]
        answer = await api.with_file(who, asked["query"], LOANS.encode(), **asked["variables"])
        text = f"{answer.status} {json.dumps([answer.data, answer.errors])}"
    else:
        accept = "text/event-stream" if door.parent == "Subscription" else "application/json"
        response = await api.http.post("/graphql", json=asked, headers=api.headers(who) | {"accept": accept})
        text = f"{response.status_code} {response.text}"
    assert "INTERNAL" not in text, (str(door), text)
    for id in given.values():
        text = text.replace(id, "<id>")
    return text


def test_the_rows_of_every_kind_are_tried(ours, theirs):
    assert ours.keys() == theirs.keys() == set(walk.kinds())


def combinations(door: Door, ours: dict[str, str]) -> Iterator[tuple[walk.Place, str, dict[walk.Place, str]]]:
    """Each place that takes an id, with each kind of row for it, beside each kind of our own in the other places.

    Where there are several others they hold one kind together, or each its own, or none: all of all would be hundreds.
    """
    for place in id_places(door):
        rest = [one for one in id_places(door) if one != place]
        beside = [dict.fromkeys(rest, ours[name]) for name in (walk.kinds() if rest else walk.kinds()[:1])]
        if len(rest) > 1:
            beside.append({at: ours[walk.kind_at(door, at)] for at in rest})
            beside.append({})
        for kind, own in itertools.product(walk.kinds(), beside):
            yield place, kind, own


@pytest.mark.parametrize("root", walk.ROOTS)
async def test_an_id_of_another_organization_is_like_one_that_nobody_has(
    documents_read_once, api, url, people, ours, theirs, root
):
    other = people["stranger"].organization_id
    before = kept(url, other)
    for door in TAKE_IDS:
        if door.parent == root:
            for place, kind, others in combinations(door, ours):
                real = await said(api, "admin", door, others | {place: theirs[kind]})
                made_up = await said(api, "admin", door, others | {place: global_id(kind, uuid4())})
                assert real == made_up, (str(door), place, kind)
                assert CANARY not in real
            assert kept(url, other) == before, str(door)


async def test_the_same_fields_do_something_for_an_id_of_ones_own(documents_read_once, api, ours):
    """So the test above compares more than two refusals for another reason."""
    for door in sorted(TAKE_IDS, key=lambda door: (door.name.startswith("delete"), door.name)):
        looked_at = set()
        for place, kind, others in combinations(door, ours):
            if place not in looked_at:
                mine = await said(api, "admin", door, others | {place: ours[kind]})
                if mine != await said(api, "admin", door, others | {place: global_id(kind, uuid4())}):
                    looked_at.add(place)
        assert looked_at == set(id_places(door)), f"{door} ignores an id: give the walk better values for it"


def ways(kind: str, depth: int) -> list[tuple[Door, ...]]:
    """Every way from a kind of row on to others, up to a depth."""
    steps = [door for door in walk.doors() if door.parent == kind and walk.leads_to_rows(door)]
    further = [(step, *rest) for step in steps if depth > 1 for rest in ways(walk.row_of(step), depth - 1)]
    return [(step,) for step in steps] + further


STARTS = [
    door
    for door in entrances()
    if door.parent == "Query"
    and walk.leads_to_rows(door)
    and not any(place for place in id_places(door) if len(place) == 1)
]


@pytest.mark.parametrize("start", STARTS, ids=str)
async def test_no_list_leads_to_rows_of_another_organization(documents_read_once, api, ours, theirs, start):
    """At any depth up to four doors, with everything that is shown behind the last of them."""
    for way in [(), *ways(walk.row_of(start), 3)]:
        whole = (start, *way)
        asked = walk.document(whole, walk.everything(walk.row_of(whole[-1])))
        answer = await api("admin", asked)
        if answer.errors and answer.code == "LIMIT_EXCEEDED":  # as deep as anybody may ask, less of each row
            asked = walk.document(whole, "id")
            answer = await api("admin", asked)
        assert answer.errors == [], (asked, answer.errors)
        text = json.dumps(answer.data)
        assert CANARY not in text
        assert not any(id in text for id in theirs.values())
        beyond = json.dumps((await api("stranger", asked)).data)
        assert any(
            id in beyond for id in theirs.values()
        )  # there is something to be seen, by those whose it is
        assert not any(id in beyond for id in ours.values())


async def test_filters_find_and_count_nothing_of_another_organization(api, ours, theirs):
    for name in ("models", "datasets"):
        kind = name[:-1].capitalize()
        asked = f"query ($f: {kind}FilterInput) {{ {name}(filter: $f) {{ totalCount edges {{ node {{ id }} }} }} }}"
        looked = await api("admin", asked, f={"nameContains": CANARY, "archived": None})
        assert looked.data == {name: {"totalCount": 0, "edges": []}}
    asked = "query ($f: AnalysisFilterInput) { analyses(filter: $f) { totalCount edges { node { id } } } }"
    for given in ({"modelId": theirs["Model"]}, {"datasetId": theirs["Dataset"]}):
        looked = await api("admin", asked, f=given)
        assert looked.data == {"analyses": {"totalCount": 0, "edges": []}}


async def test_a_cursor_of_another_organizations_list_opens_nothing(api, ours, theirs):
    asked = "query ($after: String) { models(after: $after, order: OLDEST_FIRST) { totalCount edges { cursor node { id } } } }"
    (edge,) = (await api("stranger", asked)).data["models"]["edges"]
    found = (await api("admin", asked, after=edge["cursor"])).data["models"]
    assert found["totalCount"] == 1
    assert [one["node"]["id"] for one in found["edges"]] in ([], [ours["Model"]])


async def test_a_name_that_another_organization_uses_is_free(api, theirs):
    asked = "mutation ($input: NewModelInput!) { registerModel(input: $input) { name } }"
    answer = await api("admin", asked, input={"name": f"{CANARY} model", "type": "CLASSIFICATION"})
    assert answer.errors == []


async def test_an_idempotency_key_that_another_organization_uses_is_free(api, url, ours, theirs):
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE analysis SET idempotency_key = 'mine' WHERE message = %s", (CANARY,))
    columns = {"label": "label", "prediction": "prediction", "protected": ["protected"]}
    first = await api.start(ours["Model"], ours["Dataset"], columns=columns, key="mine")
    assert first.errors == []
    assert first.data["startAnalysis"]["id"] != theirs["Analysis"]


async def test_activity_tells_nothing_of_another_organization(api, address, ours, theirs):
    """From the first event on: ours come, theirs do not, although they have the same numbers."""
    asked = {"query": "subscription { activity(after: 0) { number subjectId stage message } }"}
    headers = api.headers("admin") | {"accept": "text/event-stream"}
    told = []
    async with (
        httpx.AsyncClient(base_url=address, timeout=20) as http,
        http.stream("POST", "/graphql", json=asked, headers=headers) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data:") and "activity" in line:
                told.append(json.loads(line.removeprefix("data:"))["data"]["activity"])
            if len(told) == 2:
                break
    assert [(event["number"], event["subjectId"]) for event in told] == [
        (1, ours["Analysis"]),
        (2, ours["Dataset"]),
    ]
    assert CANARY not in json.dumps(told)


async def test_what_is_sent_to_another_organizations_address_becomes_theirs_alone(api, ours, theirs):
    """The address is the permission: a token that is sent along counts for nothing."""
    asked = 'mutation { requestDatasetUpload(input: {name: "for them"}) { path } }'
    path = (await api("stranger", asked)).data["requestDatasetUpload"]["path"]
    sent = await api.http.put(path, content=LOANS.encode(), headers=api.headers("admin"))
    assert sent.status_code == 201
    id = sent.json()["id"]
    look = "query ($id: ID!) { dataset(id: $id) { name } }"
    assert (await api("admin", look, id=id)).code == "NOT_FOUND"
    assert (await api("stranger", look, id=id)).data == {"dataset": {"name": "for them"}}
    again = await api.http.put(path, content=LOANS.encode(), headers=api.headers("admin"))
    assert again.status_code == 409


async def test_a_token_is_no_address_and_an_address_is_no_token(api, ours):
    sent = await api.http.put(f"/uploads/{api.people['admin'].token}", content=b"a,b\n1,2\n")
    assert sent.status_code == 401
    asked = 'mutation { requestDatasetUpload(input: {name: "x"}) { path } }'
    path = (await api("admin", asked)).data["requestDatasetUpload"]["path"]
    ticket = path.removeprefix("/uploads/")
    tried = await api.http.post(
        "/graphql", json={"query": "{ me { id } }"}, headers={"authorization": f"Bearer {ticket}"}
    )
    assert tried.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_stored_files_lie_apart_and_are_served_by_no_route(api, theirs, people):
    name = f"{people['stranger'].organization_id}/{'c' * 64}.parquet"
    for path in (
        f"/static/dashboard/{name}",
        f"/datasets/{name}",
        f"/uploads/{name}",
        f"/static/dashboard/../../{name}",
    ):
        answer = await api.http.get(path, headers=api.headers("stranger"))
        assert answer.status_code in (404, 405)
        assert CANARY not in answer.text


async def test_deleting_a_dataset_leaves_the_file_of_another_organization_alone(
    api, url, ours, theirs, settings, people
):
    """Also when both have stored the very same content."""
    mine, other = people["admin"].organization_id, people["stranger"].organization_id
    with psycopg.connect(url) as connection:
        for table in ("mitigation", "analysis", "explanation"):
            connection.execute(f"DELETE FROM {table} WHERE organization_id = %s", (mine,))
        connection.execute(
            "UPDATE dataset SET blob = %s WHERE organization_id = %s", (f"{mine}/{'c' * 64}.parquet", mine)
        )
    delete = "mutation ($id: ID!) { deleteDataset(id: $id) { deleted } }"
    assert (await api("admin", delete, id=ours["Dataset"])).data == {"deleteDataset": {"deleted": True}}
    file = Blobs.at(settings.datasets).local_path(f"{other}/{'c' * 64}.parquet")
    assert file is not None
    assert file.read_text() == CANARY
