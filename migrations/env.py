"""Runs the migrations on the application's own engine, so with the same library, pragmas and time-outs.

Or on the connection that the caller has, inside its transaction: of a backup that is put back (consent/revival.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from flask import current_app

_migrate = current_app.extensions["migrate"]


@contextmanager
def connected() -> Iterator[Any]:
    """The connection to migrate."""
    given = context.config.attributes.get("connection")
    if given is not None:
        yield given
        return
    with _migrate.db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # an index of a large table takes longer than a request may
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.commit()
        yield connection


def run() -> None:
    """Upgrade or downgrade in one transaction per revision."""
    with connected() as connection:
        context.configure(
            connection=connection, target_metadata=_migrate.db.metadata, transaction_per_migration=True,
            **_migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
