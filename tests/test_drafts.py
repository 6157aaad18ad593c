"""Publishing a draft, and going back: two who edit or publish at once, and a server that is killed."""

import http.client
import io
import json
import re
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
import rfc8785
from flask import Flask

from consent import audit, differences, edits, history, linter, sites, versions
from consent.db import db
from consent.views.console import fields
from tests import servers
from tests.conftest import PASSWORD
from tests.pages import Browser, signed_in
from tests.servers import Server
from tests.shop import DEFINITION
from tests.test_console import text

SETTINGS = "/console/sites/shop/settings"
PUBLISH = "/console/sites/shop/publish"


def hidden(page: str) -> dict[str, str]:
    """What the page's form carries along."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def filled(browser: Browser, **typed: Any) -> dict[str, Any]:
    """The form of settings as the page has it now, with some of it typed otherwise."""
    page = hidden(browser.get(SETTINGS).text)
    return {**fields.shown(site().draft), **page, "confirmed": "on", **typed}


def site() -> sites.Site:
    """The shop, as the database has it."""
    db.session.rollback()
    db.session.expire_all()
    return sites.site_for_key("shop")


def publish(browser: Browser, **typed: str) -> Any:
    """Press the button of the page, with a reason for all that asks for one."""
    page = browser.get(PUBLISH).text
    reasons = {unescape(name): "Zo bedoeld." for name in re.findall(r'name="(reason:[^"]+)"', page)}
    return browser.post(PUBLISH, data={**hidden(page), **reasons, **typed})


# Two at once ----------------------------------------------------------------------------------------------------------

@pytest.mark.usefixtures("people")
def test_two_who_edit_see_what_the_other_did_and_lose_nothing(app: Flask) -> None:
    alice, other = signed_in(app, "alice"), signed_in(app, "alice")
    mine = filled(alice, name="Mijn naam", consent_days="100")
    theirs = filled(other, **{"consent_days": "120", "controller.name": "Hun naam"})
    assert other.post(SETTINGS, data=theirs).status_code == 303
    refused = alice.post(SETTINGS, data=mine)
    assert refused.status_code == 409
    assert (site().name, site().draft["consent_days"]) == ("Webwinkel", 120)
    page = refused.text
    assert "alice@shop.example" in text(page)
    assert re.search(r"Dagen na toestemming</th><td><del>180</del></td><td><ins>120</ins>", page)
    for said in ('value="Mijn naam"', 'value="100"', 'value="Hun naam"'):
        assert said in page, said
    again = {**mine, **hidden(page), "controller.name": "Hun naam"}
    assert alice.post(SETTINGS, data=again).status_code == 303
    assert (site().name, site().draft["consent_days"], site().draft["controller"]["name"]) == (
        "Mijn naam", 100, "Hun naam")


@pytest.mark.usefixtures("people")
def test_who_changed_something_else_stands_in_nobodys_way(app: Flask) -> None:
    alice = signed_in(app, "alice")
    mine = filled(alice, name="Mijn naam")
    found = site()
    sites.change(found, {**found.draft, "trackers": [{"id": "ga4"}]}, found.revision, audit.COMMAND)
    db.session.commit()
    assert alice.post(SETTINGS, data=mine).status_code == 303
    assert (site().name, site().draft["trackers"]) == ("Mijn naam", [{"id": "ga4"}])


@pytest.mark.usefixtures("people")
def test_the_definition_goes_out_and_in_as_json(app: Flask) -> None:
    alice = signed_in(app, "alice")
    file = alice.get("/console/sites/shop/definition.json")
    assert file.headers["Content-Disposition"] == 'attachment; filename="shop.json"'
    definition = json.loads(file.data)
    changed = json.dumps({**definition, "name": "Uit een bestand"}).encode()
    page = f"{SETTINGS}/json"

    def send(form: dict[str, Any], **more: Any) -> Any:
        return alice.post(page, data={**form, "confirmed": "on", **more})

    for wrong in (b"{", b"[]", b'{"key": "shop"}', json.dumps({**definition, "key": "other"}).encode(),
                  json.dumps({**definition, "organisation": "Ander B.V."}).encode(),
                  json.dumps({**definition, "trackers": [{"id": "nobody"}]}).encode()):
        answer = send(hidden(alice.get(page).text), definition=wrong)
        assert answer.status_code == 422, wrong
        assert 'aria-invalid="true"' in answer.text
        assert unescape(answer.text).count(wrong.decode()) == 1
    old = hidden(alice.get(page).text)
    assert send(old, file=(io.BytesIO(changed), "shop.json")).status_code == 303
    assert site().name == "Uit een bestand"
    stale = send(old, definition=json.dumps({**definition, "name": "Te laat"}))
    assert (stale.status_code, site().name) == (409, "Uit een bestand")
    assert "Te laat" in stale.text


@pytest.mark.usefixtures("people")
def test_two_who_publish_at_once_make_one_version(app: Flask) -> None:
    alice = signed_in(app, "alice")
    alice.post(SETTINGS, data=filled(alice, name="Nieuwe naam"))
    browsers = [alice, signed_in(app, "alice")]
    forms = [hidden(browser.get(PUBLISH).text) for browser in browsers]
    page = alice.get(PUBLISH).text
    reasons = {unescape(name): "Zo bedoeld." for name in re.findall(r'name="(reason:[^"]+)"', page)}
    db.session.remove()
    start = threading.Barrier(2)

    def press(n: int) -> int:
        start.wait()
        return browsers[n].post(PUBLISH, data={**forms[n], **reasons}).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = set(pool.map(press, range(2)))
    assert statuses <= {303, 409}
    assert 303 in statuses
    assert history.numbers(site()) == [2, 1]
    assert site().current == 2


@pytest.mark.usefixtures("people")
def test_what_breaks_the_law_is_not_published_and_what_is_doubtful_asks_for_a_reason(app: Flask) -> None:
    alice = signed_in(app, "alice")
    found = site()
    doubtful = {**found.draft, "origins": ["http://www.shop.example"], "consent_days": 390, "refusal_days": 390}
    findings = linter.check(doubtful)
    assert [one for one in findings if not one.hard], "the example has to be a doubtful one"
    assert not [one for one in findings if one.hard]
    sites.change(found, doubtful, found.revision, audit.COMMAND)
    db.session.commit()
    page = alice.get(PUBLISH).text
    wanted = [unescape(name) for name in re.findall(r'name="(reason:[^"]+)"', page)]
    empty = dict.fromkeys(wanted, "")
    refused = alice.post(PUBLISH, data={**hidden(page), **empty})
    if [name for name in wanted if f'name="{name}" value=""' in page]:
        assert refused.status_code == 422
        assert 'aria-invalid="true"' in refused.text
        assert site().current == 1
    given = alice.post(PUBLISH, data={**hidden(page), **dict.fromkeys(wanted, "Met reden <b>zo</b>.")})
    assert given.status_code == 303
    kept = history.version_of(site(), 2).reasons
    assert kept
    assert "Met reden &lt;b&gt;zo&lt;/b&gt;." in alice.get("/console/sites/shop/versions/2").text


# Back -----------------------------------------------------------------------------------------------------------------

def test_an_old_version_comes_back_under_a_new_number_and_asks_by_the_same_rules(
    app: Flask, people: Any, define: Callable[..., Any]
) -> None:
    alice = signed_in(app, "alice")
    define(trackers=[{"id": "ga4"}], name="Zonder de rest")
    page = alice.get("/console/sites/shop/versions/1/restore")
    assert "Nieuw" in text(page.text)
    path = "/console/sites/shop/versions/1/restore"
    reasons = {unescape(name): "Zo." for name in re.findall(r'name="(reason:[^"]+)"', page.text)}
    assert alice.post(path, data={**hidden(page.text), **reasons, "confirmed": "1"}).status_code == 303
    old, new = (history.version_of(site(), number) for number in (1, 3))
    assert (new.restored, site().current, site().name) == (1, 3, "Webwinkel")
    assert new.snapshot == old.snapshot
    assert new.digest == old.digest
    # What came back is asked again; what had stayed is not (F3, F4).
    assert {id: n for id, n in new.since["trackers"].items() if n == 3}.keys() == {
        "hotjar", "meta", "intercom", "own-stats"}
    assert new.since["trackers"]["ga4"] == 1
    listed = text(alice.get("/console/sites/shop/versions").text)
    assert "Versie 3 Gepubliceerd zet versie 1 terug" in listed
    stale = alice.post(path.replace("/1/", "/2/"), data=hidden(page.text))
    assert (stale.status_code, site().current) == (409, 3)


def test_what_a_file_manages_is_asked_about_wherever_it_is_changed(app: Flask, people: Any) -> None:
    """The next `flask site apply` overwrites it, so nobody changes it in passing."""
    alice = signed_in(app, "alice")
    sites.apply({**DEFINITION, "name": "Winkel"})
    db.session.commit()
    before, revision = site().draft, site().revision
    shown = {"revision": str(revision), "csrf_token": hidden(alice.get(PUBLISH).text)["csrf_token"]}
    there = "/console/sites/shop"
    changes: dict[str, dict[str, str]] = {
        f"{there}/banner": {
            **edits.fields_of(before), "base": edits.base_of(before), "texts.nl.title": "Koekjes van {controller}"},
        f"{there}/leaks": {"on": "on", "share": "10"},
        f"{PUBLISH}/discard": {}, f"{there}/versions/1/restore": {},
    }
    for path, typed in changes.items():
        asked = alice.post(path, data={**shown, **typed})
        assert (asked.status_code, asked.text.count('name="confirmed" value="1"')) == (200, 1), path
        assert all(f'name="{name}"' in asked.text for name in typed), path
        assert (site().draft, site().revision, site().current) == (before, revision, 1), path
    path = f"{there}/leaks"
    assert alice.post(path, data={**shown, **changes[path], "confirmed": "1"}).status_code == 303
    assert site().draft["leak_reports"]


def test_what_a_draft_changed_can_be_dropped(app: Flask, people: Any) -> None:
    alice = signed_in(app, "alice")
    alice.post(SETTINGS, data=filled(alice, name="Toch niet"))
    page = alice.get(PUBLISH).text
    assert "Toch niet" in page
    assert alice.post(f"{PUBLISH}/discard", data={**hidden(page), "revision": "1"}).status_code == 409
    assert alice.post(f"{PUBLISH}/discard", data=hidden(page)).status_code == 303
    assert (site().name, versions.pending(site(), history.current(site()))) == ("Webwinkel", False)
    assert "Niets te publiceren" in alice.get(PUBLISH).text


def test_a_version_that_is_not_there_is_not_found(app: Flask, people: Any) -> None:
    alice = signed_in(app, "alice")
    for path in ("/9", "/0", f"/{2**40}", "/9/restore", "/compare?from=9", "/compare?from=x&to=draft"):
        assert alice.get(f"/console/sites/shop/versions{path}").status_code == 404, path


def test_the_list_of_versions_goes_on_and_costs_the_same(app: Flask, people: Any, define: Callable[..., Any]) -> None:
    for number in range(history.PAGE + 3):
        define(name=f"Naam {number}")
    alice = signed_in(app, "alice")
    newest = alice.get("/console/sites/shop/versions").text
    assert newest.count('class="card"') == history.PAGE
    older = re.search(r'href="(/console/sites/shop/versions\?before=\d+)"', newest)
    assert older
    assert alice.get(older[1]).text.count('class="card"') == 4


# What is different ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("before", "after", "found"), [
    ({}, {}, []),
    ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
    ({"a": 1}, {}, [("a", 1, None)]),
    ({"controller": {"name": "x", "email": "y"}}, {"controller": {"name": "z", "email": "y"}},
     [("controller.name", "x", "z")]),
    ({"trackers": [{"id": "a"}]}, {"trackers": [{"id": "b"}, {"id": "a", "category": "marketing"}]},
     [("trackers.b", None, {"id": "b"}), ("trackers.a.category", None, "marketing")]),
    ({"trackers": [{"id": "a"}, {"id": "b"}]}, {"trackers": [{"id": "b"}, {"id": "a"}]},
     [("order", ["a", "b"], ["b", "a"])]),
])
def test_differences_are_told_by_field(before: Any, after: Any, found: list[Any]) -> None:
    assert [(one.path, one.before, one.after) for one in differences.between(before, after)] == found


@pytest.mark.parametrize("odd", [
    {}, {"a": "\u0001\b\f\n\r\t\"\\/\x7f\u2028é€"}, {"é": 1, "z": 2, "Z": 3, "": 4}, {"😀": 1, "\uffee": 2},
    {"n": 1.5, "m": 1e21, "o": -0.0}, {"list": [1, [2, {"b": None, "a": True}]]}, {"t": "a:1.5,2e3"},
    {"big": 9007199254740991}, {"nested": {"b": {"y": 1, "x": 2}, "a": []}},
])
def test_canonical_json_is_that_of_the_standard(odd: dict[str, Any]) -> None:
    assert versions.canonical(odd) == rfc8785.dumps(odd)


# Killed ---------------------------------------------------------------------------------------------------------------

class Hand:
    """An owner at a real server: keeps cookies, follows redirects, sends the form that a page has."""

    def __init__(self, server: Server) -> None:
        self._base = server.url
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, path: str) -> str:
        """A page."""
        with self._browser.open(self._base + path, timeout=3) as answer:
            return str(answer.read().decode())

    def send(self, path: str, **typed: str) -> str:
        """The form of this page, with what was typed; the address where it led."""
        page = self.get(path)
        form = dict(re.findall(r'<(?:input|textarea)[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page))
        data = {unescape(name): unescape(value) for name, value in {**form, **typed}.items()}
        with self._browser.open(self._base + path, urllib.parse.urlencode(data).encode(), timeout=3) as answer:
            return str(answer.url)


def published(hand: Hand, definition: dict[str, Any], number: int) -> bool:
    """Change the draft and publish it; whether the server said that it did both."""
    text = json.dumps({**definition, "name": f"Naam {number}"})
    try:
        hand.send(SETTINGS + "/json", definition=text, confirmed="on")
        reasons = dict.fromkeys(re.findall(r'name="(reason:[^"]+)"', hand.get(PUBLISH)), "Zo bedoeld.")
        return hand.send(PUBLISH, **{unescape(name): reason for name, reason in reasons.items()}).endswith("/shop")
    except (OSError, http.client.HTTPException):  # killed on the way, or refused: tried again with the next number
        return False


def test_a_server_killed_while_it_publishes_leaves_versions_and_sites_that_agree(tmp_path: Path) -> None:
    """Every number up to the current one is there, the current one is the newest, and nothing acknowledged is lost."""
    with Server(servers.sqlite(tmp_path), WEB_CONCURRENCY=1) as server:
        server.publish(DEFINITION)
        server.run("user", "create", "alice@shop.example", "--organisation", "Webwinkel B.V.", "--password", PASSWORD)
        hand = Hand(server)
        hand.send("/login", email="alice@shop.example", password=PASSWORD)
        definition = json.loads(hand.get("/console/sites/shop/definition.json"))
        done, kills, stop, until = 0, 0, threading.Event(), time.monotonic() + 60

        def kill() -> None:
            nonlocal kills
            while not stop.wait(2):  # a busy machine takes a while to start the next worker
                kills += server.kill_workers()

        killer = threading.Thread(target=kill)
        killer.start()
        tries = 0
        while time.monotonic() < until and not (kills >= 3 and 0 < done < tries):
            tries += 1
            done += published(hand, definition, tries)
        stop.set()
        killer.join()
    with closing(pysqlite3.connect(server.database_url.removeprefix("sqlite:///"))) as connection:
        current = connection.execute("SELECT current FROM site").fetchone()[0]
        numbers = [number for number, in connection.execute("SELECT number FROM version ORDER BY number")]
        noted = connection.execute("SELECT count(*) FROM audit WHERE what = 'version.publish'").fetchone()[0]
    assert kills >= 3
    assert 0 < done < tries, "no kill hit a request, or every one did: the test proves nothing"
    assert numbers == list(range(1, current + 1))
    assert (noted, current) == (len(numbers), len(numbers))
    assert current > done
