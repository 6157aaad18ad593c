"""What the owner's own systems still have to be told: written in the commit of the record, delivered by a job.

So nothing that was acknowledged is lost, and no visitor waits for somebody else's server.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Table, delete, exists, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Id, Moment, db, iso, microseconds
from consent.gate import Version, decide
from consent.receipts import Receipt

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"
CHANGED, WITHDRAWN, ERASED = "consent.changed", "consent.withdrawn", "consent.erased"
RAISED, CLEARED = "alert.raised", "alert.cleared"


class Webhook(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """The endpoint of a site's owner. `stopped_at`: when it answered that it wants no more."""

    site: Mapped[str] = mapped_column(ForeignKey("site.key"), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(64))  # as it is: a hash can not sign
    created_at: Mapped[datetime] = mapped_column(Moment)
    stopped_at: Mapped[datetime | None] = mapped_column(Moment)


class Event(db.Model):  # type: ignore[name-defined, misc]  # as above
    """One thing to tell. `body` is what is sent; `since` begins the days in which it is tried."""

    __tablename__ = "outbox"

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    visitor: Mapped[uuid.UUID | None] = mapped_column(Id)
    record: Mapped[uuid.UUID | None] = mapped_column(Id)
    sequence: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(32))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    answer: Mapped[str] = mapped_column(String(64))  # to the last attempt: a status, or what was wrong
    created_at: Mapped[datetime] = mapped_column(Moment)
    since: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_outbox_state_due", "state", "due_at"),
        Index("ix_outbox_site_visitor", "site", "visitor", "sequence"),
    )


def of_record(row: Mapping[str, Any], receipt: Receipt, version: Version) -> dict[str, Any]:
    """The event of a decision, as a row: what each tracker of the version may do from now on.

    The sequence is the time of the decision, by which the latest one is found too: who keeps the highest number that
    they have seen of a visitor agrees with the gate, whatever order events arrive in.
    """
    kind = WITHDRAWN if row["action"] == "withdraw" else CHANGED
    said = {"visitor": str(row["visitor"]), "record": str(row["id"]), "version": row["version"]}
    at: datetime = row["recorded_at"]
    sequence = microseconds(row["decided_at"] or at)
    body = {**said, "action": row["action"], "trackers": _allowed(receipt, version, at), "sequence": sequence}
    return _row(row["site"], kind, row["visitor"], row["id"], sequence, body, at)


def of_alert(site: str, kind: str, alert: str, facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The event of an alert of this kind that begins (RAISED) or is over (CLEARED), as a row: of no visitor."""
    body = {"kind": alert, "facts": facts, "sequence": microseconds(now)}
    return _row(site, kind, None, None, microseconds(now), body, now)


def of_erasure(site: str, visitor: uuid.UUID, sequence: int, version: Version, now: datetime) -> dict[str, Any]:
    """The event of an erasure, as a row: nothing that needs consent may go on."""
    said = {"visitor": str(visitor), "record": None, "version": None, "action": "erase"}
    body = {**said, "trackers": _allowed(None, version, now), "sequence": sequence}
    return _row(site, ERASED, visitor, None, sequence, body, now)


def _allowed(receipt: Receipt | None, version: Version, at: datetime) -> dict[str, bool]:
    return {name: decide(receipt, version, name, at.timestamp()).allow for name in version.trackers}


def _row(
    site: str, kind: str, visitor: uuid.UUID | None, record: uuid.UUID | None, sequence: int, body: dict[str, Any],
    at: datetime,
) -> dict[str, Any]:
    id = uuid.uuid4()
    return {
        "site": site, "id": id, "visitor": visitor, "record": record, "sequence": sequence, "type": kind,
        "body": {"id": str(id), "type": kind, "site": site, **body, "at": iso(at)},
        "state": WAITING, "attempts": 0, "answer": "", "created_at": at, "since": at, "due_at": at, "ended_at": None,
    }


def has_webhook(site: str) -> bool:
    """Whether somebody is to be told of what happens on this site."""
    query = select(Webhook.site).where(Webhook.site == site, Webhook.stopped_at.is_(None))
    return db.session.scalar(query) is not None


def add(row: dict[str, Any]) -> None:
    """Put an event in the outbox. The caller commits."""
    db.session.execute(insert(Event.__table__).values(row))


def forget(site: str, visitor: uuid.UUID, table: Table) -> int:
    """Delete every event of a visitor whose record is gone from `table`, told or not; how many. The caller commits.

    After the records: a decision and its event come in one commit, so the event of an erased record is seen here, and
    one that came in since keeps its own.
    """
    kept = exists().where(table.c.site == Event.site, table.c.id == Event.record)
    mine = delete(Event).where(Event.site == site, Event.visitor == visitor, ~kept)
    gone = db.session.execute(mine.execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result always has it


def resume(site: str, visitor: uuid.UUID, now: datetime) -> None:
    """Tell of a visitor again, at once, and with all the days to try. The caller commits."""
    mine = update(Event).where(Event.site == site, Event.visitor == visitor, Event.state == WAITING)
    db.session.execute(mine.values(since=now, due_at=now).execution_options(synchronize_session=False))
