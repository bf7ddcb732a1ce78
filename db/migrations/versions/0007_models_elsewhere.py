"""Models that are served elsewhere have an endpoint in place of a file."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("artifact", sa.Column("endpoint", JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("artifact", "endpoint")
