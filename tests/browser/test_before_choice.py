"""Before any choice nothing of a tracker is asked for and nothing is written (A1, A2, A3)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor, chromium, started
from tests.browser.internet import Internet
from tests.browser.visitor import Visitor


@pytest.fixture(scope="module")
def browser(engine: Playwright, whole_internet: Internet) -> Iterator[Browser]:
    """The first promise is kept in the whole Chromium, with its windows, as well."""
    with started(engine, whole_internet, chromium(windows=True)) as browser:
        yield browser


STORES = """async () => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie,
  (await indexedDB.databases()).map(base => base.name), await caches.keys()]"""


def test_nothing_is_asked_for_and_nothing_is_written_before_a_choice(net: Internet, visitor: Visitor) -> None:
    """A1, A2: cookies, storage, databases; scripts, frames, pixels. No other host than the site's own."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.page.mouse.wheel(0, 3000)
    visitor.quiet(1.0)
    assert net.trackers() == set()
    assert net.strangers("klantpad.example") == set()
    assert visitor.context.cookies() == []
    assert visitor.page.evaluate(STORES) == [[], [], "", [], []]


def test_nothing_is_asked_for_after_ten_minutes_without_a_choice(net: Internet, visitor: Visitor) -> None:
    """A2, B10: waiting is no choice, whatever timers run out."""
    visitor.page.clock.install()
    visitor.open(pages.journeys(net), banner=True)
    visitor.page.clock.fast_forward("10:00")
    visitor.quiet()
    assert net.trackers() == set()
    assert visitor.banner.is_visible()
    assert visitor.left_behind() == set()


def test_nothing_is_asked_for_on_the_second_page_without_a_choice(net: Internet, visitor: Visitor) -> None:
    """A2, B10: going on is no choice."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.open(pages.journeys(net, "prijzen"), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    assert visitor.context.cookies() == []


def test_with_javascript_off_nothing_is_asked_for(net: Internet, new_visitor: NewVisitor) -> None:
    """A2: gated scripts, frames, images and templates are inert by themselves."""
    visitor = new_visitor(javascript=False)
    visitor.open(pages.journeys(net))
    visitor.open(pages.journeys(net, "prijzen"))
    visitor.quiet(0.5)
    assert net.trackers() == set()
    assert visitor.context.cookies() == []
    expect(visitor.page.get_by_role("heading", name="Reizen van klanten")).to_be_visible()


def test_the_consent_host_sets_no_cookie_of_its_own(net: Internet, visitor: Visitor) -> None:
    """A1: also not on the answers of the interface."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.accept_all()
    hosts = {
        str(cookie["domain"])
        for cookie in visitor.context.cookies()
        if cookie["name"] not in trackers.names(trackers.IDS)
    }
    assert not {host for host in hosts if "consent" in host}


def test_gpc_alone_opens_nothing(net: Internet, new_visitor: NewVisitor) -> None:
    """I7, A2: GPC is never a consent."""
    visitor = new_visitor(gpc=True)
    visitor.open(pages.journeys(net), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    assert visitor.context.cookies() == []


def test_showing_the_banner_is_counted_once_without_a_visitor(net: Internet, visitor: Visitor) -> None:
    """G1, G2: the event names the version and the language, nobody."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.quiet()
    (shown,) = net.requests(path="/v1/sites/journeys-www/events", method="POST")
    assert b'"shown"' in shown.body
    assert b"visitor" not in shown.body
    assert shown.cookies == ""
