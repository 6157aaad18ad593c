"""Notes of an organisation's people on the days of a site: "new home page", "campaign begun". They mark the charts."""

import uuid
from collections.abc import Collection
from datetime import UTC, date, datetime

from sqlalchemy import Index, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from consent import audit
from consent.db import Id, Moment, db
from consent.marks import mark
from consent.sites import Site

LONGEST = 200  # characters
MOST = 500  # of a site

TOO_LONG = mark("Write a note of 1 to 200 characters on one line.")
NO_DAY = mark("Say on which day it was.")
TOO_MANY = mark("This site has 500 notes; remove one first.")


class NoteFault(Exception):
    """A note that can not be made; the message is one sentence."""


class Note(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A note on a day. Who wrote it is a number, as in the audit list."""

    __tablename__ = "report_note"

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    day: Mapped[date]
    text: Mapped[str] = mapped_column(String(LONGEST))
    user_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_report_note_site_day", "site", "day"),)


def add(site: Site, day: date, text: str, by: audit.By) -> Note:
    """Keep a note; raises NoteFault. The caller commits."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise NoteFault(TOO_LONG)
    if len(db.session.scalars(select(Note.id).where(Note.site == site.key).limit(MOST)).all()) == MOST:
        raise NoteFault(TOO_MANY)
    note = Note(site=site.key, id=uuid.uuid4(), day=day, text=text, user_id=by.user_id, created_at=datetime.now(UTC))
    db.session.add(note)
    audit.note(site.organisation_id, "note.add", by, site.key, day=day.isoformat())
    return note


def remove(site: Site, id: uuid.UUID, by: audit.By, is_owner: bool) -> bool:
    """Remove a note: one's own, or as an owner any; whether there was one. The caller commits."""
    mine = delete(Note).where(Note.site == site.key, Note.id == id)
    if not is_owner:
        mine = mine.where(Note.user_id == by.user_id)
    gone = db.session.scalars(mine.returning(Note.day)).all()
    for day in gone:
        audit.note(site.organisation_id, "note.remove", by, site.key, day=day.isoformat())
    return bool(gone)


def listed(sites: Collection[str], first: date, last: date) -> list[Note]:
    """The notes on these days, in their order."""
    query = select(Note).where(Note.site.in_(sites), Note.day.between(first, last))
    return list(db.session.scalars(query.order_by(Note.day, Note.created_at, Note.id)))
