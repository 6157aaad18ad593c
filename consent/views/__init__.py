"""HTTP: requests into verbs, results into responses. No rule lives here."""

from flask import Flask

from consent.config import Settings
from consent.views import (
    backends,
    console,
    demo,
    docs,
    errors,
    headers,
    language,
    ops,
    protection,
    recovery,
    reports,
    visitor,
)


def register(app: Flask, settings: Settings) -> None:
    """Add every view to the application."""
    errors.register(app)
    language.register(app)
    headers.register(app, settings)
    protection.register(app, settings)
    own = (
        console.views, reports.views, visitor.views, recovery.views, backends.views, ops.views, docs.views, demo.home,
    )
    for blueprint in own:
        app.register_blueprint(blueprint)
    if settings.demo:
        app.register_blueprint(demo.views)
