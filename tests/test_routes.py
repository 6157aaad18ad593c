"""Every route, walked: who may see what, whose forms are taken, what a browser is told. A new route is here by itself.

What each page shows is in its own tests; here stands what holds for all of them.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from consent import accounts, audit, invitations, keys, scans, sessions, sites
from consent.audit import Audit
from consent.db import db
from consent.sites import Site
from consent.versions import Version
from consent.views import headers
from tests.pages import Browser, signed_in
from tests.shop import DEFINITION
from tests.test_admin_api import Program, key_of

# The database does not matter to who may see what.
pytestmark = [pytest.mark.usefixtures("people"), pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)]

SAFE = {"GET", "HEAD", "OPTIONS"}
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "|cmd")
# What everybody who is signed in has, and nobody else can reach: forms about oneself.
ABOUT_ONESELF = ("/console/security", "/console/prove", "/console/join/<token>", "/console/organisation",
                 "/console/new")
# What a member may ask for by a form: it changes nothing.
READING = ("/console/sites/<key>/trackers/paste", "/console/sites/<key>/banner/preview")
# Notes are every member's. Here one without a day, which is not taken, and one that is not there.
NOTING = {"/console/sites/<key>/report/notes": 303, "/console/sites/<key>/report/notes/remove": 404}
# What stands in a frame of Poort's own page: the shop of the demo, and the editor's preview of the banner.
FRAMED = re.compile(r"/|/console/sites/<key>/.*preview.*")
BODIES: dict[str, Any] = {"admin.change_role": {"role": "owner"}}


class Things(NamedTuple):
    """What alice's organisation has, by its numbers."""

    organisation: int
    member: int
    key: int
    scan: int
    invitation: str


@pytest.fixture
def things(app: Flask, people: dict[str, accounts.User]) -> Things:
    """One of each kind."""
    now, site = datetime.now(UTC), db.session.get_one(Site, "shop")
    key, _ = keys.create("Webwinkel B.V.", None, "CI", now, ("read",))
    scan = scans.begin(site, scans.LOOK, "https://www.shop.example/", 1, audit.COMMAND, now)
    invitations.invite(site.organisation, "dave@shop.example", "marketer", audit.COMMAND, now)
    waiting = invitations.waiting(site.organisation_id)[0]
    found = Things(site.organisation_id, people["bob"].id, key.id, scan.id, waiting.digest)
    db.session.commit()
    return found


def routes(app: Flask, start: str) -> Iterator[tuple[Rule, str]]:
    """Every rule under an address, with each of its methods."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(start):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method


def path_of(rule: Rule, things: Things) -> str:
    """The address of what is there. A name that is not known here stands for a number."""
    values = {
        "key": "shop", "site": "shop", "tracker": "hotjar", "number": "1", "token": "none", "filename": "poort.css",
        "member": str(things.member), "invitation": things.invitation,
        "id": str(things.key if rule.endpoint == "admin.revoke_key" else things.scan),
    }
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), rule.rule)


def state() -> tuple[Any, ...]:
    """All that a call of somebody who may not could have changed."""
    db.session.rollback()
    notes = db.session.scalars(select(Audit.id)).all()
    rows = db.session.execute(select(Site.key, Site.revision, Site.current).order_by(Site.key)).all()
    return len(notes), [tuple(row) for row in rows], len(db.session.scalars(select(Version.number)).all())


# -- the console ------------------------------------------------------------------------------------------------------

def test_whose_session_is_over_is_a_stranger_to_every_page(app: Flask, things: Things) -> None:
    alice = signed_in(app, "alice")
    sessions.end_all(db.session.scalars(select(accounts.User.id).where(accounts.User.email.like("alice%"))).one())
    db.session.commit()
    other, key = Browser(app), key_of("Webwinkel B.V.", keys.SCOPES)
    for rule, method in routes(app, "/console"):
        for browser, told in ((alice, {}), (other, {"Authorization": f"Bearer {key}"})):
            if method == "GET":
                answer = browser.get(path_of(rule, things), headers=told)
                assert answer.status_code == 302, (rule.rule, method)
                assert answer.headers["Location"].startswith("/login"), rule.rule


def test_no_form_of_a_site_is_taken_from_a_stranger_or_a_marketer(app: Flask, things: Things) -> None:
    people = {"charlie": 404, "bob": 403}
    before, wrong = state(), []
    for name, status in people.items():
        browser = signed_in(app, name)
        form = {"csrf_token": browser.token("/console/security"), "organisation": str(things.organisation)}
        for rule, method in routes(app, "/console"):
            if method in SAFE or rule.rule.startswith(ABOUT_ONESELF):
                continue
            app.extensions["poort.attempts"].reset()
            answer = browser.open(path_of(rule, things), method=method, data=form)
            wanted = NOTING.get(rule.rule, 200 if rule.rule in READING else status) if name == "bob" else status
            if answer.status_code != wanted:
                wrong.append((name, method, rule.rule, answer.status_code))
    assert wrong == []
    assert state() == before


def test_what_a_stranger_is_told_of_a_thing_is_what_everybody_is_told_of_nothing(app: Flask, things: Things) -> None:
    charlie = signed_in(app, "charlie")
    for rule, method in routes(app, "/console/sites/<key>"):
        if method == "GET":
            theirs = charlie.get(path_of(rule, things))
            nobodys = charlie.get(path_of(rule, things).replace("/shop", "/none"))
            assert theirs.status_code == nobodys.status_code == 404, rule.rule
            assert theirs.text.replace("/shop", "/none") == nobodys.text, rule.rule


@pytest.mark.parametrize("told", ["no token", "the token of another session", "another site's page", "a subdomain's"])
def test_a_form_from_elsewhere_is_not_taken(app: Flask, things: Things, told: str) -> None:
    """Threat 6."""
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    own, before = alice.token("/console/security"), state()
    form = {"no token": {}, "the token of another session": {"csrf_token": bob.token("/console/security")}}
    sites_of = {"another site's page": "cross-site", "a subdomain's": "same-site"}
    said = {"Sec-Fetch-Site": sites_of[told]} if told in sites_of else {}
    for rule, method in routes(app, "/"):
        if method in SAFE or rule.rule.startswith(("/v1/", "/me/", "/leave/")):
            continue
        app.extensions["poort.attempts"].reset()
        data = {**form.get(told, {"csrf_token": own}), "organisation": str(things.organisation)}
        answer = alice.open(path_of(rule, things), method=method, data=data, headers=said)
        assert answer.status_code == 400, (method, rule.rule)
    assert state() == before


def test_every_page_is_guarded_and_no_page_of_the_console_is_kept(app: Flask, things: Things) -> None:
    alice, nobody, pages = signed_in(app, "alice"), Browser(app), 0
    for rule, method in routes(app, "/"):
        if method != "GET" or rule.endpoint == "security.logout":
            continue
        app.extensions["poort.attempts"].reset()
        for browser in (alice, nobody):
            answer = browser.get(path_of(rule, things))
            assert answer.headers["X-Content-Type-Options"] == "nosniff", rule.rule
            if rule.rule.startswith(("/console", "/login", "/join", "/sign-up", "/lost-password")):
                assert "no-store" in answer.headers.get("Cache-Control", ""), rule.rule
            if answer.mimetype != "text/html":
                continue
            pages += 1
            policy = answer.headers["Content-Security-Policy"]
            assert "'unsafe" not in policy, rule.rule
            assert "default-src 'none'" in policy, rule.rule
            framed = "'self'" if FRAMED.fullmatch(rule.rule) else "'none'"
            assert f"frame-ancestors {framed}" in policy, rule.rule
            assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), rule.rule
            assert not re.search(r"<[^>]+\sstyle=|<style|<[^>]+\son\w+=|<script(?![^>]*\ssrc=)", answer.text), rule.rule
    assert pages > 30
    assert "frame-ancestors 'none'" in headers.policy()


def test_no_sheet_of_the_console_has_a_formula(app: Flask, things: Things) -> None:
    """ASVS 1.2.10: what anybody can write comes out as text."""
    for text in FORMULAS:
        audit.note(things.organisation, text.strip()[:40], audit.COMMAND, "shop", name=text)
        keys.create("Webwinkel B.V.", None, text.replace("\t", " "), datetime.now(UTC), ("read",))
    key = db.session.scalars(select(keys.ApiKey).where(keys.ApiKey.name == "=1+1")).one()
    audit.note(things.organisation, "scan.begin", audit.By(key_id=key.id, via="api"), "shop")
    db.session.commit()
    alice, sheets = signed_in(app, "alice"), 0
    for rule, method in routes(app, "/console"):
        if method != "GET":
            continue
        answer = alice.get(path_of(rule, things))
        if answer.mimetype == "text/csv":
            sheets += 1
            rows = list(csv.reader(io.StringIO(answer.text)))
            assert len(rows) > 1, rule.rule
            for cell in (cell for row in rows for cell in row):
                assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "|", "%")), (rule.rule, cell)
    assert sheets >= 2


# -- the owners' API --------------------------------------------------------------------------------------------------

def calls(app: Flask, things: Things) -> Iterator[tuple[str, str, str, str]]:
    """Every call: method, path behind /v1/admin, each of its scopes, its name."""
    for rule, method in routes(app, "/v1/admin"):
        view: Any = app.view_functions[rule.endpoint]
        for scope in view.scopes:
            yield method, path_of(rule, things).removeprefix("/v1/admin"), scope, rule.endpoint


def test_every_call_needs_a_key_and_its_scope(app: Flask, things: Things) -> None:
    before = state()
    without = {scope: key_of(scopes=tuple(each for each in keys.SCOPES if each != scope)) for scope in keys.SCOPES}
    asked = list(calls(app, things))
    assert {scope for *_, scope, _ in asked} <= set(keys.SCOPES) - {"gate"}
    assert len(asked) > 20
    for method, path, scope, name in asked:
        said = None if method == "GET" else BODIES.get(name, {})
        assert Program(app.test_client(), None).call(method, path, said).status_code == 401, name
        answer = Program(app.test_client(), without[scope]).call(method, path, said)
        assert answer.status_code == 403, name
        assert answer.get_json()["message"].endswith(f"lacks the scope {scope}."), name
    assert state() == before


def test_a_key_of_another_organisation_finds_nothing(app: Flask, things: Things) -> None:
    stranger = Program(app.test_client(), key_of("Ander B.V.", keys.SCOPES))
    elsewhere = {**DEFINITION, "key": "theirs", "name": "Anders", "organisation": "Ander B.V."}
    sites.apply(elsewhere)
    db.session.commit()
    one_site = Program(app.test_client(), key_of("Webwinkel B.V.", keys.SCOPES, site="shop"))
    before = state()
    for method, path, _, name in calls(app, things):
        said = None if method == "GET" else BODIES.get(name, {})
        rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == name)
        if rule.arguments:  # something of alice's organisation is named
            answer = stranger.call(method, path, said)
            assert answer.status_code == 404, name
            assert answer.get_json()["error"] == "not_found"
            if "site" in rule.arguments:
                theirs = one_site.call(method, path.replace("/shop", "/theirs"), said)
                assert theirs.status_code == 404, name
        elif method == "GET":
            text = stranger.call(method, path, said).text
            assert not re.search(r"shop\.example|Webwinkel|\"shop\"", text), name
    assert state() == before


def test_a_number_of_a_thing_opens_it_under_its_own_site_alone(
    app: Flask, things: Things, define: Callable[..., Version]
) -> None:
    define(key="second")
    alice, program = signed_in(app, "alice"), Program(app.test_client(), key_of(scopes=keys.SCOPES))
    assert program.call("GET", f"/sites/shop/scans/{things.scan}").status_code == 200
    assert program.call("GET", f"/sites/second/scans/{things.scan}").status_code == 404
    assert alice.get(f"/console/sites/shop/scans/{things.scan}").status_code == 200
    assert alice.get(f"/console/sites/second/scans/{things.scan}").status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "2147483648", "99999999999999999999", "1.0", "x", "%00", "1%20"])
def test_what_is_no_number_is_not_found(app: Flask, number: str) -> None:
    program, alice = Program(app.test_client(), key_of(scopes=keys.SCOPES)), signed_in(app, "alice")
    for path in ("/sites/shop/scans/", "/sites/shop/versions/"):
        assert program.call("GET", f"{path}{number}").status_code in (404, 405), path
    for path in ("/keys/", "/members/", "/invitations/"):
        assert program.call("DELETE", f"{path}{number}").status_code == 404, path
    assert alice.get(f"/console/sites/shop/scans/{number}").status_code == 404


def test_who_is_owner_no_more_is_it_by_no_key_and_no_invitation_either(
    app: Flask, things: Things, people: dict[str, accounts.User]
) -> None:
    now, bob = datetime.now(UTC), people["bob"].id
    by = audit.By(user_id=people["alice"].id, via="console")
    invitations.change_role(things.organisation, bob, "owner", by)
    _, text = keys.create("Webwinkel B.V.", None, "of bob", now, ("publish",), made_by=bob)
    site = db.session.get_one(Site, "shop")
    invitations.invite(site.organisation, "eve@shop.example", "owner", audit.By(user_id=bob, via="console"), now)
    db.session.commit()
    assert Program(app.test_client(), text).call("POST", "/sites/shop/versions", {}).status_code == 200
    invitations.change_role(things.organisation, bob, "marketer", by)
    db.session.commit()
    assert Program(app.test_client(), text).call("POST", "/sites/shop/versions", {}).status_code == 401
    assert [one.email for one in invitations.waiting(things.organisation)] == ["dave@shop.example"]


def test_a_site_is_made_in_no_organisation_of_others(app: Flask, things: Things) -> None:
    charlie = signed_in(app, "charlie")
    form = {
        "csrf_token": charlie.token("/console/security"), "organisation": str(things.organisation), "key": "planted",
        "name": "Planted", "start": "empty", "origins": "https://www.other.example", "languages": "nl",
        "controller.name": "Ander", "controller.email": "a@other.example",
        "controller.policy_url": "https://www.other.example/privacy",
    }
    charlie.post("/console/new", data=form)
    db.session.rollback()
    made = db.session.get(Site, "planted")
    assert made is None or made.organisation_id != things.organisation
