"""Leak reports: what is counted of what the script and browsers tell, and that nothing else of it stays anywhere."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from consent import changes, leaks, sites, versions
from consent.audit import Audit
from consent.db import db
from consent.leaks import LeakCount
from consent.views import leak_reports
from tests.pages import queries, signed_in
from tests.servers import Server, sqlite, until
from tests.shop import DEFINITION, body

ON = {"leak_reports": {"sample": 1}}
HOME = "https://www.shop.example"
PIXEL = "https://www.facebook.com/tr?id=42&ev=PageView"
Post = Callable[..., Any]
ON_ONE = pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)  # what no database has to do with


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    leak_reports._limiter.storage.reset()


@pytest.fixture
def listening(define: Callable[..., Any]) -> Any:
    """The shop, published with leak reports on."""
    return define(**ON)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Sends the cookies that it is told to."""
    return app.test_client(use_cookies=False)


def tell(client: FlaskClient, said: Any, kind: str = "text/plain", query: str = "", **headers: str) -> Any:
    named = {"Content-Type": kind, "Origin": HOME, **{name.replace("_", "-"): value for name, value in headers.items()}}
    data = said if isinstance(said, bytes) else json.dumps(said)
    return client.post(f"/v1/sites/shop/leaks{query}", data=data, headers=named)


def violation(blocked: str = PIXEL, page: str = f"{HOME}/checkout?email=canary@mail.example") -> dict[str, Any]:
    return {"csp-report": {
        "document-uri": page, "referrer": page, "blocked-uri": blocked, "effective-directive": "img-src",
        "violated-directive": "img-src", "original-policy": "default-src 'self'", "disposition": "report",
        "status-code": 200}}


def reported(*blocked: str, page: str = f"{HOME}/checkout?canary=1") -> list[dict[str, Any]]:
    return [{"type": "csp-violation", "age": 10, "url": page, "user_agent": "Canary/1.0", "body": {
        "documentURL": page, "blockedURL": each, "effectiveDirective": "img-src", "disposition": "report",
        "originalPolicy": "default-src 'self'", "statusCode": 200}} for each in blocked]


def counted() -> dict[tuple[str, str, str], int]:
    """By tracker, page group and who told."""
    db.session.rollback()
    return {(row.tracker, row.page_group, row.source): row.n for row in db.session.scalars(select(LeakCount))}


# The definition ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", [0, 0.001, 1.01, True, "0.1", None, float("nan"), [0.1], {}])
def test_a_share_is_a_number_from_one_in_a_hundred_to_all(wrong: Any) -> None:
    with pytest.raises(sites.DefinitionError) as error:
        sites.parse_definition({**DEFINITION, "leak_reports": {"sample": wrong}})
    assert list(error.value.faults) == ["leak_reports.sample"]


def test_off_is_no_field_and_on_is_no_material_change() -> None:
    off = sites.parse_definition(DEFINITION)
    assert "leak_reports" not in off
    on = sites.parse_definition({**DEFINITION, "leak_reports": {"sample": 0.05}})
    assert on == {**off, "leak_reports": {"sample": 0.05}}
    (change,) = changes.compare(versions.freeze(off), versions.freeze(on))
    assert not change.material
    assert "sample 0.05" in change.sentence["nl"]


def test_the_script_has_the_code_for_it_only_where_it_is_on(
    client: FlaskClient, define: Callable[..., Any]
) -> None:
    define()
    off = client.get("/banner/shop.js").text
    assert "PerformanceObserver" not in off
    assert "leaks" not in client.get("/v1/sites/shop/config").get_json()
    define(**ON)
    on = client.get("/banner/shop.js").text
    assert "PerformanceObserver" in on
    assert "currentScript" in on
    told = client.get("/v1/sites/shop/config").get_json()["leaks"]
    assert told["sample"] == 1
    others = {row["id"] for row in told["others"]}
    assert "tiktok" in others
    assert not others & {"ga4", "hotjar", "meta", "intercom"}
    assert "PerformanceObserver" in client.get("/banner/v1/poort.js").text


# What the script tells -----------------------------------------------------------------------------------------------

@pytest.mark.usefixtures("listening")
def test_what_a_page_tells_is_added_up(client: FlaskClient) -> None:
    for group in ("checkout", "checkout", None):
        answer = tell(client, {"page_group": group, "trackers": {"meta": 2, "tiktok": 1}})
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == HOME
    assert counted() == {
        ("meta", "checkout", "script"): 4, ("tiktok", "checkout", "script"): 2,
        ("meta", "", "script"): 2, ("tiktok", "", "script"): 1}


def test_what_needs_no_consent_or_is_nobodys_is_not_counted(client: FlaskClient, define: Callable[..., Any]) -> None:
    own = {**DEFINITION["trackers"][-1], "exempt": True, "reason": "Own counts."}
    define(**ON, trackers=[{"id": "meta"}, own])
    assert tell(client, {"trackers": {"own-stats": 1, "nobody": 3, "meta": 1}}).status_code == 204
    assert counted() == {("meta", "", "script"): 1}


REFUSED: dict[str, tuple[Any, str, int]] = {
    "no JSON": (b"{", "text/plain", 400),
    "a key twice": (b'{"trackers": {"meta": 1}, "trackers": {"meta": 1}}', "text/plain", 400),
    "a list": ([], "application/json", 400),
    "an address more": ({"trackers": {"meta": 1}, "url": f"{HOME}/x"}, "text/plain", 422),
    "no tracker": ({"trackers": {}}, "text/plain", 422),
    "too often": ({"trackers": {"meta": 101}}, "text/plain", 422),
    "never": ({"trackers": {"meta": 0}}, "text/plain", 422),
    "half": ({"trackers": {"meta": 1.5}}, "text/plain", 422),
    "too many trackers": ({"trackers": {f"t{n}": 1 for n in range(51)}}, "text/plain", 422),
    "an address as page group": ({"trackers": {"meta": 1}, "page_group": "/checkout?a=1"}, "text/plain", 422),
    "a form": (b"a=1", "application/x-www-form-urlencoded", 415),
    "too large": (b" " * 65_537, "text/plain", 413),
    "a policy's report that is none": ({"csp": {}}, "application/csp-report", 422),
    "a report that is a list": ([violation()], "application/csp-report", 422),
    "reports that are one": (violation(), "application/reports+json", 422),
    "too many reports": ([1] * 101, "application/reports+json", 422),
    "deep": (b"[" * 60_000, "application/reports+json", 400),
    "not UTF-8": (b'{"csp-report": {"blocked-uri": "\xff"}}', "application/csp-report", 400),
}


@ON_ONE
@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("said", "kind", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_report_is_refused(client: FlaskClient, said: Any, kind: str, status: int) -> None:
    assert tell(client, said, kind).status_code == status
    assert counted() == {}


def test_who_may_not_tell(client: FlaskClient, define: Callable[..., Any]) -> None:
    said = {"trackers": {"meta": 1}}
    define()
    assert tell(client, said).json["error"] == "leaks_off"
    define(**ON)
    for origin in ("https://evil.example", "null", "http://www.shop.example"):
        assert tell(client, said, Origin=origin).status_code == 403
    assert client.post("/v1/sites/none/leaks", json=said).status_code == 404
    asked = {"Origin": HOME, "Access-Control-Request-Method": "POST"}
    assert client.options("/v1/sites/shop/leaks", headers=asked).status_code == 204
    asked["Origin"] = "https://evil.example"
    assert client.options("/v1/sites/shop/leaks", headers=asked).status_code == 403
    assert counted() == {}


# What browsers tell --------------------------------------------------------------------------------------------------

def receipt(post: Post, action: str) -> str:
    return str(post(body(action)).json["receipt"])


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize("kind", [leaks.CSP_REPORT, leaks.REPORTS])
def test_a_report_counts_by_the_receipt_that_comes_with_it(client: FlaskClient, post: Post, kind: str) -> None:
    """The four things that can be known of who sends it."""
    said: Any = violation() if kind == leaks.CSP_REPORT else reported(PIXEL)
    senders: tuple[tuple[dict[str, str], dict[Any, int]], ...] = (
        ({"Cookie": f"poort={receipt(post, 'accept_all')}"}, {}),
        ({}, {("meta", "checkout", "unknown"): 1}),
        ({"Cookie": f"poort={receipt(post, 'necessary_only')}"}, {("meta", "checkout", "csp"): 1}),
        ({"Poort-Receipt": receipt(post, "withdraw")}, {("meta", "checkout", "csp"): 2}),
        ({"Sec-Fetch-Site": "same-origin"}, {("meta", "checkout", "csp"): 3}),
        ({"Cookie": f"poort={receipt(post, 'accept_all')}", "Sec-GPC": "1"}, {("meta", "checkout", "csp"): 4}),
        ({"Cookie": "poort=forged.receipt"}, {("meta", "checkout", "csp"): 5}),
    )
    for headers, more in senders:
        assert tell(client, said, kind, "?page_group=checkout", **headers).status_code == 204
        assert {**counted(), **more} == counted()
    assert counted() == {("meta", "checkout", "unknown"): 1, ("meta", "checkout", "csp"): 5}


@ON_ONE
@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("blocked", "found"), {
    PIXEL: ("meta", "unknown"),
    "https://connect.facebook.net": ("meta", "unknown"),  # after a redirect browsers tell no more than the origin
    "https://analytics.tiktok.com/i18n/pixel/events.js": ("tiktok", "csp"),  # not asked about: nobody allowed it
    "https://www.googletagmanager.com/gtag/js?id=G-1": ("ga4", "unknown"),
    "https://www.facebook.com/travel": None,
    "https://cdn.jsdelivr.net/npm/x.js": None,
    "wss://ws.hotjar.com/x": ("hotjar", "unknown"),
    "inline": None, "eval": None, "": None, "data": None, "blob:https://www.facebook.com/tr": None,
    "https://[": None, "https://www.facebook.com:99999999/tr": ("meta", "unknown"), "\x00": None,
}.items())
def test_an_address_becomes_its_tracker_or_nothing(
    client: FlaskClient, blocked: str, found: tuple[str, str] | None
) -> None:
    assert tell(client, reported(blocked), leaks.REPORTS).status_code == 204
    assert counted() == ({(found[0], "", found[1]): 1} if found else {})


@pytest.mark.usefixtures("listening")
def test_reports_of_other_pages_and_other_things_are_dropped(client: FlaskClient) -> None:
    """Browsers tell of much at one endpoint."""
    others: list[Any] = [
        {"type": "deprecation", "body": {"documentURL": HOME, "blockedURL": PIXEL}}, 1, None, {"type": "csp-violation"},
        {"type": "csp-violation", "body": {"documentURL": HOME, "blockedURL": ["x"]}},
        {"type": "csp-violation", "body": {"blockedURL": PIXEL}},
        *reported(PIXEL, page="https://evil.example/"), *reported(PIXEL, page="https://www.shop.example.evil.example/"),
        *reported(PIXEL, page="https://["),
    ]
    assert tell(client, others + reported(PIXEL, PIXEL), leaks.REPORTS).status_code == 204
    assert counted() == {("meta", "", "unknown"): 2}
    assert tell(client, violation(), leaks.CSP_REPORT, "?page_group=/a?b").status_code == 422


def test_of_browsers_reports_the_share_is_counted(client: FlaskClient, define: Callable[..., Any]) -> None:
    define(leak_reports={"sample": 0.5})
    for _ in range(60):
        assert tell(client, violation(), leaks.CSP_REPORT).status_code == 204
    (n,) = counted().values()
    assert 8 < n < 52  # a miss has a chance of less than one in a hundred million


# Floods --------------------------------------------------------------------------------------------------------------

@pytest.mark.usefixtures("listening")
def test_one_address_and_one_site_may_tell_so_much_and_no_more(client: FlaskClient) -> None:
    said = json.dumps({"trackers": {"meta": 1}})

    def send(address: str) -> int:
        return client.post("/v1/sites/shop/leaks", data=said, content_type="text/plain",
                           environ_base={"REMOTE_ADDR": address}).status_code

    assert [send("198.51.100.7") for _ in range(62)] == [204] * 60 + [429] * 2
    leak_reports._limiter.hit(leak_reports._OF_A_SITE, "site", "shop", cost=230)
    answers = [send(f"203.0.113.{n}") for n in range(20)]
    assert answers.count(429) > 5
    assert counted()["meta", "", "script"] < 90


@pytest.mark.usefixtures("listening")
def test_forged_page_groups_make_no_more_rows_than_a_day_has(app: Flask, client: FlaskClient) -> None:
    today = datetime.now(UTC).date()
    db.session.add_all(
        LeakCount(site="shop", day=today, tracker="meta", page_group=f"group-{n}", source="script", per_mille=1000, n=1)
        for n in range(leaks.MOST_ROWS))
    db.session.commit()
    assert tell(client, {"page_group": "one-more", "trackers": {"meta": 5, "hotjar": 1}}).status_code == 204
    assert tell(client, {"page_group": "group-7", "trackers": {"meta": 5}}).status_code == 204
    kept = counted()
    assert len(kept) == leaks.MOST_ROWS + 2
    assert kept["meta", "*", "script"] == 5
    assert kept["hotjar", "*", "script"] == 1
    assert kept["meta", "group-7", "script"] == 6


# What the owner is shown, and what goes ------------------------------------------------------------------------------

DAY = date(2026, 11, 22)


def told(n: int, share: float, tracker: str = "meta", day: date = DAY, group: str = "") -> None:
    leaks.count("shop", group, share, Counter({leaks.Told(tracker, leaks.SCRIPT): n}), day)


@pytest.mark.usefixtures("app")
def test_an_estimate_is_made_with_the_share_of_its_time() -> None:
    told(20, 0.1)
    told(30, 1, day=DAY - timedelta(days=1))
    told(4, 0.1, "hotjar", group="home")
    told(4, 1, "ga4")
    told(9, 1, "ga4", day=DAY - timedelta(days=40))
    found = {row.tracker: (row.n, row.estimate, row.first, row.last)
             for row in leaks.by_tracker("shop", DAY - timedelta(days=29))}
    assert found == {"meta": (50, 230, DAY - timedelta(days=1), DAY), "hotjar": (4, None, DAY, DAY),
                     "ga4": (4, 4, DAY, DAY)}
    rows = leaks.by_day("shop", DAY)
    assert [(row.tracker, row.page_group, row.n) for row in rows] == [
        ("meta", "", 20), ("ga4", "", 4), ("hotjar", "home", 4)]


@pytest.mark.usefixtures("app")
def test_counts_are_forgotten_after_ninety_days() -> None:
    for days in (89, 90, 91, 200):
        told(1, 1, day=DAY - timedelta(days=days))
    db.session.commit()
    assert leaks.forget(db.engine, datetime(2026, 11, 22, 12, tzinfo=UTC)) == "2 counts of leaks forgotten"
    assert len(db.session.scalars(select(LeakCount)).all()) == 2


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Server]:
    """A real one, whose log and file can be read afterwards."""
    with Server(sqlite(tmp_path), door="asgi", POORT_ACCESS_LOG="on", POORT_LOG_LEVEL="debug") as running:
        running.publish({**DEFINITION, **ON})
        yield running


def test_no_address_of_a_report_is_anywhere_afterwards(server: Server, tmp_path: Any) -> None:
    canary = "canary-7f3a"
    page = f"{HOME}/{canary}?email={canary}@mail.example"
    pixel = f"https://www.facebook.com/tr?{canary}"
    told: list[tuple[bytes, str]] = [
        (json.dumps(violation(pixel, page)).encode(), leaks.CSP_REPORT),
        (json.dumps(reported(pixel, page=page)).encode(), leaks.REPORTS),
        (json.dumps({"trackers": {canary: 1, "meta": 1}}).encode(), "text/plain"),
        (json.dumps({"trackers": {"meta": 1}, "page_group": page}).encode(), "text/plain"),
        (f'{{"{canary}"'.encode(), leaks.CSP_REPORT),
    ]
    headers = {"Origin": HOME, "Referer": page, "User-Agent": canary, "Cookie": f"poort={canary}.x; other={canary}"}
    statuses = [server.call("POST", "/v1/sites/shop/leaks", data, {"Content-Type": kind, **headers}).status
                for data, kind in told]
    assert statuses == [204, 204, 204, 422, 400]
    until(lambda: server.log.read_bytes().count(b"leak_reports.tell") == len(told))  # it looks in the right place
    server.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"leak_count" in path.read_bytes() for path in files)
    assert [path.name for path in (*files, server.log) if canary.encode() in path.read_bytes()] == []


@pytest.mark.usefixtures("listening")
def test_a_report_is_counted_in_a_few_milliseconds(client: FlaskClient) -> None:
    """A hundred violations of the longest addresses, with the whole catalogue to look through."""
    said = reported(*[f"https://{'x' * 40}.example/{n}" for n in range(60)])
    tell(client, said, leaks.REPORTS)
    begun = time.perf_counter()
    assert tell(client, said, leaks.REPORTS).status_code == 204
    assert time.perf_counter() - begun < 0.5
    assert db.session.execute(text("SELECT count(*) FROM leak_count")).scalar() == 0


# The console ---------------------------------------------------------------------------------------------------------

PAGE = "/console/sites/shop/leaks"


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.usefixtures("people")
def test_the_owner_turns_it_on_and_off_in_the_draft(app: Flask) -> None:
    alice, site = signed_in(app, "alice"), sites.site_for_key("shop")
    assert "De meldingen staan uit" in words(alice.get(PAGE).text)

    def save(**form: str) -> Any:
        db.session.rollback()
        revision = str(sites.site_for_key("shop").revision)
        return alice.post(PAGE, data={"csrf_token": alice.token(PAGE), "revision": revision, "confirmed": "1", **form})

    for wrong in ("0", "101", "1.5", "", "x", "²"):
        answer = save(on="on", share=wrong)
        assert answer.status_code == 422
        assert "Gebruik een geheel getal van 1 tot en met 100." in words(answer.text)
        assert f'value="{wrong}"' in answer.text
        assert re.search(r'id="share"[^>]*aria-invalid="true"', answer.text)
    assert save(on="on", share="5").status_code == 303
    db.session.rollback()
    assert site.draft["leak_reports"] == {"sample": 0.05}
    assert "Opgeslagen in het concept" in words(alice.get(PAGE).text)
    assert " Meldingen uit " in words(alice.get(PAGE).text), "visitors see what is published"
    assert save(on="on", share="7", revision="0").status_code == 409
    assert save(share="5").status_code == 303
    db.session.rollback()
    assert "leak_reports" not in site.draft
    assert [row.details["fields"] for row in db.session.scalars(select(Audit).where(Audit.what == "draft.change"))] == [
        ["leak_reports"], ["leak_reports"]]


def test_the_page_says_what_was_told_and_what_to_do(
    app: Flask, people: Any, define: Callable[..., Any]
) -> None:
    define(leak_reports={"sample": 0.1})
    today = datetime.now(UTC).date()
    told(25, 0.1, "meta", today, "checkout")
    told(3, 0.1, "tiktok", today)
    told(1, 0.1, "gone-from-the-catalogue", today, leaks.OTHERS)
    leaks.count("shop", "", 0.1, Counter({leaks.Told("hotjar", leaks.UNKNOWN): 400}), today)
    db.session.commit()
    for name in ("bob", "alice"):
        page = words(signed_in(app, name).get(PAGE).text)
        for part in ("aan, voor 10% van de pagina’s", "Meta Pixel meta het bannerscript 25 ± 250",
                     'Markeer die: type="text/plain" data-service="meta"', "te weinig om te zeggen",
                     "Hij staat niet in je lijst", "de browser; niet bekend of het mocht 400 ± 4.000", "alle andere",
                     "gone-from-the-catalogue", "checkout", "default-src 'self' https://www.shop.example",
                     "proxy_pass http://localhost/v1/sites/shop/leaks"):
            assert part in page, part
        assert ("Alle tellingen verwijderen" in page) == (name == "alice")
    bob = signed_in(app, "bob")
    for path in (PAGE, f"{PAGE}/delete"):
        assert bob.post(path, data={"csrf_token": bob.token("/console/")}).status_code == 403
    alice = signed_in(app, "alice")
    assert alice.post(f"{PAGE}/delete", data={"csrf_token": alice.token(PAGE)}).status_code == 303
    assert counted() == {}
    noted = [row.details for row in db.session.scalars(select(Audit).where(Audit.what == "leaks.delete"))]
    assert noted == [{"counts": 4}]


def test_the_page_asks_twice_however_much_was_counted(app: Flask, people: Any) -> None:
    alice, today = signed_in(app, "alice"), datetime.now(UTC).date()
    for number in range(300):
        told(1, 1, "meta", today, f"group-{number}")
    db.session.commit()
    with queries() as for_many:
        assert alice.get(PAGE).text.count("group-") >= 300
    assert sum("leak_count" in asked for asked in for_many) == 2
