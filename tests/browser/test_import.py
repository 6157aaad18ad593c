"""The cookie of another platform is read once, with its date, and becomes a record of source import, or nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

KEY = "switched"
DATED = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
IDS = ("ga4", "hotjar", "intercom", "meta", "uet")
TAGS = "".join(pages.gated_script(name, trackers.BY_ID[name].script) for name in IDS)
NOTHING = {"functional": False, "analytics": False, "marketing": False}
ALL = {"functional": True, "analytics": True, "marketing": True}
EACH = {"functional": {"intercom"}, "analytics": {"ga4", "hotjar"}, "marketing": {"meta", "uet"}}


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def cookiebot(
    granted: dict[str, bool], method: str = "explicit", at: datetime = DATED, end: str = ",region:'nl'}"
) -> dict[str, str]:
    said = {"preferences": "functional", "statistics": "analytics", "marketing": "marketing"}
    answers = ",".join(f"{theirs}:{str(granted[ours]).lower()}" for theirs, ours in said.items())
    moment = int(at.timestamp() * 1000)
    value = f"{{stamp:'kB3+/x==',necessary:true,{answers},method:'{method}',ver:1,utc:{moment}{end}"
    return {"CookieConsent": quote(value, safe="{}:+/")}


def onetrust(
    granted: dict[str, bool], closed: datetime | None = DATED, more: str = "", extra: str = ""
) -> dict[str, str]:
    groups = [("C0001", True), ("C0002", granted["analytics"]), ("C0003", granted["functional"]),
              ("C0004", granted["marketing"]), ("C0005", granted["marketing"])]
    listed = quote(",".join(f"{name}:{int(on)}" for name, on in groups) + extra)
    value = f"isGpcEnabled=0&datestamp=Sun+Nov+22+2026+12%3A00%3A00+GMT%2B0100&version=6.33.0&groups={listed}{more}"
    return {"OptanonConsent": value, **({"OptanonAlertBoxClosed": iso(closed)} if closed else {})}


def orestbida(categories: list[str], services: dict[str, list[str]], **differs: Any) -> dict[str, str]:
    value = {
        "categories": categories, "revision": 0, "data": None, "consentTimestamp": iso(DATED - timedelta(days=9)),
        "consentId": "9a1b", "services": services, "languageCode": "nl", "lastConsentTimestamp": iso(DATED),
        "expirationTime": int((DATED + timedelta(days=182)).timestamp() * 1000), **differs,
    }
    return {"cc_cookie": quote(json.dumps(value, separators=(",", ":")))}


# All that the old site knew.
NAMED: dict[str, list[str]] = {"necessary": [], "functionality": [], "analytics": [], "ads": []}


def klaro(**answers: bool) -> dict[str, str]:
    return {"klaro": quote(json.dumps(answers, separators=(",", ":")))}


def bring(visitor: Visitor, cookies: dict[str, str], key: str = KEY) -> None:
    """The visitor answered the old platform, and comes back."""
    visitor.context.add_cookies([
        {"name": name, "value": value, "domain": f".{key}.example", "path": "/"} for name, value in cookies.items()])


def consents(net: Internet, key: str = KEY) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in net.requests(path=f"/v1/sites/{key}/consents", method="POST")]


def visit(net: Internet, visitor: Visitor, path: str = "", banner: bool | None = False, **more: Any) -> None:
    visitor.open(pages.shop(net, TAGS, **{"key": KEY, "path": path, **more}), banner=banner)


def some(*granted: str) -> dict[str, bool]:
    return {name: name in granted for name in NOTHING}


TOLD: dict[str, tuple[dict[str, str], dict[str, bool], dict[str, bool]]] = {
    "Cookiebot, all": (cookiebot(ALL), ALL, {}),
    "Cookiebot, nothing": (cookiebot(NOTHING), NOTHING, {}),
    "Cookiebot, statistics": (cookiebot(some("analytics")), some("analytics"), {}),
    "OneTrust, all": (onetrust(ALL), ALL, {}),
    "OneTrust, nothing": (onetrust(NOTHING), NOTHING, {}),
    "OneTrust, two": (onetrust(some("functional", "marketing")), some("functional", "marketing"), {}),
    "OneTrust, all but one of marketing": (onetrust(ALL, extra=",BG7:0"), some("functional", "analytics"), {}),
    "orestbida, all": (orestbida(list(NAMED), NAMED), ALL, {}),
    "orestbida, necessary": (orestbida(["necessary"], NAMED), NOTHING, {}),
    "orestbida, a category that it had not": (
        orestbida(["necessary", "analytics"], {"necessary": [], "analytics": []}), some("analytics"), {}),
    "orestbida, one service": (
        orestbida(["necessary", "analytics"], {**NAMED, "analytics": ["Google Analytics"]}), NOTHING, {"ga4": True}),
    "orestbida, every service": (
        orestbida(["analytics"], {**NAMED, "analytics": ["Google Analytics", "hotjar", "own-stats"]}),
        some("analytics"), {}),
    "Klaro, nothing": (klaro(googleAnalytics=False, hotjar=False), NOTHING, {}),
}


@pytest.mark.parametrize("kind", TOLD)
def test_what_the_visitor_told_the_old_platform_holds(
    net: Internet, visitor: Visitor, poort: Poort, kind: str
) -> None:
    """No banner; exactly the right trackers; one record of source import with the old date; the old cookie goes."""
    cookies, choices, apart = TOLD[kind]
    bring(visitor, cookies)
    visit(net, visitor)
    visitor.stored()
    visitor.asks_exactly({name for category in EACH if choices[category] for name in EACH[category]} | set(apart))
    (record,) = poort.records(KEY, visitor.token)
    assert (record["source"], record["choices"], record["trackers"]) == ("import", choices, apart)
    dated = None if kind.startswith("Klaro") else iso(DATED)
    assert record["decided_at"] == dated
    assert [name for _, name in visitor.witness("events") if name == "shown"] == []
    assert wait_until(lambda: not visitor.cookie_names() & set(cookies)), "the old cookie is not true any more"
    assert visitor.receipt
    if dated:
        assert visitor.receipt["t"] == int(DATED.timestamp())


@pytest.mark.parametrize("path", ["volgende", "map/dieper"])
def test_it_is_recorded_once(net: Internet, visitor: Visitor, path: str) -> None:
    bring(visitor, cookiebot(ALL))
    visit(net, visitor)
    visitor.stored()
    visit(net, visitor, path)
    visitor.asks_exactly(set(IDS))
    assert len(consents(net)) == 1


NO_CONSENT: dict[str, dict[str, str]] = {
    "Cookiebot, implied": cookiebot(ALL, method="implied"),
    "Cookiebot, no method": {"CookieConsent": cookiebot(ALL)["CookieConsent"].replace("method", "mode")},
    "Cookiebot, no date": {"CookieConsent": cookiebot(ALL)["CookieConsent"].replace("utc", "ver")},
    "Cookiebot, cut off": cookiebot(ALL, end=""),
    "Cookiebot, outside its region": {"CookieConsent": "-1"},
    "of another program": {"CookieConsent": "true"},
    "bad percents": {"CookieConsent": "%E0%A4%A", "cc_cookie": "%", "klaro": "%zz"},
    "OneTrust, never answered": onetrust(ALL, closed=None),
    "OneTrust, to be asked again": onetrust(ALL, more="&AwaitingReconsent=true"),
    "OneTrust, no interaction": onetrust(ALL, more="&interactionCount=0"),
    "OneTrust, a group that is neither": onetrust(ALL, extra=",C0009:2"),
    "OneTrust, no groups": {**onetrust(ALL), "OptanonConsent": "version=6"},
    "orestbida, no date": orestbida(list(NAMED), NAMED, lastConsentTimestamp=None, consentTimestamp=None),
    "orestbida, a date of nobody": orestbida(list(NAMED), NAMED, lastConsentTimestamp="2026-13-45T99:00:00Z"),
    "orestbida, expired": orestbida(list(NAMED), NAMED, expirationTime=1_700_000_000_000),
    "orestbida, no categories": {"cc_cookie": orestbida([], NAMED)["cc_cookie"].replace("categories", "levels")},
    "orestbida, no object": {"cc_cookie": quote("[1,2]")},
    "Klaro, a grant": klaro(googleAnalytics=True, hotjar=False),
    "Klaro, nothing in it": klaro(),
    "Klaro, words": {"klaro": quote('{"hotjar":"no"}')},
}


@pytest.mark.parametrize("kind", NO_CONSENT)
def test_what_is_no_dated_explicit_answer_is_no_answer(net: Internet, visitor: Visitor, kind: str) -> None:
    bring(visitor, NO_CONSENT[kind])
    visit(net, visitor, banner=True)
    visitor.asks_exactly(set())
    assert consents(net) == []
    assert set(NO_CONSENT[kind]) <= visitor.cookie_names(), "what is not understood is not touched"


REFUSED = {"in the future": -2, "too old": 400}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_date_that_the_server_refuses_makes_the_visitor_be_asked_and_is_not_sent_again(
    net: Internet, visitor: Visitor, kind: str
) -> None:
    bring(visitor, cookiebot(ALL, at=datetime.now(UTC) - timedelta(days=REFUSED[kind])))
    visit(net, visitor, banner=True)
    assert len(consents(net)) == 1
    visit(net, visitor, "volgende", banner=True)
    visitor.asks_exactly(set())
    assert len(consents(net)) == 1


def test_that_holds_on_a_site_that_releases_at_once_too(net: Internet, visitor: Visitor) -> None:
    """`immediate` is about clicks; whether an old date still counts only the server says."""
    key = "switched-at-once"
    bring(visitor, cookiebot(ALL, at=datetime.now(UTC) - timedelta(days=400)), key)
    visit(net, visitor, banner=True, key=key)
    visitor.asks_exactly(set())


def test_two_cookies_of_the_name_contradict_each_other(net: Internet, visitor: Visitor) -> None:
    bring(visitor, cookiebot(ALL))
    other = {"name": "CookieConsent", "value": cookiebot(NOTHING)["CookieConsent"], "path": "/"}
    visitor.context.add_cookies([{**other, "domain": f"www.{KEY}.example"}])  # type: ignore[typeddict-item]  # its shape
    visit(net, visitor, banner=True)
    visitor.asks_exactly(set())


def test_of_two_platforms_the_later_word_counts(net: Internet, visitor: Visitor) -> None:
    bring(visitor, {**cookiebot(ALL, at=DATED - timedelta(days=1)), **onetrust(NOTHING)})
    visit(net, visitor)
    visitor.stored("necessary_only")
    visitor.asks_exactly(set())


def test_a_refusal_without_a_date_counts_before_a_grant_with_one(net: Internet, visitor: Visitor) -> None:
    bring(visitor, {**cookiebot(ALL), **klaro(hotjar=False)})
    visit(net, visitor)
    visitor.stored("necessary_only")
    visitor.asks_exactly(set())


def answer(visitor: Visitor, how: str) -> None:
    """The visitor's own answer here."""
    visitor.only_necessary() if how == "refused" else visitor.accept_all()
    if how == "withdrawn":
        visitor.withdraw()


@pytest.mark.parametrize("how", ["refused", "withdrawn"])
def test_the_old_cookie_never_undoes_what_was_said_here(net: Internet, visitor: Visitor, how: str) -> None:
    visit(net, visitor, banner=True)
    answer(visitor, how)
    bring(visitor, cookiebot(ALL))
    net.forget()
    visit(net, visitor, "volgende")
    visitor.asks_exactly(set())
    assert consents(net) == []


@pytest.mark.parametrize("lost", ["the cookie", "the storage"])
def test_not_when_half_of_what_the_browser_remembers_is_gone_either(
    net: Internet, visitor: Visitor, lost: str
) -> None:
    visit(net, visitor, banner=True)
    visitor.only_necessary()
    bring(visitor, cookiebot(ALL))
    if lost == "the cookie":
        visitor.context.clear_cookies(name="poort")
    else:
        visitor.page.evaluate("localStorage.clear()")
    net.forget()
    visit(net, visitor, "volgende", banner=lost == "the cookie")
    visitor.asks_exactly(set())
    assert consents(net) == []


def test_a_withdrawal_after_the_import_holds(net: Internet, visitor: Visitor, poort: Poort) -> None:
    bring(visitor, cookiebot(ALL))
    visit(net, visitor)
    visitor.stored()
    visitor.withdraw()
    bring(visitor, cookiebot(ALL))  # as a page that still has the old platform would set it
    net.forget()
    visit(net, visitor, "volgende")
    visitor.asks_exactly(set())
    assert [row["source"] for row in poort.records(KEY, visitor.token)] == ["import", "settings"]


def test_gpc_keeps_marketing_out_of_an_import(net: Internet, new_visitor: NewVisitor, poort: Poort) -> None:
    """I1: nobody said here that it may."""
    visitor = new_visitor(gpc=True)
    bring(visitor, cookiebot(ALL))
    visit(net, visitor)
    visitor.stored("custom")
    visitor.asks_exactly({"ga4", "hotjar", "intercom"})
    (record,) = poort.records(KEY, visitor.token)
    assert record["choices"] == some("functional", "analytics")


def test_a_site_for_children_takes_nothing_over(net: Internet, visitor: Visitor) -> None:
    bring(visitor, cookiebot(ALL), "children")
    visit(net, visitor, key="children", banner=False)
    visitor.asks_exactly(set())
    assert consents(net, "children") == []


def test_without_the_second_script_the_visitor_is_asked(net: Internet, visitor: Visitor) -> None:
    bring(visitor, cookiebot(ALL))
    with net.fault("down", path="/banner/v1/"):
        visit(net, visitor, banner=True)
        visitor.asks_exactly(set())
    assert consents(net) == []


def test_while_the_server_is_down_nothing_opens_and_the_choice_is_kept(
    net: Internet, visitor: Visitor, poort: Poort
) -> None:
    bring(visitor, cookiebot(some("analytics")))
    with net.fault("down", path=f"/v1/sites/{KEY}/consents"):
        visit(net, visitor)
        visitor.asks_exactly(set())
        assert "CookieConsent" in visitor.cookie_names()
    net.forget()
    visit(net, visitor, "volgende")
    visitor.asks_exactly({"ga4", "hotjar"})
    (record,) = poort.records(KEY, visitor.token)
    assert record["decided_at"] == iso(DATED)
    assert wait_until(lambda: "CookieConsent" not in visitor.cookie_names())


def test_the_script_without_a_site_takes_over_too(net: Internet, visitor: Visitor) -> None:
    bring(visitor, onetrust(some("analytics")))
    tag = f'<script async src="https://consent.{KEY}.example/banner/v1/poort.js" data-site="{KEY}"></script>'
    visitor.open(net.page(f"https://www.{KEY}.example/", pages.html(TAGS, head=tag)), banner=False)
    visitor.asks_exactly({"ga4", "hotjar"})


def test_the_choice_holds_for_the_old_platforms_tags(net: Internet, visitor: Visitor) -> None:
    """The two halves of a switch together."""
    bring(visitor, cookiebot(some("analytics")))
    hotjar, meta = trackers.BY_ID["hotjar"].script, trackers.BY_ID["meta"].script
    tags = (
        f'<script type="text/plain" data-cookieconsent="statistics" src="{hotjar}"></script>'
        f'<script type="text/plain" data-cookieconsent="marketing" src="{meta}"></script>'
    )
    visitor.open(pages.shop(net, tags, key=KEY), banner=False)
    visitor.asks_exactly({"hotjar"})
