"""Runs the migrations on the application's own engine, so with the same library, pragmas and time-outs."""

from alembic import context
from flask import current_app

_migrate = current_app.extensions["migrate"]


def run() -> None:
    """Upgrade or downgrade in one transaction per revision."""
    with _migrate.db.engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=_migrate.db.metadata, transaction_per_migration=True,
            **_migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
