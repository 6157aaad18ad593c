"""HTTP: requests into verbs, results into responses. No rule lives here."""

from flask import Flask

from consent.config import Settings
from consent.views import backends, console, demo, docs, errors, headers, language, ops, protection, reports, visitor


def register(app: Flask, settings: Settings) -> None:
    """Add every view to the application."""
    errors.register(app)
    language.register(app)
    headers.register(app, settings)
    protection.register(app, settings)
    for blueprint in (console.views, reports.views, visitor.views, backends.views, ops.views, docs.views, demo.home):
        app.register_blueprint(blueprint)
    if settings.demo:
        app.register_blueprint(demo.views)
