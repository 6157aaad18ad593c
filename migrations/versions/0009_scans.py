"""Looks at sites: those that wait, run and are done, with their reports.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0012"

MOMENT = sa.BigInteger()  # microseconds since 1970, UTC


def upgrade() -> None:
    op.create_table(
        "scan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("status", sa.Integer()),
        sa.Column("leaks", sa.Integer()),
        sa.Column("why", sa.String(300), nullable=False),
        sa.Column("report", sa.JSON()),
        sa.Column("by_user", sa.Integer()),
        sa.ForeignKeyConstraint(["site"], ["site.key"], name="fk_scan_site_site"),
        sa.PrimaryKeyConstraint("id", name="pk_scan"),
    )
    op.create_index("ix_scan_site_begun_at", "scan", ["site", "begun_at"])
    op.create_index("ix_scan_state", "scan", ["state"])


def downgrade() -> None:
    op.drop_table("scan")
