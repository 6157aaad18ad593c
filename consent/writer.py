"""Group commit: one writer thread per process takes what has queued, commits once, then answers all of them.

Measured (synchronous=FULL): eight threads that commit for themselves reach 2,700 rows a second with waits of seconds,
because SQLite's busy handler is unfair; one writer with batches of fifty reaches 125,000.
"""

import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Table, select, tuple_
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

from consent import counts, metrics
from consent.db import Turns, add_up, insert_new

log = logging.getLogger("poort.writer")

BATCH = 500  # larger ones hold the lock too long: 5,000 took 1.5 s


class Overloaded(Exception):
    """More is waiting than the disk can take; try again later."""


class Stored(NamedTuple):
    """What is in the table now, and whether this call put it there."""

    row: dict[str, Any]
    created: bool


@dataclass(slots=True)
class Job:
    """One thing to commit: a record, or only tallies. The answer comes after the COMMIT, never before."""

    row: dict[str, Any] | None
    tallies: list[counts.Tally]
    done: "Future[Stored | None]" = field(default_factory=Future)

    @property
    def key(self) -> tuple[Any, Any] | None:
        """The primary key of the record."""
        return None if self.row is None else (self.row["site"], self.row["id"])


class GroupCommit:
    """The writer of one process; its thread starts with the first job, so after the fork."""

    def __init__(self, engine: Engine, table: Table, waiting: int) -> None:
        self._engine = engine
        self._turns = Turns(engine)
        self._table = table
        self._jobs: queue.Queue[Job] = queue.Queue(maxsize=waiting)
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, row: dict[str, Any] | None, tallies: list[counts.Tally]) -> "Future[Stored | None]":
        """Queue a record and its tallies; the future holds what is stored once that is durable.

        Raises Overloaded at once when too many wait. The future raises SQLAlchemyError when nothing was stored.
        """
        job = Job(row, tallies)
        try:
            self._jobs.put_nowait(job)
        except queue.Full as error:
            raise Overloaded from error
        if self._thread is None:
            self._begin()
        return job.done

    def _begin(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = [self._jobs.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            try:
                metrics.QUEUE.set(len(batch) + self._jobs.qsize())
                self._answer(batch)
                metrics.QUEUE.set(self._jobs.qsize())
            except Exception as error:  # without this thread nothing would be stored until a restart
                log.error("The writer stumbled", exc_info=error)

    def _answer(self, batch: list[Job]) -> None:
        try:
            results = self._commit(batch)
        except Exception as error:  # whatever it is, every caller has to hear it
            self._fail(batch, error)
            return
        metrics.STORED.inc(sum(result is not None and result.created for result in results))
        for job, result in zip(batch, results, strict=True):
            if job.done.set_running_or_notify_cancel():
                job.done.set_result(result)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        """Nothing was stored. Where the data may be to blame, each row gets its own chance; a locked, full or absent
        database is not asked again for each of them: that would be a slow pile.
        """
        metrics.FAILED.inc()
        log.error("Nothing was stored", exc_info=error, extra={"waiting": len(batch)})
        if len(batch) == 1 or not isinstance(error, DataError | IntegrityError):
            for job in batch:
                if job.done.set_running_or_notify_cancel():
                    job.done.set_exception(error)
            return
        for job in batch:
            self._answer([job])

    def _commit(self, batch: list[Job]) -> list[Stored | None]:
        with (
            self._turns.take(),
            self._engine.connect().execution_options(will_write=True) as connection,
            connection.begin(),
        ):
            first: dict[Any, Job] = {}
            for job in batch:
                if job.key is not None:
                    first.setdefault(job.key, job)
            inserted = self._insert(connection, list(first.values()))
            new = {id(first[key]) for key in inserted}
            add_up(
                connection,
                counts.DailyCount.__table__,
                counts.rows(tally for job in batch if job.row is None or id(job) in new for tally in job.tallies),
            )
            there = self._existing(connection, {job.key for job in batch if job.key and id(job) not in new})
        return [_stored(job, id(job) in new, there) for job in batch]

    def _insert(self, connection: Connection, jobs: list[Job]) -> list[tuple[Any, ...]]:
        return insert_new(connection, self._table, [job.row for job in jobs if job.row]) if jobs else []

    def _existing(self, connection: Connection, keys: set[tuple[Any, Any]]) -> dict[tuple[Any, Any], dict[str, Any]]:
        if not keys:
            return {}
        columns = self._table.c
        query = select(self._table).where(tuple_(columns.site, columns.id).in_(list(keys)))
        return {(row["site"], row["id"]): dict(row) for row in connection.execute(query).mappings()}


def _stored(job: Job, created: bool, there: dict[Any, dict[str, Any]]) -> Stored | None:
    """What this job is answered: the row that is in the table, whoever put it there.

    None when it has none, also when the row that was in its way was erased in the meantime: nothing is acknowledged.
    """
    row = job.row if created else there.get(job.key)
    return Stored(row, created) if row else None
