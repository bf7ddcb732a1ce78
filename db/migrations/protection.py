"""Row-level security: the second wall between organizations, below every query of ours."""

from alembic import op

APP_ROLE = "fairmind_app"
ORGANIZATION = "nullif(current_setting('app.organization', true), '')::uuid"
PERSON = "nullif(current_setting('app.person', true), '')::uuid"


def make_app_role() -> None:
    """The role that the server and the worker act as: it cannot sign in and cannot bypass the wall."""
    op.execute(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN"
        f" CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS; END IF;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute(  # an owner who may not grant it is fine where an administrator has done so before
        f"DO $$ BEGIN GRANT {APP_ROLE} TO CURRENT_USER; EXCEPTION WHEN insufficient_privilege THEN"
        f" IF NOT pg_has_role(current_user, '{APP_ROLE}', 'MEMBER') THEN RAISE; END IF; END $$"
    )
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}")


def protect(table: str, *, owner: str = "organization_id", shared_by: str | None = "id", verbs: str) -> None:
    """Let the app role use `verbs` on the organization's own rows, and read the rows shared with it.

    `owner` is the column that names the organization; `shared_by` the column whose value a share names. Only
    the owner's share counts: anybody may write a row into their own shares.
    The role that runs the migrations keeps all rows: it makes back-ups and looks people up at sign-in.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY keeper ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    op.execute(
        f"CREATE POLICY own ON {table} TO {APP_ROLE}"
        f" USING ({owner} = {ORGANIZATION}) WITH CHECK ({owner} = {ORGANIZATION})"
    )
    if shared_by:
        op.execute(
            f"CREATE POLICY shared ON {table} FOR SELECT TO {APP_ROLE} USING (EXISTS (SELECT FROM share"  # noqa: S608  # names from migrations only
            f" WHERE share.row_id = {table}.{shared_by} AND share.organization_id = {table}.{owner}"
            f" AND (share.with_organization_id = {ORGANIZATION} OR share.with_user_id = {PERSON})))"
        )
    op.execute(f"GRANT {verbs} ON {table} TO {APP_ROLE}")


def protect_shares() -> None:
    """Shares are seen by both sides, and made by the side that owns the row."""
    protect("share", shared_by=None, verbs="SELECT, INSERT, DELETE")
    op.execute(
        f"CREATE POLICY received ON share FOR SELECT TO {APP_ROLE}"
        f" USING (with_organization_id = {ORGANIZATION} OR with_user_id = {PERSON})"
    )
