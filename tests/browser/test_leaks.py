"""What a page tells of leaks: trackers that somebody tagged wrongly, and nothing of who was there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, Request, wait_until
from tests.browser.one_door import door  # noqa: F401 -- a fixture
from tests.browser.visitor import Visitor

HOTJAR, META, TIKTOK = (trackers.BY_ID[name].script for name in ("hotjar", "meta", "tiktok"))
FRAME = trackers.BY_ID["calendly"].frame
# Hotjar and TikTok load at once, and TikTok is in no list of the site; Meta waits as it has to.
WRONG = f'<script src="{HOTJAR}"></script><script src="{TIKTOK}"></script>' + pages.gated_script("meta", META)
GROUP = '<meta name="poort-page-group" content="checkout">'


def told(net: Internet) -> list[Request]:
    return [request for request in net.parting("/leaks") if request.method == "POST"]


def leave(visitor: Visitor) -> None:
    """On to another site, once nothing is on its way."""
    visitor.quiet()
    visitor.internet.page("https://elsewhere.example/", "<p>Elsewhere</p>")
    visitor.page.goto("https://elsewhere.example/")


def what(net: Internet) -> dict[str, Any]:
    """The one report, and that nothing else is in it or on it."""
    assert wait_until(lambda: told(net))
    (report,) = told(net)
    assert report.headers["content-type"] == "text/plain;charset=UTF-8"
    assert report.headers.get("origin", "").startswith("https://www.")
    assert not {"cookie", "referer", "poort-receipt"} & set(report.headers)
    assert "?" not in report.path
    found: dict[str, Any] = json.loads(report.body)
    assert set(found) == {"page_group", "trackers"}
    net.forget()
    return found


def asked(net: Internet, name: str) -> int:
    """How often it was asked for, as the wire has seen it."""
    return sum(request.tracker == name for request in net.requests())


def test_a_wrongly_tagged_tracker_is_told_as_long_as_it_is_not_allowed(net: Internet, visitor: Visitor) -> None:
    url = pages.shop(net, WRONG + pages.TEXT, key="leaky", head=GROUP)
    visitor.open(url, banner=True).quiet()
    hotjar, tiktok = asked(net, "hotjar"), asked(net, "tiktok")
    leave(visitor)
    assert what(net) == {"page_group": "checkout", "trackers": {"hotjar": hotjar, "tiktok": tiktok}}

    visitor.open(url, banner=True)
    visitor.page.wait_for_timeout(2_200)  # what a decision changes is left out so long before it
    visitor.accept_all()
    wait_until(lambda: asked(net, "meta"))
    leave(visitor)
    found = what(net)["trackers"]
    assert set(found) == {"hotjar", "tiktok"}, "meta came once it was allowed"

    visitor.open(url, banner=False).quiet()
    assert asked(net, "meta") > 0
    leave(visitor)
    assert set(what(net)["trackers"]) == {"tiktok"}, "who allowed it: only what nobody was asked about"

    visitor.open(url, banner=False)
    visitor.withdraw()
    leave(visitor)
    what(net)
    visitor.open(url, banner=False).quiet()
    leave(visitor)
    assert set(what(net)["trackers"]) == {"hotjar", "tiktok"}


RIGHT = "".join(pages.gated_script(name, trackers.BY_ID[name].script) for name in ("hotjar", "meta"))
EMBED = f'<iframe title="Afspraak" width="600" height="400" data-service="calendly" data-src="{FRAME}"></iframe>'


def test_rightly_tagged_nothing_is_told(net: Internet, visitor: Visitor) -> None:
    """Not after refusing, accepting at once, showing something once, and taking it back."""
    url = pages.shop(net, EMBED + RIGHT + pages.TEXT, key="leaky")
    visitor.open(url, banner=True)
    visitor.control("embed-once").click()
    assert wait_until(lambda: asked(net, "calendly"))
    visitor.only_necessary()
    leave(visitor)
    visitor.open(url, banner=False)
    visitor.reopen()
    visitor.switch("category-analytics", True)
    visitor.save()
    assert wait_until(lambda: asked(net, "hotjar"))
    leave(visitor)
    visitor.open(url, banner=False).quiet()
    visitor.withdraw()
    leave(visitor)
    visitor.quiet(0.6)
    assert told(net) == []
    assert not [text for text in visitor.complaints if "leaks" in text]


@pytest.mark.parametrize(("key", "drawn", "tells"), [
    ("shop-test", 0, False), ("half-leaky", 0.49, True), ("half-leaky", 0.51, False)])
def test_off_or_not_drawn_nothing_is_sent(
    net: Internet, new_visitor: NewVisitor, key: str, drawn: float, tells: bool
) -> None:
    visitor = new_visitor()
    visitor.context.add_init_script(f"Math.random = () => {drawn}")
    visitor.open(pages.shop(net, WRONG + pages.TEXT, key=key), banner=True)
    leave(visitor)
    assert wait_until(lambda: told(net), 5 if tells else 0.6) is tells


def test_the_pinned_script_tells_too(net: Internet, visitor: Visitor) -> None:
    pinned = '<script async src="https://consent.leaky.example/banner/v1/poort.js" data-site="leaky"></script>'
    page = pages.html(WRONG + pages.TEXT, head=pinned.replace("data-site", 'data-page-group="home" data-site'))
    visitor.open(net.page("https://www.leaky.example/", page), banner=True).quiet()
    leave(visitor)
    found = what(net)
    assert found["page_group"] == "home"
    assert set(found["trackers"]) == {"hotjar", "tiktok"}


def test_a_browsers_report_of_a_policy_arrives(net: Internet, visitor: Visitor) -> None:
    """Chromium's own, of the header that docs/leaks.md names; that it is counted is in tests/test_leaks.py."""
    policy = ("default-src 'self' https://*.leaky.example data: blob: 'unsafe-inline' 'unsafe-eval'; "
              "report-uri https://consent.leaky.example/v1/sites/leaky/leaks?page_group=checkout")
    url = pages.shop(net, WRONG, key="leaky", headers={"Content-Security-Policy-Report-Only": policy})
    visitor.open(url, banner=True)
    assert wait_until(lambda: len(told(net)) >= 2)
    for report in told(net):
        assert report.headers["content-type"] == "application/csp-report"
        assert "cookie" not in report.headers
        assert json.loads(report.body)["csp-report"]["document-uri"].startswith("https://www.leaky.example/")


def test_a_report_to_the_sites_own_host_brings_the_receipt(net: Internet, visitor: Visitor) -> None:
    """What docs/leaks.md builds on: so Poort can tell what was allowed, and that nothing was chosen yet."""
    policy = "default-src 'self' https://*.leaky.example data: blob: 'unsafe-inline'; report-uri /poort/leaks"
    url = pages.shop(net, WRONG, key="leaky", headers={"Content-Security-Policy-Report-Only": policy})
    visitor.open(url, banner=True)
    assert wait_until(lambda: len(net.parting("/poort/leaks")) >= 2)
    assert not any("poort=" in report.headers.get("cookie", "") for report in net.parting("/poort/leaks"))
    visitor.only_necessary()
    net.forget()
    visitor.open(url, banner=False)
    assert wait_until(lambda: len(net.parting("/poort/leaks")) >= 2)
    for report in net.parting("/poort/leaks"):
        assert report.headers["sec-fetch-site"] == "same-origin"
        assert f"poort={visitor.token}" in report.headers["cookie"]
