"""How each job stands: when it was last done, when it is due again, since when it fails and why.

In the database, so that every runner, every worker and the console see the same.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, String, insert, select, update
from sqlalchemy.engine import Engine, Row
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Moment, db, writing_on
from consent.delivery import wait
from consent.logs import described

LONGEST_WAIT = timedelta(hours=1)  # between two attempts of a job that fails
SLACK = timedelta(hours=1)  # a job that is due for so long has no runner
SEEN = timedelta(minutes=1)  # how often is noted that a job without a period was done
KEPT = timedelta(days=30)  # what a failure said

Run = Row[Any]


class JobLock(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """What PostgreSQL locks while a runner does a job; apart from JobRun, which is written meanwhile."""

    __tablename__ = "job_lock"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)


class JobRun(db.Model):  # type: ignore[name-defined, misc]  # as above
    """How a job stands. `attempts`: failures in a row; `failures`: all there ever were."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    failed_at: Mapped[datetime | None] = mapped_column(Moment)
    attempts: Mapped[int]
    failures: Mapped[int] = mapped_column(BigInteger)
    error: Mapped[str] = mapped_column(String(300))


_TABLE = JobRun.__table__


def known(engine: Engine) -> dict[str, Run]:
    """Every job that was ever run, by name."""
    with engine.connect() as connection:
        return {row.name: row for row in connection.execute(select(_TABLE))}


def is_due(run: Run | None, every: timedelta, now: datetime) -> bool:
    """Whether it is time. What is due in an impossible future was put there by a clock that was wrong."""
    if run is None or run.due_at is None:
        return True
    return bool(run.due_at <= now or run.due_at - now > max(every, LONGEST_WAIT) + SLACK)


def is_overdue(run: Run, now: datetime) -> bool:
    """Whether nobody has done it for so long after its time that nobody seems to run the jobs."""
    return run.due_at is not None and now - run.due_at > SLACK


def succeed(engine: Engine, run: Run | None, name: str, every: timedelta, now: datetime, more: bool) -> None:
    """Write down that a job was done; with `more` it goes on at the next look."""
    if not every and not more and run is not None and not run.attempts and _fresh(run, now):
        return
    done: dict[str, Any] = {} if more else {"done_at": now}
    _write(engine, name, due_at=now if more else now + every, failing_since=None, attempts=0, **done)


def _fresh(run: Run, now: datetime) -> bool:
    return run.done_at is not None and timedelta(0) <= now - run.done_at < SEEN


def fail(engine: Engine, run: Run | None, name: str, error: BaseException, now: datetime) -> datetime:
    """Write down that a job failed, without what it failed on; when it is tried again."""
    attempts = (run.attempts if run else 0) + 1
    due_at = now + backoff(attempts)
    since = run.failing_since if run and run.failing_since else now
    failures = (run.failures if run else 0) + 1
    _write(engine, name, due_at=due_at, failing_since=since, failed_at=now, attempts=attempts, failures=failures,
           error=described(error)[:300])
    return due_at


def backoff(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row: ten seconds first, an hour at most."""
    return min(LONGEST_WAIT, wait(attempts, random.random()))  # noqa: S311  # nothing secret


def _write(engine: Engine, name: str, **values: Any) -> None:
    with writing_on(engine) as connection:
        if not connection.execute(update(_TABLE).where(_TABLE.c.name == name).values(**values)).rowcount:
            new = {"attempts": 0, "failures": 0, "error": "", **values, "name": name}
            connection.execute(insert(_TABLE).values(new))


def forget_errors(engine: Engine, now: datetime) -> int:
    """Remove what failures said, KEPT after the last of them; of how many jobs."""
    old = update(_TABLE).where(_TABLE.c.failed_at < now - KEPT, _TABLE.c.error != "")
    with writing_on(engine) as connection:
        return int(connection.execute(old.values(error="")).rowcount)


class Samples(Collector):
    """What Prometheus is told of the jobs, the same whichever process is asked."""

    def __init__(self, names: list[str], found: Mapping[str, Run], now: datetime) -> None:
        self._names, self._found, self._now = names, found, now

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        runs = {name: self._found.get(name) for name in self._names}
        failing = GaugeMetricFamily("poort_job_failing", "1 while the job's last attempt failed.", labels=["job"])
        failures = CounterMetricFamily("poort_job_failures", "Attempts that failed.", labels=["job"])
        done = GaugeMetricFamily(
            "poort_job_last_success_timestamp_seconds", "When the job was last done; 0 for never.", labels=["job"])
        overdue = GaugeMetricFamily(
            "poort_job_overdue_seconds", "How long the job has been due; it grows when nobody runs the jobs.",
            labels=["job"])
        for name, run in runs.items():
            failing.add_metric([name], float(run is not None and run.failing_since is not None))
            failures.add_metric([name], float(run.failures) if run else 0.0)
            done.add_metric([name], run.done_at.timestamp() if run and run.done_at else 0.0)
            overdue.add_metric([name], self._late(run))
        yield from (failing, failures, done, overdue)

    def _late(self, run: Run | None) -> float:
        return max(0.0, (self._now - run.due_at).total_seconds()) if run and run.due_at else 0.0
