"""How long backup, restore and erasure take with a million records: `python -m bench.restore --records 1000000`.

    --database sqlite|postgresql
    --busy                        visitors decide while the backup is made

Beside it, in the same run, what is the least that could be done: a plain copy of the file with a sync, or pg_dump and
pg_restore alone.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import make_url

from app import create_app
from bench.crowded import fill_postgresql, fill_sqlite
from bench.load import machine
from consent import backups, erasure, records, sites, versions
from consent.db import db, writing
from consent.records import Record
from consent.writer import GroupCommit
from tests import servers
from tests.servers import SECRET
from tests.shop import DEFINITION, body

KEY = "bench-only-backup-key-4Tn8xR2vL6qZ"
ERASED = 50


@contextmanager
def timed(what: str, found: dict[str, float]) -> Iterator[None]:
    """Note how long the block takes."""
    started = time.perf_counter()
    yield
    found[what] = time.perf_counter() - started
    print(f"{what}: {found[what]:.2f} s", flush=True)


def plain(url: str, folder: Path, found: dict[str, float], postgres: Callable[[], str]) -> None:
    """The least that can be done."""
    if url.startswith("sqlite"):
        with timed("a plain copy of the file", found), open(folder / "copy", "wb") as copy:
            with open(url.removeprefix("sqlite:///"), "rb") as file:
                shutil.copyfileobj(file, copy, 1_048_576)
            os.fsync(copy.fileno())
        print(f"the file has {(folder / 'copy').stat().st_size:,} bytes")
        return
    with timed("pg_dump alone", found):
        subprocess.run(["pg_dump", "-Fc", "-Z1", "-f", folder / "dump", url], check=True)
    print(f"the dump has {(folder / 'dump').stat().st_size:,} bytes")
    with timed("pg_restore alone", found):
        subprocess.run(["pg_restore", "--no-owner", "-d", postgres(), folder / "dump"], check=True)


def erase(many: int) -> list[float]:
    """Erase so many visitors, one after the other; the seconds of each."""
    visitors = list(db.session.scalars(select(Record.visitor).limit(many)))
    version = versions.published(db.session.get(versions.Version, ("shop", 1))).gate
    took = []
    for visitor in visitors:
        started = time.perf_counter()
        with writing():
            erasure.erase("shop", visitor, version, datetime.now(UTC))
        took.append(time.perf_counter() - started)
    return took


class Busy:
    """Decisions one after the other while something else is done; how long each waited for the disk."""

    def __init__(self, on: bool, writer: GroupCommit) -> None:
        self.waits: list[float] = []
        self._on, self._writer = on, writer

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Decide until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._decide, args=(stop,))
        if self._on:
            thread.start()
        yield
        stop.set()
        if self._on:
            thread.join()
            slow = sorted(self.waits)
            print(f"{len(slow):,} decisions meanwhile: median {statistics.median(slow) * 1000:.1f} ms, "
                  f"99th {slow[int(len(slow) * 0.99)] * 1000:.1f} ms, longest {slow[-1] * 1000:.0f} ms")

    def _decide(self, stop: Any) -> None:
        while not stop.is_set():
            data = body("accept_all")
            given = {**data, "id": uuid.UUID(data["id"]), "visitor": uuid.UUID(data["visitor"]), "decided_at": None}
            started = time.perf_counter()
            records.record(self._writer, records.row_of("shop", given, "", datetime.now(UTC))).result(60)
            self.waits.append(time.perf_counter() - started)


def main() -> None:
    """Fill, then measure each step once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--busy", action="store_true")
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        if chosen.database == "sqlite":
            run(chosen, servers.sqlite(folder), folder, str)
        else:
            cluster = stack.enter_context(servers.postgres(durable=True))
            run(chosen, cluster.fresh(), folder, cluster.empty)


def run(chosen: argparse.Namespace, url: str, folder: Path, empty: Callable[[], str]) -> None:
    """The steps, on one database."""
    found: dict[str, float] = {}
    (folder / "backups").mkdir()
    app = create_app(POORT_DATABASE_URL=url, POORT_SECRET_KEYS=SECRET, POORT_BACKUP_DIR=folder / "backups",
                     POORT_BACKUP_KEYS=KEY)
    settings = app.extensions["poort.settings"]
    with app.app_context():
        site, _ = sites.apply(DEFINITION)
        versions.publish(site, datetime.now(UTC))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
        with timed(f"{chosen.records:,} records made", found):
            (fill_sqlite if chosen.database == "sqlite" else fill_postgresql)(url, chosen.records)
        plain(url, folder, found, empty)
        busy = Busy(chosen.busy, app.extensions["poort"].writer)
        with busy.meanwhile(), timed("flask backup create", found):
            made = backups.create(db.engine, settings)
        print(f"the backup has {made.size:,} bytes")
        with timed("flask backup verify", found):
            backups.verify(made.path, db.engine, settings)
        took = erase(ERASED)
        print(f"a visitor erased: median {statistics.median(took) * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms")
        db.session.remove()
        with timed("flask backup restore", found):
            done = backups.restore(made.path, db.engine, settings, True)
        if done.erased != ERASED:
            raise SystemExit(f"WRONG: {done.erased} of {ERASED} erasures were done again")
        print(f"{done.erased} erasures done again among {make_url(url).get_backend_name()} records")


if __name__ == "__main__":
    main()
