"""How errors look from outside, and what of them stays inside."""

import asyncio
import gc

import pytest
import structlog
from structlog.testing import capture_logs

import resolvers.identity
import resolvers.uploads
from auth.errors import Forbidden, Unauthenticated
from db.errors import Conflict, Limited, NotFound
from engine.errors import InvalidInput
from schema.errors import CODES
from tests.builders import LOANS

SECRET = "postgresql://user:hunter2@db"
ME = "{ me { email } }"


@pytest.fixture
def broken(monkeypatch):
    """Something within raises what nobody foresaw, with a secret in its words."""

    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError(f"no connection to {SECRET}")

    monkeypatch.setattr(resolvers.identity, "one", explode)
    monkeypatch.setattr("app.uploads.receive", explode)


async def test_an_unforeseen_error_is_masked_and_found_again_by_its_id(api, broken):
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await api("viewer", ME)
    (error,) = answer.errors
    assert error["extensions"]["code"] == "INTERNAL" and error["path"] == ["me"]
    id = error["extensions"]["requestId"]
    assert id in error["message"]
    (line,) = [each for each in logs if each["log_level"] == "error"]
    assert line["request_id"] == id and line["path"] == "me"
    assert SECRET not in str(answer)


async def test_an_error_outside_of_graphql_is_masked_alike(api, broken, monkeypatch):
    path = (await api("analyst", 'mutation { requestDatasetUpload(input: {name: "a"}) { path } }')).data[
        "requestDatasetUpload"
    ]["path"]
    response = await api.http.put(path, content=LOANS)
    assert response.status_code == 500
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": response.headers["x-request-id"]}
    assert "hunter2" not in response.text and "nosniff" in response.headers["x-content-type-options"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_database_that_is_away_is_an_error_without_its_address(api, url, postgres):
    postgres.stop()
    try:
        answer = await api("viewer", ME)
        assert answer.code == "INTERNAL"
        for inside in ("postgres", "asyncpg", "sql", "socket"):
            assert inside not in str(answer.errors).lower()
        ready = await api.http.get("/ready")
        assert ready.status_code == 503 and "postgres" not in ready.text
        assert (await api.http.get("/health")).status_code == 200
    finally:
        postgres.start()
    await asyncio.sleep(1)  # whoever listens for events has come back, too
    answer = await api("viewer", ME)
    assert answer.data["me"]["email"] == "viewer@example.org"
    gc.collect()  # asyncpg leaves the socket of a connection that failed half-way to the collector


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("abcDEF12-_", True),
        ("a" * 64, True),
        ("short", False),
        ("a" * 65, False),
        ("with space in it", False),
        ('"quote"-and-more', False),
        ("", False),
    ],
)
async def test_a_request_id_that_is_given_is_used_if_it_is_one(api, given, used):
    response = await api.http.get("/health", headers={"x-request-id": given})
    assert (response.headers["x-request-id"] == given) is used
    assert len(response.headers["x-request-id"]) >= 8


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("said on purpose"), "BAD_INPUT"),
        (NotFound("said on purpose"), "NOT_FOUND"),
        (Conflict("said on purpose"), "CONFLICT"),
        (Limited("said on purpose"), "LIMIT_EXCEEDED"),
        (Forbidden("said on purpose"), "FORBIDDEN"),
        (Unauthenticated("said on purpose"), "UNAUTHENTICATED"),
    ],
)
async def test_what_a_client_can_act_on_has_its_code_and_our_words(api, monkeypatch, error, code):
    async def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(resolvers.identity, "one", refuse)
    answer = await api("viewer", ME)
    assert answer.code == code and answer.errors[0]["message"] == "said on purpose"
    assert set(CODES.values()) | {"INTERNAL"} >= {code}


ARGUMENTS = [
    ('mutation { requestDatasetUpload(input: {name: ""}) { path } }', "input.name"),
    ('mutation { requestDatasetUpload(input: {name: "a"}, idempotencyKey: "") { path } }', "idempotencyKey"),
    ('{ model(id: "not an id") { id } }', "id"),
    ("{ models(first: 100000) { totalCount } }", "first"),
    ('{ models(after: "nowhere") { edges { cursor } } }', "after"),
]


async def test_a_wrong_argument_is_named_as_the_client_wrote_it(api):
    for query, argument in ARGUMENTS:
        answer = await api("analyst", query)
        assert (answer.code, answer.errors[0]["extensions"].get("argument")) == ("BAD_INPUT", argument), query


NAMES = [
    (
        'mutation { startAnalysis(input: {modelId: "x", datasetId: "y", type: COMPREHENSIVE,'
        ' columns: {label: "l", prediction: "p", protected: ["s"]}}) { id } }',
        "modelId must be an id that this API has given",
    ),
    ('{ analyses(filter: {datasetId: "y"}) { totalCount } }', "datasetId must be an id"),
    (
        'mutation { requestDatasetUpload(input: {name: "a"}, idempotencyKey: "") { path } }',
        "idempotencyKey must have",
    ),
    (
        'mutation { startAnalysis(input: {modelId: "x", datasetId: "y", type: COMPREHENSIVE,'
        ' columns: {label: "l", prediction: "p", protected: ["s"]}, options: {minGroupSize: 0}}) { id } }',
        "minGroupSize must lie in [1, 1000000], got 0",
    ),
]


async def test_a_message_names_the_argument_as_the_api_does(api):
    for query, words in NAMES:
        answer = await api("analyst", query)
        assert answer.code == "BAD_INPUT" and answer.errors[0]["message"].startswith(words), query


async def test_a_long_name_is_not_repeated_whole(api):
    for query in (f"{{ {'x' * 1000} }}", f'{{ models(first: "{"x" * 1000}") {{ totalCount }} }}'):
        message = (await api("viewer", query)).errors[0]["message"]
        assert "…" in message and len(message) < 300
