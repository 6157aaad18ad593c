"""Tickets: proofs for one purpose, for one use, with an end. What was mailed to an address, or asked of a browser.

A ticket is 256 random bits; only its hash is kept, as with API keys (keys.py).
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapped, make_transient, mapped_column

from consent.db import Moment, db, writing_on

INVITATION, SIGN_UP, RESET = "invitation", "sign-up", "reset"
ADD_PASSKEY, BY_PASSKEY, SECOND, PROOF = "add-passkey", "by-passkey", "second", "proof"  # what a passkey is asked for
LIVES = {
    INVITATION: timedelta(days=7), SIGN_UP: timedelta(days=1), RESET: timedelta(hours=1),
    ADD_PASSKEY: timedelta(minutes=10), BY_PASSKEY: timedelta(minutes=10), SECOND: timedelta(minutes=10),
    PROOF: timedelta(minutes=10),
}
LONGEST = 100


class Spent(Exception):
    """A ticket that is used, over, of another purpose or none at all: nobody is told which."""


class Ticket(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One ticket. `email`: to whom it went, where no account has to be; `by`: who invited; `key_id`: with which API
    key, whose end is the invitation's too.
    """

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    email: Mapped[str | None] = mapped_column(String(255))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    role: Mapped[str | None] = mapped_column(String(16))
    by: Mapped[int | None]
    key_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


def digest(text: str) -> str:
    """What is kept of a ticket, or of the secret of a session."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def issue(purpose: str, now: datetime, **about: Any) -> str:
    """A new ticket's text, which is stored nowhere. The caller commits."""
    text = secrets.token_urlsafe(32)
    ticket = Ticket(digest=digest(text), purpose=purpose, created_at=now, expires_at=now + LIVES[purpose], **about)
    db.session.add(ticket)
    db.session.flush()
    return text


def find(text: str, purpose: str, now: datetime) -> Ticket:
    """The ticket that this is, which stays; raises Spent."""
    counts = (Ticket.digest == digest(text), Ticket.purpose == purpose, Ticket.expires_at > now)
    found: Ticket | None = db.session.scalar(select(Ticket).where(*counts)) if len(text) <= LONGEST else None
    if found is None:
        raise Spent
    return found


def take(text: str, purpose: str, now: datetime) -> Ticket:
    """The ticket that this is, and its end: of two who take it at once, one gets it. Raises Spent. The caller commits.
    """
    found = find(text, purpose, now)
    make_transient(found)
    if db.session.execute(delete(Ticket).where(Ticket.digest == found.digest)).rowcount != 1:  # type: ignore[attr-defined]  # a delete has one
        raise Spent
    return found


def take_all(purpose: str, user_id: int) -> None:
    """End the tickets that a user has for this. The caller commits."""
    db.session.execute(delete(Ticket).where(Ticket.purpose == purpose, Ticket.user_id == user_id))


def tidy(engine: Engine, now: datetime) -> int:
    """Forget the tickets that are over, and so whom they went to; how many."""
    with writing_on(engine) as connection:
        return int(connection.execute(delete(Ticket).where(Ticket.expires_at <= now)).rowcount)
