"""Counts the consents whose life has ended, once each, on the day that it ended (F2, O1).

The gate needs none of this: an expired receipt opens nothing. A consent that its visitor replaced before its end did
not expire, and a restricted one is in no count (G8). What was counted up to when is moved in the commit of the counts,
so a runner that is killed counts nothing twice, and of two runners one is refused.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, and_, exists, func, or_, select, tuple_, type_coerce, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import InstrumentedAttribute, aliased

from consent import batches, terms
from consent.batches import Go
from consent.counts import DailyCount
from consent.db import DAY_US, add_up, writing_on
from consent.records import Record
from consent.rights import is_held
from consent.terms import GRANTS, Term
from consent.zones import day_of

# A record that replaces the consent may still be on its way to the disk, or its clock behind.
MARGIN = timedelta(hours=1)
READ = 2  # batches in one look: to read holds nobody up, and what is written is a few counts
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)  # midnight is at a whole quarter in every time zone


class _Overtaken(Exception):
    """Another runner has counted this; nothing is kept."""


class Window(NamedTuple):
    """Decisions made after `low`, until `high`, about these versions of a site, whose consents count for `days`."""

    site: str
    versions: tuple[int, ...]
    days: int
    low: datetime
    high: datetime


def expire(engine: Engine, now: datetime) -> str:
    """Count what ended until a little before `now`; what was done, in words."""
    go, counted, until = Go(), 0, now - MARGIN
    zones = terms.zones(engine)
    for site in terms.sites_with_records(engine):
        for rows in terms.grouped(terms.of(engine, site), lambda row: (row.consent_days, row.counted_until)).values():
            counted += _count_group(engine, rows, until, go, zones[site])
    return go.said(f"{counted} consents ended")


def _count_group(engine: Engine, rows: terms.Rows, until: datetime, go: Go, where: ZoneInfo) -> int:
    """Count what ended of versions that stand alike, batch by batch."""
    life, at, counted = timedelta(days=rows[0].consent_days), rows[0].counted_until, 0
    published = min(row.published_at for row in rows) - timedelta(days=1)  # by another machine's clock, perhaps
    while at < until and not go.is_over:
        whole = Window(rows[0].site, tuple(row.version for row in rows), life.days, at - life, until - life)
        with engine.connect() as connection:
            window = whole._replace(high=_end_of_batch(connection, whole, published))
            counts = _ended(connection, window, published, where)
        if not _keep(engine, window, at, counts):
            break
        at = window.high + life
        counted += sum(row["n"] for row in counts)
    return counted


def _made(column: InstrumentedAttribute[Any], window: Window, low: datetime) -> Any:
    return and_(Record.site == window.site, column > low, column <= window.high)


def _end_of_batch(connection: Connection, window: Window, published: datetime) -> datetime:
    """How far a batch goes: decisions made here and imported ones lie in two orders."""
    found = [window.high]
    for column, low in ((Record.recorded_at, max(window.low, published)), (Record.decided_at, window.low)):
        query = select(column).where(_made(column, window, low)).order_by(column)
        found += filter(None, [connection.scalar(query.offset(READ * batches.MOST - 1).limit(1))])
    return min(found)


def _ended(connection: Connection, window: Window, published: datetime, where: ZoneInfo) -> list[dict[str, Any]]:
    """The counts of a window, as rows for `add_up`."""
    here = and_(_made(Record.recorded_at, window, max(window.low, published)), Record.decided_at.is_(None))
    rows: dict[tuple[date, bool], int] = {}
    for column, made in ((Record.recorded_at, here), (Record.decided_at, _made(Record.decided_at, window, window.low))):
        for quarter, bot, n in connection.execute(_query(column, made, window)):
            key = (day_of(EPOCH + quarter * QUARTER, where), bot)
            rows[key] = rows.get(key, 0) + n
    return [
        {"site": window.site, "day": day, "bot": bot, "metric": "expired", "value": "", "n": n}
        for (day, bot), n in rows.items()
    ]


def _query(column: InstrumentedAttribute[Any], made: Any, window: Window) -> Any:
    end = type_coerce(column, BigInteger) + window.days * DAY_US
    quarter = (end // (QUARTER // timedelta(microseconds=1))).label("quarter")
    query = select(quarter, Record.bot, func.count()).where(made, Record.version.in_(window.versions))
    counted = (Record.action.in_(GRANTS), ~_replaced(column, window.days), ~is_held(Record))
    return query.where(*counted).group_by(quarter, Record.bot)


def _replaced(column: InstrumentedAttribute[Any], days: int) -> Any:
    """Whether the visitor said something else before this consent ended; in the order of records.latest."""
    newer = aliased(Record)
    theirs, said = type_coerce(terms.decided(newer), BigInteger), type_coerce(column, BigInteger)
    order = tuple_(newer.recorded_at, newer.id) > tuple_(Record.recorded_at, Record.id)
    return exists().where(
        newer.site == Record.site, newer.visitor == Record.visitor,
        newer.recorded_at >= column,  # true of all of them, and what the index can find them by
        or_(theirs > said, and_(theirs == said, order)), theirs < said + days * DAY_US)


def _keep(engine: Engine, window: Window, at: datetime, counts: list[dict[str, Any]]) -> bool:
    """Store the counts with how far they go; False when another runner did it meanwhile."""
    mine = update(Term).where(
        Term.site == window.site, Term.version.in_(window.versions), Term.counted_until == at)
    until = window.high + timedelta(days=window.days)
    try:
        with writing_on(engine) as connection:
            if connection.execute(mine.values(counted_until=until)).rowcount != len(window.versions):
                raise _Overtaken
            add_up(connection, DailyCount.__table__, counts)
    except _Overtaken:
        return False
    return True
