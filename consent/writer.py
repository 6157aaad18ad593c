"""Group commit: one writer thread per process takes what has queued, commits once, then answers all of them.

Measured (synchronous=FULL): eight threads that commit for themselves reach 2,700 rows a second with waits of seconds,
because SQLite's busy handler is unfair; one writer with batches of fifty reaches 125,000.
"""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table, select, tuple_
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError

from consent import counts, metrics, suspects
from consent.db import NotAllNew, Turns, insert_all, insert_new
from consent.outbox import Event

log = logging.getLogger("poort.writer")

BATCH = 500  # larger ones hold the lock too long: 5,000 took 1.5 s
STUCK = 3.0  # seconds that a commit may take before others are told to come back later


class Overloaded(Exception):
    """More is waiting than the disk can take; try again later."""


class Stored(NamedTuple):
    """What is in the table now, and whether this call put it there."""

    row: dict[str, Any]
    created: bool


@dataclass(slots=True)
class Job:
    """One thing to commit: a record, or only tallies. The answer comes after the COMMIT, never before.

    Or what has to be counted as suspect after all: `doubted` records of a `site`, and the `changes` of the counts.
    """

    row: dict[str, Any] | None
    tallies: counts.Tallies
    events: Sequence[dict[str, Any]] = ()
    suspect: bool = False  # of the row
    site: str = ""
    doubted: Sequence[UUID] = ()
    changes: counts.Counted = field(default_factory=Counter)
    done: "Future[Stored | None]" = field(default_factory=Future)

    @property
    def failed(self) -> counts.Tally:
        """How it is counted that this could not be stored, once something can be stored again."""
        return counts.Tally(self.tallies[0].site, self.tallies[0].day, False, "failed", "")

    @property
    def key(self) -> tuple[Any, Any] | None:
        """The primary key of the record."""
        return None if self.row is None else (self.row["site"], self.row["id"])


Outcome = Stored | Exception | None


class GroupCommit:
    """The writer of one process; its thread starts with the first job, so after the fork."""

    def __init__(self, engine: Engine, table: Table, waiting: int) -> None:
        self._engine = engine
        self._turns = Turns(engine)
        self._table = table
        self._jobs: queue.Queue[Job] = queue.Queue(maxsize=waiting)
        self._since: float | None = None  # when the batch that is being committed was begun
        self._failed: counts.Counted = Counter()  # what could not be stored since the last commit
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(
        self, row: dict[str, Any] | None, tallies: counts.Tallies, events: Sequence[dict[str, Any]] = (),
        suspect: bool = False,
    ) -> "Future[Stored | None]":
        """Queue a record, its tallies and its rows of the outbox; the future holds what is stored once that is durable.

        Raises Overloaded at once when too many wait, or when the disk or the database hangs. The future raises
        SQLAlchemyError when nothing was stored.
        """
        return self._queue(Job(row, tallies, events, suspect))

    def doubt(
        self, site: str, ids: Sequence[UUID] = (), changes: counts.Counted | None = None
    ) -> "Future[Stored | None]":
        """Queue that these records are suspect, and what that changes in the counts of what has no record.

        In one commit, for BATCH records at most. Raises as `submit` does.
        """
        return self._queue(Job(None, [], site=site, doubted=ids, changes=changes or Counter()))

    def _queue(self, job: Job) -> "Future[Stored | None]":
        since = self._since
        if since is not None and time.monotonic() - since > STUCK:
            raise Overloaded
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
            self._round([self._jobs.get()])

    def _round(self, batch: list[Job]) -> None:
        """Store what waits, then answer. What comes in while another process has its turn goes along."""
        self._since = time.monotonic()
        try:
            with self._turns.take():
                self._fill(batch)
                metrics.QUEUE.set(len(batch) + self._jobs.qsize())
                outcomes = self._store(batch)
        except Exception as error:  # no turn; without this thread nothing would be stored until a restart
            log.error("The writer stumbled", exc_info=error)
            outcomes = [error] * len(batch)
        self._since = None
        metrics.QUEUE.set(self._jobs.qsize())
        for job, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(outcome)

    def _fill(self, batch: list[Job]) -> None:
        while len(batch) < BATCH:
            try:
                batch.append(self._jobs.get_nowait())
            except queue.Empty:
                return

    def _store(self, batch: list[Job]) -> list[Outcome]:
        """What became of each job. Where the data may be to blame, each row gets its own chance; a locked, full or
        absent database is not asked again for each of them: that would be a slow pile.
        """
        try:
            results = self._commit_once(batch)
        except Exception as error:  # whatever it is, every caller has to hear it
            metrics.FAILED.inc()
            log.error("Nothing was stored", exc_info=error, extra={"waiting": len(batch)})
            if len(batch) > 1 and isinstance(error, DataError | IntegrityError):
                return [outcome for job in batch for outcome in self._store([job])]
            self._failed.update(job.failed for job in batch if job.row is not None)
            return [error] * len(batch)
        self._failed.clear()
        metrics.STORED.inc(sum(result is not None and result.created for result in results))
        return list(results)

    def _commit_once(self, batch: list[Job]) -> list[Stored | None]:
        try:
            return self._commit(batch, all_new=True)
        except NotAllNew:  # a retry among them: undone, and done again with a look at each
            return self._commit(batch, all_new=False)

    def _commit(self, batch: list[Job], all_new: bool) -> list[Stored | None]:
        first: dict[Any, Job] = {}
        for job in batch:
            if job.row is not None:
                first.setdefault(job.key, job)
        with self._engine.connect().execution_options(will_write=True) as connection, connection.begin():
            keys = self._insert(connection, [job.row for job in first.values() if job.row], all_new)
            new = {id(job) for key, job in first.items() if keys is None or key in keys}
            kept = [job for job in batch if job.row is None or id(job) in new]
            counts.add(connection, self._counted(connection, kept))
            if events := [event for job in kept for event in job.events]:
                insert_all(connection, Event.__table__, events)
            there = self._existing(connection, {job.key for job in batch if job.key and id(job) not in new})
        return [_stored(job, id(job) in new, there) for job in batch]

    def _counted(self, connection: Connection, kept: list[Job]) -> counts.Counted:
        """What these jobs change in the counts; the records in doubt among them are marked."""
        found: counts.Counted = Counter(tally for job in kept for tally in job.tallies)
        found.update(self._failed)
        suspects.mark(connection, [job.row for job in kept if job.row and job.suspect])
        for job in kept:
            if job.doubted:  # records of this very commit may be among them
                found.update(suspects.move(connection, self._table, job.site, job.doubted))
            found.update(job.changes)
        return found

    def _insert(self, connection: Connection, rows: list[dict[str, Any]], all_new: bool) -> set[tuple[Any, ...]] | None:
        """The keys of the rows that were new; None stands for all of them."""
        if not rows:
            return None
        if all_new:
            insert_all(connection, self._table, rows)
            return None
        return insert_new(connection, self._table, rows)

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
