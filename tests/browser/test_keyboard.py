"""By keyboard alone: everything reachable, focus seen and returned, nothing trapped (N2, N3)."""

from __future__ import annotations

import pytest

from tests.browser import pages
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.measure import SEEN
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

HERE = "(node => node && (node.dataset.poort || node.id || node.tagName))(document.activeElement)"
# How the focus shows: an outline or a shadow of at least 2 px that the same element does not have without focus.
RING = """node => {
  const style = getComputedStyle(node);
  const ring = () => [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow].join(" ");
  const focused = ring(), width = parseFloat(style.outlineWidth), shown = style.outlineStyle !== "none";
  node.blur();
  const changed = focused !== ring();
  node.focus();
  return changed && ((shown && width >= 2) || style.boxShadow !== "none");
}"""


@pytest.fixture
def asked(net: Internet, visitor: Visitor) -> Visitor:
    return visitor.open(pages.journeys(net), banner=True)


def here(visitor: Visitor) -> str:
    return str(visitor.page.evaluate(HERE))


def walk(visitor: Visitor, steps: int, key: str = "Tab") -> list[str]:
    """What has the focus after each press."""
    found = []
    for _ in range(steps):
        visitor.page.keyboard.press(key)
        found.append(here(visitor))
    return found


def tab_to(visitor: Visitor, name: str, most: int = 120) -> None:
    for _ in range(most):
        if here(visitor) == name:
            return
        visitor.page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by Tab")


def test_opening_the_page_does_not_take_the_focus(asked: Visitor) -> None:
    """B15: a dialog beside the page; who reads or types goes on."""
    assert here(asked) in ("BODY", "poort-banner", "banner")


@pytest.mark.parametrize(
    ("name", "key"), [("accept-all", "Enter"), ("necessary-only", "Enter"), ("necessary-only", "Space")]
)
def test_each_answer_by_keyboard(asked: Visitor, name: str, key: str) -> None:
    """2.1.1."""
    tab_to(asked, name)
    asked.page.keyboard.press(key)
    asked.banner.wait_for(state="hidden")
    asked.stored()


def test_a_whole_choice_of_ones_own_by_keyboard(net: Internet, asked: Visitor) -> None:
    """2.1.1: open, switch, save."""
    tab_to(asked, "preferences")
    asked.page.keyboard.press("Enter")
    asked.control("save").wait_for()
    tab_to(asked, "category-analytics")
    asked.page.keyboard.press("Space")
    assert asked.control("category-analytics").is_checked()
    tab_to(asked, "save")
    asked.page.keyboard.press("Enter")
    asked.stored("custom")
    asked.asks_exactly({"ga4", "hotjar", "vwo"})


def test_the_focus_order_follows_the_reading_order(asked: Visitor) -> None:
    """2.4.3: both answers are met, next to each other, in the order in which they stand."""
    tab_to(asked, "accept-all") if here_comes_first(asked, "accept-all") else tab_to(asked, "necessary-only")
    first = here(asked)
    asked.page.keyboard.press("Tab")
    assert {first, here(asked)} == {"accept-all", "necessary-only"}


def here_comes_first(visitor: Visitor, name: str) -> bool:
    order = visitor.banner.locator("button").evaluate_all("nodes => nodes.map(node => node.dataset.poort)")
    answers = [each for each in order if each in ("accept-all", "necessary-only")]
    return bool(answers[0] == name)


def test_there_is_no_trap(asked: Visitor) -> None:
    """2.1.2: from the banner, Tab and Shift+Tab lead back to the page."""
    tab_to(asked, "accept-all")
    assert set(walk(asked, 60)) & {"A", "BODY"}
    tab_to(asked, "accept-all")
    assert set(walk(asked, 60, "Shift+Tab")) & {"A", "BODY"}


@pytest.mark.parametrize("name", ["accept-all", "necessary-only", "preferences"])
def test_focus_shows_on_the_first_layer(asked: Visitor, name: str) -> None:
    """2.4.7."""
    tab_to(asked, name)
    assert asked.control(name).evaluate(RING)


@pytest.mark.parametrize("name", ["category-analytics", "save", "withdraw"])
def test_focus_shows_on_the_second_layer(asked: Visitor, name: str) -> None:
    """2.4.7: on the switches too."""
    asked.only_necessary()
    asked.reopen()
    tab_to(asked, name)
    ring = asked.control(name).evaluate(RING)
    if not ring and name.startswith("category"):
        ring = asked.control(name).evaluate(
            "node => [node.parentElement, node.nextElementSibling].filter(Boolean).some(each =>"
            " parseFloat(getComputedStyle(each).outlineWidth) >= 2 && getComputedStyle(each).outlineStyle !== 'none')"
        )
    assert ring


def test_the_second_layer_takes_the_focus_when_it_opens(asked: Visitor) -> None:
    """2.4.3: into the dialog, not left on a button that is gone."""
    asked.preferences()
    assert asked.page.evaluate("!!document.activeElement.closest('#poort-banner')")


def test_escape_from_the_second_layer_returns_the_focus_to_where_it_came_from(asked: Visitor) -> None:
    """2.4.3, B10."""
    asked.only_necessary()
    asked.control("reopen").focus()
    asked.page.keyboard.press("Enter")
    asked.control("save").wait_for()
    asked.page.keyboard.press("Escape")
    asked.control("save").wait_for(state="hidden")
    assert here(asked) == "reopen"


def test_saving_returns_the_focus_to_where_it_came_from(asked: Visitor) -> None:
    asked.only_necessary()
    asked.control("reopen").focus()
    asked.page.keyboard.press("Enter")
    asked.control("save").wait_for()
    tab_to(asked, "save")
    asked.page.keyboard.press("Enter")
    asked.control("save").wait_for(state="hidden")
    assert here(asked) == "reopen"


def test_after_an_answer_the_focus_is_not_lost(asked: Visitor) -> None:
    """2.4.3: not on the body at the top by way of a removed button: on the page or on the control to reopen."""
    tab_to(asked, "necessary-only")
    asked.page.keyboard.press("Enter")
    asked.stored()
    assert here(asked) in ("reopen", "A", "MAIN", "H1")


def test_a_link_that_had_the_focus_has_it_again(asked: Visitor) -> None:
    """2.4.3: the page's own opener, by window.Poort.showPreferences()."""
    asked.only_necessary()
    asked.page.evaluate(
        """() => {
        const opener = document.createElement("button");
        opener.id = opener.textContent = "cookies";
        opener.onclick = () => window.Poort.showPreferences(); document.querySelector("h1").after(opener);
        }"""
    )
    asked.page.locator("#cookies").focus()
    asked.page.keyboard.press("Enter")
    asked.control("save").wait_for()
    asked.page.keyboard.press("Escape")
    assert here(asked) == "cookies"


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (320, 568)])
def test_what_has_the_focus_is_never_wholly_under_the_banner(
    net: Internet, new_visitor: NewVisitor, width: int, height: int
) -> None:
    """N3, WCAG 2.4.11: every link of a long page, with the banner open, forwards and back."""
    visitor = new_visitor(width=width, height=height)
    visitor.open(pages.shop(net, head=pages.COLUMN), banner=True)
    visitor.page.locator("main a").first.focus()
    hidden = []
    for key in ["Tab"] * 22 + ["Shift+Tab"] * 22:
        if not visitor.page.evaluate(f"({SEEN})(document.activeElement)"):
            hidden.append(visitor.page.evaluate("document.activeElement.textContent"))
        visitor.page.keyboard.press(key)
    assert hidden == []


def test_the_reopen_control_never_wholly_hides_what_has_the_focus(net: Internet, visitor: Visitor) -> None:
    """N3."""
    visitor.open(pages.shop(net), banner=True)
    visitor.only_necessary()
    for _ in range(24):
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate(f"({SEEN})(document.activeElement)")
