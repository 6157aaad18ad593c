"""The jobs: what has to be done again and again, by `flask jobs run`. Never in the processes that answer visitors.

A runner holds a job's lock while it does it, and writes down when the job is due again before it lets go: so a second
runner does nothing twice. What was missed is due. What is cut off in the middle, be it by SIGKILL, is due still: each
job does its work in transactions of their own, and goes on where the last one ended.
"""

import logging.config
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from typing import NamedTuple

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from consent import (
    backups,
    contracts,
    delivery,
    expiry,
    idle,
    leaks,
    mailing,
    mails,
    metrics,
    retention,
    rights,
    rounds,
    runs,
    scans,
    sessions,
    tickets,
    webhooks,
    weekly,
)
from consent.batches import Go, More
from consent.config import Settings
from consent.db import alone, db, leave_no_trace
from consent.logs import configuration, described
from consent.marks import mark
from consent.versions import Version

log = logging.getLogger("poort.jobs")

PAUSE = 1.0  # seconds between two looks of a runner that keeps running
UNNOTICED = timedelta(days=2)  # without a runner, before owners are told
LONGEST_PAUSE = 60.0  # when the database can not be asked what is due


def _now() -> datetime:
    return datetime.now(UTC)


def _deliver(engine: Engine, settings: Settings) -> str:
    tally = delivery.deliver(engine, settings.webhook_private, _now)
    return f"{tally.delivered} delivered, {tally.failed} failed, {tally.dead} of them for good"


def _expire(engine: Engine, _: Settings) -> str:
    return expiry.expire(engine, _now())


def _forget(engine: Engine, _: Settings) -> str:
    return retention.forget(engine, _now())


def _forget_errors(engine: Engine, _: Settings) -> str:
    return forget_errors(engine, _now())


def forget_errors(engine: Engine, now: datetime) -> str:
    """Delete what failures said, 30 days after: of jobs, of mails, and of webhooks with their log."""
    go = Go()
    failures = runs.forget_errors(engine, now) + mails.forget_answers(engine, now - runs.KEPT)
    return go.said(f"{failures} failures and {webhooks.tidy(engine, now, go)} events of webhooks forgotten")


def _mail(engine: Engine, settings: Settings) -> str:
    if settings.mail_url is None:
        waiting = mails.count(engine)[mails.WAITING]
        return f"{waiting} wait; set POORT_MAIL_URL to send them" if waiting else "none to send"
    tally = mailing.send_due(engine, settings.mail_from, _now)
    return f"{tally.sent} sent, {tally.failed} failed, {tally.dead} of them for good"


def _tidy_mails(engine: Engine, _: Settings) -> str:
    return f"{mails.tidy(engine, _now())} addresses forgotten"


def _forget_leaks(engine: Engine, _: Settings) -> str:
    return leaks.forget(engine, _now())


def _accounts(engine: Engine, _: Settings) -> str:
    sessions.tidy(engine, _now())
    tickets.tidy(engine, _now())
    return idle.remove_idle(_now())


def _organisations(engine: Engine, _: Settings) -> str:
    return contracts.remove_ended(engine, _now())


def _overwrite(engine: Engine, _: Settings) -> str:
    ended = rights.tidy(_now())
    emptied = "emptied" if leave_no_trace(engine) else "in use, left to the next time"
    return f"{ended} restrictions ended, the write-ahead log {emptied}"


def _scan(engine: Engine, _: Settings) -> str:
    return scans.work(engine, _now())


def _alerts(engine: Engine, _: Settings) -> str:
    return rounds.watch(_now())


def _summarise(engine: Engine, _: Settings) -> str:
    return weekly.send_due(_now())


def _forget_scans(engine: Engine, _: Settings) -> str:
    return scans.forget(engine, _now())


class Job(NamedTuple):
    """A job: how long after its last time it is due, the function, which says what it did, and what that is."""

    name: str
    every: timedelta
    run: Callable[[Engine, Settings], str]
    what: str = ""


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFTEN = timedelta(minutes=10)

JOBS = (
    Job("webhooks", timedelta(0), _deliver, mark("Tells your own systems of every decision")),
    Job("mail", timedelta(0), _mail, mark("Sends mails to owners")),
    Job("scans", timedelta(0), _scan, mark("Looks at the sites that owners want looked at")),
    Job("alerts", HOUR, _alerts, mark("Looks whether something seems wrong with a site, and tells its owners")),
    Job("weekly", OFTEN, _summarise, mark("Writes the weekly summaries, on Monday morning")),
    Job("expire", HOUR, _expire, mark("Counts the consents whose time is over")),
    Job("forget", DAY, _forget, mark("Deletes records after consent life and claim period")),
    Job("errors", DAY, _forget_errors, mark("Deletes what went wrong after 30 days, and the log of webhooks")),
    Job("mail-log", DAY, _tidy_mails, mark("Forgets whom mails were sent to, and what they said")),
    Job("leaks", DAY, _forget_leaks, mark("Forgets counts of leaks after 90 days")),
    Job("scan-log", DAY, _forget_scans, mark("Deletes what was seen of sites, twelve months after")),
    Job("accounts", DAY, _accounts, mark(
        "Forgets sessions and links that are over, and removes accounts without a sign of life for 36 months, warned")),
    Job("organisations", DAY, _organisations, mark("Deletes an organisation a year after its contract ended")),
    Job("backup", DAY, backups.daily, mark("Makes a backup and proves it")),
    Job("backup-expiry", HOUR, backups.tidy, mark("Deletes old backups, and tombstones that none needs")),
    # Last, for what the others deleted too.
    Job("traces", HOUR, _overwrite, mark("Ends restrictions of nobody, and leaves no trace of what was erased")),
)


@dataclass(frozen=True)
class Result:
    """What became of a job. `more`: it had to let others go first, and is due again at once."""

    name: str
    said: str
    failed: bool = False
    more: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.said}"


class Unwritten(NamedTuple):
    """A failure that could not be written down, and when the job is tried again."""

    error: Exception
    since: datetime
    attempts: int
    again: datetime


class Runner:
    """Does jobs. One that fails does not keep the others from being done."""

    def __init__(self, engine: Engine, settings: Settings, jobs: Sequence[Job] | None = None) -> None:
        self._engine, self._settings = engine, settings
        self.jobs = JOBS if jobs is None else jobs
        self._unwritten: dict[str, Unwritten] = {}

    def round(
        self, now: Callable[[], datetime] = _now, stop: Signal | None = None, only: Collection[str] | None = None
    ) -> list[Result]:
        """Do what is due; what became of each job that was begun. What another runner does is left to it."""
        found = runs.known(self._engine)
        results = []
        for job in self.jobs:
            if stop is not None and stop.is_set():
                break
            if only is not None and job.name not in only:
                continue
            if runs.is_due(found.get(job.name), job.every, now()) and not self._waits(job, now()):
                results.append(self.do(job, now))
        return [result for result in results if result is not None]

    def do(self, job: Job, now: Callable[[], datetime] = _now, always: bool = False) -> Result | None:
        """Do one job; None when another runner does it, or has done it while we came. `always`: whether due or not."""
        try:
            with alone(self._engine, runs.JobLock.__table__, job.name) as mine:
                return self._try(job, now, always) if mine else None
        except Exception as error:  # the lock, or what was to be written down
            return self._failed(job, None, error, now())

    def _try(self, job: Job, now: Callable[[], datetime], always: bool) -> Result | None:
        run = runs.known(self._engine).get(job.name)
        if not always and not runs.is_due(run, job.every, now()):
            return None
        try:
            said = job.run(self._engine, self._settings)
            more = isinstance(said, More)
            runs.succeed(self._engine, run, job.name, job.every, now(), more)
        except Exception as error:
            return self._failed(job, run, error, now())
        self._written(job)
        return Result(job.name, said, more=more)

    def _written(self, job: Job) -> None:
        if self._unwritten.pop(job.name, None) is not None:
            metrics.JOB_UNWRITTEN.labels(job.name).set(0)

    def _failed(self, job: Job, run: runs.Run | None, error: Exception, now: datetime) -> Result:
        log.error("A job failed", exc_info=error, extra={"job": job.name})
        try:
            again = runs.fail(self._engine, run, job.name, error, now)
            self._written(job)
        except Exception:  # the disk is full, or the database is away: kept in mind until it can be written down
            before = self._unwritten.get(job.name)
            attempts = before.attempts + 1 if before else 1
            again = now + runs.backoff(attempts)
            self._unwritten[job.name] = Unwritten(error, before.since if before else now, attempts, again)
            metrics.JOB_UNWRITTEN.labels(job.name).set(1)
        said = f"failed: {described(error)}; again from {again:%Y-%m-%d %H:%M:%S} UTC"
        return Result(job.name, said, failed=True)

    def _waits(self, job: Job, now: datetime) -> bool:
        """Whether it failed just now, which could not be written down. That is tried first."""
        kept = self._unwritten.get(job.name)
        if kept is None:
            return False
        try:
            runs.fail(self._engine, runs.known(self._engine).get(job.name), job.name, kept.error, kept.since)
        except Exception:
            return now < kept.again
        self._written(job)
        return False


def _runner() -> Runner:
    return Runner(db.engine, current_app.extensions["poort.settings"])


def run_due(now: Callable[[], datetime] = _now) -> list[str]:
    """Do what is due, to its end; a line for each job that was done."""
    return [str(result) for result in finish_due(now)]


def finish_due(now: Callable[[], datetime] = _now) -> list[Result]:
    """The same with what became of each, the last word of those that took several goes."""
    runner = _runner()
    done = {result.name: result for result in runner.round(now)}
    while going := [name for name, result in done.items() if result.more]:
        again = {result.name: result for result in runner.round(now, only=going)}
        done.update({name: again.get(name, replace(done[name], more=False)) for name in going})
    return list(done.values())


def run_now(name: str) -> Result | None:
    """Do one job to its end, whether it is due or not; None when another runner does it. Raises KeyError."""
    job = {job.name: job for job in JOBS}[name]
    runner = _runner()
    result = runner.do(job, always=True)
    while result is not None and result.more:
        result = runner.do(job, always=True)
    return result


def until_told() -> Signal:
    """Set by TERM or INT: the end of a runner, after what it does then. From now on it logs as the server does."""
    logging.config.dictConfig(configuration(current_app.extensions["poort.settings"].log_level))
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def keep_running(stop: Signal) -> None:
    """Do what is due again and again until `stop`. What fails is logged, and tried again later and later."""
    runner, pause = _runner(), PAUSE
    while not stop.is_set():
        try:
            going = any(result.more for result in runner.round(stop=stop))
            pause = PAUSE
        except Exception as error:
            log.error("The jobs can not be looked at", exc_info=error)
            going, pause = False, min(LONGEST_PAUSE, pause * 2)
        if not going:
            stop.wait(pause)


class Standing(NamedTuple):
    """A job as people look at it. `run` is None when it was never done; `overdue`: nobody does it."""

    job: Job
    run: runs.Run | None
    overdue: bool


def standings(engine: Engine) -> list[Standing]:
    """Every job and how it stands."""
    found, now = runs.known(engine), _now()
    every = [(job, found.get(job.name)) for job in JOBS]
    return [Standing(job, run, run is not None and runs.is_overdue(run, now)) for job, run in every]


def undone_since(engine: Engine) -> datetime | None:
    """When the first version was published, if no job has been done in the days since: nobody seems to run them."""
    with engine.connect() as connection:
        first: datetime | None = connection.scalar(select(func.min(Version.published_at)))
    if first is None or _now() - first < UNNOTICED or runs.known(engine):
        return None
    return first


def samples(engine: Engine) -> runs.Samples:
    """What Prometheus is told of the jobs."""
    return runs.Samples([job.name for job in JOBS], runs.known(engine), _now())
