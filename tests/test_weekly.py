"""The weekly summary: on Monday from seven where the organisation is, once, in the reader's language."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from consent import accounts, audit, contracts, jobs, sites, subscriptions, versions, weekly
from consent.alerts import RECORDS, Alert
from consent.counts import DailyCount, DailySlice
from consent.db import db
from consent.mails import Mail
from tests.pages import restarted
from tests.postoffice import PostOffice
from tests.shop import DEFINITION
from tests.test_alerts import MAILING
from tests.test_mails import sending

MONDAY = date(2026, 11, 30)
SEVEN = datetime(2026, 11, 30, 6, tzinfo=UTC)  # in Amsterdam
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

Go = Callable[[datetime], int]
pytestmark = pytest.mark.usefixtures("people")


def count(day: date, shown: int, accepted: int, site: str = "shop") -> None:
    """So many were shown, and accepted all; a fifth refused."""
    refused = shown // 5
    for (metric, value), n in {
        ("shown", ""): shown, ("answered", "accept_all"): accepted, ("answered", "necessary_only"): refused,
        ("granted", "analytics"): accepted,
    }.items():
        db.session.merge(DailyCount(site=site, day=day, bot=False, metric=metric, value=value, n=n))
    db.session.merge(DailySlice(
        site=site, dimension="version", day=day, bucket="1", shown=shown, accept_all=accepted, necessary_only=refused,
        custom=0, functional=accepted, analytics=accepted, marketing=accepted))


@pytest.fixture
def weeks(app: Flask) -> None:
    """Two weeks: 200 a day of which 100 accepted, then 300 of which 180."""
    for n in range(7):
        count(MONDAY - (n + 8) * DAY, 200, 100)
        count(MONDAY - (n + 1) * DAY, 300, 180)
    db.session.commit()


@pytest.fixture
def go(app: Flask) -> Iterator[Go]:
    """Do what is due at a time; how many mails there are for it by then."""
    with restarted(app, **MAILING) as other:
        def do(now: datetime) -> int:
            db.session.rollback()
            with other.app_context():
                weekly.send_due(now)
                db.session.remove()
            return len(mails())

        yield do


def mails() -> list[Mail]:
    db.session.rollback()
    return list(db.session.scalars(select(Mail).where(Mail.key.like("weekly:%")).order_by(Mail.key)))


def zone(name: str) -> None:
    contracts.set_zone(accounts.organisation_named("Webwinkel B.V."), name, audit.COMMAND)
    db.session.commit()


@pytest.mark.usefixtures("weeks")
class TestWhen:
    @pytest.mark.parametrize(("name", "seven"), [
        ("Europe/Amsterdam", SEVEN), ("America/New_York", datetime(2026, 11, 30, 12, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 11, 29, 18, tzinfo=UTC)), ("UTC", datetime(2026, 11, 30, 7, tzinfo=UTC)),
    ])
    def test_it_is_written_from_seven_where_the_organisation_is(self, go: Go, name: str, seven: datetime) -> None:
        zone(name)
        assert go(seven - MINUTE) == 0
        assert go(seven) == 2
        assert go(seven + MINUTE) == 2

    @pytest.mark.parametrize(("day", "hour"), [(date(2026, 10, 26), 6), (date(2027, 3, 29), 5)])
    def test_seven_is_seven_after_the_clocks_were_changed(self, go: Go, day: date, hour: int) -> None:
        count(day - DAY, 300, 100)
        db.session.commit()
        at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        assert go(at - MINUTE) == 0
        assert go(at) == 2

    def test_after_weeks_without_a_runner_the_last_week_alone_is_told_and_once(self, go: Go) -> None:
        assert go(SEVEN) == 2
        for n in range(21):
            count(MONDAY + n * DAY, 300, 100)
        db.session.commit()
        thursday = SEVEN + 24 * DAY
        assert go(thursday) == 4
        assert {mail.key.split(":")[2] for mail in mails()} == {"2026-11-30", "2026-12-21"}
        assert go(thursday + DAY) == 4
        assert go(SEVEN) == 4, "nor by a clock that goes back"

    def test_two_runners_write_it_once_and_the_job_says_so(self, app: Flask) -> None:
        with time_machine.travel(SEVEN, tick=False), restarted(app, **MAILING) as other, other.app_context():
            db.session.rollback()
            assert "weekly: 2 summaries written" in [str(jobs.run_now("weekly")), str(jobs.run_now("weekly"))]
            db.session.remove()
        assert len(mails()) == 2

    def test_nobody_hears_of_what_was_never_shown_or_has_ended(self, go: Go, people: dict[str, accounts.User]) -> None:
        contracts.end("Webwinkel B.V.", MONDAY)
        db.session.commit()
        assert go(SEVEN) == 0, "charlie's organisation has no site, and the other one ends today"


@pytest.mark.usefixtures("weeks")
class TestWhat:
    def english(self, people: dict[str, accounts.User]) -> None:
        subscriptions.choose_language(people["bob"], "en")
        db.session.commit()

    def test_it_says_in_the_reader_s_words_what_was_chosen_and_what_changed(
        self, go: Go, people: dict[str, accounts.User],
    ) -> None:
        self.english(people)
        site, _ = sites.apply({**DEFINITION, "claim_days": 400})
        versions.publish(site, SEVEN - 3 * DAY)
        db.session.add(Alert(site="shop", kind=RECORDS, raised_at=SEVEN - 2 * DAY, seen_at=SEVEN - DAY,
                             cleared_at=SEVEN - DAY, facts={"days": {}}))
        db.session.commit()
        go(SEVEN)
        dutch, english = mails()
        said = " ".join(english.text.split())
        for part in (
            "The week of 23 November to 29 November", "shown 2,100 times; the week before 1,400 times",
            "Answered: 80% (78% to 82%). 10.0 points more than the week before, which is",
            "between these the true share is, with 95% certainty.",
            "Accepted all: 60%", "Necessary only: 20%", "About as the week before",
            "Hotjar sees 60% (58% to 62%) of the visits.",
            "27 November: version 2 of Webwinkel was published.",
            "Alert of Webwinkel, since 28 November: Choices could not be stored at once (over).",
            "https://consent.example/console/sites/shop/report?from=2026-11-23&to=2026-11-29",
        ):
            assert part in said, part
        assert english.subject == "Webwinkel B.V.: 60% accepted all last week"
        assert "De banner is 2.100 keer getoond" in " ".join(dutch.text.split())
        assert "10,0 procentpunt meer dan de week ervoor" in " ".join(dutch.text.split())
        assert max(len(line) for line in english.text.splitlines() if "://" not in line) <= 72

    def test_the_mail_has_its_chart_with_it_and_asks_nothing_of_any_server(self, app: Flask, go: Go) -> None:
        go(SEVEN)
        with PostOffice() as office, sending(app, office.url) as send:
            send(timedelta(days=400))
        letter = next(each for each in office.letters if each.message["List-Unsubscribe"])
        text, related = letter.message.iter_parts()
        html, picture = related.iter_parts()
        assert picture.get_content()[:8] == b"\x89PNG\r\n\x1a\n"
        assert len(picture.get_content()) < 150_000
        page = str(html.get_content())
        assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in page
        assert page.count("src=") == 1
        assert "<style" not in page
        assert "<script" not in page
        assert "url(" not in page
        assert "getoond" in str(text.get_content())

    def test_names_are_text_and_small_numbers_say_little(
        self, go: Go, define: Callable[..., versions.Version], people: dict[str, accounts.User]
    ) -> None:
        self.english(people)
        define(key="tiny", name="<b>Tiny</b>", origins=["https://tiny.shop.example"])
        count(MONDAY - DAY, 7, 5, site="tiny")
        db.session.commit()
        go(SEVEN)
        english = mails()[1]
        assert "<b>Tiny" not in str(english.html)
        assert "&lt;b&gt;Tiny&lt;/b&gt;: shown 7 times, accepted all –" in str(english.html)


def test_few_visitors_are_no_shares(
    go: Go, people: dict[str, accounts.User], define: Callable[..., versions.Version]
) -> None:
    count(MONDAY - DAY, 6, 4)
    subscriptions.choose_language(people["alice"], "en")
    db.session.commit()
    assert go(SEVEN) == 2
    said: Any = mails()[0]
    assert said.subject == "Webwinkel B.V.: The week of 23 November to 29 November"
    assert "Those are too few to say more." in said.text
    assert "%" not in said.text
    assert "Hotjar: too few visits to say." in said.text
