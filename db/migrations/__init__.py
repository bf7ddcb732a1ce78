"""How the database came to be as it is: Alembic's versions, run by `db.migrate`."""
