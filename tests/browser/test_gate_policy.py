"""The policy of `consent.sdk` in a real browser: the browser itself keeps out what a page asks for without a gate."""

from __future__ import annotations

import time
from typing import Any

import pytest

from consent.catalogue import CATEGORIES, resolve
from consent.middleware import GateMiddleware
from consent.receipts import Keyring, Receipt
from consent.sdk import Gate, Policy
from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

KEY = "a-key-of-the-policy-tests-0123456789-abcdef"
R, P = "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "0a1b2c3d-58f3-4d5c-9f6a-6f1c2f0e4e5f"
VERSION: dict[str, Any] = {
    "site": "journeys-www",
    "version": 1,
    "categories": [{"id": category, "since": 1} for category in CATEGORIES],
    "trackers": [{**resolve({"id": row.id}, "NL"), "since": 1} for row in trackers.JOURNEYS],
}
GATE = Gate("journeys-www", [KEY], VERSION, url="https://consent.klantpad.example")
SHARED = {"ga4", "gads"}  # both are www.googletagmanager.com/gtag/js, and a policy knows no query


def receipt(granted: tuple[str, ...]) -> str:
    now = int(time.time())
    nothing: frozenset[str] = frozenset()
    made = Receipt("journeys-www", R, P, 1, "custom", frozenset(granted), nothing, nothing, False, now, now + 86_400)
    return Keyring([KEY]).issue(made)


def ungated() -> str:
    """Every tracker of the profile as its vendor says: nothing in the page holds it back."""
    frames = "".join(f'<iframe title="x" src="{row.frame}"></iframe>' for row in trackers.JOURNEYS if row.frame)
    scripts = "".join(f'<script async src="{row.script}"></script>' for row in trackers.JOURNEYS)
    return pages.html(scripts + frames + '<img alt="" src="https://www.facebook.com/tr?id=42&amp;ev=PageView">')


@pytest.mark.parametrize("granted", [(), ("functional",), ("analytics",), ("marketing",), ("analytics", "marketing")])
def test_the_browser_asks_for_what_is_allowed_alone(
    internet: Internet, visitor: Visitor, granted: tuple[str, ...]
) -> None:
    policy = GATE.csp(receipt(granted), base={"style-src": ["'self'", "'unsafe-inline'"]})
    visitor.open(internet.page(pages.JOURNEYS, ungated(), {"Content-Security-Policy": policy}))
    allowed = {row.id for row in trackers.JOURNEYS if row.category in granted}
    visitor.asks_exactly(allowed if allowed >= SHARED else allowed - SHARED)


@pytest.mark.parametrize(("granted", "expected"), [
    ((), set()), (("functional",), {"calendly"}), (("marketing",), {"meta", "linkedin"}),
])  # fmt: skip
def test_a_browser_without_script_asks_for_no_refused_pixel(
    internet: Internet, new_visitor: NewVisitor, granted: tuple[str, ...], expected: set[str]
) -> None:
    pixels = (
        '<noscript><img height="1" src="https://www.facebook.com/tr?id=42&amp;noscript=1"><img'
        ' src="https://px.ads.linkedin.com/collect/?pid=42"><iframe src="https://calendly.com/x"></iframe></noscript>'
    )
    visitor = new_visitor(javascript=False)
    page = through(pages.html(pixels), receipt(granted)).decode()
    visitor.open(internet.page(pages.JOURNEYS, page)).asks_exactly(expected)


def through(page: str, token: str) -> bytes:
    """The page as the middleware sends it."""

    def app(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [page.encode()]

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "www.klantpad.example"}
    sent = GateMiddleware(app, GATE, Policy())({**environ, "HTTP_COOKIE": f"poort={token}"}, lambda *_: bytes)
    return b"".join(sent)
