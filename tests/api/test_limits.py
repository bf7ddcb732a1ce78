"""What is too large is refused before it costs anything: documents, bodies, variables, tokens."""

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest
from graphql import get_introspection_query
from sqlalchemy import event

from tests.client import START

CPU_SECONDS = 0.2
ME = "{ me { id } }"
REGISTER = "mutation ($input: NewModelInput!) { registerModel(input: $input) { id } }"
MODELS = "{ models(first: 1) { edges { node { id } } } }"


def spread(count: int, body: str = "...F{next} ...F{next}", last: str = "id") -> str:
    """Fragments that each use the next twice, so that opened up they would be 2^count."""
    fragments = [f"fragment F{n} on User {{ {body.format(next=n + 1)} }}" for n in range(count)]
    return " ".join(["{ me { ...F0 } }", *fragments, f"fragment F{count} on User {{ {last} }}"])


def nested(levels: int, of: str = "me") -> str:
    return "{" + f"{of} {{" * levels + " id " + "}" * levels + "}"


FRAGMENTS = " ".join(f"fragment G{n} on Query {{ me {{ id name }} }}" for n in range(300))

TOO_MUCH = {
    "10,000 directives": "{ me { id " + "@skip(if: true) " * 10_000 + "} }",
    "1,000 directives": "{ me { id " + "@a " * 1_000 + "} }",
    "directives of variables": "query (" + "$a: Int @a @b @c " * 100 + ") { me { id } }",
    "2,000 equal fields": "{ me {" + " name" * 2_000 + " } }",
    "200 equal objects": "{" + " me { id name }" * 200 + " }",
    "equal fields in inline fragments": "{ me {" + " ... { name }" * 400 + " } }",
    "deep nesting": nested(30),
    "nesting past the parser": nested(1_500),
    "inline fragments past the parser": "{" + "... {" * 1_500 + "me { id }" + "}" * 1_500 + "}",
    "a list past the parser": "{ me(a: " + "[" * 1_500 + "]" * 1_500 + ") { id } }",
    "40 aliases": "{" + " ".join(f"a{n}: me {{ id }}" for n in range(40)) + "}",
    "aliases in fragments": spread(6, "a{next}: id ...F{next} ...F{next}"),
    "repeated introspection": "{"
    + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(10))
    + "}",
    "deep introspection": "{ __schema { types {" + "fields { type {" * 20 + "name" + "} }" * 20 + "} } }",
    "wide introspection": "{ __schema { types {" + " name" * 1_900 + "} } }",
    "a bomb of fragments": spread(40),
    "a bomb of fragments without fields": spread(30, last="...F0"),
    "a bomb of fragments into nowhere": spread(30, last="...Missing"),
    "a bomb that nothing uses": spread(30).replace("...F0 }", "id }", 1),
    "a chain of fragments": spread(500, "...F{next}"),
    "300 fragments": "{" + " ".join(f"...G{n}" for n in range(300)) + "}" + FRAGMENTS,
    "a circle": "{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A ...B }",
    "100,000 tokens": "{" + " me" * 100_000 + "}",
    "a long text": '{ node(id: "' + "a" * 900_000 + '") { id } }',
    "a long name": "{" + "a" * 900_000 + "}",
    "a long comment": "#\n" * 400_000 + "{ me { id } }",
    "1,000 variables": "query (" + " ".join(f"$a{n}: Int" for n in range(700)) + ") { me { id } }",
    "unknown fields": "{" + " ".join(f"models{n}" for n in range(490)) + "}",
    "unknown arguments": "{ me(" + " ".join(f"a{n}: 1" for n in range(900)) + ") { id } }",
    "500 operations": " ".join(f"query A{n} {{ me {{ id }} }}" for n in range(500)),
    "no document": "",
    "half a document": "{ me {",
}


async def costs(ask) -> float:
    """CPU seconds of an answer, the client's part included; the best of three, as others use this machine."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        await ask()
        best = min(best, time.process_time() - before)
    return best


async def test_a_hostile_document_is_refused_cheaply(api):
    async def ask(what: str, document: str):
        body = (await api.http.post("/graphql", json={"query": document})).json()
        assert body.get("data") is None, what
        assert 1 <= len(body["errors"]) <= 5, what
        codes = {error["extensions"]["code"] for error in body["errors"]}
        assert codes <= {"LIMIT_EXCEEDED", "BAD_INPUT"}, (what, body)

    taken = {what: await costs(partial(ask, what, document)) for what, document in TOO_MUCH.items()}
    assert {what: seconds for what, seconds in taken.items() if seconds > CPU_SECONDS} == {}


def lists(depth: int, first: str = "") -> str:
    """Lists below lists: the analyses of the models of the analyses, and so on."""
    inner = "id type status stage message createdAt"
    for _ in range(depth):
        inner = f"model {{ analyses{first} {{ edges {{ node {{ {inner} }} }} }} }}"
    return f"analyses{first} {{ edges {{ node {{ {inner} }} }} }}"


FORTY = "(first: $n)"
TOO_MANY_ROWS = {
    "said": (f"{{ {lists(2, '(first: 40)')} }}", {}),
    "not said": (f"{{ {lists(2)} }}", {}),
    "as a variable": (f"query ($n: Int!) {{ {lists(2, FORTY)} }}", {"n": 40}),
    "as a default": (f"query ($n: Int! = 40) {{ {lists(2, FORTY)} }}", {}),
    "as nonsense": (f"query ($n: Int!) {{ {lists(2, FORTY)} }}", {"n": "40"}),
    "below zero": (f"query ($n: Int!) {{ {lists(2, FORTY)} }}", {"n": -1_000}),
    "in a fragment": (
        f"query ($n: Int!) {{ ...A }} fragment A on Query {{ {lists(2, FORTY)} }}",
        {"n": 40},
    ),
    "with lists in reports": (
        "{ analyses(first: 100) { edges { node { model { analyses(first: 20) { edges { node {"
        " report { attributes { findings { metric value } groups { size } } } } } } } } } } }",
        {},
    ),
}


@pytest.mark.parametrize("how", TOO_MANY_ROWS)
async def test_lists_below_lists_are_refused_by_the_rows_they_may_have(api, how):
    document, variables = TOO_MANY_ROWS[how]
    answer = await api("viewer", document, **variables)
    assert answer.data is None
    assert answer.code == "LIMIT_EXCEEDED"
    assert "50000 values" in answer.errors[0]["message"]


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (f"{{ {lists(2, '(first: 10)')} }}", {}),
        (f"query ($n: Int! = 40) {{ {lists(2, FORTY)} }}", {"n": 5}),
        (f"{{ {lists(0, '(first: 100)')} }}", {}),
    ],
)
async def test_fewer_rows_of_each_list_are_answered(api, document, variables):
    answer = await api("viewer", document, **variables)
    assert answer.errors == []


WITHIN = {
    "30 aliases": "{" + " ".join(f"a{n}: me {{ id }}" for n in range(30)) + "}",
    "60 fragments": "{"
    + " ".join(f"...G{n}" for n in range(60))
    + "}"
    + FRAGMENTS[: FRAGMENTS.index("fragment G60 ")],
    "introspection": get_introspection_query(input_value_deprecation=True, specified_by_url=True),
    "introspection under names": '{ a: __type(name: "Model") { name } b: __type(name: "Dataset") { name } }',
    "50 equal fields": "{ me {" + " name" * 51 + " } }",
}


async def test_a_large_but_sane_document_is_answered(api):
    for what, document in WITHIN.items():
        answer = await api("viewer", document)
        assert answer.errors == [] and answer.data, what


async def test_what_is_allowed_at_most_is_cheap_to_check(api):
    """60 fragments in one place, each compared with each other by the validation, to be denied to a stranger."""
    response = await api.http.post("/graphql", json={"query": WITHIN["60 fragments"]})
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    async def ask():
        await api.http.post("/graphql", json={"query": WITHIN["60 fragments"]})

    assert await costs(ask) < 2 * CPU_SECONDS


NO_REQUEST = [
    (
        b'{"query": "{ me { id } }", "variables": {"a": "' + b"x" * (1 << 20) + b'"}}',
        413,
        "LIMIT_EXCEEDED",
    ),
    (b'{"variables": {"ids": [' + b"1," * 2_000_000 + b"1]}}", 413, "LIMIT_EXCEEDED"),
    (b"[" * 100_000, 400, "BAD_INPUT"),
    (b'{"a":' * 100_000, 400, "BAD_INPUT"),
    (
        b'{"query": "{ me { id } }", "variables": ' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}",
        200,
        "UNAUTHENTICATED",
    ),
    (b"not json", 400, "BAD_INPUT"),
    (b"", 400, "BAD_INPUT"),
    (b'"text"', 400, "BAD_INPUT"),
    (b"null", 400, "BAD_INPUT"),
    (b"7", 400, "BAD_INPUT"),
    (b"\xff\xfe", 400, "BAD_INPUT"),
    (b'{"query": 7}', 400, "BAD_INPUT"),
    (b'{"query": "{ me { id } }", "variables": []}', 400, "BAD_INPUT"),
    (b'{"query": "{ me { id } }", "operationName": ["a"]}', 400, "BAD_INPUT"),
    (b'{"query": "{ me { id } }", "operationName": "missing"}', 400, "BAD_INPUT"),
    (b'{"query": "{ me { id } }", "extensions": 7}', 400, "BAD_INPUT"),
    (b'[{"query": "{ me { id } }"}, {"query": "{ me { id } }"}]', 400, "BAD_INPUT"),
    (b"[7]", 400, "BAD_INPUT"),
]


async def test_a_body_that_is_no_request_is_refused_cheaply(api):
    async def ask(body: bytes, status: int, code: str):
        response = await api.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert response.status_code == status, (body[:80], response.text)
        assert [error["extensions"]["code"] for error in response.json()["errors"]] == [code]

    for row in NO_REQUEST:
        assert await costs(partial(ask, *row)) < CPU_SECONDS, row[0][:80]


async def test_variables_with_more_values_than_any_operation_needs_are_refused(api):
    columns = {"label": "a", "prediction": "b", "protected": [""] * 250_000}
    asked = {"modelId": "x", "datasetId": "y", "type": "COMPREHENSIVE", "columns": columns}

    async def ask():
        answer = await api("analyst", START, input=asked)
        assert answer.code == "LIMIT_EXCEEDED"

    assert await costs(ask) < CPU_SECONDS


async def test_many_wrong_values_in_variables_are_five_errors(api):
    columns = {"label": "a", "prediction": "b", "protected": [1] * 5_000}
    asked = {"modelId": "x", "datasetId": "y", "type": "COMPREHENSIVE", "columns": columns}
    answer = await api("analyst", START, input=asked)
    assert len(answer.errors) == 5
    assert {error["extensions"]["code"] for error in answer.errors} == {"BAD_INPUT"}


async def test_a_body_of_unknown_length_is_stopped_at_the_limit(api):
    sent = 0

    async def body():
        nonlocal sent
        yield b'{"query": "'
        for _ in range(100):
            sent += 1
            yield b"a" * 65_536
        yield b'"}'

    response = await api.http.post("/graphql", content=body(), headers={"content-type": "application/json"})
    assert response.status_code == 413


async def test_an_endless_address_is_refused(api):
    response = await api.http.get("/graphql", params={"query": "{ me { id } }" + " " * 40_000})
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("length", [9_000, 60_000])
async def test_a_token_over_eight_kib_is_refused_cheaply(api, length):
    async def ask():
        headers = {"authorization": "Bearer " + "a" * length}
        response = await api.http.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        put = await api.http.put("/uploads/" + "a" * length, content=b"x")
        assert put.status_code == 401

    assert await costs(ask) < CPU_SECONDS / 4


async def test_without_a_free_connection_the_server_is_busy_not_broken(api, application, caplog):
    pool = application.state.house.database.engine
    pool.pool._timeout = 0.1
    async with AsyncExitStack() as held:
        for _ in range(pool.pool.size() + pool.pool._max_overflow):
            await held.enter_async_context(pool.connect())
        answer = await api("viewer", ME)
        assert answer.code == "LIMIT_EXCEEDED"
        assert answer.errors[0]["message"] == "the server is busy, try again in a moment"
    assert (await api("viewer", ME)).errors == []


async def test_who_asks_is_looked_up_once_for_many_that_ask_at_the_same_moment(api, application):
    asked = []
    engine = application.state.house.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    answers = await asyncio.gather(*(api(who, MODELS) for who in ["viewer", "admin", "stranger"] * 33))
    assert [answer.errors for answer in answers if answer.errors] == []
    assert sum("FROM users" in statement for statement in asked) < 60  # each for itself would be 99


async def test_lists_longer_than_any_document_says_end_at_what_an_answer_may_hold(api):
    """Each model has 2,000 features, which is no page: a hundred of them, many times over, are refused on the way."""
    for number in range(6):
        made = {"name": f"m{number}", "type": "CLASSIFICATION", "features": [f"f{i}" for i in range(2000)]}
        assert (await api("analyst", REGISTER, input=made)).errors == []
    fields = " ".join(f"a{i}: features" for i in range(25))
    held = await api("viewer", f"{{ models(first: 6) {{ edges {{ node {{ {fields} }} }} }} }}")
    assert held.code == "LIMIT_EXCEEDED"
    assert 1 <= len(held.errors) <= 5
    assert "more than 200000 values" in held.errors[0]["message"]
    fewer = await api("viewer", "{ models(first: 6) { edges { node { id features } } } }")
    assert fewer.errors == []
