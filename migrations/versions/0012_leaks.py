"""Counts of requests to trackers that were not allowed.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "leak_count",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tracker", sa.String(64), nullable=False),
        sa.Column("page_group", sa.String(64), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("per_mille", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "tracker", "page_group", "source", "per_mille", name="pk_leak_count"),
    )


def downgrade() -> None:
    op.drop_table("leak_count")
