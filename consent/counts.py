"""Daily counts, kept with the records in the same commit: what the reports read, never the records themselves.

Days are the organisation's days (zones.py). A banner that was shown before midnight and answered after it counts on the
day it was shown. `daily_count` has the totals; `people` and bots are counted apart. Its metrics:
    shown                the banner appeared, for the first time in a visit
    again                it appeared again in the same visit, on another page
    answered, ACTION     a decision made in the banner: accept_all, necessary_only or custom
    granted, CATEGORY    the category was granted in such a decision
    changed, ACTION      a decision made later, in the settings or through the API
    imported, ACTION     a decision that another platform was told before, taken over
    withdrawn            everything was taken back
    expired              a consent's time ended; on the day that it did, counted by a job
    recovered, ACTION    a decision of lost hours, back from its receipt; what it was counted as then is lost with them
    visit                somebody who had chosen before began a visit (sites with `count_visits`)
    failed               a decision could not be stored when it came in; counted once something could be stored again
    suspect, WHAT        what is in doubt (quality.py) and in nothing else here: shown, again, visit, the ACTION of an
                         answer in the banner, or changed or withdrawn
    sampled, WEIGHT      a showing or visit that counts for so many, the others having been left out (quality.py)

`daily_slice` has the same of parts of the traffic: showings and answers in the banner by DIMENSIONS. Bots are in none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date
from functools import cache, lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Date, String
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import add_values, db
from consent.gate import OPTIONAL

# What a slice can be of; its buckets are the values. `variant` counts every showing, `source` every decision.
#   on, off              VERSION:TRACKER, an own choice that names the tracker; the categories tell what they allowed
#   variant_took         EXPERIMENT:VARIANT:BAND, answers by how long a variant was looked at
#   withdrawn            withdrawals by the variant that the page showed; how many is in `shown`
#   visit                a visit of somebody who had chosen, by version; visit_on, visit_off as on and off
DIMENSIONS = (
    "device", "browser", "system", "language", "page_group", "version", "gpc", "variant", "took", "source",
    "variant_took", "withdrawn", "on", "off", "visit", "visit_on", "visit_off",
)
COUNTERS = ("shown", "accept_all", "necessary_only", "custom", *OPTIONAL)
VISIT, SUSPECT, SAMPLED = "visit", "suspect", "sampled"

# Times to answer, in milliseconds: band 0 is under two seconds, band 6 is five minutes and more.
BANDS = (0, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)


class DailyCount(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """How often something happened on a site on a day."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    bot: Mapped[bool] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class DailySlice(db.Model):  # type: ignore[name-defined, misc]  # as above
    """How often the banner was shown and answered in a part of a site's traffic on a day."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    dimension: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    bucket: Mapped[str] = mapped_column(String(80), primary_key=True)
    shown: Mapped[int] = mapped_column(BigInteger)
    accept_all: Mapped[int] = mapped_column(BigInteger)
    necessary_only: Mapped[int] = mapped_column(BigInteger)
    custom: Mapped[int] = mapped_column(BigInteger)
    functional: Mapped[int] = mapped_column(BigInteger)  # answers that granted the category, as the two below
    analytics: Mapped[int] = mapped_column(BigInteger)
    marketing: Mapped[int] = mapped_column(BigInteger)


class Tally(NamedTuple):
    """One thing that happened; the key of a DailyCount."""

    site: str
    day: date
    bot: bool
    metric: str
    value: str


class Slice(NamedTuple):
    """One thing that happened in a part of the traffic. `outcome`: what it adds to the counters of a DailySlice, as
    "shown", "accept_all+functional+analytics+marketing" or, of a visit, "shown+analytics".
    """

    site: str
    day: date
    dimension: str
    bucket: str
    outcome: str


Tallies = list[Tally | Slice]
Counted = Counter[Tally | Slice]


def band(took: int) -> int:
    """The band of BANDS that so many milliseconds fall into."""
    return next((n for n, (low, high) in enumerate(pairwise(BANDS)) if low <= took < high), len(BANDS) - 1)


def of_event(event: Mapping[str, Any]) -> Tallies:
    """What a shown banner adds, or a visit begun: an event as EventSchema has it, with site, agent, gpc, counted_on."""
    site, day, bot = event["site"], event["counted_on"], event["bot"]
    metric = VISIT if event["type"] == VISIT else "again" if event["again"] else "shown"
    found: Tallies = [Tally(site, day, bot, metric, "")]
    if not bot:
        parts = _of_visit(event) if metric == VISIT else _of_showing(event, metric == "again")
        found += [Slice(site, day, *part) for part in parts]
    return found


def _of_showing(event: Mapping[str, Any], again: bool) -> Iterator[tuple[str, str, str]]:
    """Dimension, bucket and outcome. A variant is drawn for each showing, so each counts."""
    for dimension, bucket in _parts(event):
        if not again or dimension == "variant":
            yield dimension, bucket, "shown"


def _of_visit(event: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    outcome = _outcome("shown", event["choices"])
    yield VISIT, str(event["version"]), outcome
    for name, choice in event["trackers"].items():
        yield "visit_on" if choice else "visit_off", f"{event['version']}:{name}", outcome


def of_record(row: Mapping[str, Any]) -> Tallies:
    """What a record adds. Rows that know whether they are in doubt have `suspect` (suspects.py); others are not."""
    site, day, bot, action = row["site"], _day(row), row["bot"], row["action"]
    found: Tallies = [Tally(site, day, bot, *metric) for metric in _metrics(row)]
    if row.get("suspect"):
        return [*apart(found)]
    if bot or row["source"] == "recovered":
        return found
    if action == "withdraw":
        return [*found, Slice(site, day, "withdrawn", row["variant"], "shown")] if row["variant"] else found
    outcome = _outcome(action, row["choices"])
    found.append(Slice(site, day, "source", row["source"], outcome))
    if row["source"] == "banner":
        found += [Slice(site, day, dimension, bucket, outcome) for dimension, bucket in _parts(row)]
        if row["took"] is not None:
            found.append(Slice(site, day, "took", str(row["took"]), outcome))
            if row["variant"]:
                found.append(Slice(site, day, "variant_took", f"{row['variant']}:{row['took']}", outcome))
        if action == "custom":
            found += [Slice(site, day, "on" if choice else "off", f"{row['version']}:{name}", outcome)
                      for name, choice in row["trackers"].items()]
    return found


def apart(tallies: Iterable[Tally | Slice]) -> list[Tally]:
    """What is counted instead of these, of one record or of one event, when it is in doubt."""
    site, day, bot, metric, value = next(one for one in tallies if isinstance(one, Tally))
    return [Tally(site, day, bot, SUSPECT, value if metric == "answered" else metric)]


def _day(row: Mapping[str, Any]) -> date:
    found: date = row["counted_on"] or row["recorded_at"].astimezone(UTC).date()
    return found


def _metrics(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The totals that a record adds to: metric and value."""
    action, source = row["action"], row["source"]
    if source == "recovered":
        return [("recovered", action)]
    if action == "withdraw":
        return [("withdrawn", "")]
    if source == "import":
        return [("imported", action)]
    if source != "banner":
        return [("changed", action)]
    return [("answered", action), *(("granted", name) for name, choice in row["choices"].items() if choice)]


def _parts(seen: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parts of the traffic that a showing or an answer belongs to."""
    found = [
        ("device", seen["device"]), ("browser", seen["browser"]), ("system", seen["os"]),
        ("language", seen["language"]), ("page_group", seen["page_group"] or ""), ("version", str(seen["version"])),
        ("gpc", "on" if seen["gpc"] else "off"),
    ]
    return [*found, ("variant", seen["variant"])] if seen["variant"] else found


def _outcome(action: str, choices: Mapping[str, bool]) -> str:
    return "+".join([action, *(name for name in OPTIONAL if choices[name])])


# Rows -----------------------------------------------------------------------------------------------------------------

@cache
def _counters(outcome: str) -> tuple[int, ...]:
    """What one of this outcome adds to each of COUNTERS."""
    names = outcome.split("+")
    return tuple(int(name in names) for name in COUNTERS)


def rows(found: Counted) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows for `daily_count` and those for `daily_slice`."""
    totals, slices = _sums(found)
    names = ("site", "dimension", "day", "bucket", *COUNTERS)
    return ([dict(zip((*Tally._fields, "n"), row, strict=True)) for row in totals],
            [dict(zip(names, row, strict=True)) for row in slices])


def _sums(found: Counted) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The same as values in the order of the columns. This runs for every batch that is committed."""
    totals: list[tuple[Any, ...]] = []
    slices: dict[tuple[str, str, date, str], tuple[int, ...]] = {}
    for key, n in found.items():
        if isinstance(key, Tally):
            totals.append((*key, n))
            continue
        site, day, dimension, bucket, outcome = key
        row = (site, dimension, day, bucket)
        old, one = slices.get(row, _NONE), _counters(outcome)
        slices[row] = tuple([a + b * n for a, b in zip(old, one, strict=True)])
    return totals, [(*key, *sums) for key, sums in slices.items()]


_NONE = (0,) * len(COUNTERS)


def weighed(tallies: Tallies, weight: int) -> list[Tallies]:
    """So many times what one event adds that stands for others, which were left out; the first notes that it was so."""
    first = tallies[0]
    if weight == 1 or not isinstance(first, Tally) or first.bot or first.metric == SUSPECT:
        return [tallies] * weight
    return [[*tallies, Tally(first.site, first.day, False, SAMPLED, str(weight))], *[tallies] * (weight - 1)]


def add(connection: Connection, found: Counted) -> None:
    """Add so many of each to the counts; fewer than none are taken off."""
    totals, slices = _sums(found)
    add_values(connection, DailyCount.__table__, totals)
    add_values(connection, DailySlice.__table__, slices)


# On the way in --------------------------------------------------------------------------------------------------------

_KIND = (
    "site", "version", "action", "source", "language", "gpc", "page_group", "browser", "os", "device", "bot", "took",
    "variant",
)
_kind = itemgetter(*_KIND)


def of_new(row: Mapping[str, Any]) -> Tallies:
    """As `of_record`. Decisions are much alike: what one of its kind adds is made out once a day (2 against 9 µs)."""
    return list(_of_kind(_kind(row), _day(row), tuple(row["choices"].items()), tuple(row["trackers"].items())))


@lru_cache(maxsize=4_096)
def _of_kind(
    kind: tuple[Any, ...], day: date, choices: tuple[tuple[str, bool], ...], trackers: tuple[tuple[str, bool], ...]
) -> Tallies:
    said = {"counted_on": day, "choices": dict(choices), "trackers": dict(trackers)}
    return of_record({**dict(zip(_KIND, kind, strict=True)), **said})
