"""A model may carry its file and a card, answer rows, score datasets, and stand in for a prediction column."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import protect
from db.migrations.worked import worked

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model", sa.Column("card", JSONB(none_as_null=True), nullable=True))
    op.add_column("analysis", sa.Column("use_model", sa.Boolean(), server_default=sa.false(), nullable=False))
    for column, table in (("scored_from_id", "dataset"), ("model_id", "model")):
        op.add_column("dataset", sa.Column(column, sa.Uuid(), nullable=True))
        op.create_foreign_key(None, "dataset", table, [column], ["id"], ondelete="SET NULL")
        op.create_index(op.f(f"ix_dataset_{column}"), "dataset", [column], unique=False)
    op.add_column("dataset", sa.Column("scoring", JSONB(none_as_null=True), nullable=True))
    op.create_table(
        "artifact",
        *worked(),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(40), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("signature", JSONB(none_as_null=True), nullable=True),
        sa.Column("tried", sa.String(), nullable=True),
        sa.Column("upload", sa.String(), nullable=True),
        sa.Column("blob", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("model_id"),
    )
    op.create_index(
        "artifact_blob",
        "artifact",
        ["organization_id", "blob"],
        unique=False,
        postgresql_where=sa.text("blob IS NOT NULL"),
    )
    op.create_table(
        "prediction",
        *worked(),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("rows", JSONB(none_as_null=True), nullable=False),
        sa.Column("answers", JSONB(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_prediction_model_id"), "prediction", ["model_id"], unique=False)
    for table in ("artifact", "prediction"):
        once = ["organization_id", "created_by_id", "idempotency_key"]
        op.create_index(f"{table}_once", table, once, unique=True)
        op.create_index(op.f(f"ix_{table}_organization_id"), table, ["organization_id"], unique=False)
        protect(table, verbs="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    for table in ("prediction", "artifact"):
        op.drop_table(table)
    for column in ("scoring", "model_id", "scored_from_id"):
        op.drop_column("dataset", column)
    op.drop_column("analysis", "use_model")
    op.drop_column("model", "card")
