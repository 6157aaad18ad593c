"""The catalogue, the patterns it matches with, and the rules for a site's own list of trackers."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from consent.catalogue import (
    CATALOGUE,
    CATEGORIES,
    EEA,
    FROZEN,
    OPTIONAL,
    SIGNALS,
    SiteTrackerSchema,
    TrackerSchema,
    match_cookie,
    match_host,
    read_catalogue,
    resolve,
)
from consent.patterns import matches, on_host, on_path, overlap

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "consent/catalogue.toml").read_text(encoding="utf-8")
SHARED: list[dict[str, Any]] = tomllib.loads(TEXT)["shared"]
SERVICES = {  # the thirty-two that the catalogue promises; Sentry is two trackers
    "ga4", "gads", "gtm", "dclk", "hotjar", "vwo", "meta", "linkedin", "uet", "clarity", "intercom", "leadinfo",
    "activecampaign", "stripe", "calendly", "typeform", "saber", "youtube", "vimeo", "gmaps", "gfonts", "recaptcha",
    "xads", "tiktok", "pinterest", "hubspot", "matomo", "plausible", "zendesk", "crisp", "sentry", "sentry_replay",
    "csq",
}
JOURNEYS = ("ga4", "hotjar", "vwo", "meta", "linkedin", "uet", "gads", "intercom", "calendly", "typeform",
            "activecampaign", "saber")
Entry = dict[str, Any]

# A busy machine is no fault of the code: no time limits.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROW: Entry = {
    "id": "counter", "name": "Counter", "vendor": "Counter Ltd", "country": "GB", "role": "processor",
    "category": "analytics", "why": "It measures.", "transfer": True, "hosts": ["cdn.counter.example"],
    "cookies": [{"name": "_counter_*", "duration": "P13M"}],
    "purpose": {"nl": "Telt bezoeken.", "en": "Counts visits."}, "policy_url": "https://counter.example/privacy",
    "source": "https://counter.example/docs", "verified_at": "2026-11-22",
}
OWN: Entry = {
    "id": "own-stats", "name": "Own statistics", "vendor": "Webwinkel B.V.", "country": "NL", "category": "analytics",
    "hosts": ["stats.shop.example"], "cookies": [{"name": "_own_*", "duration": "P13M"}],
    "purpose": {"nl": "Telt bezoeken.", "en": "Counts visits."},
}


def paths(messages: Any, *above: str) -> Iterator[str]:
    """The dotted paths of all faults, as a command would print them."""
    if not isinstance(messages, dict):
        yield ".".join(above)
        return
    for key, below in messages.items():
        yield from paths(below, *above, str(key))


def refusal(entry: Entry, jurisdiction: str = "NL") -> tuple[list[str], str]:
    """The paths of the faults of a site's entry, and all that is said of them."""
    with pytest.raises(ValidationError) as caught:
        resolve(entry, jurisdiction)
    return sorted(paths(caught.value.messages)), str(caught.value.messages)


# The rows -----------------------------------------------------------------------------------------------------------


def test_the_catalogue_has_the_thirty_two_services() -> None:
    assert set(CATALOGUE) >= SERVICES
    assert len(SERVICES) == 33
    assert set(JOURNEYS) < SERVICES


def test_the_categories_are_the_contracts() -> None:
    assert CATEGORIES == ("necessary", "functional", "analytics", "marketing")
    assert CATEGORIES[1:] == OPTIONAL


@pytest.mark.parametrize(("category", "ids"), [
    ("analytics", {"ga4", "hotjar", "csq", "clarity", "vwo", "plausible", "matomo", "sentry_replay"}),
    ("marketing", {"meta", "linkedin", "uet", "gads", "gtm", "dclk", "activecampaign", "leadinfo", "youtube", "vimeo",
                   "gmaps", "xads", "tiktok", "pinterest", "hubspot"}),
    ("functional", {"intercom", "calendly", "typeform", "saber", "stripe", "gfonts", "recaptcha", "zendesk", "crisp",
                    "sentry", "hubspot_forms"}),
    ("necessary", set()),
])
def test_the_safe_defaults(category: str, ids: set[str]) -> None:
    assert {row["id"] for row in CATALOGUE.values() if row["category"] == category} == ids


@pytest.mark.parametrize(("field", "ids"), [
    ("embed", {"youtube", "vimeo", "gmaps", "calendly", "typeform"}),
    ("session_replay", {"hotjar", "csq", "clarity", "sentry_replay"}),
    ("exempt_possible", {"plausible", "matomo"}),
])
def test_the_rows_that_are_marked(field: str, ids: set[str]) -> None:
    assert {row["id"] for row in CATALOGUE.values() if row[field]} == ids  # type: ignore[literal-required]  # three keys


def test_every_vendor_that_can_be_told_is_told_and_its_call_is_known() -> None:
    told = {row["id"]: row["signal"] for row in CATALOGUE.values() if row["signal"]}
    assert set(told.values()) == set(SIGNALS)
    assert {id for id, signal in told.items() if signal == "google"} == {"ga4", "gads", "gtm", "dclk"}
    assert all(CATALOGUE[id]["consent_call"] for id in told)


def test_the_cookies_that_a_server_side_container_sets_are_marked() -> None:
    marked = {c["name"] for row in CATALOGUE.values() for c in row["cookies"] if c.get("server")}
    assert marked == {"FPID", "FPLC", "FPAU", "FPGCLAW", "FPGCLGB"}


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)
def test_every_row_says_what_c2_to_c4_ask(row: Entry) -> None:
    assert all(0 < len(row["purpose"][language]) <= 90 for language in ("nl", "en"))
    assert row["vendor"]
    assert row["role"]
    assert row["policy_url"].startswith("https://")
    assert row["source"].startswith("https://")
    assert row["verified_at"].isoformat() == "2026-11-22"
    assert row["transfer"] or row["country"] in EEA
    assert row["hosts"] or row["paths"]
    assert row["why"].endswith(".")
    assert row["teardown"]
    assert row["note"]


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE)
def test_no_row_lists_a_cookie_or_a_key_twice(row: Entry) -> None:
    for names in ([(c["name"], c.get("domain")) for c in row["cookies"]],
                  [(s["name"], s["kind"]) for s in row["storage"]]):
        assert len(names) == len(set(names))


NAMED = {name for entry in SHARED for name in entry["names"]}


def test_no_cookie_of_one_tracker_is_taken_for_anothers() -> None:
    for row in CATALOGUE.values():
        for cookie in row["cookies"]:
            literal = cookie["name"].replace("*", "x")
            found = match_cookie(literal, cookie.get("domain"))
            assert found == (row["id"],) or (row["id"] in found and cookie["name"] in NAMED), literal


def test_no_storage_key_of_one_tracker_is_taken_for_anothers() -> None:
    keys = [(row["id"], stored) for row in CATALOGUE.values() for stored in row["storage"]]
    for one, mine in keys:
        for other, theirs in keys:
            taken = mine["kind"] == theirs["kind"] and matches(mine["name"], theirs["name"].replace("*", "x"))
            assert not taken or one == other or mine["name"] in NAMED


def test_what_trackers_share_says_why_and_is_claimed_by_each() -> None:
    for entry in SHARED:
        assert entry["reason"].endswith(".")
        assert len(entry["trackers"]) > 1
        for name in entry["names"]:
            others = [row for row in CATALOGUE.values() if row["id"] in entry["trackers"]]
            assert len([row for row in others if any(meets(name, own) for own in owned(row))]) > 1, name


def owned(row: Any) -> list[str]:
    """Every pattern of a row."""
    return [*row["hosts"], *row["paths"], *(own["name"] for own in (*row["cookies"], *row["storage"]))]


def meets(name: str, own: str) -> bool:
    """Whether a shared name is this one, or a host under it."""
    return name == own or (name.startswith("*.") and own.endswith(name[1:]))


def test_session_replay_is_marked_and_never_exempt_a8() -> None:
    assert not any(row["session_replay"] and row["exempt_possible"] for row in CATALOGUE.values())


def test_nothing_in_the_catalogue_is_necessary_by_itself_a6() -> None:
    assert not any(row["category"] == "necessary" for row in CATALOGUE.values())


def test_the_catalogue_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["ga4"] = ROW  # type: ignore[index]  # what must fail
    resolve({"id": "ga4"}, "NL")["cookies"].clear()
    assert CATALOGUE["ga4"]["cookies"]


def test_the_catalogue_needs_neither_flask_nor_sqlalchemy() -> None:
    heavy = "{m.split('.')[0] for m in sys.modules} & {'flask', 'sqlalchemy', 'flask_sqlalchemy'}"
    code = f"import sys, consent.catalogue; assert not {heavy}, {heavy}"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# Bad rows -----------------------------------------------------------------------------------------------------------


def test_the_sample_row_is_good() -> None:
    assert TrackerSchema().load(ROW)["storage"] == []


@pytest.mark.parametrize(("change", "path"), [
    ({"id": "Counter"}, "id"),
    ({"id": "a b"}, "id"),
    ({"name": " "}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"vendor": "\ud800"}, "vendor"),
    ({"country": "UK"}, "country"),
    ({"country": "nl"}, "country"),
    ({"role": "friend"}, "role"),
    ({"category": "statistics"}, "category"),
    ({"category": "necessary"}, "reason"),
    ({"category": "necessary", "reason": "  "}, "reason"),
    ({"category": "necessary", "reason": "Asked for.", "session_replay": True}, "session_replay"),
    ({"session_replay": True, "exempt_possible": True}, "exempt_possible"),
    ({"category": "marketing", "exempt_possible": True}, "exempt_possible"),
    ({"transfer": False}, "transfer"),
    ({"transfer": "no"}, "transfer"),
    ({"hosts": ["https://cdn.counter.example"]}, "hosts.0"),
    ({"hosts": ["cdn.counter.example", "cdn.counter.example/js"]}, "hosts.1"),
    ({"hosts": ["cdn.*.example"]}, "hosts.0"),
    ({"hosts": ["*counter.example"]}, "hosts.0"),
    ({"hosts": ["*.com"]}, "hosts.0"),
    ({"hosts": ["CDN.counter.example"]}, "hosts.0"),
    ({"hosts": ["10.0.0.1"]}, "hosts.0"),
    ({"hosts": ["cdn.counter.example\n"]}, "hosts.0"),
    ({"hosts": ["-cdn.counter.example"]}, "hosts.0"),
    ({"paths": ["cdn.counter.example"]}, "paths.0"),
    ({"paths": ["cdn.counter.example/"]}, "paths.0"),
    ({"paths": ["cdn.counter.example/*.js"]}, "paths.0"),
    ({"cookies": [{"name": "_co*nter", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "*", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "_c*", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "a;b", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "poort", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "poo*", "duration": "P1Y"}]}, "cookies.0.name"),
    ({"cookies": [{"name": "PREF", "duration": "P1Y"}]}, "cookies"),
    ({"cookies": [{"name": "_counter", "duration": "2 years"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "P"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "PT"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "P1YT"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "P0D"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "P٣D"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter"}]}, "cookies.0.duration"),
    ({"cookies": [{"name": "_counter", "duration": "P1Y", "domain": "https://x.example"}]}, "cookies.0.domain"),
    ({"cookies": [{"name": "_counter", "duration": "P1Y", "secure": True}]}, "cookies.0.secure"),
    ({"storage": [{"name": "counter", "kind": "indexed"}]}, "storage.0.kind"),
    ({"storage": [{"name": "co*er", "kind": "local"}]}, "storage.0.name"),
    ({"purpose": {"nl": "Telt bezoeken."}}, "purpose.en"),
    ({"purpose": {"nl": "Telt bezoeken.", "en": "x" * 91}}, "purpose.en"),
    ({"purpose": {"nl": "Telt.", "en": "Counts.", "de": "Misst."}}, "purpose.de"),
    ({"policy_url": "http://counter.example/privacy"}, "policy_url"),
    ({"policy_url": "javascript:alert(1)"}, "policy_url"),
    ({"source": "the vendor"}, "source"),
    ({"verified_at": "yesterday"}, "verified_at"),
    ({"why": " "}, "why"),
    ({"why": "two\nlines"}, "why"),
    ({"signal": "facebook"}, "signal"),
    ({"signal": ""}, "signal"),
    ({"embed": "yes"}, "embed"),
    ({"embed": True, "hosts": []}, "embed"),
    ({"teardown": ""}, "teardown"),
    ({"elements": ["div"]}, "elements.0"),
    ({"elements": ["*"]}, "elements.0"),
    ({"elements": ["#a .b"]}, "elements.0"),
    ({"elements": ["#a,#b"]}, "elements.0"),
    ({"elements": ["#a:has(b)"]}, "elements.0"),
    ({"elements": ["[id*=counter]"]}, "elements.0"),
    ({"elements": ["[onclick^=counter]"]}, "elements.0"),
    ({"elements": ["[id^=co]"]}, "elements.0"),
    ({"elements": [".counter", "#poort-banner"]}, "elements.1"),
    ({"elements": ["[id^=poo]"]}, "elements.0"),
    ({"elements": ["[data-poort^=banner]"]}, "elements.0"),
    ({"cookies": [{"name": "_counter", "duration": "P1Y", "server": "yes"}]}, "cookies.0.server"),
    ({"legitimate_interest": True}, "legitimate_interest"),  # A5: there is no such basis
])
def test_a_bad_row_is_refused_with_the_path_of_its_fault(change: Entry, path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrackerSchema().load(ROW | change)
    assert list(paths(caught.value.messages)) == [path]


@pytest.mark.parametrize("field", sorted(ROW))
def test_a_row_without_a_required_field_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrackerSchema().load({key: value for key, value in ROW.items() if key != field})
    assert list(paths(caught.value.messages)) == [field]


def test_an_id_that_is_there_twice_is_refused() -> None:
    first = TEXT.index("[[tracker]]")
    again = TEXT[first:TEXT.index("[[tracker]]", first + 1)]
    with pytest.raises(ValidationError) as caught:
        read_catalogue(TEXT + "\n" + again)
    assert list(paths(caught.value.messages)) == [f"tracker.{len(CATALOGUE)}.id"]


NEIGHBOUR = '''
[[tracker]]
id = "neighbour"
name = "Neighbour"
vendor = "Neighbour"
country = "NL"
role = "processor"
category = "analytics"
why = "It measures."
transfer = false
hosts = [{hosts}]
cookies = [{cookies}]
storage = [{storage}]
purpose.nl = "Telt."
purpose.en = "Counts."
policy_url = "https://neighbour.example/privacy"
source = "https://neighbour.example/docs"
verified_at = "2026-11-22"
'''


def with_neighbour(hosts: str = "", cookies: str = "", storage: str = "") -> str:
    """The catalogue with one row more."""
    return TEXT + NEIGHBOUR.format(hosts=hosts, cookies=cookies, storage=storage)


@pytest.mark.parametrize(("neighbour", "field", "other"), [
    ({"cookies": '{ name = "_li*", duration = "P1Y" }'}, "cookies", "_li_id*"),
    ({"cookies": '{ name = "_hjSession_1", duration = "P1Y" }'}, "cookies", "_hjSession_*"),
    ({"cookies": '{ name = "_fbp", duration = "P1Y" }'}, "cookies", "_fbp"),
    ({"cookies": '{ name = "MUID", duration = "P1Y", domain = "www.bing.com" }'}, "cookies", "MUID"),
    ({"storage": '{ name = "_hj*", kind = "local" }'}, "storage", "_hjUserAttributes"),
    ({"hosts": '"static.hotjar.com"'}, "hosts", "*.hotjar.com"),
    ({"hosts": '"*.facebook.net"'}, "hosts", "connect.facebook.net"),
    ({"hosts": '"www.facebook.com"'}, "hosts", "www.facebook.com/tr"),
])
def test_a_row_that_would_be_taken_for_its_neighbour_is_refused(neighbour: Entry, field: str, other: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read_catalogue(with_neighbour(**neighbour))
    assert f"tracker.{len(CATALOGUE)}.{field}" in list(paths(caught.value.messages))
    assert f"as {other}" in str(caught.value.messages)


@pytest.mark.parametrize("neighbour", [
    {"cookies": '{ name = "li_own", duration = "P1Y" }'},  # LinkedIn's are listed one by one
    {"cookies": '{ name = "MUID", duration = "P1Y", domain = "neighbour.example" }'},
    {"storage": '{ name = "_hjUserAttributes", kind = "session" }'},
    {"hosts": '"hotjar.com"'},
])
def test_a_row_beside_its_neighbour_is_taken(neighbour: Entry) -> None:
    assert "neighbour" in read_catalogue(with_neighbour(**neighbour))


def test_what_is_shared_on_purpose_is_taken_and_only_between_those_it_names() -> None:
    shared = '\n[[shared]]\nnames = ["_fbp"]\ntrackers = ["{}", "neighbour"]\nreason = "They are one."\n'
    text = with_neighbour(cookies='{ name = "_fbp", duration = "P1Y" }')
    assert "neighbour" in read_catalogue(text + shared.format("meta"))
    with pytest.raises(ValidationError):
        read_catalogue(text + shared.format("ga4"))


def test_a_file_that_is_no_catalogue_is_refused() -> None:
    with pytest.raises(ValidationError):
        read_catalogue("title = 'x'")
    with pytest.raises(tomllib.TOMLDecodeError):
        read_catalogue("[[tracker]")


# Matching -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "ids"), [
    ("region1.google-analytics.com", ("ga4",)),
    ("www.googletagmanager.com/gtag/js?id=G-ABC123", ("ga4",)),
    ("www.googletagmanager.com/gtag/js?id=AW-123", ("gads",)),
    ("www.googletagmanager.com/gtag/js?id=GT-123", ("ga4", "gads", "dclk")),  # it may feed each
    ("www.googletagmanager.com/gtag/js?id=DC-123", ("dclk",)),
    ("www.googletagmanager.com/gtm.js?id=GTM-1", ("gtm",)),  # a container is neither
    ("www.googletagmanager.com/ns.html?id=GTM-1", ("gtm",)),
    ("www.googletagmanager.com", ()),
    ("stats.g.doubleclick.net", ("ga4", "dclk")),
    ("securepubads.g.doubleclick.net/tag/js/gpt.js", ("dclk",)),
    ("pagead2.googlesyndication.com/pagead/js/adsbygoogle.js", ("gads", "dclk")),
    ("t.contentsquare.net/uxa/1.js", ("csq",)),
    ("www.clarity.ms/tag/abc", ("clarity",)),
    ("js.stripe.com/v3", ("stripe",)),
    ("www.youtube.com/embed/abc", ("youtube",)),
    ("www.youtube-nocookie.com/embed/abc", ("youtube",)),
    ("i.ytimg.com/vi/abc/hqdefault.jpg", ("youtube",)),
    ("player.vimeo.com/video/1", ("vimeo",)),
    ("maps.googleapis.com/maps/api/js?key=1", ("gmaps",)),
    ("www.google.com/maps/embed?pb=1", ("gmaps",)),
    ("fonts.googleapis.com/css2?family=Roboto", ("gfonts",)),
    ("fonts.gstatic.com/s/roboto.woff2", ("gfonts",)),
    ("www.google.com/recaptcha/api.js", ("recaptcha",)),
    ("www.gstatic.com/recaptcha/releases/1.js", ("recaptcha",)),
    ("www.gstatic.com/charts/loader.js", ()),
    ("static.ads-twitter.com/uwt.js", ("xads",)),
    ("t.co/i/adsct", ("xads",)),
    ("t.co/abc", ()),
    ("analytics.tiktok.com/i18n/pixel/events.js", ("tiktok",)),
    ("s.pinimg.com/ct/core.js", ("pinterest",)),
    ("s.pinimg.com/webapp/app.js", ()),
    ("js.hs-scripts.com/1.js", ("hubspot",)),
    ("js-eu1.hs-scripts.com/1.js", ("hubspot",)),
    ("js.hsforms.net/forms/embed/v2.js", ("hubspot_forms",)),
    ("static.zdassets.com/ekr/snippet.js", ("zendesk",)),
    ("client.crisp.chat/l.js", ("crisp",)),
    ("o1.ingest.de.sentry.io/api/1/envelope/", ("sentry",)),
    ("browser.sentry-cdn.com/8.0.0/bundle.min.js", ("sentry", "sentry_replay")),  # the address does not tell
    ("STATIC.hotjar.com.", ("hotjar",)),
    ("hotjar.com", ()),
    ("nothotjar.com", ()),
    ("static.hotjar.com.evil.example", ()),
    ("d5phz18u4wuww.cloudfront.net", ("vwo",)),
    ("other.cloudfront.net", ()),
    ("connect.facebook.net/en_US/fbevents.js", ("meta",)),
    ("www.facebook.com/tr", ("meta",)),
    ("www.facebook.com/tr/", ("meta",)),
    ("www.facebook.com/tr?id=1", ("meta",)),
    ("www.facebook.com/travel", ()),
    ("www.facebook.com/", ()),
    ("snap.licdn.com/li.lms-analytics/insight.min.js", ("linkedin",)),
    ("bat.bing.com/bat.js", ("uet",)),
    ("www.bing.com/", ()),
    ("www.googleadservices.com/pagead/conversion.js", ("gads",)),
    ("www.google.com/pagead/1p-user-list/1", ("gads",)),
    ("www.google.com/maps", ()),
    ("widget.intercom.io/widget/abc", ("intercom",)),
    ("js.intercomcdn.com", ("intercom",)),
    ("assets.calendly.com/assets/external/widget.js", ("calendly",)),
    ("calendly.com/someone", ("calendly",)),
    ("embed.typeform.com/next/embed.js", ("typeform",)),
    ("diffuser-cdn.app-us1.com/diffuser/diffuser.js", ("activecampaign",)),
    ("trackcmp.net/visit", ("activecampaign",)),
    ("widget.saberfeedback.com/v2/widget.js", ("saber",)),
    ("cdn.leadinfo.net/ping.js", ("leadinfo",)),
    ("collector4.leadinfo.net", ("leadinfo",)),
    ("plausible.io/js/script.js", ("plausible",)),
    ("cdn.matomo.cloud/shop.matomo.cloud/matomo.js", ("matomo",)),
    ("www.shop.example", ()),
])
def test_a_request_is_known_by_host_and_path(address: str, ids: tuple[str, ...]) -> None:
    host, _, path = address.partition("/")
    assert match_host(host, "/" + path) == ids


@pytest.mark.parametrize(("name", "domain", "ids"), [
    ("_ga", None, ("ga4",)),
    ("_ga_ABC123", None, ("ga4",)),
    ("_gat", None, ("ga4",)),
    ("_gatsby", None, ()),
    ("_gac_gb_123", None, ("gads",)),
    ("_gac_UA-1-2", None, ("ga4",)),
    ("_li_id.1fff", None, ("leadinfo",)),  # trap: Leadinfo's names look like LinkedIn's
    ("_li_ses.1fff", None, ("leadinfo",)),
    ("li_fat_id", None, ("linkedin",)),
    ("li_anything", None, ()),
    ("xli_fat_id", None, ()),
    ("_cs_1234567890123", None, ()),  # trap: not Contentsquare's
    ("_hjSession_1", None, ("hotjar",)),
    ("_hjSessionUser_1", None, ("hotjar",)),
    ("intercom-id-abc", None, ("intercom",)),
    ("MR", None, ()),  # a generic name counts only on its vendor's domain
    ("MR", "bing.com", ("uet",)),
    ("MR", ".bat.bing.com", ("uet",)),
    ("MR", "c.clarity.ms", ("clarity",)),
    ("MR", "shop.example", ()),
    ("_cs_id", None, ("csq",)),
    ("_cs_identity", None, ()),
    ("_hjDonePolls", None, ("hotjar", "csq")),
    ("_ttp", None, ("tiktok",)),
    ("crisp-client/session/1", None, ("crisp",)),
    ("crisp-client%2Fsession%2F1", None, ("crisp",)),
    ("NID", None, ()),
    ("NID", ".google.com", ("gmaps",)),
    ("PREF", "www.youtube.com", ("youtube",)),
    ("fr", "shop.example", ()),
    ("fr", "notfacebook.com", ()),
    ("fr", "www.facebook.com", ("meta",)),
    ("poort", None, ()),
])
def test_a_cookie_is_known_by_name_and_domain(name: str, domain: str | None, ids: tuple[str, ...]) -> None:
    assert match_cookie(name, domain) == ids


NAMES = st.text(ascii_letters + digits + "_-.", min_size=1, max_size=12)


@calm
@given(NAMES, NAMES)
def test_a_pattern_is_the_exact_name_or_a_prefix_and_never_a_substring(stem: str, name: str) -> None:
    assert matches(stem, name) == (stem == name)
    assert matches(stem + "*", name) == (name[:len(stem)] == stem)
    assert matches(stem + "*", stem + name)
    assert not matches(stem + "*", "~" + stem + name)


@calm
@given(st.sampled_from([(row["id"], c) for row in CATALOGUE.values() for c in row["cookies"]]), NAMES)
def test_match_cookie_agrees_with_prefix_semantics(of: tuple[str, Entry], rest: str) -> None:
    tracker, cookie = of
    stem = cookie["name"].removesuffix("*")
    if cookie["name"].endswith("*"):
        assert tracker in match_cookie(stem + rest, cookie.get("domain"))
    assert tracker in match_cookie(stem, cookie.get("domain"))
    assert tracker not in match_cookie("~" + stem + rest, cookie.get("domain"))


@calm
@given(NAMES)
def test_match_cookie_finds_exactly_the_rows_with_a_pattern_for_it(name: str) -> None:
    expected = [row["id"] for row in CATALOGUE.values()
                if any("domain" not in c and matches(c["name"], name) for c in row["cookies"])]
    assert list(match_cookie(name)) == expected


LABEL = st.text("abcdefgh0123456789", min_size=1, max_size=6)


@calm
@given(LABEL, LABEL)
def test_a_suffix_never_matches_a_neighbour(label: str, other: str) -> None:
    assert on_host("*.shop.example", f"{label}.{other}.shop.example")
    assert not on_host("*.shop.example", "shop.example")
    assert not on_host("*.shop.example", f"{label}shop.example")
    assert not on_host("*.shop.example", f"{label}.shop.example.{other}")
    assert not on_host("shop.example", f"{label}.shop.example")


@calm
@given(LABEL)
def test_a_path_never_matches_a_neighbour(label: str) -> None:
    assert on_path("a.example/tr", "a.example", f"/tr/{label}")
    assert not on_path("a.example/tr", "a.example", f"/tr{label}")
    assert not on_path("a.example/tr", f"{label}.a.example", "/tr")


@pytest.mark.parametrize(("one", "other", "both"), [
    ("a.example", "a.example", True), ("*.a.example", "b.a.example", True), ("b.a.example", "*.a.example", True),
    ("*.a.example", "*.b.a.example", True), ("*.a.example", "a.example", False), ("a.example", "b.example", False),
])
def test_overlap_of_host_patterns(one: str, other: str, both: bool) -> None:
    assert overlap(one, other) is both


# A site's trackers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", CATALOGUE)
def test_an_id_alone_is_enough_for_a_tracker_of_the_catalogue(id: str) -> None:
    row = resolve({"id": id}, "NL")
    assert tuple(row) == FROZEN
    assert row["category"] == CATALOGUE[id]["category"]
    assert (row["exempt"], row["agreement"]) == (False, None)
    assert json.loads(json.dumps(row)) == row


def test_an_own_tracker_needs_no_more_than_the_contract_shows() -> None:
    row = resolve(OWN, "NL")
    assert tuple(row) == FROZEN
    assert (row["role"], row["transfer"], row["storage"], row["policy_url"]) == ("controller", False, [], None)
    assert (row["embed"], row["signal"], row["elements"]) == (False, None, [])


def test_an_own_tracker_outside_the_eea_is_a_transfer_c4() -> None:
    assert resolve(OWN | {"country": "US"}, "NL")["transfer"]


def test_an_entry_loads_to_what_was_given() -> None:
    for entry in ({"id": "ga4"}, {"id": "intercom", "category": "functional"}, OWN):
        assert SiteTrackerSchema().load(entry) == entry


@pytest.mark.parametrize("entry", [
    {"id": "intercom", "category": "functional"},  # the default, said again, needs no reason
    {"id": "intercom", "category": "marketing", "reason": "We send campaigns with it."},
    {"id": "intercom", "category": "necessary", "reason": "The help desk is the service."},
    {"id": "ga4", "category": "marketing", "reason": "Linked to Google Ads."},
    {"id": "ga4", "agreement": True},
    {"id": "plausible", "exempt": True, "reason": "No cookies, nothing shared."},
    {"id": "matomo", "exempt": True, "reason": {"nl": "Zoals de AP het beschrijft.", "en": "As the authority says."}},
    OWN | {"exempt": True, "reason": "Counts only, for this site only."},
    OWN | {"category": "necessary", "reason": "Keeps you signed in."},
    OWN | {"category": "functional", "hosts": [], "cookies": []},
    OWN | {"storage": [{"name": "own.*", "kind": "local"}], "paths": ["www.shop.example/stats/"]},
    OWN | {"embed": True, "elements": ["#own-map", ".own-popup", "[id^=own-]", "[data-own^=map]"]},
    OWN | {"embed": True, "hosts": [], "paths": ["www.shop.example/map/"]},
    OWN | {"cookies": [{"name": "_own", "duration": "P1D", "server": True}]},
    OWN | {"cookies": [{"name": "_pk_id.*", "duration": "P13M"}]},  # a Matomo of the site's own
    {"id": "stripe", "category": "necessary", "reason": "Loaded on the checkout only, where somebody pays."},
    {"id": "recaptcha", "category": "necessary", "reason": "Guards the form that somebody sends."},
    {"id": "gtm", "category": "analytics", "reason": "The container holds Google Analytics alone."},
    {"id": "vimeo", "category": "functional", "reason": "Every film has dnt=1."},
    OWN | {"role": "processor", "policy_url": "https://stats.example/privacy", "session_replay": True},
])
def test_a_lawful_entry_is_taken(entry: Entry) -> None:
    row = resolve(entry, "NL")
    assert {key: row[key] for key in entry} == entry


@pytest.mark.parametrize(("entry", "fault"), [
    ({"id": "ga4", "category": "functional"}, "reason"),  # A6: a departure is justified
    ({"id": "ga4", "category": "functional", "reason": ""}, "reason"),
    ({"id": "ga4", "category": "functional", "reason": {"nl": "Samen met de chat."}}, "reason.en"),
    ({"id": "ga4", "category": "functional", "reason": {"nl": "Samen.", "en": "A\nB"}}, "reason.en"),
    ({"id": "ga4", "category": "functional", "reason": ["Samen."]}, "reason"),
    ({"id": "ga4", "category": "functional", "reason": "   "}, "reason"),
    ({"id": "ga4", "category": "necessary", "reason": "We want it."}, "category"),  # A6
    ({"id": "meta", "category": "necessary", "reason": "We want it."}, "category"),  # A6
    ({"id": "vwo", "category": "necessary", "reason": "The vendor says so."}, "category"),  # A6, TF 26-30
    ({"id": "hotjar", "category": "necessary", "reason": "We want it."}, "category session_replay"),  # A6
    ({"id": "plausible", "exempt": True}, "reason"),  # A7
    ({"id": "plausible", "exempt": True, "category": "functional", "reason": "x"}, "exempt"),  # A7
    ({"id": "hotjar", "exempt": True, "reason": "Useful."}, "exempt"),  # A8
    ({"id": "ga4", "exempt": True, "reason": "Useful."}, "exempt"),  # A7
    ({"id": "meta", "exempt": True, "reason": "Useful."}, "exempt"),  # A7
    (OWN | {"exempt": True}, "reason"),
    (OWN | {"exempt": True, "reason": "x", "session_replay": True}, "exempt"),  # A8
    (OWN | {"exempt": True, "reason": "x", "transfer": True}, "exempt"),  # A7
    (OWN | {"exempt": True, "reason": "x", "country": "US"}, "exempt"),  # A7
    (OWN | {"exempt": True, "reason": "x", "category": "marketing"}, "exempt"),  # A7
    (OWN | {"exempt": True, "reason": "x", "category": "necessary"}, "exempt"),
    (OWN | {"exempt": True, "reason": "x",
            "cookies": [{"name": "_own", "duration": "P1D", "domain": "vendor.example"}]}, "exempt"),  # A7
    (OWN | {"category": "necessary"}, "reason"),  # A6
    (OWN | {"category": "necessary", "reason": "x", "session_replay": True}, "session_replay"),  # A6
    (OWN | {"country": "US", "transfer": False}, "transfer"),  # C4
    (OWN | {"category": "statistics"}, "category"),
    (OWN | {"hosts": ["static.hotjar.com"]}, "hosts"),  # A6, A8: no other name for a known tracker
    (OWN | {"hosts": ["*.facebook.net"]}, "hosts"),
    (OWN | {"hosts": ["www.facebook.com"]}, "hosts"),  # a part of this host is the pixel's
    (OWN | {"hosts": [], "paths": ["www.facebook.com/tr"]}, "paths"),
    (OWN | {"hosts": [], "paths": ["static.hotjar.com/c/"]}, "paths"),
    (OWN | {"embed": True, "hosts": []}, "embed"),
    (OWN | {"embed": "yes"}, "embed"),
    (OWN | {"elements": ["div"]}, "elements.0"),
    (OWN | {"elements": ["#own", "#poort-banner"]}, "elements.1"),
    (OWN | {"elements": ["#a{}"]}, "elements.0"),
    (OWN | {"elements": [f"#own-{n}" for n in range(21)]}, "elements"),
    (OWN | {"signal": "google"}, "signal"),  # a site has no vendor of its own to tell
    (OWN | {"why": "Because."}, "why"),
    ({"id": "youtube", "embed": False}, "embed"),
    ({"id": "intercom", "elements": []}, "elements"),
    ({"id": "ga4", "signal": None}, "signal"),
    ({"id": "gtm", "category": "necessary", "reason": "We need the container."}, "category"),  # A6
    ({"id": "sentry_replay", "category": "necessary", "reason": "To find faults."}, "category session_replay"),  # A6
    ({"id": "sentry_replay", "exempt": True, "reason": "To find faults."}, "exempt"),  # A8
    ({"id": "clarity", "exempt": True, "reason": "Free of charge."}, "exempt"),  # A8
    ({"id": "csq", "exempt": True, "reason": "Useful."}, "exempt"),  # A8
    (OWN | {"cookies": [{"name": "a*b", "duration": "P1D"}]}, "cookies.0.name"),
    (OWN | {"cookies": [{"name": "_own", "duration": "long"}]}, "cookies.0.duration"),
    (OWN | {"cookies": [{"name": "poort", "duration": "P1D"}]}, "cookies.0.name"),
    (OWN | {"storage": [{"name": "own"}]}, "storage.0.kind"),
    (OWN | {"purpose": {"de": "Misst."}}, "purpose.de"),
    (OWN | {"purpose": {}}, "purpose._schema"),
    (OWN | {"policy_url": "http://shop.example"}, "policy_url"),
    (OWN | {"id": "Own Stats"}, "id"),
    (OWN | {"legitimate_interest": True}, "legitimate_interest"),  # A5
    ({"id": "ga4", "basis": "legitimate interest"}, "basis"),  # A5
    ({"id": "ga4", "exempt": "yes"}, "exempt"),
    ({"id": "ga4", "exempt": None}, "exempt"),
    ({"id": "ga4", "name": "Statistics"}, "name"),  # C2: who it is stays as the catalogue says
    ({"id": "ga4", "cookies": []}, "cookies"),
    ({"category": "functional"}, "id"),
    ({"id": 4}, "id"),
])
def test_an_unlawful_or_malformed_entry_is_refused_at_its_field(entry: Entry, fault: str) -> None:
    assert refusal(entry)[0] == fault.split()


MEASURES = {id for id, row in CATALOGUE.items() if row["category"] in ("analytics", "marketing")}
EXEMPT = {"plausible", "matomo"}


@pytest.mark.parametrize("id", sorted(MEASURES))
def test_what_measures_or_advertises_is_never_necessary_whatever_the_reason_a6(id: str) -> None:
    assert "category" in refusal({"id": id, "category": "necessary", "reason": "The site needs it."})[0]


@pytest.mark.parametrize("id", CATALOGUE)
def test_another_category_than_the_catalogues_needs_a_reason_a6(id: str) -> None:
    other = "functional" if CATALOGUE[id]["category"] != "functional" else "marketing"
    assert refusal({"id": id, "category": other})[0] == ["reason"]
    assert resolve({"id": id, "category": other, "reason": "Judged by the owner."}, "NL")["category"] == other


@pytest.mark.parametrize("id", sorted(set(CATALOGUE) - EXEMPT))
def test_nothing_else_than_what_the_catalogue_allows_is_exempt_a7_a8(id: str) -> None:
    assert refusal({"id": id, "exempt": True, "reason": "It is harmless."})[0] == ["exempt"]
    if CATALOGUE[id]["category"] != "analytics":  # nor by calling it analytics
        entry = {"id": id, "exempt": True, "category": "analytics", "reason": "It is harmless."}
        assert refusal(entry)[0] == ["exempt"]


@pytest.mark.parametrize("jurisdiction", ["BE", "DE", "EU", "nl", ""])
def test_the_exemption_is_dutch_only_a7(jurisdiction: str) -> None:
    entry = {"id": "plausible", "exempt": True, "reason": "No cookies."}
    assert resolve(entry, "NL")["exempt"] is True
    assert refusal(entry, jurisdiction)[0] == ["exempt"]
    assert resolve({"id": "plausible"}, jurisdiction)["exempt"] is False


@pytest.mark.parametrize("more", [{}, {"category": "analytics"}, {"exempt": True}])
def test_a_wrong_id_is_said_to_be_wrong(more: Entry) -> None:
    where, said = refusal({"id": "ga5", **more})
    assert where == ["id"]
    assert "ga5 is not in the catalogue; " in said


@pytest.mark.parametrize("field", ["name", "vendor", "country", "category", "hosts", "cookies", "purpose"])
def test_an_own_tracker_that_lacks_a_field_is_told_which(field: str) -> None:
    assert refusal({key: value for key, value in OWN.items() if key != field})[0] == [field]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3), max_leaves=8)


@calm
@given(st.dictionaries(st.sampled_from([*FROZEN, "x"]), JSON, max_size=6), st.sampled_from([{"id": "ga4"}, OWN]))
def test_whatever_is_given_is_refused_or_becomes_a_whole_row(change: Entry, entry: Entry) -> None:
    try:
        row = resolve(entry | change, "NL")
    except ValidationError:
        return
    assert tuple(row) == FROZEN
    json.dumps(row, allow_nan=False).encode()


# The examples -------------------------------------------------------------------------------------------------------

FIELDS = {"key", "name", "organisation", "controller", "origins", "cookie_domain", "default_language", "languages",
          "trackers", "consent_days", "refusal_days", "release", "audience", "jurisdiction"}


def definitions() -> dict[str, Entry]:
    """All sites of examples/ by key."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "examples").glob("*.json"))]
    return {site["key"]: site for file in files for site in (file if isinstance(file, list) else [file])}


SITES = definitions()


def test_the_examples_are_the_five_profiles() -> None:
    assert set(SITES) == {"erp-www", "erp-app", "docs", "hours", "journeys-www", "journeys-app", "integrator"}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_an_example_is_a_site_definition_with_lawful_trackers(site: Entry) -> None:
    assert set(site) - {"claim_days", "policy"} == FIELDS
    assert all(origin.startswith("https://") and origin.endswith(".example") for origin in site["origins"])
    assert (site["default_language"], site["languages"], site["jurisdiction"]) == ("nl", ["nl", "en"], "NL")
    ids = [resolve(entry, site["jurisdiction"])["id"] for entry in site["trackers"]]
    assert len(ids) == len(set(ids))


def asked(key: str) -> set[str]:
    """The trackers of an example that need consent."""
    rows = [resolve(entry, "NL") for entry in SITES[key]["trackers"]]
    return {row["id"] for row in rows if row["category"] != "necessary" and not row["exempt"]}


@pytest.mark.parametrize(("key", "ids"), [
    ("journeys-www", set(JOURNEYS)),
    ("journeys-app", {"intercom"}),
    ("docs", {"leadinfo", "page-stats"}),
    ("hours", set()),
    ("integrator", set()),
])
def test_an_example_asks_consent_for_what_its_profile_says(key: str, ids: set[str]) -> None:
    assert asked(key) == ids


def test_hours_lists_its_exempt_statistics_with_a_reason_a7() -> None:
    rows = {entry["id"]: resolve(entry, "NL") for entry in SITES["hours"]["trackers"]}
    assert rows["plausible"]["exempt"]
    assert all(row["reason"] for row in rows.values())


def test_sites_of_one_organisation_do_not_share_their_receipt() -> None:
    for one, other in (("erp-www", "erp-app"), ("journeys-www", "journeys-app")):
        assert SITES[one]["organisation"] == SITES[other]["organisation"]
        assert SITES[one]["cookie_domain"] is SITES[other]["cookie_domain"] is None
        assert set(SITES[one]["origins"]).isdisjoint(SITES[other]["origins"])
