"""Organizations, people, the registry, analyses, events, shares, and the queue."""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import APP_ROLE, make_app_role, protect, protect_shares

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ENQUEUE = """
CREATE FUNCTION enqueue_job(task text, id uuid, organization uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT (procrastinate_defer_jobs_v1(ARRAY[ROW(
    'default', task, 0, NULL, NULL, jsonb_build_object('id', id, 'organization', organization), NULL
  )::procrastinate_job_to_defer_v1]))[1]
$$
"""

FIND_LOGIN = """
CREATE FUNCTION find_login(address text)
RETURNS TABLE (user_id uuid, organization_id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT id, organization_id, password_hash FROM users WHERE email = address
$$
"""


def upgrade() -> None:
    make_app_role()
    _tables()
    _queue()
    protect("organization", owner="id", shared_by=None, verbs="SELECT, UPDATE (name, last_event)")
    protect("users", shared_by=None, verbs="SELECT, INSERT, UPDATE")
    protect_shares()
    for table in ("model", "dataset", "analysis"):
        protect(table, verbs="SELECT, INSERT, UPDATE, DELETE")
    protect("event", shared_by="subject_id", verbs="SELECT, INSERT")


def _queue() -> None:
    """The queue's own tables, which the app role cannot touch, and the functions that it may call."""
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema())
    for function, signature in ((ENQUEUE, "enqueue_job(text, uuid, uuid)"), (FIND_LOGIN, "find_login(text)")):
        op.execute(function)
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {APP_ROLE}")


def _tables() -> None:
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "event",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("fraction", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("partial", JSONB(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("organization_id", "number"),
    )
    op.create_index("event_of_subject", "event", ["organization_id", "subject_id", "number"], unique=False)
    op.create_table(
        "share",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("with_organization_id", sa.Uuid(), nullable=True),
        sa.Column("with_user_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_share_organization_id"), "share", ["organization_id"], unique=False)
    op.create_index(op.f("ix_share_row_id"), "share", ["row_id"], unique=False)
    op.create_index(op.f("ix_share_with_organization_id"), "share", ["with_organization_id"], unique=False)
    op.create_index(op.f("ix_share_with_user_id"), "share", ["with_user_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_index(op.f("ix_users_organization_id"), "users", ["organization_id"], unique=False)
    op.create_table(
        "dataset",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("format", sa.String(40), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("profile", JSONB(none_as_null=True), nullable=True),
        sa.Column("preview", JSONB(none_as_null=True), nullable=True),
        sa.Column("upload", sa.String(), nullable=True),
        sa.Column("blob", sa.String(), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "dataset_blob",
        "dataset",
        ["organization_id", "blob"],
        unique=False,
        postgresql_where=sa.text("blob IS NOT NULL"),
    )
    op.create_index(
        "dataset_once", "dataset", ["organization_id", "created_by_id", "idempotency_key"], unique=True
    )
    op.create_index(op.f("ix_dataset_organization_id"), "dataset", ["organization_id"], unique=False)
    op.create_table(
        "model",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("features", JSONB(none_as_null=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organization_id", "name", "version"),
    )
    op.create_index(op.f("ix_model_organization_id"), "model", ["organization_id"], unique=False)
    op.create_table(
        "analysis",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("columns", JSONB(none_as_null=True), nullable=False),
        sa.Column("options", JSONB(none_as_null=True), nullable=False),
        sa.Column("report", JSONB(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"]),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"]),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "analysis_once", "analysis", ["organization_id", "created_by_id", "idempotency_key"], unique=True
    )
    op.create_index(op.f("ix_analysis_dataset_id"), "analysis", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_analysis_model_id"), "analysis", ["model_id"], unique=False)
    op.create_index(op.f("ix_analysis_organization_id"), "analysis", ["organization_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing below it; restore a back-up instead")
