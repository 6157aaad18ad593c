"""Published versions: numbered, immutable, hashed snapshots of all that a visitor is shown plus the tracker list."""

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from marshmallow import ValidationError
from sqlalchemy import JSON, ForeignKey, String, Text, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from consent import gate
from consent.banners import built_script, frozen_texts
from consent.catalogue import resolve
from consent.db import Moment, db
from consent.sites import KEY, Site

FRESH = 0.8  # seconds between two looks at a site: a publication reaches every worker within one

ASKING = 30.0  # seconds that a thread may take to ask, before another one does


class Version(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One publication. `snapshot` is the canonical JSON whose SHA-256 is `digest` (E2)."""

    site: Mapped[str] = mapped_column(ForeignKey("site.key"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    snapshot: Mapped[str] = mapped_column(Text)
    since: Mapped[dict[str, Any]] = mapped_column(JSON)
    script_digest: Mapped[str] = mapped_column(String(64))  # E3: the code that showed it
    published_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Published:
    """A version as the hot calls use it; made once per process."""

    site: str
    number: int
    digest: str
    published_at: datetime
    snapshot: Mapping[str, Any]
    gate: gate.Version

    @property
    def definition(self) -> Mapping[str, Any]:
        """The site's definition at that time."""
        found: Mapping[str, Any] = self.snapshot["definition"]
        return found


def freeze(definition: Mapping[str, Any]) -> dict[str, Any]:
    """All that a visitor is shown, and the trackers in full, from the catalogue of today."""
    return {
        "schema": "poort/version/1",
        "definition": dict(definition),
        "texts": frozen_texts(definition["languages"]),
        "trackers": [resolve(entry, definition["jurisdiction"]) for entry in definition["trackers"]],
    }


def canonical(snapshot: Mapping[str, Any]) -> bytes:
    """RFC 8785 canonical JSON: anybody can compute the digest again."""
    return rfc8785.dumps(dict(snapshot))


def _material(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a tracker another one to the visitor (F3): a typo in its purpose or one more cookie does not (F4)."""
    return row["category"], row["vendor"], row["role"], row["exempt"]


def since(previous: Version | None, snapshot: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Per tracker and category the version that last changed it materially."""
    before = {row["id"]: row for row in json.loads(previous.snapshot)["trackers"]} if previous else {}
    known = previous.since if previous else {"trackers": {}, "categories": dict.fromkeys(gate.CATEGORIES, number)}
    trackers = {
        row["id"]: known["trackers"][row["id"]]
        if row["id"] in before and _material(before[row["id"]]) == _material(row)
        else number
        for row in snapshot["trackers"]
    }
    return {"trackers": trackers, "categories": dict(known["categories"])}


def publish(site: Site, now: datetime) -> tuple[Version, bool]:
    """Freeze the draft as the next version; also whether it is new: the same content is not published twice.

    The caller commits. Two who publish at once: the second one's number is taken, and its commit fails.
    """
    previous = db.session.get(Version, (site.key, site.current)) if site.current else None
    snapshot = freeze(site.draft)
    text = canonical(snapshot)
    digest = hashlib.sha256(text).hexdigest()
    if previous is not None and previous.digest == digest:
        return previous, False
    number = (previous.number if previous else 0) + 1
    version = Version(
        site=site.key,
        number=number,
        digest=digest,
        snapshot=text.decode(),
        since=since(previous, snapshot, number),
        script_digest=hashlib.sha256(built_script().encode()).hexdigest(),
        published_at=now,
    )
    db.session.add(version)
    site.current = number
    db.session.flush()
    return version, True


def pending(site: Site, version: Version | None) -> bool:
    """Whether publishing the draft now would make another version than this one."""
    if version is None:
        return True
    try:
        return hashlib.sha256(canonical(freeze(site.draft))).hexdigest() != version.digest
    except ValidationError:  # the catalogue has changed since it was applied
        return True


def published(row: Any) -> Published:
    """A row of the table as the hot calls use it."""
    snapshot = json.loads(row.snapshot)
    trackers = {
        tracker["id"]: gate.Tracker(
            tracker["id"], tracker["category"], row.since["trackers"][tracker["id"]], tracker["exempt"]
        )
        for tracker in snapshot["trackers"]
    }
    view = gate.Version(row.site, row.number, trackers, row.since["categories"], snapshot["definition"]["audience"])
    return Published(row.site, row.number, row.digest, row.published_at, snapshot, view)


class Unavailable(Exception):
    """The database can not be asked now."""


class Publications:
    """The published versions as one process knows them.

    A site's current number is asked for at most once in FRESH seconds; versions never change and are kept.
    When the database is away, what is known keeps being served.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions: dict[tuple[str, int], Published] = {}
        self._current: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def current(self, site: str) -> Published | None:
        """The current version of the site; None when there is none. Raises Unavailable."""
        known = self._current.get(site)
        if known is not None and time.monotonic() - known[1] < FRESH:
            return self._versions[site, known[0]]
        return self._refreshed(site, known)

    def at_least(self, site: str, number: int) -> Published | None:
        """The current version, asked for anew when it is older than `number`: somebody has seen a newer one."""
        found = self.current(site)
        if found is not None and found.number < number:
            self._current[site] = (found.number, 0.0)
            found = self.current(site)
        return found

    def get(self, site: str, number: int) -> Published | None:
        """One version of the site; None when there is none. Raises Unavailable."""
        if (site, number) not in self._versions:
            self._load(site, number)
        return self._versions.get((site, number))

    def _refreshed(self, site: str, known: tuple[int, float] | None) -> Published | None:
        if known is not None:
            # The others go on with what is known while this thread asks, also when the database hangs.
            self._current[site] = (known[0], time.monotonic() + ASKING)
        try:
            number = self._number(site)
            found = self.get(site, number) if number else None
        except Unavailable:
            if known is None:
                raise
            self._current[site] = (known[0], time.monotonic())
            return self._versions[site, known[0]]
        if found is None:
            self._current.pop(site, None)
            return None
        self._current[site] = (found.number, time.monotonic())
        return found

    def _number(self, site: str) -> int | None:
        if not KEY.fullmatch(site):
            return None
        try:
            with self._engine.connect() as connection:
                return connection.scalar(select(Site.current).where(Site.key == site))
        except SQLAlchemyError as error:
            raise Unavailable(str(type(error).__name__)) from error

    def _load(self, site: str, number: int) -> None:
        if not KEY.fullmatch(site) or not 0 < number < 2**31:
            return
        table = Version.__table__
        try:
            with self._engine.connect() as connection:
                row = connection.execute(select(table).where(table.c.site == site, table.c.number == number)).first()
        except SQLAlchemyError as error:
            raise Unavailable(str(type(error).__name__)) from error
        if row is not None:
            with self._lock:
                self._versions[site, number] = published(row)
