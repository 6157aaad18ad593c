"""The database: SQLite in WAL on a library without the WAL-reset fault, or PostgreSQL through psycopg 3.

Everything that only one of the two speaks stands in this module.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

import msgspec
import pysqlite3
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    event,
    select,
)
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import Pool
from sqlalchemy.types import TypeEngine

from consent.config import ConfigError

BUSY_MS = 2_000
DAY_US = 86_400_000_000  # microseconds of a day, for sums with moments in the database


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


def microseconds(value: datetime) -> int:
    """The time as whole microseconds since 1970, UTC."""
    return round(value.timestamp() * 1_000_000)


def iso(moment: datetime) -> str:
    """The moment as the API shows it, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Moment(TypeDecorator[datetime]):
    """A time in UTC, stored as whole microseconds since 1970: the same number, order and size on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

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
    # The last two: with millions of records each row touches pages of its own. A log that is much longer makes who
    # comes at its end wait much longer. What is deleted is overwritten (G5).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}",
                   "cache_size=-65536", "wal_autocheckpoint=2000", "secure_delete=ON"):
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
            self._file = _lock_file(self._path, self._path.removesuffix("-turn"))
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


def _lock_file(path: str, database: str) -> IO[bytes]:
    """The file, kept as long as the process lives."""
    file = open(path, "ab")  # noqa: SIM115
    own_as(file.fileno(), database)
    return file


def own_as(descriptor: int, like: str | Path) -> None:
    """What root makes belongs to the owner of `like` all the same."""
    if os.geteuid() == 0:
        owner = os.stat(like)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


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


@contextmanager
def writing_on(engine: Engine) -> Iterator[Connection]:
    """The same on a connection of its own, for a thread that has no session."""
    turns = Turns(engine)
    try:
        with turns.take(), engine.connect().execution_options(will_write=True) as connection, connection.begin():
            yield connection
    finally:
        turns.close()


def leave_no_trace(engine: Engine) -> bool:
    """Empty SQLite's write-ahead log, which holds pages as they were before a row was deleted (G5).

    False when somebody reads from it now, or the disk refuses; then it has to be done later. PostgreSQL has nothing
    that a dump would show.
    """
    if engine.dialect.name != "sqlite":
        return True
    turns = Turns(engine)
    try:
        with turns.take(), closing(engine.raw_connection()) as connection:
            busy, _, _ = _executed(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy
    except (pysqlite3.Error, SQLAlchemyError):
        return False
    finally:
        turns.close()


def _executed(connection: Any, statement: str) -> Any:
    """The first row that it gives. Nobody waits long for it: writers stand in line behind it."""
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS // 4}").fetchone()
        return cursor.execute(statement).fetchone()
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}").fetchone()
        cursor.close()


@contextmanager
def alone(engine: Engine, locks: Table, name: str) -> Iterator[bool]:
    """Whether nobody else does what has this name, until the end of the block; who dies lets go of it.

    `locks` is a table whose only key is `name`. SQLite has no lock of a row: there it is a file beside the database.
    """
    if engine.dialect.name == "sqlite":
        with _lock_file(f"{engine.url.database}-{name}", str(engine.url.database)) as file:
            yield _is_ours(file)
        return
    with engine.connect() as connection:
        connection.exec_driver_sql(f'INSERT INTO "{locks.name}" (name) VALUES (%s) ON CONFLICT DO NOTHING', (name,))  # noqa: S608  # a name of our own tables
        connection.commit()
        mine = select(locks.c.name).where(locks.c.name == name).with_for_update(skip_locked=True)
        yield connection.scalar(mine) is not None


def _is_ours(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# -- rows in one statement --------------------------------------------------------------------------------------------
#
# All rows go as one JSON text in one parameter: one statement, whatever their number, prepared once. Against one
# statement for each row: on PostgreSQL half the time (42 against 103 µs of CPU a row), and on SQLite the thread gives
# the interpreter away once, not once for each row, and each time can cost it 5 ms to get it back.

_POSTGRESQL_TYPES = (
    (Id, "uuid"), (Moment, "bigint"), (BigInteger, "bigint"), (Integer, "integer"), (Boolean, "boolean"),
    (JSON, "json"), (Date, "date"), (String, "text"),
)


def _sqlite_value(column: Column[Any]) -> str:
    if isinstance(column.type, Id):
        return f"unhex(value->>'{column.name}', '-')"
    return f"value{'->' if isinstance(column.type, JSON) else '->>'}'{column.name}'"


def _postgresql_column(column: Column[Any]) -> str:
    kind = next(name for type_, name in _POSTGRESQL_TYPES if isinstance(column.type, type_))
    return f'"{column.name}" {kind}'


@cache
def _insert(table: Table, dialect: str) -> str:
    """`INSERT INTO table SELECT` from one parameter that is a JSON array of objects, up to ON CONFLICT (key)."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
    if dialect == "postgresql":
        shape = ", ".join(_postgresql_column(column) for column in table.columns)
        source = f"SELECT {names} FROM json_to_recordset(%s::json) AS rows({shape})"  # noqa: S608  # names of our own tables
    else:
        # Without WHERE, SQLite takes ON CONFLICT for part of a join.
        source = f"SELECT {', '.join(map(_sqlite_value, table.columns))} FROM json_each(?) WHERE true"  # noqa: S608  # as above
    return f'INSERT INTO "{table.name}" ({names}) {source} ON CONFLICT ({keys})'


@cache
def _moments(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if isinstance(column.type, Moment))


def _as_json(table: Table, rows: Sequence[dict[str, Any]]) -> str:
    """The rows in the order of their keys, so that two writers never wait for each other in a ring."""
    keys = [column.name for column in table.primary_key.columns]
    moments = _moments(table)
    plain = [{**row, **{name: row[name] and microseconds(row[name]) for name in moments}} for row in rows]
    plain.sort(key=lambda row: [str(row[key]) for key in keys])
    return msgspec.json.encode(plain).decode()


class NotAllNew(Exception):
    """Some of the rows were there already; nothing may be kept of this transaction."""


def insert_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows; raises NotAllNew when the key of one of them is taken."""
    statement = f"{_insert(table, connection.dialect.name)} DO NOTHING"
    if connection.exec_driver_sql(statement, (_as_json(table, rows),)).rowcount != len(rows):
        raise NotAllNew


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """Insert the rows whose key is not there yet; return the keys of those that were inserted."""
    names = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
    statement = f"{_insert(table, connection.dialect.name)} DO NOTHING RETURNING {names}"
    found = connection.exec_driver_sql(statement, (_as_json(table, rows),))
    return {tuple(uuid.UUID(bytes=part) if isinstance(part, bytes) else part for part in key) for key in found}


@cache
def _adding(table: Table) -> str:
    counters = [column.name for column in table.columns if not column.primary_key]
    return ", ".join(f'"{name}" = "{table.name}"."{name}" + excluded."{name}"' for name in counters)


@cache
def _adding_values(table: Table, dialect: str) -> str:
    """As `_insert`, and adding. SQLite reads arrays in half the time of objects; PostgreSQL reads objects alone."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
    values = ", ".join(f"value->>{at}" for at in range(len(table.columns)))
    start = _insert(table, dialect) if dialect == "postgresql" else (
        f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM json_each(?) WHERE true ON CONFLICT ({keys})')  # noqa: S608  # names of our own tables
    return f"{start} DO UPDATE SET {_adding(table)}"


def add_values(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add each row's counters to those of the row with the same primary key, or make that row. A row has a value for
    each column, in their order, of types that JSON and SQLite share; the key's come first.
    """
    if not rows:
        return
    found: list[Any] = sorted(rows)  # so that two writers never wait for each other in a ring
    if connection.dialect.name == "postgresql":
        names = table.columns.keys()
        found = [dict(zip(names, row, strict=True)) for row in found]
    statement = _adding_values(table, connection.dialect.name)
    connection.exec_driver_sql(statement, (msgspec.json.encode(found).decode(),))


def add_up(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """The same of rows by the names of their columns."""
    names = table.columns.keys()
    add_values(connection, table, [tuple(row[name] for name in names) for row in rows])
