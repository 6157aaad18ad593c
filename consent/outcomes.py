"""What became of a decision, per tracker: its trail. The page reports it, and the server adds what it did itself.

Append-only, beside the record: the record stays what the visitor said.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import JSON, Index, String, delete, exists, select
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Id, Moment, db, iso
from consent.receipts import Receipt
from consent.records import Identifier, Record, Refused, invalid, permitted
from consent.sites import MOST_TRACKERS
from consent.versions import Published

# Its data in the browser is gone; who runs it was told; something of it could not be done.
RESULTS = ("deleted", "told", "could_not")
PAGE, WEBHOOK = "page", "webhook"


class Outcome(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One report about a record. `source`: the visitor's page, or the webhook of the owner's own systems."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    record: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    source: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # a webhook can fail, and succeed later
    visitor: Mapped[uuid.UUID] = mapped_column(Id)
    trackers: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    recorded_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_outcome_site_visitor", "site", "visitor"),)


def _distinct(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Names something twice.")


class OutcomesSchema(Schema):
    """The body of `POST /v1/sites/{site}/outcomes`."""

    class Meta:
        unknown = RAISE

    record = Identifier(required=True, metadata={"description": "The record that the receipt stands for."})
    trackers = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=fields.List(
            fields.String(validate=validate.OneOf(RESULTS)), validate=[validate.Length(1, len(RESULTS)), _distinct]
        ),
        required=True,
        validate=validate.Length(1, MOST_TRACKERS),
        metadata={"description": "Per tracker what the page did: deleted, told, could_not."},
    )


REPORT = OutcomesSchema()


def check(data: Mapping[str, Any], version: Published) -> None:
    """Whether the report can be about this version; raises Refused."""
    faults = {
        f"trackers.{name}": "This version has no such tracker."
        for name in data["trackers"]
        if name not in version.gate.trackers
    }
    if faults:
        raise invalid(faults)


def report(site: str, receipt: Receipt, data: Mapping[str, Any], now: datetime) -> None:
    """Add what the page says to its record; the first report counts. Raises Refused. The caller commits."""
    if str(data["record"]) != receipt.record:
        raise Refused(
            403, "other_record", "The receipt stands for another record.", {"record": "Is not the receipt's own."})
    _hold(site, data["record"])
    trackers = {name: sorted(results) for name, results in sorted(data["trackers"].items())}
    known = db.session.get(Outcome, (site, data["record"], PAGE, 1))
    if known is None:
        visitor = uuid.UUID(receipt.visitor)
        db.session.add(Outcome(
            site=site, record=data["record"], source=PAGE, number=1, visitor=visitor, trackers=trackers,
            recorded_at=now))
        db.session.flush()
    elif known.trackers != trackers:
        raise Refused(409, "conflict", "Another report about this record is there; the first one counts.")


def _hold(site: str, record: uuid.UUID) -> None:
    """Keep the record from being erased, and other reports about it waiting, until this one is stored."""
    query = select(Record.id).where(Record.site == site, Record.id == record)
    if db.session.scalar(query.with_for_update()) is None:
        raise Refused(401, "no_receipt", "Show the receipt of a choice that is stored here.")


def trails(site: str, visitor: uuid.UUID) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """What became of each record of a visitor, oldest first: `{source, trackers: {id: [result]}, recorded_at}`."""
    found: dict[uuid.UUID, list[dict[str, Any]]] = {}
    query = select(Outcome.__table__).where(Outcome.site == site, Outcome.visitor == visitor)
    for row in db.session.execute(query.order_by(Outcome.recorded_at, Outcome.source, Outcome.number)).mappings():
        entry = {"source": row["source"], "trackers": row["trackers"], "recorded_at": iso(row["recorded_at"])}
        found.setdefault(row["record"], []).append(entry)
    return found


def erase(site: str, visitor: uuid.UUID) -> int:
    """Delete what became of a visitor's records that are gone; how many reports. The caller commits."""
    kept = exists().where(Record.site == Outcome.site, Record.id == Outcome.record)
    mine = delete(Outcome).where(Outcome.site == site, Outcome.visitor == visitor, ~kept)
    with permitted(site, visitor):
        gone = db.session.execute(mine.execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result always has it
