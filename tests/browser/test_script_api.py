"""`window.Poort`, the events on window and the one event in the dataLayer, as contract.md names them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import pages, trackers
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

METHODS = [
    *("show", "hide", "showPreferences", "acceptAll", "necessaryOnly", "rejectAll", "acceptCategory", "withdraw"),
    *("getConsent", "hasConsent", "mayLoad", "onReady", "onChange"),
]


@pytest.fixture
def asked(net: Internet, visitor: Visitor) -> Visitor:
    return visitor.open(pages.journeys(net), banner=True)


def call(visitor: Visitor, expression: str) -> Any:
    return visitor.page.evaluate(f"window.Poort.{expression}")


def events(visitor: Visitor, name: str) -> list[Any]:
    return [detail for each, detail in visitor.witness("events") if each == name]


def test_every_method_is_there_and_no_other(asked: Visitor) -> None:
    assert sorted(asked.page.evaluate("Object.keys(window.Poort)")) == sorted(METHODS)
    assert asked.page.evaluate("Object.values(window.Poort).every((call) => typeof call === 'function')")


def test_it_leaves_no_other_global_behind(net: Internet, visitor: Visitor) -> None:
    net.page(pages.SHOP + "bare", pages.html(""))
    visitor.page.goto(pages.SHOP + "bare")
    before = set(visitor.page.evaluate("Object.keys(window)"))
    visitor.open(pages.shop(net), banner=True)
    # The queue of Microsoft's tag is there for the default that has to stand in it first (K1).
    assert set(visitor.page.evaluate("Object.keys(window)")) - before <= {"Poort", "dataLayer", "uetq"}


def test_before_a_choice_nothing_is_consented_to(asked: Visitor) -> None:
    for category in trackers.CATEGORIES:
        assert call(asked, f"hasConsent('{category}')") is False
    assert call(asked, "hasConsent('necessary')") is True
    assert call(asked, "mayLoad('hotjar')") is False
    assert call(asked, "mayLoad('nobody')") is False
    assert call(asked, "mayLoad('constructor')") is False


@pytest.mark.parametrize(
    ("expression", "action", "opened"),
    [
        ("acceptAll()", "accept_all", trackers.IDS),
        ("necessaryOnly()", "necessary_only", set()),
        ("rejectAll()", "necessary_only", set()),
        ("acceptCategory('functional')", "custom", trackers.of("functional")),
    ],
)
def test_a_choice_by_code_is_a_choice(
    net: Internet, asked: Visitor, expression: str, action: str, opened: set[str]
) -> None:
    call(asked, expression)
    asked.stored(action)
    asked.banner.wait_for(state="hidden")
    asked.asks_exactly(opened)
    (post,) = net.requests(path="/v1/sites/journeys-www/consents", method="POST")
    assert b'"api"' in post.body
    assert {name for name in trackers.IDS if call(asked, f"mayLoad('{name}')")} == opened
    for category in trackers.CATEGORIES:
        assert call(asked, f"hasConsent('{category}')") is (trackers.of(category) <= opened)


def test_accepting_a_category_keeps_what_was_granted(asked: Visitor) -> None:
    call(asked, "acceptCategory('functional')")
    asked.stored("custom")
    call(asked, "acceptCategory('analytics')")
    assert wait_until(lambda: asked.receipt and set(asked.receipt["c"]) == {"functional", "analytics"})


def test_withdrawing_by_code(net: Internet, asked: Visitor) -> None:
    asked.accept_all()
    asked.asks_exactly(trackers.IDS)
    call(asked, "withdraw()")
    asked.stored("withdraw")
    assert asked.left_behind() == set()
    assert call(asked, "hasConsent('analytics')") is False
    assert len(events(asked, "withdrawn")) == 1


def test_show_hide_and_preferences(asked: Visitor) -> None:
    call(asked, "hide()")
    asked.banner.wait_for(state="hidden")
    call(asked, "show()")
    asked.banner.wait_for(state="visible")
    assert asked.control("accept-all").is_visible()
    call(asked, "showPreferences()")
    asked.control("save").wait_for(state="visible")


def test_the_events_come_in_order_with_the_state(asked: Visitor) -> None:
    asked.accept_all()
    asked.withdraw()
    names = [name for name, _ in asked.witness("events")]
    assert names[:2] in (["ready", "shown"], ["shown", "ready"])
    assert names.count("ready") == 1
    assert names.index("change") < names.index("withdrawn")
    assert all(isinstance(detail, dict) and detail for _, detail in asked.witness("events"))


def test_the_detail_of_an_event_is_the_state(asked: Visitor) -> None:
    asked.choose("category-analytics")
    wait_until(lambda: events(asked, "change"))
    assert events(asked, "change")[-1] == call(asked, "getConsent()")


def test_ready_is_called_at_once_for_who_comes_late(asked: Visitor) -> None:
    assert asked.page.evaluate("new Promise(done => window.Poort.onReady(state => done(typeof state)))") == "object"


def test_on_change_is_called_once_for_every_choice(asked: Visitor) -> None:
    """One decision is one change, though its grant waits for the receipt."""
    asked.page.evaluate("window.changes = []; window.Poort.onChange(state => window.changes.push(state.categories))")
    asked.choose("category-analytics")
    asked.quiet()
    asked.reopen()
    asked.switch("category-marketing", True)
    asked.save()
    asked.quiet()
    told = asked.page.evaluate("window.changes.map(each => [each.analytics, each.marketing])")
    assert told == [[True, False], [True, True]]


def test_a_listener_that_throws_breaks_nothing(net: Internet, asked: Visitor) -> None:
    asked.page.evaluate("window.Poort.onChange(() => { throw new Error('theirs'); })")
    asked.accept_all()
    asked.asks_exactly(trackers.IDS)


def pushed(visitor: Visitor) -> list[dict[str, Any]]:
    rows = visitor.page.evaluate("(window.dataLayer || []).filter(row => row && row.event === 'poort_consent')")
    return list(rows)


def test_one_data_layer_event_per_choice(asked: Visitor) -> None:
    """Nothing of the visitor in it: no id, no receipt."""
    asked.choose("category-analytics")
    assert wait_until(lambda: len(pushed(asked)) >= 1)
    asked.quiet()
    rows = pushed(asked)
    assert len(rows) <= 2
    assert asked.receipt
    assert str(asked.receipt["p"]) not in str(rows)
    assert str(asked.token) not in str(rows)


def test_the_data_layer_hears_the_stored_choice_on_the_next_page(net: Internet, asked: Visitor) -> None:
    asked.accept_all()
    asked.open(pages.journeys(net, "prijzen"), banner=False)
    assert wait_until(lambda: len(pushed(asked)) == 1)
