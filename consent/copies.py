"""Backups of SQLite: copied through its backup API while others write, put back by a rename."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pysqlite3
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from consent import tombstones
from consent.db import BUSY_MS, engine_options, own_as
from consent.revival import BackupError, Done, Kept, Snapshot, Work, keep, revive
from consent.sealed import Header

STEP: Final = 1_000  # pages, of 4 kB
REST: Final = 0.5  # of the time that a step took: so long others have the disk for themselves
PIECE: Final = 1_048_576


def _file(engine: Engine) -> Path:
    return Path(str(engine.url.database))


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(str(path))}?{how}"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """One at a time; raises BackupError when another process is at it."""
    with open(path, "ab", opener=tombstones.private) as lock:
        own_as(lock.fileno(), path.parent)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError("Another backup is being made or put back at this moment.") from error
        yield


# -- copy -------------------------------------------------------------------------------------------------------------

@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """The database as it is now. The copy lies beside it, where it is as safe as the database is."""
    database = _file(engine)
    if not database.exists():
        raise BackupError(f"There is no database {database} yet.")
    with beside(database, "copying") as folder:
        _check_room(database, folder)
        copy, at = folder / "copy", datetime.now(UTC)
        try:
            _copy(database, copy)
            revision, records = _facts(copy)
        except pysqlite3.Error as error:
            raise BackupError(f"The database can not be copied: {error}.") from error
        yield Snapshot(at, revision, records, _pieces(copy))


@contextmanager
def beside(database: Path, purpose: str) -> Iterator[Path]:
    """An empty folder of our own in the folder of the database; one that a killed process left is removed."""
    folder = database.with_name(f"{database.name}-{purpose}")
    with held(database.with_name(f"{folder.name}.lock")):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check_room(database: Path, folder: Path) -> None:
    """Before it is taken: with a full disk Poort can not record."""
    needed = sum(os.stat(path).st_size for path in (database, Path(f"{database}-wal")) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(f"The copy needs {needed:,} bytes beside the database, and {free:,} are free.")


def _copy(database: Path, copy: Path) -> None:
    """In steps, of one moment: the transaction that reads lets writers write, and see to it that nothing begins anew.
    """
    with closing(pysqlite3.connect(_uri(database, "mode=rw"), uri=True, timeout=BUSY_MS / 1000)) as source:
        source.isolation_level = None
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(pysqlite3.connect(str(copy))) as target:
            # Whatever dies, the copy is thrown away.
            target.execute("PRAGMA journal_mode=OFF").fetchone()
            target.execute("PRAGMA synchronous=OFF")
            source.backup(target, pages=STEP, progress=_Rest())


class _Rest:
    """Called between two steps."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def __call__(self, *_: int) -> None:
        time.sleep((time.monotonic() - self._since) * REST)
        self._since = time.monotonic()


def _facts(copy: Path) -> tuple[str, int]:
    with closing(pysqlite3.connect(_uri(copy, "immutable=1"), uri=True)) as connection:
        try:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(revision[0]), int(connection.execute("SELECT count(*) FROM record").fetchone()[0])
        except (pysqlite3.OperationalError, TypeError) as error:
            raise BackupError("The database has no tables of Poort; run `flask db upgrade`.") from error


def _pieces(copy: Path) -> Iterator[bytes]:
    with open(copy, "rb") as file:
        while piece := file.read(PIECE):
            yield piece


# -- verify -----------------------------------------------------------------------------------------------------------

def verify(engine: Engine, pieces: Iterator[bytes], header: Header) -> None:
    """Unpack it and let SQLite look at all of it; raises BackupError."""
    with beside(_file(engine), "verifying") as folder:
        copy = folder / "copy"
        _write(copy, pieces)
        _check(copy, header, "integrity_check")


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    with open(path, "xb", opener=tombstones.private) as file:
        for piece in pieces:
            try:
                file.write(piece)
            except OSError as error:
                raise BackupError(f"The backup can not be unpacked in {path.parent}: {error.strerror}.") from error


def _check(copy: Path, header: Header, how: str) -> None:
    try:
        with closing(pysqlite3.connect(_uri(copy, "immutable=1"), uri=True)) as connection:
            said = connection.execute(f"PRAGMA {how}").fetchone()[0]
        facts = _facts(copy)
    except pysqlite3.Error as error:
        raise BackupError(f"The backup holds no sound database: {error}.") from error
    if said != "ok":
        raise BackupError(f"The backup holds a damaged database: {said.splitlines()[0]}.")
    if facts != (header.revision, header.records):
        raise BackupError("The backup holds another database than it says.")


# -- restore ----------------------------------------------------------------------------------------------------------

def restore(engine: Engine, pieces: Iterator[bytes], work: Work, replace: bool) -> Done:
    """Make the database aside, whole, and then give it the name. Killed at any moment, it is the old or the new."""
    database = _file(engine)
    engine.dispose()
    with _holding(database, replace) as kept, beside(database, "restoring") as folder:
        made = folder / database.name
        _write(made, pieces)
        _check(made, work.header, "quick_check")
        done = _revive(made, work, kept)
        _swap(made, database)
    return done


@contextmanager
def _holding(database: Path, replace: bool) -> Iterator[Kept | None]:
    """What is in the database that is replaced, None without one. It is locked, and one file without a log, until the
    end: with the log of another database SQLite would make a mixture of the two.
    """
    if not database.exists():
        yield None
        return
    with closing(pysqlite3.connect(str(database), timeout=1, check_same_thread=False)) as old:
        try:
            kept = _keep(old)
        except (SQLAlchemyError, pysqlite3.Error) as error:
            _check_in_use(error, "locked")
            kept = Kept(False, True)
        if kept.has_data and not replace:
            raise BackupError(f"{database} holds data; --replace puts the backup in its place all the same.")
        _lock(old, kept.readable)
        yield kept


def _keep(old: Any) -> Kept:
    engine = create_engine("sqlite://", module=pysqlite3, creator=lambda: old, poolclass=StaticPool)
    with engine.connect() as connection:
        return keep(connection)


def _lock(old: Any, readable: bool) -> None:
    """Only who has the file alone can end its log; so nobody else serves from it. A damaged one may have no locks."""
    try:
        old.isolation_level = None
        mode = old.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        old.execute("BEGIN EXCLUSIVE")
        if mode != "delete" or old.execute("PRAGMA journal_mode").fetchone()[0] != "delete":
            raise pysqlite3.OperationalError("database is locked")
    except pysqlite3.DatabaseError as error:
        _check_in_use(error, "" if readable else "locked")


def _check_in_use(error: Exception, word: str) -> None:
    if word in str(error):
        raise BackupError("The database is in use; stop Poort first, and whatever else has it open.") from error


def _revive(made: Path, work: Work, kept: Kept | None) -> Done:
    url = f"sqlite:///{made}"
    engine = create_engine(url, **engine_options(url))
    try:
        with engine.connect().execution_options(will_write=True) as connection, connection.begin():
            done = revive(connection, work, kept)
    finally:
        engine.dispose()
    with closing(pysqlite3.connect(str(made))) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    return done


def _swap(made: Path, database: Path) -> None:
    like = database if database.exists() else database.parent
    with open(made, "rb") as file:
        own_as(file.fileno(), like)
        os.fchmod(file.fileno(), os.stat(database).st_mode & 0o777 if like == database else 0o600)
        os.fsync(file.fileno())
    for end in ("-wal", "-shm", "-journal"):  # of a database that could not be read, or that is gone
        Path(f"{database}{end}").unlink(missing_ok=True)
    made.replace(database)
    tombstones.sync_folder(database.parent)
