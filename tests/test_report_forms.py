"""The report in each form: the same numbers, whoever asks; nothing small, no formula, the organisation's days."""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from consent import accounts, breakdowns, counts, keys, report_forms, reports
from consent.db import add_up, db
from consent.report_forms import BY, HIDDEN, Sheet
from consent.suppression import LEAST, NAMES
from consent.versions import Version
from tests.test_admin_api import Program, key_of
from tests.test_reports import count

DAY = date(2026, 11, 22)
WEEK = "from=2026-11-16&to=2026-11-22"
DAYS = ("--from", "2026-11-16", "--to", "2026-11-22")
SHOWN = {"desktop": (600, 300, 150, 20), "mobile": (400, 150, 100, 40), "tablet": (60, 30, 20, 3), "tv": (7, 1, 1, 1)}

pytestmark = pytest.mark.usefixtures("shop")


def visits(day: date = DAY, site: str = "shop", times: int = 1) -> None:
    """A day of visits: by device shown, accepted all, only the necessary, own choices (half with analytics)."""
    rows, total = [], Counter[str]()
    for device, numbers in SHOWN.items():
        shown, accept, necessary, custom = (number * times for number in numbers)
        granted = {"functional": accept, "analytics": accept + custom // 2, "marketing": accept}
        n = {"shown": shown, "accept_all": accept, "necessary_only": necessary, "custom": custom, **granted}
        rows.append({"site": site, "day": day, "dimension": "device", "bucket": device, **n})
        total.update(n)
    rows.append({"site": site, "day": day, "dimension": "version", "bucket": "1", **total})
    with db.engine.begin() as connection:
        add_up(connection, counts.DailySlice.__table__, rows)
    count((day, "shown", "", total["shown"]), *((day, "answered", name, total[name]) for name in breakdowns.ANSWERS),
          *((day, "granted", name, total[name]) for name in ("functional", "analytics", "marketing")), site=site)


def ask(client: FlaskClient, path: str, **key: Any) -> Any:
    """What a program with a key for reading is told."""
    return Program(client, key_of(scopes=("read",), **key)).call("GET", path)


def flask(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["report", *arguments])


# Numbers --------------------------------------------------------------------------------------------------------------

def shares(told: Any) -> Iterator[dict[str, Any]]:
    """Every share in the answer, at any depth."""
    if isinstance(told, dict):
        if "share" in told:
            yield told
        told = list(told.values())
    if isinstance(told, list):
        for one in told:
            yield from shares(one)


def test_every_share_has_its_numbers_and_its_interval(client: FlaskClient) -> None:
    visits()
    visits(DAY - timedelta(days=7))
    for by in BY:
        found = list(shares(ask(client, f"/sites/shop/report?{WEEK}&by={by}").get_json()))
        assert len(found) > 8
        for one in found:
            assert {"part", "whole", "share", "low", "high"} <= set(one), by
            if one.get("suppressed"):
                assert (one["part"], one["share"], one["low"], one["high"]) == (None,) * 4
            elif one["whole"]:
                assert one["share"] == pytest.approx(one["part"] / one["whole"], abs=1e-6)
                assert one["low"] <= one["share"] <= one["high"]


def test_parts_have_no_small_cell(client: FlaskClient) -> None:
    visits()
    told = ask(client, f"/sites/shop/report?{WEEK}&by=device").get_json()
    parts = {part["bucket"]: part for part in told["parts"]}
    assert {name: (part["shown"], part["groups"]) for name, part in parts.items()} == {
        "desktop": (600, 1), "mobile": (400, 1), "other": (67, 2)}  # one group alone would be the rest
    assert parts["other"]["shares"]["custom"]["suppressed"]
    assert sum(part["shown"] for part in parts.values()) == told["total"]["shown"] == 1067
    hidden = 0
    for part in parts.values():
        assert set(part["shares"]) == set(NAMES)
        for name, share in part["shares"].items():
            hidden += share.get("suppressed", False)
            assert share["whole"] == part["shown"]
            assert share["part"] is None or not 0 < share["part"] < LEAST, name
    assert hidden >= 4
    assert told["parts"][0]["shares"]["answered"]["part"] == 470


def test_a_partition_adds_up(client: FlaskClient) -> None:
    visits()
    told = ask(client, f"/sites/shop/report?{WEEK}&by=total").get_json()["shares"]
    assert sum(told[name]["share"] for name in ("answered", "ignored")) == pytest.approx(1)
    answers = ("accept_all", "necessary_only", "custom", "ignored")
    assert sum(told[name]["share"] for name in answers) == pytest.approx(1, abs=1e-5)


def test_the_period_before_is_as_long_and_compared(client: FlaskClient) -> None:
    visits(times=2)
    visits(DAY - timedelta(days=7))
    count((DAY - timedelta(days=7), "shown", "", 1067))  # more of them ignored it then
    told = ask(client, f"/sites/shop/report?{WEEK}&by=tracker").get_json()
    assert (told["before"]["from"], told["before"]["to"]) == ("2026-11-09", "2026-11-15")
    assert (told["total"]["shown"], told["before"]["total"]["shown"]) == (2134, 2134)
    gap = told["shares"]["accept_all"]["difference"]
    assert gap["before"]["part"] == 481
    assert gap["value"] == pytest.approx((962 - 481) / 2134, abs=1e-6)
    assert gap["low"] < gap["value"] < gap["high"]
    assert gap["p"] < 0.001
    (ga4,) = [one for one in told["trackers"] if one["id"] == "ga4"]
    assert (ga4["seen"]["part"], ga4["seen"]["whole"]) == (962 + 2 * 31 + 2, 2134)
    assert ga4["factor"] == pytest.approx(2134 / ga4["seen"]["part"], abs=1e-4)
    assert (ga4["asked"], ga4["returning"]["whole"]) == ({
        name: ga4["seen"][name] for name in ("part", "whole", "share", "low", "high")}, 0)


def test_traffic_in_doubt_is_apart_and_samples_say_their_error(client: FlaskClient) -> None:
    visits()
    count((DAY, "suspect", "shown", 100), (DAY, "suspect", "accept_all", 500), (DAY, "sampled", "10", 50))
    told = ask(client, f"/sites/shop/report?{WEEK}&by=day").get_json()
    assert (told["shares"]["suspect"]["part"], told["shares"]["suspect"]["whole"]) == (500, 1567)
    assert told["shares"]["accept_all"]["part"] == 481
    assert told["total"]["scaled"] == 500
    assert told["shown_error"] == round(1.959964 * (50 * 10 * 9) ** 0.5)


def test_weeks_and_days_add_up_to_the_total(client: FlaskClient) -> None:
    for days in (0, 1, 5, 9):
        visits(DAY - timedelta(days=days))
    total = ask(client, "/sites/shop/report?from=2026-11-10&to=2026-11-22&by=total").get_json()["total"]
    for by in ("day", "week"):
        lines = ask(client, f"/sites/shop/report?from=2026-11-10&to=2026-11-22&by={by}").get_json()[f"{by}s"]
        for name in reports.COLUMNS[2:]:
            assert sum(line[name] for line in lines) == total[name], name
    assert total["shown"] == 4 * 1067


# Who may ask ----------------------------------------------------------------------------------------------------------

def test_several_sites_are_one_report(client: FlaskClient, define: Callable[..., Version]) -> None:
    define(key="news")
    accounts.organisation_named("Ander B.V.")
    db.session.commit()
    define(key="alien", organisation="Ander B.V.")
    for site in ("shop", "news", "alien"):
        visits(site=site)
    whole = ask(client, f"/report?{WEEK}").get_json()
    assert (whole["sites"], whole["total"]["shown"], "site" in whole) == (["news", "shop"], 2134, False)
    same = ask(client, f"/report?{WEEK}&site=shop&site=news&site=shop&by=device").get_json()
    assert (same["sites"], same["total"]["shown"]) == (["shop", "news"], 2134)
    assert [part["shown"] for part in same["parts"]] == [1200, 800, 120, 14]
    alone = ask(client, f"/report?{WEEK}&site=shop").get_json()
    assert (alone["site"], alone["total"]["shown"]) == ("shop", 1067)
    narrow = ask(client, f"/report?{WEEK}", site="shop").get_json()
    assert narrow["sites"] == ["shop"]
    for query in ("site=alien", "site=shop&site=alien", "site=nobody", "site=", "site=%27"):
        assert ask(client, f"/report?{WEEK}&{query}").status_code == 404, query
    assert ask(client, f"/report?{WEEK}&site=news", site="shop").status_code == 404


@pytest.mark.parametrize("path", ["/report", "/sites/shop/report"])
def test_who_may_read_it(client: FlaskClient, path: str) -> None:
    accounts.organisation_named("Ander B.V.")
    db.session.commit()
    assert Program(client, None).call("GET", path).status_code == 401
    for scope in keys.SCOPES:
        expected = 200 if scope == "read" else 403
        assert Program(client, key_of(scopes=(scope,))).call("GET", path).status_code == expected, scope
    stranger = Program(client, key_of("Ander B.V.")).call("GET", path)
    assert stranger.status_code == 404 if "shop" in path else stranger.get_json()["sites"] == []
    for query, field in (("by=hour", "by"), ("from=x", "from"), ("to=2026-11-31", "to"), ("colour=red", "colour"),
                         ("from=2026-11-22&to=2026-11-21", "from")):
        refused = ask(client, f"{path}?{query}")
        assert (refused.status_code, list(refused.get_json()["fields"])) == (422, [field]), query


@pytest.mark.parametrize(("at", "where", "expected"), [
    ("2026-11-22T22:59:59Z", "Europe/Amsterdam", "2026-11-22"),
    ("2026-11-22T23:00:00Z", "Europe/Amsterdam", "2026-11-23"),
    ("2026-07-01T22:00:00Z", "Europe/Amsterdam", "2026-07-02"),
    ("2026-11-22T11:30:00Z", "Pacific/Auckland", "2026-11-23"),
    ("2026-11-22T04:00:00Z", "America/New_York", "2026-11-21"),
    ("2026-11-22T23:30:00Z", "UTC", "2026-11-22"),
])
def test_today_is_the_organisations(app: Flask, client: FlaskClient, at: str, where: str, expected: str) -> None:
    organisation = accounts.organisation_named("Webwinkel B.V.")
    organisation.time_zone = where
    db.session.commit()
    with time_machine.travel(at, tick=False):
        told = ask(client, "/sites/shop/report").get_json()
        assert (told["to"], told["time_zone"]) == (expected, where)
        assert json.loads(flask(app, "shop", "--format", "json").output)["to"] == expected


# Sheets ---------------------------------------------------------------------------------------------------------------

def test_the_command_has_every_form(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    visits()
    for by in BY:
        told = json.loads(flask(app, "shop", *DAYS, "--by", by, "--format", "json").output)
        assert told == ask(client, f"/sites/shop/report?{WEEK}&by={by}").get_json(), by
        (head, *rows) = csv.reader(io.StringIO(flask(app, "shop", *DAYS, "--by", by, "--format", "csv").output))
        assert all(len(row) == len(head) for row in rows)
        assert len(rows) == len(told.get(f"{by}s", told.get("parts", [1])))
    text = flask(app, "shop", *DAYS, "--by", "device").output
    assert "hidden" in text
    assert "fewer than ten visits" in text
    out = tmp_path / "report.xlsx"
    assert flask(app, "shop", *DAYS, "--format", "xlsx", "--output", str(out)).exit_code == 0
    assert zipfile.is_zipfile(out)


def test_the_command_refuses_what_it_can_not_do(
    app: Flask, define: Callable[..., Version], tmp_path: Path
) -> None:
    accounts.organisation_named("Ander B.V.").time_zone = "Asia/Tokyo"
    define(key="alien", organisation="Ander B.V.")
    for arguments, sentence in (
            (("shop", "--format", "xlsx"), "--output"), (("shop", "nothing"), "no site 'nothing'"),
            (("shop", "alien"), "different time zones"), (("shop", "--by", "hour"), "hour"),
            (("shop", "--output", str(tmp_path / "no" / "x")), "can not be written")):
        done = flask(app, *arguments)
        assert done.exit_code != 0
        assert sentence in done.output


class Book:
    """A workbook as a program reads it: of each sheet its cells, as texts or numbers."""

    NAMES: ClassVar = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}

    def __init__(self, data: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        texts = ["".join(text.itertext()) for text in self._read("xl/sharedStrings.xml").findall("m:si", self.NAMES)]
        titles = [one.get("name") for one in self._read("xl/workbook.xml").findall("m:sheets/m:sheet", self.NAMES)]
        self.sheets: dict[str, dict[str, str | float]] = {}
        for number, title in enumerate(titles, 1):
            cells = self._read(f"xl/worksheets/sheet{number}.xml").findall(".//m:c", self.NAMES)
            self.sheets[str(title)] = {str(cell.get("r")): self._value(cell, texts) for cell in cells}

    def _read(self, name: str) -> ElementTree.Element:
        return ElementTree.fromstring(self.zip.read(name))

    def _value(self, cell: ElementTree.Element, texts: list[str]) -> str | float:
        value = cell.findtext("m:v", "", self.NAMES)
        return texts[int(value)] if cell.get("t") == "s" else float(value)


def test_a_workbook_has_a_sheet_for_each_and_numbers_are_numbers(app: Flask) -> None:
    visits()
    found = breakdowns.figures(["shop"], DAY - timedelta(days=6), DAY)
    sheets = list(report_forms.sheets(found, breakdowns.before(found)))
    book = Book(report_forms.as_xlsx(sheets, lambda sentence: f"NL {sentence}"))
    assert list(book.sheets) == ["shares", *(by for by in BY if by != "total")]
    days = book.sheets["day"]
    assert (days["A1"], days["C1"], days["A8"], days["C8"]) == ("from", "shown", 46348.0, 1067.0)
    device = book.sheets["device"]
    assert [device[f"A{row}"] for row in (2, 3, 4)] == ["desktop", "mobile", "other"]
    assert HIDDEN in device.values()
    assert any(str(cell).startswith("NL hidden: ") for cell in device.values())
    assert device["C2"] == 600.0
    shares = book.sheets["shares"]
    assert shares["A2"] == "answered"
    assert shares["D2"] == pytest.approx(816 / 1067)


EVIL = ("=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "https://evil.example",
        "mailto:a@b.example", "internal:x!A1", "{=1}", "<b>&\"'", "\x00\x1b")


def test_no_text_is_a_formula_or_a_link() -> None:
    sheet = Sheet("evil", ("name", "n"), [[text, -1] for text in EVIL])
    book = Book(report_forms.as_xlsx([sheet]))
    page = book.zip.read("xl/worksheets/sheet1.xml").decode()
    assert not re.search(r"<(f|hyperlink)\b", page)
    assert [book.sheets["evil"][f"B{row}"] for row in range(2, 2 + len(EVIL))] == [-1.0] * len(EVIL)
    assert book.sheets["evil"]["A2"] == EVIL[0]
    rows = list(csv.reader(io.StringIO(report_forms.as_csv(sheet))))[1:]
    assert [row[0][0] for row in rows[:6]] == ["'"] * 6
    assert {row[1] for row in rows} == {"-1"}


def test_a_number_below_nothing_stays_a_number_in_csv() -> None:
    (_, row) = csv.reader(io.StringIO(report_forms.as_csv(Sheet("x", ("a", "b"), [[-0.0123456789, None]]))))
    assert row == ["-0.012346", ""]
