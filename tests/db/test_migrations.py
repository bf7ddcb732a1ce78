"""Bringing a database up: to the shape the code expects, by several at once, and as an owner who is no superuser."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import make_url as address_of
from sqlmodel import SQLModel

from app.server import create
from auth.passwords import hashed
from auth.tokens import Tokens
from db.migrate import migrate, newest
from db.people import People
from db.session import APP_ROLE
from tests.builders import PASSWORD, populate
from tests.client import Api
from tests.conftest import SECRET

SIGN_IN = (
    "mutation ($email: String!, $password: String!) { signIn(email: $email, password: $password) { token } }"
)
MODELS = "{ models { totalCount edges { node { name owner { email } } } } }"


@pytest.fixture
def empty(postgres):
    """A database that nobody has migrated."""
    name = f"t{uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


def test_the_migrated_database_is_what_the_tables_say(url):
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))

    def ours(name, kind, parents):
        return not (kind == "table" and name is not None and name.startswith("procrastinate_"))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours, "compare_type": True})
        differences = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    assert differences == []


def test_several_processes_may_migrate_at_once(empty):
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(migrate, [empty] * 3)) == [newest()] * 3
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]


def test_migrating_again_changes_nothing(url):
    assert migrate(url) == newest()


@pytest.fixture
def modest(postgres):
    """An empty database whose owner is no superuser, as at most providers."""
    owner = f"owner{uuid4().hex[:8]}"
    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE CREATEDB NOSUPERUSER NOBYPASSRLS")
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone()
        if exists:  # another database of this cluster was migrated before, by its superuser
            connection.execute(f"GRANT {APP_ROLE} TO {owner}")
        connection.execute(f"CREATE DATABASE {name} OWNER {owner}")
        yield address_of(postgres.url(name)).set(username=owner).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {owner}")


def test_an_owner_who_is_no_superuser_can_migrate_and_make_people(modest):
    assert migrate(modest) == newest()
    people = People(modest)
    assert people.empty()
    people.establish("Modest", "Root@Example.org", "Root", hashed(PASSWORD))
    assert people.found("root@example.org").name == "Root"
    people.close()


async def test_the_server_works_for_an_owner_who_is_no_superuser(modest, settings):
    migrate(modest)
    people = populate(modest, Tokens(SECRET))
    application = create(settings.model_copy(update={"database_url": SecretStr(modest)}))
    transport = httpx.ASGITransport(application)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        api = Api(http, people)
        assert (await http.get("/ready")).status_code == 200
        entered = await api(None, SIGN_IN, email="analyst@example.org", password=PASSWORD)
        assert entered.errors == []
        await api.model()
        found = (await api("viewer", MODELS)).data["models"]
        assert found == {
            "totalCount": 1,
            "edges": [{"node": {"name": "approver", "owner": {"email": "analyst@example.org"}}}],
        }
        assert (await api("stranger", MODELS)).data["models"]["totalCount"] == 0
        assert (await api.upload()).status_code == 201  # a row, an event and a job


def test_a_role_that_may_not_become_the_servers_role_is_told_so(postgres, empty):
    """Better at the migration than as an empty answer later."""
    owner = f"owner{uuid4().hex[:8]}"
    migrate(empty)  # so that the role exists
    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN NOSUPERUSER")
        connection.execute(f"CREATE DATABASE {name} OWNER {owner}")
        address = address_of(postgres.url(name)).set(username=owner).render_as_string(hide_password=False)
        with pytest.raises(Exception, match="permission denied"):
            migrate(address)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {owner}")
