"""Erasures that must not come back with a backup or a receipt: remembered without saying whose they were.

A tombstone is an HMAC of site and visitor, and the time up to which everything of that visitor is gone. It is in a
table, and in a file beside the backups, which outlives the database. Its key is made of POORT_SECRET_KEYS; a tombstone
says of which, so that old ones still count after a rotation.
"""

import fcntl
import hashlib
import hmac
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from flask import current_app
from sqlalchemy import String, Table, delete, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Moment, db, insert_new, microseconds, own_as, writing_on

FILE: Final = "erasures"
LONGEST_LINE: Final = 256
LONGEST_LIFE: Final = timedelta(days=395)  # of a consent, so of a receipt that could bring a record back

_LINE = re.compile(r"1 ([0-9a-f]{8}) ([0-9a-f]{64}) ([a-z0-9-]{1,63}) (\d{1,17}) ([0-9a-f]{8})")
_NEVER: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Tombstone(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """An erasure: nothing of this visitor from before `at` may be kept. `key` names the key of the digest."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime] = mapped_column(Moment)


class Damaged(Exception):
    """The file of erasures can not be trusted; the message is one sentence."""


class Unwritten(Exception):
    """The file of erasures can not be written, so nothing is erased and nothing may be promised."""


class Mark(NamedTuple):
    """A tombstone as a plain value; `at` in microseconds since 1970, UTC."""

    site: str
    digest: str
    key: str
    at: int

    @property
    def line(self) -> str:
        """The tombstone in the file, with its checksum."""
        text = f"1 {self.key} {self.digest} {self.site} {self.at}"
        return f"{text} {_checksum(text)}\n"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@lru_cache(maxsize=64)
def _begun(key: str) -> tuple[str, Any]:
    """The name of a key, and the HMAC that has read it."""
    own = hmac.digest(key.encode(), b"poort.tombstone", "sha256")
    return hashlib.sha256(b"id" + own).hexdigest()[:8], hmac.new(own, digestmod="sha256")


def key_id(key: str) -> str:
    """The name of the key that tombstones get from one of POORT_SECRET_KEYS."""
    return _begun(key)[0]


def digest(key: str, site: str, visitor: uuid.UUID) -> str:
    """What stands for a visitor of a site."""
    mac = _begun(key)[1].copy()
    mac.update(site.encode() + b"\0" + visitor.bytes)
    return str(mac.hexdigest())


# -- on erasure -------------------------------------------------------------------------------------------------------

def bury(site: str, visitor: uuid.UUID, now: datetime) -> None:
    """Remember that this visitor's records up to now are erased; in the file at once, in the table as the caller
    commits. To be called before they are deleted: who brings one back meanwhile waits here (`is_erased`).

    Raises Unwritten.
    """
    settings = current_app.extensions["poort.settings"]
    key = settings.secret_keys[0]
    mark = Mark(site, digest(key, site, visitor), key_id(key), microseconds(now))
    table = Tombstone.__table__
    connection = db.session.connection()
    if not insert_new(connection, table, [{**mark._asdict(), "at": now}]):
        mine = (table.c.site == site) & (table.c.digest == mark.digest)
        connection.execute(update(table).where(mine, table.c.at < now).values(at=now))
    if settings.backup_dir:
        try:
            append(Path(settings.backup_dir), [mark])
        except OSError as error:
            current_app.logger.error("An erasure can not be written beside the backups", exc_info=error)
            raise Unwritten from error


def append(folder: Path, marks: Iterable[Mark]) -> None:
    """Add lines to the file of erasures, durably; raises OSError."""
    with _locked(folder), open(folder / FILE, "a+b", opener=private) as file:
        own_as(file.fileno(), folder)
        _cut_torn(file)
        file.write("".join(mark.line for mark in marks).encode())
        file.flush()
        os.fsync(file.fileno())
        sync_folder(folder)


def private(path: str, flags: int) -> int:
    """For `open`: a new file is for its owner alone."""
    return os.open(path, flags, 0o600)


def _cut_torn(file: IO[bytes]) -> None:
    """Take away the beginning of a line that a crash left at the end: it was never acknowledged."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - LONGEST_LINE, 0))
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(end - len(tail.rpartition(b"\n")[2]))


def sync_folder(folder: Path) -> None:
    """Make sure that the names in it are on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time; on a file of its own, for the other one is replaced."""
    with open(folder / f"{FILE}.lock", "ab", opener=private) as lock:
        own_as(lock.fileno(), folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- on the way back --------------------------------------------------------------------------------------------------

def read(folder: Path) -> Iterator[Mark]:
    """The tombstones of the file. A torn line at its end was never acknowledged; raises Damaged for any other."""
    try:
        file = open(folder / FILE, encoding="utf-8", errors="replace")  # noqa: SIM115
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            found = _LINE.fullmatch(line[:-1])
            if found and found[5] == _checksum(found[0].rpartition(" ")[0]):
                yield Mark(found[3], found[2], found[1], int(found[4]))
            elif line.endswith("\n"):
                raise Damaged(
                    f"Line {number} of {folder / FILE} is damaged: an erasure may be lost with it. Put the file "
                    "back from a copy, or take that line out knowingly.")


def is_erased(site: str, visitor: uuid.UUID, said: datetime, keys: Sequence[str]) -> bool:
    """Whether what this visitor said at that time was erased. In a transaction that writes, which then waits for an
    erasure that is under way, and makes later ones wait until it ends.
    """
    table = Tombstone.__table__
    connection = db.session.connection()
    digests = [digest(key, site, visitor) for key in keys]
    row = {"site": site, "digest": digests[0], "key": key_id(keys[0]), "at": _NEVER}
    if insert_new(connection, table, [row]):  # a stand-in, for nobody else to see
        connection.execute(delete(table).where(
            table.c.site == site, table.c.digest == digests[0], table.c.at == _NEVER))
    query = select(table.c.at).where(table.c.site == site, table.c.digest.in_(digests), table.c.at >= said)
    return connection.scalar(query.limit(1)) is not None


def merge(connection: Connection, marks: Iterable[Mark]) -> None:
    """Add tombstones to the table; of two of one visitor the later counts."""
    for part in _parts(marks, 5_000):
        latest: dict[tuple[str, str], Mark] = {}
        for mark in part:
            known = latest.get((mark.site, mark.digest))
            if known is None or known.at < mark.at:
                latest[mark.site, mark.digest] = mark
        _merge(connection, latest)


def _merge(connection: Connection, latest: dict[tuple[str, str], Mark]) -> None:
    table: Table = Tombstone.__table__
    rows = [{**mark._asdict(), "at": _moment(mark.at)} for mark in latest.values()]
    new = insert_new(connection, table, rows)
    for row in rows:
        if (row["site"], row["digest"]) not in new:
            mine = (table.c.site == row["site"]) & (table.c.digest == row["digest"])
            connection.execute(update(table).where(mine, table.c.at < row["at"]).values(at=row["at"]))


def _moment(at: int) -> datetime:
    return _NEVER + timedelta(microseconds=at)


def _parts(marks: Iterable[Mark], size: int) -> Iterator[list[Mark]]:
    part: list[Mark] = []
    for mark in marks:
        part.append(mark)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


# -- in the end -------------------------------------------------------------------------------------------------------

def forget(engine: Engine, folder: Path | None, keep: timedelta, now: datetime) -> int:
    """Drop the tombstones of which no backup and no receipt is left; how many there were in the table."""
    before = now - max(keep, LONGEST_LIFE)
    if folder is not None and folder.is_dir():
        _forget_lines(folder, microseconds(before))
    with writing_on(engine) as connection:
        gone = connection.execute(delete(Tombstone.__table__).where(Tombstone.__table__.c.at < before))
    return int(gone.rowcount)


def _forget_lines(folder: Path, before: int) -> None:
    with _locked(folder):
        if not any(mark.at < before for mark in read(folder)):
            return
        rest = folder / f"{FILE}.rest"
        rest.unlink(missing_ok=True)
        with open(rest, "xb", opener=private) as file:
            own_as(file.fileno(), folder)
            file.writelines(mark.line.encode() for mark in read(folder) if mark.at >= before)
            file.flush()
            os.fsync(file.fileno())
        rest.replace(folder / FILE)
        sync_folder(folder)
