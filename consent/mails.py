"""The mails that still have to be sent: queued in the commit of what they tell of, sent by a job (mailing.py).

So no mail is lost, and nobody waits for a mail server.
"""

import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Index, String, Text, delete, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, mapped_column

from consent.db import Id, Moment, db, insert_new, writing_on

WAITING, SENT, DEAD = "waiting", "sent", "dead"
LETTER = "letter:"  # how the keys of mails begin whose text opens an account (letters.py)
KEPT = timedelta(days=7)  # the address and the text, after the mail was sent or given up (G1)
KNOWN = timedelta(days=400)  # the key, so that nothing is sent twice
FORGOTTEN: Final[dict[str, Any]] = {
    "recipient": "", "subject": "", "text": "", "html": None, "picture": None, "leave": None}
PICTURE: Final = "chart@poort"  # how the page of a mail calls its picture

class Mail(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One mail to one person. `key` says what it is about, and names nobody."""

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id)
    recipient: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(500))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str | None] = mapped_column(Text)  # the same in a page of its own; the text is complete without it
    picture: Mapped[str | None] = mapped_column(Text)  # a PNG that the page shows, in base64: rows travel as JSON
    leave: Mapped[str | None] = mapped_column(String(500))  # where one click ends such mails (RFC 8058)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    answer: Mapped[str] = mapped_column(String(64))  # to the last attempt: a code, or what was wrong
    created_at: Mapped[datetime] = mapped_column(Moment)
    begun_at: Mapped[datetime | None] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_mail_state_due", "state", "due_at"),)


class Page(NamedTuple):
    """A mail's second form: HTML that asks nothing of any server, and the PNG that it shows as `cid:PICTURE`."""

    html: str
    picture: bytes | None = None


def queue(
    key: str, to: str, subject: str, text: str, now: datetime, nobody: bool = False, page: Page | None = None,
    leave: str | None = None,
) -> None:
    """Send this mail once it is committed; the same key again changes nothing. The caller commits.

    `subject` becomes one line. Raises ValueError for an address that is not one line. `nobody`: the same work for
    a mail that is not sent, of which nothing is kept but its key (letters.pretend). `leave`: the address where one
    click ends such mails.
    """
    if not to.isprintable() or "@" not in to:
        raise ValueError("a mail goes to one e-mail address")
    row = {
        "key": key, "id": uuid.uuid4(), "recipient": to, "subject": " ".join(subject.split()), "text": text,
        "state": WAITING, "attempts": 0, "answer": "", "created_at": now, "begun_at": None, "due_at": now,
        "ended_at": None, "html": page.html if page else None, "leave": leave,
        "picture": b64encode(page.picture).decode() if page and page.picture else None,
    }
    if nobody:
        row.update(FORGOTTEN, state=SENT, ended_at=now)
    insert_new(db.session.connection(), Mail.__table__, [row])


def count(engine: Engine) -> dict[str, int]:
    """How many mails are in which state."""
    query = select(Mail.state, func.count()).group_by(Mail.state)
    with engine.connect() as connection:
        found = dict(connection.execute(query).all())
    return {state: found.get(state, 0) for state in (WAITING, SENT, DEAD)}


def forget_answers(engine: Engine, before: datetime) -> int:
    """Forget what servers said to mails that ended before; of how many mails."""
    old = update(Mail).where(Mail.ended_at < before, Mail.answer != "")
    with writing_on(engine) as connection:
        return int(connection.execute(old.values(answer="")).rowcount)


class Samples(Collector):
    """What Prometheus is told of the mails, the same whichever process is asked."""

    def __init__(self, found: Mapping[str, int]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        mails = GaugeMetricFamily(
            "poort_mails", "Mails to owners by state: waiting, sent, dead (given up).", labels=["state"])
        for state, number in self._found.items():
            mails.add_metric([state], float(number))
        yield mails


def tidy(engine: Engine, now: datetime) -> int:
    """Forget who got a mail and what it said, KEPT after its end; how many mails that are (G1)."""
    with writing_on(engine) as connection:
        old = update(Mail).where(Mail.ended_at < now - KEPT, Mail.recipient != "")
        forgotten = connection.execute(old.values(FORGOTTEN))
        connection.execute(delete(Mail).where(Mail.ended_at < now - KNOWN))
    return int(forgotten.rowcount)
