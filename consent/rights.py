"""What visitors may ask by law: restriction of their records (G8), and the owner's list of all such requests (G6).

A restricted record is kept, and used for nothing: it is in no count, no webhook tells of it, and the gate for back ends
does not go by it. What the visitor decides afterwards is a new act, and counts.
"""

import uuid
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import JSON, BigInteger, ColumnElement, Index, String, delete, exists, func, insert, select, type_coerce
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from consent import batches, counts, outbox, records, restorations, suspects
from consent.counts import Counted, Slice, Tally
from consent.db import Id, Moment, db, iso, writing

ERASURE, RESTRICTION, LIFTING = KINDS = ("erasure", "restriction", "lifting")
MOST_LISTED = 1_000


class Restriction(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """What this visitor said up to `at` is used for nothing. `tallies`: what it took off the daily counts."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    visitor: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
    tallies: Mapped[list[list[Any]]] = mapped_column(JSON)


class Request(db.Model):  # type: ignore[name-defined, misc]  # as above
    """A request of a visitor, which was done at once. Nothing in it tells who asked."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)  # by law (G6)
    promised_at: Mapped[datetime | None] = mapped_column(Moment)  # by the owner, where they promised a time
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    answer: Mapped[dict[str, int]] = mapped_column(JSON)

    __table_args__ = (Index("ix_request_site_received", "site", "received_at"),)


class Done(NamedTuple):
    """What was done for a visitor: of which kind, and how many of what."""

    kind: str
    answer: dict[str, int]


# Restriction ----------------------------------------------------------------------------------------------------------

def restricted_at(site: str, visitor: uuid.UUID) -> datetime | None:
    """Up to when what this visitor said is used for nothing; None when nothing is restricted."""
    return db.session.scalar(
        select(Restriction.at).where(Restriction.site == site, Restriction.visitor == visitor))


def is_restricted(site: str, visitor: uuid.UUID) -> bool:
    """Whether something of this visitor is restricted."""
    return restricted_at(site, visitor) is not None


def holds_back(event: Any) -> ColumnElement[bool]:
    """The condition that an event of the outbox tells of a restricted record."""
    return exists().where(
        Restriction.site == event.site, Restriction.visitor == event.visitor, event.record.is_not(None),
        event.sequence <= type_coerce(Restriction.at, BigInteger))  # both in microseconds, of the decision


def is_held(record: Any) -> ColumnElement[bool]:
    """The condition that a record is restricted."""
    said = func.coalesce(record.decided_at, record.recorded_at)  # as records.latest counts
    return exists().where(
        Restriction.site == record.site, Restriction.visitor == record.visitor, said <= Restriction.at)


def restrict(site: str, visitor: uuid.UUID, now: datetime) -> Done:
    """Restrict all that this visitor said until now; what was restricted before is not counted. Raises Refused.

    The caller commits.
    """
    records.hold(site, visitor)
    known = db.session.get(Restriction, (site, visitor), populate_existing=True)
    fresh = [row for row in records.history(site, visitor) if known is None or row["recorded_at"] > known.at]
    if fresh:
        found = Counter(tally for row in suspects.with_marks(db.session.connection(), fresh)
                        for tally in counts.of_record(row))
        _count(found, -1)
        at = max(now, fresh[-1]["recorded_at"])  # two servers' clocks may differ a little
        before = _read(site, known.tallies) if known else Counter()
        db.session.merge(Restriction(site=site, visitor=visitor, at=at, tallies=_written(before + found)))
        db.session.flush()
    return Done(RESTRICTION, {"records": len(fresh)})


def lift(site: str, visitor: uuid.UUID, now: datetime) -> Done:
    """Use again what this visitor said; done twice is done once. Raises Refused. The caller commits."""
    held = records.hold(site, visitor)
    at = restricted_at(site, visitor)
    if at is None:
        return Done(LIFTING, {"records": 0})
    release(site, visitor)
    outbox.resume(site, visitor, now)
    return Done(LIFTING, {"records": sum(recorded_at <= at for recorded_at in held.values())})


def release(site: str, visitor: uuid.UUID) -> int:
    """End a restriction and count again what it took off: the counts name nobody, so they outlive the records.

    How many there were. The caller commits.
    """
    mine = delete(Restriction).where(Restriction.site == site, Restriction.visitor == visitor)
    found = db.session.scalars(mine.returning(Restriction.tallies)).all()
    for tallies in found:
        _count(_read(site, tallies), 1)
    return len(found)


def keep_out(site: str, visitor: uuid.UUID, row: Mapping[str, Any]) -> bool:
    """Whether a record that comes back is restricted; then what it would count is kept with the restriction."""
    found = db.session.get(Restriction, (site, visitor), populate_existing=True)
    if found is None or (row["decided_at"] or row["recorded_at"]) > found.at:
        return False
    found.tallies = _written(_read(site, found.tallies) + Counter(counts.of_record(dict(row))))
    return True


def tidy(now: datetime) -> int:
    """End the restrictions of visitors of whom no record is left; how many. Retention takes records, not this.

    Not as long as browsers may bring a lost record back.
    """
    if restorations.windows(db.session.connection(), now):
        return 0
    left = exists().where(records.Record.site == Restriction.site, records.Record.visitor == Restriction.visitor)
    with writing():
        gone = db.session.execute(select(Restriction.site, Restriction.visitor).where(~left)).all()
        return sum(release(site, visitor) for site, visitor in gone)


def taken_off(connection: Connection, site: str) -> Iterator[Counted]:
    """What each restriction of the site took off its counts."""
    table = Restriction.__table__
    query = select(table.c.tallies).where(table.c.site == site).execution_options(yield_per=batches.MOST)
    return (_read(site, tallies) for tallies in connection.scalars(query))


def _count(found: Counted, times: int) -> None:
    counts.add(db.session.connection(), Counter({tally: n * times for tally, n in found.items()}))


def _written(found: Counted) -> list[list[Any]]:
    return [[tally.day.isoformat(), *tally[2:], n] for tally, n in found.items()]


def _read(site: str, tallies: Sequence[Sequence[Any]]) -> Counted:
    found = ((_kind(rest), date.fromisoformat(day), rest, n) for day, *rest, n in tallies)
    return Counter({kind(site, day, *rest): n for kind, day, rest, n in found})


def _kind(rest: Sequence[Any]) -> type[Tally] | type[Slice]:
    return Tally if isinstance(rest[0], bool) else Slice  # of a bot or not; or the name of a dimension


# After a backup was put back ------------------------------------------------------------------------------------------

def carry_over(connection: Connection, known: Sequence[Mapping[str, Any]]) -> None:
    """Make the restrictions of the restored tables those that are known to have been there last."""
    table = Restriction.__table__
    there = {(row.site, row.visitor): row.at for row in connection.execute(select(table))}
    wanted = {(row["site"], row["visitor"]): row["at"] for row in known}
    for key in there.keys() - wanted.keys():
        release_on(connection, *key)
    for key, at in wanted.items():
        if there.get(key) != at:
            release_on(connection, *key)
            _restrict_on(connection, *key, at)


def _restrict_on(connection: Connection, site: str, visitor: uuid.UUID, at: datetime) -> None:
    """By the records that are there: what was counted of others is lost with them."""
    rows = records.Record.__table__
    mine = select(rows).where(rows.c.site == site, rows.c.visitor == visitor, rows.c.recorded_at <= at)
    kept = suspects.with_marks(connection, connection.execute(mine).mappings().all())
    found = Counter(tally for row in kept for tally in counts.of_record(row))
    counts.add(connection, Counter({tally: -n for tally, n in found.items()}))
    row = {"site": site, "visitor": visitor, "at": at, "tallies": _written(found)}
    connection.execute(insert(Restriction.__table__).values(row))


def release_on(connection: Connection, site: str, visitor: uuid.UUID) -> None:
    """As `release`, on this connection."""
    table = Restriction.__table__
    mine = delete(table).where(table.c.site == site, table.c.visitor == visitor).returning(table.c.tallies)
    for tallies in connection.scalars(mine).all():
        counts.add(connection, _read(site, tallies))


# The owner's list -----------------------------------------------------------------------------------------------------

def month_after(moment: datetime) -> datetime:
    """A calendar month later (GDPR 12(3)): the same day, or the last of a shorter month."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def working_days_after(moment: datetime, days: int) -> datetime:
    """So many working days later. Saturdays and Sundays are none; public holidays are not known here, and count."""
    while days:
        moment += timedelta(days=1)
        days -= moment.weekday() < 5
    return moment


def note(
    site: str, done: Done, definition: Mapping[str, Any], received: datetime, done_at: datetime | None = None
) -> None:
    """Put a request that was done, at once or `done_at`, on the list with its deadlines. The caller commits."""
    days = definition.get("request_working_days")
    db.session.execute(insert(Request.__table__).values(
        site=site, id=uuid.uuid4(), kind=done.kind, received_at=received, due_at=month_after(received),
        promised_at=working_days_after(received, days) if days else None, done_at=done_at or received,
        answer=done.answer))


def listed(site: str) -> list[Request]:
    """The site's requests, newest first. Who may see them has been settled at the door."""
    query = select(Request).where(Request.site == site).order_by(Request.received_at.desc(), Request.id)
    return list(db.session.scalars(query.limit(MOST_LISTED)))


def as_json(found: Request) -> dict[str, Any]:
    """A request as the API shows it."""
    moments = {name: getattr(found, name) for name in ("received_at", "due_at", "promised_at", "done_at")}
    plain = {name: moment and iso(moment) for name, moment in moments.items()}
    return {"id": str(found.id), "kind": found.kind, **plain, "answer": found.answer}
