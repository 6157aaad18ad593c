"""Alerts: when they begin and when they are over, that nothing is told twice, and who is told what."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select, update

from consent import accounts, audit, contracts, jobs, rounds, scans, subscriptions, versions, webhooks
from consent.alerts import BANNER, RATE, RECORDS, UNKNOWN, Alert
from consent.counts import DailyCount
from consent.db import db
from consent.leaks import LeakCount
from consent.mails import Mail
from consent.outbox import Event
from consent.scans import Scan
from consent.sites import Site
from tests.pages import restarted, signed_in
from tests.postoffice import PostOffice
from tests.shop import DEFINITION
from tests.test_mails import sending

# A Thursday at noon in Amsterdam, four weeks after the clocks went back.
THEN = datetime(2026, 11, 26, 11, 5, tzinfo=UTC)
TODAY = date(2026, 11, 26)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAILING = {"POORT_MAIL_URL": "smtp://127.0.0.1:1", "POORT_MAIL_FROM": "poort@shop.example",
           "POORT_PUBLIC_URL": "https://consent.example"}

Watch = Callable[[datetime], list[str]]
pytestmark = pytest.mark.usefixtures("people")


def count(day: date, shown: int, accepted: int = 0, failed: int = 0, site: str = "shop") -> None:
    """What was counted on a day until now: at once, for a test counts many days."""
    rows = {("shown", ""): shown, ("answered", "accept_all"): accepted, ("granted", "analytics"): accepted,
            ("failed", ""): failed}
    where = (DailyCount.site == site, DailyCount.day == day)
    db.session.execute(delete(DailyCount).where(*where))
    db.session.execute(insert(DailyCount), [
        {"site": site, "day": day, "bot": False, "metric": metric, "value": value, "n": n}
        for (metric, value), n in rows.items()])
    db.session.commit()


def weeks(shown: int = 600, accepted: int = 300, until: date = TODAY - DAY) -> None:
    """Five weeks of the same, until this day."""
    for n in range(36):
        count(until - n * DAY, shown, accepted)


@pytest.fixture
def watch(app: Flask) -> Iterator[Watch]:
    """Go the round at a time, with a mail server; what began (+) and what was over (-), by kind."""
    with restarted(app, **MAILING) as other:
        def go(now: datetime) -> list[str]:
            db.session.rollback()
            with other.app_context():
                rounds.watch(now)
                db.session.remove()
            found = db.session.scalars(select(Alert).order_by(Alert.id)).all()
            return [f"+{one.kind}" for one in found if one.raised_at == now] + [
                f"-{one.kind}" for one in found if one.cleared_at == now]

        yield go


def mails() -> list[Mail]:
    db.session.rollback()
    return list(db.session.scalars(select(Mail).where(Mail.key.like("alerts:%")).order_by(Mail.key)))


def alert(kind: str) -> Alert:
    return db.session.scalars(select(Alert).where(Alert.kind == kind).order_by(Alert.id.desc())).all()[0]


class TestRate:
    @pytest.mark.parametrize(("shown", "accepted", "begins"), [
        (600, 300, False),  # as ever
        (600, 264, False),  # six points lower, which chance does
        (6_000, 2_760, False),  # beyond chance, but four points alone
        (600, 216, True),
        (60, 5, False),  # too few to say, in a day and in a week
    ])
    def test_it_has_to_fall_beyond_chance_and_by_five_points(
        self, watch: Watch, shown: int, accepted: int, begins: bool
    ) -> None:
        weeks(*((20, 10) if shown < 100 else (600, 300)))
        count(TODAY - DAY, shown, accepted)
        assert watch(THEN) == ([f"+{RATE}"] if begins else [])
        if begins:
            facts = alert(RATE).facts
            assert set(facts["measures"]) == {"accept_all", "analytics"}
            assert facts["measures"]["accept_all"]["after"] == [216, 600]
            assert (facts["from"], facts["to"]) == ("2026-11-25", "2026-11-25")

    def test_it_is_over_when_the_rate_is_back_and_not_when_it_is_nearly(self, watch: Watch) -> None:
        weeks()
        count(TODAY - DAY, 600, 200)
        assert watch(THEN) == [f"+{RATE}"]
        for day, accepted, told in ((1, 260, []), (2, 280, []), (3, 297, [f"-{RATE}"]), (4, 300, [])):
            count(TODAY + (day - 1) * DAY, 600, accepted)
            assert watch(THEN + day * DAY) == told, day

    def test_what_lasts_four_weeks_is_how_it_is_now(self, watch: Watch) -> None:
        weeks()
        told = []
        for day in range(40):
            count(TODAY + (day - 1) * DAY, 600, 200)
            told += [(day, what) for what in watch(THEN + day * DAY) if RATE in what]
        assert told == [(0, f"+{RATE}"), (28, f"-{RATE}")]


class TestBanner:
    def hours(self, watch: Watch, day: date, hours: range, per_hour: int = 50, before: int = 0) -> list[str]:
        """A day by the hour: from its first round on, this often more with each."""
        told = []
        for n, hour in enumerate(hours):
            count(day, before + n * per_hour)
            now = datetime(day.year, day.month, day.day, hour, 5, tzinfo=UTC)
            told += [f"{hour}:{what}" for what in watch(now)]
        return told

    def test_it_stops_in_the_middle_of_a_day_and_comes_back(self, watch: Watch) -> None:
        for week in (4, 3, 2, 1):
            assert self.hours(watch, TODAY - 7 * week * DAY, range(6, 23)) == []
        assert self.hours(watch, TODAY, range(6, 12)) == []
        # From here on nothing more: six hours' worth have been shown. In UTC; three hours later it is told.
        stopped = self.hours(watch, TODAY, range(12, 17), 0, 250)
        assert stopped == [f"14:+{BANNER}"]
        assert alert(BANNER).facts == {"day": "2026-11-26", "since": 12, "seen": 0, "expected": 150}
        assert self.hours(watch, TODAY, range(17, 23), 50, 250) == [f"21:-{BANNER}"]

    def test_where_the_hours_are_not_known_a_whole_day_tells(self, watch: Watch) -> None:
        weeks(until=TODAY - 2 * DAY)
        count(TODAY - DAY, 3)
        assert watch(THEN) == [f"+{BANNER}"]
        assert alert(BANNER).facts == {"day": "2026-11-25", "since": None, "seen": 3, "expected": 600}
        count(TODAY, 400)
        assert watch(THEN + HOUR) == []
        assert watch(THEN + 5 * HOUR) == [f"-{BANNER}"]

    @pytest.mark.parametrize("shown", [0, 40])
    def test_few_visitors_or_a_new_site_alarm_nobody(self, watch: Watch, shown: int) -> None:
        weeks(shown, 0, until=TODAY - 2 * DAY)
        assert watch(THEN) == []

    def test_the_day_is_the_organisation_s(self, watch: Watch) -> None:
        """At 01:05 in Amsterdam it is still yesterday in New York: there the day has no silence yet."""
        weeks(until=TODAY - 2 * DAY)
        contracts.set_zone(accounts.organisation_named("Webwinkel B.V."), "America/New_York", audit.COMMAND)
        db.session.commit()
        night = datetime(2026, 11, 26, 0, 5, tzinfo=UTC)
        assert watch(night) == []
        assert watch(night + 6 * HOUR) == [f"+{BANNER}"]

    def test_days_of_23_and_25_hours_are_as_others(self, watch: Watch) -> None:
        """The hour that there is twice counts once, and the one that there is not is not missed."""
        for day in (date(2026, 10, 25), date(2027, 3, 28)):
            for week in (3, 2, 1, 0):
                assert self.hours(watch, day - 7 * week * DAY, range(0, 5)) == []


class TestRecords:
    def test_choices_that_could_not_be_stored_are_told_once_whatever_comes_after(self, watch: Watch) -> None:
        told = []
        for hour in range(60):
            if hour < 10 or hour == 20:
                count(TODAY, 100, 50, failed=4 * hour)
            told += [(hour, what) for what in watch(THEN - 11 * HOUR + hour * HOUR)]
        assert told == [(2, f"+{RECORDS}"), (44, f"-{RECORDS}")]
        assert alert(RECORDS).facts == {"days": {"2026-11-26": 80}}

    def test_a_few_are_not(self, watch: Watch) -> None:
        count(TODAY, 100, 50, failed=4)
        assert watch(THEN) == []


def scanned(*hosts: str, trackers: tuple[str, ...] = (), at: datetime = THEN) -> None:
    report = {"unknown": [{"what": "host", "name": host} for host in hosts] + [{"what": "cookie", "name": "x"}],
              "proposals": [{"tracker": id} for id in trackers]}
    db.session.add(Scan(site="shop", kind=scans.LOOK, url="https://www.shop.example/", pages=1, state=scans.DONE,
                        progress={}, attempts=1, begun_at=at, why="", report=report))
    db.session.commit()


def leaked(tracker: str, n: int, day: date = TODAY) -> None:
    db.session.merge(LeakCount(site="shop", day=day, tracker=tracker, page_group="", source="csp", per_mille=1000, n=n))
    db.session.commit()


class TestUnknown:
    def test_a_host_that_was_not_there_in_the_scan_before(self, watch: Watch) -> None:
        scanned("old.example", at=THEN - DAY)
        assert watch(THEN - HOUR) == [], "there is nothing before it"
        scanned("old.example", "new.example", trackers=("tiktok",))
        assert watch(THEN) == [f"+{UNKNOWN}"]
        assert alert(UNKNOWN).facts["names"] == ["new.example", "tiktok"]
        assert watch(THEN + HOUR) == []
        scanned("old.example", at=THEN + 2 * HOUR)
        assert watch(THEN + 3 * HOUR) == [f"-{UNKNOWN}"]

    def test_trackers_that_browsers_tell_of_and_the_version_lacks(
        self, watch: Watch, define: Callable[..., versions.Version]
    ) -> None:
        leaked("hotjar", 500)
        leaked("tiktok", 9)
        assert watch(THEN) == [], "the one is in the version, of the other anybody can tell"
        leaked("tiktok", 10)
        assert watch(THEN + HOUR) == [f"+{UNKNOWN}"]
        define(trackers=[*DEFINITION["trackers"], {"id": "tiktok"}])
        assert watch(THEN + 2 * HOUR) == [f"-{UNKNOWN}"]

    def test_what_the_owner_leaves_there_is_not_told_again_and_again(self, watch: Watch) -> None:
        scanned(at=THEN - DAY)
        scanned("new.example")
        for day in range(35):
            leaked("tiktok", 50, TODAY + day * DAY)
        told = [what for day in range(35) for what in watch(THEN + day * DAY)]
        assert told == [f"+{UNKNOWN}", f"-{UNKNOWN}"]


class TestNoStorm:
    def test_a_cause_that_flaps_for_three_days_is_told_little(self, watch: Watch) -> None:
        """Each three hours it is there, for as long it is not: seventy-two rounds."""
        weeks(600, 0, until=TODAY - 2 * DAY)
        told = []
        for hour in range(72):
            now = THEN + hour * HOUR
            for day in (-1, 0, 1, 2, 3):
                count(TODAY + day * DAY, 2 if hour // 3 % 2 == 0 else 600)
            told += [(hour, what) for what in watch(now)]
        begun = [hour for hour, what in told if what == f"+{BANNER}"]
        assert len(told) <= 6, told
        assert all(later - earlier >= 24 for earlier, later in pairwise(begun))
        assert len(mails()) == len(told)

    def test_what_fails_of_one_organisation_is_heard_of_and_keeps_nothing_from_another(
        self, watch: Watch, define: Callable[..., versions.Version]
    ) -> None:
        define(key="elders", name="Elders", organisation="Elders B.V.", origins=["https://elders.shop.example"])
        db.session.add(Alert(site="shop", kind=RATE, raised_at=THEN - DAY, seen_at=THEN - DAY, facts={}))
        weeks()
        count(TODAY, 10, 0, failed=50, site="elders")
        with pytest.raises(KeyError, match="measures"):
            watch(THEN)
        db.session.rollback()
        assert [one.site for one in db.session.scalars(select(Alert).where(Alert.kind == RECORDS))] == ["elders"]

    def test_one_mail_to_each_reader_with_all_sites_and_kinds(
        self, watch: Watch, define: Callable[..., versions.Version], people: dict[str, accounts.User]
    ) -> None:
        define(key="blog", name="Blog", origins=["https://blog.shop.example"])
        ours = accounts.organisation_named("Webwinkel B.V.").id
        subscriptions.choose(people["bob"].id, ours, True, True)
        subscriptions.choose_language(people["bob"], "en")
        weeks()
        count(TODAY - DAY, 600, 100)
        count(TODAY, 10, 0, failed=50)
        count(TODAY, 10, 0, failed=50, site="blog")
        assert watch(THEN) == [f"+{RECORDS}", f"+{RATE}", f"+{RECORDS}"]
        assert watch(THEN + HOUR) == []
        dutch, english = mails()
        assert (dutch.recipient, english.recipient) == ("alice@shop.example", "bob@shop.example")
        assert dutch.subject == "Blog: Keuzes konden niet meteen worden opgeslagen, en nog 2"
        assert english.subject == "Blog: Choices could not be stored at once, and 2 more"
        assert "Accepted all: 17% of the banners shown, where it was 50%." in english.text
        assert "26 november: 50 keuzes." in dutch.text
        for mail in (dutch, english):
            assert mail.html is not None
            assert mail.leave is not None
            for part in ("Webwinkel", "Blog", "https://consent.example/console/sites/blog/alerts", mail.leave):
                assert part in mail.text
                assert part in mail.html

    def test_of_what_has_ended_or_is_not_shown_nothing_is_told(self, watch: Watch) -> None:
        count(TODAY, 100, 50, failed=50)
        assert watch(THEN) == [f"+{RECORDS}"]
        db.session.execute(update(Site).values(current=None))
        db.session.commit()
        assert watch(THEN + HOUR) == [f"-{RECORDS}"]
        db.session.execute(update(Site).values(current=1))
        contracts.end("Webwinkel B.V.", TODAY)
        db.session.commit()
        count(TODAY + 2 * DAY, 100, 50, failed=50)
        assert watch(THEN + 2 * DAY) == []
        assert len(mails()) == 1


class TestTold:
    def test_the_site_s_own_systems_hear_of_it_and_of_no_visitor(self, watch: Watch) -> None:
        webhooks.put(db.session.get_one(Site, "shop"), "https://crm.shop.example/poort", THEN)
        db.session.commit()
        leaked("tiktok", 10)
        watch(THEN)
        db.session.execute(update(LeakCount).values(n=1))
        db.session.commit()
        watch(THEN + HOUR)
        raised, cleared = db.session.scalars(select(Event).order_by(Event.sequence)).all()
        assert (raised.visitor, raised.record) == (None, None)
        assert raised.body == {
            "id": str(raised.id), "type": "alert.raised", "site": "shop", "kind": UNKNOWN,
            "facts": {"names": ["tiktok"], "scan": None}, "sequence": raised.sequence, "at": "2026-11-26T11:05:00.000Z"}
        assert (cleared.type, cleared.body["kind"]) == ("alert.cleared", UNKNOWN)
        assert cleared.sequence > raised.sequence

    def test_the_mail_arrives_and_nothing_in_a_name_is_more_than_text(
        self, app: Flask, watch: Watch, define: Callable[..., versions.Version]
    ) -> None:
        define(name='<b>"Win\'kel" & co</b>')
        scanned(at=THEN - DAY)
        scanned("<img src=x>.example")
        watch(THEN)
        with PostOffice() as office, sending(app, office.url) as send:
            send(timedelta(days=365))
        (letter,) = (each for each in office.letters if each.message["List-Unsubscribe"])
        text, html = (str(part.get_content()) for part in letter.message.iter_parts())
        assert letter.message["Subject"] == '<b>"Win\'kel" & co</b>: Onbekende trackers op de site'
        assert "<img src=x>.example" in text
        assert "<img" not in html
        assert "<b>" not in html
        assert "http" not in html.replace("https://consent.example/", ""), "nothing is asked of any server"
        assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_members_see_it_in_the_console_and_others_do_not(self, app: Flask, watch: Watch) -> None:
        count(TODAY, 100, 50, failed=50)
        watch(THEN)
        for name, sees in (("alice", True), ("bob", True), ("charlie", False)):
            browser = signed_in(app, name)
            assert ("Choices could not be stored" in browser.get("/console/?lang=en").text) is sees
            assert browser.get("/console/sites/shop/alerts").status_code == (200 if sees else 404)
        bob = signed_in(app, "bob")
        assert "Choices could not be stored" in bob.get("/console/sites/shop?lang=en").text
        assert "26 November: 50 choices." in bob.get("/console/sites/shop/alerts").text


def test_the_round_is_a_job(app: Flask) -> None:
    assert any(line.startswith("alerts: 0 alerts begun") for line in jobs.run_due())
