"""One visitor's history as evidence for the site's owner (E7), found by a receipt or a record's id alone (G7).

There is no way to look for a person: who shows neither has nothing here that is known to be theirs (GDPR 11).
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from consent import exports, outcomes, records, rights
from consent.db import db, iso
from consent.marks import mark
from consent.receipts import LONGEST, BadReceipt, Keyring, Receipt
from consent.records import Record
from consent.versions import Published, digest_of

NOTHING = mark("Paste a receipt, or the id of a record.")
NEITHER = mark("This is neither a receipt nor the id of a record.")
NO_RECORD = mark("This site has no record with this id.")
FORGED = mark("This receipt is not genuine: it was not issued here, or something in it was changed.")
OTHER_SITE = mark("This receipt is of another site.")
GONE = mark("This receipt is genuine, but nothing is kept of it: it was erased, or its time is over.")

AGREES = mark("genuine, and it says what is stored")
DIFFERS = mark("genuine, but it says something else than what is stored")
REPLACED = mark("genuine, but the record that it stands for is not kept any more")

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Numbered = Callable[[int], Published | None]


class NotKnown(Exception):
    """Nobody is found; the message is one sentence, to be translated."""


class Found(NamedTuple):
    """Whose history it is, and what was known of it: the id of a record, or the receipt."""

    visitor: uuid.UUID
    known: str
    receipt: Receipt | None = None


class Step(NamedTuple):
    """A record with the version that was shown, what became of it, and its state now (M2)."""

    row: Mapping[str, Any]
    version: Published
    sound: bool  # whether the version's digest is that of its content (E2)
    trail: Sequence[Mapping[str, Any]]
    state: str


class History(NamedTuple):
    """All that is kept of a visitor, oldest first. `verdict`: what became of the receipt, when one was shown."""

    found: Found
    steps: Sequence[Step]
    restricted_at: datetime | None
    verdict: str | None

    @property
    def counts(self) -> dict[str, int]:
        """How much there is of each kind."""
        versions = {step.version.number for step in self.steps}
        return {"records": len(self.steps), "outcomes": sum(len(step.trail) for step in self.steps),
                "versions": len(versions)}


def find(site: str, text: str, keyring: Keyring) -> Found:
    """Who is meant by a receipt or a record's id; raises NotKnown."""
    said = text.strip().removeprefix("poort=").strip('";')
    if not said:
        raise NotKnown(NOTHING)
    if _UUID.fullmatch(said):
        return _by_record(site, uuid.UUID(said))
    if "." not in said or len(said) > LONGEST or not said.isascii():
        raise NotKnown(NEITHER)
    return _by_receipt(site, said, keyring)


def _by_record(site: str, record: uuid.UUID) -> Found:
    visitor = db.session.scalar(select(Record.visitor).where(Record.site == site, Record.id == record))
    if visitor is None:
        raise NotKnown(NO_RECORD)
    return Found(visitor, str(record))


def _by_receipt(site: str, token: str, keyring: Keyring) -> Found:
    try:
        receipt = keyring.read(token)
    except BadReceipt:
        raise NotKnown(FORGED) from None
    if receipt.site != site:
        raise NotKnown(OTHER_SITE)
    visitor = uuid.UUID(receipt.visitor)
    if records.latest(site, visitor) is None:
        raise NotKnown(GONE)
    return Found(visitor, token, receipt)


def history(site: str, found: Found, numbered: Numbered, current: Published, now: datetime) -> History:
    """All that is kept of who was found."""
    rows = records.history(site, found.visitor)
    trails = outcomes.trails(site, found.visitor)
    numbers = {row["version"] for row in rows}
    versions = {number: version for number in numbers if (version := numbered(number)) is not None}
    sound = {number: digest_of(version.snapshot) == version.digest for number, version in versions.items()}
    states = exports.states(rows, versions, current, now)
    steps = [Step(row, versions[row["version"]], sound[row["version"]], trails.get(row["id"], []), states[row["id"]])
             for row in rows]
    return History(found, steps, rights.restricted_at(site, found.visitor), _verdict(found, steps))


def _verdict(found: Found, steps: Sequence[Step]) -> str | None:
    if found.receipt is None:
        return None
    step = next((step for step in steps if str(step.row["id"]) == found.receipt.record), None)
    if step is None:
        return REPLACED
    return AGREES if records.receipt_of(step.row, step.version) == found.receipt else DIFFERS


def evidence(site: str, known: History, current: Published, place: str, now: datetime) -> dict[str, Any]:
    """The history as a file: consent receipts after ISO/IEC TS 27560, and each version that was shown, whole."""
    versions = {step.version.number: step for step in known.steps}
    rows = [step.row for step in known.steps]
    trails = {step.row["id"]: step.trail for step in known.steps}
    shown = {number: step.version for number, step in versions.items()}
    receipt = known.found.receipt
    return {
        "schema": "poort/evidence/1",
        "site": site,
        "made_at": iso(now),
        "receipt": receipt and {"claims": receipt.claims(), "verdict": known.verdict},
        "restricted_at": known.restricted_at and iso(known.restricted_at),
        "counts": known.counts,
        "consent_receipts": exports.document(rows, shown, trails, current, place, now),
        "versions": {str(number): _shown(step) for number, step in versions.items()},
    }


def _shown(step: Step) -> dict[str, Any]:
    version = step.version
    return {"digest": version.digest, "digest_is_right": step.sound, "published_at": iso(version.published_at),
            "snapshot": version.snapshot}
