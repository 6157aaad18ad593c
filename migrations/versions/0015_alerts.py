"""Mails with a picture, who gets which, and alerts.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("mail", sa.Column("html", sa.Text()))
    op.add_column("mail", sa.Column("picture", sa.Text()))
    op.add_column("mail", sa.Column("leave", sa.String(500)))
    op.add_column("membership", sa.Column("alerts", sa.Boolean()))
    op.add_column("membership", sa.Column("weekly", sa.Boolean()))
    op.add_column("user", sa.Column("language_seen", sa.String(2)))
    op.add_column("user", sa.Column("language_chosen", sa.String(2)))
    op.add_column("organisation", sa.Column("summarised_on", sa.Date()))
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger()),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.ForeignKeyConstraint(["site"], ["site.key"], name="fk_alert_site_site"),
    )
    op.create_index("ix_alert_site_raised_at", "alert", ["site", "raised_at"])
    op.create_index("ix_alert_open", "alert", ["site", "kind"], unique=True,
                    sqlite_where=sa.text("cleared_at IS NULL"), postgresql_where=sa.text("cleared_at IS NULL"))
    op.create_table(
        "shown_by_hour",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "hour", name="pk_shown_by_hour"),
    )


def downgrade() -> None:
    op.drop_table("shown_by_hour")
    op.drop_table("alert")
    for table, column in (
        ("organisation", "summarised_on"), ("user", "language_chosen"), ("user", "language_seen"),
        ("membership", "weekly"), ("membership", "alerts"), ("mail", "leave"), ("mail", "picture"), ("mail", "html"),
    ):
        op.drop_column(table, column)
