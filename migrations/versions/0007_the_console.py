"""Who changed and published what: the audit list, revisions of drafts, and what an API key may do until when.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.BigInteger()  # microseconds since 1970, UTC

# The audit list is append-only. It goes with its organisation alone: the permit is in the name of the organisation,
# which no site's key can be ('#12'), and lives inside one transaction.
GUARD = {
    "sqlite": (
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit list is append-only'); END",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN NOT EXISTS ("
        "SELECT 1 FROM removal_permit p WHERE p.site = '#' || OLD.organisation_id AND OLD.at < p.before) "
        "BEGIN SELECT RAISE(ABORT, 'the audit list is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM removal_permit p "
        "WHERE p.site = '#' || OLD.organisation_id AND OLD.at < p.before) THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the audit list is append-only'; END $$",
        "CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_guard()",
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit EXECUTE FUNCTION immutable_guard()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(63)),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("user_id", sa.Integer()),
        sa.Column("key_id", sa.Integer()),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_audit_organisation_id_organisation"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_organisation_at", "audit", ["organisation_id", "at"])
    for statement in GUARD[op.get_bind().dialect.name]:
        op.execute(statement)
    _drafts()
    for column in (sa.Column("published_by", sa.Integer()), sa.Column("via", sa.String(16)),
                   sa.Column("reasons", sa.JSON()), sa.Column("restored", sa.Integer())):
        op.add_column("version", column)
    op.add_column("api_key", sa.Column("scopes", sa.JSON(), nullable=False, server_default='["gate"]'))
    op.add_column("api_key", sa.Column("expires_at", MOMENT))


def _drafts() -> None:
    op.add_column("site", sa.Column("name", sa.String(200), nullable=False, server_default=""))
    op.add_column("site", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("site", sa.Column("managed", sa.String(16), nullable=False, server_default="file"))
    op.add_column("site", sa.Column("edited_by", sa.Integer()))
    op.add_column("site", sa.Column("edited_at", MOMENT))
    site = sa.table("site", sa.column("key", sa.String), sa.column("name", sa.String), sa.column("draft", sa.JSON))
    for key, draft in op.get_bind().execute(sa.select(site.c.key, site.c.draft)).all():
        definition = json.loads(draft) if isinstance(draft, str) else draft
        op.execute(site.update().where(site.c.key == key).values(name=definition["name"]))


def downgrade() -> None:
    # An older Poort knows no end and no scopes: what had an end, or could not ask the gate, would open it for ever.
    op.execute("UPDATE api_key SET revoked_at = coalesce(expires_at, created_at) "
               "WHERE revoked_at IS NULL AND (expires_at IS NOT NULL OR CAST(scopes AS TEXT) NOT LIKE '%\"gate\"%')")
    op.drop_column("api_key", "expires_at")
    op.drop_column("api_key", "scopes")
    for name in ("restored", "reasons", "via", "published_by"):
        op.drop_column("version", name)
    for name in ("edited_at", "edited_by", "managed", "revision", "name"):
        op.drop_column("site", name)
    op.drop_table("audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_guard()")
