"""Models trained again under a constraint of fairness."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import protect
from db.migrations.worked import worked

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mitigation",
        *worked(),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("analysis_id", sa.Uuid(), nullable=True),
        sa.Column("options", JSONB(none_as_null=True), nullable=False),
        sa.Column("version_name", sa.String(100), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("report", JSONB(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"]),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["analysis_id"], ["analysis.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["version_id"], ["model.id"], ondelete="SET NULL"),
    )
    once = ["organization_id", "created_by_id", "idempotency_key"]
    op.create_index("mitigation_once", "mitigation", once, unique=True)
    for column in ("organization_id", "model_id", "dataset_id", "analysis_id", "version_id"):
        op.create_index(op.f(f"ix_mitigation_{column}"), "mitigation", [column], unique=False)
    protect("mitigation", verbs="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    op.drop_table("mitigation")
