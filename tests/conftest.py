"""Fixtures for every test: the application on a real SQLite file and on a real PostgreSQL, built by the migrations.

alice owns the organisation Webwinkel B.V., bob is its marketer, charlie owns another one.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import create_app
from consent import accounts, sites, versions
from consent.db import db
from tests import servers
from tests.shop import DEFINITION, NOW

KEY = "a-first-key-for-the-tests-0123456789-abcdef"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """One PostgreSQL server for the whole run."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an empty database, once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/poort.sqlite3"
    server: servers.Postgres = request.getfixturevalue("postgres")
    return server.empty()


@pytest.fixture(scope="session")
def migrated(database: str) -> Iterator[Flask]:
    """The application on that database, its tables made by the migrations."""
    app = create_app(POORT_DATABASE_URL=database, POORT_SECRET_KEYS=KEY, POORT_PUBLIC_URL="http://localhost")
    with app.app_context():
        flask_migrate.upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(migrated: Flask) -> Iterator[Flask]:
    """The application with empty tables and nothing remembered from the test before."""
    with migrated.app_context():
        empty()
        forget(migrated)
        yield migrated
        db.session.remove()


def empty() -> None:
    """Take every row away; the guards of the append-only tables are lifted for it, in the tests alone."""
    db.session.rollback()
    with db.engine.connect() as connection, connection.begin():
        tables = [table.name for table in reversed(db.metadata.sorted_tables)]
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("TRUNCATE " + ", ".join(f'"{name}"' for name in tables) + " CASCADE"))
            return
        guards = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in guards:
            connection.execute(text(f"DROP TRIGGER {name}"))
        for table in tables:
            connection.execute(text(f'DELETE FROM "{table}"'))
        for _, sql in guards:
            connection.execute(text(sql))


def forget(app: Flask) -> None:
    """A process that has just started knows no versions."""
    hot = app.extensions["poort"]
    hot.publications = versions.Publications(db.engine)
    hot._assets.clear()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without cookies."""
    return app.test_client()


@pytest.fixture
def define(app: Flask) -> Callable[..., versions.Version]:
    """Apply and publish the shop's definition with changes; returns the version."""

    def publish(**changes: Any) -> versions.Version:
        site, _ = sites.apply({**DEFINITION, **changes})
        version, _ = versions.publish(site, NOW)
        db.session.commit()
        forget(app)
        return version

    return publish


@pytest.fixture
def shop(define: Callable[..., versions.Version]) -> versions.Version:
    """The published shop."""
    return define()


@pytest.fixture
def people(app: Flask, shop: versions.Version) -> dict[str, accounts.User]:
    """alice, bob and charlie, by name."""
    webwinkel, other = accounts.organisation_named("Webwinkel B.V."), accounts.organisation_named("Ander B.V.")
    found = {
        "alice": accounts.create_user("alice@shop.example", PASSWORD, webwinkel, "owner"),
        "bob": accounts.create_user("bob@shop.example", PASSWORD, webwinkel, "marketer"),
        "charlie": accounts.create_user("charlie@other.example", PASSWORD, other, "owner"),
    }
    db.session.commit()
    return found


@pytest.fixture
def post(client: FlaskClient) -> Callable[..., Any]:
    """Send a body to the shop's consents."""

    def send(body: Any, key: str = "shop", **headers: str) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Content-Type", "application/json")
        return client.post(f"/v1/sites/{key}/consents", data=data, headers=named)

    return send


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


ROOT = Path(__file__).resolve().parent.parent
