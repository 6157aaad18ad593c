"""The page that ends the mails it was sent with: by one click, by whoever has the mail, without signing in."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent import subscriptions
from consent.db import writing
from consent.views import headers
from consent.views.protection import csrf

views = Blueprint("leave", __name__)
views.after_request(headers.keep_nowhere)


@views.errorhandler(subscriptions.BadToken)
def unknown(_: subscriptions.BadToken) -> ResponseReturnValue:
    """The page of an address that ends nothing: nobody is told why."""
    return render_template("sign_in/leave.html", organisation=None, kind=None, done=False), 404


@views.get("/leave/<token>")
def ask(token: str) -> ResponseReturnValue:
    """Shows the button: a program that only follows links ends nothing."""
    return _page(token, False)


@views.post("/leave/<token>")
def take(token: str) -> ResponseReturnValue:
    """Ends the mails, as the button does and as mail programs do by themselves (RFC 8058)."""
    with writing():
        subscriptions.leave(token)
    return _page(token, True)


# A mail program sends no token of ours. The address is signed, and does this one thing.
csrf.exempt(f"{__name__}.{take.__name__}")


def _page(token: str, done: bool) -> ResponseReturnValue:
    organisation, kind = subscriptions.organisation_of(token)
    return render_template("sign_in/leave.html", organisation=organisation, kind=kind, done=done)
