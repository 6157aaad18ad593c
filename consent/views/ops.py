"""What keeps Poort running: health, metrics."""

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from consent.db import db

views = Blueprint("ops", __name__)


def seen(route: str, status: int) -> None:
    """Count an answer of the hot calls."""


@views.get("/healthz")
def health() -> ResponseReturnValue:
    """The process is alive."""
    return jsonify(status="ok")


@views.get("/readyz")
def ready() -> ResponseReturnValue:
    """The database answers."""
    db.session.execute(text("SELECT 1"))
    return jsonify(status="ready")


@views.get("/.well-known/gpc.json")
def gpc() -> ResponseReturnValue:
    """Poort honours Global Privacy Control (I5)."""
    return jsonify(gpc=True, lastUpdate="2026-11-22", site=current_app.extensions["poort.settings"].public_url)
