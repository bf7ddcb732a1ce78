"""A dataset may stay where it is: the folder of its parts stands in its row."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dataset", sa.Column("uri", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("dataset", "uri")
