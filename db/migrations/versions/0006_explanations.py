"""Explanations of models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import protect
from db.migrations.worked import worked

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "explanation",
        *worked(),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("options", JSONB(none_as_null=True), nullable=False),
        sa.Column("report", JSONB(none_as_null=True), nullable=True),
        sa.Column("rows", JSONB(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"]),
    )
    once = ["organization_id", "created_by_id", "idempotency_key"]
    op.create_index("explanation_once", "explanation", once, unique=True)
    for column in ("organization_id", "model_id", "dataset_id"):
        op.create_index(op.f(f"ix_explanation_{column}"), "explanation", [column], unique=False)
    protect("explanation", verbs="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    op.drop_table("explanation")
