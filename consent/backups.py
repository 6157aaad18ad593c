"""Backups: made while Poort serves, sealed with keys of their own (consent/sealed.py), verified, put back, and deleted
in time. What differs between the two databases stands in consent/copies.py and consent/dumps.py.
"""

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Engine

from consent import copies, dumps, revival, sealed, tombstones
from consent.config import Settings
from consent.db import own_as
from consent.revival import BackupError, Done, Snapshot
from consent.sealed import Broken, Header, Sealer

_NAME = re.compile(r"poort-(\d{8}T\d{6})Z\.backup")
_TIME = "%Y%m%dT%H%M%S"


class Made(NamedTuple):
    """A backup that is there now."""

    path: Path
    header: Header
    size: int


def folder_of(settings: Settings) -> Path:
    """Where backups are; raises BackupError when that is not said or not there."""
    if not settings.backup_dir:
        raise BackupError("Say where: set POORT_BACKUP_DIR to a folder.")
    folder = Path(settings.backup_dir)
    if not folder.is_dir():
        raise BackupError(f"POORT_BACKUP_DIR is {folder}, which is not a folder that is there.")
    return folder


def is_set_up(settings: Settings) -> bool:
    """Whether backups are wanted."""
    return bool(settings.backup_dir and settings.backup_keys)


# -- create -----------------------------------------------------------------------------------------------------------

def create(engine: Engine, settings: Settings) -> Made:
    """Make a backup of the database as it is now; raises BackupError, and then leaves nothing behind."""
    folder = folder_of(settings)
    if not settings.backup_keys:
        raise BackupError("A backup has to be encrypted: set POORT_BACKUP_KEYS; `openssl rand -hex 32` makes a key.")
    try:
        with copies.held(folder / ".lock"):
            for left in folder.glob(".*.part"):  # of one that was killed
                left.unlink()
            return _create(engine, settings.backup_keys[0], folder)
    except OSError as error:
        raise BackupError(f"The backup can not be written to {folder}: {error.strerror}.") from error


def _create(engine: Engine, key: str, folder: Path) -> Made:
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        with _snapshot(engine) as found, open(part, "xb", opener=tombstones.private) as out:
            own_as(out.fileno(), folder)
            sealer = Sealer(out, key, at=found.at.isoformat(), engine=engine.dialect.name,
                            revision=found.revision, records=found.records)
            for piece in found.pieces:
                sealer.write(piece)
            sealer.close()
            out.flush()
            os.fsync(out.fileno())
        path = _publish(part, found.at)
        return Made(path, sealer.header, path.stat().st_size)
    finally:
        part.unlink(missing_ok=True)


def _snapshot(engine: Engine) -> AbstractContextManager[Snapshot]:
    return copies.snapshot(engine) if engine.dialect.name == "sqlite" else dumps.snapshot(engine)


def _publish(part: Path, at: datetime) -> Path:
    """Give it its name, of which there is one a second."""
    while (path := part.with_name(f"poort-{at.astimezone(UTC).strftime(_TIME)}Z.backup")).exists():
        time.sleep(0.1)
        at = max(at, datetime.now(UTC))
    part.rename(path)
    tombstones.sync_folder(part.parent)
    return path


# -- verify and restore -----------------------------------------------------------------------------------------------

@contextmanager
def _read(path: Path) -> Iterator[tuple[IO[bytes], Header]]:
    """The file, its checksum proved right; everything that can be wrong with it is a BackupError."""
    try:
        with open(path, "rb") as file:
            yield file, sealed.check(file)
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror}.") from error
    except Broken as error:
        raise BackupError(f"{path.name} {error}.") from error


def check(path: Path) -> Header:
    """Prove the checksum alone, which needs no key; raises BackupError."""
    with _read(path) as (_, header):
        return header


def verify(path: Path, engine: Engine, settings: Settings) -> Header:
    """Prove that the backup can be put back here: checksum, key, content; raises BackupError."""
    with _read(path) as (file, header):
        _fits(path, header, engine, settings)
        pieces = _pieces(file, settings)
        if header.engine == "sqlite":
            copies.verify(engine, pieces, header)
        else:
            dumps.verify(pieces)
        return header


def restore(path: Path, engine: Engine, settings: Settings, replace: bool) -> Done:
    """Put the backup in the place of the database, with the erasures since; raises BackupError, and then the database
    is as it was.
    """
    with _read(path) as (file, header):
        _fits(path, header, engine, settings)
        folder = Path(settings.backup_dir) if settings.backup_dir else None
        work = revival.Work(header, settings.secret_keys, folder, datetime.now(UTC))
        put_back = copies.restore if header.engine == "sqlite" else dumps.restore
        return put_back(engine, _pieces(file, settings), work, replace)


def _pieces(file: IO[bytes], settings: Settings) -> Iterator[bytes]:
    file.seek(0)
    return sealed.opened(file, settings.backup_keys)


def _fits(path: Path, header: Header, engine: Engine, settings: Settings) -> None:
    if not settings.backup_keys:
        raise BackupError("Without POORT_BACKUP_KEYS nothing can be decrypted.")
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    if header.engine != engine.dialect.name:
        theirs, ours = names.get(header.engine, "another"), names[engine.dialect.name]
        raise BackupError(f"{path.name} holds a {theirs} database, and POORT_DATABASE_URL names {ours}.")
    try:
        known = ScriptDirectory.from_config(revival.migrations()).get_revision(header.revision)
    except CommandError:
        known = None
    if known is None:
        raise BackupError(f"{path.name} was made by a newer Poort (schema {header.revision}); install that one first.")


# -- list and expire --------------------------------------------------------------------------------------------------

class Listed(NamedTuple):
    """A file in the folder; without a header it is none that can be read."""

    path: Path
    size: int
    header: Header | None


def listed(settings: Settings) -> list[Listed]:
    """The backups, oldest first; raises BackupError."""
    paths = sorted(path for path in folder_of(settings).glob("poort-*.backup") if _NAME.fullmatch(path.name))
    return [Listed(path, path.stat().st_size, _header(path)) for path in paths]


def _header(path: Path) -> Header | None:
    try:
        with open(path, "rb") as file:
            return sealed.read_header(file)[0]
    except (OSError, Broken):
        return None


def expire(folder: Path, keep: timedelta, now: datetime) -> int:
    """Delete the backups that are too old, by the time in their names; how many."""
    gone = 0
    for path in folder.glob("poort-*.backup"):
        named = _NAME.fullmatch(path.name)
        if named and datetime.strptime(named[1], _TIME).replace(tzinfo=UTC) <= now - keep:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def daily(engine: Engine, settings: Settings) -> str:
    """The job: make a backup and prove that it can be read; what it did."""
    if not is_set_up(settings):
        return "off: POORT_BACKUP_DIR and POORT_BACKUP_KEYS are not both set"
    made = create(engine, settings)
    verify(made.path, engine, settings)
    return f"{made.path.name} made and verified, {made.header.records:,} records, {made.size:,} bytes"


def tidy(engine: Engine, settings: Settings) -> str:
    """The job: delete the backups that are too old, and then the tombstones that no backup needs."""
    now, keep = datetime.now(UTC), timedelta(days=settings.backup_keep)
    folder = Path(settings.backup_dir) if settings.backup_dir else None
    gone = expire(folder, keep, now) if folder is not None and folder.is_dir() else 0
    dropped = tombstones.forget(engine, folder, keep, now)
    return f"{gone} backups and {dropped} tombstones deleted"
