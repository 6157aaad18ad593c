"""The second layer: a switch per purpose and per tracker, the facts about each, a Save that means it (C1 to C7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser import pages, trackers
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

NOTHING = {"functional": False, "analytics": False, "marketing": False}


@pytest.fixture
def opened(net: Internet, visitor: Visitor) -> Visitor:
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    return visitor


def sent(net: Internet) -> dict[str, Any]:
    return dict(json.loads(net.requests(path="/v1/sites/journeys-www/consents", method="POST")[-1].body))


@pytest.mark.parametrize("category", trackers.CATEGORIES)
def test_a_switch_changes_exactly_its_own_key(net: Internet, opened: Visitor, category: str) -> None:
    """C1: on, saved; off again is the refusal."""
    opened.switch(f"category-{category}", True)
    opened.save()
    body = sent(net)
    assert body["choices"] == {**NOTHING, category: True}
    assert body["trackers"] == {}
    assert body["action"] == "custom"


@pytest.mark.parametrize("tracker", sorted(trackers.IDS))
def test_every_tracker_has_a_switch_of_its_own(opened: Visitor, tracker: str) -> None:
    """C1: an input with a name, that turns nothing else on."""
    opened.switch(f"tracker-{tracker}", True)
    on = opened.page.locator("[data-poort^='tracker-']:checked")
    assert on.evaluate_all("nodes => nodes.map(node => node.dataset.poort)") == [f"tracker-{tracker}"]


def test_a_category_carries_its_trackers_along(opened: Visitor) -> None:
    """C5: what is shown of a tracker is what will be stored."""
    opened.switch("category-analytics", True)
    for name in trackers.IDS:
        assert opened.control(f"tracker-{name}").is_checked() is (name in trackers.of("analytics"))


def test_necessary_is_shown_locked(opened: Visitor) -> None:
    """C1: shown, on, not to be turned off, explained."""
    box = opened.control("category-necessary")
    assert box.count() == 0 or (box.is_checked() and box.is_disabled())
    assert "Noodzakelijk" in opened.page.locator("body").inner_text()


def test_saving_untouched_refuses_all(net: Internet, opened: Visitor) -> None:
    """C5, B5: never all."""
    opened.save()
    assert sent(net)["action"] == "necessary_only"
    assert sent(net)["choices"] == NOTHING
    opened.asks_exactly(set())


def test_saving_everything_on_is_accepting_all(net: Internet, opened: Visitor) -> None:
    for category in trackers.CATEGORIES:
        opened.switch(f"category-{category}", True)
    opened.save()
    assert sent(net)["action"] == "accept_all"
    opened.asks_exactly(trackers.IDS)


def test_what_was_saved_is_what_was_shown(net: Internet, opened: Visitor) -> None:
    """C5: read the switches, save, compare."""
    opened.switch("category-marketing", True)
    opened.switch("tracker-meta", False)
    opened.switch("tracker-calendly", True)
    shown = {name for name in trackers.IDS if opened.control(f"tracker-{name}").is_checked()}
    opened.save()
    opened.asks_exactly(shown)
    assert shown == (trackers.of("marketing") - {"meta"}) | {"calendly"}


def test_everything_can_be_taken_or_refused_in_one_click_here_too(opened: Visitor) -> None:
    """C7, B1: both, beside each other, in this layer as well."""
    layer = opened.control("save").locator("xpath=ancestor::*[.//*[@data-poort='category-analytics']][1]")
    assert layer.locator("button:visible").count() >= 3
    on = layer.locator("[data-poort='accept-all']:visible")
    off = layer.locator("[data-poort='necessary-only']:visible, [data-poort='withdraw']:visible")
    assert on.count() <= off.count()
    assert off.count() >= 1


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_tracker_is_told_in_full(net: Internet, visitor: Visitor, poort: Poort, language: str) -> None:
    """C2, C3, C6: vendor, purpose, country, every cookie with its life, and a link to the vendor's policy."""
    visitor.open(pages.journeys(net, lang=language), banner=True)
    visitor.preferences()
    visitor.page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    text = " ".join(visitor.page.locator("#poort-banner, [data-poort='panel']").first.inner_text().split())
    for row in poort.config("journeys-www", language)["trackers"]:
        for fact in (row["name"], row["vendor"], row["purpose"], *(cookie["name"] for cookie in row["cookies"])):
            assert " ".join(fact.split()) in text, (row["id"], fact)
        assert visitor.page.locator(f"a[href='{row['policy_url']}']").count() >= 1, row["id"]


def test_a_life_is_told_in_words(opened: Visitor) -> None:
    """C2: nobody reads P13M."""
    opened.page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    text = opened.page.locator("#poort-banner").inner_text()
    assert "2 jaar" in text
    assert "30 minuten" in text
    assert "P2Y" not in text
    assert "PT30M" not in text


def test_a_transfer_outside_the_eea_is_told(opened: Visitor) -> None:
    """C4: for a vendor in the United States, in words; not for one in the Netherlands or Malta."""
    opened.page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    text = opened.page.locator("#poort-banner").inner_text()
    assert "Verenigde Staten" in text
    assert "EER" in text or "Europese Economische Ruimte" in text


def test_saving_tells_a_screen_reader_that_it_worked(opened: Visitor) -> None:
    """N5: 4.1.3, a status message that does not take the focus."""
    opened.save()
    assert opened.page.locator("[role='status'], [aria-live='polite']").count() >= 1


def test_the_link_to_the_policy_works_and_does_not_reopen_the_banner_after_an_answer(
    net: Internet, visitor: Visitor
) -> None:
    """C6."""
    net.page("https://www.klantpad.example/privacy", pages.html("<p>Beleid</p>", head=pages.JOURNEYS_TAG))
    visitor.open(pages.journeys(net), banner=True)
    assert visitor.banner.locator("a[href='https://www.klantpad.example/privacy']").count() == 1
    visitor.only_necessary()
    visitor.open("https://www.klantpad.example/privacy", banner=False)
