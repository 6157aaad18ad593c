"""Which records are counted as suspect.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    id = sa.Uuid() if op.get_bind().dialect.name == "postgresql" else sa.LargeBinary(16)
    op.create_table(
        "suspect_record",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", id, nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name="pk_suspect_record"),
    )


def downgrade() -> None:
    op.drop_table("suspect_record")
