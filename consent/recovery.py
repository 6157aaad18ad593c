"""Decisions of lost hours, back from the receipts that browsers kept: a receipt is signed, so it is the record.

What only the record knew (the language, the page group, whether it was made in the banner or in the settings, single
choices that said the same as their category) is lost; what counts, and from when, is in the receipt.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consent import counts, outbox, records, rights, tombstones
from consent.db import db, insert_new
from consent.gate import OPTIONAL
from consent.receipts import Receipt
from consent.records import Record, Refused
from consent.restorations import Window, was_lost
from consent.versions import Published


def row_of(
    receipt: Receipt, version: Published, user_agent: str, now: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    """The record that the receipt stands for; raises Refused when it can not be one about this version."""
    data = {
        "id": uuid.UUID(receipt.record), "visitor": uuid.UUID(receipt.visitor), "version": receipt.version,
        "action": receipt.action, "choices": {category: category in receipt.granted for category in OPTIONAL},
        "trackers": {**dict.fromkeys(receipt.refused, False), **dict.fromkeys(receipt.allowed, True)},
        "source": records.RECOVERED, "language": version.definition["default_language"], "gpc": receipt.gpc,
        "page_group": None, "decided_at": datetime.fromtimestamp(receipt.decided, UTC),
        "took": None, "variant": receipt.variant,
    }
    known = version.asked.issuperset(data["trackers"])
    row = records.row_of(receipt.site, data, user_agent, now, zone, version.variants)
    if not known or records.receipt_of(row, version) != receipt:
        raise records.invalid({"version": "The receipt does not fit this version of the site."})
    return row


def existing(receipt: Receipt, version: Published) -> dict[str, Any] | None:
    """The stored record of this receipt; raises Refused when its id is that of another decision."""
    table = Record.__table__
    query = select(table).where(table.c.site == receipt.site, table.c.id == uuid.UUID(receipt.record))
    found = db.session.execute(query).mappings().first()
    if found is None:
        return None
    row = dict(found)
    if row["version"] != receipt.version or records.receipt_of(row, version) != receipt:
        raise Refused(409, "conflict", "The record with this id is about another decision.")
    return row


def check(receipt: Receipt, version: Published, lost: Sequence[Window], now: datetime) -> None:
    """Whether the record of this receipt can have been lost, and still counts; raises Refused."""
    said = datetime.fromtimestamp(receipt.decided, UTC)
    if receipt.expires <= now.timestamp():
        raise Refused(410, "expired", "The decision counts no more; ask anew.")
    if not was_lost(lost, said):
        raise Refused(410, "not_lost", "No record of that time was lost here: this one was deleted.")
    if int(version.published_at.timestamp()) > receipt.decided:  # its number was given away again
        raise records.invalid({"version": "The site had no such version at that time."})


def recover(
    receipt: Receipt, version: Published, current: Published, user_agent: str, keys: Sequence[str], now: datetime,
    zone: ZoneInfo,
) -> tuple[dict[str, Any], bool]:
    """Store the record of a receipt, unless it is there; the row, and whether it is new. Raises Refused.

    For a transaction that writes; the caller commits. The owner's own systems are told of it as of any decision:
    whether they were is lost too, and its number in their order is that of its time, so it undoes nothing newer.
    """
    row = row_of(receipt, version, user_agent, now, zone)
    if tombstones.is_erased(receipt.site, row["visitor"], row["decided_at"], keys):
        raise Refused(410, "erased", "The visitor had this erased.")
    connection = db.session.connection()
    if not insert_new(connection, Record.__table__, [row]):
        stored = existing(receipt, version)
        if stored is None:
            raise Refused(410, "erased", "The visitor had this erased.")
        return stored, False
    if not rights.keep_out(receipt.site, row["visitor"], row):
        counts.add(connection, Counter(counts.of_record(row)))
    if outbox.has_webhook(receipt.site):
        outbox.add(outbox.of_record(row, receipt, current.gate))
    return row, True
