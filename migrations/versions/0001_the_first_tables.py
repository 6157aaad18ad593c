"""The first tables, and the guard that keeps records and versions as they were written.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
MOMENT = sa.BigInteger()  # microseconds since 1970, UTC

# A record can be deleted only in a transaction that holds a permit for it, and never changed. The permit is a row that
# the same transaction takes away again, so no other transaction ever sees it.
GUARD = {
    "sqlite": (
        "CREATE TRIGGER record_no_update BEFORE UPDATE ON record "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only'); END",
        "CREATE TRIGGER record_no_delete BEFORE DELETE ON record WHEN NOT EXISTS ("
        "SELECT 1 FROM removal_permit p WHERE p.site = OLD.site "
        "AND (p.visitor = OLD.visitor OR OLD.recorded_at < p.before)) "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only'); END",
        "CREATE TRIGGER version_no_update BEFORE UPDATE ON version "
        "BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END",
        "CREATE TRIGGER version_no_delete BEFORE DELETE ON version "
        "BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION record_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM removal_permit p WHERE p.site = OLD.site "
        "AND (p.visitor = OLD.visitor OR OLD.recorded_at < p.before)) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'records are append-only'; END $$",
        "CREATE TRIGGER record_guard BEFORE UPDATE OR DELETE ON record "
        "FOR EACH ROW EXECUTE FUNCTION record_guard()",
        "CREATE FUNCTION immutable_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION '% is immutable', TG_TABLE_NAME; END $$",
        "CREATE TRIGGER version_guard BEFORE UPDATE OR DELETE ON version "
        "FOR EACH ROW EXECUTE FUNCTION immutable_guard()",
        "CREATE TRIGGER record_no_truncate BEFORE TRUNCATE ON record EXECUTE FUNCTION immutable_guard()",
        "CREATE TRIGGER version_no_truncate BEFORE TRUNCATE ON version EXECUTE FUNCTION immutable_guard()",
    ),
}


def upgrade() -> None:
    _control_plane()
    _visitor_data()
    for statement in GUARD[op.get_bind().dialect.name]:
        op.execute(statement)


def _control_plane() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        sa.UniqueConstraint("name", name="uq_organisation_name"),
    )
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("email", name="uq_user_email"),
        sa.UniqueConstraint("fs_uniquifier", name="uq_user_fs_uniquifier"),
    )
    op.create_table(
        "membership",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'marketer')", name="ck_membership_role"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_membership_user_id_user"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_membership_organisation_id_organisation"),
        sa.PrimaryKeyConstraint("user_id", "organisation_id", name="pk_membership"),
    )
    op.create_table(
        "site",
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("current", sa.Integer()),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_site_organisation_id_organisation"),
        sa.PrimaryKeyConstraint("key", name="pk_site"),
    )
    op.create_table(
        "version",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("since", sa.JSON(), nullable=False),
        sa.Column("script_digest", sa.String(64), nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.key"], name="fk_version_site_site"),
        sa.PrimaryKeyConstraint("site", "number", name="pk_version"),
    )


def _visitor_data() -> None:
    """Keys start with the site, and nothing points into the control plane."""
    op.create_table(
        "record",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("visitor", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("trackers", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("gpc", sa.Boolean(), nullable=False),
        sa.Column("page_group", sa.String(64)),
        sa.Column("browser", sa.String(40), nullable=False),
        sa.Column("os", sa.String(40), nullable=False),
        sa.Column("device", sa.String(16), nullable=False),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name="pk_record"),
    )
    op.create_index("ix_record_site_visitor", "record", ["site", "visitor", "recorded_at"])
    op.create_table(
        "removal_permit",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("visitor", ID),
        sa.Column("before", MOMENT),
        sa.PrimaryKeyConstraint("site", "id", name="pk_removal_permit"),
    )
    op.create_table(
        "daily_count",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("metric", sa.String(16), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "day", "bot", "metric", "value", name="pk_daily_count"),
    )


def downgrade() -> None:
    for table in ("daily_count", "removal_permit", "record", "version", "site", "membership", "user", "organisation"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION record_guard()")
        op.execute("DROP FUNCTION immutable_guard()")
