"""GraphQL over HTTP as its specification says, and what surrounds every answer."""

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import create_engine, make_url, text

from app.headers import GRAPHIQL_POLICY
from app.server import DIST, create
from app.settings import Environment, Settings
from tests.client import Api

ME = "{ me { email } }"
NEW_TYPE = "application/graphql-response+json"


def as_viewer(api, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {api.people['viewer'].token}"} | more


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (NEW_TYPE, NEW_TYPE),
        (f"{NEW_TYPE}, application/json;q=0.9", NEW_TYPE),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
    ],
)
async def test_the_answer_has_the_type_that_was_asked_for(api, accept, type):
    response = await api.http.post("/graphql", json={"query": ME}, headers=as_viewer(api, accept=accept))
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == type
    assert "accept" in response.headers["vary"].lower()
    assert response.json()["data"]["me"]["email"] == "viewer@example.org"


async def test_a_subscription_without_a_stream_is_refused_with_how_to_ask_for_one(api):
    asked = {"query": "subscription { activity { number } }"}
    response = await api.http.post("/graphql", json=asked, headers=as_viewer(api, accept=NEW_TYPE))
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_INPUT"}
    assert "accept: text/event-stream" in error["message"]


@pytest.mark.parametrize(
    "query",
    ["{", "{ missing }", "query ($a: Int!) { me { id } }", "query A { me { id } } query B { me { id } }"],
)
async def test_a_wrong_query_is_status_400_without_data(api, query):
    response = await api.http.post("/graphql", json={"query": query}, headers=as_viewer(api, accept=NEW_TYPE))
    assert response.status_code == 400
    assert response.headers["content-type"].startswith(NEW_TYPE)
    assert "data" not in response.json() and response.json()["errors"]
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {"BAD_INPUT"}


async def test_a_denied_field_is_status_200_with_data(api):
    response = await api.http.post("/graphql", json={"query": ME}, headers={"accept": NEW_TYPE})
    assert response.status_code == 200
    assert response.json()["data"] == {"me": None}


async def test_queries_may_come_by_get_and_mutations_may_not(api):
    found = await api.http.get("/graphql", params={"query": ME}, headers=as_viewer(api))
    assert found.json()["data"]["me"]["email"] == "viewer@example.org"
    variables = {"query": "query ($id: ID!) { model(id: $id) { id } }", "variables": '{"id": "x"}'}
    assert (await api.http.get("/graphql", params=variables, headers=as_viewer(api))).status_code == 200

    sign_in = 'mutation { signIn(email: "a", password: "b") { token } }'
    refused = await api.http.get("/graphql", params={"query": sign_in}, headers=as_viewer(api))
    assert refused.status_code in (400, 405)
    assert refused.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"
    wrong = await api.http.get("/graphql", params={"query": ME, "variables": "{"}, headers=as_viewer(api))
    assert wrong.status_code == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
async def test_other_methods_are_not_allowed(api, method):
    response = await api.http.request(method, "/graphql", json={"query": ME})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", "application/graphql"])
async def test_a_body_that_a_form_could_send_is_refused(api, type):
    """These types pass between sites without a preflight."""
    content = b'{"query": "{ me { id } }"}'
    response = await api.http.post(
        "/graphql", content=content, headers=as_viewer(api, **{"content-type": type})
    )
    assert response.status_code in (400, 415)


EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


def asset() -> str:
    found = sorted((DIST / "assets").glob("graphiql-*.js"))
    return f"/static/dashboard/assets/{found[0].name}" if found else "/static/dashboard/missing.js"


@pytest.mark.parametrize(
    "path",
    [
        "/graphql",
        "/health",
        "/ready",
        "/missing",
        "/uploads/x",
        asset(),
        "/static/dashboard/%2e%2e/package.json",
    ],
)
async def test_every_answer_has_the_security_headers_and_an_id(api, path):
    for response in (
        await api.http.get(path),
        await api.http.post(path, content=b"a" * (2 << 20)),
        await api.http.get(path, headers={"host": "evil.example"}),
        await api.http.get(path, headers={"origin": "https://evil.example"}),
    ):
        assert EVERYWHERE.items() <= dict(response.headers).items()
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert len(response.headers["x-request-id"]) == 32
        if not path.startswith("/static/"):
            assert response.headers["cache-control"] == "no-store"


OUTSIDE = [
    ("GET", "/missing", 404, "NOT_FOUND", "there is nothing at this address; the API is at /graphql"),
    ("POST", "/static/missing", 404, "NOT_FOUND", "there is nothing at this address; the API is at /graphql"),
    (
        "GET",
        "/static/dashboard/x.js",
        404,
        "NOT_FOUND",
        "there is nothing at this address; the API is at /graphql",
    ),
    ("GET", "/uploads/x", 405, "BAD_INPUT", "this address takes only PUT"),
    ("POST", "/static/dashboard/x.js", 405, "BAD_INPUT", "this address takes only GET, HEAD"),
]


@pytest.mark.parametrize(("method", "path", "status", "code", "said"), OUTSIDE)
async def test_what_is_refused_outside_graphql_has_the_shape_of_its_errors(
    api, method, path, status, code, said
):
    response = await api.http.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"errors": [{"message": said, "extensions": {"code": code}}]}
    if status == 405:
        assert response.headers["allow"] == said.removeprefix("this address takes only ")


@pytest.fixture
def unbuilt(monkeypatch, tmp_path) -> None:
    """The dashboard before `make dashboard`; to be asked for before the server."""
    monkeypatch.setattr("app.server.DIST", tmp_path / "dist")


async def test_without_a_built_page_its_files_are_missing_and_nothing_fails(unbuilt, api):
    for path in ("assets/graphiql.js", "graphiql.html", ""):
        response = await api.http.get(f"/static/dashboard/{path}")
        assert response.status_code == 404
        assert response.json()["errors"][0]["extensions"] == {"code": "NOT_FOUND"}
    page = await api.http.get("/graphql", headers={"accept": "text/html"})
    assert page.status_code == 404 and "make dashboard" in page.json()["errors"][0]["message"]


async def test_the_bare_address_leads_to_the_page(api):
    response = await api.http.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/graphql")


async def test_nothing_outside_its_folder_is_served(api):
    for path in ("%2e%2e/package.json", "..%2fpackage.json", "assets/..%2f..%2fpackage.json", "/etc/passwd"):
        assert (await api.http.get(f"/static/dashboard/{path}")).status_code == 404


async def test_graphiql_has_a_policy_that_allows_our_own_origin_only(api):
    if not (DIST / "graphiql.html").exists():
        pytest.skip("the page is not built")
    page = await api.http.get("/graphql", headers={"accept": "text/html"})
    assert page.status_code == 200 and page.headers["content-security-policy"] == GRAPHIQL_POLICY
    assert 'src="http' not in page.text and 'href="http' not in page.text


async def test_a_foreign_host_is_refused(api):
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.2"):
        response = await api.http.post("/graphql", json={"query": ME}, headers=as_viewer(api, host=host))
        assert response.status_code == 400
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_INPUT"} and "ALLOWED_HOSTS" in error["message"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The settings of every test, with one other origin that may ask."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",)})


async def test_only_named_origins_may_ask_from_a_browser(api):
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    allowed = await api.http.options("/graphql", headers={"origin": "https://app.example"} | asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in allowed.headers
    refused = await api.http.options("/graphql", headers={"origin": "https://evil.example"} | asked)
    assert refused.status_code == 400 and "access-control-allow-origin" not in refused.headers
    assert refused.json()["errors"] == [
        {"message": "Disallowed CORS origin", "extensions": {"code": "BAD_INPUT"}}
    ]
    assert "origin" in refused.headers["vary"].lower()

    answered = await api.http.post(
        "/graphql", json={"query": ME}, headers=as_viewer(api, origin="https://app.example")
    )
    assert answered.headers["access-control-allow-origin"] == "https://app.example"
    assert "accept" in answered.headers["vary"].lower() and "origin" in answered.headers["vary"].lower()
    silent = await api.http.post(
        "/graphql", json={"query": ME}, headers=as_viewer(api, origin="https://evil.example")
    )
    assert "access-control-allow-origin" not in silent.headers


@pytest_asyncio.fixture
async def production(settings: Settings, people):
    """The same server as an operator runs it."""
    running = create(settings.model_copy(update={"environment": Environment.PRODUCTION}))
    async with running.router.lifespan_context(running):
        transport = httpx.ASGITransport(running)
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as http:
            yield Api(http, people)


INTROSPECT = "{ __schema { queryType { name } } }"


async def test_in_production_strangers_learn_nothing_of_the_schema(production):
    hidden = await production(None, INTROSPECT)
    assert hidden.data is None and hidden.errors[0]["extensions"]["code"] == "BAD_INPUT"
    assert (await production("viewer", INTROSPECT)).data["__schema"]["queryType"]["name"] == "Query"
    enum = "query ($order: ListOrder!) { models(order: $order) { totalCount } }"
    for query, given in (
        ("{ mode { id } }", {}),
        ("{ model(idd: 1) { id } }", {}),
        ("{ models(order: NEWEST_FIRS) { totalCount } }", {}),
        (enum, {"order": "NEWEST_FIRS"}),
    ):
        assert "Did you mean" not in str((await production(None, query, **given)).errors)
        assert "Did you mean" in str((await production("viewer", query, **given)).errors)


async def test_in_production_graphiql_is_off_and_https_is_asked_for(production):
    page = await production.http.get("/graphql", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert page.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert "max-age" in page.headers["strict-transport-security"]
    bare = await production.http.get("/")
    assert bare.status_code == 404
    assert bare.json()["errors"][0]["extensions"] == {"code": "NOT_FOUND"}


async def test_in_production_a_probe_is_answered_whatever_hosts_are_allowed(settings):
    """`fairmind serve` asks its own server by the loopback address whether it is ready."""
    chosen = settings.model_copy(update={"allowed_hosts": ("fairmind.example",)})
    running = create(chosen)
    async with running.router.lifespan_context(running):
        transport = httpx.ASGITransport(running)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.get("/ready")).json() == {"status": "ok"}
            assert (await http.get("/ready", headers={"host": "fairmind.example:443"})).status_code == 200
            assert (await http.get("/ready", headers={"host": "other.example"})).status_code == 400


async def test_a_database_without_our_tables_is_not_ready(api, url, postgres):
    assert (await api.http.get("/ready")).json() == {"status": "ok"}
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    engine.dispose()
    waiting = await api.http.get("/ready")
    assert waiting.status_code == 503 and "fairmind migrate" in waiting.json()["reason"]
