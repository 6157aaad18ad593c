"""Notes on the days of a site.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "report_note",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("text", sa.String(200), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name="pk_report_note"),
    )
    op.create_index("ix_report_note_site_day", "report_note", ["site", "day"])


def downgrade() -> None:
    op.drop_table("report_note")
