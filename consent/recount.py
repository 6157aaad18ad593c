"""The daily counts once more, from what they are of: the records, and what records counted that are gone (gone.py).

A site's days are compared a few at a time, all as of one moment: what the counts should be, and what they are. Whoever
records a decision or deletes one changes both alike and in one commit, so the difference is right at any later moment
too, and adding it to the counts is all that has to be written: nobody waits while the records are read, and nothing
that comes in meanwhile is lost or counted twice. A day is mended in one commit; done again, or after a kill, there is
no difference left.

What has no record stays as it is: showings, visits, samples, failures. So does `expired`: its job counts each end once,
and whether a consent that is gone by now had been replaced before its end, nobody knows any more.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Table, Text, case, cast, func, or_, select, type_coerce
from sqlalchemy.engine import Connection, Engine, RowMapping

from consent import batches, counts, rights, suspects
from consent.counts import COUNTERS, DailyCount, DailySlice
from consent.db import DAY_US, add_up, alone, writing_on
from consent.gone import GONE_COUNT, GONE_SLICE
from consent.records import Record
from consent.runs import JobLock

LOCK: Final = "recount"
DAYS: Final = 14  # read at once; the records around them are read too, for three days more
ONE_DAY: Final = timedelta(days=1)
EPOCH: Final = date(1970, 1, 1)
# A decision is stored at the end of its day's last hour in the west, or a day after the page was opened; or before its
# day began in UTC, in the east.
EARLY: Final = timedelta(hours=14)
LATE: Final = timedelta(hours=12 + 24)

# What records count. The rest of the metrics and COUNTERS is of showings and visits.
METRICS: Final = ("answered", "granted", "changed", "imported", "withdrawn", "recovered")
OF_EVENTS: Final = ("shown", "again", counts.VISIT)  # of what is suspect
OF_VISITS: Final = (counts.VISIT, "visit_on", "visit_off")
_OF_RECORDS: Final = COUNTERS[1:]


class Busy(Exception):
    """Another recount is at work; two at a time would add the same difference twice."""


class Cell(NamedTuple):
    """One number of a DailySlice."""

    site: str
    day: date
    dimension: str
    bucket: str
    counter: str


Cells = Counter[counts.Tally | Cell]


class Span(NamedTuple):
    """Days of a site, both included."""

    site: str
    first: date
    last: date


@contextmanager
def only_one(engine: Engine) -> Iterator[None]:
    """Nobody else recounts until the end of the block; raises Busy."""
    with alone(engine, JobLock.__table__, LOCK) as mine:
        if not mine:
            raise Busy
        yield


def spans(engine: Engine, site: str, first: date | None = None, last: date | None = None) -> Iterator[Span]:
    """The days of the site on which anything was recorded or counted, in parts to recount one by one."""
    with engine.connect() as connection:
        found = [day for day in _ends(connection, site) if day is not None]
    if not found:
        return
    low, end = max(min(found), first or date.min), min(max(found), last or date.max)
    while low <= end:
        yield Span(site, low, min(low + (DAYS - 1) * ONE_DAY, end))
        low += DAYS * ONE_DAY


def _ends(connection: Connection, site: str) -> Iterator[date | None]:
    """The first and the last day of each table."""
    at = Record.__table__.c.recorded_at
    for end, edge in ((func.min, -2 * ONE_DAY), (func.max, ONE_DAY)):
        moment = connection.scalar(select(end(at)).where(Record.__table__.c.site == site))
        yield moment and moment.date() + edge
        for table in (DailyCount.__table__, DailySlice.__table__, GONE_COUNT, GONE_SLICE):
            yield connection.scalar(select(end(table.c.day)).where(table.c.site == site))


def differences(engine: Engine, span: Span) -> Cells:
    """What the counts of these days lack, or have too many of (less than nought); nothing when they agree."""
    with _snapshot(engine) as connection:
        found = _cells(*counts.rows(_recorded(connection, span)))
        found.update(_stored(connection, GONE_COUNT, GONE_SLICE, span))
        for tallies in rights.taken_off(connection, span.site):
            found.subtract(_cells(*counts.rows(_within(tallies, span))))
        found.subtract(_stored(connection, DailyCount.__table__, DailySlice.__table__, span))
    return Counter({cell: n for cell, n in found.items() if n})


def mend(engine: Engine, found: Cells) -> None:
    """Add the differences to the counts, day by day; on the oldest first, so that one can go on where this ended."""
    for day in sorted({cell.day for cell in found}):
        totals, slices = _rows({cell: n for cell, n in found.items() if cell.day == day})
        with writing_on(engine) as connection:
            add_up(connection, DailyCount.__table__, totals)
            add_up(connection, DailySlice.__table__, slices)


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """To read everything as it is at one moment. SQLite does so in every transaction."""
    is_postgresql = engine.dialect.name == "postgresql"
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if is_postgresql else {}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if is_postgresql:
            # Nobody waits for it, all of it is read, and groups are fewer than they look: to compile would take longer.
            connection.exec_driver_sql(
                "SET LOCAL statement_timeout = 0; SET LOCAL cursor_tuple_fraction = 1; SET LOCAL jit = off; "
                "SET LOCAL work_mem = '64MB'")
        yield connection


# What the records count -----------------------------------------------------------------------------------------------

_RECORD = Record.__table__.c
_ALIKE = tuple(_RECORD[name] for name in (
    "version", "action", "source", "language", "gpc", "page_group", "browser", "os", "device", "bot", "took", "variant",
    "counted_on"))
_JSON = tuple(cast(_RECORD[name], Text).label(name) for name in ("choices", "trackers"))
# Of a record from before there was `counted_on`.
_DAY = case((_RECORD.counted_on.is_(None), type_coerce(_RECORD.recorded_at, BigInteger) // DAY_US)).label("utc_day")


def _recorded(connection: Connection, span: Span) -> counts.Counted:
    """What the records of these days count. Read by the database in groups that count alike."""
    number = func.count().label("number")
    query = select(*_ALIKE, *_JSON, _DAY, number).where(*_here(span)).group_by(*_ALIKE, *_JSON, _DAY)
    found: counts.Counted = Counter()
    for row in connection.execute(query.execution_options(yield_per=batches.MOST)).mappings():
        for one in counts.of_record(_as_record(row, span.site)):
            found[one] += row["number"]
    found.update(_doubted(connection, span))
    return found


def _doubted(connection: Connection, span: Span) -> counts.Counted:
    """What it changes that some of them are in doubt."""
    mine = (suspects.MARKS.c.site == _RECORD.site) & (suspects.MARKS.c.id == _RECORD.id)
    query = select(Record.__table__).join(suspects.MARKS, mine).where(*_here(span))
    rows = connection.execute(query.execution_options(yield_per=batches.MOST)).mappings()
    return suspects.moved(counts.of_record(dict(row)) for row in rows)


def _here(span: Span) -> tuple[Any, ...]:
    first, last = (datetime.combine(day, time(), UTC) for day in (span.first, span.last + ONE_DAY))
    at = _RECORD.recorded_at
    day = or_(_RECORD.counted_on.between(span.first, span.last),
              _RECORD.counted_on.is_(None) & (at >= first) & (at < last))
    return _RECORD.site == span.site, at >= first - EARLY, at < last + LATE, day


def _as_record(row: RowMapping, site: str) -> dict[str, Any]:
    day = EPOCH + row["utc_day"] * ONE_DAY if row["counted_on"] is None else row["counted_on"]
    return {**row, "site": site, "choices": _parsed(row["choices"]), "trackers": _parsed(row["trackers"]),
            "counted_on": day}


@lru_cache(maxsize=1_024)
def _parsed(text: str) -> Mapping[str, bool]:
    """What visitors choose is much alike."""
    found: dict[str, bool] = json.loads(text)
    return found


def _within(tallies: counts.Counted, span: Span) -> counts.Counted:
    return Counter({one: n for one, n in tallies.items() if span.first <= one.day <= span.last})


# Numbers one by one, so that they can be taken from each other --------------------------------------------------------

def _stored(connection: Connection, totals: Table, slices: Table, span: Span) -> Cells:
    """What these tables have of records."""
    return _cells(_read(connection, totals, span, of_records(totals)),
                  _read(connection, slices, span, slices.c.dimension.not_in(OF_VISITS)))


def of_records(totals: Table) -> ColumnElement[bool]:
    """The condition that a total is of records."""
    return totals.c.metric.in_(METRICS) | (totals.c.metric == counts.SUSPECT) & totals.c.value.not_in(OF_EVENTS)


def _read(
    connection: Connection, table: Table, span: Span, which: ColumnElement[bool]
) -> Iterator[dict[str, Any]]:
    query = select(table).where(table.c.site == span.site, table.c.day.between(span.first, span.last), which)
    return (dict(row) for row in connection.execute(query).mappings())


def _cells(totals: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]]) -> Cells:
    found: Cells = Counter()
    for row in totals:
        found[counts.Tally(*(row[name] for name in counts.Tally._fields))] = row["n"]
    for row in slices:
        key = {name: row[name] for name in Cell._fields[:-1]}
        found.update({Cell(**key, counter=name): row[name] for name in _OF_RECORDS if row[name]})
    return found


def _rows(found: Mapping[counts.Tally | Cell, int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows to add, of totals and of slices."""
    totals: list[dict[str, Any]] = []
    slices: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell, n in found.items():
        if isinstance(cell, counts.Tally):
            totals.append({**cell._asdict(), "n": n})
        else:
            row = {**dict.fromkeys(COUNTERS, 0), **cell._asdict()}
            row.pop("counter")
            slices.setdefault(cell[:-1], row)[cell.counter] = n
    return totals, list(slices.values())
