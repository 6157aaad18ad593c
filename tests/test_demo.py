"""The demo: loaded once and for all, absent where it is off, and its stand-ins true to the catalogue."""

import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import verify_password
from sqlalchemy import func, select

from app import create_app
from consent import accounts, breakdowns, demo, sites, versions
from consent.catalogue import CATALOGUE
from consent.counts import DailyCount
from consent.db import db
from consent.patterns import matches
from tests.conftest import KEY, close
from tests.shop import NOW

PUBLIC = "http://localhost"
TWELVE = {
    "ga4", "hotjar", "vwo", "meta", "linkedin", "uet", "gads", "intercom", "calendly", "typeform",
    "activecampaign", "saber",
}


@pytest.fixture
def login(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "demo-login"


@pytest.fixture
def loaded(app: Flask, login: Path) -> demo.Login:
    owner = demo.load(PUBLIC, NOW, login)
    db.session.commit()
    return owner


@pytest.fixture
def visitor(app: Flask, loaded: demo.Login, database: str) -> Iterator[FlaskClient]:
    """A browser at a Poort on which the demo is on."""
    on = create_app(POORT_DATABASE_URL=database, POORT_SECRET_KEYS=KEY, POORT_PUBLIC_URL=PUBLIC, POORT_DEMO="on")
    yield on.test_client()
    close(on)


# Loading ------------------------------------------------------------------------------------------------------------


def test_loading_publishes_the_profile_and_the_shop(loaded: demo.Login) -> None:
    keys = set(db.session.scalars(select(sites.Site.key).where(sites.Site.current == 1)))
    assert keys == {"demo", "journeys-www", "journeys-app"}


def test_the_shop_has_the_trackers_of_the_profile_and_the_address_of_poort(loaded: demo.Login) -> None:
    shop, profile = sites.site_for_key("demo").draft, sites.site_for_key("journeys-www").draft
    assert {row["id"] for row in shop["trackers"]} == TWELVE
    assert shop["trackers"] == profile["trackers"]
    assert (shop["origins"], shop["cookie_domain"]) == ([PUBLIC], None)


def test_loading_again_changes_nothing(loaded: demo.Login, login: Path) -> None:
    assert demo.load(PUBLIC, NOW + timedelta(days=1), login) == loaded
    db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(versions.Version)) == 3
    assert db.session.scalar(select(func.count()).select_from(accounts.User)) == 1


def test_its_report_has_figures_that_a_rebuild_leaves_as_they_are(
    app: Flask, loaded: demo.Login, login: Path
) -> None:
    last = max(db.session.scalars(select(DailyCount.day).where(DailyCount.site == "demo")))
    found = breakdowns.figures(["demo"], last - timedelta(days=59), last)
    assert 4_000 < found.total.shown < 8_000
    assert 0.6 < (found.share("answered").value or 0) < 0.85
    assert {len(found.parts[name]) > 1 for name in ("device", "browser", "language", "page_group", "took")} == {True}
    assert {one.id for one in found.trackers} >= {"ga4", "hotjar"}
    db.session.commit()
    told = app.test_cli_runner().invoke(args=["counts", "rebuild", "demo", "--check"])
    assert (told.exit_code, told.output) == (0, "demo: agrees with the records\n")


def test_the_owner_owns_every_site_of_the_demo(loaded: demo.Login) -> None:
    user = accounts.find_user(loaded.email)
    assert user is not None
    assert {site.key for site in sites.sites_of(user)} == {"demo", "journeys-www", "journeys-app"}
    assert {member.role for member in user.memberships} == {"owner"}


def test_the_password_is_random_and_kept_for_one_user_alone(loaded: demo.Login, login: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    assert login.read_text().split() == [loaded.email, loaded.password]
    assert demo.kept_password(tmp_path / "elsewhere") != loaded.password


def test_what_is_printed_works_after_the_file_was_lost(loaded: demo.Login, login: Path) -> None:
    login.unlink()
    again = demo.load(PUBLIC, NOW, login)
    user = accounts.find_user(again.email)
    assert again.password != loaded.password
    assert user is not None
    assert verify_password(again.password, user.password)


def test_the_command_prints_where_to_look_and_how_to_sign_in(visitor: FlaskClient, login: Path) -> None:
    with visitor.application.app_context():
        done = visitor.application.test_cli_runner().invoke(args=["demo", "load", "--login", str(login)])
    assert done.exit_code == 0, done.output
    for part in (f"{PUBLIC}/demo/", f"{PUBLIC}/console/", *login.read_text().split()):
        assert part in done.output


# Off ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/demo/", "/demo/assets/shop.css", "/demo/gate", "/demo/stand-in/hotjar.js"])
def test_where_the_demo_is_off_there_is_none(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_where_the_demo_is_off_the_first_page_leads_to_the_console(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)
    assert 'href="/console/?lang=nl"' in page
    assert "demo" not in page.lower()


def test_where_the_demo_is_off_no_account_is_made(app: Flask, login: Path) -> None:
    done = app.test_cli_runner().invoke(args=["demo", "load", "--login", str(login)])
    assert done.exit_code != 0
    assert "POORT_DEMO" in done.output
    assert accounts.find_user(demo.OWNER) is None
    assert not login.exists()


# Pages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "accepted", "language"), [
    ("", None, "nl"), ("", "fr", "nl"), ("", "en-GB,en;q=0.9,nl;q=0.8", "en"), ("?lang=nl", "en", "nl"),
    ("?lang=xx", "en", "en"),
])
@pytest.mark.parametrize("path", ["/", "/demo/"])
def test_pages_speak_the_readers_language(
    visitor: FlaskClient, path: str, query: str, accepted: str | None, language: str
) -> None:
    page = visitor.get(path + query, headers={"Accept-Language": accepted} if accepted else {})
    assert f'<html lang="{language}">' in page.get_data(as_text=True)


def test_the_first_page_leads_everywhere(visitor: FlaskClient) -> None:
    page = visitor.get("/?lang=en").get_data(as_text=True)
    for address in ("/demo/?lang=en", "/console/?lang=en", "/docs"):
        assert f'href="{address}"' in page
    assert "&lt;script async src=&#34;http://localhost/banner/demo.js&#34;&gt;" in page


def test_the_shop_tags_every_tracker_and_loads_none(visitor: FlaskClient) -> None:
    page = visitor.get("/demo/").get_data(as_text=True)
    tag = r'<script type="text/plain" data-service="([a-z0-9]+)" data-src="/demo/stand-in/\1\.js"></script>'
    assert set(re.findall(tag, page)) == TWELVE
    kinds = {"iframe": "calendly", "template": "typeform", "img": "meta"}
    for kind, service in kinds.items():
        assert re.search(rf'<{kind}[^>]* data-service="{service}"', page), kind
    assert not re.search(r'<(script|iframe|img)[^>]*\ssrc="[^"]*stand-in', re.sub(r"<template.*?</template>", "", page))


@pytest.mark.parametrize("path", ["/", "/demo/", "/demo/?gpc=1", "/demo/stand-in/calendly.html"])
def test_pages_run_nothing_inline_and_nothing_from_elsewhere(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path)
    page, policy = answer.get_data(as_text=True), answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "style=" not in page
    assert not re.search(r"\son[a-z]+=", page)
    assert not re.search(r'(src|href|data-src)="(https?:)?//', page)
    for nonce in re.findall(r'<script type="text/plain"[^>]* nonce="([^"]+)"', page):
        assert f"'nonce-{nonce}'" in policy


def test_each_page_has_a_nonce_of_its_own(visitor: FlaskClient) -> None:
    policies = {visitor.get("/demo/").headers["Content-Security-Policy"] for _ in range(3)}
    assert len(policies) == 3


# Stand-ins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracker", sorted(TWELVE))
def test_a_stand_in_sets_the_first_party_cookies_of_the_catalogue(tracker: str) -> None:
    row: Any = CATALOGUE[tracker]
    own = [cookie["name"] for cookie in row["cookies"] if "domain" not in cookie]
    left = demo.stand_in(row)
    assert bool(left["cookies"]) == bool(own)
    assert all(any(matches(pattern, cookie["name"]) for pattern in own) for cookie in left["cookies"])


@pytest.mark.parametrize(("duration", "seconds"), [
    ("session", None), ("PT30M", 1_800), ("PT20H", 72_000), ("P1D", 86_400), ("P3M", 7_776_000), ("P2Y", 63_072_000),
    ("P1DT12H", 129_600), ("persistent", 31_536_000),
])
def test_a_stand_in_cookie_lives_as_long_as_the_real_one(duration: str, seconds: int | None) -> None:
    assert demo.seconds(duration) == seconds


@pytest.mark.parametrize(("kind", "content_type"), [
    ("js", "text/javascript; charset=utf-8"), ("html", "text/html; charset=utf-8"), ("gif", "image/gif"),
])
def test_a_stand_in_is_fresh_and_says_when_it_was_asked_for(visitor: FlaskClient, kind: str, content_type: str) -> None:
    answer = visitor.get(f"/demo/stand-in/hotjar.{kind}")
    assert (answer.status_code, answer.content_type) == (200, content_type)
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r'arrived;desc="\d{4}-.*\+00:00"', answer.headers["Server-Timing"])


@pytest.mark.parametrize("name", ["unknown.js", "leadinfo.js", "hotjar.php", "hotjar"])
def test_nothing_stands_in_for_what_the_shop_does_not_use(visitor: FlaskClient, name: str) -> None:
    assert visitor.get(f"/demo/stand-in/{name}").status_code == 404


def test_the_gate_can_be_asked_as_by_a_browser_with_gpc(visitor: FlaskClient) -> None:
    consent = {
        "id": "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "visitor": "0b8f0f5c-2f0d-4c44-8a7e-3f5a6b7c8d9e", "version": 1,
        "action": "accept_all", "choices": {"functional": True, "analytics": True, "marketing": True},
        "source": "banner", "language": "nl",
    }
    receipt = visitor.post("/v1/sites/demo/consents", json=consent).get_json()["receipt"]
    found = visitor.get("/demo/gate", headers={"Poort-Receipt": receipt}).get_json()["trackers"]
    assert found["meta"] == {"allow": False, "reason": "gpc", "category": "marketing"}
    assert found["hotjar"]["reason"] == "granted"
