"""The database: SQLite in WAL on a library without the WAL-reset fault, or PostgreSQL through psycopg 3.

Everything that only one of the two speaks stands in this module.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

import pysqlite3
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    LargeBinary,
    MetaData,
    Table,
    TypeDecorator,
    Uuid,
    event,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import Pool
from sqlalchemy.types import TypeEngine

from consent.config import ConfigError

BUSY_MS = 2_000


class Base(DeclarativeBase):
    """Names for constraints, so that both databases and every migration call them the same."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)


class Moment(TypeDecorator[datetime]):
    """A time in UTC, stored as whole microseconds since 1970: the same number, order and size on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value.timestamp() * 1_000_000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


class Id(TypeDecorator[uuid.UUID]):
    """A UUID in 16 bytes on both databases (SQLAlchemy's own type takes 32 characters on SQLite)."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else LargeBinary(16))

    def process_bind_param(self, value: uuid.UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> uuid.UUID | None:
        return value if value is None or dialect.name == "postgresql" else uuid.UUID(bytes=value)


def sqlite_is_sound(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset fault (3.7.0 to 3.51.2; mended in 3.51.3, 3.50.7 and 3.44.6).

    Measured: an affected library lost a database after some 300,000 acknowledged commits with a second checkpointer.
    """
    mended = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
    return version >= (3, 52) or version[2] >= mended.get((version[0], version[1]), 1_000_000)


def refuse_unsound_sqlite(version: tuple[int, ...] = pysqlite3.sqlite_version_info) -> None:
    """Raise ConfigError when WAL on this library can lose acknowledged records."""
    if not sqlite_is_sound(version):
        raise ConfigError(
            f"SQLite {'.'.join(map(str, version))} can corrupt a database in WAL mode; "
            "install pysqlite3 0.6.1 or later, or use PostgreSQL."
        )


def engine_options(url: str) -> dict[str, Any]:
    """What SQLAlchemy needs for `url`; makes the folder of a SQLite file. No error quotes what was to be stored."""
    return {"hide_parameters": True, **_engine_options(url)}


def _engine_options(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "postgresql":
        return {
            "pool_pre_ping": True,
            "pool_size": 8,
            "max_overflow": 24,
            "pool_timeout": 3,
            "connect_args": {
                "connect_timeout": 2,
                "options": "-c statement_timeout=30000 -c lock_timeout=5000 -c timezone=UTC",
            },
        }
    refuse_unsound_sqlite()
    file = make_url(url).database
    if file and file != ":memory:":
        _make_folder(Path(file).parent)
    return {"module": pysqlite3, "pool_size": 8, "max_overflow": 56, "connect_args": {"timeout": BUSY_MS / 1000}}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"POORT_DATABASE_URL names a file in {folder}, which can not be made: {error.strerror}."
        ) from error


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, record: Any) -> None:
    if not isinstance(connection, pysqlite3.Connection):
        return
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    record.info.update(file=file, inode=_inode(file))
    connection.isolation_level = None  # we say BEGIN ourselves, below
    # FULL: NORMAL may lose acknowledged commits when the power fails (8 syncs for 200 commits against 209).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}").fetchone()


def _inode(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@event.listens_for(Pool, "checkout")
def _same_file(_: Any, record: Any, __: Any) -> None:
    """A file that was deleted or put back from a backup is another file: what is written to the old one is lost."""
    file = record.info.get("file")
    if file and _inode(file) != record.info["inode"]:
        raise DisconnectionError("the database file is another one now")  # the pool opens it anew


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # A reader that starts to write after somebody else committed fails at once, whatever the busy timeout:
        # who will write says so first.
        immediate = connection.get_execution_options().get("will_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


class Turns:
    """Lets the writers of several processes go one after the other. PostgreSQL needs none of it.

    SQLite's busy handler polls, ever more slowly: of two workers at 32 connections the unlucky one waited up to a
    second. A lock on a file beside the database is handed on at once, and the kernel takes it from a process that dies.
    """

    def __init__(self, engine: Engine) -> None:
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        self._path = f"{file}-turn" if file and file != ":memory:" else None
        self._file: IO[bytes] | None = None

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, and have it until the end of the block. For one thread of a process."""
        if self._path is None:
            yield
            return
        if self._file is None:
            self._file = open(self._path, "ab")  # noqa: SIM115  # kept as long as the process lives
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def writing() -> Iterator[None]:
    """A transaction of the session that may write: committed at the end of the block, undone when it raises.

    Begun as a writer before its first read, and in turn with the processes that record decisions.
    """
    turns = Turns(db.engine)
    try:
        with turns.take():
            db.session.rollback()
            db.session.connection(execution_options={"will_write": True})
            yield
            db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        turns.close()


@cache
def _inserting(table: Table, dialect: str) -> Any:
    """INSERT that steps over what is there and returns the keys of what was not. Kept: building it is half of it."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = list(table.primary_key.columns)
    return insert.on_conflict_do_nothing(index_elements=keys).returning(*keys)


@cache
def _adding(table: Table, dialect: str) -> Any:
    """INSERT that adds `n` to what is there."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key.columns]
    return insert.on_conflict_do_update(index_elements=keys, set_={"n": table.c.n + insert.excluded.n})


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Insert the rows whose primary key is not there yet; return the primary keys of those that were inserted."""
    return [tuple(row) for row in connection.execute(_inserting(table, connection.dialect.name), list(rows))]


def add_up(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add each row's `n` to the row with the same primary key, or make that row.

    In the order of the key, so that two writers never wait for each other in a ring.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    ordered = sorted(rows, key=lambda row: [str(row[key]) for key in keys])
    connection.execute(_adding(table, connection.dialect.name), ordered)
