"""Sessions as rows, second factors, passkeys, and the tickets of invitations, sign-ups and lost passwords.

A migration that has landed is never edited: so nothing here is imported from the application.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0009"

MOMENT = sa.BigInteger()  # microseconds since 1970, UTC


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=f"fk_{table}_user_id_user", ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("organisation", sa.Column("mfa", sa.Boolean(), nullable=False, server_default=sa.false()))
    for column in (sa.Column("totp", sa.String(500)), sa.Column("totp_at", MOMENT), sa.Column("handle", sa.String(64)),
                   sa.Column("totp_counter", sa.BigInteger(), nullable=False, server_default="0")):
        op.add_column("user", column)
    op.add_column("api_key", sa.Column("made_by", sa.Integer()))
    op.create_table(
        "session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_on", sa.Date(), nullable=False),
        sa.Column("proved_at", MOMENT, nullable=False),
        sa.Column("browser", sa.String(40), nullable=False),
        _user("session"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("digest", name="uq_session_digest"),
    )
    op.create_index("ix_session_user_id", "session", ["user_id"])
    op.create_index("ix_session_created_at", "session", ["created_at"])
    op.create_table(
        "passkey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_on", sa.Date()),
        _user("passkey"),
        sa.PrimaryKeyConstraint("id", name="pk_passkey"),
        sa.UniqueConstraint("credential", name="uq_passkey_credential"),
    )
    op.create_index("ix_passkey_user_id", "passkey", ["user_id"])
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        _user("recovery_code"),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_recovery_code"),
    )
    op.create_table(
        "ticket",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("email", sa.String(255)),
        sa.Column("user_id", sa.Integer()),
        sa.Column("organisation_id", sa.Integer()),
        sa.Column("role", sa.String(16)),
        sa.Column("by", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        _user("ticket"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_ticket_organisation_id_organisation"),
        sa.PrimaryKeyConstraint("digest", name="pk_ticket"),
    )
    op.create_index("ix_ticket_expires_at", "ticket", ["expires_at"])


def downgrade() -> None:
    for table in ("ticket", "recovery_code", "passkey", "session"):
        op.drop_table(table)
    op.drop_column("api_key", "made_by")
    for name in ("totp_counter", "handle", "totp_at", "totp"):
        op.drop_column("user", name)
    op.drop_column("organisation", "mfa")
