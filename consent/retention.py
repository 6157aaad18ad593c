"""Forgets records after the life of the decision and the site's claim period (G3): who they were of, and what was said.

The daily counts stay, and so do versions. The period runs from the end of the decision's life, also when the visitor
replaced it before: until then it can be the proof of what was lawful on it (GDPR 7(1), 17(3)(e)). A record stays as
long as an older one of its visitor has to: a grant is never left behind without its withdrawal.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, and_, case, delete, exists, literal, or_, select, type_coerce
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.orm import InstrumentedAttribute, aliased

from consent import batches, terms
from consent.batches import Go
from consent.db import DAY_US, microseconds, writing_on
from consent.outbox import Event
from consent.outcomes import Outcome
from consent.records import Record, delete_counted, permitted_before
from consent.rights import is_held
from consent.terms import GRANTS, Term
from consent.versions import Version

# Thirteen months, the longest life that a consent can have: whoever was asked last before a change can still be shown
# it a year later, when the accounts of that year are closed. Longer needs a reason of the owner's own.
CLAIM_DAYS = 395


class Due(NamedTuple):
    """Records to delete: of these versions, granting or not, decided until `until`. `ended`: life over before it."""

    site: str
    versions: tuple[int, ...]
    grants: bool
    until: datetime
    ended: datetime


def claim_days(definition: Mapping[str, Any]) -> int:
    """How many days after a decision's life its record is kept."""
    return int(definition.get("claim_days", CLAIM_DAYS))


def forget(engine: Engine, now: datetime) -> str:
    """Delete what is due, of every site; what was done, in words."""
    go, gone = Go(), 0
    for site in terms.sites_with_records(engine):
        for due in _due(engine, site, now):
            for column in (Record.recorded_at, Record.decided_at):
                gone += _delete_all(engine, due, column, now, go)
    return go.said(f"{gone} records forgotten")


def _claim(engine: Engine, site: str) -> timedelta:
    """What the site's latest version says."""
    latest = select(Version.snapshot).where(Version.site == site).order_by(Version.number.desc()).limit(1)
    with engine.connect() as connection:
        snapshot = connection.scalar(latest)
    return timedelta(days=claim_days(json.loads(snapshot)["definition"] if snapshot else {}))


def _due(engine: Engine, site: str, now: datetime) -> Iterator[Due]:
    ended = now - _claim(engine, site)
    rows = terms.of(engine, site)
    for (days, counted), alike in terms.grouped(rows, lambda row: (row.consent_days, row.counted_until)).items():
        until = min(ended, counted) - timedelta(days=days)  # a consent is counted before its record goes
        yield Due(site, tuple(row.version for row in alike), True, until, ended)
    for days, alike in terms.grouped(rows, lambda row: row.refusal_days).items():
        yield Due(site, tuple(row.version for row in alike), False, ended - timedelta(days=days), ended)


def _delete_all(engine: Engine, due: Due, column: InstrumentedAttribute[Any], now: datetime, go: Go) -> int:
    """Delete batch by batch, oldest first; each starts where the one before ended, past what has to stay."""
    gone, low = 0, datetime.fromtimestamp(0, UTC)
    while not go.is_over:
        with engine.connect() as connection:
            rows = list(connection.execute(_batch(due, column, low)))
        if not rows:
            break
        low = rows[-1].decided
        with writing_on(engine) as connection, permitted_before(connection, due.site, now):
            gone += _delete(connection, due.site, rows)
    return gone


def _batch(due: Due, column: InstrumentedAttribute[Any], low: datetime) -> Any:
    kind = Record.action.in_(GRANTS) if due.grants else Record.action.not_in(GRANTS)
    here = and_(
        Record.site == due.site, column >= low, column <= due.until, Record.version.in_(due.versions), kind,
        ~is_held(Record))  # a restriction keeps what the visitor may need for a claim of their own (GDPR 18(1)(c))
    if column is Record.recorded_at:
        here = and_(here, Record.decided_at.is_(None))
    query = select(Record.id, Record.visitor, column.label("decided")).where(here, ~_is_needed(column, due.ended))
    return query.order_by(column).limit(batches.MOST)


def _is_needed(column: InstrumentedAttribute[Any], ended: datetime) -> Any:
    """Whether something older of the visitor has to stay: without what came after, a grant would be the last word."""
    older = aliased(Record)
    said, grants = type_coerce(terms.decided(older), BigInteger), older.action.in_(GRANTS)
    end = said + literal(DAY_US, BigInteger) * case((grants, Term.consent_days), else_=Term.refusal_days)
    stays = or_(end > microseconds(ended), and_(grants, end > type_coerce(Term.counted_until, BigInteger)))
    return exists().where(
        older.site == Record.site, older.visitor == Record.visitor, older.id != Record.id,
        said <= type_coerce(column, BigInteger), Term.site == older.site, Term.version == older.version, stays)


def _delete(connection: Connection, site: str, rows: Sequence[Row[Any]]) -> int:
    """Delete these records and what hangs on them; how many were still there."""
    ids, visitors = [row.id for row in rows], {row.visitor for row in rows}
    connection.execute(delete(Outcome).where(Outcome.site == site, Outcome.record.in_(ids)))
    told = delete(Event).where(Event.site == site, Event.visitor.in_(visitors), Event.record.in_(ids))
    connection.execute(told)
    return len(delete_counted(connection, (Record.site == site) & Record.id.in_(ids)))
