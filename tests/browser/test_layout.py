"""Sizes, zoom, reflow, motion, and a page that does not move (N4, N6, N7)."""

from __future__ import annotations

import pytest

from tests.browser import pages
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.measure import SEEN, contrast, in_window, look, overflow, reachable
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

FIRST = ("accept-all", "necessary-only", "preferences")
SECOND = ("category-functional", "category-analytics", "category-marketing", "tracker-hotjar", "save")


def settings(visitor: Visitor) -> None:
    visitor.preferences()
    visitor.page.evaluate("document.querySelectorAll('#poort-banner details').forEach(node => { node.open = true; })")


@pytest.mark.parametrize("width", [320, 1280])
def test_targets_are_large_enough(net: Internet, new_visitor: NewVisitor, width: int) -> None:
    """N4, WCAG 2.5.8: 24 by 24 CSS pixels; a switch counts with its label."""
    visitor = new_visitor(width=width)
    visitor.open(pages.journeys(net), banner=True)
    for name in FIRST:
        assert min(look(visitor.control(name))["width"], look(visitor.control(name))["height"]) >= 24, name
    settings(visitor)
    targets = visitor.page.locator("#poort-banner :is(button, input, summary):visible")
    for index in range(targets.count()):
        size = targets.nth(index).evaluate(
            """node => {
            const own = node.getBoundingClientRect(), box = (node.closest("label") || node).getBoundingClientRect();
            return [Math.max(box.width, own.width), Math.max(box.height, own.height), node.outerHTML.slice(0, 80)]; }"""
        )
        assert min(size[0], size[1]) >= 24, size


def test_the_reopen_control_is_large_enough(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.journeys(net), banner=True)
    visitor.only_necessary()
    box = look(visitor.control("reopen"))
    assert min(box["width"], box["height"]) >= 24
    assert in_window(visitor.page, visitor.control("reopen"))


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(320, 568, 1), (640, 400, 2), (320, 256, 4)],
    ids=["320 px", "zoom 200 %", "zoom 400 %"],
)
def test_it_reflows(
    net: Internet, new_visitor: NewVisitor, width: int, height: int, scale: int, direction: str
) -> None:
    """N6, WCAG 1.4.4, 1.4.10: no sideways scrolling, everything can be reached; right to left too."""
    visitor = new_visitor(width=width, height=height, device_scale_factor=scale)
    visitor.open(pages.shop(net, attributes=f'dir="{direction}"'), banner=True)
    assert overflow(visitor.page) == 0
    for name in FIRST:
        assert reachable(visitor.control(name)), name
    settings(visitor)
    assert overflow(visitor.page) == 0
    for name in SECOND:
        assert reachable(visitor.control(name)), name


def test_text_of_double_size_fits(net: Internet, new_visitor: NewVisitor) -> None:
    """N6, WCAG 1.4.4: the reader's own larger font."""
    visitor = new_visitor(width=375, height=667)
    visitor.open(pages.shop(net, head="<style>html { font-size: 200% }</style>"), banner=True)
    assert overflow(visitor.page) == 0
    for name in FIRST:
        assert reachable(visitor.control(name)), name


SPACED = """
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-bottom: 2em !important; }
"""


def test_text_spacing_of_the_readers_own_loses_nothing(net: Internet, new_visitor: NewVisitor) -> None:
    """N6, WCAG 1.4.12."""
    visitor = new_visitor(width=375, height=667)
    visitor.open(pages.shop(net, head=f"<style>{SPACED}</style>"), banner=True)
    assert overflow(visitor.page) == 0
    cut = visitor.banner.locator("button").evaluate_all(
        "nodes => nodes.filter(n => n.scrollWidth > n.clientWidth + 1 || n.scrollHeight > n.clientHeight + 1).length"
    )
    assert cut == 0
    for name in FIRST:
        assert reachable(visitor.control(name)), name


def test_with_reduced_motion_nothing_moves(net: Internet, new_visitor: NewVisitor) -> None:
    """N7, prefers-reduced-motion."""
    visitor = new_visitor(reduced_motion=True)
    visitor.open(pages.shop(net), banner=True)
    visitor.preferences()
    moving = visitor.page.evaluate(
        """() => [...document.querySelectorAll("#poort-banner, #poort-banner *, [data-poort]")].filter(node => {
        const style = getComputedStyle(node), zero = text => text.split(",").every(part => parseFloat(part) < 0.02);
        return !zero(style.transitionDuration) || (style.animationName !== "none" && !zero(style.animationDuration));
        }).length"""
    )
    assert moving == 0
    assert visitor.page.evaluate("document.getAnimations().length") == 0


def test_the_page_does_not_move(net: Internet, visitor: Visitor) -> None:
    """No layout shift at all: when the banner appears, is answered, is opened again and closed."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.preferences()
    visitor.switch("category-functional", False)
    visitor.page.keyboard.press("Escape")
    visitor.only_necessary() if visitor.control("necessary-only").is_visible() else visitor.page.reload()
    visitor.quiet()
    assert visitor.witness("shifts") == []


def test_the_page_is_laid_out_the_same_with_the_banner(net: Internet, new_visitor: NewVisitor) -> None:
    """The last link of the page can be read with the banner open: it may add room below, and moves nothing above."""
    visitor = new_visitor()
    visitor.open(pages.shop(net), banner=True)
    with_banner = visitor.page.locator("main p").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().top)"
    )
    visitor.only_necessary()
    without = visitor.page.locator("main p").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().top)"
    )
    assert with_banner == without


@pytest.mark.parametrize("width", [375, 1280])
def test_the_end_of_the_page_can_be_read_behind_the_banner(net: Internet, new_visitor: NewVisitor, width: int) -> None:
    """B9, B15: scrolled to the end, the last link is not under the banner."""
    visitor = new_visitor(width=width)
    visitor.open(pages.shop(net, head=pages.COLUMN), banner=True)
    visitor.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = visitor.page.get_by_role("link", name="Verder lezen 23")
    assert last.evaluate(SEEN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_have_contrast(net: Internet, new_visitor: NewVisitor, scheme: str) -> None:
    """N1: whatever scheme the banner follows, the two answers stay readable and equal."""
    visitor = new_visitor(color_scheme=scheme)
    visitor.open(pages.shop(net), banner=True)
    for name in FIRST:
        box = look(visitor.control(name))
        assert contrast(box["text"], box["background"]) >= 4.5, name


def test_in_forced_colours_the_switches_show_their_state(net: Internet, new_visitor: NewVisitor) -> None:
    """N7, 1.4.1, 1.4.11: high-contrast mode drops backgrounds; on and off must differ without them."""
    visitor = new_visitor(forced_colors="active")
    visitor.open(pages.shop(net), banner=True)
    visitor.preferences()
    box = visitor.control("category-analytics")
    box.scroll_into_view_if_needed()
    off = box.screenshot()
    visitor.switch("category-analytics", True)
    visitor.page.mouse.move(5, 5)
    assert box.screenshot() != off


def test_a_page_without_margins_does_not_move_either(net: Internet, new_visitor: NewVisitor) -> None:
    """The margin of anything of ours that stands in the flow would show only on such a page."""
    visitor = new_visitor()
    visitor.open(pages.shop(net, head="<style>body, h1 { margin: 0 }</style>"), banner=True)
    assert visitor.page.evaluate("document.querySelector('main').getBoundingClientRect().top") == 0
    visitor.only_necessary()
    assert visitor.page.evaluate("document.querySelector('main').getBoundingClientRect().top") == 0
