"""Reports: what visitors chose, by day, from the daily counts alone. Records are never read for it.

Days are the organisation's days. Bots and suspect traffic are counted apart and are in no rate.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, case, func, literal, select

from consent import zones
from consent.counts import DailyCount
from consent.db import db
from consent.gate import OPTIONAL
from consent.marks import mark

LONGEST = 731  # days in one report: two years, a leap day included
RECENT = 30
ONE_DAY = timedelta(days=1)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class BadRange(Exception):
    """Days that can not be reported on: the field (`from` or `to`), and a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field, self.sentence = field, sentence


@dataclass(frozen=True)
class Line:
    """What happened from `first` to `last`, both included. `n` counts by (bot, metric, value), as DailyCount does."""

    first: date
    last: date
    n: Counter[tuple[bool, str, str]] = field(default_factory=Counter)

    @property
    def shown(self) -> int:
        """How often the banner appeared."""
        return self.n[False, "shown", ""]

    @property
    def accept_all(self) -> int:
        """Answers in the banner: everything allowed."""
        return self.n[False, "answered", "accept_all"]

    @property
    def necessary_only(self) -> int:
        """Answers in the banner: nothing but the necessary."""
        return self.n[False, "answered", "necessary_only"]

    @property
    def custom(self) -> int:
        """Answers in the banner: something of their own."""
        return self.n[False, "answered", "custom"]

    @property
    def answered(self) -> int:
        """All answers in the banner."""
        return self.accept_all + self.necessary_only + self.custom

    @property
    def ignored(self) -> int:
        """Shown and not answered. What was answered was shown (`_counted`), so this is never below 0."""
        return max(self.shown - self.answered, 0)

    @property
    def withdrawn(self) -> int:
        """How often everything was taken back."""
        return self.n[False, "withdrawn", ""]

    @property
    def changed(self) -> int:
        """How often a choice was changed later, in the settings or through the API."""
        return self._sum(False, "changed")

    @property
    def expired(self) -> int:
        """Consents whose time ended without a new choice before it."""
        return self.n[False, "expired", ""]

    @property
    def bots_shown(self) -> int:
        """Banners that appeared to visitors who say they are bots."""
        return self.n[True, "shown", ""]

    @property
    def bots_answered(self) -> int:
        """Answers of visitors who say they are bots."""
        return self._sum(True, "answered")

    @property
    def again(self) -> int:
        """How often the banner appeared again in the same visit, on another page."""
        return self.n[False, "again", ""]

    @property
    def visits(self) -> int:
        """Visits of people who had chosen before; counted on sites with `count_visits` alone."""
        return self.n[False, "visit", ""]

    @property
    def imported(self) -> int:
        """Decisions that another platform was told before, taken over."""
        return self._sum(False, "imported")

    @property
    def recovered(self) -> int:
        """Decisions of lost hours, back from their receipts."""
        return self._sum(False, "recovered")

    @property
    def failed(self) -> int:
        """Decisions that could not be stored when they came in."""
        return self.n[False, "failed", ""]

    @property
    def suspect_shown(self) -> int:
        """Banners that appeared, or were said to, in traffic that is in doubt; in no rate."""
        return self.n[False, "suspect", "shown"]

    @property
    def suspect_answered(self) -> int:
        """Answers of traffic that is in doubt; in no rate."""
        return sum(self.n[False, "suspect", action] for action in ("accept_all", "necessary_only", "custom"))

    @property
    def sampled(self) -> dict[str, int]:
        """How many showings were counted for so many others: the weight, and the number."""
        return {value: n for (_, metric, value), n in self.n.items() if metric == "sampled"}

    @property
    def scaled(self) -> int:
        """Showings of `shown` that were not counted one by one: those that were stand for so many."""
        return sum(int(weight) * n for weight, n in self.sampled.items())

    @staticmethod
    def together(lines: "Sequence[Line]") -> "Line":
        """One line of all, from the first one's first day to the last one's last."""
        total: Counter[tuple[bool, str, str]] = Counter()
        for line in lines:
            total.update(line.n)
        return Line(lines[0].first, lines[-1].last, total)

    def granted(self, category: str) -> int:
        """Answers in the banner that allowed the category."""
        return self.n[False, "granted", category]

    def share(self, part: int) -> float | None:
        """That part of the answers; None when there are none."""
        return part / self.answered if self.answered else None

    def of_shown(self, part: int) -> float | None:
        """That part of the shown banners; None when none was shown."""
        return part / self.shown if self.shown else None

    def _sum(self, bot: bool, metric: str) -> int:
        return sum(n for (is_bot, name, _), n in self.n.items() if (is_bot, name) == (bot, metric))


@dataclass(frozen=True)
class Report:
    """A line for every day, also for those without a count."""

    site: str
    days: tuple[Line, ...]

    @property
    def first(self) -> date:
        """The first day."""
        return self.days[0].first

    @property
    def last(self) -> date:
        """The last day."""
        return self.days[-1].last

    @property
    def total(self) -> Line:
        """All days together."""
        return Line.together(self.days)

    def weeks(self) -> list[Line]:
        """The same by week."""
        return weeks(self.days)


def weeks(days: Iterable[Line]) -> list[Line]:
    """Lines of days by week, from Monday; the first and the last can have fewer days."""
    mondays: dict[date, list[Line]] = {}
    for line in days:
        mondays.setdefault(line.first - line.first.weekday() * ONE_DAY, []).append(line)
    return [Line.together(lines) for lines in mondays.values()]


# Which days -----------------------------------------------------------------------------------------------------------

def today(where: ZoneInfo = zones.USUAL_ZONE) -> date:
    """Today where an organisation is."""
    return zones.today(where)


def parse_range(first: str, last: str, now: date) -> tuple[date, date]:
    """The days that two texts name; raises BadRange. Left out: RECENT days, up to `now`."""
    until = _day("to", last) if last else None
    since = _day("from", first) if first else None
    until = until or max(now, since or now)
    since = since or until - (RECENT - 1) * ONE_DAY
    check_range(since, until)
    return since, until


def _day(name: str, text: str) -> date:
    try:
        if not _DAY.fullmatch(text) or not "1970" <= text < "9999":  # the days around it are days as well
            raise ValueError
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadRange(name, mark("This is not a date; write it as 2026-11-22.")) from error


def check_range(first: date, last: date) -> None:
    """Raise BadRange when a report can not span these days."""
    if first > last:
        raise BadRange("from", mark("The first day comes after the last."))
    if (last - first).days >= LONGEST:
        raise BadRange("from", mark("A report spans 731 days at most."))


# Reading the counts ---------------------------------------------------------------------------------------------------

def report(site_key: str, first: date, last: date) -> Report:
    """The report of a site over these days, both included; raises BadRange.

    Who may see it has been settled at the door: take the key from `sites.site_for`.
    """
    check_range(first, last)
    return Report(site_key, tuple(lines([site_key], first, last)))


def lines(site_keys: Iterable[str], first: date, last: date) -> list[Line]:
    """A line for each day, of all the sites together."""
    found = _counted("day", site_keys, first, last)
    days = (first + n * ONE_DAY for n in range((last - first).days + 1))
    return [Line(day, day, found.get(day, Counter())) for day in days]


def totals(site_keys: Iterable[str], first: date, last: date) -> dict[str, Line]:
    """The total of each of the sites over these days, in one query."""
    keys = list(site_keys)
    found = _counted("site", keys, first, last)
    return {key: Line(first, last, found.get(key, Counter())) for key in keys}


def _counted(
    by: str, site_keys: Iterable[str], first: date, last: date
) -> dict[Any, Counter[tuple[bool, str, str]]]:
    """The counts by `day` or by `site`."""
    table = DailyCount.__table__.c
    asked = table.site.in_(list(site_keys)) & table.day.between(first, last)
    plain = (table.bot, table.metric, table.value)
    sums = select(table[by], *plain, func.sum(table.n)).where(asked).group_by(table[by], *plain)
    found: dict[Any, Counter[tuple[bool, str, str]]] = {}
    for key, bot, metric, value, n in db.session.execute(sums.union_all(_unheard(by, asked))):
        found.setdefault(key, Counter())[bot, metric, value] += int(n)
    return found


def _unheard(by: str, asked: ColumnElement[bool]) -> Select[Any]:
    """The showings that were answered but not told of: the page's word that the banner was shown can get lost.

    An answer is sent again until it is stored, so what was answered was shown. By site and day, so that days add up to
    ranges and sites to groups.
    """
    table = DailyCount.__table__.c
    answers = (table.metric == "answered") & table.value.in_(("accept_all", "necessary_only", "custom"))
    missing = func.sum(case((table.metric == "answered", table.n), else_=-table.n)).label("missing")
    days = select(table.site, table.day, table.bot, missing).where(asked, (table.metric == "shown") | answers)
    each = days.group_by(table.site, table.day, table.bot).having(missing > 0).subquery().c
    sums = select(each[by], each.bot, literal("shown"), literal(""), func.sum(each.missing))
    return sums.group_by(each[by], each.bot)


# Forms ----------------------------------------------------------------------------------------------------------------

COLUMNS = (
    "from", "to", "shown", "answered", "ignored", "accept_all", "necessary_only", "custom", "withdrawn", "changed",
    "expired", *(f"granted_{category}" for category in OPTIONAL), "bots_shown", "bots_answered",
    "suspect_shown", "suspect_answered", "again", "visits", "imported", "recovered", "failed", "scaled",
)


def as_row(line: Line) -> dict[str, Any]:
    """The numbers of a line by the names of COLUMNS."""
    plain = {name: getattr(line, name) for name in COLUMNS if hasattr(line, name)}
    granted = {f"granted_{category}": line.granted(category) for category in OPTIONAL}
    values = {"from": line.first.isoformat(), "to": line.last.isoformat(), **plain, **granted}
    return {name: values[name] for name in COLUMNS}


def as_csv(lines: Iterable[Line]) -> str:
    """Comma-separated values after RFC 4180, with a header."""
    return to_csv([COLUMNS, *(list(as_row(line).values()) for line in lines)])


def to_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as comma-separated values that no spreadsheet takes for formulas."""
    out = io.StringIO()
    csv.writer(out).writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run it."""
    return text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%"))


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and is_formula(cell) else cell  # a quote in front makes it a text
