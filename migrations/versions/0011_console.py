"""What the list of sites is read by: a page of it costs the same with a thousand sites as with ten.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

from alembic import op

revision = "0011"
down_revision = "0008"


def upgrade() -> None:
    # Drafts and snapshots are long, and in SQLite what stands behind them in a row is far: what is looked for in all
    # rows stands in the index.
    op.create_index("ix_site_organisation_id_key", "site", ["organisation_id", "key", "name"])
    op.create_index("ix_version_published_at", "version", ["published_at"])


def downgrade() -> None:
    op.drop_index("ix_version_published_at", "version")
    op.drop_index("ix_site_organisation_id_key", "site")
