"""The migrations make the tables of the models, and go back and forth without touching a record."""

from datetime import timedelta
from typing import Any

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from consent import accounts, keys, sites, versions
from consent.db import db
from tests.conftest import close, migrate
from tests.servers import Postgres
from tests.shop import DEFINITION, NOW, body


@pytest.fixture(params=["sqlite", "postgresql"])
def alone(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """The application on a database of this test alone."""
    postgres: Postgres = request.getfixturevalue("postgres")
    app = migrate(f"sqlite:///{tmp_path}/poort.sqlite3" if request.param == "sqlite" else postgres.empty())
    with app.app_context():
        yield app
        db.session.remove()
    close(app)


def test_the_tables_are_those_of_the_models(alone: Flask) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def rows() -> list[tuple[Any, ...]]:
    names = "site, id, visitor, version, action, source, language, recorded_at"
    found = [tuple(row) for row in db.session.execute(text(f"SELECT {names} FROM record ORDER BY id"))]
    db.session.rollback()
    return found


def test_what_had_an_end_does_not_lose_it_in_an_older_poort(alone: Flask) -> None:
    sites.apply(DEFINITION)
    for scopes, end in ((["gate"], None), (["gate"], NOW + timedelta(days=1)), (["read"], None)):
        keys.create(DEFINITION["organisation"], None, "", NOW, scopes, end)
    accounts.create_user("alice@shop.example", "a long enough password", None)
    gone = accounts.create_user("bob@shop.example", "a long enough password", None)
    db.session.delete(gone)
    db.session.commit()
    db.session.remove()
    flask_migrate.downgrade(revision="0006")
    flask_migrate.upgrade()
    assert [key.revoked_at is None for key in keys.every()] == [True, False, False]
    assert db.session.scalar(text("SELECT last FROM user_number")) == 1, "the highest that anything tells"


def test_records_stay_as_they_are_on_the_way_back_and_forth(alone: Flask) -> None:
    versions.publish(sites.apply(DEFINITION)[0], NOW)
    db.session.commit()
    client = alone.test_client()
    for action in ("accept_all", "withdraw"):
        assert client.post("/v1/sites/shop/consents", json=body(action)).status_code == 201
    before = rows()
    db.session.remove()
    flask_migrate.downgrade(revision="0001")
    assert rows() == before
    flask_migrate.upgrade()
    assert rows() == before
    for statement in ("UPDATE record SET action = 'custom'", "DELETE FROM record"):
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(text(statement))
        db.session.rollback()
