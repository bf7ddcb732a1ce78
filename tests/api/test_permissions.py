"""Each way in and each way on, tried with and without its permission. The schema says which those are."""

from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from graphql import get_named_type

import auth.permissions
import db.tables as t
import resolvers.identity
from auth.permissions import GRANTS, Open, Permission
from resolvers.ids import global_id
from resolvers.nodes import OPENED_BY
from tests import walk
from tests.builders import (
    LOANS,
    a_dataset,
    a_mitigation,
    a_model,
    a_prediction,
    an_analysis,
    an_artifact,
    an_endpoint,
    an_event,
    an_explanation,
    keep,
)
from tests.walk import Door, document, edges, entrances, ways_to

OPEN = {one.value for one in Open}
GUARDED = [door for door in entrances() if door.requires not in OPEN]
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
    "procrastinate_jobs",
)


@pytest.fixture
def ids(url, people) -> dict[str, str]:
    """One row of each kind in our organization, all completed."""
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person)
    dataset.scored_from_id, dataset.model_id = dataset.id, model.id  # so that each edge leads somewhere
    analysis = an_analysis(person, model, dataset)
    made = {
        "Dataset": dataset,
        "Analysis": analysis,
        "Artifact": an_artifact(person, model, endpoint=an_endpoint("loan")),
        "Prediction": a_prediction(person, model),
        "Explanation": an_explanation(person, model, dataset),
        "Mitigation": a_mitigation(person, model, dataset, analysis_id=analysis.id),
    }
    made["Explanation"].analysis_id = made["Analysis"].id
    events = [
        an_event(person, i, t.Subject(kind.lower()), row) for i, (kind, row) in enumerate(made.items(), 1)
    ]
    keep(url, model, *made.values(), *events)
    keys = {"Model": model.id, "User": person.user_id, "Organization": person.organization_id}
    keys |= {kind: row.id for kind, row in made.items()}
    return {kind: global_id(kind, key) for kind, key in keys.items()}


def without(permission: str, monkeypatch) -> None:
    """Take one permission from the administrators, and only that."""
    granted = MappingProxyType({**GRANTS, t.Role.ADMIN: frozenset(Permission) - {Permission(permission)}})
    monkeypatch.setattr(auth.permissions, "GRANTS", granted)
    monkeypatch.setattr(resolvers.identity, "GRANTS", granted)


async def enter(api, who: str | None, door: Door, ids: dict[str, str]) -> Any:
    """The answer at an entrance, with good ids and an impossible number of an event, so that streams end."""
    given = {place: ids[walk.kind_at(door, place)] for place in walk.id_places(door)}
    arguments = walk.arguments(door, given)
    if "after" in door.field.args and door.parent == "Subscription":
        arguments["after"] = -1
    if door.parent == "Subscription":
        (answer,) = await api.all_events(who, walk.operation(door), **arguments)
        return answer
    asked = walk.operation(door, sibling="sibling: __typename")
    if any(get_named_type(one.type).name == "Upload" for one in door.field.args.values()):
        del arguments["file"]
        return await api.with_file(who, asked, LOANS.encode(), **arguments)
    return await api(who, asked, **arguments)


def counts(url: str) -> dict[str, Any]:
    """Rows of every table, and a digest of what they hold."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                f"SELECT count(*), md5(string_agg({table}::text, '' ORDER BY {table}::text)) FROM {table}"
            ).fetchone()
            for table in TABLES
        }


def codes(answer, at: list[str] | None = None) -> list[str]:
    """Codes of all errors, or of those at a path."""
    return [error["extensions"]["code"] for error in answer.errors if at in (None, error.get("path"))]


@pytest.mark.parametrize("role", [role.value for role in t.Role])
async def test_each_role_enters_exactly_where_its_grants_say(api, ids, role):
    for door in GUARDED:
        answer = await enter(api, role, door, ids)
        granted = Permission(door.requires) in GRANTS[t.Role(role)]
        refused = "FORBIDDEN" in codes(answer, at=[door.name])
        assert refused is not granted, (str(door), answer)
        assert not {"INTERNAL", "UNAUTHENTICATED"} & set(codes(answer)), (str(door), answer)


async def test_a_denied_entrance_is_null_at_its_path_and_does_nothing(api, url, ids, monkeypatch):
    before = counts(url)
    for door in GUARDED:
        with monkeypatch.context() as patch:
            without(door.requires, patch)
            answer = await enter(api, "admin", door, ids)
        (error,) = answer.errors
        assert error["extensions"] == {"code": "FORBIDDEN"}, str(door)
        assert error["path"] == [door.name]
        said = f"needs the permission {door.requires}, which the role admin does not have"
        assert said in error["message"]
        if door.parent != "Subscription":
            assert answer.data == {"sibling": door.parent, door.name: None}
        assert counts(url) == before, str(door)


async def test_whoever_is_not_signed_in_enters_only_where_anyone_may(api, url, ids):
    before = counts(url)
    for door in entrances():
        answer = await enter(api, None, door, ids)
        if door.requires == Open.ANYONE:
            continue
        assert codes(answer) == ["UNAUTHENTICATED"], (str(door), answer)
        if answer.status == 401:  # a file of a stranger is refused before it is taken in
            assert answer.data is None
            continue
        assert answer.errors[0]["path"] == [door.name]
        if door.parent != "Subscription":
            assert answer.data == {"sibling": door.parent, door.name: None}
    assert counts(url) == before


async def test_a_denied_edge_is_null_at_its_path_and_its_siblings_are_served(api, ids, monkeypatch):
    for door in edges():
        if OPENED_BY[door.parent][1] == door.requires:
            continue  # whoever is denied the edge cannot come to where it starts
        way = ways_to(door.parent, without=door.requires)
        inner = f"id {walk.use_of(door)}"
        asked = by_id(door, inner) if way is None else document(way, inner)
        given = {"id": ids[door.parent]} if way is None else {}
        allowed = await api("admin", asked, **given)
        assert allowed.errors == []
        assert at_end(allowed.data, way)[door.name] is not None, str(door)

        with monkeypatch.context() as patch:
            without(door.requires, patch)
            denied = await api("admin", asked, **given)
        (error,) = denied.errors
        assert error["extensions"] == {"code": "FORBIDDEN"}, str(door)
        assert error["path"][-1] == door.name
        shown = {"__typename": door.parent, "id": ids[door.parent], door.name: None}
        assert at_end(denied.data, way) == shown


def by_id(door: Door, selection: str) -> str:
    return f"query ($id: ID!) {{ node(id: $id) {{ __typename ... on {door.parent} {{ {selection} }} }} }}"


def at_end(data: Any, way: tuple[Door, ...] | None) -> Any:
    if way is None:
        return data["node"]
    for door in way:
        data = data[door.name]
        if door.target.endswith("Connection"):
            data = data["edges"][0]["node"]
    return data


@pytest.mark.parametrize("role", [role.value for role in t.Role])
async def test_each_role_passes_exactly_the_edges_its_grants_say(api, ids, role):
    for door in edges():
        way = ways_to(door.parent)
        answer = await api(role, document(way, f"{walk.use_of(door)}"))
        granted = Permission(door.requires) in GRANTS[t.Role(role)]
        refused = [error for error in answer.errors if error["path"][-1] == door.name]
        assert [error["extensions"]["code"] for error in refused] == ([] if granted else ["FORBIDDEN"])
        assert (at_end(answer.data, way)[door.name] is not None) is granted, str(door)


async def test_a_preview_shows_cells_only_to_those_who_may_see_them(api, ids):
    asked = "query ($id: ID!) { dataset(id: $id) { name preview } }"
    for role, shown in (("admin", True), ("analyst", True), ("auditor", True), ("viewer", False)):
        answer = await api(role, asked, id=ids["Dataset"])
        preview = [["1"] * 4] if shown else None
        assert answer.data == {"dataset": {"name": "loans", "preview": preview}}
        assert codes(answer) == ([] if shown else ["FORBIDDEN"])
        assert [error["path"] for error in answer.errors] == ([] if shown else [["dataset", "preview"]])


NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


async def test_every_kind_of_row_is_found_by_its_id(api, ids):
    for kind in walk.kinds():
        answer = await api("viewer", NODE, id=ids[kind])
        assert answer.data == {"node": {"__typename": kind, "id": ids[kind]}}


async def test_a_row_asks_for_its_own_permission_when_it_is_found_by_its_id(api, ids, monkeypatch):
    for kind in {*walk.kinds()} - {"Organization"}:
        with monkeypatch.context() as patch:
            without(OPENED_BY[kind][1], patch)
            answer = await api("admin", NODE, id=ids[kind])
            assert (answer.data, answer.code) == ({"node": None}, "FORBIDDEN")
            for other in {*walk.kinds()} - {kind, "Organization"}:
                if OPENED_BY[other][1] is not OPENED_BY[kind][1]:
                    assert (await api("admin", NODE, id=ids[other])).errors == [], other


@pytest.mark.parametrize(
    "kind", ["Dataset", "Analysis", "Artifact", "Prediction", "Explanation", "Mitigation"]
)
async def test_following_work_asks_for_the_permission_to_read_what_it_makes(api, ids, kind, monkeypatch):
    follow = "subscription ($id: ID!) { progress(id: $id) { number status } }"
    (told,) = await api.all_events("viewer", follow, id=ids[kind])
    assert told.data["progress"]["status"] == "COMPLETED"
    without(OPENED_BY[kind][1], monkeypatch)
    (refused,) = await api.all_events("admin", follow, id=ids[kind])
    assert refused.code == "FORBIDDEN"
