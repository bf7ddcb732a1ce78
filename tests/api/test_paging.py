"""Pages of lists: no row lost or shown twice whatever happens in between, and nothing asked that was not wanted."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, an_analysis, keep

MODELS = """query ($first: Int! = 20, $after: String, $order: ListOrder! = NEWEST_FIRST) {
  models(first: $first, after: $after, order: $order) {
    edges { cursor node { id name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
ANALYSES = """query ($first: Int! = 20, $after: String, $order: AnalysisOrder! = NEWEST_FIRST) {
  analyses(first: $first, after: $after, order: $order) { edges { node { id } } pageInfo { hasNextPage endCursor } }
}"""
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def asked(application):
    """Every statement that the server sends to the database, without what opens a transaction."""
    said: list[str] = []
    engine = application.state.house.database.engine.sync_engine

    def hear(connection, cursor, statement, *_):
        if "set_config" not in statement:
            said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    yield said
    event.remove(engine, "before_cursor_execute", hear)


def some(person, count: int):
    """Models whose names and dates are in different orders, with a tie of three in both."""
    rows = []
    for i in range(count):
        tied = 7 if i in (7, 8, 9) else i
        name = f"model {tied * 7 % count:02}"
        rows.append(
            a_model(person, name=name, version=str(i), created_at=START + timedelta(microseconds=tied))
        )
    return rows


ORDERED = {
    "NEWEST_FIRST": lambda row: (-row.created_at.timestamp(), str(row.id)),
    "OLDEST_FIRST": lambda row: (row.created_at.timestamp(), str(row.id)),
    "NAME_ASCENDING": lambda row: (row.name, str(row.id)),
    "NAME_DESCENDING": lambda row: ([-ord(letter) for letter in row.name], str(row.id)),
}


@pytest.mark.parametrize("order", ORDERED)
async def test_pages_hold_every_row_once_while_others_come_in_between(api, url, people, order):
    person = people["analyst"]
    rows = some(person, 25)
    keep(url, *rows)
    seen, after, pages = [], None, 0
    while True:
        page = (await api("viewer", MODELS, first=7, after=after, order=order)).data["models"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        pages, after = pages + 1, page["pageInfo"]["endCursor"]
        for name, moment in (("a", START - timedelta(days=1)), ("z", datetime.now(UTC)), ("model 12", START)):
            keep(url, a_model(person, name=name, version=f"late {pages}", created_at=moment))
        if not page["pageInfo"]["hasNextPage"] or pages > 20:
            break
    assert pages < 20
    expected = [global_id("Model", row.id) for row in sorted(rows, key=ORDERED[order])]
    assert [id for id in seen if id in set(expected)] == expected
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("order", ["NEWEST_FIRST", "OLDEST_FIRST"])
async def test_rows_of_the_same_moment_are_told_apart(api, url, people, order):
    person = people["analyst"]
    model, dataset = a_model(person), a_dataset(person)
    rows = [an_analysis(person, model, dataset, created_at=START) for _ in range(5)]
    keep(url, model, dataset, *rows)
    seen, after = [], None
    for more in (True, True, False):
        page = (await api("viewer", ANALYSES, first=2, after=after, order=order)).data["analyses"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] is more
    assert sorted(seen) == sorted(global_id("Analysis", row.id) for row in rows)


async def test_a_page_says_where_it_lies(api, url, people):
    keep(url, *some(people["analyst"], 3))
    page = (await api("viewer", MODELS, first=3)).data["models"]
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": cursors[0],
        "endCursor": cursors[2],
    }
    beyond = (await api("viewer", MODELS, after=cursors[2])).data["models"]
    assert beyond["edges"] == []
    assert beyond["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": None,
    }


def cursor(*content) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(content)).encode()).decode()


ID = "00000000-0000-0000-0000-000000000000"
MOMENT = "2026-01-01T00:00:00Z"


async def test_a_cursor_that_this_list_has_not_given_is_refused(api):
    for after in [
        "",
        "nonsense",
        "é",
        "====",
        cursor(),
        cursor(MOMENT),
        cursor(MOMENT, ID, 1),
        cursor(MOMENT, "no id"),
        cursor(MOMENT, 7),
        cursor(MOMENT, None),
        cursor(None, ID),
        cursor([], ID),
        cursor("approver", ID),
        cursor("2026-01-01T00:00:00", ID),
        cursor("0001-01-01T00:00:00+23:00", ID),
        cursor("9999-12-31T23:59:59-23:00", ID),
        cursor(10**400, ID),
        base64.urlsafe_b64encode(b"5").decode(),
        base64.urlsafe_b64encode(b'{"a":1,"b":2}').decode(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
    ]:
        (error,) = (await api("viewer", MODELS, after=after)).errors
        assert error["message"] == "after must be a cursor of this very list, in the same order"
        assert error["extensions"] == {"code": "BAD_INPUT", "argument": "after"}


async def test_a_cursor_that_a_list_by_name_has_not_given_is_refused(api):
    for value in [None, 7, "a\0b", ["a"]]:
        answer = await api("viewer", MODELS, after=cursor(value, ID), order="NAME_ASCENDING")
        assert answer.errors[0]["extensions"] == {"code": "BAD_INPUT", "argument": "after"}


async def test_a_page_has_1_to_100_rows(api):
    await api.model()
    below = "query ($n: Int!) { models { edges { node { analyses(first: $n) { totalCount } } } } }"
    for first in (0, -1, 101, 2**31 - 1):
        for refused in (await api("viewer", MODELS, first=first), await api("viewer", below, n=first)):
            (error,) = refused.errors
            assert error["message"] == f"first must lie in [1, 100], got {first}"
            assert error["extensions"] == {"code": "BAD_INPUT", "argument": "first"}
    assert (await api("viewer", MODELS, first=100)).errors == []


async def test_a_list_is_counted_only_when_the_count_is_asked_for(api, url, people, asked):
    keep(url, *some(people["analyst"], 25))
    page = (await api("viewer", "{ models(first: 5) { edges { node { name } } } }")).data["models"]
    assert len(page["edges"]) == 5
    assert [statement for statement in asked if "count(" in statement] == []
    assert (await api("viewer", "{ models(first: 5) { totalCount } }")).data == {"models": {"totalCount": 25}}
    assert len([statement for statement in asked if "count(" in statement]) == 1


NESTED = """{ models(first: 50) { edges { node { name owner { email }
  analyses(first: 2, order: OLDEST_FIRST) {
    totalCount pageInfo { hasNextPage }
    edges { node { id dataset { name createdBy { email } } model { name } } }
  }
} } } }"""


async def test_each_level_of_related_rows_costs_one_query(api, url, people, asked):
    """20 models with three analyses each, on as many datasets."""
    person = people["analyst"]
    models = [a_model(person, name=f"model {i}") for i in range(20)]
    datasets = [a_dataset(people["admin"], name=f"dataset {i}") for i in range(3)]
    analyses = [
        an_analysis(person, model, dataset, created_at=START + timedelta(seconds=i))
        for model in models
        for i, dataset in enumerate(datasets)
    ]
    keep(url, *models, *datasets, *analyses)
    answer = await api("viewer", NESTED)
    assert answer.errors == []
    # who asks; the models; their owners; their analyses; how many those are; datasets; models; creators
    assert len(asked) == 8, asked

    found = {edge["node"]["name"]: edge["node"]["analyses"] for edge in answer.data["models"]["edges"]}
    assert found.keys() == {model.name for model in models}
    for number, model in enumerate(models):
        page = found[model.name]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
        first, second = (edge["node"] for edge in page["edges"])
        assert first["id"] == global_id("Analysis", analyses[3 * number].id)
        assert (first["dataset"]["name"], second["dataset"]["name"]) == ("dataset 0", "dataset 1")
        assert first["model"] == {"name": model.name}
        assert first["dataset"]["createdBy"] == {"email": "admin@example.org"}


async def test_pages_below_a_row_go_on_from_a_cursor(api, url, people):
    person = people["analyst"]
    model, other, dataset = a_model(person), a_model(person), a_dataset(person)
    rows = [
        an_analysis(person, model, dataset, created_at=START + timedelta(seconds=i // 2)) for i in range(7)
    ]
    keep(url, model, other, dataset, *rows, an_analysis(person, other, dataset))
    below = """query ($id: ID!, $after: String) { model(id: $id) { analyses(first: 3, after: $after) {
      totalCount edges { node { id } } pageInfo { endCursor hasNextPage }
    } } }"""
    seen, after = [], None
    for more in (True, True, False):
        page = (await api("viewer", below, id=global_id("Model", model.id), after=after)).data["model"][
            "analyses"
        ]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (7, more)
    newest_first = sorted(rows, key=lambda row: (-row.created_at.timestamp(), str(row.id)))
    assert seen == [global_id("Analysis", row.id) for row in newest_first]


async def test_a_model_without_analyses_has_an_empty_list(api):
    await api.model()
    answer = await api("viewer", "{ models { edges { node { analyses { totalCount edges { cursor } } } } } }")
    (edge,) = answer.data["models"]["edges"]
    assert edge["node"]["analyses"] == {"totalCount": 0, "edges": []}


async def test_two_lists_of_one_row_with_different_questions_do_not_mix(api, url, people):
    person = people["analyst"]
    model, dataset = a_model(person), a_dataset(person)
    failed = an_analysis(person, model, dataset, status="failed", report=None)
    keep(url, model, dataset, failed, *(an_analysis(person, model, dataset) for _ in range(2)))
    answer = await api(
        "viewer",
        """{ models { edges { node {
          good: analyses(status: COMPLETED) { totalCount edges { node { status } } }
          bad: analyses(status: FAILED) { totalCount edges { node { status } } }
        } } } }""",
    )
    (edge,) = answer.data["models"]["edges"]
    assert edge["node"]["good"] == {"totalCount": 2, "edges": [{"node": {"status": "COMPLETED"}}] * 2}
    assert edge["node"]["bad"] == {"totalCount": 1, "edges": [{"node": {"status": "FAILED"}}]}
