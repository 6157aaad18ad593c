"""Sessions: who is signed in, as rows that can be ended one by one. The cookie holds a random secret, this its hash.

Of a session is kept when it began, the day of its last use, and the family of the browser: no address, no place (G1).
"""

import logging
import secrets
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ForeignKey, String, delete, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from consent.accounts import User
from consent.db import Moment, db, writing, writing_on
from consent.tickets import digest

log = logging.getLogger("poort.accounts")

LIFE = timedelta(hours=12)
MOST = 20  # of a user: who signs in once more ends the oldest
FRESH = timedelta(minutes=15)  # how long a proof of who one is counts for what is hard to undo


class Session(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One browser in which a user is signed in. `proved_at`: when they last gave their password or passkey."""

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    seen_on: Mapped[date]
    proved_at: Mapped[datetime] = mapped_column(Moment)
    browser: Mapped[str] = mapped_column(String(40))


class Present(NamedTuple):
    """Somebody who is signed in, and the session that shows it."""

    user: User
    session: Session

    def is_fresh(self, now: datetime) -> bool:
        """Whether they have just proved who they are."""
        return now - self.session.proved_at < FRESH


def begin(user: User, browser: str, now: datetime) -> str:
    """A new session; the secret for its cookie, which is stored nowhere. The caller commits."""
    text = secrets.token_urlsafe(32)
    db.session.add(Session(
        digest=digest(text), user_id=user.id, created_at=now, seen_on=now.date(), proved_at=now, browser=browser[:40]))
    db.session.flush()
    kept = select(Session.id).where(Session.user_id == user.id).order_by(Session.id.desc()).limit(MOST)
    oldest = db.session.scalars(kept).all()[-1]
    db.session.execute(delete(Session).where(Session.user_id == user.id, Session.id < oldest))
    return text


def find(text: str, user: str, now: datetime) -> Present | None:
    """Whose session this is, if it goes on. `user`: what else the cookie says, by which no session changes hands."""
    query = select(User, Session).join(Session, Session.user_id == User.id).where(
        Session.digest == digest(text), Session.created_at > now - LIFE, User.fs_uniquifier == user, User.active)
    row = db.session.execute(query).first()
    return Present(*row) if row else None


def of(user: User, now: datetime) -> list[Session]:
    """The sessions of a user that go on, newest first."""
    mine = select(Session).where(Session.user_id == user.id, Session.created_at > now - LIFE)
    return list(db.session.scalars(mine.order_by(Session.id.desc())))


def show_life(session: Session, today: date) -> None:
    """Remember the day on which the session was used, once a day. Nothing that they came for fails for it."""
    if session.seen_on == today:
        return
    id = session.id
    try:
        with writing():
            db.session.execute(update(Session).where(Session.id == id).values(seen_on=today))
    except (SQLAlchemyError, OSError) as error:
        log.warning("The day of a session was not kept", extra={"fault": type(error).__name__})


def prove(id: int, now: datetime) -> None:
    """They gave their password or passkey again. The caller commits."""
    db.session.execute(update(Session).where(Session.id == id).values(proved_at=now))


def end(user_id: int, id: int) -> bool:
    """End one session of a user; whether there was one. The caller commits."""
    gone = db.session.execute(delete(Session).where(Session.user_id == user_id, Session.id == id))
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a delete has one


def end_all(user_id: int, but: int | None = None) -> None:
    """End all sessions of a user but one. The caller commits."""
    db.session.execute(delete(Session).where(Session.user_id == user_id, Session.id != (but or 0)))


def tidy(engine: Engine, now: datetime) -> int:
    """Forget the sessions that are over; how many."""
    with writing_on(engine) as connection:
        return int(connection.execute(delete(Session).where(Session.created_at <= now - LIFE)).rowcount)
