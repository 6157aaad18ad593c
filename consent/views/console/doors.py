"""The doors of the console's pages: whose site it is, who does something, and whether they just showed who they are."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import abort, redirect, render_template, request, url_for
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_security import current_user

from consent import audit, sites
from consent.sign_in import present
from consent.views.protection import is_own_page

P = ParamSpec("P")
R = TypeVar("R")


def member_of(key: str) -> tuple[sites.Site, str]:
    """The site and the member's role; raises NotFound for a stranger."""
    return sites.site_for(current_user, key)


def owner_of(key: str) -> sites.Site:
    """The site; raises NotFound for a stranger, 403 for a marketer."""
    site, role = member_of(key)
    if role != "owner":
        abort(403)
    return site


class Unconfirmed(Exception):
    """The site is managed by a file, and nobody said that it is to be changed here all the same."""

    def __init__(self, site: sites.Site) -> None:
        super().__init__(site.key)
        self.key = site.key


def be_sure(site: sites.Site) -> None:
    """Before a draft is changed that a file manages; raises Unconfirmed, which asks with the same form once more."""
    if site.managed == "file" and not request.form.get("confirmed"):
        raise Unconfirmed(site)


def ask_once_more(unconfirmed: Unconfirmed) -> ResponseReturnValue:
    """The form that was sent, to be sent with a confirmation."""
    given = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    back = request.path if _has_a_page() else url_for("console.site", key=unconfirmed.key)
    return render_template(
        "console/confirm.html", site=owner_of(unconfirmed.key), role="owner", given=given, back=back)


def by_user() -> audit.By:
    """Who does it: the user who is signed in."""
    return audit.By(user_id=current_user.id, via="console")


def fresh(view: Callable[P, R]) -> Callable[P, R | ResponseReturnValue]:
    """For what only somebody may do who has just shown who they are.

    Whoever has not is asked for their password or passkey, and comes back to the page with the form. What the form
    said is not kept meanwhile: it may be a secret, and nothing is done by who only proves who they are.
    """
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | ResponseReturnValue:
        if present().is_fresh(datetime.now(UTC)):
            return view(*args, **kwargs)
        return redirect(url_for("accounts.prove", next=_page()), 303)

    return guarded


def _page() -> str:
    """The page to come back to: this one, or the one whose form was sent; the console when that is not known."""
    here = request.full_path.rstrip("?") if request.method == "GET" else urlsplit(request.referrer or "").path
    if request.method != "GET" and not is_own_page(here):
        here = request.path if _has_a_page() else ""
    return here if is_own_page(here) else url_for("console.index")


def _has_a_page() -> bool:
    adapter = request_ctx.url_adapter
    return adapter is not None and adapter.test(request.path, "GET")
