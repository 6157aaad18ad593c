"""What a page of a report is made of: its charts, what marks them, and the words for its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from flask_babel import format_date, format_decimal, get_locale, gettext

from consent import reports, suppression
from consent.annotations import SPAN, Annotation, Effect, annotations, effects
from consent.breakdowns import Figures
from consent.charts import Chart, Mark, Series
from consent.gate import OPTIONAL
from consent.marks import mark
from consent.reports import Line
from consent.shares import Share, difference

BY_DAY: Final = 62  # more days than this are shown by week
SIGNS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHARTS: Final = ("answers", "allowed")

NAMES: Final[Mapping[str, str]] = {
    "shown": mark("Shown"), "answered": mark("Answered"), "ignored": mark("Ignored"),
    "accept_all": mark("Accepted all"), "necessary_only": mark("Necessary only"), "custom": mark("Own choice"),
    "functional": mark("Functional"), "analytics": mark("Analytics"), "marketing": mark("Marketing"),
}
DIMENSIONS: Final[Mapping[str, str]] = {
    "device": mark("Device"), "browser": mark("Browser"), "system": mark("System"), "language": mark("Language"),
    "page_group": mark("Page group"), "version": mark("Version"), "gpc": mark("Global Privacy Control"),
    "variant": mark("Variant"), "took": mark("Time to answer"), "source": mark("Where it was chosen"),
}
_BUCKETS: Final[Mapping[tuple[str, str], str]] = {
    ("device", "desktop"): mark("Computer"), ("device", "mobile"): mark("Phone"), ("device", "tablet"): mark("Tablet"),
    ("device", "other"): mark("Something else"), ("language", "nl"): mark("Dutch"), ("language", "en"): mark("English"),
    ("page_group", ""): mark("without a group"), ("gpc", "on"): mark("on"), ("gpc", "off"): mark("off"),
    ("took", "0"): mark("under 2 seconds"), ("took", "1"): mark("2 to 5 seconds"),
    ("took", "2"): mark("5 to 10 seconds"), ("took", "3"): mark("10 to 30 seconds"),
    ("took", "4"): mark("30 seconds to a minute"),
    ("took", "5"): mark("1 to 5 minutes"), ("took", "6"): mark("longer than 5 minutes"),
    ("source", "banner"): mark("in the banner"), ("source", "settings"): mark("in the settings"),
    ("source", "api"): mark("by the site itself"), ("source", "import"): mark("taken over from another platform"),
}


def bucket_name(dimension: str, bucket: str) -> str:
    """What a part of the traffic is called, for a reader."""
    if bucket == suppression.OTHER:
        return str(gettext("Others"))
    if dimension == "version":
        return str(gettext("Version %(number)s", number=bucket))
    known = _BUCKETS.get((dimension, bucket))
    return str(gettext(known)) if known else bucket


@dataclass(frozen=True)
class Columns:
    """The columns of the charts and the lines of the table: days, or weeks where there are many."""

    lines: Sequence[Line]
    by_week: bool
    marks: Sequence[Annotation]

    def at(self, day: date) -> int:
        """The column that a day is in."""
        return next(number for number, line in enumerate(self.lines) if line.first <= day <= line.last)


def columns(found: Figures, where: ZoneInfo) -> Columns:
    """The columns of these figures, and what happened in them."""
    by_week = len(found.days) > BY_DAY
    lines = reports.weeks(found.days) if by_week else list(found.days)
    return Columns(lines, by_week, annotations(found.sites, found.first, found.last, where))


def sign(number: int) -> str:
    """The letter of the so-manieth mark: A to Z, then from A again."""
    return SIGNS[number % len(SIGNS)]


def chart(name: str, found: Columns) -> Chart:
    """One of CHARTS, in the reader's language."""
    if name == "answers":
        title = gettext("Answers to the banner by week") if found.by_week else gettext("Answers to the banner by day")
        series = [_series(part, [getattr(line, part) for line in found.lines])
                  for part in ("accept_all", "custom", "necessary_only", "ignored")]
    else:
        title = gettext("What was allowed, of the shown banners")
        series = [_series(category, [line.granted(category) / line.shown if line.shown else None
                                     for line in found.lines]) for category in OPTIONAL]
    marks = tuple(Mark(found.at(one.day), sign(number), f"{sign(number)}: {what(one)}")
                  for number, one in enumerate(found.marks))
    return Chart(
        str(title), tuple(_label(line, found.by_week) for line in found.lines),
        tuple(format_date(line.first, "d MMM") for line in found.lines), tuple(series),
        "bars" if name == "answers" else "lines", "" if name == "answers" else "%", marks, str(get_locale()))


def _series(name: str, values: Sequence[float | None]) -> Series:
    return Series(str(gettext(NAMES[name])), tuple(values), name)


def _label(line: Line, by_week: bool) -> str:
    if by_week:
        return f"{format_date(line.first, 'd MMM')} – {format_date(line.last, 'd MMM y')}"
    return str(format_date(line.first, "EEEE d MMMM"))


def what(one: Annotation) -> str:
    """What happened, in words."""
    return str(gettext("version %(number)s published", number=one.text)) if one.kind == "version" else one.text


def compare(before: Share | None, after: Share) -> str:
    """How a share stands against another one, in words: how many points, or that chance explains it."""
    gap = difference(before, after) if before else None
    if gap is None:
        return str(gettext("nothing to compare with"))
    if not gap.is_beyond_chance:
        return str(gettext("no difference to be seen"))
    points = format_decimal(abs(100 * gap.value), format="#,##0.0")
    low, high = (format_decimal(100 * end, format="#,##0.0") for end in (gap.low, gap.high))
    chance = format_decimal(max(gap.p, 0.001), format="0.000")
    said = gettext("%(points)s points higher", points=points) if gap.value > 0 else gettext(
        "%(points)s points lower", points=points)
    return f"{said} ({low} … {high}; p {'≤' if gap.p <= 0.001 else '='} {chance})"


def changes(found: Figures, marks: Sequence[Annotation], name: str, today: date) -> list[Effect]:
    """What the share `name` did around each mark; days next to the range are read too."""
    first, last = found.first - timedelta(days=SPAN), min(found.last + timedelta(days=SPAN), today)
    if not marks or (last - first).days >= reports.LONGEST:
        return []
    around = {line.first: line for line in reports.lines(found.sites, first, last)}
    return effects(marks, around, name, today - timedelta(days=1))
