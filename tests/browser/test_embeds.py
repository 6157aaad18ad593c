"""Embedded content: a placeholder of the same size, shown once or always, by pointer and by keyboard."""

from __future__ import annotations

import pytest

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

FRAME = trackers.BY_ID["calendly"].frame
STYLE = "<style>.wide { width: 100%; aspect-ratio: 16 / 9; border: 0 } p { margin: 1em 0 }</style>"


def page(net: Internet, path: str = "", lang: str = "nl", frames: int = 1) -> str:
    one = f'<iframe class="wide" title="Afspraak" data-service="calendly" data-src="{FRAME}"></iframe>'
    body = STYLE + "<p>Voor</p>" + one * frames + "<p>Na</p>" + pages.TEXT
    return net.page(pages.JOURNEYS + path, pages.html(body, head=pages.JOURNEYS_TAG, lang=lang))


@pytest.fixture
def refused(net: Internet, visitor: Visitor) -> Visitor:
    """Who said only necessary cookies, and then meets a calendar."""
    visitor.open(pages.journeys(net, "begin"), banner=True)
    visitor.only_necessary()
    visitor.open(page(net), banner=False)
    visitor.control("embed").wait_for(state="visible")
    return visitor


def box(visitor: Visitor, selector: str) -> dict[str, float]:
    found = visitor.page.locator(selector).first.bounding_box()
    assert found is not None
    return {name: round(float(str(value))) for name, value in found.items()}


@pytest.mark.parametrize("width", [360, 1280])
def test_it_has_the_size_of_the_frame_and_says_whose_it_is(net: Internet, new_visitor: NewVisitor, width: int) -> None:
    """C3: the vendor by name; no layout shift, also when the window changes."""
    visitor = new_visitor(width=width)
    visitor.open(page(net), banner=True)
    visitor.control("embed").wait_for(state="visible")
    text = visitor.control("embed").inner_text()
    assert "Calendly" in text
    assert "Eenmalig tonen" in text
    assert "Altijd toestaan" in text
    assert box(visitor, "[data-poort=embed]") == box(visitor, "iframe.wide")
    assert sum(visitor.witness("shifts")) == 0
    visitor.page.set_viewport_size({"width": width - 40, "height": 700})
    visitor.page.wait_for_function(
        "() => { const [a, b] = ['[data-poort=embed]', 'iframe.wide'].map(s => document.querySelector(s)"
        ".getBoundingClientRect()); return Math.abs(a.width - b.width) < 2 && Math.abs(a.top - b.top) < 2; }"
    )
    visitor.asks_exactly(set())


def test_once_means_this_page_only_and_stores_nothing(net: Internet, refused: Visitor, poort: Poort) -> None:
    """Nothing is recorded, the receipt stays, and the next page asks again."""
    token = refused.token
    net.forget()
    refused.control("embed-once").click()
    refused.asks_exactly({"calendly"})
    assert refused.control("embed").count() == 0
    assert refused.token == token
    assert net.requests(method="POST") == []
    net.forget()
    refused.open(page(net, "volgende"), banner=False)
    refused.control("embed").wait_for(state="visible")
    refused.asks_exactly(set())


def test_once_is_for_the_frame_that_was_clicked(net: Internet, visitor: Visitor) -> None:
    """The other one waits on."""
    visitor.open(page(net, frames=2), banner=True)
    visitor.control("embed").nth(1).wait_for(state="visible")
    visitor.control("embed-once").first.click()
    visitor.page.wait_for_function("document.querySelectorAll('[data-poort=embed]').length === 1")
    assert visitor.page.locator("iframe[src]").count() == 1


def test_always_is_a_recorded_choice_for_that_tracker(net: Internet, refused: Visitor, poort: Poort) -> None:
    """E1, A10: the tracker, and no other; the next page shows it at once."""
    before = refused.token
    refused.control("embed-always").click()
    refused.stored("custom", before)
    refused.asks_exactly({"calendly"})
    row = poort.records("journeys-www", refused.token)[-1]
    assert row["trackers"] == {"calendly": True}
    assert row["choices"] == {"functional": False, "analytics": False, "marketing": False}
    net.forget()
    refused.open(page(net, "volgende"), banner=False)
    refused.asks_exactly({"calendly"})


def test_by_keyboard(net: Internet, refused: Visitor) -> None:
    """N1: both are buttons in the order of the page; the frame beneath is not in the way."""
    refused.control("embed-once").focus()
    refused.page.keyboard.press("Tab")
    assert refused.page.evaluate("document.activeElement.dataset.poort") == "embed-always"
    refused.page.keyboard.press("Shift+Tab")
    refused.page.keyboard.press("Enter")
    refused.asks_exactly({"calendly"})
    assert refused.page.evaluate("document.activeElement.tagName") == "IFRAME"


def test_in_the_language_of_the_page(net: Internet, visitor: Visitor) -> None:
    """B12."""
    visitor.open(page(net, lang="en"), banner=True)
    visitor.control("embed").wait_for(state="visible")
    text = visitor.control("embed").inner_text()
    assert "Show once" in text
    assert "Always allow" in text


def test_withdrawing_takes_it_away_again(net: Internet, refused: Visitor) -> None:
    """D4: also what was shown once."""
    refused.control("embed-once").click()
    refused.asks_exactly({"calendly"})
    before = refused.token
    refused.page.evaluate("window.Poort.withdraw()")
    refused.stored("withdraw", before)
    refused.control("embed").wait_for(state="visible")
    assert refused.page.locator("iframe[src]").count() == 0


def test_axe_finds_nothing(refused: Visitor, axe_source: str) -> None:
    """N-section: the placeholder too."""
    refused.page.evaluate(axe_source)
    found = refused.page.evaluate("axe.run('[data-poort=embed]').then(found => found.violations.map(one => one.id))")
    assert found == []
