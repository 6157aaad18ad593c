"""Scans: who may begin them, how they run, what becomes of those that are cut off, the command, the pages."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import create_engine, text, update
from werkzeug.test import TestResponse

from app import create_app
from consent import audit, contracts, findings, installation, platforms, scan_report, scan_words, scanner, scans, sites
from consent.catalogue import resolve
from consent.db import db, writing
from consent.installation import Expected
from consent.scanner import BadTarget, CutOff, Outside, Scan
from consent.sightings import (
    MOST_COOKIES,
    MOST_HOSTS,
    MOST_KEYS,
    PHASES,
    Cookie,
    Initiator,
    Key,
    Page,
    Request,
    Sightings,
)
from tests import servers
from tests.browser.conftest import chromium
from tests.conftest import close
from tests.pages import Browser, signed_in
from tests.shop import DEFINITION, NOW
from tests.test_console import text as read

URL = "https://www.shop.example/"
HOTJAR = "https://static.hotjar.com/c/hotjar-1.js?sv=6"
BY = Initiator("script", f"{URL}tags.js", 7)


def seen(*requests: tuple[str, str], **more: Any) -> Sightings:
    """What a browser saw: requests by phase and address."""
    found = [Request(phase, URL, url, str(urlsplit(url).hostname), "Script", BY) for phase, url in requests]
    return Sightings(pages=[Page(URL, 200)], requests=found, done=list(PHASES), platforms=["poort"], **more)


def report(sightings: Sightings, rows: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    scope = findings.scope_of(URL, rows or [], DEFINITION, "https://consent.poort.example")
    return findings.report(scope, sightings, NOW, 12.3)


# What is judged -------------------------------------------------------------------------------------------------------

JUDGED: dict[str, tuple[Sightings, set[tuple[str, str]]]] = {
    "a tracker before a choice": (seen(("before", HOTJAR)), {("A2", "hotjar")}),
    "and after a refusal": (seen(("refused", HOTJAR)), {("A2", "hotjar")}),
    "after a withdrawal": (seen(("withdrawn", HOTJAR)), {("D4", "hotjar")}),
    "without script": (seen(("no_script", "https://www.facebook.com/tr?id=1")), {("K6", "meta")}),
    "after accepting it may": (seen(("accepted", HOTJAR)), set()),
    "nobody's": (seen(("before", "https://unknown.example/")), set()),
    "the site itself": (seen(("before", f"{URL}app.js"), ("before", "https://cdn.shop.example/x.css")), set()),
    "Poort itself": (seen(("before", "https://consent.poort.example/banner/shop.js")), set()),
    "another platform": (seen(("before", "https://consent.cookiebot.com/uc.js")), set()),
    "a path of a shared host that is nobody's": (seen(("before", "https://www.google.com/search?q=x")), set()),
    "a first-party cookie": (seen(cookies=[Cookie("before", "_ga", "shop.example", 400, False)]), {("A1", "ga4")}),
    "one on a site that serves Poort from its own host": (
        seen(("before", f"{URL}banner/shop.js"), cookies=[Cookie("before", "_ga", "www.shop.example", 400, False)]),
        {("A1", "ga4")}),
    "one that stays": (seen(cookies=[Cookie("withdrawn", "_ga", "www.shop.example", 400, False)]), {("D4", "ga4")}),
    "one that is the choice itself": (seen(cookies=[Cookie("before", "poort", "shop.example", 180, False)]), set()),
    "one that is nobody's": (seen(cookies=[Cookie("before", "PHPSESSID", "shop.example", None, True)]), set()),
    "a third party's cookie": (seen(cookies=[Cookie("before", "x", "static.hotjar.com", 1, True)]), {("A1", "hotjar")}),
    "a key in storage": (
        seen(("accepted", HOTJAR), keys=[Key("before", URL, "local", "www.shop.example", "_hjUserAttributes")]),
        {("A1", "hotjar")}),
}


@pytest.mark.parametrize("what", JUDGED)
def test_what_is_judged(what: str) -> None:
    sightings, leaks = JUDGED[what]
    found = report(sightings)
    assert {(leak["rule"], tracker) for leak in found["leaks"] for tracker in leak["trackers"]} == leaks
    assert findings.status(found) == (findings.LEAKS if leaks else findings.CLEAN)


def test_a_page_can_not_forge_a_clean_report_nor_break_it_nor_steer_a_terminal() -> None:
    forged = seen(("before", "https://evil.example/banner/x.js"), ("before", "https://static.hotjar.com/banner/x.js"),
                  cookies=[Cookie("before", "x", "static.hotjar.com", 1, True)],
                  keys=[Key("before", URL, "local", "www.shop.example", "a\ud800\x1b[2J\nok A1")])
    found = findings.cleaned(report(forged))
    assert {leak["what"] for leak in found["leaks"]} == {"request", "cookie"}
    assert "evil.example" in [one["name"] for one in found["unknown"]]
    json.dumps(found, ensure_ascii=False).encode()
    assert all(line.isprintable() for line in scan_report.as_lines(found))


@pytest.mark.usefixtures("shop")
def test_a_look_loses_its_query_and_has_a_bound(app: Flask) -> None:
    for pages in (0, 21, 599_999):
        with pytest.raises(ValueError, match="pages"):
            begun(pages=pages)
    id = begun(url=f"{URL}basket?empty=1#now")
    assert scans.of_site(sites.site_for_key("shop"), id).url == f"{URL}basket"


def test_a_necessary_or_exempt_tracker_of_the_site_may_load() -> None:
    own = {"name": "Own", "vendor": "W", "country": "NL", "hosts": ["stats.shop.example"], "cookies": [],
           "purpose": {"nl": "Telt.", "en": "Counts."}}
    asked = seen(("before", "https://stats.shop.example/c"))
    for change, leaks in (
        ({"category": "analytics"}, 1),
        ({"category": "analytics", "exempt": True, "reason": "Counts only."}, 0),
        ({"category": "necessary", "reason": "Keeps the basket."}, 0),
    ):
        rows = [resolve({"id": "own", **own, **change}, "NL")]
        assert len(report(asked, rows)["leaks"]) == leaks, change


def test_what_is_unknown_stands_apart_and_fails_only_who_wants_it() -> None:
    found = report(seen(("before", "https://unknown.example/a"),
                        cookies=[Cookie("before", "PHPSESSID", "shop.example", None, True)]))
    assert [(one["what"], one["name"]) for one in found["unknown"]] == [
        ("cookie", "PHPSESSID"), ("host", "unknown.example")]
    assert (findings.status(found), findings.status(found, fail_on_unknown=True)) == (0, 1)
    assert {one["rule"]: one["ok"] for one in found["verdicts"]}["O3"] is False


def test_what_was_not_seen_is_not_called_right() -> None:
    partly = seen()
    partly.done, partly.undone = ["before"], {"refused": "no_banner", "accepted": "no_banner", "withdrawn": "no_banner"}
    assert {one["rule"]: one["ok"] for one in report(partly)["verdicts"]} == {
        "A1": True, "A2": True, "D4": None, "K6": None, "O2": True, "O3": True}
    away = Sightings(pages=[Page(URL, None, "unknown")])
    assert {one["ok"] for one in report(away)["verdicts"]} == {None}
    assert findings.status(report(away)) == findings.NOT_SEEN


def test_the_shape_of_a_report_is_the_one_that_is_documented() -> None:
    page = (servers.ROOT / "docs" / "scanning.md").read_text()
    example = json.loads(page.split("```json\n", 1)[1].split("```", 1)[0])
    found = report(seen(("before", HOTJAR), ("accepted", HOTJAR), ("before", "https://unknown.example/"),
                        cookies=[Cookie("before", "_ga", "shop.example", 400, False)],
                        keys=[Key("before", URL, "local", "www.shop.example", "own")]))

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in value.items()}
        return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else ...

    assert json.loads(json.dumps(found)) == found
    for one in (example, found):
        one["hosts"][0]["requests"] = None  # by phase: any of them
    assert shape(found) == shape(example)


# The checklist -------------------------------------------------------------------------------------------------------

PLAIN: dict[str, tuple[str, dict[str, str]]] = {
    "there": ('<script async src="https://p.example/banner/shop.js"></script>', {"tag": "ok", "site": "ok"}),
    "of another site": ("<script src=//p.example/banner/other.js></script>", {"tag": "ok", "site": "wrong"}),
    "with its site beside it": (
        '<script src="/banner/v1/poort.js" data-site="shop"></script>', {"tag": "ok", "site": "ok"}),
    "not there": ("<p>banner/shop.js", {"tag": "wrong", "site": "unsure"}),
    "perhaps by a tag manager": (
        '<script src="https://www.googletagmanager.com/gtm.js?id=1"></script>', {"tag": "unsure", "site": "unsure"}),
}


@pytest.mark.parametrize("how", PLAIN)
def test_without_a_browser_the_html_says_what_it_can(how: str) -> None:
    html, states = PLAIN[how]
    expected = Expected("shop", "https://p.example", 1, True)
    found = {check.check: check.state for check in installation.plain_checklist(200, "", html, expected)}
    assert tuple(found) == installation.CHECKS
    assert found == {**dict.fromkeys(installation.CHECKS, "unsure"), "page": "ok", **states}


def test_every_check_and_limit_has_its_words() -> None:
    assert tuple(scan_words.CHECKS) == installation.CHECKS
    assert set(scan_words.PHASES) == set(PHASES)
    assert set(scan_words.RULES) == set(findings.RULES)
    assert len(platforms.BY_ID) == len(platforms.ALL)


# Pages of a site, for real --------------------------------------------------------------------------------------------

LEAKY = f'<title>x</title><script src="{HOTJAR}"></script>'


@pytest.fixture(scope="module")
def website() -> Iterator[str]:
    """A site on this machine: /clean and /leaky; and how often it was asked stands in `asked`."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = (LEAKY if self.path == "/leaky" else "<title>x</title><p>hello").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


asked: list[str] = []


def command(tmp: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    env = servers.environment(f"sqlite:///{tmp}/none.sqlite3", POORT_SCAN_BROWSER=chromium(), **settings)
    return servers.flask(env, "site", "scan", *arguments, succeed=False)


def test_the_command_says_by_its_status_what_it_saw(website: str, tmp_path: Path) -> None:
    """What has to be on a real internet is asked for and does not come; that it was asked for is what counts."""
    leaky = command(tmp_path, f"{website}/leaky", "--wait", "0", "--format", "json", POORT_SCAN_PRIVATE="on")
    assert leaky.returncode == 1, leaky.stderr
    found = json.loads(leaky.stdout)
    assert [(leak["rule"], leak["trackers"], leak["initiator"]["line"]) for leak in found["leaks"]] == [
        ("A2", ["hotjar"], 1)]
    out = tmp_path / "report.html"
    asked.clear()
    for private, status, pages in (("on", 0, ["/clean"] * 2), ("off", 2, [])):
        app = create_app(POORT_DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3", POORT_SECRET_KEYS=servers.SECRET,
                         POORT_SCAN_BROWSER=chromium(), POORT_SCAN_PRIVATE=private)
        done = app.test_cli_runner().invoke(args=[
            "site", "scan", f"{website}/clean", "--wait", "0", "--format", "html", "--language", "nl", "--output",
            str(out)])
        assert (done.exit_code, done.output) == (status, ""), done.exception
        assert [path for path in asked if path != "/favicon.ico"] == pages
        asked.clear()
        with app.app_context():
            close(app)
        said = "Er laadt niets wat niet mag" if private == "on" else "niet op het openbare internet"
        assert said in out.read_text()


BAD = {
    "no address": (["shop.example"], "Give an address such as https://www.shop.example/."),
    "no browser": ([URL], "POORT_SCAN_BROWSER names no program: /nowhere/chromium."),
    "an install of no site": ([URL, "--install"], "--install needs --site: it compares the page with that site."),
    "a site that is not there": ([URL, "--site", "nothing"], "There is no site 'nothing'."),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.usefixtures("shop")
def test_what_can_not_be_looked_at_is_said_in_one_line_with_status_2(app: Flask, what: str, monkeypatch: Any) -> None:
    arguments, line = BAD[what]
    with app.app_context():
        settings = app.extensions["poort.settings"]
        monkeypatch.setitem(app.extensions, "poort.settings", replace(settings, scan_browser="/nowhere/chromium"))
        done = app.test_cli_runner().invoke(args=["site", "scan", *arguments])
    assert done.exit_code == 2
    assert done.output.strip().splitlines()[-1] == f"Error: {line}"


# Begun, run, cut off -------------------------------------------------------------------------------------------------

def begun(site: str = "shop", **changes: Any) -> int:
    """A look at the shop, or at another site, that waits."""
    with writing():
        made = scans.begin(sites.site_for_key(site), **{
            "kind": "look", "url": URL, "pages": 3, "by": audit.COMMAND, "now": NOW, **changes})
        return int(made.id)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("url", ["https://www.other.example/", "http://www.shop.example/", "https://shop.example/",
                                 "https://www.shop.example:8443/", "https://www.shop.example.evil.example/", "x"])
def test_only_the_sites_own_origins_are_looked_at(app: Flask, url: str) -> None:
    with pytest.raises(BadTarget):
        begun(url=url)
    assert scans.latest(sites.site_for_key("shop")) == []


@pytest.mark.usefixtures("shop")
def test_a_site_is_looked_at_once_at_a_time_and_it_is_noted(app: Flask) -> None:
    begun()
    with pytest.raises(scans.Busy):
        begun()
    noted = db.session.scalars(db.select(audit.Audit).where(audit.Audit.what == "scan.begin")).all()
    assert [(one.subject, one.details) for one in noted] == [("shop", {"kind": "look", "pages": 3})]


@pytest.mark.usefixtures("shop")
def test_what_is_cut_off_waits_once_more_and_is_given_up_then(app: Flask) -> None:
    id, engine = begun(), db.engine
    for attempt in (1, 2):
        assert scans._claim(engine, NOW) == id
        assert scans._claim(engine, NOW) is None, "one at a time"
        assert scans._give_back(engine, None, NOW + timedelta(seconds=20)) == 0, "it still says that it lives"
        assert scans._give_back(engine, None, NOW + timedelta(seconds=60)) == 1, attempt
    found = scans.of_site(sites.site_for_key("shop"), id)
    db.session.refresh(found)
    assert (found.state, found.why, found.attempts) == ("failed", "cut_off", 2)
    assert not scans.beat(engine, id, NOW)
    assert scans.running(engine, id) is None


@pytest.mark.usefixtures("shop")
def test_organisations_take_turns(app: Flask) -> None:
    """Whoever has many sites looked at does not hold up somebody with one."""
    for key, organisation in (("shop2", "Webwinkel B.V."), ("theirs", "Ander B.V.")):
        sites.apply({**DEFINITION, "key": key, "organisation": organisation})
    db.session.commit()
    first, second = begun(), begun(site="shop2")
    theirs = begun(site="theirs")
    done = []
    for hour in range(3):
        id = scans._claim(db.engine, NOW + timedelta(hours=hour))
        assert id
        done.append(id)
        scans.fail(db.engine, id, "broken", NOW + timedelta(hours=hour))
    assert done == [first, theirs, second]


def test_a_report_has_room_for_so_much(app: Flask) -> None:
    """A page can make as many hosts, cookies and keys as it likes."""
    found = Sightings()
    for number in range(MOST_HOSTS + 5):
        host = f"h{number}.example"
        found.add_request(Request("before", URL, f"https://{host}/", host, "Image", Initiator("script")))
    found.add_cookies(Cookie("before", f"c{number}", "shop.example", 3, False) for number in range(MOST_COOKIES + 5))
    found.add_keys(Key("before", URL, "local", "shop.example", f"k{number}") for number in range(MOST_KEYS + 5))
    assert [len(each) for each in (found.hosts(), found.cookies, found.keys)] == [MOST_HOSTS, MOST_COOKIES, MOST_KEYS]
    assert found.limits == ["hosts", "cookies", "keys"]
    found.add_request(found.requests[0])
    assert len(found.requests) == MOST_HOSTS + 1, "more of a host that is there"


@pytest.mark.usefixtures("shop")
def test_a_year_later_it_is_gone_and_with_its_organisation_too(app: Flask) -> None:
    begun()
    assert scans.forget(db.engine, NOW + timedelta(days=360)) == "0 scans deleted"
    assert scans.forget(db.engine, NOW + timedelta(days=370)) == "1 scans deleted"
    begun()
    contracts.end("Webwinkel B.V.", NOW.date())
    db.session.commit()
    contracts.remove_ended(db.engine, NOW + timedelta(days=400))
    assert db.session.scalar(db.select(db.func.count()).select_from(scans.Scan)) == 0


def test_a_scan_is_done_by_the_runner_of_the_jobs_and_by_its_successor_when_that_dies(
    website: str, tmp_path: Path
) -> None:
    """The real runner and the real process of the scan. A browser that hangs lets it be killed in the middle."""
    database = servers.sqlite(tmp_path)
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    env = servers.environment(database, POORT_SCAN_PRIVATE="on", POORT_SCAN_BROWSER=str(hangs))
    engine = create_engine(database)
    app = create_app(POORT_DATABASE_URL=database, POORT_SECRET_KEYS=servers.SECRET)
    with app.app_context():
        sites.apply({**DEFINITION, "origins": [website], "cookie_domain": None})
        db.session.commit()
        close(app)
    row = {"site": "shop", "kind": "install", "url": f"{website}/leaky", "pages": 1, "state": "waiting",
           "progress": {}, "attempts": 0, "begun_at": NOW, "why": ""}
    with engine.begin() as connection:
        connection.execute(scans.Scan.__table__.insert().values(row))
    runner = [str(servers.COMMANDS / "flask"), "jobs", "run", "scans"]
    first = subprocess.Popen(runner, cwd=servers.ROOT, env=env, stdout=subprocess.DEVNULL)
    servers.until(lambda: state(engine) == "running")
    servers.until(lambda: beaten(engine))
    first.send_signal(signal.SIGKILL)
    first.wait()
    servers.until(lambda: not workers(tmp_path))  # the process of the scan ends with its runner
    assert state(engine) == "running"
    with engine.begin() as connection:  # as time goes by
        connection.execute(update(scans.Scan.__table__).values(beat_at=NOW))
    without = {**env, "POORT_SCAN_BROWSER": "/nowhere/chromium"}
    done = subprocess.run(runner, cwd=servers.ROOT, env=without, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with engine.connect() as connection:
        found = connection.execute(text("SELECT state, status, report FROM scan")).one()
    assert found[:2] == ("done", 1)
    told = json.loads(found[2])
    assert {check["check"]: check["state"] for check in told["checks"]}["tag"] == "wrong"
    assert told["by"] == "fetch"
    engine.dispose()


def state(engine: Any) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(text("SELECT state FROM scan")))


def beaten(engine: Any) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT beat_at > 1000000 * strftime('%s', 'now') - 10000000 FROM scan")))


def workers(folder: Path) -> list[str]:
    """The processes of scans on this database."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command, given = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if b"consent.scan_worker" in command and os.fsencode(folder) in given:
                found.append(process.name)
    return found


# The pages -----------------------------------------------------------------------------------------------------------

@pytest.fixture
def done(people: Any) -> int:
    """A look at the shop that is done: Clarity is there too soon and not on the list."""
    id = begun()
    scans._claim(db.engine, NOW)
    found = report(
        seen(("before", "https://www.clarity.ms/tag/x"), ("before", "https://<b>.example/"), ("accepted", HOTJAR),
             cookies=[Cookie("before", "<script>alert(1)</script>", "shop.example", 3, False)]),
        scans._rows(DEFINITION))
    scans.finish(db.engine, id, found, 1, NOW)
    return id


def send(browser: Browser, path: str, **fields: Any) -> TestResponse:
    """A form of the page, with the token that stands on the list of scans."""
    page = browser.get("/console/sites/shop/scans").text
    token = page.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    return browser.post(path, data={"csrf_token": token, "confirmed": "1", **fields})


def test_the_report_is_for_members_and_the_beginning_for_owners(app: Flask, done: int) -> None:
    paths = [f"/console/sites/shop/scans/{done}{end}" for end in ("", "/report.html", "/report.json")]
    for name, status in (("alice", 200), ("bob", 200), ("charlie", 404)):
        assert {signed_in(app, name).get(path).status_code for path in paths} == {status}, name
    alice = signed_in(app, "alice")
    assert alice.get("/console/sites/shop/scans/999").status_code == 404
    bob = signed_in(app, "bob")
    assert "Begin" not in bob.get("/console/sites/shop/scans").text
    for path in ("/console/sites/shop/scans", f"/console/sites/shop/scans/{done}/trackers"):
        assert send(bob, path, url=URL).status_code == 403
    assert json.loads(alice.get(paths[2]).text)["leaks"][0]["trackers"] == ["clarity"]


def test_the_report_stands_alone_and_runs_nothing(app: Flask, done: int) -> None:
    answer = signed_in(app, "alice").get(f"/console/sites/shop/scans/{done}/report.html?lang=nl")
    policy = answer.headers["Content-Security-Policy"]
    assert scan_report.style_hash() in policy
    assert "script-src 'none'" in policy
    assert "<script" not in answer.text
    assert not {"src=", "<link", "@import", "url(http"} & set(answer.text.split())
    assert "<b>.example" not in answer.text
    page = read(answer.text)
    for part in ("Er zijn 1 ding", "Microsoft Clarity", "Voor een keuze", "tags.js:7", "Onbekend", "A2"):
        assert part in page or part.startswith("Er zijn"), part
    english = signed_in(app, "alice").get(f"/console/sites/shop/scans/{done}/report.html?lang=en").text
    assert "What loads when it must not" in english


def test_what_a_form_says_wrongly_is_told_at_the_field_and_kept(app: Flask, people: Any) -> None:
    alice = signed_in(app, "alice")
    for fields, part, status in (
        ({"url": "https://www.other.example/"}, "eigen origins", 400), ({"url": "x y"}, "Geef een adres", 400),
        ({"url": URL, "pages": "0"}, "1 tot en met 20", 400), ({"url": URL, "pages": "9" * 400}, "1 tot", 400),
        ({"url": URL, "kind": "other"}, "", 400),
    ):
        answer = send(alice, "/console/sites/shop/scans", **fields)
        assert answer.status_code == status, fields
        assert part in answer.text
        assert not part or fields["url"] in answer.text
    assert scans.latest(sites.site_for_key("shop")) == []
    answer = send(alice, "/console/sites/shop/scans", url=URL, kind="install")
    assert answer.status_code == 303
    assert "Wacht op de beurt" in read(alice.get(answer.headers["Location"]).text)
    assert 'http-equiv="refresh"' in alice.get(answer.headers["Location"]).text
    assert send(alice, "/console/sites/shop/scans", url=URL).status_code == 409


def test_proposed_trackers_are_added_to_the_draft(app: Flask, done: int) -> None:
    alice = signed_in(app, "alice")
    path = f"/console/sites/shop/scans/{done}"
    assert 'value="clarity"' in alice.get(path).text
    asked = send(alice, f"{path}/trackers", tracker=["clarity"], revision="1", confirmed="")
    assert (asked.status_code, 'name="confirmed" value="1"' in asked.text) == (200, True), "a file manages the shop"
    for revision, there in (("0", False), ("x", False), (str(sites.site_for_key("shop").revision), True)):
        assert send(alice, f"{path}/trackers", tracker=["clarity", "leadinfo"], revision=revision).status_code == 303
        db.session.rollback()
        now = {entry["id"] for entry in sites.site_for_key("shop").draft["trackers"]}
        assert ("clarity" in now, "leadinfo" in now) == (there, False), revision
    assert 'value="clarity"' not in alice.get(path).text


def test_a_failed_scan_says_why(app: Flask, people: Any) -> None:
    for why in scan_words.FAILED:
        id = begun()
        scans._claim(db.engine, NOW)
        scans.fail(db.engine, id, why, NOW)
        page = read(signed_in(app, "alice").get(f"/console/sites/shop/scans/{id}").text)
        assert len(page) > 100


def test_a_browser_that_does_not_start_is_no_scan() -> None:
    from consent.browsers import Means, NoBrowser

    scope = findings.scope_of(URL)
    with pytest.raises((NoBrowser, CutOff)):
        scanner.look_at(Scan(URL, scope), Outside(means=Means("/bin/false")))

