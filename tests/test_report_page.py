"""The page of the report: what a marketer reads first, notes, what publications did, groups of sites, pictures."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask

from consent import notes, sites, versions
from consent.db import db
from consent.zones import USUAL_ZONE, day_of
from tests.pages import signed_in
from tests.shop import DEFINITION
from tests.test_breakdowns import IPHONE, answer, happen, shown

TODAY = day_of(datetime.now(UTC), USUAL_ZONE)
REPORT = "/console/sites/shop/report"
pytestmark = pytest.mark.usefixtures("shop", "people")


def text(page: str) -> str:
    """What is read on a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", unescape(page)).split())


def traffic(days: int = 30, site: str = "shop") -> None:
    """Showings and answers of every day: more allowed since a week ago."""
    for back in range(days):
        day = TODAY - timedelta(days=back)
        accepted = 70 if back < 7 else 40
        happen(*(shown(day) for _ in range(80)), *(shown(day, IPHONE) for _ in range(20)),
               *(answer("accept_all", day, took=3_000) for _ in range(accepted)),
               *(answer("necessary_only", day, IPHONE) for _ in range(12)), site=site)


def test_a_marketer_reads_first_what_each_tool_sees_and_whether_it_changed(app: Flask) -> None:
    traffic()
    bob = signed_in(app, "bob")
    index = bob.get("/console/").text
    assert f'href="{REPORT}"' in index, "one click from the sign-in"
    page = text(bob.get(REPORT).text)
    assert "Google Analytics 4 ziet 47% van de bezoeken (45,2% – 48,8%)" in page
    assert "1.410 / 3.000 · de cijfers × 2,13 staan voor alles" in page
    assert "periode ervoor: niets om mee te vergelijken" in page
    week = text(bob.get(f"{REPORT}?from={TODAY - timedelta(days=6)}&to={TODAY}").text)
    seen = r"Google Analytics 4 ziet 70% .*? periode ervoor: 30,0 punten hoger \(2\d,\d … 3\d,\d; p ≤ 0,001\)"
    assert re.search(seen, week)


def test_what_a_publication_did_is_a_difference_with_its_interval(app: Flask) -> None:
    traffic()
    browser = signed_in(app, "bob")
    day = TODAY - timedelta(days=7)
    sent = {"day": day.isoformat(), "text": "Nieuwe <b>pagina</b>", "csrf_token": browser.token(REPORT)}
    assert browser.post(f"{REPORT}/notes", data=sent).status_code == 303
    page = browser.get(REPORT).text
    assert "Nieuwe &lt;b&gt;pagina" in page
    row = text(page)
    assert re.search(r"Nieuwe pagina .*? 40% 280 / 700 70% 420 / 600, 6 dagen 30,0 punten hoger", row)
    assert "versie 1 gepubliceerd" in row, "the publication marks itself"


def test_notes_are_taken_away_by_who_wrote_them_or_an_owner(app: Flask) -> None:
    alice, bob = signed_in(app, "alice"), signed_in(app, "bob")
    for browser, words in ((alice, "of alice"), (bob, "of bob")):
        form = {"day": TODAY.isoformat(), "text": words, "csrf_token": browser.token(REPORT)}
        browser.post(f"{REPORT}/notes", data=form)
    ids = {note.text: str(note.id) for note in notes.listed(["shop"], TODAY, TODAY)}
    bob.post(f"{REPORT}/notes/remove", data={"note": ids["of alice"], "csrf_token": bob.token(REPORT)})
    db.session.rollback()  # what others wrote since is seen by a new look
    assert {note.text for note in notes.listed(["shop"], TODAY, TODAY)} == {"of alice", "of bob"}
    alice.post(f"{REPORT}/notes/remove", data={"note": ids["of bob"], "csrf_token": alice.token(REPORT)})
    db.session.rollback()
    assert {note.text for note in notes.listed(["shop"], TODAY, TODAY)} == {"of alice"}
    gone = bob.post(f"{REPORT}/notes/remove", data={"note": str(uuid.uuid4()), "csrf_token": bob.token(REPORT)})
    assert gone.status_code == 303


@pytest.mark.parametrize("sent", [
    {"day": "", "text": "x"}, {"day": "2026-13-01", "text": "x"}, {"day": TODAY.isoformat(), "text": " "},
    {"day": TODAY.isoformat(), "text": "x" * 201}, {"day": TODAY.isoformat(), "text": "two\nlines"}])
def test_a_note_that_is_none_is_refused_in_a_sentence(app: Flask, sent: dict[str, str]) -> None:
    alice = signed_in(app, "alice")
    form = {**sent, "csrf_token": alice.token(REPORT)}
    answered = alice.post(f"{REPORT}/notes", data=form, follow_redirects=True)
    assert 'class="warn" role="status"' in answered.text
    assert notes.listed(["shop"], TODAY - timedelta(days=400), TODAY) == []


def test_small_cells_are_hidden_on_the_page(app: Flask) -> None:
    happen(*(shown() for _ in range(60)), *(answer("accept_all") for _ in range(30)),
           *(shown(agent=IPHONE) for _ in range(40)), *(answer("necessary_only", agent=IPHONE) for _ in range(3)),
           *(answer("accept_all", agent=IPHONE) for _ in range(20)))
    page = text(signed_in(app, "bob").get(f"{REPORT}?by=device&from=2026-11-22&to=2026-11-22").text)
    phone = page[page.index("Telefoon 40"):][:80]
    assert "verborgen" in phone
    assert "7,5%" not in phone


def test_a_report_of_several_sites_is_of_those_one_may_see(app: Flask) -> None:
    for key, organisation in (("news", "Webwinkel B.V."), ("other", "Elders B.V.")):
        sites.apply({**DEFINITION, "key": key, "name": key.title(), "organisation": organisation})
        versions.publish(sites.site_for_key(key), datetime.now(UTC), reasons=None)
    db.session.commit()
    traffic(2)
    traffic(1, "news")
    traffic(1, "other")
    bob = signed_in(app, "bob")
    assert "3.000" not in text(bob.get("/console/report").text)
    assert "Getoond 300" in text(bob.get("/console/report").text)
    assert "Getoond 100" in text(bob.get("/console/report?site=news").text)
    assert bob.get("/console/report?site=shop&site=other").status_code == 404
    assert bob.get("/console/report/answers.svg?site=other").status_code == 404
    assert bob.get("/console/report.xlsx?site=shop&site=news").data.startswith(b"PK")


@pytest.mark.parametrize("name", ["answers", "allowed"])
def test_each_chart_is_a_picture_of_its_own(app: Flask, name: str) -> None:
    traffic(3)
    bob = signed_in(app, "bob")
    drawn = bob.get(f"{REPORT}/{name}.svg")
    assert drawn.content_type == "image/svg+xml"
    assert "default-src 'none'" in drawn.headers["Content-Security-Policy"]
    assert drawn.text.startswith("<svg")
    assert bob.get(f"{REPORT}/{name}.png").data.startswith(b"\x89PNG")
    assert bob.get(f"{REPORT}/{name}.png?from=x").status_code == 404


@pytest.mark.parametrize("form", ["", ".csv", ".xlsx", "/answers.svg", "/answers.png"])
def test_no_day_is_too_far_away_for_an_answer(app: Flask, form: str) -> None:
    browser = signed_in(app, "bob")
    for first, last in (("9999-12-31", ""), ("", "9999-12-31"), ("1970-01-01", "1970-01-02")):
        for report in (REPORT, "/console/report"):
            assert browser.get(f"{report}{form}?from={first}&to={last}").status_code in (200, 400, 404)


def test_a_report_of_more_sites_than_it_has_room_for_says_so(app: Flask) -> None:
    base = db.session.get_one(sites.Site, "shop")
    db.session.add_all(sites.Site(key=f"s{n:02}", organisation_id=base.organisation_id, draft=base.draft, name=f"S{n}")
                       for n in range(50))
    db.session.commit()
    traffic(1)
    bob = signed_in(app, "bob")
    assert "Een rapport heeft ten hoogste vijftig sites" in text(bob.get("/console/report").text)
    named = "&".join(["site=s00"] * 50 + ["site=shop"])
    page = text(bob.get(f"/console/report?{named}").text)
    assert "Getoond 100" in page, "a name that stands there often takes no other's place"
    assert "vijftig sites" not in page
