"""create_app: settings, database, the hot calls, views and commands; nothing else."""

import os
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from consent import (  # noqa: F401  # the tables, for the migrations
    alerts,
    audit,
    cli,
    counts,
    factors,
    jobs,
    keys,
    leaks,
    mails,
    outbox,
    outcomes,
    passkeys,
    records,
    rights,
    scans,
    sessions,
    sign_in,
    sites,
    smtp,
    terms,
    tickets,
    versions,
)
from consent.config import Settings, load
from consent.db import db, engine_options
from consent.hot import Hot
from consent.views import register
from consent.views.door import Door
from consent.views.ops import watch


def create_app(**overrides: Any) -> Flask:
    """The application, with settings from the environment; `overrides` are settings by name (POORT_...).

    Raises ConfigError when a setting can not be used.
    """
    settings = load({**os.environ, **{name: str(value) for name, value in overrides.items()}})
    app = Flask(__name__, static_folder="static/admin", static_url_path="/static", template_folder="consent/templates")
    configure(app, settings)
    db.init_app(app)
    Migrate(app, db, directory=os.path.join(app.root_path, "migrations"), compare_type=True, render_as_batch=True)
    with app.app_context():
        hot = Hot(settings, db.engine)
    app.extensions["poort"] = hot
    app.extensions["poort.settings"] = settings
    sign_in.register(app, settings)
    smtp.register(app, settings.mail_url)
    register(app, settings)
    seen = app.extensions["poort.seen"] = watch(app, settings)
    cli.register(app)
    people = ProxyFix(app.wsgi_app, settings.proxies, settings.proxies) if settings.proxies else app.wsgi_app
    app.wsgi_app = Door(hot, people, seen, settings.proxies)  # type: ignore[method-assign]  # Flask's way to add a middleware
    return app


def configure(app: Flask, settings: Settings) -> None:
    """What Flask and its extensions need of the settings."""
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        SECRET_KEY=settings.secret_keys[0],
        SECRET_KEY_FALLBACKS=list(settings.secret_keys[1:]),
        MAX_CONTENT_LENGTH=records.LARGEST,
    )
