"""The page of an experiment: made in a form, planned before it starts, started by publishing, followed and ended."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from consent import experiments, sites, variant_fields, versions, zones
from consent.audit import Audit
from consent.db import db
from tests.pages import Browser, signed_in
from tests.shop import DEFINITION
from tests.signing_in import send
from tests.test_admin_api import Program, key_of
from tests.test_experiments import SUMMER
from tests.test_reports import count
from tests.test_results import EVERYTHING, OWN, happened

PAGE = "/console/sites/shop/experiment"
TITLE = "Mag {controller} dit bezoek meten?"
INTRO = "Wij vragen je toestemming om te meten."
TYPED = {"id": "summer", "goal": "analytics", "smallest": "5", "b.texts.nl.title": TITLE, "b.look.position": "top"}
pytestmark = [pytest.mark.usefixtures("people"), pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)]


def shop() -> sites.Site:
    db.session.rollback()
    return db.session.get_one(sites.Site, "shop")


def save(browser: Browser, **changes: str) -> Any:
    return send(browser, PAGE, {"revision": str(shop().revision), **TYPED, "do": "save", "confirmed": "1", **changes})


def publish(browser: Browser, **reasons: str) -> Any:
    digest = versions.preview(shop())[0]
    return send(browser, "/console/sites/shop/publish", {"digest": digest, **reasons})


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def alice(app: Flask) -> Browser:
    browser = signed_in(app, "alice")
    browser.get("/console/?lang=en")  # kept from then on
    return browser


def traffic(per_day: int = 400) -> None:
    """Four weeks in which four of ten allow statistics."""
    db.session.rollback()
    for n in range(1, 29):
        day = zones.today(zones.USUAL_ZONE) - timedelta(days=n)
        count((day, "shown", "", per_day), (day, "answered", "accept_all", per_day // 2),
              (day, "granted", "analytics", per_day * 4 // 10))


def test_the_plan_is_known_before_it_starts(alice: Browser) -> None:
    traffic()
    answer = save(alice, do="plan")
    assert answer.status_code == 200
    said = text(answer.text)
    assert "Showings needed 5,862" in said
    assert "about 15, at 400 showings a day" in said
    assert "40%: of" in said or "40% of the showings now" in said
    assert "experiment" not in shop().draft, "only a look"
    assert f'value="{TITLE}"' in answer.text
    assert "That is long" in text(save(alice, do="plan", smallest="1").text)


def test_it_is_made_and_started_by_publishing(alice: Browser) -> None:
    traffic()
    assert save(alice).status_code == 303
    draft = shop().draft["experiment"]
    assert draft["variants"] == [{"id": "a", "share": 1}, {"id": "b", "share": 1, "texts": {"nl": {"title": TITLE}},
                                                          "look": {"position": "top"}}]
    assert (draft["id"], draft["smallest"], draft["showings"]) == ("summer", 5, 5_862)
    assert "Start it: check and publish" in alice.get(PAGE).text
    assert publish(alice).status_code == 303
    page = alice.get(PAGE).text
    assert "It goes on: no difference is beyond chance yet." in page
    assert "Make an experiment" not in page, "one at a time"


def test_the_winner_is_published_by_one_click(alice: Browser) -> None:
    save(alice)
    day = zones.today(zones.USUAL_ZONE)
    versions.publish(shop(), datetime.now(UTC) - timedelta(days=7))
    for n in range(7):
        happened("a", day - timedelta(days=n), 200, (EVERYTHING, 60), (OWN, 20), ("necessary_only", 40))
        happened("b", day - timedelta(days=n), 200, (EVERYTHING, 116), (OWN, 4), ("necessary_only", 20), withdrawn=6)
    said = text(alice.get(PAGE).text)
    assert "Variant b is better than the banner as it was, beyond chance." in said
    assert "+20.0" in said
    assert "Chose for themselves: 2.9% instead of 16.7%." in said
    assert "More words:" in said
    assert "Withdrew:" not in said, "what is small of one is told of none"
    ended = send(alice, f"{PAGE}/end", {"id": "summer", "variant": "b", "confirmed": "1"})
    assert ended.status_code == 303
    assert ended.headers["Location"].endswith("?id=summer")
    assert (shop().current, shop().draft["look"], "experiment" in shop().draft) == (3, {"position": "top"}, False)
    assert "Variant b is better" in text(alice.get(f"{PAGE}?id=summer").text)
    whats = [row.what for row in db.session.scalars(select(Audit).order_by(Audit.id))]
    assert [what for what in whats if what.startswith("experiment")] == ["experiment.start", "experiment.end"]


@pytest.mark.parametrize(("typed", "field"), [
    ({"b.texts.nl.accept_all": "JA GRAAG"}, "b.texts.nl.accept_all"),
    ({"b.look.colours.light.button_text": "#17497d"}, "b.look.colours.light.button_text"),
    ({"smallest": "a lot"}, "smallest"), ({"smallest": "0"}, "smallest"), ({"id": "Summer!"}, "id"),
    ({"c.texts.en.title": "Cookies"}, "c.texts.en.title"),
])
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(
    alice: Browser, typed: dict[str, str], field: str
) -> None:
    answer = save(alice, **typed)
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in answer.text
    assert re.search(rf'name="{re.escape(field)}"[^>]*aria-invalid="true"', answer.text)
    assert "experiment" not in shop().draft


def test_what_is_about_a_variant_as_a_whole_names_it(alice: Browser) -> None:
    same = {"b.texts.nl.title": "", "b.look.position": "bottom"}
    answer = save(alice, **same)
    assert answer.status_code == 422
    assert "Variant b" in text(answer.text)
    nothing = save(alice, **{"b.texts.nl.title": "", "b.look.position": ""})
    assert nothing.status_code == 422
    assert "Must be two to four variants" in nothing.text


def test_what_a_file_manages_is_asked_about_first(alice: Browser) -> None:
    asked = save(alice, confirmed="")
    assert (asked.status_code, asked.text.count('name="confirmed" value="1"')) == (200, 1)
    assert f'value="{TITLE}"' in asked.text
    assert "experiment" not in shop().draft


def test_who_comes_second_overwrites_nothing(alice: Browser) -> None:
    answer = save(alice, revision="0")
    assert answer.status_code == 409
    assert "experiment" not in shop().draft


def test_what_breaks_the_law_can_not_start(alice: Browser) -> None:
    assert save(alice, **{"b.texts.nl.intro": f"{INTRO} Weet je het zeker?"}).status_code == 303
    assert "This can not be published: it breaks the law. Variant b:" in text(alice.get(PAGE).text)
    assert publish(alice).status_code == 422
    assert shop().current == 1


def test_it_can_be_taken_out_of_the_draft(alice: Browser) -> None:
    save(alice)
    dropped = send(alice, f"{PAGE}/drop", {"revision": str(shop().revision), "confirmed": "1"})
    assert dropped.status_code == 303
    assert "experiment" not in shop().draft


def test_the_end_with_other_changes_leads_to_publishing(alice: Browser) -> None:
    save(alice)
    publish(alice)
    site = shop()
    sites.apply({**site.draft, "consent_days": 90})
    db.session.commit()
    ended = send(alice, f"{PAGE}/end", {"id": "summer", "variant": "b", "confirmed": "1"})
    assert ended.headers["Location"].endswith("/publish")
    assert (shop().current, shop().draft["consent_days"], shop().draft["look"]) == (2, 90, {"position": "top"})


def test_a_marketer_follows_and_changes_nothing(app: Flask, alice: Browser) -> None:
    save(alice)
    publish(alice)
    bob = signed_in(app, "bob")
    page = bob.get(PAGE).text
    assert "summer" in page
    assert "/experiment/end" not in page
    for path in ("", "/drop", "/end"):
        assert send(bob, PAGE + path, {"id": "summer", "variant": "b"}).status_code == 403
    assert shop().current == 2


def test_an_experiment_that_never_was_is_not_found(alice: Browser) -> None:
    assert alice.get(f"{PAGE}?id=winter").status_code == 404
    assert send(alice, f"{PAGE}/end", {"id": "winter", "variant": "b", "confirmed": "1"}).status_code == 404


def test_a_form_makes_the_experiment_that_fills_it() -> None:
    draft = sites.parse_definition({**DEFINITION, "experiment": SUMMER})
    fields = variant_fields.fields_of(draft, draft["experiment"])
    again = sites.parse_definition({**DEFINITION, "experiment": variant_fields.made(draft, fields)})
    assert experiments.question(again) == experiments.question(draft)


# -- for programs -----------------------------------------------------------------------------------------------------

def test_a_program_plans_reads_and_ends(client: FlaskClient, alice: Browser) -> None:
    traffic()
    program = Program(client, key_of())
    plan = program.call("POST", "/sites/shop/experiment/plan", {"goal": "analytics"}).get_json()
    assert (plan["showings"], plan["days"], plan["long"], plan["rate"]) == (5_862, 15, False, 0.4)
    for wrong in ({"goal": "money"}, {"goal": "analytics", "smallest": 0}, {"goal": "analytics", "smallest": True},
                  {"goal": "analytics", "shares": [1]}, {"goal": "analytics", "more": 1}):
        assert program.call("POST", "/sites/shop/experiment/plan", wrong).status_code == 422, wrong
    assert program.call("GET", "/sites/shop/experiment").get_json() == {"running": None, "names": [], "result": None}
    save(alice)
    publish(alice)
    found = program.call("GET", "/sites/shop/experiment").get_json()
    assert (found["running"], found["names"], found["result"]["state"]) == ("summer", ["summer"], "running")
    assert program.call("GET", "/sites/shop/experiment?id=winter").status_code == 404
    reader = Program(client, key_of(scopes=("read",)))
    end = {"id": "summer", "variant": "b"}
    assert reader.call("POST", "/sites/shop/experiment/end", end).status_code == 403
    assert program.call("POST", "/sites/shop/experiment/end", {**end, "variant": "z"}).status_code == 404
    draft = shop().draft
    sites.apply({**draft, "consent_days": 90})
    db.session.commit()
    pending = program.call("POST", "/sites/shop/experiment/end", end)
    assert (pending.status_code, pending.get_json()["error"]) == (409, "pending")
    sites.apply(draft)
    db.session.commit()
    ended = program.call("POST", "/sites/shop/experiment/end", end)
    assert (ended.status_code, ended.headers["Location"]) == (201, "/v1/admin/sites/shop/versions/3")
    assert program.call("GET", "/sites/shop/experiment?id=summer").get_json()["result"]["runs"] is False


def test_the_commands_do_the_same(app: Flask, alice: Browser) -> None:
    traffic()
    runner = app.test_cli_runner()

    def said(*arguments: str) -> str:
        db.session.rollback()
        return str(runner.invoke(args=["experiment", *arguments]).output)

    assert said("plan", "shop") == "5862 showings: 15 days, at 400 a day and a rate of 40.0%\n"
    assert "No experiment of shop runs" in said("show", "shop")
    save(alice)
    publish(alice)
    happened("a", zones.today(zones.USUAL_ZONE), 300, (EVERYTHING, 60))
    happened("b", zones.today(zones.USUAL_ZONE), 300, (EVERYTHING, 60))
    assert "summer: goes on, 600 of 5862 showings" in said("show", "shop")
    assert json.loads(said("show", "shop", "--format", "json"))["id"] == "summer"
    assert "There is no such variant." in said("end", "shop", "z")
    assert said("end", "shop", "b") == "shop: version 3 is variant b; the experiment is over\n"
    assert "summer: is over" in said("show", "shop", "--id", "summer")
    assert "does not run" in said("end", "shop", "b")
    assert "no site" in said("plan", "none")
