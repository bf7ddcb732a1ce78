"""What an analysis counted is kept, findings in short for trends; reports of the first shape are given up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUTDATED = "this report was made by an earlier version: run the analysis again"
GIVE_UP = sa.text(
    "UPDATE analysis SET status = 'failed', stage = 'failed', error = :why, message = :why, report = NULL"
    " WHERE report IS NOT NULL"
)


def upgrade() -> None:
    op.execute(GIVE_UP.bindparams(why=OUTDATED))
    op.add_column("analysis", sa.Column("headlines", JSONB(none_as_null=True), nullable=True))
    op.add_column("analysis", sa.Column("based_on_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(None, "analysis", "analysis", ["based_on_id"], ["id"], ondelete="SET NULL")
    op.create_index(op.f("ix_analysis_based_on_id"), "analysis", ["based_on_id"], unique=False)
    op.create_table(
        "summary",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["analysis.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_summary_organization_id"), "summary", ["organization_id"], unique=False)
    protect("summary", shared_by=None, verbs="SELECT, INSERT")


def downgrade() -> None:
    raise NotImplementedError("reports that were given up cannot be made again; restore a back-up instead")
