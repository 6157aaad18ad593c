"""What keeps Poort running: health, readiness, metrics, and the notice that it honours GPC."""

import hmac
from functools import cache
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from consent import metrics
from consent.addresses import is_local
from consent.db import db
from consent.hot import error
from consent.views.errors import response

views = Blueprint("ops", __name__)

# A request with one of these came through a proxy, whoever the proxy is.
_FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


def seen(route: str, status: int, seconds: float) -> None:
    """Count an answer of the hot calls."""
    metrics.answered(route, status)
    if route == "consents":
        metrics.CONSENT_SECONDS.observe(seconds)


def watch(app: Flask) -> None:
    """Count Flask's answers, and log its failures without the request: Flask's own line holds the path."""

    @app.after_request
    def count(answer: Response) -> Response:
        metrics.answered(request.endpoint or "unmatched", answer.status_code)
        return answer

    def log_exception(exc_info: Any) -> None:
        app.logger.error("A request failed", exc_info=exc_info[1], extra={"route": request.endpoint})

    app.log_exception = log_exception  # type: ignore[method-assign]  # Flask's documented hook


@views.get("/healthz")
def health() -> ResponseReturnValue:
    """The process is alive. Asks nothing of the database, so a database that is away restarts nothing."""
    return jsonify(status="ok")


@views.get("/readyz")
def ready() -> ResponseReturnValue:
    """The database answers, and its tables are those of this release."""
    try:
        found = MigrationContext.configure(db.session.connection()).get_current_revision()
    except SQLAlchemyError:
        return _not_ready("database", "The database does not answer.")
    if found != _head(current_app.extensions["migrate"].directory):
        return _not_ready("schema", "The tables are not those of this release; run `flask db upgrade`.")
    return jsonify(status="ready", database="ok", schema=found)


def _not_ready(part: str, sentence: str) -> ResponseReturnValue:
    return response(error(503, "not_ready", sentence, {part: sentence}, ("Retry-After", "2")))


@cache
def _head(directory: str) -> str | None:
    config = Config()
    config.set_main_option("script_location", directory.replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


@views.get("/metrics")
def show_metrics() -> ResponseReturnValue:
    """Counters for Prometheus, to the machine itself or with the token of POORT_METRICS_TOKEN."""
    if not _may_see_metrics():
        return response(error(403, "forbidden", "Ask from the machine itself, or with the metrics token."))
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _may_see_metrics() -> bool:
    token = current_app.extensions["poort.settings"].metrics_token
    given = request.authorization
    if token and given is not None and given.type == "bearer":
        return hmac.compare_digest(str(given.token).encode(), token.encode())
    return is_local(request.remote_addr or "") and not any(name in request.headers for name in _FORWARDED)


@views.get("/.well-known/gpc.json")
def gpc() -> ResponseReturnValue:
    """Poort honours Global Privacy Control (I5)."""
    return jsonify(gpc=True, lastUpdate="2026-11-22", site=current_app.extensions["poort.settings"].public_url)
