"""Sends the mails that are queued: again until the server has them, ever more rarely, for fourteen days.

A crash between the server's 250 and our note of it repeats one mail, with the same Message-ID.
"""

import logging
import random
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.engine import Connection, Engine, Row

from consent import smtp
from consent.db import writing_on
from consent.delivery import wait
from consent.mails import DEAD, LETTER, SENT, WAITING, Mail

log = logging.getLogger("poort.mails")

FIRST = timedelta(minutes=1)  # until the second attempt; twice as long each time, up to six hours
PATIENCE = timedelta(days=14)  # since the first attempt
GO = 20.0  # seconds in one go: a slow server does not keep the other jobs waiting

Now = Callable[[], datetime]


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


def _due(now: datetime) -> Select[Any]:
    return select(Mail.__table__).where(Mail.state == WAITING, Mail.due_at <= now)


def _try(engine: Engine, mail: Row[Any], sender: str, tally: Tally, now: Now) -> bool:
    """One attempt; whether it makes sense to go on with this server."""
    try:
        smtp.send(_letter(mail), sender)
    except smtp.Unreachable as error:
        _postpone(engine, str(error), tally, now())
        return False
    except smtp.Refused as error:
        _fail(engine, [mail], str(error), tally, now())
        return True
    tally.sent += 1
    with writing_on(engine) as connection:
        # What opens an account is forgotten at once; of the others the owner may ask what they said.
        opens = {"text": ""} if mail.key.startswith(LETTER) else {}
        _note(connection, mail, now(), state=SENT, answer="250", ended_at=now(), **opens)
    return True


def _letter(mail: Row[Any]) -> smtp.Letter:
    picture = b64decode(mail.picture) if mail.picture else None
    return smtp.Letter(mail.recipient, mail.subject, mail.text, str(mail.id), mail.created_at, mail.html, picture,
                       mail.leave)


def _postpone(engine: Engine, answer: str, tally: Tally, now: datetime) -> None:
    """Everything that is due waits: each mail alone would hold the jobs for as long as this one did."""
    with engine.connect() as connection:
        mails = list(connection.execute(_due(now)))
    _fail(engine, mails, answer, tally, now, away=True)


def _fail(
    engine: Engine, mails: list[Row[Any]], answer: str, tally: Tally, now: datetime, away: bool = False
) -> None:
    """Try again later. Only what the server refuses is given up some day: one that is away loses no mail."""
    with writing_on(engine) as connection:
        for mail in mails:
            tally.failed += 1
            if away or now - (mail.begun_at or now) < PATIENCE:
                due_at = now + wait(mail.attempts + 1, random.random(), FIRST)  # noqa: S311  # nothing secret
                _note(connection, mail, now, answer=answer, due_at=due_at)
            else:
                tally.dead += 1
                log.warning("A mail is given up after %s days: %s, %s", PATIENCE.days, mail.key, answer)
                _note(connection, mail, now, answer=answer, state=DEAD, ended_at=now)


def _note(connection: Connection, mail: Row[Any], now: datetime, **values: Any) -> None:
    mine = update(Mail).where(Mail.key == mail.key, Mail.state == WAITING)
    connection.execute(mine.values(attempts=Mail.attempts + 1, begun_at=mail.begun_at or now, **values))
