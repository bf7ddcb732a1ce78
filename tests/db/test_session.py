"""Sessions: what is an answer of the database, and what its absence."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.session import Database, away


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("SELECT 1 / 0", False),
        ("SELECT 'a\\u0000'::jsonb", False),
        ("SELECT nothing", False),
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", True),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", True),
    ],
)
async def test_only_an_error_of_the_connection_says_that_the_database_is_away(database, statement, absent):
    with pytest.raises(DBAPIError) as raised:
        async with database.engine.connect() as connection:
            await connection.execute(text(statement))
    assert away(raised.value) is absent


async def test_a_server_that_does_not_answer_is_away():
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(OSError, match="Connect call failed") as raised:
        await asyncio.wait_for(nowhere.engine.connect(), 10)
    assert away(raised.value)
    await nowhere.close()
