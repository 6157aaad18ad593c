"""python -m bench.jobs [ROWS]: how long `expire` and `forget` take on a million records, and how long others wait.

On a SQLite file, as an install on one machine has it. Beside them what one plain DELETE of the same rows takes: it is
quicker, and nobody can record a decision until it is over. Who waits is measured by a writer of its own, which commits
all the time as a worker does.
"""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import delete, insert
from sqlalchemy.engine import Engine

from app import create_app
from consent import expiry, retention, sites, versions
from consent.batches import More
from consent.db import db, writing_on
from consent.records import Record, permitted_before
from tests.decisions import decision, store
from tests.servers import SECRET
from tests.shop import DEFINITION

NOW = datetime.now(UTC)
ACTIONS = ("accept_all", "necessary_only", "custom")


class Waits:
    """A worker that records decisions all the time, one in a commit, and how long each took."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._stop, self.seconds = engine, threading.Event(), [0.0]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Waits":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            begun = time.monotonic()
            with writing_on(self._engine) as connection:
                connection.execute(insert(Record.__table__).values(decision("shop", datetime.now(UTC))))
            self.seconds.append(time.monotonic() - begun)

    def said(self) -> str:
        """The commits of the worker, in milliseconds."""
        found = sorted(self.seconds)
        part = found[int(len(found) * 0.99)]
        return f"a decision waited {found[-1] * 1000:.0f} ms at most, p99 {part * 1000:.0f} ms"


def to_its_end(job: Callable[[Engine, datetime], str], engine: Engine) -> None:
    """Go on as a runner does, until there is nothing left."""
    while isinstance(job(engine, NOW), More):
        pass


@contextmanager
def measured(what: str, engine: Engine, rows: int) -> Iterator[None]:
    begun = time.monotonic()
    with Waits(engine) as waits:
        yield
    seconds = time.monotonic() - begun
    print(f"{what:<34} {seconds:6.1f} s  {rows / seconds:8.0f} rows/s  {waits.said()}", flush=True)


def seed(engine: Engine, rows: int) -> None:
    """Decisions of 300 days, of as many visitors, all of them over and past their claim period."""
    first, step = NOW - timedelta(days=900), timedelta(days=300) / rows
    for start in range(0, rows, 20_000):
        store(engine, (decision("shop", first + number * step, ACTIONS[number % 3])
                       for number in range(start, min(start + 20_000, rows))))


def plain_delete(engine: Engine) -> None:
    """The same rows in one statement."""
    with writing_on(engine) as connection, permitted_before(connection, "shop", NOW):
        connection.execute(delete(Record).where(Record.recorded_at < NOW - timedelta(days=575)))


def run(folder: Path, rows: int) -> None:
    """Measure both jobs, and the plain DELETE on a copy."""
    file = folder / "poort.sqlite3"
    app = create_app(POORT_DATABASE_URL=f"sqlite:///{file}", POORT_SECRET_KEYS=SECRET)
    with app.app_context():
        upgrade()
        versions.publish(sites.apply(DEFINITION)[0], NOW - timedelta(days=950))
        db.session.commit()
        seed(db.engine, rows)
        db.engine.dispose()  # the last connection writes the log into the file
        print(f"{rows} records, {file.stat().st_size / 1e6:.0f} MB", flush=True)
        shutil.copy(file, folder / "copy.sqlite3")
        with measured("expire", db.engine, rows):
            to_its_end(expiry.expire, db.engine)
        with measured("forget", db.engine, rows):
            to_its_end(retention.forget, db.engine)
        db.engine.dispose()
    other = create_app(POORT_DATABASE_URL=f"sqlite:///{folder / 'copy.sqlite3'}", POORT_SECRET_KEYS=SECRET)
    with other.app_context():
        with measured("one plain DELETE, for comparison", db.engine, rows):
            plain_delete(db.engine)
        db.engine.dispose()


def main() -> None:
    """Measure in a folder of its own."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="poort-bench-") as folder:
        run(Path(folder), rows)


if __name__ == "__main__":
    main()
