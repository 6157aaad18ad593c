"""What a newcomer sees: `/`, and with POORT_DEMO on the shop at /demo/ with the stand-ins for its trackers."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, render_template, request
from flask.typing import ResponseReturnValue

from consent.demo import KEY, SHOP, stand_in
from consent.hot import Hot
from consent.sites import NotFound
from consent.versions import Published, settled
from consent.views import headers, language
from consent.views.door import call_of, waited
from consent.views.errors import response

STATIC = Path(__file__).resolve().parents[2] / "static" / "demo"
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")

home = Blueprint("home", __name__)
views = Blueprint("demo", __name__, url_prefix="/demo", static_folder=str(STATIC), static_url_path="/assets")


def translator(lang: str) -> Callable[[str, str], str]:
    """`t("Winkelmand", "Basket")` in a template: both languages stand side by side."""
    return lambda dutch, english: english if lang == "en" else dutch


def _page(template: str, **values: Any) -> Response:
    lang = language.language()
    g.nonce = secrets.token_urlsafe(16)
    page = make_response(render_template(template, lang=lang, t=translator(lang), nonce=g.nonce, **values))
    page.headers["Cache-Control"] = "no-store"
    page.vary.add("Accept-Language")
    return page


def _secured(page: Response) -> Response:
    """Nothing from elsewhere, nothing inline: what the banner has to live with on a strict site."""
    nonce = f" 'nonce-{g.nonce}'" if "nonce" in g else ""
    page.headers["Content-Security-Policy"] = headers.policy(
        script_src=f"'self'{nonce}", img_src="'self'", frame_src="'self'", form_action="'none'",
        frame_ancestors="'self'")
    return page


for blueprint in (home, views):
    blueprint.after_request(_secured)


@home.get("/")
def start() -> ResponseReturnValue:
    """What Poort is, and the ways in; a plain page where the demo is off."""
    settings = current_app.extensions["poort.settings"]
    return _page("demo/home.html" if settings.demo else "demo/plain.html", public_url=settings.public_url)


def published() -> Published:
    """The shop's current version; raises NotFound when nobody loaded the demo."""
    hot: Hot = current_app.extensions["poort"]
    found = settled(lambda: hot.publications.current(KEY))
    if found is None:
        raise NotFound("The demo is not loaded; run `flask demo load`.")
    return found


@views.get("/")
def shop() -> ResponseReturnValue:
    """The shop, its trackers tagged as the contract shows, with the glass house beside it."""
    version = published()
    gpc = request.args.get("gpc") == "1"
    return _page("demo/shop.html", version=version, trackers=version.snapshot["trackers"], shop=SHOP, gpc=gpc)


@views.get("/gate")
def gate_with_gpc() -> ResponseReturnValue:
    """The gate's answer to a browser that sends `Sec-GPC: 1`: a page that plays one can not add that header."""
    asked = {"PATH_INFO": f"/v1/sites/{KEY}/gate", "QUERY_STRING": "", "HTTP_SEC_GPC": "1"}
    found = waited(current_app.extensions["poort"].answer(call_of({**request.environ, **asked})))
    if found is None:
        raise NotFound("The gate has moved.")
    return response(found)


@views.get("/stand-in/<tracker>.<kind>")
def stand_in_for(tracker: str, kind: str) -> ResponseReturnValue:
    """In a tracker's place: a script that sets its cookies and reports itself, a frame, or a pixel."""
    row = next((row for row in published().snapshot["trackers"] if row["id"] == tracker), None)
    if row is None or kind not in _KINDS:
        raise NotFound("There is no such stand-in.")
    answer = _KINDS[kind](row)
    answer.headers["Cache-Control"] = "no-store"
    arrived = datetime.now(UTC).isoformat(timespec="milliseconds")
    answer.headers["Server-Timing"] = f'arrived;desc="{arrived}"'  # so that the page can show both ends
    return answer


def _script(row: dict[str, Any]) -> Response:
    script = render_template("demo/stand-in.js", me=stand_in(row))
    return Response(script, content_type="text/javascript; charset=utf-8")


def _frame(row: dict[str, Any]) -> Response:
    return _page("demo/stand-in.html", row=row)


def _pixel(row: dict[str, Any]) -> Response:
    return Response(PIXEL, content_type="image/gif")


_KINDS: dict[str, Callable[[dict[str, Any]], Response]] = {"js": _script, "html": _frame, "gif": _pixel}
