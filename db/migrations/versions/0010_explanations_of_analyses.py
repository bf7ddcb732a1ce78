"""An explanation may be asked from an analysis, which lists it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("explanation", sa.Column("analysis_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(None, "explanation", "analysis", ["analysis_id"], ["id"], ondelete="SET NULL")
    op.create_index(op.f("ix_explanation_analysis_id"), "explanation", ["analysis_id"], unique=False)


def downgrade() -> None:
    op.drop_column("explanation", "analysis_id")
