"""The queue of mails, and what each version changed.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.BigInteger()  # microseconds since 1970, UTC


def upgrade() -> None:
    # Not in batch mode: that makes the table anew, without its guards. Null: published before changes were kept.
    op.add_column("version", sa.Column("changes", sa.JSON()))
    op.create_table(
        "mail",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("begun_at", MOMENT),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("key", name="pk_mail"),
    )
    op.create_index("ix_mail_state_due", "mail", ["state", "due_at"])


def downgrade() -> None:
    op.drop_table("mail")
    op.drop_column("version", "changes")
