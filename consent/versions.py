"""Published versions: numbered, immutable, hashed snapshots of all that a visitor is shown plus the tracker list."""

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import rfc8785
from marshmallow import ValidationError
from sqlalchemy import JSON, ForeignKey, Index, String, Text, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from consent import audit, banners, changes, experiments, gate, linter, restorations
from consent.accounts import Organisation
from consent.announcements import announce
from consent.answers import JSON_TYPE, PATIENCE, Asset, asset, dumps
from consent.catalogue import resolve
from consent.changes import Change
from consent.db import Moment, db
from consent.front import Front, domains
from consent.outbox import Webhook
from consent.sites import KEY, Site
from consent.tables import Table
from consent.zones import USUAL_ZONE, zone

log = logging.getLogger("poort.versions")

LOOK = 0.25  # seconds between two looks: a publication reaches every worker within one second, a busy one too
MOST_ABSENT = 10_000  # names that are remembered as unknown
MOST_ASKED = 2_000  # questions that wait for one look


class Version(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One publication. `snapshot` is the canonical JSON whose SHA-256 is `digest` (E2)."""

    site: Mapped[str] = mapped_column(ForeignKey("site.key"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    snapshot: Mapped[str] = mapped_column(Text)
    since: Mapped[dict[str, Any]] = mapped_column(JSON)
    script_digest: Mapped[str] = mapped_column(String(64))  # E3: the code that showed it
    published_at: Mapped[datetime] = mapped_column(Moment)
    changes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))  # against the version before
    published_by: Mapped[int | None]  # a user; None for the command line and for an API key
    via: Mapped[str | None] = mapped_column(String(16))  # audit.By.via; versions of before it was kept lack it
    reasons: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))  # of soft findings; not public
    restored: Mapped[int | None]  # the number of the version whose definition this one brings back

    __table_args__ = (Index("ix_version_published_at", "published_at"),)


@dataclass(frozen=True)
class Published:
    """A version as the hot calls use it; made once per process."""

    site: str
    number: int
    digest: str
    published_at: datetime
    snapshot: Mapping[str, Any]
    gate: gate.Version
    since: Mapping[str, Any]  # as `changes.since` makes it; versions of before its kinds and notice lack them
    changes: Sequence[Mapping[str, Any]] | None  # None: published before they were kept
    lost: tuple[restorations.Window, ...] = ()  # hours of which a backup was put back

    @property
    def previous(self) -> int | None:
        """The number of the version that this one ended; None for the first."""
        return self.since.get("previous", self.number - 1) or None

    @property
    def definition(self) -> Mapping[str, Any]:
        """The site's definition at that time."""
        found: Mapping[str, Any] = self.snapshot["definition"]
        return found

    @cached_property
    def script(self) -> Asset:
        """The banner script with this version baked in."""
        return asset(banners.script_for(self), banners.SCRIPT_TYPE)

    @cached_property
    def configs(self) -> Mapping[str, Asset]:
        """What the script needs, per language."""
        languages = self.definition["languages"]
        return {language: asset(dumps(banners.config(self, language)), JSON_TYPE) for language in languages}

    @cached_property
    def frozen_configs(self) -> Mapping[str, Asset]:
        """The same without what can change while the version stays."""
        return replace(self, lost=()).configs if self.lost else self.configs

    @cached_property
    def table(self) -> Table:
        """The gate's answers."""
        return Table(self.gate)

    @cached_property
    def front(self) -> Front:
        """What a proxy in front of the site's pages is told."""
        where = domains(self.definition["cookie_domain"], self.definition["origins"])
        return Front(self.gate, self.snapshot["trackers"], where)

    @cached_property
    def origins(self) -> frozenset[str]:
        """Where its pages are."""
        return frozenset(self.definition["origins"])

    @cached_property
    def asked(self) -> frozenset[str]:
        """The trackers that this version asks consent for."""
        return frozenset(tracker.id for tracker in self.gate.trackers.values() if tracker.asked)

    @cached_property
    def variants(self) -> Mapping[str | None, str]:
        """What its experiment shows, by the short name in a receipt: the name under which it is counted."""
        experiment = self.definition.get("experiment")
        if experiment is None:
            return {}
        return {one["id"]: f"{experiment['id']}:{one['id']}" for one in experiment["variants"]}

    def make_ready(self) -> None:
        """Compress and tabulate what requests ask for, before the first of them comes: brotli takes 0.1 s."""
        _ = self.script, self.configs, self.table, self.origins, self.asked

    def forget(self) -> None:
        """Let go of what only the current version is asked for; records of this version still point at the rest."""
        for name in ("script", "configs", "frozen_configs", "table", "front"):
            self.__dict__.pop(name, None)


def freeze(definition: Mapping[str, Any]) -> dict[str, Any]:
    """All that a visitor is shown, and the trackers in full, from the catalogue of today."""
    return {
        "schema": "poort/version/1",
        "definition": dict(definition),
        "texts": banners.frozen_texts(definition),
        "trackers": [resolve(entry, definition["jurisdiction"]) for entry in definition["trackers"]],
    }


# Where Python's own JSON may read otherwise than RFC 8785: keys beyond U+D7FF, which sort otherwise, fractions, and
# numbers of sixteen digits. Within a text it is a false alarm, and costs time alone.
_OTHERWISE = re.compile(r"[\ud800-\U0010ffff]|[:,\[]-?\d+(?:[.eE]|(?<=\d{16}))")


def canonical(snapshot: Mapping[str, Any]) -> bytes:
    """RFC 8785 canonical JSON: anybody can compute the digest again.

    By Python's own encoder where that gives the same: 2 instead of 26 ms for two hundred trackers.
    """
    text = json.dumps(snapshot, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return rfc8785.dumps(dict(snapshot)) if _OTHERWISE.search(text) else text.encode()


def digest_of(snapshot: Mapping[str, Any]) -> str:
    """What a version is known by: the SHA-256 of its snapshot's canonical JSON (E2)."""
    return hashlib.sha256(canonical(snapshot)).hexdigest()


def changes_of(previous: Version | None, snapshot: Mapping[str, Any]) -> list[Change]:
    """What this snapshot would change against the version before; nothing when there is none."""
    return changes.compare(json.loads(previous.snapshot), snapshot) if previous else []


def _previous(site: Site) -> Version | None:
    return db.session.get(Version, (site.key, site.current)) if site.current else None


def preview(site: Site) -> tuple[str, list[Change]]:
    """The digest that publishing the draft now would have, and what it would change. Raises ValidationError."""
    snapshot = freeze(site.draft)
    _own_name(site)
    return digest_of(snapshot), changes_of(_previous(site), snapshot)


def _own_name(site: Site) -> None:
    """An experiment has a name that no other of the site had; raises ValidationError."""
    experiment = experiments.experiment_of(site.draft)
    if experiment is None:
        return
    before = experiment_versions(site.key, experiment["id"]).values()
    if any(experiments.question(one) != experiments.question(site.draft) for one in before):
        raise ValidationError({"experiment": {"id": [experiments.USED]}})


def experiment_versions(site: str, experiment: str) -> dict[int, dict[str, Any]]:
    """The definitions of the versions that have an experiment of this name, by their numbers, oldest first."""
    # In canonical JSON its fields stand in the order of their names; within a text a quote has a backslash before it.
    mark = f'%"experiment":{{"goal":"%","id":"{experiment}",%'
    rows = select(Version.number, Version.snapshot).where(Version.site == site, Version.snapshot.like(mark))
    found = {number: definition_in(snapshot) for number, snapshot in db.session.execute(rows.order_by(Version.number))}
    return {number: definition for number, definition in found.items() if definition["experiment"]["id"] == experiment}


def definition_in(snapshot: str) -> dict[str, Any]:
    """The definition that a snapshot froze, from its JSON."""
    found: dict[str, Any] = json.loads(snapshot)["definition"]
    return found


def publish(
    site: Site, now: datetime, by: audit.By = audit.COMMAND, reasons: Mapping[str, str] | None = None,
    restored: int | None = None,
) -> tuple[Version, bool]:
    """Freeze the draft as the next version; also whether it is new: the same content is not published twice.

    A material policy change queues the mails that tell the owners of it. The caller commits. Two who publish at once:
    the second one's number is taken, and its commit fails. `restored`: the version whose definition comes back.
    Raises linter.Blocked for what breaks a rule; and, when reasons are given otherwise than by a command,
    linter.Unexplained for a soft finding without one: `{"RULE:path": "reason"}`; ValidationError for a draft that can
    not be published as it is.
    """
    previous = _previous(site)
    snapshot = freeze(site.draft)
    if previous is not None and previous.digest == digest_of(snapshot):
        return previous, False
    _own_name(site)
    kept = linter.explained(linter.check(site.draft), reasons, ask=reasons is not None and by.via != "command")
    skipped = restorations.skipped(previous.published_at if previous else None)
    number = (previous.number if previous else 0) + 1 + skipped
    found = changes_of(previous, snapshot)
    since = changes.since(previous.since if previous else None, snapshot, found, number)
    since["previous"] = previous.number if previous else 0  # numbers can be left out (restorations.py)
    version = _version(site.key, number, snapshot, since, found, now)
    version.published_by, version.via, version.restored = by.user_id, by.via, restored
    version.reasons = kept or None
    db.session.add(version)
    site.current = number
    db.session.flush()
    _note(version, site, by)
    for what, facts in experiments.turns(definition_in(previous.snapshot) if previous else None, site.draft):
        audit.note(site.organisation_id, what, by, site.key, version=number, **facts)
    if any(change.kind == "policy" and change.material for change in found):
        announce(site, number, since["previous"], snapshot, found, now)
    return version, True


def _note(version: Version, site: Site, by: audit.By) -> None:
    if version.restored is None:
        audit.note(site.organisation_id, "version.publish", by, site.key, version=version.number)
    else:
        audit.note(site.organisation_id, "version.restore", by, site.key, version=version.number, old=version.restored)


def _version(
    site: str, number: int, snapshot: Mapping[str, Any], since: dict[str, Any], found: Sequence[Change], now: datetime
) -> Version:
    return Version(
        site=site,
        number=number,
        digest=digest_of(snapshot),
        snapshot=canonical(snapshot).decode(),
        since=since,
        script_digest=hashlib.sha256(banners.code().encode()).hexdigest(),
        published_at=now,
        changes=[change.as_json() for change in found],
    )


def trial(site: Site, definition: Mapping[str, Any], now: datetime) -> Published:
    """The version that this definition would be, were it the first; nothing is stored. Raises ValidationError."""
    snapshot, number = freeze(definition), (site.current or 0) + 1
    # Without a digest, which takes most of the time; the script asks for the rest of a config that has none.
    row = Version(site=site.key, number=number, digest="trial", snapshot=json.dumps(snapshot), published_at=now,
                  since=changes.since(None, snapshot, [], number), changes=[])
    return published(row)


def ended_at(site: str, number: int) -> datetime | None:
    """When the next version took its place; None while it is in effect."""
    later = select(Version.published_at).where(Version.site == site, Version.number > number)
    return db.session.scalar(later.order_by(Version.number).limit(1))


def pending(site: Site, version: Version | None) -> bool:
    """Whether publishing the draft now would make another version than this one."""
    if version is None:
        return True
    try:
        return digest_of(freeze(site.draft)) != version.digest
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
    return Published(row.site, row.number, row.digest, row.published_at, snapshot, view, row.since, row.changes)


class Unavailable(Exception):
    """The database can not be asked now."""


class Unasked(Exception):
    """What this process knows does not say; `future` is done once the database was asked."""

    def __init__(self, future: "Future[None]") -> None:
        super().__init__("the database has to be asked first")
        self.future = future


Wish = tuple[str, int]  # a site, and one of its versions; 0 for the current one


class Publications:
    """The published versions as one process knows them; a request never waits for the database to know one again.

    A thread of its own looks every LOOK seconds which versions are current, and makes a new one ready to be served
    before it takes the place of the old. When the database is away or hangs, what is known keeps being served.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._versions: dict[tuple[str, int], Published] = {}
        self._current: dict[str, Published] = {}
        self._told: frozenset[str] = frozenset()
        self._zones: dict[str, ZoneInfo] = {}
        self._absent: dict[tuple[str, int], float] = {}
        self._wishes: dict[Wish, Future[None]] = {}
        self._wished = threading.Event()
        self._closing = False
        self._replaced: list[Published] = []
        self._lost: tuple[restorations.Window, ...] = ()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked = -6 * LOOK

    def current(self, site: str) -> Published | None:
        """The current version of the site; None when there is none. Raises Unasked."""
        found = self._current.get(site)
        return found if found is not None or self._is_absent(site, 0) else self._unasked(site, 0)

    def at_least(self, site: str, number: int) -> Published | None:
        """The current version, asked for anew when it is older than `number`: somebody has seen a newer one."""
        found = self.current(site)
        if found is None or found.number >= number or self._is_absent(site, number) or not self._is_fresh():
            return found
        return self._unasked(site, number)

    def get(self, site: str, number: int) -> Published | None:
        """One version of the site; None when there is none. Raises Unasked."""
        found = self._versions.get((site, number))
        return found if found is not None or self._is_absent(site, number) else self._unasked(site, number)

    @property
    def lost(self) -> tuple[restorations.Window, ...]:
        """The hours that were lost, as far as they still matter; known once any site was asked for."""
        return self._lost

    def tells(self, site: str) -> bool:
        """Whether the site's owner has a webhook that is to be told of decisions. Says nothing new for an unknown site:
        who asks has asked for its current version before.
        """
        return site in self._told

    def zone(self, site: str) -> ZoneInfo:
        """The time zone in which the site's organisation counts its days; who asks has asked for its version before."""
        return self._zones.get(site, USUAL_ZONE)

    def reaches(self, patience: float) -> bool:
        """Whether the database says anything within so many seconds, be it a refusal; False when it hangs."""
        if self._is_fresh():
            return True
        try:
            self._ask("", 0).result(patience)
        except TimeoutError:
            return False
        except Unavailable:
            return True
        return True

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked < 6 * LOOK

    def _is_absent(self, site: str, number: int) -> bool:
        """Whether it can not be, or was not there a moment ago: unknown names cost one question each LOOK."""
        if not KEY.fullmatch(site) or not 0 <= number < 2**31:
            return True
        return time.monotonic() - self._absent.get((site, number), -LOOK) < LOOK

    def _unasked(self, site: str, number: int) -> NoReturn:
        raise Unasked(self._ask(site, number))

    def _ask(self, site: str, number: int) -> "Future[None]":
        with self._lock:
            future = self._wishes.get((site, number))
            if future is None:
                if len(self._wishes) >= MOST_ASKED:
                    raise Unavailable("too much is asked at once")
                future = self._wishes[site, number] = Future()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="publications", daemon=True)
                self._thread.start()
        self._wished.set()
        return future

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wished.set()
        if self._thread is not None:
            self._thread.join()

    # -- in the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            self._wished.wait(LOOK)
            self._wished.clear()
            with self._lock:
                wishes, self._wishes = self._wishes, {}
            try:
                broken = self._look(wishes)
                self._looked = time.monotonic()
            except Exception as error:
                broken = dict.fromkeys([site for site, _ in wishes], _told(error))
            for (site, _), future in wishes.items():
                if site in broken:
                    future.set_exception(broken[site])
                else:
                    future.set_result(None)

    def _look(self, wishes: Collection[Wish]) -> dict[str, Exception]:
        """Ask the database; the sites that can not be read, each with what is wrong. The others are not held up."""
        broken: dict[str, Exception] = {}
        asked: dict[str, list[int]] = {site: [] for site in self._current}
        for site, number in wishes:
            asked.setdefault(site, []).append(number)
        replaced, self._replaced = self._replaced, []
        absent: list[Wish] = []
        with self._engine.connect() as connection:
            rows = connection.execute(_CURRENT).all()
            current = {row.key: (row.current, row.digest) for row in rows}
            self._told = frozenset(row.key for row in rows if row.told)
            self._zones = {row.key: zone(row.time_zone) for row in rows}
            self._lost = restorations.windows(connection, datetime.now(UTC))
            for site, numbers in asked.items():
                try:
                    self._renew(connection, site, *current.get(site, (None, "")))
                    absent += [(site, number) for number in numbers if not self._has(connection, site, number)]
                except (ValueError, KeyError, TypeError) as error:
                    broken[site] = _told(error)
        self._remember_absent(absent)
        for old in replaced:  # a look later: a request may have had it in its hands
            old.forget()
        return broken

    def _renew(self, connection: Connection, site: str, number: int | None, digest: str) -> None:
        old = self._current.get(site)
        if number is None:
            self._current.pop(site, None)
        elif old is None or (old.number, old.digest, old.lost) != (number, digest, self._lost):
            known = self._versions.get((site, number))
            if known is not None and known.digest != digest:  # a backup was put back, and published anew
                for key in [key for key in self._versions if key[0] == site]:
                    del self._versions[key]
            found = self._load(connection, site, number)
            if found is not None:
                found = self._versions[site, number] = replace(found, lost=self._lost)
                found.make_ready()
                self._current[site] = found
        if old is not None and self._current.get(site) is not old:
            self._replaced.append(old)

    def _has(self, connection: Connection, site: str, number: int) -> bool:
        """See to it that the next question about it has an answer; whether that is a version."""
        return (self._load(connection, site, number) if number else self._current.get(site)) is not None

    def _remember_absent(self, wishes: list[Wish]) -> None:
        if len(self._absent) + len(wishes) > MOST_ABSENT:
            self._absent.clear()
        now = time.monotonic()
        self._absent.update(dict.fromkeys(wishes, now))

    def _load(self, connection: Connection, site: str, number: int) -> Published | None:
        if (site, number) not in self._versions:
            table = Version.__table__
            row = connection.execute(select(table).where(table.c.site == site, table.c.number == number)).first()
            if row is not None:
                self._versions[site, number] = published(row)
        return self._versions.get((site, number))


def _told(error: Exception) -> Exception:
    """What those who wait are told: that the database is away, or a fault of ours, which is logged."""
    if isinstance(error, SQLAlchemyError | OSError):
        return Unavailable(type(error).__name__)
    log.error("A version can not be read", exc_info=error)
    return error


_CURRENT = (
    select(Site.key, Site.current, Version.digest, Webhook.site.label("told"), Organisation.time_zone)
    .join(Organisation, Organisation.id == Site.organisation_id)
    .join(Version, (Version.site == Site.key) & (Version.number == Site.current))
    .outerjoin(Webhook, (Webhook.site == Site.key) & Webhook.stopped_at.is_(None))
)


T = TypeVar("T")


def settled(ask: Callable[[], T]) -> T:
    """What `ask` returns once all that it needs is known, for a caller that can wait. Raises Unavailable."""
    while True:
        try:
            return ask()
        except Unasked as unasked:
            try:
                unasked.future.result(PATIENCE)
            except TimeoutError as error:
                raise Unavailable("the database does not answer") from error
