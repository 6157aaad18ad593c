"""Withdrawing: as easy as giving, at once, and with everything cleaned up (D1 to D7)."""

from __future__ import annotations

import pytest

from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor


@pytest.fixture
def granted(net: Internet, visitor: Visitor) -> Visitor:
    """A visitor who accepted all and whose trackers have all run."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.accept_all()
    visitor.asks_exactly(trackers.IDS)
    assert visitor.left_behind() == trackers.names(trackers.IDS)
    return visitor


def test_after_withdrawal_nothing_is_asked_for_and_nothing_is_left(net: Internet, granted: Visitor) -> None:
    """D4: cookies on the host and on the parent domain, storage keys, frames; on this page and on the next."""
    granted.withdraw()
    net.forget()
    granted.quiet()
    assert granted.left_behind() == set()
    assert granted.page.locator("iframe[src^='https://calendly'], iframe[src^='https://form.typeform']").count() == 0
    granted.open(pages.journeys(net, "prijzen"), banner=False)
    granted.asks_exactly(set())
    assert granted.left_behind() == set()


def test_cookies_that_a_running_tracker_writes_again_are_gone_on_the_next_page(net: Internet, granted: Visitor) -> None:
    """D4: code that runs can not be unloaded, so it may write once more; the next page cleans up after it."""
    granted.withdraw()
    granted.page.evaluate("document.cookie = '_ga=again; path=/; secure; domain=klantpad.example'")
    granted.page.evaluate("localStorage.setItem('_hjUserAttributes', 'again')")
    granted.open(pages.journeys(net, "prijzen"), banner=False)
    granted.quiet()
    assert granted.left_behind() == set()


def test_the_sites_own_cookies_and_keys_stay(net: Internet, granted: Visitor) -> None:
    """D6: only what the trackers wrote goes; names are matched whole, never by a part."""
    granted.page.evaluate("document.cookie = 'basket=3; path=/'; document.cookie = 'my_ga=1; path=/'")
    granted.page.evaluate("localStorage.setItem('theme', 'dark'); sessionStorage.setItem('x_hjViewportId', '1')")
    granted.withdraw()
    assert granted.left_behind() == {"basket", "my_ga", "theme", "x_hjViewportId"}


def test_withdrawing_one_category_leaves_the_others(net: Internet, granted: Visitor) -> None:
    """D4, C1."""
    granted.reopen()
    granted.switch("category-analytics", False)
    granted.control("save").click()
    granted.stored("custom")
    rest = trackers.IDS - trackers.of("analytics")
    assert granted.left_behind() == trackers.names(rest)
    net.forget()
    granted.open(pages.journeys(net, "prijzen"), banner=False)
    granted.asks_exactly(rest)


def test_withdrawing_is_one_click_after_opening(net: Internet, granted: Visitor) -> None:
    """D1, D2: to accept all took one click; to withdraw all takes one, plus one to open."""
    granted.control("reopen").click()
    granted.control("withdraw").click()
    granted.stored("withdraw")
    assert not granted.banner.is_visible() or not granted.control("save").is_visible()


@pytest.mark.parametrize("path", ["", "prijzen", "blog/artikel"])
def test_the_control_to_reopen_is_on_every_page(net: Internet, visitor: Visitor, path: str) -> None:
    """D1, N7: in the same place, after either choice."""
    visitor.open(pages.journeys(net, path), banner=True)
    visitor.only_necessary()
    visitor.open(pages.journeys(net, path), banner=False)
    assert visitor.control("reopen").is_visible()
    visitor.page.mouse.wheel(0, 2000)
    assert visitor.control("reopen").is_visible()
    visitor.reopen()


def test_the_panel_shows_the_stored_state(net: Internet, visitor: Visitor) -> None:
    """D3: also on a later page, tracker by tracker."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    visitor.switch("category-analytics", True)
    visitor.switch("tracker-hotjar", False)
    visitor.switch("tracker-intercom", True)
    visitor.save()
    visitor.open(pages.journeys(net, "prijzen"), banner=False)
    visitor.reopen()
    on = {name for name in trackers.IDS if visitor.control(f"tracker-{name}").is_checked()}
    assert on == {"ga4", "vwo", "intercom"}
    assert not visitor.control("category-marketing").is_checked()


def test_looking_without_saving_changes_nothing(net: Internet, visitor: Visitor) -> None:
    """F6: opening and closing is no decision."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.only_necessary()
    before = visitor.token
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.page.keyboard.press("Escape")
    visitor.quiet()
    assert visitor.token == before
    assert net.trackers() == set()
    assert len(net.requests(path="/v1/sites/journeys-www/consents", method="POST")) == 1
    visitor.reopen()
    assert not visitor.control("category-marketing").is_checked()


def test_the_grant_stays_in_the_history(granted: Visitor, poort: Poort) -> None:
    """D7."""
    granted.withdraw()
    rows = poort.records("journeys-www", granted.token)
    assert [row["action"] for row in rows] == ["accept_all", "withdraw"]


def test_withdrawing_acts_before_the_server_answers(net: Internet, granted: Visitor) -> None:
    """D4: with the server down as well: it is the visitor's word, not the server's."""
    with net.fault("down", path="/v1/"):
        granted.reopen()
        granted.control("withdraw").click()
        granted.page.wait_for_timeout(300)
        assert granted.left_behind() == set()
        net.forget()
        granted.open(pages.journeys(net, "prijzen"), banner=False)
        granted.asks_exactly(set())


def test_the_page_stays_whole_after_withdrawal(net: Internet, granted: Visitor) -> None:
    """B9, D6: withdrawing costs nothing."""
    granted.withdraw()
    granted.page.get_by_role("link", name="Verder lezen 1", exact=True).click(trial=True)


def test_another_tab_takes_the_withdrawal_over(net: Internet, granted: Visitor) -> None:
    """D4: from then on the other tab's next page loads nothing either."""
    other = granted.context.new_page()
    other.goto(pages.journeys(net, "tab"))
    granted.quiet()
    granted.withdraw()
    net.forget()
    other.goto(pages.journeys(net, "tab2"))
    granted.quiet()
    assert net.trackers() == set()


def test_withdrawal_reaches_a_subdomain(net: Internet, new_visitor: NewVisitor) -> None:
    """D4: the cookie of the parent domain is the one choice for all its hosts."""
    visitor = new_visitor()
    tag = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)
    visitor.open(pages.shop(net, tag), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    visitor.withdraw()
    net.forget()
    blog = "https://blog.shop-test.example/"
    net.page(blog, pages.html(tag, head=sites.embed("shop-test")))
    visitor.open(blog, banner=False)
    visitor.asks_exactly(set())
