"""What a database that was put back still has to be told: the schema of today, and what happened since.

Erasures since the backup are done again, from the list beside the backups and from the database that is replaced;
restrictions and requests of visitors are taken over from that one, as far as it can be read.
"""

import secrets
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import alembic.command
from alembic.config import Config
from flask import current_app
from sqlalchemy import Table, delete, func, insert, inspect, select, true, update
from sqlalchemy.engine import Connection

from consent import outbox, rights, tombstones, versions
from consent.accounts import User
from consent.db import db, insert_new, microseconds
from consent.keys import ApiKey
from consent.records import Record, RemovalPermit, delete_counted
from consent.restorations import Restoration
from consent.rights import Request, Restriction
from consent.sealed import Header
from consent.sessions import Session
from consent.sites import Site
from consent.tickets import Ticket
from consent.tombstones import Damaged, Mark, Tombstone

NO_DATA: Final = frozenset({"alembic_version", "job", "job_lock"})  # what a database without a site has too
RESTRICTIONS: Final = Restriction.__table__.name
REQUESTS: Final = Request.__table__.name
KEYS: Final = ApiKey.__table__.name
WHEN: Final = ("recorded_at", "created_at", "received_at", "at")


class BackupError(Exception):
    """Something about a backup that can not be done; the message is one sentence for the operator."""


class Snapshot(NamedTuple):
    """A database as it is at one moment: how it can be read, and what is said of it."""

    at: datetime
    revision: str
    records: int
    pieces: Iterator[bytes]


class Work(NamedTuple):
    """What a restore has to know."""

    header: Header
    keys: Sequence[str]  # POORT_SECRET_KEYS
    folder: Path | None  # of the list of erasures
    now: datetime


@dataclass
class Kept:
    """What is read from the database that is replaced. `readable`: it could be."""

    readable: bool = False
    has_data: bool = False
    has_records: bool = False  # without any it is no later state of the same thing
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Done(NamedTuple):
    """What a restore did."""

    header: Header
    now: datetime
    revision: str
    erasures: int  # tombstones that are known now
    erased: int  # visitors whose records were in the backup, and are erased again
    readable: bool | None  # whether the replaced database could be read; None: there was none


def migrations() -> Config:
    """The configuration of the migrations."""
    found: Config = current_app.extensions["migrate"].migrate.get_config()
    return found


def keep(connection: Connection) -> Kept:
    """Read what has to outlive the database on this connection."""
    there = set(inspect(connection).get_table_names())
    known = [table for name, table in db.metadata.tables.items() if name in there and name not in NO_DATA]
    has_data = any(connection.execute(select(1).select_from(table).limit(1)).first() for table in known)
    names = (Tombstone.__table__.name, Restoration.__table__.name, RESTRICTIONS, REQUESTS, KEYS)
    has_records = Record.__table__ in known and connection.scalar(select(Record.id).limit(1)) is not None
    rows = {table.name: _rows(connection, table) for table in known if table.name in names}
    return Kept(True, has_data, has_records, rows)


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    """Its rows by the columns of today; what an older schema lacks is None."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    query = select(*(column for column in table.columns if column.name in there))
    empty = dict.fromkeys(table.columns.keys())
    return [{**empty, **row} for row in connection.execute(query).mappings()]


def revive(connection: Connection, work: Work, kept: Kept | None) -> Done:
    """Bring the restored tables on this connection up to now; raises BackupError. The caller commits."""
    found = connection.scalar(select(func.count()).select_from(Record.__table__))
    if found != work.header.records:
        raise BackupError(f"The backup should hold {work.header.records} records and holds {found}.")
    config = migrations()
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
    _take_over(connection, kept or Kept())
    _close_doors(connection, kept or Kept())
    tombstones.merge(connection, _marks(work, kept or Kept()))
    erased = _erase_again(connection, work)
    connection.execute(insert(Restoration).values(at=work.now, backup_at=work.header.moment))
    revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    known = connection.scalar(select(func.count()).select_from(Tombstone.__table__)) or 0
    return Done(work.header, work.now, revision, known, erased, kept.readable if kept else None)


def _take_over(connection: Connection, kept: Kept) -> None:
    """What the replaced database knew of requests and restrictions is the latest that is known of them."""
    for name in (Restoration.__table__.name, REQUESTS):
        if kept.rows.get(name):
            table = db.metadata.tables[name]
            if name == REQUESTS:
                connection.execute(delete(table))
            insert_new(connection, table, kept.rows[name])
    if kept.has_records and RESTRICTIONS in kept.rows:
        rights.carry_over(connection, kept.rows[RESTRICTIONS])


def _close_doors(connection: Connection, kept: Kept) -> None:
    """A key that was revoked since stays revoked, and whoever is signed in signs in anew."""
    keys, users = ApiKey.__table__, User.__table__
    for row in kept.rows.get(KEYS, []):
        if row["revoked_at"] is not None:
            mine = update(keys).where(keys.c.digest == row["digest"], keys.c.revoked_at.is_(None))
            connection.execute(mine.values(revoked_at=row["revoked_at"]))
    for table in (Session.__table__, Ticket.__table__):  # also the links that were mailed before the backup
        connection.execute(delete(table))
    for user in list(connection.scalars(select(users.c.id))):
        connection.execute(update(users).where(users.c.id == user).values(fs_uniquifier=secrets.token_hex(32)))


def _marks(work: Work, kept: Kept) -> Iterator[Mark]:
    for row in kept.rows.get(Tombstone.__table__.name, []):
        yield Mark(row["site"], row["digest"], row["key"], microseconds(row["at"]))
    if work.folder is None:
        return
    try:
        yield from tombstones.read(work.folder)
    except (Damaged, OSError) as error:
        raise BackupError(f"The list of erasures can not be used: {error}") from error


# -- erasures ---------------------------------------------------------------------------------------------------------

def _erase_again(connection: Connection, work: Work) -> int:
    """Erase who is in the backup and was erased; how many visitors that are."""
    _check_keys(connection, work)
    erased = 0
    for site in list(connection.scalars(select(Tombstone.__table__.c.site).distinct())):
        hits = _hits(connection, site, work.keys)
        gone = [visitor for visitor, at in hits.items() if _erase(connection, site, visitor, at)]
        _tell(connection, site, gone, work.now)
        erased += len(gone)
    return erased


def _check_keys(connection: Connection, work: Work) -> None:
    """An erasure under a key that is gone can not be found again: rather no restore than that it comes back."""
    table = Tombstone.__table__
    known = [tombstones.key_id(key) for key in work.keys]
    later = (table.c.at >= work.header.moment, table.c.key.not_in(known))
    lost = connection.scalar(select(func.count()).select_from(table).where(*later))
    if lost:
        raise BackupError(
            f"{lost} visitors were erased after this backup under a key that is not in POORT_SECRET_KEYS any more; "
            "put that key back, last in the list, so that they stay erased.")


def of_visitors() -> list[Table]:
    """The tables with rows about single visitors."""
    return [
        table for table in db.metadata.sorted_tables
        if {"site", "visitor"} <= set(table.columns.keys()) and table.name != RemovalPermit.__table__.name
    ]


def _until(table: Table, at: datetime) -> Any:
    """The condition that a row is of before an erasure; one without a time of its own is."""
    column = next((table.c[name] for name in WHEN if name in table.columns), None)
    return true() if column is None else column <= at


def _hits(connection: Connection, site: str, keys: Sequence[str]) -> dict[uuid.UUID, datetime]:
    """The visitors of the site who were erased, and until when. Each visitor is read once, none is kept."""
    table = Tombstone.__table__
    rows = connection.execute(select(table.c.digest, table.c.key, table.c.at).where(table.c.site == site)).all()
    ends = {row.digest: row.at for row in rows}
    used = [key for key in keys if tombstones.key_id(key) in {row.key for row in rows}]
    hits: dict[uuid.UUID, datetime] = {}
    for visitor in _visitors(connection, site):
        for key in used:
            at = ends.get(tombstones.digest(key, site, visitor))
            if at is not None:
                hits[visitor] = max(at, hits.get(visitor, at))
    return hits


def _visitors(connection: Connection, site: str) -> Iterator[uuid.UUID]:
    """Every visitor of the site, once for each table."""
    for table in of_visitors():
        query = select(table.c.visitor).where(table.c.site == site, table.c.visitor.is_not(None)).distinct()
        yield from connection.scalars(query.execution_options(yield_per=10_000))


def _erase(connection: Connection, site: str, visitor: uuid.UUID, at: datetime) -> bool:
    """Delete what is of before `at`; whether there was anything: a visitor can have come back since."""
    permits = RemovalPermit.__table__
    permit = {"site": site, "id": uuid.uuid4(), "visitor": visitor, "before": None}
    connection.execute(insert(permits).values(permit))
    gone = 0
    for table in of_visitors():
        old = (table.c.site == site) & (table.c.visitor == visitor) & _until(table, at)
        if table is Record.__table__:
            gone += len(delete_counted(connection, old))
        elif table.name != RESTRICTIONS:
            gone += connection.execute(delete(table).where(old)).rowcount
        elif connection.scalar(select(table.c.at).where(old)) is not None:  # with what it took off the counts
            rights.release_on(connection, site, visitor)
            gone += 1
    connection.execute(delete(permits).where(permits.c.site == site, permits.c.id == permit["id"]))
    return gone > 0


def _tell(connection: Connection, site: str, erased: Iterable[uuid.UUID], now: datetime) -> None:
    """Tell the owner's own systems once more: whether they were told is lost, and to erase twice harms nothing."""
    table, hooks = versions.Version.__table__, outbox.Webhook.__table__
    query = select(table).join(Site.__table__, (Site.key == table.c.site) & (Site.current == table.c.number))
    row = connection.execute(query.where(
        table.c.site == site, table.c.site.in_(select(hooks.c.site).where(hooks.c.stopped_at.is_(None))))).first()
    if row is None:
        return
    gate = versions.published(row).gate
    for visitor in erased:
        event = outbox.of_erasure(site, visitor, microseconds(now), gate, now)
        connection.execute(insert(outbox.Event.__table__).values(event))
