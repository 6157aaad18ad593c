"""What is kept, how long, and who notices: consents that end, records, errors, accounts and organisations that go.

Time is passed in. That nothing is lost or done twice by who is killed is in test_jobs_kill.py.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from consent import accounts, batches, contracts, expiry, idle, jobs, mails, reports, retention, runs, sites, terms
from consent.counts import DailyCount
from consent.db import db, writing_on
from consent.keys import ApiKey, create
from consent.months import later
from consent.outbox import Event
from consent.outcomes import Outcome
from consent.records import Record, permitted_before
from consent.versions import Version
from consent.zones import USUAL_ZONE
from tests import decisions
from tests.conftest import ROOT
from tests.decisions import decision
from tests.pages import Browser, signed_in
from tests.shop import DEFINITION, NOW, body

Define = Callable[..., Version]
DAY = timedelta(days=1)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of seven: many of them from few rows."""
    monkeypatch.setattr(batches, "MOST", 7)


def counted(site: str = "shop") -> Counter[tuple[date, bool]]:
    query = select(DailyCount.day, DailyCount.bot, DailyCount.n).where(
        DailyCount.metric == "expired", DailyCount.site == site)
    with db.engine.connect() as connection:
        return Counter({(day, bot): n for day, bot, n in connection.execute(query)})


def ids(table: Any = Record) -> set[Any]:
    column = table.record if table in (Outcome, Event) else table.id
    with db.engine.connect() as connection:
        return set(connection.scalars(select(column)))


def count(table: Any) -> int:
    with db.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


class TestExpire:
    @pytest.mark.usefixtures("small")
    def test_every_consent_that_ended_is_counted_once_whenever_one_looks(self, define: Define) -> None:
        define(consent_days=90, refusal_days=90)
        define(consent_days=180, refusal_days=200)
        define(consent_days=90, refusal_days=90, name="A third")
        rows = decisions.many("shop", NOW + DAY, 300, 400)
        for row in rows:
            row["version"] = 1 + (row["recorded_at"] - NOW).days // 101
        decisions.store(db.engine, rows)
        days = {1: 90, 2: 180, 3: 90}
        for after in (10, 91, 91, 200, 290, 480, 481):
            now = NOW + timedelta(days=after)
            expiry.expire(db.engine, now)
            assert counted() == decisions.expired(rows, days, now - expiry.MARGIN), after
        assert sum(counted().values()) > 50

    def test_who_decided_again_before_the_end_did_not_let_it_expire(self, shop: Version) -> None:
        first = decision("shop", NOW)
        again = decision("shop", NOW + 100 * DAY, "necessary_only", visitor=first["visitor"])
        late = decision("shop", NOW + DAY)
        after = decision("shop", NOW + 182 * DAY, visitor=late["visitor"])
        decisions.store(db.engine, [first, again, late, after])
        assert expiry.expire(db.engine, NOW + 200 * DAY) == "1 consents ended"
        assert counted() == {((NOW + 181 * DAY).date(), False): 1}

    def test_a_second_runner_that_read_the_same_counts_nothing(self, shop: Version) -> None:
        decisions.store(db.engine, [decision("shop", NOW)])
        (row,) = terms.of(db.engine, "shop")
        window = expiry.Window("shop", (1,), 180, NOW - 180 * DAY, NOW + DAY)
        with db.engine.connect() as connection:
            counts = expiry._ended(connection, window, NOW - DAY, USUAL_ZONE)
        assert expiry._keep(db.engine, window, row.counted_until, counts)
        assert not expiry._keep(db.engine, window, row.counted_until, counts)
        assert sum(counted().values()) == 1

    def test_the_report_has_it(self, app: Flask, people: Any) -> None:
        with writing_on(db.engine) as connection:
            connection.execute(DailyCount.__table__.insert().values(
                site="shop", day=NOW.date(), bot=False, metric="expired", value="", n=41))
        assert reports.report("shop", NOW.date(), NOW.date()).total.expired == 41
        page = signed_in(app, "bob").get(f"/console/sites/shop/report?from={NOW.date()}&to={NOW.date()}").text
        assert "Verlopen" in page
        assert "41" in page


class TestForget:
    @pytest.mark.usefixtures("small")
    def test_records_go_after_life_and_claim_period_and_counts_stay(self, define: Define) -> None:
        define(consent_days=90, refusal_days=180)
        define(consent_days=30, refusal_days=60, claim_days=365)
        rows = decisions.many("shop", NOW + DAY, 200, 200)
        for row in rows:
            row["version"] = 1 + (row["recorded_at"] - NOW).days // 101
        decisions.store(db.engine, rows, trailing=True)
        for after in (100, 420, 470, 530, 800):
            now = NOW + timedelta(days=after)
            expiry.expire(db.engine, now)
            retention.forget(db.engine, now)
            left = decisions.kept(rows, {1: 90, 2: 30}, {1: 180, 2: 60}, 365, now)
            assert ids() == ids(Outcome) == ids(Event) == left, after
        assert not left
        assert counted() == decisions.expired(rows, {1: 90, 2: 30}, now)
        assert count(Version) == 2

    def test_without_a_period_of_its_own_a_site_keeps_thirteen_months(self, shop: Version) -> None:
        decisions.store(db.engine, [decision("shop", NOW)])
        expiry.expire(db.engine, NOW + 574 * DAY)
        retention.forget(db.engine, NOW + 574 * DAY)
        assert count(Record) == 1
        retention.forget(db.engine, NOW + 575 * DAY)
        assert count(Record) == 0

    def test_a_withdrawal_does_not_go_before_the_consent_that_it_took_back(self, define: Define) -> None:
        """Else the consent would be the visitor's last word again, and a back end that asks would be told so."""
        define(consent_days=395, refusal_days=395, claim_days=30)
        define(consent_days=30, refusal_days=30, claim_days=30)
        grant = decision("shop", NOW)
        taken_back = decision("shop", NOW + DAY, "withdraw", visitor=grant["visitor"], version=2)
        decisions.store(db.engine, [grant, taken_back])
        for after, left in ((100, 2), (424, 2), (426, 0)):
            expiry.expire(db.engine, NOW + after * DAY)
            retention.forget(db.engine, NOW + after * DAY)
            assert count(Record) == left, after
        assert not counted()

    def test_a_consent_waits_until_it_is_counted(self, shop: Version) -> None:
        decisions.store(db.engine, [decision("shop", NOW), decision("shop", NOW, "necessary_only")])
        retention.forget(db.engine, NOW + 900 * DAY)
        assert count(Record) == 1
        expiry.expire(db.engine, NOW + 900 * DAY)
        retention.forget(db.engine, NOW + 900 * DAY)
        assert count(Record) == 0

    def test_the_guard_lets_nobody_else(self, shop: Version) -> None:
        decisions.store(db.engine, [decision("shop", NOW)])
        for statement in ("DELETE FROM record", "DELETE FROM version"):
            with pytest.raises(DBAPIError), writing_on(db.engine) as connection:
                connection.execute(text(statement))

    def test_a_version_stays_while_a_record_names_it(self, shop: Version) -> None:
        decisions.store(db.engine, [decision("shop", NOW)])
        with pytest.raises(DBAPIError, match="immutable"), writing_on(db.engine) as connection, \
                permitted_before(connection, "shop", NOW + 999 * DAY):
            connection.execute(text("DELETE FROM version"))

    @pytest.mark.parametrize("days", [29, 1_826, "365", 365.5, None])
    def test_a_period_that_can_not_be_is_refused_by_name(self, days: Any) -> None:
        with pytest.raises(sites.DefinitionError) as refused:
            sites.parse_definition({**DEFINITION, "claim_days": days})
        assert list(refused.value.faults) == ["claim_days"]

    def test_a_definition_without_it_is_as_it_was(self) -> None:
        assert "claim_days" not in sites.parse_definition(DEFINITION)

    def test_journeys_an_owner_sets_the_retention_of_a_site(self) -> None:
        (www, platform) = json.loads((ROOT / "examples" / "journeys.json").read_text())
        assert retention.claim_days(platform) == retention.claim_days(www) == 365


class TestErrors:
    def test_integrator_error_details_are_kept_thirty_days(self, app: Flask, shop: Version) -> None:
        """Profile integrator: error details are kept 30 days at most. Aggregates of them stay."""
        runs.fail(db.engine, None, "forget", OSError(28, "No space left on device"), NOW)
        row = decision("shop", NOW)
        decisions.store(db.engine, [row], trailing=True)
        with writing_on(db.engine) as connection:
            connection.execute(update(Event).values(state="dead", answer="the connection broke"))
        mail(NOW, answer="550")
        for after, kept in ((29, True), (31, False)):
            jobs.forget_errors(db.engine, NOW + after * DAY)
            run = runs.known(db.engine)["forget"]
            assert bool(run.error) is kept
            assert bool(count(Event)) is kept
            with db.engine.connect() as connection:
                assert bool(connection.scalar(select(mails.Mail.answer))) is kept
        assert (run.failures, run.failing_since) == (1, NOW)

    def test_no_detail_holds_anything_of_a_visitor(self, app: Flask) -> None:
        runs.fail(db.engine, None, "forget", ValueError("visitor 6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f"), NOW)
        runs.fail(db.engine, None, "expire", IntegrityError("INSERT", {}, Exception("jan@shop.example")), NOW)
        assert [run.error for run in runs.known(db.engine).values()] == ["ValueError", "IntegrityError: Exception"]


def mail(ended_at: datetime, **changes: Any) -> None:
    mails.queue("a-mail", "jan@shop.example", "A mail", "A text", ended_at)
    db.session.commit()
    with writing_on(db.engine) as connection:
        connection.execute(update(mails.Mail).values(state="dead", ended_at=ended_at, **changes))


TODAY = date(2030, 3, 1)


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 3, tzinfo=UTC)


def here(**days: date) -> None:
    """When each of the people was last here."""
    with writing_on(db.engine) as connection:
        for name, day in days.items():
            theirs = accounts.User.email.startswith(f"{name}@")
            connection.execute(update(accounts.User).where(theirs).values(seen_on=day))


def deliver_all(now: datetime) -> list[tuple[str, str]]:
    """All mails are out; to whom, and with which subject."""
    with writing_on(db.engine) as connection:
        waiting = mails.Mail.state == mails.WAITING
        query = select(mails.Mail.recipient, mails.Mail.text).where(waiting)
        found = [(to, said) for to, said in connection.execute(query)]
        connection.execute(update(mails.Mail).where(waiting).values(state=mails.SENT, ended_at=now))
    return sorted(found)


def names() -> set[str]:
    with db.engine.connect() as connection:
        return {email.partition("@")[0] for email in connection.scalars(select(accounts.User.email))}


@pytest.mark.usefixtures("people")
class TestAccounts:
    def test_integrator_people_without_a_sign_of_life_for_36_months_are_warned_and_removed(self) -> None:
        here(alice=TODAY, charlie=TODAY, bob=later(TODAY, -36))
        assert idle.remove_idle(at(TODAY - timedelta(days=31))) == "0 accounts warned, 0 removed"
        assert idle.remove_idle(at(TODAY - timedelta(days=30))) == "1 accounts warned, 0 removed"
        ((to, said),) = deliver_all(at(TODAY - timedelta(days=30)))
        assert to == "bob@shop.example"
        assert str(TODAY) in said
        assert "Log dan vóór die dag in" in said, "in the language of their site"
        assert idle.remove_idle(at(TODAY - DAY)) == "0 accounts warned, 0 removed"
        assert idle.remove_idle(at(TODAY)) == "0 accounts warned, 1 removed"
        assert names() == {"alice", "charlie"}
        assert idle.remove_idle(at(TODAY)) == "0 accounts warned, 0 removed"

    def test_nobody_goes_before_the_warning_is_out_for_a_month(self) -> None:
        here(alice=TODAY, charlie=TODAY, bob=later(TODAY, -48))
        for after in (0, 40):
            idle.remove_idle(at(TODAY + timedelta(days=after)))
        assert "bob" in names(), "the mail still waits"
        deliver_all(at(TODAY + timedelta(days=40)))
        idle.remove_idle(at(TODAY + timedelta(days=69)))
        assert "bob" in names()
        idle.remove_idle(at(TODAY + timedelta(days=70)))
        assert "bob" not in names()

    def test_who_shows_life_after_the_warning_stays(self) -> None:
        here(alice=TODAY, charlie=TODAY, bob=later(TODAY, -36))
        idle.remove_idle(at(TODAY))
        deliver_all(at(TODAY))
        here(bob=TODAY + DAY)
        idle.remove_idle(at(TODAY + timedelta(days=60)))
        assert "bob" in names()

    def test_the_last_owner_stays_while_a_site_is_published_and_is_told_so(self) -> None:
        here(alice=later(TODAY, -40), bob=TODAY, charlie=later(TODAY, -40))
        idle.remove_idle(at(TODAY))
        told = dict(deliver_all(at(TODAY)))
        assert "de laatste eigenaar" in told["alice@shop.example"]
        assert "de laatste eigenaar" not in told["charlie@other.example"], "their organisation has no site"
        idle.remove_idle(at(TODAY + timedelta(days=31)))
        assert names() == {"alice", "bob"}
        webwinkel = accounts.organisation_named("Webwinkel B.V.")
        accounts.create_user("dirk@shop.example", "correct horse battery", webwinkel, "owner")
        db.session.commit()
        here(dirk=TODAY)
        idle.remove_idle(at(TODAY + timedelta(days=32)))
        assert names() == {"dirk", "bob"}

    def test_signing_in_and_being_here_are_signs_of_life(self, app: Flask) -> None:
        old = date(2020, 1, 1)
        here(alice=old, bob=old)
        alice = signed_in(app, "alice")
        assert seen("alice") == datetime.now(UTC).date()
        assert seen("bob") == old
        here(alice=old)
        assert alice.get("/console/").status_code == 200
        assert seen("alice") == datetime.now(UTC).date()


def seen(name: str) -> date | None:
    with db.engine.connect() as connection:
        return connection.scalar(select(accounts.User.seen_on).where(accounts.User.email.startswith(f"{name}@")))


ENDED = date(2027, 2, 28)


@pytest.mark.usefixtures("people", "small")
class TestOrganisations:
    def test_journeys_everything_of_an_organisation_goes_a_year_after_its_contract(
        self, app: Flask, define: Define
    ) -> None:
        """Profile journeys: data of an ended contract goes after one year."""
        define(key="other", organisation="Ander B.V.")
        rows = [row for site in ("shop", "other") for row in decisions.many(site, NOW, 30, 40)]
        decisions.store(db.engine, rows, trailing=True)
        expiry.expire(db.engine, at(ENDED))
        create("Webwinkel B.V.", "shop", "", NOW)
        create("Webwinkel B.V.", None, "", NOW)
        db.session.commit()
        said = app.test_cli_runner().invoke(args=["organisation", "end", "Webwinkel B.V.", "--on", str(ENDED)])
        assert "2028-02-28" in said.output, said.output
        assert contracts.remove_ended(db.engine, at(date(2028, 2, 27))).startswith("0 organisations")
        assert count(Record) == 80
        assert contracts.remove_ended(db.engine, at(date(2028, 2, 28))).startswith("1 organisations")
        assert ids() == ids(Outcome) == ids(Event) == {row["id"] for row in rows if row["site"] == "other"}
        assert sites_named_in_every_table() == {"other"}
        assert count(ApiKey) == 0
        assert names() == {"charlie"}
        assert contracts.remove_ended(db.engine, at(date(2028, 2, 29))).startswith("0 organisations")

    def test_a_contract_that_goes_on_loses_nothing(self, app: Flask) -> None:
        runner = app.test_cli_runner()
        runner.invoke(args=["organisation", "end", "Webwinkel B.V.", "--on", str(ENDED)])
        assert "28 februari 2028" in signed_in(app, "alice").get("/console/?lang=nl").text
        assert runner.invoke(args=["organisation", "resume", "Webwinkel B.V."]).exit_code == 0
        assert contracts.remove_ended(db.engine, at(date(2029, 1, 1))).startswith("0 organisations")
        assert sites_named_in_every_table() == {"shop"}

    @pytest.mark.parametrize("arguments", [("end", "Nobody"), ("resume", "Nobody"), ("resume", "Webwinkel B.V."),
                                           ("end", "Webwinkel B.V.", "--on", "31-12-2027")])
    def test_bad_input_is_one_line(self, app: Flask, arguments: tuple[str, ...]) -> None:
        done = app.test_cli_runner().invoke(args=["organisation", *arguments])
        assert done.exit_code != 0
        assert done.output.strip().splitlines()[-1].startswith("Error: ")

    def test_nobody_decides_on_a_site_that_is_being_removed(self, app: Flask, post: Any) -> None:
        contracts.end("Webwinkel B.V.", ENDED)
        db.session.commit()
        assert post(body()).status_code == 201
        contracts.remove_ended(db.engine, at(date(2029, 1, 1)))
        assert count(Record) == 0
        assert Browser(app).get("/me/shop").status_code in (200, 404)


def sites_named_in_every_table() -> set[str]:
    with db.engine.connect() as connection:
        tables = [table for table in db.metadata.sorted_tables if "site" in table.columns]
        found = {site for table in tables for site in connection.scalars(select(table.columns["site"]))}
        return {site for site in found | set(connection.scalars(select(sites.Site.key))) if site}


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [(date(2028, 2, 29), 12, date(2029, 2, 28)), (date(2026, 1, 31), 1, date(2026, 2, 28)),
     (date(2026, 12, 1), 1, date(2027, 1, 1)), (date(2026, 1, 15), -36, date(2023, 1, 15)),
     (date(2026, 12, 31), 12, date(2027, 12, 31))],
)
def test_months_of_the_calendar(day: date, months: int, then: date) -> None:
    assert later(day, months) == then


def test_erp_and_integrator_profiles_say_what_is_kept() -> None:
    for profile in ("erp", "integrator"):
        found = json.loads((ROOT / "examples" / f"{profile}.json").read_text())
        for definition in found if isinstance(found, list) else [found]:
            assert sites.parse_definition(definition)["consent_days"] + retention.claim_days(definition) <= 575


