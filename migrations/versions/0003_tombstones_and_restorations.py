"""Erasures that must not come back with a backup, and the times at which one was put back.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_backups"
down_revision = "0003_rights"

MOMENT = sa.BigInteger()  # microseconds since 1970, UTC


def upgrade() -> None:
    op.create_table(
        "tombstone",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("key", sa.String(8), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site", "digest", name="pk_tombstone"),
    )
    op.create_table(
        "restoration",
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("backup_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("at", name="pk_restoration"),
    )


def downgrade() -> None:
    op.drop_table("restoration")
    op.drop_table("tombstone")
