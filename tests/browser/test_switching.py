"""docs/switching.md, tried: a page of another platform, its visitor's answer, and the same page with Poort instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from tests.browser import pages
from tests.browser.internet import Headers, Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.test_import import ALL, NOTHING, bring, consents, cookiebot, iso, onetrust, some
from tests.browser.test_import import DATED as LONG_AGO
from tests.browser.visitor import Visitor
from tests.servers import ROOT

KEY = "switched"
WWW = f"https://www.{KEY}.example/"
GUIDE = (ROOT / "docs" / "switching.md").read_text()
SECTIONS = dict(part.split("\n", 1) for part in GUIDE.split("\n## ")[1:])
TAGGED = {"hotjar", "intercom", "meta"}

# The packages themselves, as a site would serve them, and the settings of a plain shop.
OLD: dict[str, tuple[str, str]] = {
    "orestbida's cookieconsent": (
        "vanilla-cookieconsent/dist/cookieconsent.umd.js",
        """CookieConsent.run({
          hideFromBots: false,  // a driven browser is one to it
          categories: {
            necessary: {enabled: true, readOnly: true}, functionality: {}, ads: {},
            analytics: {services: {Hotjar: {label: "Hotjar"}, "Google Analytics": {label: "Google Analytics"}}},
          },
          language: {default: "nl", translations: {nl: {
            consentModal: {
              title: "Cookies", acceptAllBtn: "Alles", acceptNecessaryBtn: "Niets", showPreferencesBtn: "Meer"},
            preferencesModal: {title: "Voorkeuren", savePreferencesBtn: "Bewaren", acceptAllBtn: "Alles", sections: [
              {title: "Functies", linkedCategory: "functionality"}, {title: "Cijfers", linkedCategory: "analytics"},
              {title: "Reclame", linkedCategory: "ads"}]},
          }}},
        });""",
    ),
    "Klaro": (
        "klaro/dist/klaro.js",
        """window.klaroConfig = {version: 1, lang: "en", acceptAll: true, services: [
          {name: "hotjar", purposes: ["analytics"]}, {name: "chat", purposes: ["functional"]},
          {name: "facebookPixel", purposes: ["marketing"]}]};""",
    ),
}
COOKIE = {"orestbida's cookieconsent": "cc_cookie", "Klaro": "klaro"}


def tags(platform: str) -> str:
    """The tags of a guide: what stays on the page."""
    found = re.search(r"```html\n(.*?)```", SECTIONS[platform], re.S)
    assert found
    return found[1]


def old_page(net: Internet, platform: str) -> str:
    path, settings = OLD[platform]
    net.script(f"{WWW}old.js", (ROOT / "node_modules" / path).read_text())
    net.script(f"{WWW}settings.js", settings)
    scripts = ["old.js", "settings.js"] if platform != "Klaro" else ["settings.js", "old.js"]
    head = "".join(f'<script defer src="/{name}"></script>' for name in scripts)
    return net.page(WWW, pages.html(tags(platform), head=head))


ANSWERS = {
    ("orestbida's cookieconsent", "all"): ["[data-role=all]"],
    ("orestbida's cookieconsent", "nothing"): ["[data-role=necessary]"],
    ("orestbida's cookieconsent", "analytics"): [
        "[data-role=show]", ".section__toggle[value=analytics]", "[data-role=save]"],
    ("orestbida's cookieconsent", "ads and functions"): [
        "[data-role=show]", ".section__toggle[value=functionality]", ".section__toggle[value=ads]", "[data-role=save]"],
    ("Klaro", "all"): [".cookie-notice .cm-btn-success"],
    ("Klaro", "nothing"): [".cookie-notice .cn-decline"],
}


def answer(net: Internet, visitor: Visitor, platform: str, how: str) -> dict[str, Any]:
    """The visitor answers the old platform; what its cookie says then."""
    visitor.page.goto(old_page(net, platform))
    for selector in ANSWERS[platform, how]:
        button = visitor.page.locator(selector).first
        button.wait_for(state="attached")
        button.evaluate("node => node.click()")  # wherever its style sheet, which is not here, would put it

    def cookie() -> str | None:
        found = [str(each["value"]) for each in visitor.context.cookies() if each["name"] == COOKIE[platform]]
        return found[0] if found else None

    assert wait_until(cookie), "the old platform kept no answer"
    return dict(json.loads(unquote(str(cookie()))))


def switch(net: Internet, visitor: Visitor, platform: str, banner: bool, headers: Headers | None = None) -> None:
    """The same tags, Poort's script instead of the old one."""
    visitor.page.goto("about:blank")
    net.forget()
    visitor.open(pages.shop(net, tags(platform), key=KEY, headers=headers), banner=banner)


# What the visitor said there, the trackers that this opened, and the choices and trackers of the record here.
SAID: dict[str, tuple[set[str], dict[str, bool], dict[str, bool]]] = {
    # Of analytics two services were asked for, and the site has a third tracker in it.
    "all": (TAGGED, some("functional", "marketing"), {"hotjar": True, "ga4": True}),
    "nothing": (set(), NOTHING, {}),
    "analytics": ({"hotjar"}, NOTHING, {"hotjar": True, "ga4": True}),
    "ads and functions": ({"intercom", "meta"}, some("functional", "marketing"), {}),
}


@pytest.mark.parametrize("how", SAID)
def test_an_answer_to_orestbidas_cookieconsent_holds(
    net: Internet, visitor: Visitor, poort: Poort, how: str
) -> None:
    platform = "orestbida's cookieconsent"
    opened, choices, apart = SAID[how]
    there = answer(net, visitor, platform, how)
    visitor.asks_exactly(opened)
    switch(net, visitor, platform, banner=False)
    visitor.stored()
    visitor.asks_exactly(opened)
    (record,) = poort.records(KEY, visitor.token)
    assert (record["source"], record["choices"], record["trackers"]) == ("import", choices, apart)
    assert record["decided_at"] == there["lastConsentTimestamp"]
    assert wait_until(lambda: "cc_cookie" not in visitor.cookie_names())
    assert visitor.page.evaluate("window.refused") is None


def test_a_refusal_to_klaro_holds(net: Internet, visitor: Visitor, poort: Poort) -> None:
    answer(net, visitor, "Klaro", "nothing")
    switch(net, visitor, "Klaro", banner=False)
    visitor.stored("necessary_only")
    visitor.asks_exactly(set())
    (record,) = poort.records(KEY, visitor.token)
    assert (record["source"], record["decided_at"]) == ("import", None)
    assert wait_until(lambda: "klaro" not in visitor.cookie_names())


def test_a_grant_to_klaro_has_no_date_so_the_visitor_is_asked(net: Internet, visitor: Visitor) -> None:
    answer(net, visitor, "Klaro", "all")
    visitor.asks_exactly(TAGGED)
    switch(net, visitor, "Klaro", banner=True)
    visitor.asks_exactly(set())
    visitor.accept_all()
    visitor.asks_exactly(TAGGED)
    assert [body["source"] for body in consents(net)] == ["banner"]


KEPT: dict[str, Callable[[dict[str, bool]], dict[str, str]]] = {"Cookiebot": cookiebot, "OneTrust": onetrust}


@pytest.mark.parametrize("platform", KEPT)
@pytest.mark.parametrize(("granted", "opened"), [
    (ALL, TAGGED), (NOTHING, set()), (some("analytics"), {"hotjar"}),
    (some("analytics", "marketing"), {"hotjar", "meta"}),
], ids=["all", "nothing", "analytics", "all but functional"])
def test_an_answer_in_the_cookie_of_the_platform_holds(
    net: Internet, visitor: Visitor, poort: Poort, platform: str, granted: dict[str, bool], opened: set[str]
) -> None:
    bring(visitor, KEPT[platform](granted))
    switch(net, visitor, platform, banner=False)
    visitor.stored()
    visitor.asks_exactly(opened)
    (record,) = poort.records(KEY, visitor.token)
    assert (record["source"], record["choices"], record["decided_at"]) == ("import", granted, iso(LONG_AGO))


TRUSTED = (
    f"script-src https://consent.{KEY}.example https://static.hotjar.com https://widget.intercom.io"
    " https://js.intercomcdn.com https://connect.facebook.net;"
    " frame-src https:; connect-src https:; style-src 'self'; img-src https:;"
    " require-trusted-types-for 'script'; trusted-types poort"
)


@pytest.mark.parametrize("platform", [name for name in SECTIONS if "```html" in SECTIONS[name]])
def test_the_tags_of_the_guide_wait_and_open_under_trusted_types(
    net: Internet, visitor: Visitor, platform: str
) -> None:
    switch(net, visitor, platform, banner=True, headers={"Content-Security-Policy": TRUSTED})
    visitor.asks_exactly(set())
    visitor.accept_all()
    wait_until(lambda: net.trackers() >= TAGGED)
    visitor.quiet()
    assert net.trackers() == TAGGED


@pytest.mark.parametrize("platform", SECTIONS)
def test_a_guide_is_ten_lines(platform: str) -> None:
    assert len([line for line in SECTIONS[platform].splitlines() if line and "```" not in line]) <= 10
