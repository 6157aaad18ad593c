"""What a record and an event add to the daily counts, of all and of each part, on which day."""

import uuid
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from consent import agents, counts, records
from consent.counts import Slice, Tally
from consent.zones import USUAL_ZONE, day_of, names, zone
from tests.shop import FIREFOX, body

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = NOW.date()


def row(action: str, now: datetime = NOW, where: ZoneInfo = USUAL_ZONE, **changes: Any) -> dict[str, Any]:
    """A record of Firefox on a desktop."""
    said = {**body(action), "decided_at": None, "took": None, "variant": None, "page_group": None, **changes}
    said |= {"id": uuid.uuid4(), "visitor": uuid.uuid4()}
    return records.row_of("shop", said, FIREFOX, now, where, {"b": "summer:b"})


def event(**changes: Any) -> dict[str, Any]:
    """A shown banner, as the door hands it over."""
    seen = {"type": "shown", "version": 3, "language": "nl", "page_group": "home", "again": False, "variant": None,
            "choices": None, "trackers": {}, "gpc": False, "site": "shop", "counted_on": DAY}
    return {**seen, **agents.agent(FIREFOX), **changes}


def parts(found: counts.Tallies) -> dict[str, tuple[str, str]]:
    """Bucket and outcome of each dimension."""
    return {one.dimension: (one.bucket, one.outcome) for one in found if isinstance(one, Slice)}


class TestTheDay:
    @pytest.mark.parametrize(("moment", "where", "day"), [
        ("2026-11-21T22:59:59Z", "Europe/Amsterdam", "2026-11-21"),
        ("2026-11-21T23:00:00Z", "Europe/Amsterdam", "2026-11-22"),
        ("2026-03-28T23:00:00Z", "Europe/Amsterdam", "2026-03-29"),  # the day of 23 hours
        ("2026-03-29T21:59:59Z", "Europe/Amsterdam", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "Europe/Amsterdam", "2026-03-30"),
        ("2026-10-24T22:00:00Z", "Europe/Amsterdam", "2026-10-25"),  # the day of 25 hours
        ("2026-10-25T22:59:59Z", "Europe/Amsterdam", "2026-10-25"),
        ("2026-11-22T18:14:59Z", "Asia/Kathmandu", "2026-11-22"),  # 5:45 ahead
        ("2026-11-22T18:15:00Z", "Asia/Kathmandu", "2026-11-23"),
    ])
    def test_is_the_organisations(self, moment: str, where: str, day: str) -> None:
        at = datetime.fromisoformat(moment)
        assert day_of(at, ZoneInfo(where)) == date.fromisoformat(day)
        assert row("accept_all", at, ZoneInfo(where))["counted_on"] == date.fromisoformat(day)

    def test_of_an_answer_is_that_on_which_it_was_asked(self) -> None:
        after_midnight = datetime(2026, 11, 21, 23, 0, 4, tzinfo=UTC)
        assert row("accept_all", after_midnight, took=4_001)["counted_on"] == date(2026, 11, 21)
        assert row("accept_all", after_midnight, took=4_000)["counted_on"] == DAY

    def test_of_a_record_of_before_is_that_in_utc(self) -> None:
        old = {**row("accept_all", datetime(2026, 11, 21, 23, 30, tzinfo=UTC)), "counted_on": None}
        assert {one.day for one in counts.of_record(old)} == {date(2026, 11, 21)}

    def test_zones_have_names_of_places(self) -> None:
        assert {"Europe/Amsterdam", "Europe/Brussels", "America/New_York", "UTC"} <= names()
        assert not {"CET", "Etc/GMT+5", "localtime"} & names()
        assert zone("Gone/Away") == USUAL_ZONE


class TestARecord:
    def test_of_the_banner_counts_in_every_part(self) -> None:
        found = counts.of_record(row("accept_all", took=4_312, variant="b", page_group="home"))
        everything = "accept_all+functional+analytics+marketing"
        assert {one[3:] for one in found if isinstance(one, Tally)} == {
            ("answered", "accept_all"), ("granted", "functional"), ("granted", "analytics"), ("granted", "marketing")}
        assert parts(found) == {name: (bucket, everything) for name, bucket in {
            "device": "desktop", "browser": "Firefox", "system": "Linux", "language": "nl", "page_group": "home",
            "version": "1", "gpc": "off", "variant": "summer:b", "took": "1", "source": "banner",
            "variant_took": "summer:b:1"}.items()}

    def test_names_the_trackers_of_an_own_choice(self) -> None:
        found = counts.of_record(row("custom", trackers={"hotjar": False, "meta": True}))
        assert parts(found)["off"][0] == "1:hotjar"
        assert parts(found)["on"][0] == "1:meta"

    def test_of_the_settings_is_in_no_part_but_its_source(self) -> None:
        assert parts(counts.of_record(row("necessary_only", source="settings"))) == {
            "source": ("settings", "necessary_only")}
        assert parts(counts.of_record(row("withdraw", source="settings"))) == {}
        assert parts(counts.of_record(row("withdraw", source="settings", variant="b"))) == {
            "withdrawn": ("summer:b", "shown")}

    def test_of_a_bot_is_in_none(self) -> None:
        assert parts(counts.of_record({**row("accept_all"), "bot": True})) == {}

    @pytest.mark.parametrize(("took", "band"), [
        (0, 0), (1_999, 0), (2_000, 1), (9_999, 2), (29_999, 3), (59_999, 4), (299_999, 5), (300_000, 6),
        (86_400_000, 6)])
    def test_keeps_a_band_of_the_time_it_took(self, took: int, band: int) -> None:
        assert row("accept_all", took=took)["took"] == band


class TestAnEvent:
    def test_of_a_showing(self) -> None:
        found = counts.of_event(event(gpc=True, variant="summer:b"))
        assert found[0] == Tally("shop", DAY, False, "shown", "")
        assert parts(found)["gpc"] == ("on", "shown")
        assert parts(found)["variant"] == ("summer:b", "shown")
        assert "took" not in parts(found)

    def test_of_the_same_visit_counts_for_its_variant_alone(self) -> None:
        found = counts.of_event(event(again=True, variant="summer:b"))
        assert found == [Tally("shop", DAY, False, "again", ""), Slice("shop", DAY, "variant", "summer:b", "shown")]

    def test_of_a_visit_by_who_has_chosen(self) -> None:
        choices = {"functional": True, "analytics": True, "marketing": False}
        found = counts.of_event(event(type="visit", choices=choices, trackers={"hotjar": False}))
        assert found == [
            Tally("shop", DAY, False, "visit", ""), Slice("shop", DAY, "visit", "3", "shown+functional+analytics"),
            Slice("shop", DAY, "visit_off", "3:hotjar", "shown+functional+analytics")]

    def test_of_a_bot_is_in_no_part(self) -> None:
        assert counts.of_event(event(bot=True)) == [Tally("shop", DAY, True, "shown", "")]


def test_what_is_added_up_is_one_row_for_each_part() -> None:
    found = Counter(one for _ in range(3) for one in counts.of_record(row("custom")))
    _, slices = counts.rows(found)
    (device,) = [one for one in slices if one["dimension"] == "device"]
    choices = body("custom")["choices"]
    assert {name: device[name] for name in counts.COUNTERS} == {
        "shown": 0, "accept_all": 0, "necessary_only": 0, "custom": 3,
        **{name: 3 * granted for name, granted in choices.items()}}


def test_what_is_remembered_of_a_kind_is_what_is_made_out_anew() -> None:
    for changes in ({}, {}, {"took": 4_312}, {"variant": "b"}, {"gpc": True}, {"trackers": {"hotjar": False}}):
        one = row("custom", **changes)
        assert counts.of_new(one) == counts.of_record(one)
    counts.of_new(row("custom")).clear()  # of the caller's own
    assert counts.of_new(row("custom")) == counts.of_record(row("custom"))
