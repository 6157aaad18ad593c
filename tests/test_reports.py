"""The report: from the daily counts alone, honest about what was not answered, in every form."""

import csv
import io
import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from consent import counts, records, reports
from consent.db import add_up, db
from consent.reports import BadRange
from consent.writer import GroupCommit, Job
from tests.conftest import HERE
from tests.pages import queries
from tests.shop import FIREFOX, body

DAY = date(2026, 11, 22)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def count(*rows: tuple[Any, ...], site: str = "shop") -> None:
    """Write counts: (day, metric, value, n), and True behind it for bots."""
    given_rows = [{"site": site, "day": row[0], "metric": row[1], "value": row[2], "n": row[3], "bot": len(row) > 4}
                  for row in rows]
    with db.engine.begin() as connection:
        add_up(connection, counts.DailyCount.__table__, given_rows)


def test_a_report_is_what_visitors_did(app: Flask, shop: Any, post: Callable[..., Any]) -> None:
    day = reports.today()
    shown = {"type": "shown", "version": 1, "language": "nl", "page_group": None}
    for agent in (FIREFOX, FIREFOX, FIREFOX, FIREFOX, FIREFOX, BOT):
        headers = {"User-Agent": agent, "Content-Type": "application/json", "Origin": HERE}
        sent = app.test_client().post("/v1/sites/shop/events", data=json.dumps(shown), headers=headers)
        assert sent.status_code == 204
    for each in (body("accept_all"), body("accept_all"), body("custom"), body("necessary_only"),
                 body("withdraw", source="settings"), body("custom", source="settings")):
        assert post(each, User_Agent=FIREFOX).status_code == 201
    assert post(body("accept_all"), User_Agent=BOT).status_code == 201
    line = reports.report("shop", day, day).total
    assert (line.shown, line.answered, line.ignored) == (5, 4, 1)
    assert (line.accept_all, line.necessary_only, line.custom) == (2, 1, 1)
    assert (line.withdrawn, line.changed) == (1, 1)
    assert [line.granted(name) for name in ("functional", "analytics", "marketing")] == [3, 3, 2]
    assert line.share(line.granted("analytics")) == 0.75
    assert (line.bots_shown, line.bots_answered) == (1, 1)


def test_a_retry_counts_once(app: Flask, shop: Any, post: Callable[..., Any]) -> None:
    same = body("accept_all")
    assert [post(same, User_Agent=FIREFOX).status_code for _ in range(3)] == [201, 200, 200]
    assert reports.report("shop", *reports.parse_range("", "", reports.today())).total.answered == 1


def test_an_erasure_leaves_the_counts(app: Flask, shop: Any, post: Callable[..., Any]) -> None:
    each = body("accept_all")
    post(each, User_Agent=FIREFOX)
    records.erase("shop", records.parse_consent(json.dumps(each).encode())["visitor"])
    db.session.commit()
    assert reports.report("shop", *reports.parse_range("", "", reports.today())).total.answered == 1


def test_a_report_reads_counts_and_never_records(app: Flask) -> None:
    with queries() as asked:
        reports.report("shop", DAY, DAY)
        reports.totals(["shop", "other"], DAY, DAY)
    assert len(asked) == 2
    assert all("FROM daily_count" in statement for statement in asked)


def test_a_day_without_counts_is_a_line_of_zeros(app: Flask) -> None:
    count((DAY, "shown", "", 3))
    found = reports.report("shop", DAY - timedelta(days=2), DAY)
    assert [(line.first, line.last, line.shown) for line in found.days] == [
        (date(2026, 11, 20),) * 2 + (0,), (date(2026, 11, 21),) * 2 + (0,), (DAY, DAY, 3)]


def test_only_these_days_and_this_site_are_counted(app: Flask) -> None:
    for days in range(-2, 3):
        count((DAY + timedelta(days=days), "shown", "", 1))
    count((DAY, "shown", "", 50), site="other")
    assert reports.report("shop", DAY - timedelta(days=1), DAY + timedelta(days=1)).total.shown == 3


def test_more_answers_than_banners_are_nobody_who_ignored(app: Flask) -> None:
    night = DAY - timedelta(days=1)
    count((night, "shown", "", 10), (night, "answered", "accept_all", 4), (DAY, "answered", "accept_all", 2))
    found = reports.report("shop", night, DAY)
    assert [line.ignored for line in found.days] == [6, 0]
    assert [line.shown for line in found.days] == [10, 2], "what was answered was shown"
    assert (found.total.shown, found.total.answered, found.total.ignored) == (12, 6, 6)


def test_shares_of_nothing_are_none(app: Flask) -> None:
    line = reports.report("shop", DAY, DAY).total
    assert line.share(line.accept_all) is None
    assert line.of_shown(line.answered) is None


def test_totals_of_many_sites_are_those_of_their_reports(app: Flask) -> None:
    for number in range(1, 4):
        count((DAY, "shown", "", number), (DAY, "answered", "custom", 1), site=f"site-{number}")
    found = reports.totals(["site-1", "site-3", "unknown"], DAY, DAY)
    assert {key: line.shown for key, line in found.items()} == {"site-1": 1, "site-3": 3, "unknown": 0}
    assert found["site-3"].n == reports.report("site-3", DAY, DAY).total.n
    assert reports.totals([], DAY, DAY) == {}


def test_weeks_begin_on_monday_and_lose_nothing(app: Flask) -> None:
    first = date(2026, 11, 11)  # a Wednesday
    for days in range(20):
        count((first + timedelta(days=days), "shown", "", days))
    found = reports.report("shop", first, first + timedelta(days=19))
    weeks = found.weeks()
    assert [(week.first.day, week.last.day) for week in weeks] == [(11, 15), (16, 22), (23, 29), (30, 30)]
    assert sum(week.shown for week in weeks) == found.total.shown == sum(range(20))


# Which days -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("first", "last", "expected"), [
    ("2026-11-01", "2026-11-22", ("2026-11-01", "2026-11-22")),
    ("2026-11-22", "2026-11-22", ("2026-11-22", "2026-11-22")),
    ("", "", ("2026-10-24", "2026-11-22")),
    ("", "2026-11-10", ("2026-10-12", "2026-11-10")),
    ("2026-11-01", "", ("2026-11-01", "2026-11-22")),
    ("2026-12-24", "", ("2026-12-24", "2026-12-24")),
    ("2024-11-22", "2026-11-22", ("2024-11-22", "2026-11-22")),
])
def test_days_are_as_asked_or_the_last_thirty(first: str, last: str, expected: tuple[str, str]) -> None:
    assert reports.parse_range(first, last, DAY) == tuple(map(date.fromisoformat, expected))


BAD_RANGES = [
    ("2026-11-23", "2026-11-22", "from", "after the last"),
    ("2024-11-21", "2026-11-22", "from", "731 days"),
    ("yesterday", "2026-11-22", "from", "not a date"),
    ("2026-11-01", "2026-11-31", "to", "not a date"),
    ("2026-11-01", "22-11-2026", "to", "not a date"),
    ("2026-11-01", "2026-W47-7", "to", "not a date"),
    ("20261101", "2026-11-22", "from", "not a date"),
    ("2026-11-01T00:00", "2026-11-22", "from", "not a date"),
    ("0001-01-01", "0001-01-02", "to", "not a date"),
    ("٢٠٢٦-11-01", "2026-11-22", "from", "not a date"),
    ("2026-02-29", "2026-11-22", "from", "not a date"),
    ("9999-12-31", "", "from", "not a date"),
    ("2026-11-22", "9999-12-31", "to", "not a date"),
    ("'; DROP TABLE x", "", "from", "not a date"),
]


@pytest.mark.parametrize(("first", "last", "field", "sentence"), BAD_RANGES)
def test_a_bad_range_names_its_field(first: str, last: str, field: str, sentence: str) -> None:
    with pytest.raises(BadRange) as caught:
        reports.parse_range(first, last, DAY)
    assert caught.value.field == field
    assert sentence in caught.value.sentence


# Forms ----------------------------------------------------------------------------------------------------------------

def test_a_sheet_has_a_header_and_a_line_for_every_day(app: Flask) -> None:
    count((DAY, "shown", "", 1200), (DAY, "answered", "accept_all", 7), (DAY, "granted", "analytics", 7))
    rows = list(csv.DictReader(io.StringIO(reports.as_csv(reports.report("shop", DAY - timedelta(days=1), DAY).days))))
    assert [row["from"] for row in rows] == ["2026-11-21", "2026-11-22"]
    assert (rows[1]["shown"], rows[1]["accept_all"], rows[1]["ignored"]) == ("1200", "7", "1193")
    assert tuple(rows[0]) == reports.COLUMNS


@pytest.mark.parametrize("cell", [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "  +cmd|' /C calc'!A0", "|x", "%x",
    "=HYPERLINK(\"x\")",
])
def test_no_cell_is_a_formula(cell: str) -> None:
    (row,) = csv.reader(io.StringIO(reports.to_csv([[cell, "x", -1]])))
    assert row == [f"'{cell}", "x", "-1"]


def _flask(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["report", *arguments])


def test_the_command_prints_the_report(app: Flask, shop: Any) -> None:
    count((DAY, "shown", "", 4), (DAY, "answered", "custom", 3))
    days = ("--from", "2026-11-21", "--to", "2026-11-22")
    table = _flask(app, "shop", *days).output.splitlines()
    assert len(table) == 3
    assert table[2].split()[:5] == ["2026-11-22", "2026-11-22", "4", "3", "1"]
    total = json.loads(_flask(app, "shop", *days, "--by", "total", "--format", "json").output)
    assert (total["from"], total["to"], total["total"]["custom"]) == ("2026-11-21", "2026-11-22", 3)
    assert "days" not in total
    by_day = json.loads(_flask(app, "shop", *days, "--format", "json").output)
    assert [line["shown"] for line in by_day["days"]] == [0, 4]
    sheet = _flask(app, "shop", *days, "--format", "csv").output
    assert len(list(csv.reader(io.StringIO(sheet)))) == 3
    assert len(_flask(app, "shop").output.splitlines()) == 1 + reports.RECENT


def test_the_command_refuses_in_one_line(app: Flask, shop: Any) -> None:
    for first, last, field, sentence in BAD_RANGES:
        done = _flask(app, "shop", f"--from={first}", f"--to={last or '2026-11-22'}")
        assert done.exit_code == 1, first
        assert f"--{field}: " in done.output
        assert sentence in done.output
    for arguments in (["nothing"], ["../x"]):
        done = _flask(app, *arguments)
        assert done.exit_code == 1
        assert len(done.output.strip().splitlines()) == 1


@pytest.mark.usefixtures("shop")
def test_what_is_stored_in_the_end_did_not_fail(app: Flask) -> None:
    def decided(**changes: Any) -> Job:
        said = {**body(), "decided_at": None, "id": uuid.uuid4(), "visitor": uuid.uuid4()}
        row = {**records.row_of("shop", said, FIREFOX, datetime.now(UTC)), **changes}
        return Job(row, counts.of_record({**row, "action": "accept_all"}))

    writer = GroupCommit(db.engine, records.Record.__table__, 10)
    outcomes = writer._store([decided(), decided(action=None), decided()])
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    writer._store([decided()])
    total = reports.report("shop", *reports.parse_range("", "", reports.today())).total
    assert (total.answered, total.failed) == (3, 1), "one was refused by the database, the others stored without it"
