"""The first layer: who asks, for what, and two equal answers (B1 to B15)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser import pages
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.measure import contrast, in_window, look
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

SIZES = [(320, 568), (375, 667), (768, 1024), (1280, 800), (1920, 1080)]
# B11: wording that promises a benefit, threatens a loss or shames the visitor.
PUSHING = [
    "optimal",
    "beste ervaring",
    "best experience",
    "helaas",
    "jammer",
    "sorry",
    "nee, ik wil",
    "no, i",
    "mis ",
    "❤",
    "😢",
    "🍪",
]


@pytest.fixture
def asked(net: Internet, visitor: Visitor) -> Visitor:
    return visitor.open(pages.journeys(net), banner=True)


def test_refusing_is_beside_accepting_in_the_same_form(asked: Visitor) -> None:
    """B1, B3: a real button, the same element, the same parent."""
    same = """node => { const other = document.querySelector('[data-poort="accept-all"]');
        return [node.tagName, node.type, other.tagName, other.type, node.parentElement === other.parentElement]; }"""
    assert asked.control("necessary-only").evaluate(same) == ["BUTTON", "button", "BUTTON", "button", True]
    assert asked.banner.locator("#poort-accept-all, #poort-reject-all").count() == 2


@pytest.mark.parametrize("answer", ["accept-all", "necessary-only"])
def test_each_answer_takes_one_click(asked: Visitor, answer: str) -> None:
    """B2."""
    asked.control(answer).click()
    asked.banner.wait_for(state="hidden")
    asked.stored({"accept-all": "accept_all", "necessary-only": "necessary_only"}[answer])


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}px")
@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_two_answers_are_equally_prominent(
    net: Internet, new_visitor: NewVisitor, size: tuple[int, int], language: str
) -> None:
    """B4: size, font, padding, contrast, both in the window without scrolling."""
    visitor = new_visitor(width=size[0], height=size[1])
    visitor.open(pages.journeys(net, lang=language), banner=True)
    accept, refuse = look(visitor.control("accept-all")), look(visitor.control("necessary-only"))
    assert abs(accept["width"] - refuse["width"]) <= 2
    assert abs(accept["height"] - refuse["height"]) <= 2
    assert accept["font"] == refuse["font"]
    texts = [contrast(button["text"], button["background"]) for button in (accept, refuse)]
    assert min(texts) >= 4.5
    edges = [contrast(button["background"], button["behind"]) for button in (accept, refuse)]
    assert max(edges) <= 1.2 * min(edges)
    assert in_window(visitor.page, visitor.control("accept-all"))
    assert in_window(visitor.page, visitor.control("necessary-only"))


def test_nothing_is_switched_on_beforehand(asked: Visitor) -> None:
    """B5: no input but the necessary one is on, in either layer."""
    assert asked.banner.locator("input:checked:not(:disabled)").count() == 0
    asked.preferences()
    on = asked.page.locator(
        "[data-poort^='category-']:checked, [data-poort^='tracker-']:checked, [aria-checked='true']"
    )
    assert set(on.evaluate_all("nodes => nodes.map(node => node.dataset.poort)")) <= {"category-necessary"}


@pytest.mark.parametrize("language", ["nl", "en"])
def test_it_says_who_asks_and_every_purpose(net: Internet, visitor: Visitor, poort: Poort, language: str) -> None:
    """B6."""
    visitor.open(pages.journeys(net, lang=language), banner=True)
    text = " ".join(visitor.banner.inner_text().split())
    shown = poort.config("journeys-www", language)
    assert shown["controller"]["name"] in text
    for category in shown["categories"]:
        if category["asked"]:
            assert " ".join(category["purpose"].split()) in text


@pytest.mark.parametrize(("language", "word"), [("nl", "intrekken"), ("en", "withdraw")])
def test_it_says_that_consent_can_be_withdrawn(net: Internet, visitor: Visitor, language: str, word: str) -> None:
    """B7: and where; in the words of the page."""
    visitor.open(pages.journeys(net, lang=language), banner=True)
    text = visitor.banner.inner_text().lower()
    assert any(
        each in text
        for each in (word, "van gedachten", "change your mind", "wijzigen", "aanpassen", "change your choice")
    )


def test_choosing_for_oneself_is_offered_on_the_same_layer(asked: Visitor) -> None:
    """B8."""
    assert asked.control("preferences").is_visible()
    asked.preferences()
    assert asked.control("category-analytics").count() == 1


def test_it_is_no_wall(asked: Visitor) -> None:
    """B9, B15: not modal, no backdrop, the page scrolls and its links work behind it."""
    assert asked.banner.get_attribute("aria-modal") != "true"
    assert (
        asked.page.evaluate(
            "getComputedStyle(document.documentElement).overflow + getComputedStyle(document.body).overflow"
        )
        == "visiblevisible"
    )
    asked.page.get_by_role("link", name="Verder lezen 0", exact=True).click(trial=True)
    asked.page.mouse.wheel(0, 600)
    asked.page.wait_for_function("scrollY > 300")


def test_the_refused_page_is_the_accepted_page(net: Internet, new_visitor: NewVisitor) -> None:
    """B9: the same words to read, whatever was answered."""
    texts = []
    for answer in ("accept-all", "necessary-only"):
        visitor = new_visitor()
        visitor.open(pages.shop(net), banner=True)
        visitor.control(answer).click()
        visitor.stored()
        texts.append(visitor.page.locator("main").inner_text())
    assert texts[0] == texts[1]


def press_escape(visitor: Visitor) -> None:
    visitor.page.keyboard.press("Escape")


def press_escape_inside(visitor: Visitor) -> None:
    visitor.control("accept-all").focus()
    visitor.page.keyboard.press("Escape")


def scroll_down(visitor: Visitor) -> None:
    visitor.page.mouse.wheel(0, 5000)


def click_outside(visitor: Visitor) -> None:
    visitor.page.mouse.click(30, 30)


def look_and_leave(visitor: Visitor) -> None:
    visitor.preferences()
    visitor.page.keyboard.press("Escape")


def switch_without_saving(visitor: Visitor) -> None:
    visitor.preferences()
    visitor.switch("category-marketing", True)
    visitor.page.keyboard.press("Escape")


def hide_by_code(visitor: Visitor) -> None:
    visitor.page.evaluate("window.Poort.hide()")


WAYS = [
    press_escape,
    press_escape_inside,
    scroll_down,
    click_outside,
    look_and_leave,
    switch_without_saving,
    hide_by_code,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_nothing_but_an_answer_grants(net: Internet, asked: Visitor, way: Callable[[Visitor], None]) -> None:
    """B10: and the next page asks again, because there was no answer."""
    way(asked)
    asked.quiet()
    assert net.trackers() == set()
    assert net.requests(path="/v1/sites/journeys-www/consents") == []
    assert asked.left_behind() == set()
    assert asked.token is None
    asked.open(pages.journeys(net, "verder"), banner=True)


@pytest.mark.parametrize(
    ("language", "accept", "refuse", "own"),
    [
        ("nl", {"Alle cookies toestaan"}, {"Alleen noodzakelijke cookies"}, "Zelf instellen"),
        (
            "en",
            {"Accept all", "Allow all cookies", "Accept all cookies"},
            {"Only necessary cookies", "Reject all"},
            None,
        ),
    ],
)
def test_the_labels_are_plain(
    net: Internet, visitor: Visitor, language: str, accept: set[str], refuse: set[str], own: str | None
) -> None:
    """B11."""
    visitor.open(pages.journeys(net, lang=language), banner=True)
    assert visitor.control("accept-all").inner_text().strip() in accept
    assert visitor.control("necessary-only").inner_text().strip() in refuse
    assert own in (None, visitor.control("preferences").inner_text().strip())


@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_pushes(net: Internet, visitor: Visitor, language: str) -> None:
    """B11, B13, B14: no guilt, no benefit, no offer, no second accept button, no other matter to agree to."""
    visitor.open(pages.journeys(net, lang=language), banner=True)
    text = visitor.banner.inner_text().lower()
    assert [word for word in PUSHING if word in text] == []
    assert visitor.control("accept-all").count() <= visitor.control("necessary-only").count()
    visible = visitor.banner.locator("input:visible, form:visible, iframe, img, video")
    assert visible.count() == 0
    hosts = visitor.banner.locator("a").evaluate_all("nodes => nodes.map(node => node.host)")
    assert set(hosts) <= {"www.klantpad.example", "consent.klantpad.example"}


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("nl", "nl"), ("en", "en"), ("en-GB", "en"), ("nl-BE", "nl"), ("de", "nl"), ("", "nl"), ("EN", "en")],
)
def test_the_banner_speaks_the_language_of_the_page(
    net: Internet, visitor: Visitor, poort: Poort, lang: str, expected: str
) -> None:
    """B12: whole, in the first and the second layer; a language that the site does not have is its default."""
    visitor.open(pages.journeys(net, lang=lang), banner=True)
    shown = poort.config("journeys-www", expected)
    assert visitor.language == expected
    assert visitor.control("accept-all").inner_text().strip() == shown["texts"]["accept_all"]
    visitor.preferences()
    text = visitor.page.locator("body").inner_text()
    for category in shown["categories"]:
        assert category["name"] in text


@pytest.mark.parametrize("locale", ["en-US", "nl-NL"])
def test_the_page_decides_the_language_and_not_the_browser(net: Internet, new_visitor: NewVisitor, locale: str) -> None:
    """B12."""
    visitor = new_visitor(locale=locale)
    visitor.open(pages.journeys(net, lang="en"), banner=True)
    assert visitor.language == "en"


def test_the_banner_is_ordinary_dom_that_tools_can_find(asked: Visitor) -> None:
    """contract.md: for auditors, opt-out tools and assistive technology; no shadow root, no duplicates, no disguise."""
    banner = asked.page.locator("#poort-banner")
    assert banner.count() == 1
    assert banner.get_attribute("role") == "dialog"
    assert banner.evaluate("node => getComputedStyle(node).position") == "fixed"
    for name in ("accept-all", "necessary-only", "preferences"):
        assert asked.control(name).count() == 1
    assert asked.page.get_by_role("button", name="Alleen noodzakelijke cookies").count() == 1


HOSTILE = {
    "reset": "* { all: revert; margin: 0; padding: 0; font: inherit; }",
    "elements": """
        button { all: unset; font-size: 7px; width: 100%; position: absolute; left: -999px; text-transform: uppercase; }
        div, p, h2 { display: inline; float: left; font-size: 40px; color: pink; letter-spacing: 1em; }
        div, section { transform: rotate(3deg); } ul, li { columns: 4; list-style: square; } a { color: #eee; }
        input { display: none; } label { visibility: hidden; }""",
    "roles": """
        [role=dialog] { display: none; } [id] { opacity: 0; } body > :last-child { position: static; height: 0; }""",
    "important": """
        button { background: #ff0 !important; color: #ff8 !important; padding: 0 !important; }
        button { font-size: 6px !important; } h2, p { color: #fff !important; }
        input { appearance: none !important; opacity: 0 !important; }""",
    "root": """
        html { font-size: 4px; }
        body { direction: rtl; zoom: 1; line-height: 4; white-space: nowrap; text-align: right; }""",
}


@pytest.mark.parametrize("sheet", HOSTILE)
@pytest.mark.parametrize("width", [1280, 320])
def test_the_sites_own_style_sheets_do_not_break_it(
    net: Internet, new_visitor: NewVisitor, sheet: str, width: int
) -> None:
    """B4, N1: still readable, equal and in the window, whatever the theme says of buttons."""
    visitor = new_visitor(width=width)
    visitor.open(pages.shop(net, head=f"<style>{HOSTILE[sheet]}</style>"), banner=True)
    accept, refuse = look(visitor.control("accept-all")), look(visitor.control("necessary-only"))
    assert accept["font"] == refuse["font"]
    assert abs(accept["width"] - refuse["width"]) <= 2
    for button, name in ((accept, "accept-all"), (refuse, "necessary-only")):
        assert button["height"] >= 24
        assert float(button["font"].split("px")[0]) >= 12
        assert contrast(button["text"], button["background"]) >= 4.5
        assert in_window(visitor.page, visitor.control(name))
    visitor.choose("category-analytics")
    assert visitor.receipt
    assert visitor.receipt["c"] == ["analytics"]
