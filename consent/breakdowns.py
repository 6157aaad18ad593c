"""What visitors chose, by part of the traffic and by tracker, over a range of days of one site or of several.

Read from the daily counts alone: three statements whatever the range, and the snapshots of versions, which are kept.
A banner that was answered was shown, also when the page's word of that was lost: so each day and part was shown at
least as often as it was answered, shown is always answered and ignored together, and days add up to ranges.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, case, func, select, tuple_

from consent import suppression
from consent.counts import COUNTERS, DailySlice
from consent.db import db
from consent.gate import OPTIONAL
from consent.reports import Line, check_range, lines
from consent.shares import Share, Z
from consent.suppression import Table
from consent.versions import Version, published

PARTS = ("device", "browser", "system", "language", "page_group", "version", "gpc", "variant", "took", "source")
ANSWERS = ("accept_all", "necessary_only", "custom")
_OF_TRACKERS = ("version", "on", "off", "visit", "visit_on", "visit_off")
_UNSHOWN = ("took", "source")  # of these there are answers alone


@dataclass(frozen=True)
class Part:
    """A part of the traffic: its name in its dimension, and how often each of counts.COUNTERS."""

    bucket: str
    n: Counter[str] = field(default_factory=Counter)

    @property
    def shown(self) -> int:
        """How often the banner appeared there; of a dimension that has answers alone, those."""
        return self.n["shown"]

    @property
    def answered(self) -> int:
        """How often it was answered."""
        return sum(self.n[name] for name in ANSWERS)

    @property
    def ignored(self) -> int:
        """How often it was not."""
        return self.shown - self.answered

    def share(self, name: str) -> Share:
        """The share of the showings that was `answered`, `ignored`, an action of ANSWERS, or granted a category."""
        part = self.answered if name == "answered" else self.ignored if name == "ignored" else self.n[name]
        return Share(part, self.shown)


@dataclass(frozen=True)
class TrackerShare:
    """How much of the traffic a tracker may see. `asked`: of the visits in which the banner was shown. `returning`: of
    the visits of people who had chosen before; counted on sites with `count_visits` alone.
    """

    id: str
    name: str
    category: str
    asked: Share
    returning: Share

    @property
    def seen(self) -> Share:
        """Both together."""
        return self.asked + self.returning


@dataclass(frozen=True)
class Figures:
    """All that a report shows of these sites and days. `spread`: of what was scaled up from samples (shares.Share)."""

    sites: tuple[str, ...]
    days: tuple[Line, ...]
    parts: Mapping[str, Sequence[Part]]
    trackers: Sequence[TrackerShare]
    spread: float

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

    @property
    def shown_error(self) -> int:
        """By how much `shown` can be off, with 95 % certainty: 0 unless showings were sampled."""
        return round(Z * math.sqrt(self.spread))

    def table(self, dimension: str) -> Table:
        """A dimension of PARTS as it may be told: with no small cells (suppression.py). Whoever shows parts takes this.
        """
        groups = {part.bucket: part.n for part in self.parts[dimension]}
        return suppression.table(groups, suppression.ANSWERS if dimension in _UNSHOWN else suppression.OUTCOMES)

    def share(self, name: str) -> Share:
        """The share of the showings: `answered`, `ignored`, an action of ANSWERS, or a category that was granted.

        `suspect`: of all showings but the bots', those in doubt. They are in none of the others.
        """
        total = self.total
        if name == "suspect":
            doubtful = max(total.suspect_shown, total.suspect_answered)
            return Share(doubtful, total.shown + doubtful, self.spread)
        return Share(total.granted(name) if name in OPTIONAL else getattr(total, name), total.shown, self.spread)


def figures(sites: Iterable[str], first: date, last: date, parts: Collection[str] = PARTS) -> Figures:
    """The figures of these sites over these days, both included; raises reports.BadRange. `parts`: which of PARTS are
    wanted, for the more are read the longer it takes.

    Who may see them has been settled at the door.
    """
    check_range(first, last)
    keys = tuple(sites)
    days = lines(keys, first, last)
    cells = _cells(keys, first, last, parts)
    spread = sum(n * int(weight) * (int(weight) - 1) for line in days for weight, n in line.sampled.items())
    return Figures(keys, tuple(days), _parts(cells, parts), _trackers(cells, spread), spread)


def before(found: Figures) -> Figures:
    """The figures of as many days as these are, right before them, with the same parts."""
    days = timedelta(days=len(found.days))
    return figures(found.sites, found.first - days, found.last - days, tuple(found.parts))


Cells = Mapping[str, Mapping[tuple[str, str], Counter[str]]]  # dimension, site and bucket, counters


def _cells(sites: Sequence[str], first: date, last: date, parts: Collection[str]) -> Cells:
    found: dict[str, dict[tuple[str, str], Counter[str]]] = defaultdict(dict)
    for row in db.session.execute(_query(sites, first, last, {*parts, *_OF_TRACKERS})):
        counters = Counter({name: int(getattr(row, name)) for name in COUNTERS})
        if row.dimension in _UNSHOWN:
            counters["shown"] = sum(counters[name] for name in ANSWERS)
        found[row.dimension][row.site, row.bucket] = counters
    return found


def _query(sites: Sequence[str], first: date, last: date, dimensions: Collection[str]) -> Select[Any]:
    table = DailySlice.__table__.c
    answered = table.accept_all + table.necessary_only + table.custom
    shown = case((table.shown < answered, answered), else_=table.shown)
    sums = [func.sum(shown if name == "shown" else table[name]).label(name) for name in COUNTERS]
    query = select(table.site, table.dimension, table.bucket, *sums)
    # The dimensions are named so that the database finds the days in its index.
    query = query.where(table.site.in_(sites), table.dimension.in_(sorted(dimensions)), table.day.between(first, last))
    return query.group_by(table.site, table.dimension, table.bucket)


def _parts(cells: Cells, wanted: Collection[str]) -> dict[str, list[Part]]:
    """Each dimension's parts, the largest first; versions of several sites stay apart as `site:3`."""
    several = len({site for rows in cells.values() for site, _ in rows}) > 1
    found: dict[str, list[Part]] = {}
    for dimension in (name for name in PARTS if name in wanted):
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for (site, bucket), counters in cells.get(dimension, {}).items():
            sums[f"{site}:{bucket}" if several and dimension in ("version", "variant") else bucket].update(counters)
        parts = [Part(bucket, counters) for bucket, counters in sums.items()]
        found[dimension] = sorted(parts, key=lambda part: (-part.shown, part.bucket))
    return found


# What each tracker sees -----------------------------------------------------------------------------------------------

def _trackers(cells: Cells, spread: float) -> list[TrackerShare]:
    """The trackers of the versions that were shown, those that see most first.

    A version without the tracker says nothing of it: its showings are not in the whole.
    """
    shown, visits = cells.get("version", {}), cells.get("visit", {})
    rules = _rules({*shown, *visits})
    everything = sum(counters["shown"] for counters in shown.values())
    found: dict[str, TrackerShare] = {}
    for key in sorted(rules, key=lambda key: int(key[1])):
        for rule in rules[key]:
            asked = _seen(cells, ("on", "off", "custom"), key, rule, shown.get(key, Counter()))
            returning = _seen(cells, ("visit_on", "visit_off", "shown"), key, rule, visits.get(key, Counter()))
            share = Share(asked.part, asked.whole, spread * asked.whole / everything if everything else 0.0)
            old = found.get(rule.id)
            found[rule.id] = TrackerShare(
                rule.id, rule.name, rule.category, old.asked + share if old else share,
                old.returning + returning if old else returning)
    return sorted(found.values(), key=lambda one: (-(one.seen.value or 0), one.id))


@dataclass(frozen=True)
class _Rule:
    id: str
    name: str
    category: str
    asked: bool


def _seen(
    cells: Cells, own: tuple[str, str, str], key: tuple[str, str], rule: _Rule, counters: Counter[str]
) -> Share:
    """Of the showings (or visits) with this version, those whose choice lets the tracker load.

    `own`: the dimensions of choices that name it, yes and no, and the counter that says how many there are.
    """
    whole = counters["shown"]
    if not rule.asked:
        return Share(whole, whole)
    site, version = key
    on, off, many = own
    plus, minus = (cells.get(name, {}).get((site, f"{version}:{rule.id}"), Counter()) for name in (on, off))
    granted = counters[rule.category] + plus[many] - plus[rule.category] - minus[rule.category]
    return Share(min(granted, whole), whole)


def _rules(keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[_Rule, ...]]:
    """The trackers of each version: site and number."""
    wanted = [(site, int(number)) for site, number in keys]
    query = select(Version.site, Version.number, Version.digest).where(tuple_(Version.site, Version.number).in_(wanted))
    return {(row.site, str(row.number)): _rules_of(row.site, row.number, row.digest)
            for row in (db.session.execute(query) if wanted else ())}


@lru_cache(maxsize=2_048)
def _rules_of(site: str, number: int, digest: str) -> tuple[_Rule, ...]:
    """Of one version; it never changes, so it is read once."""
    mine = select(Version.__table__).where(Version.site == site, Version.number == number)
    version = published(db.session.execute(mine).one())
    asked = version.asked
    return tuple(_Rule(one["id"], one["name"], one["category"], one["id"] in asked)
                 for one in version.snapshot["trackers"])
