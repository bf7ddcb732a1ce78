"""Bring a database to the shape that this code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text

HERE = Path(__file__).parent / "migrations"
_LOCK = 0x_FA12_417D  # any number, the same for all who migrate


def migrate(url: str) -> str:
    """Run the versions that are missing, one process at a time; returns the newest version's name."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            connection.commit()
            try:
                command.upgrade(_config(connection), "head")
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                connection.commit()
        return newest()
    finally:
        engine.dispose()


def newest() -> str:
    """Name of the newest version that this code knows."""
    return ScriptDirectory(str(HERE)).get_current_head() or ""


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config
