"""Where an experiment stands: equal to what visitors did, nothing small is told, and how it ends."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from consent import audit, counts, decisions, endings, experiments, history, linter, results, sites, versions, zones
from consent.audit import Audit
from consent.counts import Slice, Tally
from consent.db import db
from tests.shop import DEFINITION, NOW, body
from tests.test_experiments import SUMMER, apply
from tests.test_reports import count

EVERYTHING = "accept_all+functional+analytics+marketing"
OWN = "custom+functional+analytics"
DAY = NOW.date()
OWNER = audit.By(user_id=None, via="console")


def happened(variant: str, day: date, shown: int, *answers: tuple[str, int], band: int = 2, experiment: str = "summer",
             withdrawn: int = 0) -> None:
    """What a variant did on a day, written as the writer does: showings, and of them answers by their outcome."""
    db.session.commit()
    name = experiments.bucket(experiment, variant)
    found: Counter[Tally | Slice] = Counter({Slice("shop", day, "variant", name, "shown"): shown,
                                             Slice("shop", day, "withdrawn", name, "shown"): withdrawn})
    for outcome, n in answers:
        found[Slice("shop", day, "variant", name, outcome)] += n
        found[Slice("shop", day, "variant_took", f"{name}:{band}", outcome)] += n
    with db.engine.begin() as connection:
        counts.add(connection, +found)


def began() -> sites.Site:
    """The shop with the experiment, published."""
    site = apply({**DEFINITION, "experiment": {**SUMMER, "showings": 4_000}})
    versions.publish(site, NOW)
    db.session.commit()
    return site


def after(days: int) -> datetime:
    return NOW + timedelta(days=days)


def a_week(better: int = 60) -> None:
    """Seven days in which b is better by so much less forty of a hundred."""
    for n in range(7):
        day = DAY + timedelta(days=n)
        happened("a", day, 200, (EVERYTHING, 60), (OWN, 20), ("necessary_only", 40), withdrawn=3)
        happened("b", day, 200, (EVERYTHING, 2 * better - 4), (OWN, 4), ("necessary_only", 20), band=0, withdrawn=12)


def test_what_visitors_do_is_what_the_result_says(app: Flask, client: FlaskClient) -> None:
    site = began()
    headers = {"Origin": "https://www.shop.example", "User-Agent": "Mozilla/5.0 Firefox/140.0"}

    def post(path: str, said: dict[str, Any]) -> None:
        db.session.rollback()
        answer = client.post(f"/v1/sites/shop/{path}", json=said, headers=headers)
        assert answer.status_code in (201, 204), answer.text

    for variant, action, took in (("a", "accept_all", 900), ("b", "custom", 4_000), ("b", "necessary_only", 1_000),
                                  ("b", None, 0), ("b", None, 0)):
        post("events", {"type": "shown", "version": 1, "language": "nl", "page_group": None, "variant": variant,
                        "again": action is None})
        if action is not None:
            post("consents", body(action, variant=variant, took=took))
    post("consents", body("withdraw", source="settings", variant="a"))
    found = results.result(site, "summer")
    a, b = found.variants
    assert (a.shown, a.answered, a.goal("analytics").value, a.quick.value, a.withdrawn) == (1, 1, 1.0, 1.0, 1)
    assert (b.shown, b.answered, b.goal("analytics").part, b.goal("answered").part) == (4, 2, 1, 2)
    assert (b.own_choice.value, b.quick.value, b.regretted.whole) == (0.5, 0.5, 1)
    assert found.runs
    assert a.words["nl"] != b.words["nl"]


def test_a_winner_is_told_with_what_it_costs_in_information(app: Flask) -> None:
    site = began()
    a_week()
    found = results.result(site, "summer", after(6))
    assert (found.first, found.last, len(found.days)) == (DAY, DAY + timedelta(days=6), 7)
    assert found.decision.state == decisions.WINNER
    assert found.winner is not None
    assert found.winner.id == "b"
    told = results.as_json(found)
    a, b = told["variants"]
    assert (a["goal"]["part"], a["goal"]["whole"], a["goal"]["share"]) == (560, 1_400, 0.4)
    assert b["difference"]["value"] == pytest.approx(0.2)
    assert b["difference"]["low"] > 0
    assert [one["own_choice"]["share"] for one in (a, b)] == pytest.approx([20 / 120, 4 / 140])
    assert [one["quick"]["part"] if one["quick"] else None for one in (a, b)] == [None, None], "all, or none"
    assert b["regretted"]["part"] == 84
    assert a["words"]["nl"] != b["words"]["nl"]
    assert told["state"] == "winner"


def test_what_is_small_is_told_of_no_variant(app: Flask) -> None:
    site = began()
    happened("a", DAY, 200, (EVERYTHING, 60), (OWN, 30), withdrawn=40)
    happened("b", DAY, 200, (EVERYTHING, 60), (OWN, 9), withdrawn=40)
    told = results.as_json(results.result(site, "summer", NOW))
    assert [one["own_choice"] for one in told["variants"]] == [None, None]
    assert [one["regretted"]["part"] for one in told["variants"]] == [40, 40]
    assert all(one["goal"] for one in told["variants"])


def test_of_few_showings_nothing_is_told(app: Flask) -> None:
    site = began()
    happened("a", DAY, 200, (EVERYTHING, 60))
    happened("b", DAY, 9, (EVERYTHING, 5))
    tiny = results.as_json(results.result(site, "summer", NOW))
    assert [(one["shown"], one["goal"]) for one in tiny["variants"]] == [(None, None), (None, None)]


def test_a_result_is_about_its_own_days_and_name(app: Flask) -> None:
    site = began()
    happened("a", DAY - timedelta(days=1), 50, experiment="summer")
    happened("a", DAY, 50, experiment="summer-2")
    happened("a", DAY, 30)
    assert results.result(site, "summer", NOW).variants[0].shown == 30
    apply(DEFINITION)
    versions.publish(site, after(3))
    happened("a", DAY + timedelta(days=4), 70)
    ended = results.result(site, "summer", after(9))
    assert (ended.runs, ended.last, ended.variants[0].shown) == (False, DAY + timedelta(days=3), 30)
    assert results.names(site) == ["summer"]
    assert results.running(site) is None
    with pytest.raises(sites.NotFound):
        results.result(site, "winter")


def test_a_plan_looks_back_on_four_weeks(app: Flask) -> None:
    site = apply(DEFINITION)
    nobody = results.plan(site, "analytics", 5, [1, 1])
    assert (nobody.rate, nobody.days) == (0.5, None)
    first = zones.today(zones.USUAL_ZONE) - timedelta(days=29)
    for n in range(1, 29):
        day = first + timedelta(days=n)
        db.session.commit()
        count((day, "shown", "", 80), (day, "again", "", 20), (day, "answered", "accept_all", 40),
              (day, "granted", "analytics", 30))
    found = results.plan(site, "analytics", 5, [1, 1])
    assert found.rate == pytest.approx(0.3, abs=0.02)
    assert found.per_day == pytest.approx(100, abs=4)
    assert found.days == pytest.approx(found.showings / 100, abs=5)
    assert results.plan(site, "answered", 5, [1, 1]).rate == pytest.approx(0.4, abs=0.02)


def test_showings_that_were_scaled_up_say_less(app: Flask) -> None:
    site = began()
    a_week(50)
    whole = results.result(site, "summer", after(6))
    db.session.commit()
    count((DAY, "sampled", "10", 100))
    scaled = results.result(site, "summer", after(6))
    one, other = whole.decision.against[0], scaled.decision.against[0]
    assert one is not None
    assert other is not None
    assert other.high - other.low > 1.5 * (one.high - one.low)


# -- the end ----------------------------------------------------------------------------------------------------------

def noted() -> list[tuple[str, Any]]:
    return [(row.what, row.details.get("kept")) for row in db.session.scalars(select(Audit).order_by(Audit.id))
            if row.what.startswith("experiment.")]


def test_the_winner_becomes_the_banner(app: Flask) -> None:
    site = began()
    version = endings.end(site, "summer", "b", after(8), OWNER)
    db.session.commit()
    assert (version.number, site.current) == (2, 2)
    definition = history.definition_of(version)
    assert "experiment" not in definition
    assert definition["look"] == {"position": "top"}
    assert definition["texts"]["nl"]["title"] == "Mag {controller} dit bezoek meten?"
    assert site.draft == definition
    assert not any(one["material"] for one in version.changes or [])
    assert noted() == [("experiment.start", None), ("experiment.end", "b")]
    assert not results.result(site, "summer", after(9)).runs
    with pytest.raises(sites.NotFound):
        endings.end(site, "summer", "b", after(9), OWNER)


def test_it_can_end_without_a_winner(app: Flask) -> None:
    site = began()
    endings.end(site, "summer", "a", after(1), OWNER)
    assert "experiment" not in site.draft
    assert "look" not in site.draft
    assert noted() == [("experiment.start", None), ("experiment.end", "a")]


@pytest.mark.parametrize(("name", "variant"), [("summer", "z"), ("winter", "b")])
def test_what_there_is_not_can_not_be_kept(app: Flask, name: str, variant: str) -> None:
    with pytest.raises(sites.NotFound):
        endings.end(began(), name, variant, NOW, OWNER)


def test_other_changes_of_the_draft_are_not_published_with_it(app: Flask) -> None:
    site = began()
    apply({**site.draft, "consent_days": 90})
    with pytest.raises(endings.Pending):
        endings.end(site, "summer", "b", NOW, OWNER)
    assert site.current == 1
    endings.keep(site, "summer", "b", OWNER)
    assert (site.draft["consent_days"], site.draft["look"], site.current) == (90, {"position": "top"}, 1)
    assert "experiment" not in site.draft


def test_a_reason_for_a_variant_is_a_reason_for_the_winner(app: Flask) -> None:
    doubtful = {"id": "b", "share": 1, "look": {"position": "center"}}
    site = apply({**DEFINITION, "experiment": {**SUMMER, "variants": [{"id": "a"}, doubtful]}})
    with pytest.raises(linter.Unexplained):
        versions.publish(site, NOW, OWNER, {})
    versions.publish(site, NOW, OWNER, {"B15:experiment.variants.b.look.position": "Beter zichtbaar."})
    version = endings.end(site, "summer", "b", after(8), OWNER)
    assert version.reasons == {"B15:look.position": "Beter zichtbaar."}
