"""Backups of PostgreSQL: by pg_dump, of one snapshot; put back by pg_restore in one transaction.

The password goes to the programs in their environment, never on a command line.
"""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Final

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from consent.db import db
from consent.records import Record
from consent.revival import BackupError, Done, Snapshot, Work, keep, revive

PIECE: Final = 1_048_576
# The objects, and nothing of who owns them: the backup may go to another server, to another user.
BARE: Final = ("--no-owner", "--no-privileges", "--no-tablespaces", "--no-comments", "--no-security-labels",
               "--no-publications", "--no-subscriptions")


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; raises BackupError."""
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed; it is in the package postgresql-client.")
    return found


def dump_command(url: URL, snapshot_name: str) -> tuple[list[str], dict[str, str]]:
    """What is run to dump this database, and with which environment."""
    named = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in {
        **url.translate_connect_args(username="user", database="dbname"), **url.query}.items()}
    password = named.pop("password", None)
    command = [program("pg_dump"), "--format=custom", "--compress=0", "--no-password", f"--snapshot={snapshot_name}",
               *BARE, f"--dbname={make_conninfo(**named)}"]
    return command, _environment() | ({"PGPASSWORD": password} if password else {})


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("POORT_")}


@contextmanager
def _running(command: list[str], environment: dict[str, str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program, until the end of the block; raises BackupError with what it says when it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said, **pipes)  # noqa: S603  # a program of PostgreSQL, with arguments of ours
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            _close(process)
        if process.returncode:
            raise BackupError(f"{os.path.basename(command[0])} failed: {_last_line(said)}")


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # it is gone, and did not read all
                continue
    process.wait()


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it does not say why."


# -- dump -------------------------------------------------------------------------------------------------------------

@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """The database as it is now: what is said of it and the dump are of the same moment."""
    program("pg_dump")
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        at = datetime.now(UTC)
        _without_limits(connection)
        try:
            revision = str(connection.scalar(text("SELECT version_num FROM alembic_version")))
        except SQLAlchemyError as error:
            raise BackupError("The database has no tables of Poort; run `flask db upgrade`.") from error
        records = connection.scalar(select(func.count()).select_from(Record.__table__)) or 0
        name = str(connection.scalar(select(func.pg_export_snapshot())))
        with _running(*dump_command(engine.url, name), stdin=subprocess.DEVNULL) as process:
            yield Snapshot(at, revision, records, _pieces(process))


def _without_limits(connection: Connection) -> None:
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {setting} = 0")


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What it prints; `_running` raises when it failed, and that is before the backup gets its name."""
    while process.stdout is not None and (piece := process.stdout.read(PIECE)):
        yield piece


# -- verify and restore -----------------------------------------------------------------------------------------------

class _Feeder(threading.Thread):
    """Writes the archive into pg_restore; `fault` is what went wrong with it."""

    def __init__(self, pieces: Iterator[bytes], into: IO[bytes]) -> None:
        super().__init__(name="pg_restore", daemon=True)
        self._pieces, self._into = pieces, into
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            for piece in self._pieces:
                self._into.write(piece)
            self._into.close()
        except Exception as error:  # told by who reads the other end
            self.fault = error
            try:
                self._into.close()
            except OSError:
                return


@contextmanager
def _script(pieces: Iterator[bytes]) -> Iterator[IO[bytes]]:
    """The archive as SQL; raises what is wrong with the archive, or with the program."""
    command = [program("pg_restore"), "--file=-", *BARE]
    feeder = None
    try:
        with _running(command, _environment(), stdin=subprocess.PIPE) as process:
            if process.stdin is None or process.stdout is None:
                return
            feeder = _Feeder(pieces, process.stdin)
            feeder.start()
            try:
                yield process.stdout
            except BaseException:  # else the feeder would wait for ever for somebody to read on
                process.kill()
                raise
            finally:
                feeder.join()
    finally:
        if feeder is not None and feeder.fault is not None and not isinstance(feeder.fault, BrokenPipeError):
            raise feeder.fault


def verify(pieces: Iterator[bytes]) -> None:
    """Let pg_restore read all of it; raises BackupError."""
    with _script(pieces) as script:
        while script.read(PIECE):
            pass


def restore(engine: Engine, pieces: Iterator[bytes], work: Work, replace: bool) -> Done:
    """All of it in one transaction: whoever dies meanwhile, the database is the old one until it is the new one."""
    program("pg_restore")
    engine.dispose()
    with engine.connect() as connection, connection.begin():
        _without_limits(connection)
        _check_alone(connection)
        kept = keep(connection)
        if kept.has_data and not replace:
            raise BackupError(
                f"The database {engine.url.database} holds data; --replace puts the backup in its place all the same.")
        _drop(connection)
        with _script(pieces) as script:
            _run(_driver(connection), script)
        connection.exec_driver_sql("SET LOCAL search_path TO DEFAULT")
        done = revive(connection, work, kept if kept.has_data else None)
    engine.dispose()  # the script has changed settings of the session
    return done


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    found: Any = connection.connection.driver_connection
    return found  # type: ignore[no-any-return]  # psycopg's, by the dialect


def _check_alone(connection: Connection) -> None:
    others = connection.exec_driver_sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'").scalar()
    if others:
        raise BackupError(f"The database is in use by {others} others; stop Poort first, and whatever else uses it.")


def _drop(connection: Connection) -> None:
    """Take our tables away, and the functions of their triggers."""
    there = set(inspect(connection).get_table_names())
    for name in [*db.metadata.tables, "alembic_version"]:
        if name in there:
            connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')
    unused = connection.exec_driver_sql(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = current_schema() AND p.prorettype = 'trigger'::regtype AND pg_has_role(p.proowner, 'USAGE') "
        "AND NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgfoid = p.oid) "
        "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')").scalars().all()
    for function in unused:
        connection.exec_driver_sql(f"DROP FUNCTION {function}")


def _run(connection: psycopg.Connection[Any], script: IO[bytes]) -> None:
    """Run pg_restore's script inside our transaction, as psql would: statements, and the rows between them."""
    statements: list[bytes] = []
    try:
        for line in script:
            if line.startswith(b"COPY ") and line.rstrip().endswith(b" FROM stdin;"):
                _execute(connection, statements)
                _copy_rows(connection, line.rstrip().removesuffix(b";"), script)
            elif not line.startswith((b"--", b"\\")):  # a remark, or a word to psql alone
                statements.append(line)
        _execute(connection, statements)
    except psycopg.Error as error:
        raise BackupError(f"The database refuses the backup: {str(error).splitlines()[0]}.") from error


def _execute(connection: psycopg.Connection[Any], statements: list[bytes]) -> None:
    if any(line.strip() for line in statements):
        connection.execute(b"".join(statements))
    statements.clear()


def _copy_rows(connection: psycopg.Connection[Any], statement: bytes, script: IO[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for line in script:
            if line == b"\\.\n":
                return
            copy.write(line)
    raise BackupError("The backup ends in the middle of a table.")
