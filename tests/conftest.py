"""Fixtures for every test: the application on a real SQLite file and on a real PostgreSQL, built by the migrations.

alice owns the organisation Webwinkel B.V., bob is its marketer, charlie owns another one.
"""

import asyncio
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import cache
from pathlib import Path
from typing import Any

import brotli
import flask_migrate
import hypothesis
import pytest
from a2wsgi import ASGIMiddleware
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # has no annotations

from app import create_app
from consent import accounts, sites, versions
from consent.db import db
from consent.views.fast_door import door_for
from tests import servers
from tests.shop import DEFINITION, FIREFOX, NOW

# Most tests publish the same shop. A pure function that takes 30 ms may remember what it gave for the same bytes.
brotli.compress = cache(brotli.compress)

# A busy machine is no fault of the code: no property fails by its time.
hypothesis.settings.register_profile("calm", deadline=None)
hypothesis.settings.load_profile("calm")

HERE = "http://localhost"
KEY = "a-first-key-for-the-tests-0123456789-abcdef"
PASSWORD = "correct horse battery"
# To hash a password is work on purpose, of a quarter of a second. What it is otherwise is in test_accounts.py.
LITTLE_WORK = {"argon2__time_cost": 1, "argon2__memory_cost": 8, "argon2__parallelism": 1}
# What takes long comes first, so that no worker of a parallel run is alone with it at the end.
LONG = (
    "test_fast_door.py", "test_kill.py", "test_reload.py", "test_jobs_kill.py", "test_backups.py", "test_openapi.py",
    "test_traces.py", "test_ops.py", "test_webhooks_kill.py", "test_nginx.py", "test_nginx_site.py",
    "test_scheduler.py", "test_sdk.py", "test_middleware.py", "test_durable.py", "test_retention.py",
)
DOORS = ("wsgi", "asgi")
# What stands in the brackets behind a test's name when it shares a server with others.
SHARED = re.compile(r"(?<=[\[-])(?:sqlite|postgresql|wsgi|asgi)(?=[\]-])")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONG) if name in item.nodeid), len(LONG)))


class Together(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """Gives a worker of a parallel run the tests together that share a server: of a file, a database and a door."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.startswith("tests/browser/") and SHARED.findall(test) == ["wsgi"]:
            return "tests/browser/wsgi"  # few: one worker is enough, with the one server that they need
        return "-".join([file, *SHARED.findall(test)])

    def _assign_work_unit(self, node: Any) -> None:
        """Every second worker begins with the tests in a browser, which work more than they wait; the others wait more
        than they work. So they share the processors best, and few change from one kind to the other.
        """
        browses = int(node.gateway.id.removeprefix("gw")) % 2 == 1
        wished = next((scope for scope in self.workqueue if scope.startswith("tests/browser/") is browses), None)
        if wished is not None:
            self.workqueue.move_to_end(wished, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """How `pytest -n 2` divides the tests: in their order."""
    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """One PostgreSQL server for the whole run."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def applications(
    postgres: servers.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Flask]]:
    """The application on a database of a kind, its tables made by the migrations.

    Kept until the end: in a parallel run a worker goes from one kind to the other and back with every file.
    """
    made: dict[str, Flask] = {}

    def on(kind: str) -> Flask:
        if kind not in made:
            sqlite = f"sqlite:///{tmp_path_factory.mktemp('database')}/poort.sqlite3"
            made[kind] = migrate(sqlite if kind == "sqlite" else postgres.empty())
        return made[kind]

    yield on
    for app in made.values():
        close(app)


def close(app: Flask) -> None:
    """Let go of what an application has open."""
    app.extensions["poort"].publications.close()
    with app.app_context():
        db.engine.dispose()


def migrate(database: str) -> Flask:
    """The application, and its tables in this database."""
    app = create_app(POORT_DATABASE_URL=database, POORT_SECRET_KEYS=KEY, POORT_PUBLIC_URL=HERE)
    app.extensions["security"].pwd_context.update(**LITTLE_WORK)
    with app.app_context():
        flask_migrate.upgrade()
    return app


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, applications: Callable[[str], Flask]) -> Flask:
    """The application, once on each kind of database."""
    return applications(request.param)


@pytest.fixture
def database(migrated: Flask) -> str:
    """The address of its database."""
    return str(migrated.config["SQLALCHEMY_DATABASE_URI"])


class Bridge:
    """Brings the requests of Flask's test client to the ASGI application, and its answers back."""

    def __init__(self, app: Flask, loop: asyncio.AbstractEventLoop) -> None:
        self._asgi = ASGIMiddleware(door_for(app), loop=loop)  # type: ignore[arg-type]  # its type of a scope is stricter

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.setdefault("REMOTE_PORT", "1")  # without it there would be no address
        # Outside of the test's own context, as under a server.
        return Context().run(lambda: list(self._asgi(environ, start_response)))  # type: ignore[arg-type]  # as above


@pytest.fixture(scope="session", params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """How the hot calls come in: through the WSGI application or through the ASGI application."""
    return str(request.param)


@pytest.fixture
def app(migrated: Flask) -> Iterator[Flask]:
    """The application with empty tables and nothing remembered from the test before."""
    with migrated.app_context():
        empty()
        forget(migrated)
        migrated.extensions["poort"]._limiter.storage.reset()
        migrated.extensions["poort.attempts"].reset()
        yield migrated
        db.session.remove()


def empty() -> None:
    """Take every row away; the guards of the append-only tables are lifted for it, in the tests alone."""
    db.session.rollback()
    with db.engine.connect() as connection, connection.begin():
        tables = [table.name for table in reversed(db.metadata.sorted_tables)]
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            # In one message. To truncate as many tables takes 50 ms, whatever is in them; to delete their few rows 3.
            connection.exec_driver_sql("; ".join(f'DELETE FROM "{name}"' for name in tables))
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
    hot.publications.close()
    hot.publications = versions.Publications(db.engine)


@pytest.fixture(scope="session")
def asgi_doors() -> Iterator[Callable[[Flask], Bridge]]:
    """The ASGI application of a Flask application, to be called as a WSGI application; one event loop for all."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield cache(lambda app: Bridge(app, loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def through_doors(app: Flask, door: str, asgi_doors: Callable[[Flask], Bridge]) -> Iterator[None]:
    """The test runs once for each door: its clients come in there."""
    before = app.wsgi_app
    if door == "asgi":
        app.wsgi_app = asgi_doors(app)  # type: ignore[method-assign]  # as app.py does
    yield
    app.wsgi_app = before  # type: ignore[method-assign]  # as above


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
        # As a browser does; a page of Poort's own may speak for every site.
        for name, value in {"Content-Type": "application/json", "Origin": HERE, "User-Agent": FIREFOX}.items():
            named.setdefault(name, value)
        return client.post(f"/v1/sites/{key}/consents", data=data, headers=named)

    return send


def new_id() -> str:
    """A random UUID."""
    return str(uuid.uuid4())


ROOT = Path(__file__).resolve().parent.parent
