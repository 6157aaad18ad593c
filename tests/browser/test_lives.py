"""The life of a choice in the page: what a new version asks, and of whom, and when nobody is asked again (F1 to F4)."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door  # noqa: F401 -- a fixture
from tests.browser.server import Poort
from tests.browser.test_axe import faults
from tests.browser.test_cookie import put, signed
from tests.browser.visitor import Visitor

DAY = 86_400
OLD, NEW = {"hotjar", "meta"}, "leadinfo"
KNOWN = "".join(pages.gated_script(name, trackers.BY_ID[name].script) for name in sorted(OLD))
TAGS = KNOWN + pages.gated_script(NEW, trackers.BY_ID[NEW].script)
SUMMARY = {"nl": "We bewaren je gegevens korter.", "en": "We keep your data for a shorter time."}
POLICY = {"date": "2026-12-01", "material": True, "summary": SUMMARY}


@pytest.fixture
def asked(net: Internet, new_visitor: NewVisitor) -> Any:
    """Opens a page of a site for a visitor of any kind, or for one who was there before."""

    def visit(key: str, before: Visitor | None = None, banner: bool | None = True, **wishes: Any) -> Visitor:
        page = {name: wishes.pop(name) for name in ("lang", "body") if name in wishes}
        if before is not None:
            before.quiet()
            wishes["storage_state"] = before.context.storage_state()
            net.forget()
        return new_visitor(**wishes).open(pages.shop(net, key=key, **{"body": TAGS, **page}), banner=banner)

    return visit


def publish(poort: Poort, key: str, version: int = 2, **differs: Any) -> None:
    """The next version of a site, once every page gets it."""
    poort.publish(sites.site(key, **differs))
    assert wait_until(lambda: poort.config(key)["version"] == version, 15)


def with_leadinfo(**differs: Any) -> dict[str, Any]:
    return {"trackers": [*sites.SHOP["trackers"], {"id": NEW}], **differs}


def later(visitor: Visitor, days: float, url: str, banner: bool) -> Visitor:
    """The same browser so many days on; the cookie is as old as the browser thinks, and the receipt by its own time."""
    visitor.page = visitor.context.new_page()
    visitor.page.clock.install(time=time.time() + days * DAY)
    return visitor.open(url, banner=banner)


def last(poort: Poort, key: str, visitor: Visitor) -> dict[str, Any]:
    return poort.records(key, visitor.token)[-1]


def test_a_new_tracker_asks_those_it_concerns_for_that_alone_and_keeps_the_rest(
    net: Internet, asked: Any, poort: Poort, axe_source: str
) -> None:
    key = "life-new"
    publish(poort, key, 1)
    all_on, all_on_too, half, refuser = (asked(key) for _ in range(4))
    for visitor in (all_on, all_on_too):
        visitor.accept_all()
    half.choose("category-analytics")
    refuser.only_necessary()
    publish(poort, key, **with_leadinfo())

    allowing = asked(key, all_on)
    expect(allowing.banner.locator("li")).to_have_count(1)
    expect(allowing.banner).to_contain_text("Nieuw: Leadinfo, voor marketing.")
    yes, no = (allowing.control(name).bounding_box() for name in ("accept-all", "necessary-only"))
    assert yes
    assert no
    assert [yes["width"], yes["height"]] == pytest.approx([no["width"], no["height"]], abs=1)  # B4
    assert faults(allowing, axe_source) == []
    net.forget()
    allowing.open(allowing.page.url, banner=True).asks_exactly(OLD)
    allowing.accept_all()
    allowing.asks_exactly({*OLD, NEW})
    record = last(poort, key, allowing)
    assert (record["version"], record["action"], record["source"]) == (2, "accept_all", "banner")

    refusing = asked(key, all_on_too)
    refusing.only_necessary()
    refusing.asks_exactly(OLD)
    record = last(poort, key, refusing)
    assert (record["action"], record["trackers"], record["source"]) == ("custom", {NEW: False}, "banner")
    assert all(record["choices"].values())

    # F4: who refused the whole category has answered for what comes new in it.
    for visitor, kept in ((half, {"hotjar"}), (refuser, set())):
        asked(key, visitor, banner=False).asks_exactly(kept)


def test_its_settings_show_what_is_kept_and_what_is_new(net: Internet, asked: Any, poort: Poort) -> None:
    key = "life-settings"
    publish(poort, key, 1)
    before = asked(key)
    before.accept_all()
    publish(poort, key, **with_leadinfo())
    visitor = asked(key, before)
    visitor.preferences()
    for name, on in (("category-marketing", True), ("tracker-meta", True), ("tracker-leadinfo", False)):
        expect(visitor.control(name)).to_be_checked(checked=on)
    expect(visitor.page.locator("li", has=visitor.control("tracker-leadinfo"))).to_contain_text("Nieuw: Leadinfo")
    visitor.page.keyboard.press("Escape")
    expect(visitor.control("accept-all")).to_have_text("Dit toestaan")
    visitor.preferences()
    visitor.save()
    assert last(poort, key, visitor)["trackers"] == {NEW: False}


def test_without_the_second_script_the_whole_question_is_asked_and_what_is_new_waits(
    net: Internet, new_visitor: NewVisitor, asked: Any, poort: Poort
) -> None:
    key = "life-alone"
    publish(poort, key, 1)
    before = asked(key)
    before.accept_all()
    publish(poort, key, **with_leadinfo())
    with net.fault("down", path="/banner/v1/"):
        visitor = asked(key, before)
        expect(visitor.control("accept-all")).to_have_text("Alle cookies toestaan")
        visitor.asks_exactly(OLD)


def test_a_change_of_a_category_asks_for_it_alone_in_one_line(net: Internet, asked: Any, poort: Poort) -> None:
    key = "life-policy"
    publish(poort, key, 1)
    before = asked(key)
    before.accept_all()
    publish(poort, key, policy={**POLICY, "affects": ["marketing"]})
    visitor = asked(key, before, lang="en")
    expect(visitor.banner.locator("li")).to_have_count(1)
    expect(visitor.banner).to_contain_text("Changed: the privacy statement, for marketing.")
    expect(visitor.banner).to_contain_text(SUMMARY["en"])
    visitor.asks_exactly({"hotjar"})
    visitor.only_necessary()
    record = last(poort, key, visitor)
    assert record["choices"] == {"functional": True, "analytics": True, "marketing": False}
    assert record["trackers"] == {}
    # What the banner said is not said again.
    expect(visitor.control("notice")).to_have_count(0)


def test_a_material_policy_is_told_once_and_asks_nobody(
    net: Internet, asked: Any, poort: Poort, axe_source: str
) -> None:
    key = "life-told"
    publish(poort, key, 1)
    before = asked(key)
    before.only_necessary()
    publish(poort, key, policy=POLICY)
    visitor = asked(key, before, banner=False, width=360)
    notice = visitor.page.get_by_role("region", name="Nieuwe privacyverklaring per 1 december 2026")
    expect(notice).to_contain_text(SUMMARY["nl"])
    expect(notice.get_by_role("link")).to_have_attribute("href", sites.site(key)["controller"]["policy_url"])
    assert faults(visitor, axe_source) == []
    assert visitor.page.evaluate("document.activeElement === document.body")
    visitor.reopen()  # the settings are not behind it
    expect(notice).to_be_hidden()
    visitor.page.keyboard.press("Escape")
    notice.locator("button").focus()
    visitor.page.keyboard.press("Escape")
    expect(notice).to_have_count(0)

    asked(key, visitor, banner=False, body=KNOWN).quiet()
    assert net.requests(path="/banner/v1/") == []  # nothing more for who has read it
    fresh = asked(key)
    fresh.accept_all()
    expect(fresh.control("notice")).to_have_count(0)


def test_a_refusal_holds_for_its_whole_life_whatever_is_published(net: Internet, asked: Any, poort: Poort) -> None:
    key = "life-refusal"
    publish(poort, key, 1)
    visitor = asked(key)
    visitor.only_necessary()
    publish(poort, key, 2, name="Webwinkel!")  # F4: a name in another spelling
    publish(poort, key, 3, **with_leadinfo(name="Webwinkel!"))
    url = visitor.page.url
    net.forget()
    later(visitor, 179, url, banner=False).asks_exactly(set())
    later(visitor, 181, url, banner=True).asks_exactly(set())


def test_a_minor_version_asks_nobody_and_fetches_nothing_more(net: Internet, asked: Any, poort: Poort) -> None:
    key = "life-minor"
    publish(poort, key, 1)
    before = asked(key)
    before.accept_all()
    publish(poort, key, name="Webwinkel!")
    asked(key, before, banner=False, body=KNOWN).asks_exactly(OLD)
    calls = {request.path for request in net.requests(host=f"consent.{key}.example")}
    assert calls == {f"/banner/{key}.js"}


def test_a_consent_ends_on_a_page_that_stays_open(net: Internet, new_visitor: NewVisitor) -> None:
    """F2: nothing new is asked of the vendor, and the visitor is asked again."""
    visitor = new_visitor()
    put(visitor, signed(e=int(time.time()) + 60))
    visitor.page.clock.install()
    visitor.open(pages.shop(net, TAGS), banner=False).asks_exactly(OLD)
    visitor.page.clock.fast_forward("15:00")
    visitor.banner.wait_for(state="visible")
    assert visitor.page.evaluate("Poort.mayLoad('hotjar')") is False
    assert visitor.left_behind() == set()


def test_where_the_browser_lost_the_cookie_after_a_week_all_is_asked_and_nothing_loads(
    net: Internet, visitor: Visitor
) -> None:
    """As Safari does with what a script wrote; its storage goes with it, or stays: that is the same here."""
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.accept_all()
    visitor.quiet()
    net.forget()
    visitor.context.clear_cookies()
    later(visitor, 7, pages.SHOP, banner=True).asks_exactly(set())
    expect(visitor.control("accept-all")).to_have_text("Alle cookies toestaan")


def test_what_was_allowed_without_gpc_waits_and_the_settings_say_why(
    net: Internet, asked: Any, poort: Poort
) -> None:
    """I4."""
    before = asked("shop-test")
    before.accept_all()
    visitor = asked("shop-test", before, banner=False, gpc=True)
    visitor.asks_exactly({"hotjar"})
    visitor.reopen()
    expect(visitor.banner).to_contain_text("Daarom staat die uit, al stond je die op")
    visitor.switch("category-marketing", True)
    visitor.save()
    visitor.asks_exactly({"hotjar", "meta"})
    visitor.reopen()
    expect(visitor.banner).not_to_contain_text("Daarom staat die uit")


# -- from the visitor's own page --------------------------------------------------------------------------------------


@pytest.fixture
def granted(net: Internet, visitor: Visitor) -> Visitor:
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.accept_all()
    visitor.asks_exactly(OLD)
    net.forget()
    return visitor


def back(visitor: Visitor, **differs: Any) -> str:
    """The visitor comes back from /me with another receipt; the token."""
    assert visitor.receipt
    token = signed(**{"p": visitor.receipt["p"], "t": visitor.receipt["t"] + 1, **differs})
    visitor.page.goto("about:blank")
    visitor.page.goto(f"{pages.SHOP}?a=1#poort={token}")
    visitor.ready()
    assert visitor.page.url == f"{pages.SHOP}?a=1"
    return token


def test_a_choice_made_on_the_own_page_counts_at_once(net: Internet, granted: Visitor) -> None:
    token = back(granted, a="withdraw", c=[])
    granted.asks_exactly(set())
    assert granted.token == token
    assert granted.left_behind() == set()
    assert granted.banner.count() == 0
    granted.open(pages.SHOP, banner=False).asks_exactly(set())


@pytest.mark.parametrize("differs", [
    {"p": "0d6c9f0e-63d3-4f57-a7d5-1d0e0b8f7c23"}, {"t": 1}, {"s": "other-test"},
], ids=["another visitor's", "older", "of another site"])
def test_a_link_brings_no_other_choice_along(net: Internet, granted: Visitor, differs: dict[str, Any]) -> None:
    before = granted.token
    back(granted, a="withdraw", c=[], **differs)
    granted.asks_exactly(OLD)
    assert granted.token == before


def test_who_never_chose_here_is_asked_whatever_a_link_says(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, TAGS) + f"#poort={signed()}", banner=True).asks_exactly(set())


def test_while_the_server_can_not_tell_nothing_runs_on_the_old_choice(net: Internet, granted: Visitor) -> None:
    with net.fault("down", path="/v1/"):
        back(granted, a="withdraw", c=[])
        granted.asks_exactly(set())


def test_what_was_erased_on_the_own_page_is_forgotten_here(net: Internet, granted: Visitor, poort: Poort) -> None:
    granted.page.goto("about:blank")
    granted.page.goto(f"{pages.SHOP}#poort=erased")  # by a link of somebody else's
    granted.ready()
    granted.asks_exactly(OLD)
    token = str(granted.token)
    assert poort.call("DELETE", "/v1/sites/shop-test/me", headers={"Poort-Receipt": token}).status == 204
    net.forget()
    granted.page.goto("about:blank")
    granted.page.goto(f"{pages.SHOP}#poort=erased")
    granted.banner.wait_for(state="visible")
    granted.asks_exactly(set())
    assert (granted.token, granted.page.url) == (None, pages.SHOP)


def test_the_settings_lead_to_the_own_page_with_the_receipt_in_the_fragment(granted: Visitor) -> None:
    granted.reopen()
    link = granted.banner.get_by_role("link", name="Wat je eerder koos")
    expect(link).to_have_attribute("href", re.compile(rf"/me/shop-test\?lang=nl#receipt={granted.token}$"))


# -- after a restore --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kept"), [(201, True), (410, False)])
def test_a_receipt_of_the_lost_hours_is_brought_once(
    net: Internet, asked: Any, poort: Poort, status: int, kept: bool
) -> None:
    """As the page sees it: what a restored server writes into the script, and answers, is put in between here."""
    key = f"life-restored-{status}"
    publish(poort, key, 1)
    publish(poort, key, policy=POLICY)  # so that what looks for news is baked in
    visitor = asked(key)
    visitor.accept_all()
    now, brought = int(time.time()), []

    def script(route: Route) -> None:
        written = poort.call("GET", f"/banner/{key}.js").body.decode()
        gap = f"restored:{{from:{now - 60},to:{now + 60}}},ask:"
        route.fulfill(body=written.replace("ask:true", gap + "true", 1), content_type="text/javascript")

    def receipts(route: Route) -> None:
        brought.append(route.request.headers["poort-receipt"])
        route.fulfill(status=status, json={}, headers={"Access-Control-Allow-Origin": "*"})

    def restored(page: Page) -> None:
        page.route(f"**/banner/{key}.js", script)
        page.route("**/receipts", receipts)

    token, url = visitor.token, visitor.page.url
    for _ in range(2):
        visitor.page = visitor.context.new_page()
        restored(visitor.page)
        visitor.page.goto(url)
        visitor.ready()
        assert wait_until(lambda: brought == [token])
        visitor.quiet()
        assert brought == [token]
        assert (visitor.token == token) is kept
