"""The mails that still have to be sent: queued in the commit of what they tell of, sent by a job.

So no mail is lost, and nobody waits for a mail server. A crash between the server's 250 and our note of it repeats one
mail, with the same Message-ID.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, String, Text, delete, func, select, update
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.orm import Mapped, mapped_column

from consent import smtp
from consent.db import Id, Moment, db, insert_new, writing_on
from consent.delivery import wait

log = logging.getLogger("poort.mails")

WAITING, SENT, DEAD = "waiting", "sent", "dead"
FIRST = timedelta(minutes=1)  # until the second attempt; twice as long each time, up to six hours
PATIENCE = timedelta(days=14)  # since the first attempt
KEPT = timedelta(days=7)  # the address and the text, after the mail was sent or given up (G1)
KNOWN = timedelta(days=400)  # the key, so that nothing is sent twice
GO = 20.0  # seconds in one go: a slow server does not keep the other jobs waiting

Now = Callable[[], datetime]


class Mail(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One mail to one person. `key` says what it is about, and names nobody."""

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id)
    recipient: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(500))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    answer: Mapped[str] = mapped_column(String(64))  # to the last attempt: a code, or what was wrong
    created_at: Mapped[datetime] = mapped_column(Moment)
    begun_at: Mapped[datetime | None] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_mail_state_due", "state", "due_at"),)


def queue(key: str, to: str, subject: str, text: str, now: datetime) -> None:
    """Send this mail once it is committed; the same key again changes nothing. The caller commits.

    `subject` becomes one line. Raises ValueError for an address that is not one line.
    """
    if not to.isprintable() or "@" not in to:
        raise ValueError("a mail goes to one e-mail address")
    row = {
        "key": key, "id": uuid.uuid4(), "recipient": to, "subject": " ".join(subject.split()), "text": text,
        "state": WAITING, "attempts": 0, "answer": "", "created_at": now, "begun_at": None, "due_at": now,
        "ended_at": None,
    }
    insert_new(db.session.connection(), Mail.__table__, [row])


@dataclass
class Tally:
    """What became of the mails of a go."""

    sent: int = 0
    failed: int = 0
    dead: int = 0


def send_due(engine: Engine, sender: str, now: Now) -> Tally:
    """Send what is due. No lock and no transaction is held while the server is talked to.

    For one runner at a time: the job's lock sees to that.
    """
    tally, until = Tally(), time.monotonic() + GO
    while time.monotonic() < until:
        mail = _next(engine, now())
        if mail is None or not _try(engine, mail, sender, tally, now):
            break
    return tally


def _next(engine: Engine, now: datetime) -> Row[Any] | None:
    with engine.connect() as connection:
        return connection.execute(_due(now).order_by(Mail.due_at, Mail.key).limit(1)).first()


def _due(now: datetime) -> Any:
    return select(Mail.__table__).where(Mail.state == WAITING, Mail.due_at <= now)


def _try(engine: Engine, mail: Row[Any], sender: str, tally: Tally, now: Now) -> bool:
    """One attempt; whether it makes sense to go on with this server."""
    try:
        smtp.send(mail.recipient, mail.subject, mail.text, str(mail.id), mail.created_at, sender)
    except smtp.Unreachable as error:
        _postpone(engine, str(error), tally, now())
        return False
    except smtp.Refused as error:
        _fail(engine, [mail], str(error), tally, now())
        return True
    tally.sent += 1
    with writing_on(engine) as connection:
        _note(connection, mail, now(), state=SENT, answer="250", ended_at=now())
    return True


def _postpone(engine: Engine, answer: str, tally: Tally, now: datetime) -> None:
    """Everything that is due waits: each mail alone would hold the jobs for as long as this one did."""
    with engine.connect() as connection:
        mails = list(connection.execute(_due(now)))
    _fail(engine, mails, answer, tally, now)


def _fail(engine: Engine, mails: list[Row[Any]], answer: str, tally: Tally, now: datetime) -> None:
    with writing_on(engine) as connection:
        for mail in mails:
            tally.failed += 1
            if now - (mail.begun_at or now) < PATIENCE:
                due_at = now + wait(mail.attempts + 1, random.random(), FIRST)  # noqa: S311  # nothing secret
                _note(connection, mail, now, answer=answer, due_at=due_at)
            else:
                tally.dead += 1
                log.warning("A mail is given up after %s days: %s, %s", PATIENCE.days, mail.key, answer)
                _note(connection, mail, now, answer=answer, state=DEAD, ended_at=now)


def _note(connection: Connection, mail: Row[Any], now: datetime, **values: Any) -> None:
    mine = update(Mail).where(Mail.key == mail.key, Mail.state == WAITING)
    connection.execute(mine.values(attempts=Mail.attempts + 1, begun_at=mail.begun_at or now, **values))


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


def tidy(engine: Engine, now: datetime) -> int:
    """Forget who got a mail and what it said, KEPT after its end; how many mails that are (G1)."""
    with writing_on(engine) as connection:
        old = update(Mail).where(Mail.ended_at < now - KEPT, Mail.recipient != "")
        forgotten = connection.execute(old.values(recipient="", subject="", text=""))
        connection.execute(delete(Mail).where(Mail.ended_at < now - KNOWN))
    return int(forgotten.rowcount)
