"""Tags as other platforms have them in pages, gated as they stand: seen on the wire."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.browser import pages, trackers
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.test_tags import ADD, note, ran
from tests.browser.visitor import Visitor

KEY = "switched"
CONSENT = f"https://consent.{KEY}.example"
GA4, HOTJAR, META, INTERCOM = (trackers.BY_ID[name].script for name in ("ga4", "hotjar", "meta", "intercom"))
UNKNOWN = "https://cdn.unknown.example/stats.js"
UET_PIXEL = "https://bat.bing.com/action/0?ti=42"


def held(attributes: str, code: str = "") -> str:
    return f'<script type="text/plain" {attributes}>{code}</script>'


def frame(attributes: str) -> str:
    return f'<iframe title="x" {attributes}></iframe>'


def open_shop(net: Internet, visitor: Visitor, body: str, **more: Any) -> None:
    visitor.open(pages.shop(net, body, key=KEY, **more), banner=True)


def grant(visitor: Visitor, granted: str) -> None:
    """`analytics marketing`: these categories; `` is only what is necessary; `all`."""
    if granted == "all":
        visitor.accept_all()
    elif granted:
        visitor.choose(*(name if "-" in name else f"category-{name}" for name in granted.split()))
    else:
        visitor.only_necessary()


# A tag, and the categories that it needs, all of them.
CODE: dict[str, tuple[str, str]] = {
    "Cookiebot, statistics": ('data-cookieconsent="statistics"', "analytics"),
    "Cookiebot, preferences": ('data-cookieconsent="preferences"', "functional"),
    "Cookiebot, marketing": ('data-cookieconsent="Marketing"', "marketing"),
    "Cookiebot, two": ('data-cookieconsent="preferences, statistics"', "functional analytics"),
    "Cookiebot, a word of nobody": ('data-cookieconsent="numbers"', "marketing"),
    "OneTrust, performance": ('class="optanon-category-C0002"', "analytics"),
    "OneTrust, functional": ('class="optanon-category-C0003 x"', "functional"),
    "OneTrust, targeting": ('class="x optanon-category-C0004"', "marketing"),
    "OneTrust, social": ('class="optanon-category-C0005"', "marketing"),
    "OneTrust, numbers": ('class="optanon-category-2"', "analytics"),
    "OneTrust, its own": ('class="optanon-category-BG33"', "marketing"),
    "OneTrust, two": ('class="optanon-category-C0002-C0003"', "functional analytics"),
    "Klaro, an id": ('data-name="hotjar" data-type="text/javascript"', "analytics"),
    "Klaro, a name": ('data-name="googleAnalytics"', "analytics"),
    "Klaro, unknown": ('data-name="counter"', "marketing"),
    "orestbida, a service": ('data-category="analytics" data-service="Google Analytics"', "analytics"),
    "orestbida, of another category": ('data-category="analytics" data-service="Facebook Pixel"', "marketing"),
    "orestbida, unknown": ('data-category="analytics" data-service="Some Counter"', "analytics marketing"),
    "orestbida, another category": ('data-category="ads"', "marketing"),
    "orestbida, functionality": ('data-category="functionality"', "functional"),
    "Usercentrics, a name": ('data-usercentrics="Google Analytics"', "analytics"),
    "Usercentrics, our name": ('data-usercentrics="Meta Pixel"', "marketing"),
    "Usercentrics, unknown": ('data-usercentrics="Counter & Co."', "marketing"),
    "two platforms": ('data-cookieconsent="statistics" class="optanon-category-C0004"', "analytics marketing"),
    "a list of ours": ('data-category="marketing" data-needs="marketing hotjar"', "analytics marketing"),
}
STATES = ("", *(" ".join(some) for size in (1, 2) for some in combinations(trackers.CATEGORIES, size)), "all")


@pytest.mark.parametrize("granted", STATES)
def test_inline_code_runs_when_all_that_its_label_means_is_allowed(
    net: Internet, visitor: Visitor, granted: str
) -> None:
    tags = [held(attributes, note(kind)) for kind, (attributes, _) in CODE.items()]
    open_shop(net, visitor, "".join(tags))
    grant(visitor, granted)
    allowed = set(trackers.CATEGORIES if granted == "all" else granted.split())
    ran(visitor, *(kind for kind, (_, needed) in CODE.items() if set(needed.split()) <= allowed))


def test_necessary_tags_of_another_platform_need_no_choice(net: Internet, visitor: Visitor) -> None:
    tags = held('class="optanon-category-C0001"', note("onetrust")) + held(
        'data-cookieconsent="necessary"', note("cookiebot"))
    open_shop(net, visitor, tags)
    ran(visitor, "onetrust", "cookiebot")


NEVER = (
    'data-category="!analytics"', 'data-category="analytics" data-service="!Google Analytics"', 'data-category="all"',
    'data-category="analytics" data-service="nobody"', 'data-category="constructor" data-cookieconsent="statistics"',
)


def test_a_tag_for_who_refuses_or_of_nobody_never_runs(net: Internet, visitor: Visitor) -> None:
    """`!` of orestbida means: run when refused. That is no gate, so it stays closed."""
    tags = "".join(held(attributes, note(attributes.replace('"', ""))) for attributes in NEVER)
    open_shop(net, visitor, tags + held('data-cookieconsent="marketing"', note("end")))
    visitor.accept_all()
    ran(visitor, "end")


ADDRESSED = {
    "Cookiebot": held(f'data-cookieconsent="statistics" src="{HOTJAR}"'),
    "Cookiebot's frame": frame(f'data-cookieconsent="statistics" data-cookieblock-src="{HOTJAR}"'),
    "Cookiebot's image": f'<img alt="" data-cookieconsent="statistics" data-cookieblock-src="{HOTJAR}">',
    "OneTrust": held(f'class="optanon-category-C0002" src="{HOTJAR}"'),
    "OneTrust's frame": frame(f'class="optanon-category-C0002" data-src="{HOTJAR}"'),
    "Klaro": held(f'data-type="application/javascript" data-name="hj" data-src="{HOTJAR}"'),
    "Klaro's frame": frame(f'data-name="hotjar" data-src="{HOTJAR}"'),
    "Klaro's image": f'<img alt="" data-name="hotjar" data-src="{HOTJAR}">',
    "orestbida": held(f'data-category="analytics" data-service="Heat maps" data-src="{HOTJAR}"'),
    "Usercentrics": held(f'data-usercentrics="Heat maps" src="{HOTJAR}"'),
    "Usercentrics' own attribute": held(f'data-usercentrics="Hotjar" data-uc-src="{HOTJAR}"'),
    "Usercentrics' frame": frame(f'data-uc-id="S1pcEj_jZX" data-uc-src="{HOTJAR}"'),
}


@pytest.mark.parametrize("kind", ADDRESSED)
def test_an_address_is_asked_for_when_its_label_and_its_tracker_are_allowed(
    net: Internet, visitor: Visitor, kind: str
) -> None:
    open_shop(net, visitor, ADDRESSED[kind])
    visitor.asks_exactly(set())
    visitor.choose("category-analytics")
    visitor.asks_exactly({"hotjar"})


def test_nothing_of_a_tracker_is_asked_for_that_alone_is_refused(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, "".join(ADDRESSED.values()))
    visitor.preferences()
    for category in trackers.CATEGORIES:
        visitor.switch(f"category-{category}", True)
    visitor.switch("tracker-hotjar", False)
    visitor.save()
    visitor.asks_exactly(set())


@pytest.mark.parametrize("granted", ["", "analytics", "functional analytics"])
def test_a_known_host_beats_a_milder_label(net: Internet, visitor: Visitor, granted: str) -> None:
    tags = (
        held(f'data-cookieconsent="statistics" src="{META}"')
        + held(f'class="optanon-category-C0001" src="{META}"')
        + held(f'data-usercentrics="Google Analytics" src="{META}"')
        + held('data-cookieconsent="statistics"', f'new Image().src = "{UET_PIXEL}"')
    )
    open_shop(net, visitor, tags)
    grant(visitor, granted)
    visitor.asks_exactly(set())


def test_a_stricter_label_beats_a_known_host(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, held(f'data-cookieconsent="marketing" src="{HOTJAR}"'))
    visitor.choose("category-analytics")
    visitor.asks_exactly(set())
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.save()
    visitor.asks_exactly({"hotjar"})


def test_an_unknown_host_follows_the_label(net: Internet, visitor: Visitor) -> None:
    net.script(UNKNOWN, note("unknown"))
    open_shop(net, visitor, held(f'data-cookieconsent="statistics" src="{UNKNOWN}"'))
    visitor.choose("category-analytics")
    ran(visitor, "unknown")


def test_tags_of_all_platforms_and_ours_run_in_the_order_of_the_document(net: Internet, visitor: Visitor) -> None:
    tags = (
        held('data-service="hotjar"', note("1"))
        + held('data-category="ads"', note("2"))
        + held('data-category="analytics"', note("3"))
        + held('data-cookieconsent="statistics"', note("4"))
        + held('data-service="meta"', note("5"))
        + held('data-name="hotjar"', note("6"))
    )
    open_shop(net, visitor, tags)
    visitor.accept_all()
    ran(visitor, "1", "2", "3", "4", "5", "6")


def test_tags_that_are_added_later_are_seen(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, "<p>Tekst</p>")
    visitor.accept_all()
    visitor.page.evaluate(ADD, ADDRESSED["Cookiebot"] + held(f'class="optanon-category-C0004" data-src="{META}"'))
    visitor.asks_exactly({"hotjar", "meta"})
    visitor.page.evaluate(ADD, held(f'data-name="intercom" data-src="{INTERCOM}"'))
    visitor.asks_exactly({"hotjar", "meta", "intercom"})


def test_a_frame_closes_on_withdrawal_and_opens_again(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, ADDRESSED["Cookiebot's frame"])
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    visitor.withdraw()
    visitor.page.wait_for_function("!document.querySelector('iframe[src]')")
    net.forget()
    visitor.reopen()
    visitor.switch("category-analytics", True)
    visitor.save()
    visitor.asks_exactly({"hotjar"})


def test_a_lazy_image_of_the_page_is_left_alone(net: Internet, visitor: Visitor) -> None:
    """data-name and data-src are not Klaro's alone."""
    open_shop(net, visitor, '<img alt="" id="lazy" data-name="Stoel" data-src="/stoel.webp">')
    visitor.accept_all()
    visitor.quiet()
    assert visitor.page.locator("#lazy").get_attribute("src") is None
    visitor.withdraw()
    assert visitor.page.locator("#lazy").count() == 1


# -- the second script ------------------------------------------------------------------------------------------------

def extras(net: Internet) -> list[str]:
    return [request.path for request in net.requests(path="/banner/v1/extra-")]


def test_a_page_without_such_tags_does_not_load_the_second_script(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, held('data-service="hotjar"', note("own")) + held('data-category="marketing"', note("too")))
    visitor.accept_all()
    ran(visitor, "own", "too")
    assert extras(net) == []


def test_a_page_with_many_loads_it_once(net: Internet, visitor: Visitor) -> None:
    open_shop(net, visitor, "".join(ADDRESSED.values()))
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    assert len(extras(net)) == 1


MIXED = "".join(ADDRESSED.values()) + held('data-category="ads"', note("theirs")) + held(
    'data-service="meta"', note("ours"))


@pytest.mark.parametrize("kind", ["down", "500"])
def test_without_it_their_tags_stay_closed_and_ours_run(net: Internet, visitor: Visitor, kind: str) -> None:
    with net.fault(kind, path="/banner/v1/"):
        open_shop(net, visitor, MIXED)
        visitor.accept_all()
        ran(visitor, "ours")
        visitor.asks_exactly(set())


def test_another_script_in_its_place_does_not_run(net: Internet, visitor: Visitor) -> None:
    """Its hash is in the first script."""
    pages.shop(net, MIXED, key=KEY)
    visitor.page.route("**/banner/v1/extra-*", lambda route: route.fulfill(
        content_type="text/javascript", body="window.hacked = 1",
        headers={"Access-Control-Allow-Origin": "*"}))
    visitor.open(f"https://www.{KEY}.example/", banner=True)
    visitor.accept_all()
    ran(visitor, "ours")
    visitor.asks_exactly(set())
    assert visitor.page.evaluate("window.hacked") is None


POLICIES = {
    "strict": f"default-src 'none'; script-src {CONSENT} https://static.hotjar.com; connect-src {CONSENT} https:;"
    " style-src 'self'; img-src https:; base-uri 'none'",
    "a nonce": f"script-src 'nonce-once' https://static.hotjar.com; connect-src {CONSENT} https:; style-src 'self'",
    "strict-dynamic": "script-src 'nonce-once' 'strict-dynamic'; style-src 'self'",
    "trusted types": f"script-src {CONSENT} https://static.hotjar.com; require-trusted-types-for 'script';"
    " trusted-types poort",
}


@pytest.mark.parametrize("name", POLICIES)
def test_it_works_under_the_policy_without_a_violation(net: Internet, visitor: Visitor, name: str) -> None:
    own = f'<script nonce="once" async src="{CONSENT}/banner/{KEY}.js"></script>'
    page = pages.html(ADDRESSED["Cookiebot"] + ADDRESSED["Usercentrics' own attribute"], head=own)

    net.page(f"https://www.{KEY}.example/", page, {"Content-Security-Policy": POLICIES[name]})
    visitor.open(f"https://www.{KEY}.example/", banner=True)
    visitor.choose("category-analytics")
    visitor.asks_exactly({"hotjar"})
    theirs = [text for text in visitor.witness("violations") if "hotjar" not in text and "favicon" not in text]
    assert theirs == []
