"""The number that a user was given last, so that none is given out twice; and the API key of an invitation.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

# Where numbers of users stand who may be gone.
USED = (("user", "id"), ("audit", "user_id"), ("version", "published_by"), ("site", "edited_by"),
        ("api_key", "made_by"), ("ticket", "by"))


def upgrade() -> None:
    op.add_column("ticket", sa.Column("key_id", sa.Integer()))
    number = op.create_table(
        "user_number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_number"),
    )
    op.bulk_insert(number, [{"id": 1, "last": _highest()}])


def _highest() -> int:
    """Of all that a user ever had, as far as anything tells."""
    connection = op.get_bind()
    found = [0]
    for table, column in USED:
        numbers = sa.table(table, sa.column(column))
        found.append(connection.scalar(sa.select(sa.func.max(numbers.c[column]))) or 0)
    audit = sa.table("audit", sa.column("details", sa.JSON), sa.column("what", sa.String))
    about = audit.c.what.like("m%") | audit.c.what.like("p%")  # members, second factors, passkeys and passwords
    for details in connection.execute(sa.select(audit.c.details).where(about)).scalars():
        member = (json.loads(details) if isinstance(details, str) else details).get("member")
        found.append(member if isinstance(member, int) else 0)
    return max(found)


def downgrade() -> None:
    op.drop_table("user_number")
    op.drop_column("ticket", "key_id")
