"""The cookie declaration in a browser: at Poort's own address, and in a site's page by one tag."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort, definitions
from tests.browser.test_axe import faults
from tests.browser.test_csp import TRUSTED
from tests.browser.visitor import Visitor

KEY = "shop-test"
HOME = sites.home(KEY)
HOTJAR = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)


HOSTILE = '"><img src=x onerror=hacked=1><script>hacked=1</script>${hacked=1}'


def tag(key: str = KEY, origin: str = "", **data: str) -> str:
    """What `flask site snippet KEY --declaration` prints, with attributes."""
    more = "".join(f' data-{name.replace("_", "-")}="{value}"' for name, value in data.items())
    host = origin or f"https://consent.{key}.example"
    return f'<script async src="{host}/banner/v1/declaration.js" data-site="{key}"{more}></script>'


def consent_host(key: str) -> str:
    return str(definitions()[key]["origins"][0]).replace("www.", "consent.")


def data(poort: Poort, key: str, language: str) -> dict[str, Any]:
    path = f"/v1/sites/{key}/declaration?lang={language}"
    return dict(poort.call("GET", path, headers={"Accept": "application/json"}).json())


def strings(value: Any) -> list[str]:
    """Every text in a part of the JSON's page."""
    if isinstance(value, dict):
        return [text for name, each in value.items() if name not in ("id", "lang", "href") for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) and value else []


def embedded(visitor: Visitor) -> Locator:
    root = visitor.page.locator(".poort-declaration")
    root.wait_for()
    return root


def line(visitor: Visitor, name: str) -> Locator:
    """What is said of the visitor's choice about a tracker, or about a category: `analytics/`."""
    return visitor.page.locator(f'[data-choice="{name}"]')


# The facts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "width"), [("nl", 360), ("en", 320)])
def test_every_word_of_the_data_is_in_both_pages_which_axe_and_a_narrow_window_find_fine(
    net: Internet, poort: Poort, new_visitor: NewVisitor, axe_source: str, language: str, width: int
) -> None:
    """C2, N1, N4: and neither has to be scrolled sideways."""
    found = data(poort, "journeys-www", language)["page"]
    texts = strings([found["title"], found["version"], found["notes"], found["sections"]])
    own = f"{consent_host('journeys-www')}/v1/sites/journeys-www/declaration?lang={language}"
    body = tag("journeys-www", consent_host("journeys-www"))
    site = net.page(pages.JOURNEYS + "cookies", pages.html(body, lang=language))
    visitor = new_visitor(width=width)
    for address, root in ((own, "#declaration"), (site, ".poort-declaration")):
        visitor.open(address)
        visitor.page.locator(root).wait_for()
        said = " ".join(str(visitor.page.locator(root).text_content()).split())
        assert len(texts) > 150
        assert [text for text in texts if text not in said] == []
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visitor.page.locator(root).get_attribute("lang") == language
        assert faults(visitor, axe_source) == []


def test_a_table_stays_a_table_where_its_cells_stack(net: Internet, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(width=360)
    visitor.open(net.page(f"{HOME}cookies", pages.html(tag())))
    table = embedded(visitor).get_by_role("table", name="Wat Hotjar bewaart")
    assert table.get_by_role("rowheader", name="_hjSession_*", exact=True).count() == 1
    assert table.get_by_role("columnheader").all_text_contents() == ["Naam", "Soort", "Bewaard"]


def test_the_headings_nest_where_the_page_wants_them(net: Internet, visitor: Visitor) -> None:
    visitor.open(net.page(f"{HOME}cookies", pages.html(tag(heading_level="3") + tag(lang="en"), lang="nl")))
    wait_until(lambda: visitor.page.locator(".poort-declaration").count() == 2)
    for language, level in (("nl", 3), ("en", 2)):
        root = visitor.page.locator(f'.poort-declaration[lang="{language}"]')
        for deeper in range(3):
            assert root.locator(f"h{level + deeper}").count() > 0
        assert root.locator(f"h{level}").count() == 1
        assert root.locator("h1").count() == 0


def test_hostile_words_are_inert_under_the_strictest_policy(
    net: Internet, poort: Poort, visitor: Visitor, axe_source: str
) -> None:
    """Threat 3: with Trusted Types and no style of the page's own, and not one violation."""
    own = {**sites.OWN_STATS, "name": HOSTILE[:60], "vendor": HOSTILE[:60], "purpose": {"nl": HOSTILE, "en": HOSTILE}}
    controller = {**sites.SHOP["controller"], "name": HOSTILE}
    poort.publish(sites.site("hostile", controller=controller, trackers=[own], origins=[HOME[:-1]], cookie_domain=None))
    policy = TRUSTED.replace("style-src 'self'", "style-src 'none'")
    body = tag("hostile", "https://consent.shop-test.example")
    visitor.open(net.page(f"{HOME}cookies", pages.html(body), headers={"Content-Security-Policy": policy}))
    root = embedded(visitor)
    assert HOSTILE in str(root.text_content())
    assert root.locator("img, script").count() == 0
    assert visitor.page.evaluate("typeof hacked") == "undefined"
    assert visitor.witness("violations") == []
    assert root.locator("table").first.evaluate("node => getComputedStyle(node).borderCollapse") == "collapse"
    visitor.open("https://consent.shop-test.example/v1/sites/hostile/declaration#receipt=<img src=x onerror=hacked=1>")
    assert visitor.page.locator("#declaration img").count() == 0
    assert visitor.page.evaluate("typeof hacked") == "undefined"
    assert visitor.witness("violations") == []


def test_where_poort_is_away_a_link_stands_in_its_place(net: Internet, visitor: Visitor) -> None:
    with net.fault("down", path="/v1/"):
        visitor.open(net.page(f"{HOME}cookies", pages.html(tag(), lang="en")))
        link = visitor.page.get_by_role("link", name="Cookie declaration")
        link.wait_for()
    assert link.get_attribute("href") == "https://consent.shop-test.example/v1/sites/shop-test/declaration?lang=en"


# The choice ---------------------------------------------------------------------------------------------------------


def test_it_follows_the_choice_and_its_button_opens_the_settings(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, HOTJAR + tag()), banner=True)
    button = embedded(visitor).get_by_role("button", name="Keuze wijzigen")
    expect(line(visitor, "hotjar")).to_have_text("Dit staat uit: je hebt nog niet gekozen.")
    expect(visitor.page.locator("[data-chosen]")).to_have_text("Je hebt hier nog niet gekozen.")
    visitor.accept_all()
    expect(line(visitor, "hotjar")).to_have_text("Dit staat aan: je hebt het toegestaan.")
    expect(line(visitor, "analytics/")).to_have_text("Alles in deze groep staat aan.")
    expect(visitor.page.locator("[data-chosen]")).to_contain_text("Je koos op ")
    button.focus()
    visitor.page.keyboard.press("Enter")
    visitor.control("save").wait_for(state="visible")
    visitor.switch("tracker-hotjar", False)
    visitor.save()
    expect(line(visitor, "hotjar")).to_have_text("Dit staat uit: je hebt het niet toegestaan.")
    expect(line(visitor, "analytics/")).to_have_text("Een deel van deze groep staat aan.")
    visitor.withdraw()
    expect(line(visitor, "meta")).to_have_text("Dit staat uit: je hebt je toestemming ingetrokken.")


def test_without_the_banner_it_leads_to_the_visitor_s_page_with_the_receipt(net: Internet, visitor: Visitor) -> None:
    """In the fragment: no server, log or referrer sees it."""
    visitor.open(pages.shop(net), banner=True)
    visitor.accept_all()
    token = visitor.token
    visitor.open(net.page(f"{HOME}cookies", pages.html(tag())))
    embedded(visitor).get_by_role("link", name="Mijn keuze bekijken of wijzigen").click()
    visitor.page.wait_for_url(re.compile("/me/shop-test"))
    asked = net.requests(path="/me/shop-test")
    assert [request.path for request in asked] == ["/me/shop-test?lang=nl"]
    assert not any(str(token) in request.path + request.referer for request in net.requests())


def test_poort_s_own_page_shows_the_choice_that_the_fragment_brings(
    net: Internet, poort: Poort, visitor: Visitor
) -> None:
    visitor.open(pages.shop(net, key="hostonly"), banner=True)
    visitor.choose("category-analytics")
    token = str(visitor.token)
    address = "https://consent.hostonly.example/v1/sites/hostonly/declaration?lang=en"
    visitor.open(f"{address}#receipt={token}")
    expect(line(visitor, "hotjar")).to_have_text("This is on: you allowed it.")
    expect(line(visitor, "marketing/")).to_have_text("This is off: you did not allow it.")
    expect(visitor.page.locator("[data-chosen]")).to_contain_text("You chose on ")
    assert token not in visitor.page.url
    link = visitor.page.get_by_role("link", name="See or change my choice")
    assert str(link.get_attribute("href")).endswith(f"/me/hostonly?lang=en#receipt={token}")
    visitor.page.get_by_role("link", name="Nederlands").click()
    expect(line(visitor, "hotjar")).to_have_text("Dit staat aan: je hebt het toegestaan.")


@pytest.mark.parametrize("receipt", ["", "#receipt=forged.token"])
def test_without_a_good_receipt_it_claims_nothing(net: Internet, visitor: Visitor, receipt: str) -> None:
    visitor.open(f"https://consent.shop-test.example/v1/sites/shop-test/declaration{receipt}")
    visitor.quiet(0.3)
    assert visitor.page.locator("[data-choice]:visible").count() == 0
    assert visitor.page.locator("[data-chosen]:visible").count() == 0


# The profiles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["hours", "integrator"])
def test_who_asks_nothing_has_no_banner_a_declaration_and_settings(net: Internet, visitor: Visitor, key: str) -> None:
    """A7"""
    consent = consent_host(key)
    head = f'<script async src="{consent}/banner/{key}.js"></script>'
    address = f"{definitions()[key]['origins'][0]}/cookies"
    visitor.open(net.page(address, pages.html(tag(key, consent), head=head)), banner=False)
    root = embedded(visitor)
    expect(root).to_contain_text("Deze site gebruikt niets waarvoor je toestemming nodig is.")
    assert root.locator("[data-choice]").count() == 0
    root.get_by_role("button").click()
    visitor.banner.wait_for(state="visible")
    assert visitor.context.cookies() == []
    assert net.trackers() == set()
