"""Erasing a visitor: all that Poort keeps about them, in one transaction (G5). The anonymous counts stay."""

import uuid
from datetime import datetime

from consent import outbox, outcomes, records, rights, tombstones
from consent.db import microseconds
from consent.gate import Version


def erase(site: str, visitor: uuid.UUID, version: Version, now: datetime) -> rights.Done:
    """Delete everything of one visitor of a site; how much there was of each kind. The caller commits.

    The mark first: who brings a record back meanwhile finds it. Then the records: whoever adds to a record holds it
    until that is done, and a decision that comes in meanwhile comes with its event, so what belongs to the records that
    are gone is there when its turn comes. The owner's own systems are told last, so that they erase too.
    """
    tombstones.bury(site, visitor, now)
    decided = records.erase(site, visitor)
    if max(decided, default=now) > now:  # by the clock of another server
        tombstones.bury(site, visitor, max(decided))
    done = {
        "records": len(decided),
        "events": outbox.forget(site, visitor, records.Record.__table__),
        "outcomes": outcomes.erase(site, visitor),
        "restrictions": rights.release(site, visitor),
    }
    if outbox.has_webhook(site):
        sequence = max(microseconds(now), *(microseconds(moment) + 1 for moment in decided), 0)
        outbox.add(outbox.of_erasure(site, visitor, sequence, version, now))
    return rights.Done(rights.ERASURE, done)
