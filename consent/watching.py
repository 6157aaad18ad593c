"""What is looked for on a site every hour: the four kinds of alerts, each from counts that are kept anyway.

A line at which an alert begins is strict, and the one at which it is over lies well below it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consent import leaks
from consent.alerts import BANNER, RATE, RECORDS, UNKNOWN, Alert, ShownByHour, Verdict
from consent.db import db
from consent.gate import OPTIONAL
from consent.reports import ONE_DAY, Line, lines
from consent.scans import DONE, LOOK, Scan
from consent.shares import Share, difference
from consent.sites import Site
from consent.versions import Version
from consent.zones import day_of

MEASURES: Final = ("accept_all", *OPTIONAL)
BEFORE: Final = 28  # days that recent ones are held against
RECENT: Final = (1, 3, 7)  # complete days: as few as have showings enough
ENOUGH: Final = 200  # showings, below which no rate is judged
# Four measures are judged once a day. At this p chance alone falls below the line of one of them, on a site whose
# rate does not change, about once in fourteen years; five points beside it let pass what is real and small.
LEAST_LIKELY: Final = 0.0001
POINTS, POINTS_OVER = 0.05, 0.025
USUAL: Final = timedelta(days=28)  # what has been so for so long is how it is now

EXPECTED: Final = 50  # showings that there would have been, below which no silence is judged
SILENT, SPOKEN = 0.1, 0.5  # of what was expected: so little is as good as none, so much is as good as all
WEEKS, WEEKS_KNOWN = 4, 3
SPANS: Final = (3, 6, 24)  # hours

FAILED: Final = 5  # choices that could not be stored, in two days
LEAKED: Final = 10  # requests that were told of in a week: anybody can tell of a few
LEAKED_DAYS: Final = 7


@dataclass(frozen=True)
class Look:
    """A site, now. `days`: the lines of today (the last one) and of the days before it; `hours`: how often the banner
    had been shown by an hour of a day.
    """

    site: str
    today: date
    hour: int
    now: datetime
    days: Sequence[Line]
    hours: Mapping[tuple[date, int], int]

    @property
    def shown(self) -> int:
        """How often the banner was shown today, also again in the same visit."""
        return _showings(self.days[-1])

    def day(self, day: date) -> Line:
        """The line of a day of the last five weeks."""
        return self.days[(day - self.days[0].first).days]


def look_at(site: Site, where: ZoneInfo, now: datetime) -> Look:
    """What is known of a site now, in its organisation's days."""
    today = day_of(now, where)
    days = lines([site.key], today - (BEFORE + max(RECENT)) * ONE_DAY, today)
    weeks = [today - 7 * n * ONE_DAY for n in range(WEEKS + 1)]
    query = select(ShownByHour).where(ShownByHour.site == site.key, ShownByHour.day.in_(weeks))
    hours = {(row.day, row.hour): row.n for row in db.session.scalars(query)}
    return Look(site.key, today, now.astimezone(where).hour, now, days, hours)


def _showings(line: Line) -> int:
    return line.shown + line.again


# The rate fell --------------------------------------------------------------------------------------------------------

def rate(look: Look, last: Alert | None) -> Verdict:
    """Of the last complete days fewer agreed than of the 28 before: beyond chance, and by five points or more."""
    recent = _recent(look.days[:-1])
    if last is not None and last.cleared_at is None:
        return _rate_again(look, last, recent)
    if recent is None:
        return Verdict()
    first = look.days.index(recent[0])
    before, after = Line.together(look.days[first - BEFORE:first]), Line.together(recent)
    fallen = {name: (_share(before, name), _share(after, name)) for name in MEASURES}
    facts = {name: _told(*pair) for name, pair in fallen.items() if _has_fallen(*pair)}
    if not facts:
        return Verdict(over=True)
    return Verdict({"from": after.first.isoformat(), "to": after.last.isoformat(), "measures": facts})


def _rate_again(look: Look, alert: Alert, recent: Sequence[Line] | None) -> Verdict:
    """Against the same days as when it began: those that are low would soon be what is usual."""
    if look.now - alert.raised_at >= USUAL:
        return Verdict(over=True)
    if recent is None:
        return Verdict()
    after = Line.together(recent)
    risen = [_points(Share(*told["before"]), _share(after, name)) < POINTS_OVER
             for name, told in alert.facts["measures"].items()]
    return Verdict(over=all(risen))


def _recent(complete: Sequence[Line]) -> Sequence[Line] | None:
    found = (complete[-many:] for many in RECENT)
    return next((days for days in found if sum(line.shown for line in days) >= ENOUGH), None)


def _share(line: Line, name: str) -> Share:
    part = line.accept_all if name == "accept_all" else line.granted(name)
    spread = sum(n * int(weight) * (int(weight) - 1) for weight, n in line.sampled.items())
    return Share(part, line.shown, spread)


def _points(before: Share, after: Share) -> float:
    return (before.value or 0.0) - (after.value or 0.0)


def _has_fallen(before: Share, after: Share) -> bool:
    found = difference(before, after)
    if found is None or before.whole < ENOUGH:
        return False
    return -found.value >= POINTS and found.p < LEAST_LIKELY


def _told(before: Share, after: Share) -> dict[str, list[int]]:
    return {"before": [before.part, before.whole], "after": [after.part, after.whole]}


# The banner is not shown ----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Span:
    """A time until now, or yesterday: how often the banner was shown, and how often on this weekday otherwise."""

    since: int | None  # the hour of today with which it begins; None: it is yesterday
    seen: int
    expected: float


def banner(look: Look, last: Alert | None) -> Verdict:
    """In the last hours, or yesterday, the banner was hardly shown, though it was at this time of earlier weeks."""
    spans = [span for span in _spans(look) if span.expected >= EXPECTED] or _yesterday(look)
    if not spans:
        return Verdict()
    silent = next((span for span in spans if span.seen <= span.expected * SILENT), None)
    if silent is not None and last is not None and last.cleared_at is None:
        return Verdict(last.facts)  # as it was when it began
    if silent is not None:
        day = look.today if silent.since is not None else look.today - ONE_DAY
        return Verdict({"day": day.isoformat(), "since": silent.since, "seen": silent.seen,
                        "expected": round(silent.expected)})
    return Verdict(over=spans[0].seen >= spans[0].expected * SPOKEN)


def _spans(look: Look) -> list[Span]:
    """The last hours, the shortest time first. What was shown by then is known where somebody looked at that hour."""
    found = []
    for since in sorted({max(look.hour - hours, 0) for hours in SPANS}, reverse=True):
        seen, earlier = _grown(look, look.today, since, look.shown), []
        for week in range(1, WEEKS + 1):
            day = look.today - 7 * week * ONE_DAY
            earlier.append(_grown(look, day, since, look.hours.get((day, look.hour))))
        known = [n for n in earlier if n is not None]
        if seen is not None and len(known) >= WEEKS_KNOWN:
            found.append(Span(since, seen, median(known)))
    return found


def _grown(look: Look, day: date, since: int, until: int | None) -> int | None:
    start = look.hours.get((day, since)) if since else 0
    return None if start is None or until is None else max(until - start, 0)


def _yesterday(look: Look) -> list[Span]:
    """The last complete day, where the hours tell too little."""
    day = look.today - ONE_DAY
    weeks = [_showings(look.day(day - 7 * week * ONE_DAY)) for week in range(1, WEEKS + 1)]
    expected = median(weeks)
    if expected < EXPECTED or sum(n > 0 for n in weeks) < WEEKS_KNOWN:
        return []
    # Who shows it today as often as on a whole day is heard today.
    return [Span(None, max(_showings(look.day(day)), look.shown), expected)]


# Records fail ---------------------------------------------------------------------------------------------------------

def records(look: Look, last: Alert | None) -> Verdict:
    """Choices could not be stored when they came in, today or yesterday."""
    days = {line.first.isoformat(): line.failed for line in look.days[-2:] if line.failed}
    told: Mapping[str, int] = last.facts["days"] if last is not None else {}
    more = {day: n for day, n in days.items() if n > told.get(day, 0)}
    new = sum(n - told.get(day, 0) for day, n in more.items())
    is_open = last is not None and last.cleared_at is None
    if new >= FAILED or (is_open and new):
        return Verdict({"days": {**told, **days} if is_open else days})
    return Verdict(over=not new)


# Unknown trackers -----------------------------------------------------------------------------------------------------

def unknown(look: Look, last: Alert | None) -> Verdict:
    """A host or tracker in the newest scan that was not in the one before, or a tracker that visitors' browsers tell
    of and the version does not have.
    """
    newest, before = _reports(look.site)
    there = _strangers(newest)
    told = _told_of(look)
    if last is not None and last.cleared_at is None:
        return _unknown_again(look, last, there, told)
    new = there - _strangers(before) if newest is not None and before is not None else set()
    if last is not None:  # what was told is not told again: not from the same scan, nor what has become usual
        new -= there if newest is not None and last.facts["scan"] == newest.id else set()
        told -= set(last.facts["names"]) if last.cleared_at and last.cleared_at - last.raised_at >= USUAL else set()
    names = sorted(new | told)
    if not names:
        return Verdict(over=True)
    return Verdict({"names": names, "scan": newest.id if newest is not None else None})


def _unknown_again(look: Look, alert: Alert, there: set[str], told: set[str]) -> Verdict:
    """Over when none of them is there any more. What comes meanwhile is listed with them, and not told once more."""
    if look.now - alert.raised_at >= USUAL:
        return Verdict(over=True)
    left = set(alert.facts["names"]) & (there | told)
    if not left:
        return Verdict(over=True)
    return Verdict({**alert.facts, "names": sorted(set(alert.facts["names"]) | told)})


def _reports(site: str) -> tuple[Scan | None, Scan | None]:
    """The two newest looks at the site that came to their end."""
    query = select(Scan).where(Scan.site == site, Scan.kind == LOOK, Scan.state == DONE, Scan.report.is_not(None))
    found = list(db.session.scalars(query.order_by(Scan.begun_at.desc(), Scan.id.desc()).limit(2)))
    return (*found, None, None)[:2]  # type: ignore[return-value]  # two of them


def _strangers(scan: Scan | None) -> set[str]:
    """The hosts of a report that nobody knows, and the trackers that the site does not name."""
    if scan is None or scan.report is None:
        return set()
    hosts = {one["name"] for one in scan.report["unknown"] if one["what"] == "host"}
    return hosts | {one["tracker"] for one in scan.report["proposals"]}


def _told_of(look: Look) -> set[str]:
    mine = select(Version.snapshot).join(Site, (Site.key == Version.site) & (Site.current == Version.number))
    snapshot = db.session.scalar(mine.where(Site.key == look.site))
    known = {row["id"] for row in json.loads(snapshot)["trackers"]} if snapshot else set()
    counted: dict[str, int] = {}
    first = (look.now.astimezone(UTC) - (LEAKED_DAYS - 1) * ONE_DAY).date()
    for row in leaks.by_tracker(look.site, first):
        counted[row.tracker] = counted.get(row.tracker, 0) + row.n
    return {tracker for tracker, n in counted.items() if n >= LEAKED and tracker not in known}


Check = Callable[[Look, Alert | None], Verdict]
CHECKS: Final[dict[str, Check]] = {RATE: rate, BANNER: banner, RECORDS: records, UNKNOWN: unknown}
