"""Looks at sites that somebody asked for: a row for each, done by the job `scans`, one at a time, kept twelve months.

A scan runs in a process of its own (scan_worker.py), which says every few seconds that it lives: one that is cut off,
be it with its runner or alone, is begun once more, and given up after that.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError
from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, Index, Select, String, func, or_, select, update
from sqlalchemy.engine import Engine, Row
from sqlalchemy.orm import Mapped, deferred, mapped_column

from consent import audit, findings, scanner
from consent.batches import Go, More, delete_some
from consent.browsers import NoBrowser, NoSandbox
from consent.catalogue import resolve
from consent.config import Settings
from consent.db import Moment, db, writing_on
from consent.inspection import Progress, silent
from consent.installation import Expected
from consent.marks import mark
from consent.months import later
from consent.scanner import BadTarget, CutOff, checked, origin
from consent.sites import NotFound, Site, site_for_key
from consent.versions import Version

log = logging.getLogger("poort.scan")

LOOK, INSTALL = "look", "install"
KINDS: Final = (LOOK, INSTALL)
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
GOING: Final = (WAITING, RUNNING)
MOST_PAGES: Final = 20
MOST_WAITING: Final = 50
MOST_WAITING_OF_ONE: Final = 3  # of an organisation: the others have their turn as well
KEPT_MONTHS: Final = 12
ATTEMPTS: Final = 2
SILENT: Final = timedelta(seconds=40)  # without a sign of life it is cut off
LONGEST: Final = timedelta(minutes=15)
LOOKED: Final = 1.0  # seconds that the job stays with a scan; then others have their turn
ROOT: Final = Path(__file__).resolve().parent.parent


class Busy(Exception):
    """No scan is begun now; the message is one sentence."""


class Scan(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One look. `progress` is {phase, page, of}; `why` one word on a failed one; `status` as the command would exit."""

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("site.key"))
    kind: Mapped[str] = mapped_column(String(16))
    url: Mapped[str] = mapped_column(String(500))
    pages: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    attempts: Mapped[int]
    begun_at: Mapped[datetime] = mapped_column(Moment)
    beat_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[int | None]
    leaks: Mapped[int | None]
    why: Mapped[str] = mapped_column(String(300))
    report: Mapped[dict[str, Any] | None] = deferred(mapped_column(JSON(none_as_null=True)))
    by_user: Mapped[int | None]

    __table_args__ = (Index("ix_scan_site_begun_at", "site", "begun_at"), Index("ix_scan_state", "state"))

    @property
    def is_going(self) -> bool:
        """Whether there is still something to wait for."""
        return self.state in GOING


_TABLE = Scan.__table__


# What people do -------------------------------------------------------------------------------------------------------


def begin(site: Site, kind: str, url: str, pages: int, by: audit.By, now: datetime) -> Scan:
    """Have the site looked at; raises BadTarget for what is no page of it, Busy. The caller commits."""
    if not 1 <= pages <= MOST_PAGES:
        raise ValueError("pages")  # both doors have said so already
    target = _bare(checked(url))
    if origin(target) not in site.draft["origins"]:
        raise BadTarget(mark("Only pages of this site's own origins are looked at."))
    if db.session.scalar(select(func.count()).where(Scan.site == site.key, Scan.state.in_(GOING))):
        raise Busy(mark("This site is being looked at already."))
    ours = select(func.count()).select_from(Scan).join(Site, Site.key == Scan.site).where(
        Site.organisation_id == site.organisation_id, Scan.state == WAITING)
    if (db.session.scalar(ours) or 0) >= MOST_WAITING_OF_ONE:
        raise Busy(mark("Too many scans wait already. Try again later."))
    if (db.session.scalar(select(func.count()).where(Scan.state == WAITING)) or 0) >= MOST_WAITING:
        raise Busy(mark("Too many scans wait already. Try again later."))
    scan = Scan(site=site.key, kind=kind, url=target, pages=pages, state=WAITING, progress={}, attempts=0,
                begun_at=now, why="", by_user=by.user_id)
    db.session.add(scan)
    db.session.flush()
    audit.note(site.organisation_id, "scan.begin", by, site.key, kind=kind, pages=pages)
    return scan


def _bare(url: str) -> str:
    """Without query and fragment: opening a page must not do anything."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def latest(site: Site, most: int = 20) -> list[Scan]:
    """The last looks at the site, newest first, without their reports."""
    query = select(Scan).where(Scan.site == site.key).order_by(Scan.begun_at.desc(), Scan.id.desc())
    return list(db.session.scalars(query.limit(most)))


def last_check(site: Site) -> Scan | None:
    """The last check of the installation that came to its end; `status` 0: all was right."""
    query = select(Scan).where(Scan.site == site.key, Scan.kind == INSTALL, Scan.state == DONE)
    found: Scan | None = db.session.scalar(query.order_by(Scan.begun_at.desc(), Scan.id.desc()).limit(1))
    return found


def of_site(site: Site, id: int) -> Scan:
    """This look at the site; raises NotFound."""
    found: Scan | None = db.session.get(Scan, id) if 0 < id < 2**31 else None
    if found is None or found.site != site.key:
        raise NotFound("There is no such scan.")
    return found


def with_chosen(definition: Mapping[str, Any], proposed: Mapping[str, Any], chosen: list[str]) -> dict[str, Any]:
    """The definition with those of the report's proposals that were chosen and that it does not have yet."""
    there = {entry["id"] for entry in definition["trackers"]}
    offered = [one["tracker"] for one in proposed["proposals"]]
    new = [{"id": id} for id in offered if id in chosen and id not in there]
    return {**definition, "trackers": [*definition["trackers"], *new]}


def is_stuck(scan: Scan, now: datetime) -> bool:
    """Whether it waits for so long that nobody seems to run the jobs."""
    return scan.state == WAITING and now - scan.begun_at > timedelta(minutes=2)


# The job --------------------------------------------------------------------------------------------------------------


class Worker:
    """The process that looks, as the runner of the jobs keeps it: one at a time."""

    def __init__(self) -> None:
        self.scan: int | None = None
        self.since: datetime | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, scan: int, now: datetime) -> None:
        """Begin with this scan."""
        command = [sys.executable, "-m", "consent.scan_worker", str(scan), str(os.getpid())]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)  # noqa: S603  # our own module
        self.scan, self.since = scan, now

    def is_at_work(self, seconds: float) -> bool:
        """Whether it still runs after so many seconds."""
        if self._process is None:
            return False
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        self._process = None
        return False

    def kill(self) -> None:
        """It takes too long; its browser goes with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_worker = Worker()


def work(engine: Engine, now: datetime) -> str:
    """Go on with the scan of this runner, or begin the next one; what was done, in words."""
    if _worker.is_at_work(LOOKED):
        if _worker.since is not None and _worker.since < now - LONGEST:
            _worker.kill()
        return More(f"scan {_worker.scan} goes on")
    ended, _worker.scan = _worker.scan, None
    lost = _give_back(engine, ended, now)
    next_one = _claim(engine, now)
    if next_one is None:
        return f"{lost} scans were cut off" if lost else "none waits"
    _worker.start(next_one, now)
    return More(f"scan {next_one} is begun")


def _give_back(engine: Engine, ended: int | None, now: datetime) -> int:
    """What runs no longer though its row says so waits once more, or has failed; how many those were."""
    silent = or_(_TABLE.c.beat_at < now - SILENT, _TABLE.c.id == (ended or 0))
    lost = (_TABLE.c.state == RUNNING, silent)
    with engine.connect() as connection:
        if not connection.scalar(select(func.count()).select_from(_TABLE).where(*lost)):
            return 0
    with writing_on(engine) as connection:
        failed = connection.execute(update(_TABLE).where(*lost, _TABLE.c.attempts >= ATTEMPTS).values(
            state=FAILED, why="cut_off", ended_at=now)).rowcount
        again = connection.execute(update(_TABLE).where(*lost).values(state=WAITING)).rowcount
    return int(failed + again)


def _claim(engine: Engine, now: datetime) -> int | None:
    """The next scan that waits, now running; None while another runner has one."""
    waits = _next()
    with engine.connect() as connection:
        if connection.scalar(waits) is None:
            return None
    with writing_on(engine) as connection:
        runs = connection.scalar(select(func.count()).select_from(_TABLE).where(_TABLE.c.state == RUNNING))
        found = None if runs else connection.scalar(waits)
        if found is not None:
            connection.execute(update(_TABLE).where(_TABLE.c.id == found).values(
                state=RUNNING, beat_at=now, attempts=_TABLE.c.attempts + 1, progress={}))
        return found


def _next() -> Select[Any]:
    """The scan whose turn it is: of the organisation whose last one is longest ago, so that nobody waits for all of
    another's.
    """
    site, other, before = Site.__table__, Site.__table__.alias(), _TABLE.alias()
    last = select(func.max(before.c.beat_at, type_=BigInteger)).select_from(before.join(other)).where(
        other.c.organisation_id == site.c.organisation_id).scalar_subquery()
    waiting = select(_TABLE.c.id).select_from(_TABLE.join(site)).where(_TABLE.c.state == WAITING)
    return waiting.order_by(func.coalesce(last, 0), _TABLE.c.id).limit(1)


def forget(engine: Engine, now: datetime) -> str:
    """Delete what is older than KEPT_MONTHS; what was done, in words."""
    go, old = Go(), _TABLE.c.begun_at < datetime.combine(later(now.date(), -KEPT_MONTHS), clock.min, UTC)
    return go.said(f"{go.until_done(partial(_forget, engine, old))} scans deleted")


def _forget(engine: Engine, old: ColumnElement[bool]) -> int:
    with writing_on(engine) as connection:
        return delete_some(connection, _TABLE, old, 50)


# What the worker writes -----------------------------------------------------------------------------------------------


def running(engine: Engine, id: int) -> Row[Any] | None:
    """The scan, if it is to be done."""
    columns = [column for column in _TABLE.c if column.name != "report"]
    with engine.connect() as connection:
        return connection.execute(select(*columns).where(_TABLE.c.id == id, _TABLE.c.state == RUNNING)).first()


def beat(engine: Engine, id: int, now: datetime, **progress: Any) -> bool:
    """A sign of life, with how far it is; False when nobody wants to know any more."""
    with writing_on(engine) as connection:
        mine = update(_TABLE).where(_TABLE.c.id == id, _TABLE.c.state == RUNNING)
        return bool(connection.execute(mine.values(beat_at=now, **progress)).rowcount)


def finish(engine: Engine, id: int, report: Mapping[str, Any], status: int, now: datetime) -> None:
    """It is done."""
    _end(engine, id, state=DONE, report=report, status=status, leaks=len(report["leaks"]), ended_at=now)


def fail(engine: Engine, id: int, why: str, now: datetime) -> None:
    """It could not be done."""
    _end(engine, id, state=FAILED, why=why[:300], ended_at=now)


def _end(engine: Engine, id: int, **values: Any) -> None:
    with writing_on(engine) as connection:
        connection.execute(update(_TABLE).where(_TABLE.c.id == id, _TABLE.c.state == RUNNING).values(**values))


def do(engine: Engine, row: Row[Any], settings: Settings, progress: Progress) -> None:
    """Look, and write down what was seen. In a process that does nothing else."""
    site = site_for_key(row.site)
    try:
        report = seen_of(site, row.kind, row.url, row.pages, settings, scanner.outside(settings), progress)
        finish(engine, row.id, report, scanner.status_of(report), datetime.now(UTC))
    except NoSandbox:
        fail(engine, row.id, "no_sandbox", datetime.now(UTC))
    except NoBrowser:
        fail(engine, row.id, "no_browser", datetime.now(UTC))
    except CutOff as cut:
        fail(engine, row.id, str(cut), datetime.now(UTC))
    except Exception as error:
        log.error("A scan failed", exc_info=error)
        fail(engine, row.id, "broken", datetime.now(UTC))


def seen_of(
    site: Site, kind: str, url: str, pages: int, settings: Settings, out: scanner.Outside, progress: Progress = silent
) -> dict[str, Any]:
    """The report of a look of this kind at the site, with its draft's trackers. Raises NoBrowser, CutOff."""
    draft = site.draft
    scope = findings.scope_of(url, _rows(draft), draft, settings.public_url)
    scan = scanner.Scan(url, scope, pages, (), tuple(draft["origins"]), progress)
    if kind == LOOK:
        return scanner.look_at(scan, out)
    return scanner.check_install(scan, _expected(site, settings.public_url), out)


def _rows(draft: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trackers of the draft in full, without those that today's catalogue refuses."""
    found = []
    for entry in draft["trackers"]:
        with suppress(ValidationError):
            found.append(resolve(entry, draft["jurisdiction"]))
    return found


def _expected(site: Site, url: str) -> Expected:
    version = db.session.get(Version, (site.key, site.current)) if site.current else None
    if version is None:
        return Expected(site.key, url, None, False)
    snapshot = json.loads(version.snapshot)
    asked = any(row["category"] != "necessary" and not row["exempt"] for row in snapshot["trackers"])
    return Expected(site.key, url, version.number, asked and snapshot["definition"]["audience"] != "children")
