"""Databases as earlier versions left them."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import create_engine, make_url

from db.embedded import EmbeddedServer
from db.migrate import _config


@pytest.fixture
def of_version(postgres: EmbeddedServer) -> Iterator[Callable[[str], str]]:
    """The address of a database that was migrated up to a revision and no further."""
    made: list[str] = []

    def create(revision: str) -> str:
        made.append(f"t{uuid4().hex}")
        postgres.create_database(made[-1])
        engine = create_engine(make_url(postgres.url(made[-1])).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            command.upgrade(_config(connection), revision)
            connection.commit()
        engine.dispose()
        return postgres.url(made[-1])

    yield create
    for name in made:
        postgres.drop_database(name)
