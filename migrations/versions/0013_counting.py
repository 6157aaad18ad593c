"""Counts by part of the traffic, in the organisation's days; what a record adds to them.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"

COUNTERS = ("shown", "accept_all", "necessary_only", "custom", "functional", "analytics", "marketing")


def upgrade() -> None:
    op.create_table(
        "daily_slice",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("dimension", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bucket", sa.String(80), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTERS),
        sa.PrimaryKeyConstraint("site", "dimension", "day", "bucket", name="pk_daily_slice"),
    )
    op.add_column("record", sa.Column("took", sa.SmallInteger()))
    op.add_column("record", sa.Column("variant", sa.String(64)))
    op.add_column("record", sa.Column("counted_on", sa.Date()))
    op.add_column("organisation", sa.Column(
        "time_zone", sa.String(64), nullable=False, server_default="Europe/Amsterdam"))


def downgrade() -> None:
    for table, column in (
        ("organisation", "time_zone"), ("record", "counted_on"), ("record", "variant"), ("record", "took"),
    ):
        op.drop_column(table, column)
    op.drop_table("daily_slice")
