"""HTTP: requests into verbs, results into responses. No rule lives here."""

from flask import Flask

from consent.config import Settings
from consent.views import errors, ops, visitor


def register(app: Flask, settings: Settings) -> None:
    """Add every view to the application."""
    errors.register(app)
    for blueprint in (visitor.views, ops.views):
        app.register_blueprint(blueprint)
