"""Pages, clocks, tabs and moments that real life has and a demo has not."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest

from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

HOTJAR = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)


def consents(net: Internet, site: str = "shop-test") -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in net.requests(path=f"/v1/sites/{site}/consents", method="POST")]


def test_an_answer_in_one_tab_is_an_answer_in_the_other(net: Internet, visitor: Visitor) -> None:
    """B10 the other way round: one question, one answer, no second record."""
    visitor.open(pages.shop(net, HOTJAR), banner=True)
    other = visitor.context.new_page()
    other.goto(pages.shop(net, HOTJAR, path="tab"))
    other.locator("#poort-banner").wait_for()
    visitor.page.bring_to_front()
    visitor.accept_all()
    other.locator("#poort-banner").wait_for(state="hidden")
    visitor.asks_exactly({"hotjar"})
    assert len(consents(net)) == 1


@pytest.mark.parametrize("days", [-700, -1, 1, 700])
def test_a_clock_that_is_wrong_keeps_no_choice_from_holding(net: Internet, visitor: Visitor, days: int) -> None:
    """F1: the receipt has the server's time; the visitor's clock may be years off."""
    visitor.page.clock.install(time=time.time() + days * 86_400)
    visitor.open(pages.shop(net, HOTJAR), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    net.forget()
    visitor.open(pages.shop(net, HOTJAR, path="volgende"), banner=False)
    visitor.asks_exactly({"hotjar"})


def test_words_of_the_owner_stay_words(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """Nothing in a definition becomes markup or code."""
    visitor.open(pages.shop(net, key="markup"), banner=True)
    visitor.preferences()
    visitor.quiet(0.2)
    assert visitor.page.evaluate("window.hacked") is None
    assert sites.MARKUP_NAME in visitor.banner.inner_text()
    assert visitor.banner.locator("img, script").count() == 0


def test_the_script_without_a_site_can_be_pinned(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """SRI: the browser runs it only when its hash is the expected one."""
    body = poort.call("GET", "/banner/v1/poort.js").body
    digest = "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()
    tag = (
        '<script async src="https://consent.shop-test.example/banner/v1/poort.js" data-site="shop-test"'
        f' integrity="{digest}" crossorigin="anonymous"></script>'
    )
    net.page(pages.SHOP, pages.html(HOTJAR, head=tag))
    visitor.open(pages.SHOP, banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})


def test_the_script_can_be_served_by_the_site_itself(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """data-endpoint says where Poort is when the script is served from elsewhere."""
    net.script(f"{pages.SHOP}own/poort.js", poort.call("GET", "/banner/shop-test.js").body.decode())
    tag = '<script async src="/own/poort.js" data-endpoint="https://consent.shop-test.example"></script>'
    net.page(pages.SHOP, pages.html(HOTJAR, head=tag))
    visitor.open(pages.SHOP, banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})


def test_a_choice_on_a_page_that_was_open_when_the_owner_published(
    net: Internet, visitor: Visitor, poort: Poort
) -> None:
    """E2: the record points at what the visitor was shown, which is the version of the page."""
    visitor.open(pages.shop(net, HOTJAR, key="overtaken"), banner=True)
    poort.publish({**sites.OVERTAKEN, "trackers": [*sites.OVERTAKEN["trackers"], {"id": "linkedin"}]})
    wait_until(lambda: poort.config("overtaken")["version"] == 2, 15)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    assert visitor.receipt
    assert visitor.receipt["v"] == 1
    assert consents(net, "overtaken")[0]["version"] == 1


def test_no_address_of_a_page_reaches_poort(net: Internet, visitor: Visitor) -> None:
    """G1: not in a body, not in a referrer."""
    visitor.open(pages.shop(net, path="zwangerschap"), banner=True)
    visitor.accept_all()
    visitor.quiet()
    sent = net.requests(host="consent.shop-test.example")
    assert len(sent) >= 3
    for request in sent:
        assert b"zwangerschap" not in request.body
        assert "zwangerschap" not in request.referer + request.path
        assert request.cookies == ""


POLLUTED = """<script>
Object.prototype.extra = function () {};
Array.prototype.extra = function () {};
Function.prototype.extra = 1;
String.prototype.extra = 1;
</script>"""


def test_a_page_that_adds_to_the_prototypes_changes_nothing(net: Internet, visitor: Visitor) -> None:
    """Old libraries do: no stray key in a body, no stray attribute, no error."""
    visitor.open(pages.shop(net, HOTJAR, head=POLLUTED), banner=True)
    visitor.choose("category-analytics")
    visitor.asks_exactly({"hotjar"})
    (body,) = consents(net)
    assert set(body["choices"]) == {"functional", "analytics", "marketing"}
    assert body["trackers"] == {}
    assert visitor.page.locator("#poort-banner [extra], #poort [extra]").count() == 0


@pytest.mark.parametrize("name", ["Poort", "poort", "config", "dataLayer"])
def test_elements_with_our_names_do_not_confuse_the_script(net: Internet, visitor: Visitor, name: str) -> None:
    """A browser makes a global of every id."""
    body = f'<div id="{name}"><a id="{name}" href="/x" name="mayLoad">x</a></div>{HOTJAR}'
    visitor.open(pages.shop(net, body), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})


def test_immediate_release_survives_an_outage_with_one_row(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """E1: opened on the click; the proof follows, once."""
    visitor.open(pages.shop(net, HOTJAR, key="immediate"), banner=True)
    with net.fault("down", path="/v1/"):
        visitor.control("accept-all").click()
        visitor.asks_exactly({"hotjar"})
    net.forget()
    visitor.open(pages.shop(net, HOTJAR, key="immediate", path="volgende"), banner=False)
    visitor.asks_exactly({"hotjar"})
    visitor.stored("accept_all")
    assert len(poort.records("immediate", visitor.token)) == 1


def test_a_page_in_the_background_is_counted_when_it_is_seen(net: Internet, visitor: Visitor) -> None:
    """The marketer's `shown` counts what somebody could see."""
    hidden = (
        "Object.defineProperty(document, 'visibilityState', {get: () => window.seen ? 'visible' : 'hidden'});"
        "Object.defineProperty(document, 'hidden', {get: () => !window.seen});"
    )
    visitor.context.add_init_script(hidden)
    visitor.open(pages.shop(net), banner=True)
    visitor.quiet()
    assert net.requests(path="/v1/sites/shop-test/events") == []
    visitor.page.evaluate("window.seen = true; document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))")
    assert wait_until(lambda: len(net.requests(path="/v1/sites/shop-test/events")) == 1)


def test_a_page_that_replaces_its_body_keeps_the_banner_and_the_control(net: Internet, visitor: Visitor) -> None:
    """D1: single-page applications and their routers."""
    exchange = """() => { const body = document.createElement("body");
        body.innerHTML = "<main><h1>Anders</h1></main>"; document.body.replaceWith(body); }"""
    visitor.open(pages.shop(net), banner=True)
    visitor.page.evaluate(exchange)
    visitor.banner.wait_for(state="visible")
    visitor.only_necessary()
    visitor.page.evaluate(exchange)
    visitor.control("reopen").wait_for(state="visible")


def test_a_page_inside_a_frame_of_another_site_stays_closed_without_a_choice(net: Internet, visitor: Visitor) -> None:
    """A3: third-party storage may be kept apart or refused there."""
    pages.shop(net, HOTJAR)
    outer = net.page("https://portal.example/", f'<!doctype html><iframe title="x" src="{pages.SHOP}"></iframe>')
    visitor.page.goto(outer)
    visitor.quiet()
    assert net.trackers() == set()


def test_a_visitor_whose_browser_keeps_no_cookies_is_not_tracked(net: Internet, new_visitor: NewVisitor) -> None:
    """A3: where the choice can not be kept, the next page asks; it does not assume."""
    visitor = new_visitor()
    visitor.context.add_init_script(
        "Object.defineProperty(Document.prototype, 'cookie', {get: () => '', set: () => {}});"
    )
    visitor.open(pages.shop(net, HOTJAR), banner=True)
    visitor.control("necessary-only").click()
    visitor.open(pages.shop(net, HOTJAR, path="volgende"))
    visitor.asks_exactly(set())
