"""Erasing a visitor: all that Poort keeps about them, in one transaction (G5). The anonymous counts stay."""

import uuid
from datetime import datetime

from consent import outbox, outcomes, records, tombstones
from consent.db import microseconds
from consent.gate import Version


def erase(site: str, visitor: uuid.UUID, version: Version, now: datetime) -> int:
    """Delete everything of one visitor of a site; how many records there were. The caller commits.

    The owner's own systems are told last, so that they erase too. In this order: who adds to a trail meanwhile holds
    the event or the record until it is added, so that it is there when the trail's turn comes.
    """
    latest = records.latest(site, visitor)
    tombstones.bury(site, visitor, max(now, latest["recorded_at"]) if latest else now)
    outbox.forget(site, visitor)
    gone = records.erase(site, visitor)
    outcomes.erase(site, visitor)
    if outbox.has_webhook(site):
        said = (latest["decided_at"] or latest["recorded_at"]) if latest else now
        sequence = max(microseconds(now), microseconds(said) + 1)
        outbox.add(outbox.of_erasure(site, visitor, sequence, version, now))
    return gone
