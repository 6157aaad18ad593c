"""The jobs: what has to be done again and again, by `flask jobs run`. Never in the processes that answer visitors."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from typing import NamedTuple

from flask import current_app
from sqlalchemy import String, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, mapped_column

from consent import backups, delivery, rights, webhooks
from consent.config import Settings
from consent.db import Moment, alone, db, leave_no_trace, writing_on

log = logging.getLogger("poort.jobs")

PAUSE = 1.0  # seconds between two looks of a runner that keeps running


class JobRun(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """When a job was last done, by whichever runner."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    begun_at: Mapped[datetime | None] = mapped_column(Moment)


def _deliver(engine: Engine, settings: Settings) -> str:
    tally = delivery.deliver(engine, settings.webhook_private, _now)
    return f"{tally.delivered} delivered, {tally.failed} failed, {tally.dead} of them for good"


def _tidy(engine: Engine, _: Settings) -> str:
    return f"{webhooks.tidy(engine, _now())} events deleted"


def _overwrite(engine: Engine, _: Settings) -> str:
    ended = rights.tidy()
    emptied = "emptied" if leave_no_trace(engine) else "in use, left to the next time"
    return f"{ended} restrictions ended, the write-ahead log {emptied}"


class Job(NamedTuple):
    """A job: at least how long after its last time it is due, and the function, which says what it did."""

    name: str
    every: timedelta
    run: Callable[[Engine, Settings], str]


JOBS = (
    Job("webhooks", timedelta(0), _deliver),  # tells the owners' own systems
    Job("webhook-log", timedelta(days=1), _tidy),  # keeps the log of webhooks to its days
    Job("backup", timedelta(days=1), backups.daily),  # makes a backup and proves it
    Job("backup-expiry", timedelta(hours=1), backups.tidy),  # deletes old backups, and tombstones that none needs
    Job("traces", timedelta(hours=1), _overwrite),  # ends restrictions of nobody, and empties SQLite's log (G5)
)


def _now() -> datetime:
    return datetime.now(UTC)


def run_due() -> list[str]:
    """Do what is due; a line for each job that was done. What another runner does now is left to it."""
    settings: Settings = current_app.extensions["poort.settings"]
    done = []
    for job in JOBS:
        with alone(db.engine, JobRun.__table__, job.name) as mine:
            said = _run(job, settings) if mine and _is_due(job) else None
        if said is not None:
            _remember(job)
            done.append(f"{job.name}: {said}")
    return done


def _run(job: Job, settings: Settings) -> str:
    return job.run(db.engine, settings)


def _is_due(job: Job) -> bool:
    if not job.every:
        return True
    with db.engine.connect() as connection:
        last = connection.scalar(select(JobRun.begun_at).where(JobRun.name == job.name))
    return last is None or _now() - last >= job.every


def _remember(job: Job) -> None:
    """After the lock is gone, which is on the same row in PostgreSQL. To do a job twice harms nothing."""
    if not job.every:
        return
    with writing_on(db.engine) as connection:
        known = connection.execute(update(JobRun).where(JobRun.name == job.name).values(begun_at=_now())).rowcount
        if not known:
            connection.execute(insert(JobRun).values(name=job.name, begun_at=_now()))


def keep_running(stop: Signal) -> None:
    """Do what is due again and again until `stop`. What fails is logged, and tried again at the next look."""
    while not stop.is_set():
        try:
            run_due()
        except Exception as error:
            log.error("A job failed", exc_info=error)
        stop.wait(PAUSE)
