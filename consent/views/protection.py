"""What stands before the views: the check against cross-site requests, and the limits of signing in."""

import re
import time

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import BadRequest, TooManyRequests, UnsupportedMediaType

from consent.addresses import network
from consent.config import Settings
from consent.views import headers, language

# Where one may go after signing in: the console's own pages. No host, no dots up, no encoding to argue about.
_OWN_PAGE = re.compile(r"/console/[a-z0-9/-]*(\?[A-Za-z0-9=&-]*)?")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

csrf = CSRFProtect()


def register(app: Flask, settings: Settings) -> None:
    """Guard the application. In this order: whoever is over the limit is told so whatever else is wrong."""
    csrf.init_app(app)
    limit = SignInLimit(settings.login_limit)
    app.extensions["poort.sign_in_limit"] = limit

    @app.before_request
    def guard() -> ResponseReturnValue | None:
        return sign_in(limit) if request.endpoint == "security.login" else None

    @app.before_request
    def own_forms_only() -> None:
        # The API has no session to abuse: what it believes is the receipt, and other origins can not send that.
        if not request.path.startswith("/v1/"):
            csrf.protect(apply_exemptions=True)

    # Flask-Security's own pages: its blueprint is not ours to decorate.
    app.before_request_funcs.setdefault("security", []).append(language.remember)
    app.after_request_funcs.setdefault("security", []).append(headers.keep_nowhere)


def sign_in(limit: "SignInLimit") -> ResponseReturnValue | None:
    """What a request to sign in has to be, before anything is looked up."""
    if request.method == "POST":
        limit.hit(request.remote_addr or "")
        if request.mimetype not in _FORMS:
            raise UnsupportedMediaType
    wanted = [*request.args.getlist("next"), *request.form.getlist("next")]
    if all(_OWN_PAGE.fullmatch(page) for page in wanted):
        return None
    if request.method == "POST":
        raise BadRequest
    return redirect(url_for("security.login"))


class SignInLimit:
    """Attempts per minute from one address. Kept in this process's memory; addresses are stored nowhere."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, address: str) -> None:
        """Count an attempt; raises TooManyRequests with the seconds to wait."""
        caller = str(network(address))
        if not self._limiter.hit(self._limit, caller):
            free = self._limiter.get_window_stats(self._limit, caller).reset_time
            raise TooManyRequests(retry_after=max(1, round(free - time.time())))
