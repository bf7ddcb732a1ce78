"""The second wall: what PostgreSQL itself refuses, whatever our queries ask for."""

from collections.abc import Iterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import db.tables as t
from db.owned import one, one_to_change, own, owned
from db.session import APP_ROLE, Scope
from tests.builders import (
    a_dataset,
    a_mitigation,
    a_model,
    a_prediction,
    an_analysis,
    an_artifact,
    an_event,
    an_explanation,
    keep,
)

QUEUE = "procrastinate_"
UNREACHABLE = {"alembic_version"}
"""Tables that belong to nobody, and that the server's role cannot even read; like those of the queue."""
TENANTS = (
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

NAMED = text("SELECT current_user")


@pytest.fixture
def owner(url) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest_asyncio.fixture
async def rows(url, people):
    """One row of every table for each organization, by organization and table."""
    kept = {}
    for name in ("admin", "stranger"):
        person = people[name]
        model, dataset = a_model(person), a_dataset(person)
        analysis = an_analysis(person, model, dataset)
        event = an_event(person, 1, t.Subject.ANALYSIS, analysis)
        share = t.Share(organization_id=person.organization_id, row_id=model.id)
        summary = t.Summary(id=analysis.id, organization_id=person.organization_id, content=b"counts")
        made = an_artifact(person, model), a_prediction(person, model), an_explanation(person, model, dataset)
        made = *made, a_mitigation(person, model, dataset)
        keep(url, model, dataset, analysis, summary, *made, event, share)
        kept[name] = {"model": model, "dataset": dataset, "analysis": analysis, "event": event}
    return kept


def column_of(table: str) -> str:
    """Name of the column that says whose a row is."""
    return "id" if table == "organization" else "organization_id"


def tables(owner) -> dict[str, tuple[bool, bool]]:
    """Every table of ours, and whether it has row-level security, also for its owner."""
    found = owner.execute(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    return {name: (on, forced) for name, on, forced in found}


def test_every_table_is_behind_the_wall_or_out_of_reach(owner):
    for name, wall in tables(owner).items():
        reachable = owner.execute(
            "SELECT bool_or(has_table_privilege(%s, %s, verb)) OR bool_or(has_any_column_privilege(%s, %s, verb))"
            " FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS verb",
            (APP_ROLE, name, APP_ROLE, name),
        ).fetchone()[0]
        if name.startswith(QUEUE) or name in UNREACHABLE:
            assert not reachable, name
            continue
        policies = owner.execute(
            "SELECT count(*) FROM pg_policies WHERE tablename = %s AND %s = ANY(roles)", (name, APP_ROLE)
        ).fetchone()[0]
        assert wall == (True, True), name
        assert policies >= 1, name


def test_every_table_is_tried_below(owner):
    ours = {name for name in tables(owner) if not name.startswith(QUEUE)} - UNREACHABLE
    assert ours == set(TENANTS)


def test_no_policy_of_the_servers_role_is_open_to_all_rows(owner):
    found = owner.execute(
        "SELECT tablename, coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies WHERE %s = ANY(roles)",
        (APP_ROLE,),
    ).fetchall()
    assert found
    for table, condition in found:
        assert "app.organization" in condition, table


def test_the_servers_role_cannot_go_around_the_wall(owner):
    found = owner.execute(
        "SELECT rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
        (APP_ROLE,),
    ).fetchone()
    assert found == (False, False, False, False, False)
    owned_by_it = owner.execute(
        "SELECT count(*) FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid WHERE rolname = %s",
        (APP_ROLE,),
    ).fetchone()[0]
    assert owned_by_it == 0


async def test_every_session_runs_as_the_servers_role(database, people):
    scope = people["admin"].scope
    async with database.read(scope) as session:
        assert await session.scalar(NAMED) == APP_ROLE
    async with database.write(scope) as session:
        assert await session.scalar(NAMED) == APP_ROLE
    async with database.nobody() as session:
        assert await session.scalar(NAMED) == APP_ROLE


async def test_a_connection_forgets_whose_it_was(database, people):
    """The next who gets the connection from the pool must say for whom; until then it sees nothing."""
    async with database.write(people["admin"].scope) as session:
        await session.execute(text("SELECT count(*) FROM users"))
    async with database.engine.connect() as connection:
        settings = (
            await connection.execute(
                text("SELECT current_setting('app.organization', true), current_setting('app.person', true)")
            )
        ).one()
        assert not any(settings)
        await connection.execute(text(f"SET LOCAL ROLE {APP_ROLE}"))
        assert await connection.scalar(text("SELECT count(*) FROM users")) == 0


async def test_nothing_is_visible_to_nobody(database, rows):
    async with database.nobody() as session:
        for table in TENANTS:
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


async def test_raw_sql_of_one_organization_sees_only_its_own_rows(database, people, rows):
    mine = people["admin"].organization_id
    async with database.read(people["admin"].scope) as session:
        for table in TENANTS:
            found = set(await session.scalars(text(f"SELECT {column_of(table)} FROM {table}")))
            assert found == {mine}, table


async def run(database, scope, statement, **values) -> int:
    async with database.write(scope) as session:
        return (await session.execute(text(statement), values)).rowcount


async def changed(database, scope, statement, **values) -> int | None:
    """Rows that a statement changed, or None when the server's role may not run it at all."""
    try:
        return await run(database, scope, statement, **values)
    except DBAPIError as error:
        if "permission denied" not in str(error.orig):
            raise
        return None


async def test_raw_sql_of_one_organization_changes_nothing_of_another(database, people, rows, owner):
    scope, theirs = people["admin"].scope, people["stranger"].organization_id
    for table in TENANTS:
        column = column_of(table)
        look = f"SELECT to_jsonb({table}) FROM {table} WHERE {column} = %s ORDER BY 1"
        before = owner.execute(look, (theirs,)).fetchall()
        assert before
        setting = "name = 'taken'" if table == "organization" else "created_at = now()"
        for verb in (f"UPDATE {table} SET {setting}", f"DELETE FROM {table}"):
            assert not await changed(database, scope, f"{verb} WHERE {column} = :theirs", theirs=theirs)
            assert owner.execute(look, (theirs,)).fetchall() == before, table


async def test_raw_sql_cannot_give_a_row_to_another_organization(database, people, rows):
    """Neither as a new row nor by moving one of its own."""
    scope, theirs = people["admin"].scope, people["stranger"].organization_id
    for table in ("users", "share", "model", "dataset", "analysis", "event"):
        with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            await run(database, scope, f"UPDATE {table} SET organization_id = :theirs", theirs=theirs)
        fresh = (  # a copy of one of its own rows, with what must be unique made new
            f"INSERT INTO {table} SELECT (jsonb_populate_record({table}, jsonb_build_object('id', gen_random_uuid(),"
            " 'email', 'new@example.org', 'version', 'new', 'number', 1000,"
            f" 'organization_id', CAST(:organization AS text)))).* FROM {table} LIMIT 1"
        )
        with pytest.raises(DBAPIError, match="row-level security"):
            await run(database, scope, fresh, organization=str(theirs))
        assert await changed(database, scope, fresh, organization=str(scope.organization_id)) == 1, table


async def test_events_cannot_be_changed_once_they_are_told(database, people, rows):
    scope = people["admin"].scope
    assert await changed(database, scope, "UPDATE event SET message = 'other'") is None
    assert await changed(database, scope, "DELETE FROM event") is None


async def test_the_queue_is_reached_only_by_the_function_made_for_it(database, people, rows):
    scope = people["admin"].scope
    assert await changed(database, scope, "SELECT * FROM procrastinate_jobs") is None
    assert await changed(database, scope, "SELECT procrastinate_fetch_job_v2(ARRAY['default'], 1)") is None
    id = rows["admin"]["dataset"].id
    enqueue = "SELECT enqueue_job('dataset', :id, :organization)"
    assert await changed(database, scope, enqueue, id=id, organization=scope.organization_id) == 1


SHARED = {"model": t.Model, "dataset": t.Dataset, "analysis": t.Analysis}


@pytest.mark.parametrize("given", ["with_organization_id", "with_user_id"])
@pytest.mark.parametrize("name", SHARED)
async def test_a_shared_row_can_be_read_but_not_written(database, url, people, rows, name, given):
    ours, theirs, row = people["admin"], people["stranger"], rows["stranger"][name]
    receiver = {"with_organization_id": ours.organization_id, "with_user_id": ours.user_id}[given]
    keep(url, t.Share(organization_id=theirs.organization_id, row_id=row.id, **{given: receiver}))

    async with database.read(ours.scope) as session:
        assert (await one(session, SHARED[name], ours.scope, row.id)).id == row.id
        assert await session.scalar(own(SHARED[name], ours.scope).where(SHARED[name].id == row.id)) is None
        seen = set(await session.scalars(text(f"SELECT id FROM {name}")))
        assert seen == {row.id, rows["admin"][name].id}
    for verb in (f"UPDATE {name} SET created_at = now()", f"DELETE FROM {name}"):
        assert await changed(database, ours.scope, f"{verb} WHERE id = :id", id=row.id) == 0
    with pytest.raises(Exception, match=f"there is no {name} with this id"):
        async with database.write(ours.scope) as session:
            await one_to_change(session, SHARED[name], ours.scope, row.id)


async def test_what_is_shared_with_one_person_is_not_shared_with_the_others(database, url, people, rows):
    row, admin, viewer = rows["stranger"]["model"], people["admin"], people["viewer"]
    keep(url, t.Share(organization_id=row.organization_id, row_id=row.id, with_user_id=viewer.user_id))
    for person, expected in ((viewer, 2), (admin, 1)):
        async with database.read(person.scope) as session:
            assert len((await session.scalars(owned(t.Model, person.scope))).all()) == expected
            assert await session.scalar(text("SELECT count(*) FROM model")) == expected


async def test_nobody_can_share_the_rows_of_others_with_themselves(database, people, rows):
    """A share says whose it is; only one made by the row's own organization opens the row."""
    ours, row = people["admin"], rows["stranger"]["model"]
    async with database.write(ours.scope) as session:
        session.add(
            t.Share(
                organization_id=ours.organization_id, row_id=row.id, with_organization_id=ours.organization_id
            )
        )
    async with database.read(ours.scope) as session:
        assert await session.scalar(text("SELECT count(*) FROM model WHERE id = :id"), {"id": row.id}) == 0
        assert await session.scalar(owned(t.Model, ours.scope).where(t.Model.id == row.id)) is None


async def test_a_share_for_everybody_is_a_share_for_nobody(database, url, people, rows):
    """One that names neither an organization nor a person opens nothing, not even to a nameless session."""
    row, ours = rows["stranger"]["model"], people["admin"]
    keep(url, t.Share(organization_id=row.organization_id, row_id=row.id))
    for scope in (ours.scope, Scope(organization_id=ours.organization_id)):
        async with database.read(scope) as session:
            assert (
                await session.scalar(text("SELECT count(*) FROM model WHERE id = :id"), {"id": row.id}) == 0
            )
            assert await session.scalar(owned(t.Model, scope).where(t.Model.id == row.id)) is None
