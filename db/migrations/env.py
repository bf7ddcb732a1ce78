"""Alembic's entrance: runs the versions on the connection that `db.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

import db.tables

FOREIGN = ("procrastinate_",)  # the queue's own tables: created by a version, never compared with ours


def ours(name: str | None, kind: str, parents: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith(FOREIGN))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    include_name=ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

__all__ = ["db"]
