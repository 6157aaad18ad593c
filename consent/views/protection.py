"""What stands before the views: the check against cross-site requests, and the limits of signing in."""

import re

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from consent.attempts import Attempts
from consent.config import Settings
from consent.sizes import largest
from consent.views import headers, language

# Where one may go after signing in: the console's own pages. No host, no dots up, no encoding to argue about.
_OWN_PAGE = re.compile(r"/console/([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?(\?[A-Za-z0-9=&-]*)?")
# What somebody can guess at, or have mails sent by: each call counts for its address.
_LIMITED = {"accounts.prove", "accounts.take_proof", "accounts.prove_by_passkey", "accounts.confirm_totp",
            "accounts.change_password", "accounts.invite"}
# What is sent from other pages, or by a mail program, and believes what is in it alone.
_FROM_ELSEWHERE = ("/me/", "/leave/")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

csrf = CSRFProtect()


def register(app: Flask, settings: Settings) -> None:
    """Guard the application. In this order: whoever is over the limit is told so whatever else is wrong."""
    csrf.init_app(app)
    limit = app.extensions["poort.attempts"] = Attempts(settings.login_limit)

    @app.before_request
    def bounded() -> None:
        request.max_content_length = largest(request.path)

    @app.before_request
    def guard() -> ResponseReturnValue | None:
        endpoint = request.endpoint or ""
        if endpoint in _LIMITED or endpoint == "security.login" or endpoint.startswith("sign_in."):
            return attempt(limit)
        return None

    @app.before_request
    def own_forms_only() -> None:
        # The API has no session to abuse: what it believes is the receipt, and other origins can not send that.
        if not request.path.startswith("/v1/"):
            _own_page_only()
            csrf.protect(apply_exemptions=True)

    # Flask-Security's own pages: its blueprint is not ours to decorate.
    app.before_request_funcs.setdefault("security", []).append(language.remember)
    app.after_request_funcs.setdefault("security", []).append(headers.keep_nowhere)


def _own_page_only() -> None:
    """A second wall behind the token: what a browser says came from another origin. An old one says nothing."""
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if elsewhere and request.method not in ("GET", "HEAD", "OPTIONS") and not request.path.startswith(_FROM_ELSEWHERE):
        raise CSRFError("The form stands on another origin's page.")


def attempt(limit: Attempts) -> ResponseReturnValue | None:
    """What a request to sign in or to prove something has to be, before anything is looked up."""
    if request.method == "POST":
        limit.hit(request.remote_addr or "")
        if request.endpoint == "security.login" and request.mimetype not in _FORMS:
            raise UnsupportedMediaType
    wanted = [*request.args.getlist("next"), *request.form.getlist("next")]
    if all(map(is_own_page, wanted)):
        return None
    if request.method == "POST":
        raise BadRequest
    return redirect(url_for(request.endpoint or "", **(request.view_args or {})))


def is_own_page(page: str) -> bool:
    """Whether this is the address of a page of the console, on this Poort."""
    return bool(_OWN_PAGE.fullmatch(page))
