"""Restrictions of visitors' records, and the owners' lists of requests.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_rights"
down_revision = "0002"

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.BigInteger()  # microseconds since 1970, UTC


def upgrade() -> None:
    """Keys start with the site, and nothing points into the control plane."""
    op.create_table(
        "restriction",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("visitor", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("tallies", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", "visitor", name="pk_restriction"),
    )
    op.create_table(
        "request",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("promised_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name="pk_request"),
    )
    op.create_index("ix_request_site_received", "request", ["site", "received_at"])


def downgrade() -> None:
    for table in ("request", "restriction"):
        op.drop_table(table)
