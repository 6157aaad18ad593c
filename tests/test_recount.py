"""The counts made again from the records agree with those kept with them, whatever happened in between."""

import random
import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from consent import (
    agents,
    counts,
    erasure,
    expiry,
    gone,
    records,
    recount,
    recovery,
    retention,
    revival,
    rights,
    versions,
)
from consent.counts import DailyCount, DailySlice
from consent.db import db, writing, writing_on
from consent.zones import zone
from tests import decisions
from tests.conftest import KEY, empty
from tests.shop import CHOICES, FIREFOX, NOW, body

SUMMER_ENDS = datetime(2026, 10, 25, tzinfo=UTC)  # at 1:00; the day has 25 hours in Amsterdam
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
ZONES = ("Europe/Amsterdam", "America/Los_Angeles", "Pacific/Kiritimati", "UTC")


def live() -> dict[tuple[Any, ...], int]:
    """Every number in the counts that is not nought."""
    db.session.rollback()
    totals = {(row.day, row.bot, row.metric, row.value): row.n for row in db.session.scalars(select(DailyCount))}
    slices = {(row.day, row.dimension, row.bucket, name): getattr(row, name)
              for row in db.session.scalars(select(DailySlice)) for name in counts.COUNTERS}
    db.session.rollback()
    return {key: n for key, n in (totals | slices).items() if n}


def differences() -> dict[Any, int]:
    db.session.rollback()
    return {cell: n for span in recount.spans(db.engine, "shop") for cell, n in
            recount.differences(db.engine, span).items()}


def mend() -> None:
    db.session.rollback()
    for span in recount.spans(db.engine, "shop"):
        recount.mend(db.engine, recount.differences(db.engine, span))


class Shop:
    """What happens to a site, with the time passed in."""

    def __init__(self, app: Flask) -> None:
        self.hot = app.extensions["poort"]
        self.version = versions.settled(lambda: self.hot.published("shop"))
        self.visitors = [uuid.UUID(int=n, version=4) for n in range(1, 5)]
        self.sent: list[dict[str, Any]] = []
        self.doubtful = 0.2  # of the decisions

    def decide(self, number: int, at: datetime, where: str) -> None:
        """A decision, sent twice when the number is even."""
        chance = random.Random(number)
        action = chance.choice(("accept_all", "necessary_only", "custom", "custom", "withdraw"))
        source = "settings" if action == "withdraw" else chance.choice(("banner", "banner", "settings", "import"))
        said = {
            **body(action, source=source, visitor=chance.choice(self.visitors), language=chance.choice(("nl", "en")),
                   page_group=chance.choice((None, "home"))),
            "id": uuid.UUID(int=chance.getrandbits(128), version=4), "choices": dict(CHOICES[action]),
            "trackers": chance.choice(({}, {"hotjar": False}, {"meta": True})) if action == "custom" else {},
            "took": chance.choice((None, 900, 4_000, 86_400_000)) if source == "banner" else None,
            "decided_at": at - timedelta(days=3) if source == "import" else None,
        }
        agent = GOOGLEBOT if chance.random() < 0.1 else FIREFOX
        row = records.row_of("shop", said, agent, at, zone(where))
        for _ in range(2 - number % 2):
            records.record(self.hot.writer, row, suspect=chance.random() < self.doubtful).result(10)
        self.sent.append(row)

    def show(self, number: int, at: datetime, where: str) -> None:
        """The banner is shown, or a visit begins."""
        kind = {"type": "visit", "choices": CHOICES["custom"]} if number % 3 == 0 else {"type": "shown"}
        event = {"site": "shop", "version": 1, "language": "nl", "page_group": None, "again": number % 2 == 0,
                 "variant": None, "trackers": {}, "gpc": False, **kind, **agents.agent(FIREFOX),
                 "counted_on": at.astimezone(zone(where)).date()}
        self.hot.writer.submit(None, counts.of_event(event)).result(10)

    def doubt(self, number: int, at: datetime, where: str) -> None:
        """Some of what was decided is found to be of a flood; some of it twice."""
        some = [row["id"] for row in self.sent if row["id"].int % 3 == number % 3]
        self.hot.writer.doubt("shop", some + some[:1]).result(10)

    def erase(self, number: int, at: datetime, where: str) -> None:
        """Somebody has everything erased."""
        with writing():
            erasure.erase("shop", self.visitors[number % 4], self.version.gate, at)

    def restrict(self, number: int, at: datetime, where: str) -> None:
        """Somebody has what they said restricted, or that lifted."""
        act = rights.restrict if number % 2 else rights.lift
        try:
            with writing():
                act("shop", self.visitors[number % 4], at)
        except records.Refused:
            pass  # nothing is kept of them

    def recover(self, number: int, at: datetime, where: str) -> None:
        """A decision that is lost comes back from its receipt."""
        chance = random.Random(number)
        said = {**body(chance.choice(("accept_all", "custom"))), "id": uuid.UUID(int=number, version=4),
                "visitor": chance.choice(self.visitors), "took": None, "decided_at": None}
        receipt = records.receipt_of(records.row_of("shop", said, FIREFOX, at), self.version)
        try:
            with writing():
                recovery.recover(receipt, self.version, self.version, FIREFOX, [KEY], at, zone(where))
        except records.Refused:
            pass  # they had it erased

    def forget(self, number: int, at: datetime, where: str) -> None:
        """Old records go; afterwards restrictions of nobody end."""
        expiry.expire(db.engine, at + timedelta(days=600))
        retention.forget(db.engine, at + timedelta(days=590))
        rights.tidy(at)

    def erase_again(self, number: int, at: datetime, where: str) -> None:
        """As after a backup was put back."""
        with writing_on(db.engine) as connection:
            revival._erase(connection, "shop", self.visitors[number % 4], at)


STEPS = (Shop.decide,) * 6 + (Shop.show,) * 2 + (Shop.restrict,) * 2 + (
    Shop.doubt, Shop.erase, Shop.recover, Shop.forget, Shop.erase_again)
step = st.tuples(st.sampled_from(STEPS), st.integers(0, 10**6), st.integers(-40, 40), st.sampled_from(ZONES))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, min_size=5, max_size=25))
def test_a_rebuild_is_what_was_counted(app: Flask, define: Callable[..., Any], happened: list[Any]) -> None:
    empty()
    define(claim_days=30)
    shop, at = Shop(app), SUMMER_ENDS - timedelta(days=1)
    for act, number, hours, where in happened:
        at += timedelta(hours=abs(hours) / 10)
        act(shop, number, at, where)
    before = live()
    assert differences() == {}
    with writing_on(db.engine) as connection:  # all that records counted is lost
        connection.execute(delete(DailyCount.__table__).where(recount.of_records(DailyCount.__table__)))
        none = dict.fromkeys(counts.COUNTERS[1:], 0)
        connection.execute(update(DailySlice.__table__).where(
            DailySlice.dimension.not_in(recount.OF_VISITS)).values(none))
        connection.execute(delete(DailySlice.__table__).where(DailySlice.dimension.in_(("source", "took"))))
    mend()
    assert live() == before
    assert differences() == {}


@pytest.fixture
def runner(app: Flask, shop: Any) -> FlaskCliRunner:
    """Two decisions on two days."""
    rows = [decisions.decision("shop", NOW, "accept_all", took=None, variant=None, counted_on=None),
            decisions.decision("shop", NOW + timedelta(days=1), "custom", took=2, variant=None,
                               counted_on=date(2026, 11, 23), trackers={"hotjar": False})]
    decisions.store(db.engine, rows)
    return app.test_cli_runner()


class TestCommand:
    def test_check_tells_what_differs_and_changes_nothing(self, runner: FlaskCliRunner) -> None:
        told = runner.invoke(args=["counts", "rebuild", "shop", "--check"])
        assert told.exit_code == 1
        assert "shop 2026-11-22 answered accept_all: +1" in told.output
        assert re.search(r"^shop 2026-11-23 \d+ more$", told.output, re.M)
        assert live() == {}

    def test_it_mends_these_days_alone_and_then_there_is_nothing_to_mend(self, runner: FlaskCliRunner) -> None:
        done = runner.invoke(args=["counts", "rebuild", "--from", "2026-11-23", "--to", "2026-11-23"])
        assert done.exit_code == 0, done.output
        assert {key[0] for key in live()} == {date(2026, 11, 23)}
        assert live()[date(2026, 11, 23), "off", "1:hotjar", "custom"] == 1
        assert live()[date(2026, 11, 23), "took", "2", "analytics"] == 1
        assert "were mended" in runner.invoke(args=["counts", "rebuild"]).output
        again = runner.invoke(args=["counts", "rebuild", "--check"])
        assert (again.exit_code, again.output) == (0, "shop: agrees with the records\n")

    @pytest.mark.parametrize(("arguments", "said"), [
        (["nowhere"], "There is no site with the key 'nowhere'."),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--from: lies after --to."),
    ])
    def test_what_can_not_be_is_a_line(self, runner: FlaskCliRunner, arguments: list[str], said: str) -> None:
        refused = runner.invoke(args=["counts", "rebuild", *arguments])
        assert refused.exit_code == 1
        assert said in refused.output

    def test_two_at_a_time_would_add_a_difference_twice(self, runner: FlaskCliRunner) -> None:
        with recount.only_one(db.engine):
            refused = runner.invoke(args=["counts", "rebuild"])
        assert "by another command now" in refused.output
        assert live() == {}


def test_what_comes_in_while_a_day_is_rebuilt_is_neither_lost_nor_counted_twice(app: Flask, shop: Any) -> None:
    decisions.store(db.engine, [decisions.decision("shop", NOW, took=None, variant=None, counted_on=None)])
    visit = Shop(app)
    visit.decide(1, NOW, "UTC")
    (span,) = recount.spans(db.engine, "shop")
    found = recount.differences(db.engine, span)
    for number in range(2, 6):
        visit.decide(number, NOW, "UTC")
    visit.erase(1, NOW, "UTC")
    recount.mend(db.engine, found)
    assert differences() == {}


def test_what_went_before_the_upgrade_keeps_counting(app: Flask, shop: Any) -> None:
    """The migration takes what is counted and has no record for what is gone. Nothing was in doubt then."""
    visit = Shop(app)
    visit.doubtful = 0
    for number in range(12):
        visit.decide(number, NOW, "UTC")
    visit.restrict(1, NOW + timedelta(seconds=1), "UTC")
    visit.erase(2, NOW + timedelta(seconds=1), "UTC")
    before = live()
    totals, slices = (set(db.session.execute(select(table)).all()) for table in (gone.GONE_COUNT, gone.GONE_SLICE))
    db.session.remove()
    flask_migrate.downgrade(revision="0015")
    flask_migrate.upgrade()
    assert set(db.session.execute(select(gone.GONE_COUNT)).all()) == totals
    with writing_on(db.engine) as connection:  # of parts of the traffic nothing was counted then
        for row in slices:
            connection.execute(gone.GONE_SLICE.insert().values(row._mapping))
    assert differences() == {}
    assert live() == before
