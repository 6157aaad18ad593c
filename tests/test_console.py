"""The console's pages: who may see what, what they show, in both languages, and what a browser is told about them."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask

from consent import reports, sites
from consent.db import db
from consent.hot import ROUTES
from consent.translations import update
from consent.views import headers
from tests.pages import Browser, queries, restarted, signed_in
from tests.shop import DEFINITION
from tests.test_reports import count

pytestmark = pytest.mark.usefixtures("people")

PEOPLE = ("anonymous", "charlie", "bob", "alice")
OWNERS = ("/console/sites/<key>/visitors", "/console/sites/<key>/versions/<int:number>/restore")
SIGNING_IN = ("security.login", "security.logout")  # what these do differs by who asks; tests/test_accounts.py
VALUES = {"key": "shop", "site": "shop", "tracker": "hotjar", "number": "1", "filename": "poort.css",
          "name": "extra-00000000"}
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def browsers(app: Flask) -> dict[str, Browser]:
    """A browser for each of the people."""
    return {name: Browser(app) if name == "anonymous" else signed_in(app, name) for name in PEOPLE}


def expected(rule: str) -> dict[str, int] | None:
    """The status of a GET by who asks; None when everybody gets the same. New routes fall under these by their path."""
    if rule == "/console/sites/<key>/requests":  # stands on the next one
        return {"anonymous": 302, "charlie": 404, "bob": 403, "alice": 302}
    if rule == "/console/organisation":  # for who has none
        return {"anonymous": 302, "charlie": 302, "bob": 302, "alice": 302}
    if rule == "/console/new":
        return {"anonymous": 302, "charlie": 200, "bob": 403, "alice": 200}
    if rule in OWNERS:  # neither a report nor a setting
        return {"anonymous": 302, "charlie": 404, "bob": 403, "alice": 200}
    if rule.startswith("/console/sites/<key>/scans/<int:id>"):  # there is none: tests/test_scans.py has one
        return {"anonymous": 302, "charlie": 404, "bob": 404, "alice": 404}
    if rule == "/console/sites/<key>/trackers/new":  # changes the draft
        return {"anonymous": 302, "charlie": 404, "bob": 403, "alice": 200}
    if rule.startswith("/console/report"):  # charlie's organisation has no site
        return {"anonymous": 302, "charlie": 404, "bob": 200, "alice": 200}
    if rule.startswith("/console/sites/<key>"):
        return {"anonymous": 302, "charlie": 404, "bob": 200, "alice": 200}
    if rule == "/console/join/<token>":  # no such invitation
        return {"anonymous": 302, "charlie": 410, "bob": 410, "alice": 410}
    if rule in ("/console/jobs", "/console/keys", "/console/audit", "/console/audit.csv"):
        return {"anonymous": 302, "charlie": 200, "bob": 403, "alice": 200}
    if rule.startswith("/console"):
        return {"anonymous": 302, "charlie": 200, "bob": 200, "alice": 200}
    return None


def calls(app: Flask) -> list[tuple[str, str, str]]:
    """Every method and path that the application answers, with the rule."""
    found = [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", lambda m: VALUES.get(m[1], "1"), rule.rule), rule.rule)
        for rule in app.url_map.iter_rules() if rule.endpoint not in SIGNING_IN
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    return found + [(route.method, route.template.format(**VALUES), route.template) for route in ROUTES]


def test_every_route_answers_by_who_asks(app: Flask) -> None:
    """Style rule 4: a stranger gets 404 on everything of another organisation, on every route there is."""
    people = browsers(app)
    asked = calls(app)
    assert len(asked) > 15
    for method, path, rule in asked:
        app.extensions["poort.attempts"].reset()  # there are more pages to guess at than attempts a minute
        statuses = {name: browser.open(path, method=method).status_code for name, browser in people.items()}
        wanted = expected(rule)
        if wanted and method == "GET":
            assert statuses == wanted, (method, rule)
        elif not wanted:
            assert len(set(statuses.values())) == 1, (method, rule, statuses)
            assert max(statuses.values()) < 500 or rule == "/readyz", (method, rule)


def test_no_form_is_taken_from_another_site(app: Flask) -> None:
    """Threat 6: every unsafe route outside the API wants the form's own token."""
    alice = signed_in(app, "alice")
    for method, path, rule in calls(app):
        # The visitor's page changes nothing; whose forms it takes is in test_rights.py. What a mail's link ends is
        # in its signed address; test_subscriptions.py.
        app.extensions["poort.attempts"].reset()
        if method in UNSAFE and not rule.startswith(("/v1/", "/me/", "/leave/")):
            assert alice.open(path, method=method).status_code == 400, (method, rule)


def test_a_stranger_can_not_tell_not_theirs_from_not_there(app: Flask) -> None:
    charlie = signed_in(app, "charlie")
    for path in ("", "/report", "/report.csv", "/report?from=x", "/requests", "/visitors", "/leaks"):
        theirs, nobodys = charlie.get(f"/console/sites/shop{path}"), charlie.get(f"/console/sites/nothing{path}")
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.text.replace("sites/shop", "") == nobodys.text.replace("sites/nothing", "")
        assert "Webwinkel" not in theirs.text
    assert "shop" not in re.sub(r"[\w.]*poort[\w.]*|charlie@\S+", "", charlie.get("/console/").text)


@pytest.mark.parametrize("key", ["%00", "SHOP", "shop%20", "%27", "sh%C3%B6p", "x" * 64, "-shop", "shop%0a"])
def test_what_is_no_key_is_not_found(app: Flask, key: str) -> None:
    alice = signed_in(app, "alice")
    assert {alice.get(f"/console/sites/{key}{page}").status_code for page in ("", "/report", "/report.csv")} == {404}


def test_who_is_not_signed_in_comes_back_after_it(app: Flask) -> None:
    assert Browser(app).get("/console/sites/shop").headers["Location"] == "/login?next=/console/sites/shop"


# The pages -----------------------------------------------------------------------------------------------------------

def text(page: str) -> str:
    """What a reader reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_list_shows_the_sites_of_ones_organisations(app: Flask) -> None:
    count((reports.today(), "shown", "", 2_000), (reports.today(), "answered", "accept_all", 615),
          (reports.today(), "answered", "necessary_only", 385))
    page = text(signed_in(app, "bob").get("/console/").text)
    assert "Webwinkel" in page
    assert "versie 1" in page
    assert "Alles toegestaan 61,5%" in page
    assert "Beantwoord 1.000" in page
    assert "Getoond 2.000" in page


def test_the_list_asks_as_much_for_many_sites_as_for_one(app: Flask, define: Callable[..., Any]) -> None:
    alice = signed_in(app, "alice")
    alice.get("/console/")
    with queries() as for_one:
        alice.get("/console/")
    for number in range(12):
        define(key=f"shop-{number}")
    with queries() as for_many:
        assert alice.get("/console/").text.count("shop-") >= 12
    assert len(for_many) == len(for_one)


def test_somebody_without_sites_is_told_how_they_are_made(app: Flask) -> None:
    assert "flask site apply" in signed_in(app, "charlie").get("/console/").text


def test_a_site_shows_what_visitors_see(app: Flask, shop: Any) -> None:
    for name, role in (("alice", "je bent eigenaar"), ("bob", "je bent marketeer")):
        page = text(signed_in(app, name).get("/console/sites/shop").text)
        for part in (role, shop.digest, "22 november 2026", "Concept gelijk aan deze versie", "https://www.shop.example",
                     "Hotjar hotjar Statistieken", "Own statistics", "Nederland", "Verenigde Staten",
                     "privacy@shop.example"):
            assert part in page, part


def test_a_site_tells_when_its_draft_differs(app: Flask) -> None:
    alice = signed_in(app, "alice")
    assert "wijkt af" not in alice.get("/console/sites/shop").text
    sites.apply({**DEFINITION, "trackers": [{"id": "ga4"}]})
    db.session.commit()
    page = text(alice.get("/console/sites/shop").text)
    assert "Het concept wijkt af van wat is gepubliceerd. Bezoekers zien versie 1" in page
    assert "Hotjar hotjar" in page, "shown is what visitors see"


def test_a_site_that_is_not_published_says_so(app: Flask) -> None:
    sites.apply({**DEFINITION, "key": "new", "name": "Nieuw", "trackers": []})
    db.session.commit()
    alice = signed_in(app, "alice")
    page = text(alice.get("/console/sites/new").text)
    assert "Er is nog niets gepubliceerd" in page
    assert "niets om toestemming voor te vragen" in page
    assert "nog niet gepubliceerd" in text(alice.get("/console/").text)


XSS = ("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "{{987654*3}}", "{% raw %}",
       "</title><svg/onload=x>", "&lt;script&gt;", "javascript:alert(1)", "<!--", "]]>", "${987654*3}")


def test_what_an_owner_writes_is_text_on_every_page(app: Flask, define: Callable[..., Any]) -> None:
    """Threat 3."""
    alice = signed_in(app, "alice")
    for each in XSS:
        own = {"id": "own-stats", "name": each[:60], "vendor": each[:60], "country": "NL", "category": "analytics",
               "hosts": ["stats.shop.example"], "cookies": [], "purpose": {"nl": each, "en": each}}
        define(name=each, trackers=[own], controller={**DEFINITION["controller"], "name": each})
        for path in ("/console/", "/console/sites/shop", "/console/sites/shop/report", "/console/sites/shop/visitors",
                     "/console/sites/shop/leaks"):
            page = alice.get(path).text
            assert_nothing_inline(page)
            assert unescape(page).count(each[:60]) >= 1 or each == "&lt;script&gt;", path
            assert "2962962" not in page, path


def test_the_report_shows_the_counts(app: Flask) -> None:
    day = date(2026, 11, 22)
    count((day, "shown", "", 1_234), (day, "answered", "accept_all", 600), (day, "answered", "custom", 40),
          (day, "answered", "necessary_only", 360), (day, "granted", "analytics", 612), (day, "withdrawn", "", 5),
          (day, "changed", "custom", 7), (day, "shown", "", 88, True), (day, "answered", "accept_all", 2, True))
    for name in ("alice", "bob"):
        answer = signed_in(app, name).get("/console/sites/shop/report?from=2026-11-21&to=2026-11-22")
        page = text(answer.text)
        for part in ("Getoond 1.234", "Beantwoord 81% 78,8% – 83,1% 1.000 / 1.234", "Genegeerd 19% 16,9% – 21,2% 234",
                     "Alles toegestaan 48,6%", "600 / 1.234", "Alleen noodzakelijk 29,2%", "Eigen keuze 3,2%",
                     "Statistieken 49,6%", "612 / 1.234", "zo 22 nov 1.234 1.000 234 600 360 40 5 7",
                     "za 21 nov 0 0 0 0 0 0 0 0", "Totaal 1.234 1.000 234 600 360 40 5 7", "Europe/Amsterdam",
                     "Bots: 88 keer getoond, 2 keer beantwoord."):
            assert part in page, part
        assert 'role="img" aria-labelledby="answers-title"' in answer.text.replace("focusable=\"false\" ", "")
    assert "1,234" in signed_in(app, "bob").get("/console/sites/shop/report?from=2026-11-22&lang=en").text


@pytest.mark.parametrize(("days", "rows"), [(1, 1), (2, 2), (62, 62), (63, 9), (365, 53), (731, 105)])
def test_a_report_of_any_length_has_a_chart_and_its_table(app: Flask, days: int, rows: int) -> None:
    last = date(2026, 11, 22)
    first = last - timedelta(days=days - 1)
    count(*((first + timedelta(days=n), "shown", "", n % 9) for n in range(days)))
    count((last, "shown", "", 1))
    page = signed_in(app, "alice").get(f"/console/sites/shop/report?from={first}&to={last}").text
    assert page.split("<tbody>")[-1].split("</tbody>")[0].count("<tr>") == rows
    assert page.count('class="column"') == 2 * rows, "in each of the two charts"
    assert ("banner per week" in page) == (days > 62)


def test_a_report_without_counts_says_so(app: Flask) -> None:
    assert "Op deze dagen is niets geteld." in signed_in(app, "alice").get("/console/sites/shop/report").text


def test_a_bad_range_is_one_error_at_its_field(app: Flask) -> None:
    alice = signed_in(app, "alice")
    for query, field, sentence in (
        ("from=2026-11-23&to=2026-11-22", "from", "Van: De eerste dag komt na de laatste."),
        ("from=2020-01-01&to=2026-11-22", "from", "Van: Een rapport beslaat hoogstens 731 dagen."),
        ("to=<script>", "to", "Tot en met: Dit is geen datum; schrijf het als 2026-11-22."),
    ):
        for page in ("report", "report.csv"):
            answer = alice.get(f"/console/sites/shop/{page}?{query}")
            assert answer.status_code == 400
            assert sentence in text(answer.text).replace(" :", ":")
            assert answer.text.count('role="alert"') == 1
            assert re.search(rf'id="{field}"[^>]*aria-invalid="true" aria-describedby="fault"', answer.text)
            assert_nothing_inline(answer.text)


def test_the_sheet_is_the_report_as_csv(app: Flask) -> None:
    count((date(2026, 11, 22), "shown", "", 7))
    answer = signed_in(app, "bob").get("/console/sites/shop/report.csv?from=2026-11-21&to=2026-11-22")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="shop-2026-11-21-2026-11-22.csv"'
    lines = answer.text.splitlines()
    assert lines[0].split(",") == list(reports.COLUMNS)
    assert lines[2].startswith("2026-11-22,2026-11-22,7,0,7,")


# What a browser is told ----------------------------------------------------------------------------------------------

PAGES = (
    "/login", "/console/", "/console/sites/shop", "/console/sites/shop/report", "/console/sites/shop/visitors",
    "/console/sites/none", "/none",
)


def assert_nothing_inline(page: str) -> None:
    """Nothing that the policy forbids, and nothing from elsewhere."""
    assert not re.search(r"<[^>]+\sstyle=|<style|<[^>]+\son\w+=", page)
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    loads = r"<(script|link|img|iframe|form|use|image)[^>]*?\s(?:src|href|action)=\"([^\"]*)\""
    for tag, value in re.findall(loads, page):
        assert value.startswith("/"), (tag, value)


def test_every_page_is_guarded_by_its_headers(app: Flask) -> None:
    alice = signed_in(app, "alice")
    for path in PAGES:
        for browser in (alice, Browser(app)):
            answer = browser.get(path)
            if answer.status_code == 302:
                continue
            assert answer.headers["Content-Security-Policy"] == headers.policy(), path
            assert "'unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert "Strict-Transport-Security" not in answer.headers
            assert_nothing_inline(answer.text)
    for path in PAGES[:6]:
        assert "no-store" in alice.get(path).headers["Cache-Control"], path


def test_https_is_asked_for_where_poort_is_on_https(app: Flask) -> None:
    with restarted(app, POORT_PUBLIC_URL="https://consent.shop.example") as https:
        answer = Browser(https).get("/login", base_url="https://consent.shop.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_policy_changes_only_where_it_is_told_to() -> None:
    changed = headers.policy(script_src="'self' https://x.example", frame_src="'self'")
    assert "script-src 'self' https://x.example;" in changed
    assert changed.endswith("frame-src 'self'")
    assert changed.replace(" https://x.example", "").replace("; frame-src 'self'", "") == headers.policy()


@pytest.mark.parametrize(("path", "accept", "page"), [
    ("/console/sites/none", "text/html,application/xhtml+xml,*/*;q=0.8", True),
    ("/none", "text/html", True),
    ("/me/none", "text/html", True),
    ("/none", "*/*", False),
    ("/none", "application/json", False),
    ("/v1/none", "text/html", False),
    ("/v1/sites/none/config", "text/html", False),
    ("/banner/none.js", "text/html", False),
])
def test_people_get_a_page_and_programs_get_json(app: Flask, path: str, accept: str, page: bool) -> None:
    answer = signed_in(app, "alice").get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    if page:
        assert answer.mimetype == "text/html"
        assert "Hier is niets" in answer.text
    else:
        assert set(answer.get_json()) == {"error", "message"}


def test_an_error_page_repeats_nothing_of_the_request(app: Flask) -> None:
    alice = signed_in(app, "alice")
    told = {"User-Agent": "Secret-Agent/9.9", "Referer": "http://localhost/secret-page"}
    for path in ("/secret-page", "/console/sites/secret-page", "/login"):
        answer = alice.open(path, method="GET" if path != "/login" else "PUT", headers=told)
        assert answer.status_code >= 400
        page = answer.text.replace(f'{path}?lang=nl"', "").replace(f'{path}?lang=en"', "")
        for secret in ("secret-page", "Secret-Agent", alice.address, "Traceback"):
            assert secret not in page, (path, secret)


def test_a_database_that_is_away_is_a_page_too(app: Flask) -> None:
    cookie = signed_in(app, "alice").get_cookie("poort_session")
    assert cookie is not None
    with restarted(app, POORT_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none") as broken:
        browser = Browser(broken)
        browser.set_cookie("poort_session", cookie.value)
        answer = browser.get("/console/")
        assert answer.status_code == 503
        assert "De database is niet bereikbaar" in answer.text
        assert browser.get("/console/", headers={"Accept": "application/json"}).get_json()["error"] == "unavailable"
        assert browser.get("/none").status_code == 404


# Languages -----------------------------------------------------------------------------------------------------------

def language(answer: Any) -> str:
    """The language that a page says it is in."""
    found = re.search(r'<html lang="(\w+)">', answer.text)
    assert found
    return found[1]


@pytest.mark.parametrize(("accepted", "spoken"), [
    ("", "nl"), ("en", "en"), ("en-GB,en;q=0.9", "en"), ("nl-BE", "nl"), ("de,fr", "nl"),
    ("de,en;q=0.5,nl;q=0.4", "en"),
])
def test_a_page_speaks_the_language_of_the_browser(app: Flask, accepted: str, spoken: str) -> None:
    for path in ("/login", "/none"):
        assert language(Browser(app).get(path, headers={"Accept-Language": accepted})) == spoken


def test_a_chosen_language_stays_for_the_session(app: Flask) -> None:
    browser = signed_in(app, "alice")
    assert language(browser.get("/console/")) == "nl"
    assert language(browser.get("/console/?lang=en")) == "en"
    assert language(browser.get("/console/sites/shop")) == "en"
    assert language(browser.get("/console/?lang=xx")) == "en"
    assert language(browser.get("/console/?lang=nl")) == "nl"
    assert language(browser.get("/console/", headers={"Accept-Language": "en"})) == "nl"


def test_a_language_costs_a_visitor_no_cookie(app: Flask) -> None:
    """A1: nothing is stored on a device that did not ask for it."""
    assert "Set-Cookie" not in Browser(app).get("/none?lang=en").headers
    assert "Set-Cookie" not in Browser(app).get("/me/shop?lang=en").headers


def test_the_other_language_keeps_the_rest_of_the_address(app: Flask) -> None:
    page = signed_in(app, "alice").get("/console/sites/shop/report?from=2026-11-01&to=2026-11-22").text
    assert 'href="/console/sites/shop/report?from=2026-11-01&amp;to=2026-11-22&amp;lang=en"' in page


def test_the_dutch_is_complete_and_fresh() -> None:
    """When this fails: .venv/bin/python -m consent.translations.update, translate what is empty, and run it again."""
    catalog = update.translated("messages")
    said = {message.id for message in update.said() if message.id}
    assert {message.id for message in catalog if message.id} == said
    for domain in update.DOMAINS:
        for message in update.translated(domain):
            assert message.string, message.id
            assert not message.fuzzy or not message.id, message.id
            if message.id:
                english, dutch = (sorted(re.findall(r"%\(\w+\)s", str(part))) for part in (message.id, message.string))
                assert english == dutch, message.id
        assert (update.DUTCH / f"{domain}.mo").read_bytes() == update.compiled(domain)
    sentences = [english for english in said if isinstance(english, str) and len(english) > 40]
    for message in catalog:
        glued = [english for english in sentences if english in str(message.string)]
        assert not message.id or glued == [], message.id


def test_the_dutch_says_je_and_not_u() -> None:
    for domain in update.DOMAINS:
        for message in update.translated(domain):
            if message.id:
                assert not re.search(r"\b[Uu]w?\b", str(message.string)), message.string


