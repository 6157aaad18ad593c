"""The model that tests/browser/test_whole_life.py holds the product against: what consent is, in plain Python.

Nothing here is taken from the product but the contract's words; a rule that is wrong in both would have to be wrong
twice.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

OPTIONAL = ("functional", "analytics", "marketing")
DAYS = 180
CLAIM = 395  # days that a record is kept after its decision's end


@dataclass
class Version:
    """A publication: each tracker's category, and the version that last changed it materially."""

    number: int
    trackers: dict[str, str]
    since: dict[str, int]


@dataclass
class Decision:
    """One act of a visitor, and the receipt that stands for it."""

    id: str
    version: int
    action: str
    choices: dict[str, bool]
    at: datetime
    gpc: bool
    token: str
    key: int  # which of the keys signed it, counted from the first there was
    source: str = "banner"
    seen: bool = False  # whether it ended was looked at

    @property
    def grants(self) -> bool:
        return any(self.choices.values())

    @property
    def end(self) -> datetime:
        # A receipt counts in whole seconds.
        return self.at.replace(microsecond=0) + timedelta(days=DAYS)

    def ended(self, now: datetime) -> bool:
        return now >= self.end

    def tallies(self) -> Counter[tuple[str, str]]:
        """What it adds to the daily counts."""
        if self.action == "withdraw":
            return Counter([("withdrawn", "")])
        if self.source == "recovered":
            return Counter([("recovered", self.action)])
        if self.source != "banner":
            return Counter([("changed", self.action)])
        return Counter([("answered", self.action), *(("granted", name) for name in OPTIONAL if self.choices[name])])


@dataclass
class Person:
    """What the server keeps of a visitor."""

    records: list[Decision] = field(default_factory=list)
    restricted: int = 0  # how many of the records are restricted
    held: Counter[tuple[str, str]] = field(default_factory=Counter)  # what that took off the counts


@dataclass
class Stored:
    """All that is lost with the database, and comes back with a backup."""

    versions: list[Version]
    people: dict[str, Person]
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    tidied: datetime | None = None  # until when restrictions of nobody are kept, for records that may come back

    @property
    def current(self) -> Version:
        return self.versions[-1]

    def copy(self) -> Stored:
        return deepcopy(self)


def started(people: list[str], trackers: dict[str, str]) -> Stored:
    """The first publication, and nobody who said anything."""
    return Stored([Version(1, dict(trackers), dict.fromkeys(trackers, 1))], {name: Person() for name in people})


def republished(stored: Stored, changed: dict[str, str], number: int) -> None:
    """The next publication, in which these trackers are new or in another category (F3); none is minor (F4)."""
    before = stored.current
    since = {name: number if name in changed else before.since[name] for name in before.trackers | changed}
    stored.versions.append(Version(number, before.trackers | changed, since))


def reason(shown: Decision | None, version: Version, tracker: str, now: datetime, gpc: bool, oldest_key: int) -> str:
    """The gate's reason, by contract.md."""
    if shown is None:
        return "no_choice"
    if shown.key < oldest_key:
        return "bad_receipt"
    if shown.ended(now):
        return "expired"
    if shown.version < version.since[tracker] or shown.version > version.number:
        return "stale_version"
    if not shown.choices[version.trackers[tracker]]:
        return "withdrawn" if shown.action == "withdraw" else "denied"
    if gpc and version.trackers[tracker] == "marketing" and not shown.gpc:
        return "gpc"
    return "granted"


def count_expired(stored: Stored, now: datetime) -> None:
    """Count the consents that ended before their visitor said something else, once each (F2)."""
    for person in stored.people.values():
        for number, decision in enumerate(person.records):
            if decision.seen or not decision.ended(now - timedelta(hours=2)):
                continue
            decision.seen = True
            replaced = any(later.at < decision.end for later in person.records[number + 1 :])
            stored.counts["expired", ""] += decision.grants and not replaced


def forget(stored: Stored, now: datetime) -> None:
    """Let go of what no claim can be about any more (G3)."""
    for person in stored.people.values():
        kept = [one for one in person.records if one.end + timedelta(days=CLAIM) > now]
        person.restricted = max(0, person.restricted - (len(person.records) - len(kept)))
        person.records = kept
        if not kept and (stored.tidied is None or now > stored.tidied):
            stored.counts += person.held
            person.held = Counter()


def moment(text: str) -> datetime:
    """A time as the API writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)


def definition(base: dict[str, Any], trackers: dict[str, str], name: str) -> dict[str, Any]:
    """The site definition with these trackers in these categories."""
    rows = [{"id": tracker, "category": category, "reason": "Moved by the test."}
            for tracker, category in trackers.items()]
    return {**base, "name": name, "trackers": rows}
