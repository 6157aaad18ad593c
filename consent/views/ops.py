"""What keeps Poort running: health, readiness, metrics, and the notice that it honours GPC."""

import hmac
import time
from functools import cache
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from consent import jobs, mails, metrics
from consent.access import AccessLog
from consent.addresses import is_local
from consent.answers import Call, error
from consent.config import Settings
from consent.db import db
from consent.hot import Hot
from consent.views.door import Seen
from consent.views.errors import response

views = Blueprint("ops", __name__)

# A request with one of these came through a proxy, whoever the proxy is.
_FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


PATIENCE = 1.0  # seconds; a database that hangs would hold the thread that asks how it is


def watch(app: Flask, settings: Settings) -> Seen:
    """Count and log every answer; returns what the doors call for theirs. Flask's own log lines hold the path."""
    access = AccessLog() if settings.access_log else None

    def seen(call: Call, status: int, seconds: float) -> None:
        metrics.answered(call.route, status)
        if call.route == "consents":
            metrics.CONSENT_SECONDS.observe(seconds)
        if access is not None:
            access.add(call.method, call.route, status, seconds)

    @app.after_request
    def count(answer: Response) -> Response:
        route = request.endpoint or "unmatched"
        metrics.answered(route, answer.status_code)
        if access is not None:
            seconds = time.perf_counter() - request.environ["poort.started"]
            access.add(request.method, route, answer.status_code, seconds)
        return answer

    def log_exception(exc_info: Any) -> None:
        app.logger.error("A request failed", exc_info=exc_info[1], extra={"route": request.endpoint})

    app.log_exception = log_exception  # type: ignore[method-assign]  # Flask's documented hook
    return seen


@views.get("/healthz")
def health() -> ResponseReturnValue:
    """The process is alive. Asks nothing of the database, so a database that is away restarts nothing."""
    return jsonify(status="ok")


@views.get("/readyz")
def ready() -> ResponseReturnValue:
    """The database answers, and its tables are those of this release."""
    hot: Hot = current_app.extensions["poort"]
    if not hot.publications.reaches(PATIENCE):
        return _not_ready("database", "The database does not answer; script and gate go on with what is known.")
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
    found = metrics.exposition(*_stored())
    return Response(found, content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _stored() -> list[Collector]:
    """How the jobs and the mails stand; nothing of them while the database is away, which other numbers tell of."""
    hot: Hot = current_app.extensions["poort"]
    if not hot.publications.reaches(PATIENCE):
        return []
    try:
        return [jobs.samples(db.engine), mails.Samples(mails.count(db.engine))]
    except SQLAlchemyError:
        return []


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
