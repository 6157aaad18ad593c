"""Telling the vendors: for each adapter and each change of state exactly the expected calls, in order (J, K)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from consent.catalogue import CATALOGUE
from tests.browser import pages, sites, vendors
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.vendors import (
    ALL,
    EXPECTED,
    NONE,
    NOTHING,
    PAGE,
    STEPS,
    Call,
    consent,
    expected,
    said_to,
    settings,
    state,
)
from tests.browser.visitor import Visitor
from tests.servers import ROOT

# All but those that are no vendor's: test_lives.py, test_leaks.py and test_counting.py try them.
PARTS: dict[str, str] = json.loads((ROOT / "static/banner/signals.json").read_text())
NO_VENDORS = ("aside", "experiment", "leaks", "visits")
ADAPTERS = {name: code for name, code in PARTS.items() if name not in NO_VENDORS}
IN_USE = sorted({row["signal"] for row in CATALOGUE.values() if row["signal"]})

# Runs an adapter as the script does, state after state of one page: what was heard after the last, and its answer.
DRIVE = """
([page, code, states]) => {
  (0, eval)(page);
  const adapter = (0, eval)(code), memo = {};
  let before, told;
  for (const now of states) {
    window.heard = [];
    told = adapter(now, before, memo);
    before = now;
  }
  return [JSON.parse(JSON.stringify(window.heard)), told];
}
"""


def drive(blank: Page, adapter: str, states: list[dict[str, Any]], page: str = PAGE) -> tuple[list[Call], Any]:
    heard, told = blank.evaluate(DRIVE, [page, f"({ADAPTERS[adapter]})", states])
    return heard, told


@pytest.fixture(scope="module")
def empty_page(browser: Browser) -> Iterator[Page]:
    """For what needs no site: a context of its own for each of them would take most of the time."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def blank(empty_page: Page) -> Page:
    """A page with nothing in it, and no global of the test before."""
    empty_page.goto("about:blank")
    return empty_page


def test_every_adapter_is_expected_here_and_every_tracker_has_its_own() -> None:
    assert set(ADAPTERS) == set(EXPECTED) == set(vendors.GLOBALS)
    assert set(IN_USE) <= set(ADAPTERS)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_a_change_of_state_is_told_in_exactly_these_calls(blank: Page, adapter: str, step: str) -> None:
    heard, told = drive(blank, adapter, STEPS[step])
    assert heard == expected(adapter, step)
    assert bool(told) is bool(heard), "the answer says whether the vendor was told"


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
@pytest.mark.parametrize("last", [ALL, NONE], ids=["granted", "refused"])
def test_what_changes_nothing_is_not_told_again(blank: Page, adapter: str, last: dict[str, Any]) -> None:
    """But for Google, which gets one update for each decision (J2)."""
    heard, _ = drive(blank, adapter, [last, last])
    granted = last is ALL
    assert heard == ([consent("update", granted, granted, granted)] if adapter == "google" else [])


# A vendor whose own snippet loads nothing, or takes us for a running tag, where its global is already there.
NOT_MADE = ("fbq", "pintrk", "ttq", "zE", "Intercom", "intercomSettings", "VWO", "_uxa")


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_no_adapter_makes_a_global_that_keeps_a_snippet_from_loading(blank: Page, adapter: str) -> None:
    drive(blank, adapter, [NOTHING, ALL, NONE, ALL], page="")
    assert blank.evaluate("names => names.filter(name => name in window)", list(NOT_MADE)) == []


@pytest.mark.parametrize(
    ("now", "ads", "analytics"),
    [
        (state("functional", "analytics", "marketing", gads=False), False, True),
        (state("functional", "analytics", "marketing", ga4=False), True, False),
        (state("functional", "analytics", "marketing", dclk=False), False, True),
        (state("functional", "analytics", gads=True), True, True),
        (state("functional", "marketing"), True, False),
    ],
    ids=["Google Ads refused", "Analytics refused", "DoubleClick refused", "Google Ads alone", "analytics refused"],
)
def test_what_is_said_of_a_google_tracker_beats_its_category(
    blank: Page, now: dict[str, Any], ads: bool, analytics: bool
) -> None:
    heard, _ = drive(blank, "google", [NOTHING, now])
    assert heard == [*(settings(True) if ads else []), consent("update", ads, analytics, True)]


def test_without_google_s_advertising_no_signals_are_allowed(blank: Page) -> None:
    """Profile `journeys`, 4: Analytics alone knows nothing of advertising, whatever the category says."""
    now = {**ALL, "trackers": {"ga4": True}}
    heard, _ = drive(blank, "google", [NOTHING, now])
    assert ["gtag", "set", "ads_data_redaction", False] in heard
    assert settings(False)[1] in heard


def test_a_consent_that_ends_while_the_page_is_open_is_told(blank: Page) -> None:
    """The receipt expired: nothing is decided any more, and nothing granted."""
    assert drive(blank, "google", [ALL, NOTHING])[0] == expected("google", "withdraw")
    assert drive(blank, "uet", [ALL, NOTHING])[0] == expected("uet", "withdraw")
    assert drive(blank, "tiktok", [ALL, NOTHING])[0] == expected("tiktok", "withdraw")


def test_a_running_analytics_tag_is_switched_off_on_withdrawal(blank: Page) -> None:
    """D4: told `denied` alone it would go on without cookies."""
    page = PAGE + "window.google_tag_manager = {'G-ABC': {}, 'GTM-XYZ': {}};"
    off = "[window['ga-disable-G-ABC'], window['ga-disable-GTM-XYZ']]"
    drive(blank, "google", [NOTHING, ALL], page)
    assert blank.evaluate(off) == [False, None]
    drive(blank, "google", [ALL, NONE], page)
    assert blank.evaluate(off) == [True, None]


def test_meta_is_revoked_before_the_init_that_waits(blank: Page) -> None:
    """K3: the snippet stands in the page, its script is held back."""
    page = "window.fbq = function () { fbq.queue.push(arguments); }; fbq.queue = []; fbq('init', '42');"
    drive(blank, "meta", [NOTHING, ALL], page)
    waiting = blank.evaluate("fbq.queue.map(call => [...call])")
    assert waiting == [["consent", "revoke"], ["init", "42"], ["consent", "grant"]]


def test_intercom_waits_disabled_and_starts_when_it_may(blank: Page) -> None:
    """K4: settings that stand in the page while the messenger is held back."""
    page = "window.intercomSettings = {app_id: 'app42'}; window.heard = [];"
    drive(blank, "intercom", [NOTHING], page)
    assert blank.evaluate("intercomSettings.disabled") is True
    drive(blank, "intercom", [NOTHING, ALL], page)
    assert blank.evaluate("intercomSettings.disabled") is False


# The whole way, in a page of a site that uses every tracker with an adapter -----------------------------------------


def open_page(net: Internet, visitor: Visitor, path: str = "", banner: bool = False) -> Visitor:
    url = pages.shop(net, "<p>Tekst</p>", key="signals", path=path, head=f"<script>{PAGE}</script>")
    # The recorders stand before Poort, as snippets in the head would.
    page = pages.html("<p>Tekst</p>", head=f"<script>{PAGE}</script>" + sites.embed("signals"))
    net.page(url, page)
    return visitor.open(url, banner=banner)


def heard(visitor: Visitor) -> list[Call]:
    """All since the last time, but for the event in the dataLayer."""
    return list(visitor.page.evaluate("JSON.parse(JSON.stringify(heard.splice(0)))"))


def check(visitor: Visitor, step: str) -> None:
    calls = heard(visitor)
    for adapter in IN_USE:
        assert said_to(adapter, calls) == expected(adapter, step), (adapter, step)


def test_the_visitor_s_way_is_told_to_every_vendor(net: Internet, visitor: Visitor) -> None:
    open_page(net, visitor, banner=True)
    check(visitor, "no choice")
    visitor.accept_all()
    check(visitor, "grant")
    open_page(net, visitor, "second")
    check(visitor, "next page, granted")
    visitor.reopen()
    visitor.switch("category-marketing", False)
    visitor.save()
    check(visitor, "change")
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.save()
    heard(visitor)
    visitor.withdraw()
    check(visitor, "withdraw")
    open_page(net, visitor, "third")
    check(visitor, "next page, refused")


def test_a_refusal_is_told_to_every_vendor(net: Internet, visitor: Visitor) -> None:
    open_page(net, visitor, banner=True)
    heard(visitor)
    visitor.only_necessary()
    check(visitor, "refuse")


def test_one_update_for_each_decision_and_one_on_each_page(net: Internet, visitor: Visitor) -> None:
    """J2, J3: also for a decision that changes nothing for Google."""

    def updates() -> int:
        return sum(call[:3] == ["gtag", "consent", "update"] for call in heard(visitor))

    open_page(net, visitor, banner=True)
    assert updates() == 0
    visitor.only_necessary()
    assert updates() == 1
    visitor.reopen()
    visitor.switch("tracker-intercom", True)
    visitor.save()
    assert updates() == 1
    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")
    visitor.quiet()
    assert updates() == 0
    open_page(net, visitor, "second")
    assert updates() == 1


def test_what_is_refused_is_told_at_once_and_what_is_granted_once_it_is_stored(net: Internet, visitor: Visitor) -> None:
    """D4 comes before J2: one decision that does both is told in two updates, unless its answer comes at once."""
    open_page(net, visitor, banner=True)
    visitor.choose("category-analytics")
    heard(visitor)
    with net.fault("down", path="/v1/"):
        visitor.reopen()
        visitor.switch("category-analytics", False)
        visitor.switch("category-marketing", True)
        visitor.control("save").click()
        visitor.page.wait_for_function("heard.some(call => call[2] === 'update' && call[0] === 'gtag')")
        assert said_to("google", heard(visitor)) == [consent("update", False, False, False)]
    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")
    visitor.page.wait_for_function("heard.some(call => call[2] === 'update' && call[0] === 'gtag')")
    assert said_to("google", heard(visitor)) == [*settings(True), consent("update", True, False, False)]


def test_google_s_tag_finds_default_and_update_in_the_data_layer(net: Internet, visitor: Visitor) -> None:
    """J1: before the tag is released, as real `arguments`, which an array is not."""
    tag = "https://www.googletagmanager.com/gtag/js?id=G-1"
    net.script(tag, "window.found = dataLayer.map(one => [String(one), one[0], one[1]]);")
    net.page(sites.home("signals"), pages.html(pages.gated_script("ga4", tag), head=sites.embed("signals")))
    visitor.open(sites.home("signals"), banner=True)
    visitor.accept_all()
    visitor.page.wait_for_function("window.found")
    commands = [one for one in visitor.page.evaluate("found") if one[1] == "consent"]
    assert commands == [["[object Arguments]", "consent", command] for command in ("default", "update")]


def test_the_event_in_the_data_layer_says_what_was_chosen_and_nothing_of_whom(net: Internet, visitor: Visitor) -> None:
    open_page(net, visitor, banner=True)
    visitor.choose("category-analytics")
    (event,) = [call[1] for call in heard(visitor) if call[0] == "dataLayer"]
    assert set(event) == {"event", "action", "version", "categories", "trackers"}
    assert (event["event"], event["action"], event["version"]) == ("poort_consent", "custom", 1)
    assert event["categories"] == {"necessary": True, "functional": False, "analytics": True, "marketing": False}
    assert event["trackers"] == {id: CATALOGUE[id]["category"] == "analytics" for id in event["trackers"]}


def test_a_vendor_that_throws_keeps_no_other_from_hearing(net: Internet, visitor: Visitor) -> None:
    broken = "<script>window.fbq = function () { throw new Error('theirs'); };</script>"
    tag = '<script type="text/plain" data-service="hotjar">window.ran = true</script>'
    visitor.open(pages.shop(net, tag, head=broken), banner=True)
    visitor.accept_all()
    visitor.page.wait_for_function("window.ran")
    told = visitor.page.evaluate("uetq.map(part => part.ad_storage || part)")
    assert told == ["consent", "default", "denied", "consent", "update", "granted"]


def test_a_vendor_hears_of_a_withdrawal_before_its_cookies_are_gone(net: Internet, visitor: Visitor) -> None:
    """The order of teardown: a vendor that still has its cookies can act on them."""
    code = "window.found = []; window.fbq = (_, word) => { found.push([word, document.cookie.includes('_fbp=')]); };"
    visitor.open(pages.shop(net, head=f"<script>{code}</script>"), banner=True)
    visitor.accept_all()
    visitor.page.evaluate("document.cookie = '_fbp=1; path=/'")
    visitor.withdraw()
    assert visitor.page.evaluate("found.at(-1)") == ["revoke", True]
    assert "_fbp" not in visitor.left_behind()


STOCK = {
    "meta": ("fbq", "if (window.fbq) throw 0; window.fbq = function () {};"),
    "intercom": ("Intercom", "if (window.Intercom) throw 0; window.Intercom = function () {};"),
    "uet": ("uetq", "window.uetq = window.uetq || [];"),
}


@pytest.mark.parametrize("id", STOCK)
def test_a_held_back_snippet_starts_as_if_we_were_not_there(net: Internet, visitor: Visitor, id: str) -> None:
    name, code = STOCK[id]
    tag = f'<script type="text/plain" data-service="{id}">{code} window.started = "{name}";</script>'
    visitor.open(pages.shop(net, tag), banner=True)
    visitor.accept_all()
    visitor.page.wait_for_function("window.started")


def test_only_the_adapters_of_the_trackers_in_use_are_sent(poort: Poort) -> None:
    """Nobody pays for the rest; one that needs no consent has none to tell of."""
    sent = poort.call("GET", "/banner/shop-test.js").body.decode()
    assert [name for name, code in ADAPTERS.items() if code in sent] == ["intercom", "meta", "uet"]
    assert not [code for code in ADAPTERS.values() if code in poort.call("GET", "/banner/hours.js").body.decode()]
    pinned = poort.call("GET", "/banner/v1/poort.js").body.decode()
    assert [name for name, code in ADAPTERS.items() if code in pinned] == sorted(ADAPTERS)


def test_the_script_without_a_site_tells_them_too(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """With SRI and under a strict policy: the adapters are in it, nothing more is fetched."""
    content = poort.call("GET", "/banner/v1/poort.js").body
    digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
    consent_host = "https://consent.shop-test.example"
    tag = (
        f'<script async src="{consent_host}/banner/v1/poort.js" data-site="shop-test" integrity="sha384-{digest}"'
        ' crossorigin="anonymous"></script>'
    )
    policy = f"default-src 'none'; script-src {consent_host}; connect-src {consent_host}; style-src 'self'"
    net.page(pages.SHOP, pages.html("", head=tag), {"Content-Security-Policy": policy})
    visitor.open(pages.SHOP, banner=True)
    visitor.accept_all()
    assert visitor.page.evaluate("uetq.filter(part => /^default|^update/.test(part))") == ["default", "update"]
    assert visitor.witness("violations") == []


def test_in_advanced_mode_an_untagged_google_tag_is_told_first_and_a_gated_one_stays_gated(
    net: Internet, visitor: Visitor
) -> None:
    """J4: only by the owner's own wish, with our script before theirs and not async."""
    script = '<script src="https://consent.advanced.example/banner/advanced.js"></script>'
    theirs = "<script>window.found = (window.dataLayer || []).map(one => [one[0], one[1]]);</script>"
    gated = pages.gated_script("gads", "https://www.googletagmanager.com/gtag/js?id=AW-42")
    net.page(sites.home("advanced"), pages.html(gated, head=script + theirs))
    visitor.open(sites.home("advanced"), banner=True)
    assert visitor.page.evaluate("found[0]") == ["consent", "default"]
    visitor.asks_exactly(set())
    visitor.only_necessary()
    visitor.asks_exactly(set())
