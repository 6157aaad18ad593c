"""How each job stands, the terms of versions, the days of the last sign of life, the ends of contracts.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.BigInteger()  # microseconds since 1970, UTC

# A version goes only with everything of its site: in a transaction with a permit, and after the records that name it.
SQLITE_GUARD = (
    "CREATE TRIGGER version_no_delete BEFORE DELETE ON version WHEN NOT EXISTS ("
    "SELECT 1 FROM removal_permit p WHERE p.site = OLD.site AND OLD.published_at < p.before) "
    "OR EXISTS (SELECT 1 FROM record r WHERE r.site = OLD.site AND r.version = OLD.number) "
    "BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END"
)
POSTGRESQL_GUARD = (
    "CREATE FUNCTION version_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'DELETE' "
    "AND EXISTS (SELECT 1 FROM removal_permit p WHERE p.site = OLD.site AND OLD.published_at < p.before) "
    "AND NOT EXISTS (SELECT 1 FROM record r WHERE r.site = OLD.site AND r.version = OLD.number) "
    "THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION 'versions are immutable'; END $$",
    "DROP TRIGGER version_guard ON version",
    "CREATE TRIGGER version_guard BEFORE UPDATE OR DELETE ON version "
    "FOR EACH ROW EXECUTE FUNCTION version_guard()",
)
SQLITE_FORMER = (
    "CREATE TRIGGER version_no_delete BEFORE DELETE ON version "
    "BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END"
)
POSTGRESQL_FORMER = (
    "DROP TRIGGER version_guard ON version",
    "CREATE TRIGGER version_guard BEFORE UPDATE OR DELETE ON version "
    "FOR EACH ROW EXECUTE FUNCTION immutable_guard()",
    "DROP FUNCTION version_guard()",
)
IMPORTED = sa.text("decided_at IS NOT NULL")


def upgrade() -> None:
    _control_plane()
    op.create_index("ix_record_site_recorded", "record", ["site", "recorded_at"])
    op.create_index(
        "ix_record_site_decided", "record", ["site", "decided_at"], sqlite_where=IMPORTED, postgresql_where=IMPORTED)
    op.create_table(
        "term",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("consent_days", sa.Integer(), nullable=False),
        sa.Column("refusal_days", sa.Integer(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("counted_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site", "version", name="pk_term"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER version_no_delete")
        op.execute(SQLITE_GUARD)
    else:
        for statement in POSTGRESQL_GUARD:
            op.execute(statement)


def _control_plane() -> None:
    op.add_column("organisation", sa.Column("ended_on", sa.Date()))
    # Who is here already shows a sign of life today: nobody is removed for what was not kept.
    op.add_column("user", sa.Column("seen_on", sa.Date()))
    user = sa.table("user", sa.column("seen_on", sa.Date()))
    op.execute(user.update().values(seen_on=datetime.now(UTC).date()))
    op.create_table(
        "job_lock", sa.Column("name", sa.String(40), nullable=False), sa.PrimaryKeyConstraint("name", name="pk_job_lock"))
    op.drop_table("job")  # what was done last is done again, once
    op.create_table(
        "job",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("done_at", MOMENT),
        sa.Column("due_at", MOMENT),
        sa.Column("failing_since", MOMENT),
        sa.Column("failed_at", MOMENT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_job"),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER version_no_delete")
        op.execute(SQLITE_FORMER)
    else:
        for statement in POSTGRESQL_FORMER:
            op.execute(statement)
    op.drop_table("term")
    op.drop_index("ix_record_site_decided", "record")
    op.drop_index("ix_record_site_recorded", "record")
    op.drop_table("job_lock")
    op.drop_table("job")
    op.create_table(
        "job", sa.Column("name", sa.String(40), nullable=False), sa.Column("begun_at", MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_job"))
    op.drop_column("user", "seen_on")
    op.drop_column("organisation", "ended_on")
