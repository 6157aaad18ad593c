"""After a choice exactly what it allows is asked for, on this page and on the next."""

from __future__ import annotations

import json

import pytest

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor


def and_on_the_next_page(visitor: Visitor, net: Internet, expected: set[str]) -> None:
    visitor.asks_exactly(expected)
    net.forget()
    visitor.open(pages.journeys(net, "prijzen"), banner=False)
    visitor.asks_exactly(expected)


def test_accepting_all_opens_every_tracker(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.journeys(net), banner=True)
    visitor.accept_all()
    and_on_the_next_page(visitor, net, trackers.IDS)


def test_only_necessary_opens_none_and_leaves_only_the_choice(net: Internet, visitor: Visitor) -> None:
    """A9: the cookie and the kept receipt are all that is written."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.only_necessary()
    and_on_the_next_page(visitor, net, set())
    assert visitor.cookie_names() == {"poort"}
    assert visitor.left_behind() == set()


@pytest.mark.parametrize("category", trackers.CATEGORIES)
def test_one_category_opens_its_trackers_only(net: Internet, visitor: Visitor, category: str) -> None:
    """A10, C1."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.choose(f"category-{category}")
    and_on_the_next_page(visitor, net, trackers.of(category))


@pytest.mark.parametrize("tracker", ["hotjar", "intercom", "meta", "typeform"])
def test_all_but_one_tracker(net: Internet, visitor: Visitor, tracker: str) -> None:
    """A10: a tracker's own refusal beats its category's grant."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    for category in trackers.CATEGORIES:
        visitor.switch(f"category-{category}", True)
    visitor.switch(f"tracker-{tracker}", False)
    visitor.save()
    and_on_the_next_page(visitor, net, trackers.IDS - {tracker})


@pytest.mark.parametrize("tracker", ["vwo", "intercom", "linkedin"])
def test_one_tracker_alone(net: Internet, visitor: Visitor, tracker: str) -> None:
    """A10: a tracker may be had without its category; intercom without analytics and marketing."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.choose(f"tracker-{tracker}")
    and_on_the_next_page(visitor, net, {tracker})


def test_what_the_browser_did_is_what_the_server_says(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """The page and the gate over HTTP make the same decision for every tracker."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    visitor.switch("category-analytics", True)
    visitor.switch("tracker-hotjar", False)
    visitor.switch("tracker-intercom", True)
    visitor.save()
    visitor.asks_exactly({"ga4", "vwo", "intercom"})
    gate = poort.get("/v1/sites/journeys-www/gate", visitor.token)
    assert {name for name, row in gate["trackers"].items() if row["allow"]} == {"ga4", "vwo", "intercom"}


def test_nothing_loads_before_the_record_is_durable(net: Internet, visitor: Visitor) -> None:
    """E1: release `acknowledged` means that the proof is there before the tracker."""
    visitor.open(pages.journeys(net), banner=True)
    with net.fault("slow", path="/v1/sites/journeys-www/consents", seconds=1.0):
        visitor.accept_all()
    visitor.asks_exactly(trackers.IDS)
    (post,) = net.requests(path="/v1/sites/journeys-www/consents")
    first = min(request.at for request in net.requests() if request.tracker)
    assert first - post.at > 1.0


def test_with_immediate_release_the_click_opens(net: Internet, visitor: Visitor) -> None:
    visitor.open(
        pages.shop(net, pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script), key="immediate"), banner=True
    )
    with net.fault("slow", path="/v1/sites/immediate/consents", seconds=1.5):
        visitor.control("accept-all").click()
        visitor.asks_exactly({"hotjar"})
        assert visitor.receipt is None or visitor.receipt["a"] == "accept_all"


def test_the_record_says_what_was_clicked(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """E1, E4, E5: one POST, one row; every category explicit."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    visitor.switch("category-functional", True)
    visitor.switch("tracker-saber", False)
    visitor.save()
    (post,) = net.requests(path="/v1/sites/journeys-www/consents", method="POST")
    sent = json.loads(post.body)
    assert sent["action"] == "custom"
    assert sent["choices"] == {"functional": True, "analytics": False, "marketing": False}
    assert sent["trackers"] == {"saber": False}
    assert sent["language"] == "nl"
    (row,) = poort.records("journeys-www", visitor.token)
    assert row["id"] == sent["id"]


def test_a_later_choice_replaces_the_one_before(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """D7: both stay in the history."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.only_necessary()
    visitor.reopen()
    visitor.switch("category-analytics", True)
    visitor.control("save").click()
    visitor.stored("custom")
    visitor.asks_exactly(trackers.of("analytics"))
    rows = poort.records("journeys-www", visitor.token)
    assert [row["action"] for row in rows] == ["necessary_only", "custom"]


def test_two_sites_in_one_browser_have_two_visitors(net: Internet, visitor: Visitor) -> None:
    """G2: the visitor's id is random and not shared."""
    visitor.open(pages.shop(net), banner=True)
    visitor.only_necessary()
    visitor.open(pages.shop(net, key="other-test"), banner=True)
    visitor.only_necessary()
    ids = {json.loads(post.body)["visitor"] for post in net.requests(method="POST") if post.path.endswith("/consents")}
    assert len(ids) == 2


def test_a_child_is_not_asked_and_nothing_opens(net: Internet, visitor: Visitor) -> None:
    """H1: for an audience of children the visitor alone can not grant."""
    tags = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)
    visitor.open(pages.shop(net, tags, key="children"), banner=False)
    visitor.page.evaluate("window.Poort.acceptAll()")
    visitor.quiet(0.5)
    assert net.trackers() == set()


def test_gpc_keeps_marketing_out_of_a_choice_that_was_made_without_it(net: Internet, new_visitor: NewVisitor) -> None:
    """I4: a receipt from before the signal does not beat it."""
    before = new_visitor()
    before.open(pages.journeys(net), banner=True)
    before.accept_all()
    state = before.context.storage_state()
    before.context.close()
    net.new_visit()
    after = new_visitor(gpc=True, storage_state=state)
    after.open(pages.journeys(net), banner=False)
    after.asks_exactly(trackers.of("functional") | trackers.of("analytics"))


def test_gpc_and_accepting_all_knowingly_opens_all(net: Internet, new_visitor: NewVisitor, poort: Poort) -> None:
    """I3, I4: the visitor's own choice with GPC on is a choice; the receipt says that it was on."""
    visitor = new_visitor(gpc=True)
    visitor.open(pages.journeys(net), banner=True)
    visitor.choose(*(f"category-{name}" for name in trackers.CATEGORIES))
    and_on_the_next_page(visitor, net, trackers.IDS)
    assert visitor.receipt
    assert visitor.receipt["gpc"] is True


def test_gpc_shows_marketing_off_in_the_second_layer(net: Internet, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(gpc=True)
    visitor.open(pages.journeys(net), banner=True)
    visitor.choose("category-functional", "category-analytics")
    visitor.asks_exactly(trackers.of("functional") | trackers.of("analytics"))
    visitor.reopen()
    assert not visitor.control("category-marketing").is_checked()
