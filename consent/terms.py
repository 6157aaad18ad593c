"""How long decisions about each version of a site count, read from its snapshot once, and kept for the jobs.

Beside it up to when the ends of consents have been counted.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String, func, select
from sqlalchemy.engine import Engine, Row
from sqlalchemy.orm import Mapped, mapped_column

from consent.accounts import Organisation
from consent.db import Moment, db, insert_new, writing_on
from consent.records import Record
from consent.sites import Site
from consent.versions import Version
from consent.zones import zone

GRANTS = ("accept_all", "custom")  # the actions that grant something; records.check_decision sees to it

Rows = list[Row[Any]]


class Term(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A version's days. `counted_until`: consents that ended until then are in the daily counts."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consent_days: Mapped[int]
    refusal_days: Mapped[int]
    published_at: Mapped[datetime] = mapped_column(Moment)
    counted_until: Mapped[datetime] = mapped_column(Moment)


def sites_with_records(engine: Engine) -> list[str]:
    """Every site with a version."""
    with engine.connect() as connection:
        return list(connection.scalars(select(Version.site).distinct().order_by(Version.site)))


def zones(engine: Engine) -> dict[str, ZoneInfo]:
    """The time zone in which each site's days are counted."""
    query = select(Site.key, Organisation.time_zone).join(Organisation, Organisation.id == Site.organisation_id)
    with engine.connect() as connection:
        return {row.key: zone(row.time_zone) for row in connection.execute(query)}


def of(engine: Engine, site: str) -> Rows:
    """The terms of every version of the site, after those of new versions were added."""
    for number in _unread(engine, site):
        _read(engine, site, number)
    table = Term.__table__
    with engine.connect() as connection:
        return list(connection.execute(select(table).where(table.c.site == site).order_by(table.c.version)))


def _unread(engine: Engine, site: str) -> list[int]:
    there = select(Term.version).where(Term.site == site)
    query = select(Version.number).where(Version.site == site, Version.number.not_in(there))
    with engine.connect() as connection:
        return list(connection.scalars(query.order_by(Version.number)))


def _read(engine: Engine, site: str, number: int) -> None:
    mine = select(Version.snapshot, Version.published_at).where(Version.site == site, Version.number == number)
    with engine.connect() as connection:
        version = connection.execute(mine).one()
    definition = json.loads(version.snapshot)["definition"]
    row = {
        "site": site, "version": number, "consent_days": definition["consent_days"],
        "refusal_days": definition["refusal_days"], "published_at": version.published_at,
        # Nothing that was decided about a version ends before it was published.
        "counted_until": version.published_at,
    }
    with writing_on(engine) as connection:
        insert_new(connection, Term.__table__, [row])


def grouped(rows: Rows, by: Callable[[Row[Any]], Any]) -> dict[Any, Rows]:
    """The rows by what `by` says of them."""
    found: dict[Any, Rows] = {}
    for row in rows:
        found.setdefault(by(row), []).append(row)
    return found


def decided(record: Any = Record) -> Any:
    """When a decision was made, from which its days count; as records.decided_at."""
    return func.coalesce(record.decided_at, record.recorded_at)
