"""The times at which a backup was put back: which hours were lost then, and for how long that may still matter.

Browsers hold receipts of the lost hours and send them again (consent/recovery.py).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Moment, db
from consent.tombstones import LONGEST_LIFE

SLACK: Final = timedelta(hours=1)  # a clock may have been wrong; what is known already is found again anyway
FIRST: Final = 1_000


class Restoration(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """At `at` a backup of `backup_at` took the place of the database."""

    at: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    backup_at: Mapped[datetime] = mapped_column(Moment)


class Window(NamedTuple):
    """Lost hours: what was stored then may be gone."""

    start: datetime
    end: datetime


def windows(connection: Connection, now: datetime) -> tuple[Window, ...]:
    """The lost hours of which a consent may still count."""
    table = Restoration.__table__
    query = select(table.c.backup_at, table.c.at).where(table.c.at > now - LONGEST_LIFE).order_by(table.c.at)
    return tuple(Window(*row) for row in connection.execute(query))


def told(found: Iterable[Window]) -> dict[str, int] | None:
    """What a page is told, in whole seconds: from when to when it may hold a receipt that was lost here."""
    spans = list(found)
    if not spans:
        return None
    return {
        "from": int(min(span.start for span in spans).timestamp()),
        "to": int(max(span.end for span in spans).timestamp()),
    }


def was_lost(found: Iterable[Window], said: datetime) -> bool:
    """Whether what was said at that time can have been lost. Receipts tell whole seconds."""
    return any(span.start - SLACK <= said <= span.end for span in found)


def skipped(published_at: datetime | None) -> int:
    """How many numbers a version leaves out; `published_at` is the time of the one before, None for a site's first.

    Versions that were published in lost hours are lost too, but visitors hold receipts that name them: their numbers
    must not come to mean something else. A number for every minute, so that the same backup can be put back twice.
    """
    at = Restoration.__table__.c.at
    if published_at is None:
        recent = select(func.count()).where(at > datetime.now(UTC) - LONGEST_LIFE)
        return FIRST * (db.session.scalar(recent) or 0)
    last = db.session.scalar(select(func.max(at)))
    return int((last - published_at).total_seconds()) // 60 + 1 if last is not None and last > published_at else 0
