"""Imported decisions, keys of back ends, what became of a withdrawal, and webhooks with their outbox.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.BigInteger()  # microseconds since 1970, UTC

# As for records: written once, and deleted only in a transaction that holds a permit for the visitor or the time.
GUARD = {
    "sqlite": (
        "CREATE TRIGGER outcome_no_update BEFORE UPDATE ON outcome "
        "BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END",
        "CREATE TRIGGER outcome_no_delete BEFORE DELETE ON outcome WHEN NOT EXISTS ("
        "SELECT 1 FROM removal_permit p WHERE p.site = OLD.site "
        "AND (p.visitor = OLD.visitor OR OLD.recorded_at < p.before)) "
        "BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END",
    ),
    "postgresql": (
        "CREATE TRIGGER outcome_guard BEFORE UPDATE OR DELETE ON outcome "
        "FOR EACH ROW EXECUTE FUNCTION record_guard()",
        "CREATE TRIGGER outcome_no_truncate BEFORE TRUNCATE ON outcome EXECUTE FUNCTION immutable_guard()",
    ),
}


def upgrade() -> None:
    # Not in batch mode: that makes the table anew, without its guards.
    op.add_column("record", sa.Column("decided_at", MOMENT))
    _control_plane()
    _visitor_data()
    for statement in GUARD[op.get_bind().dialect.name]:
        op.execute(statement)


def _control_plane() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(63)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used", sa.Date()),
        sa.Column("revoked_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_api_key_organisation_id_organisation"),
        sa.ForeignKeyConstraint(["site"], ["site.key"], name="fk_api_key_site_site"),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("digest", name="uq_api_key_digest"),
    )
    op.create_table(
        "webhook",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("stopped_at", MOMENT),
        sa.ForeignKeyConstraint(["site"], ["site.key"], name="fk_webhook_site_site"),
        sa.PrimaryKeyConstraint("site", name="pk_webhook"),
    )
    op.create_table(
        "job",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("begun_at", MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_job"),
    )


def _visitor_data() -> None:
    """Keys start with the site, and nothing points into the control plane."""
    op.create_table(
        "outcome",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("record", ID, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("visitor", ID, nullable=False),
        sa.Column("trackers", sa.JSON(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site", "record", "source", "number", name="pk_outcome"),
    )
    op.create_index("ix_outcome_site_visitor", "outcome", ["site", "visitor"])
    op.create_table(
        "outbox",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("visitor", ID),
        sa.Column("record", ID),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("site", "id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state_due", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_site_visitor", "outbox", ["site", "visitor", "sequence"])


def downgrade() -> None:
    for table in ("outbox", "outcome", "job", "webhook", "api_key"):
        op.drop_table(table)
    op.drop_column("record", "decided_at")
