"""An organization says which vetted types of objects in model files it opens beyond the usual."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.migrations.protection import APP_ROLE

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organization",
        sa.Column("allowed_types", JSONB(none_as_null=True), server_default=sa.text("'[]'"), nullable=False),
    )
    op.execute(f"GRANT UPDATE (allowed_types) ON organization TO {APP_ROLE}")


def downgrade() -> None:
    op.drop_column("organization", "allowed_types")
