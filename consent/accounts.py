"""Users, and what they may do: a membership joins a user to an organisation as owner or as marketer.

There is no account to begin with: `flask user create` makes them, an invitation (invitations.py), or, where
POORT_SIGN_UP is on, whoever wants one. How they sign in is in sign_in.py.
"""

import logging
import secrets
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flask import current_app
from flask_security import RoleMixin, UserMixin, hash_password, verify_password
from flask_security.datastore import SQLAlchemyUserDatastore
from flask_security.mail_util import EmailValidateException
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, event, select, text, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from consent.db import Moment, db, writing
from consent.marks import mark
from consent.zones import USUAL_ZONE

log = logging.getLogger("poort.accounts")

ROLES = ("owner", "marketer")
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
TRANSLATIONS = Path(__file__).resolve().parent / "translations"


class AccountError(Exception):
    """An account that can not be made; the message is one sentence, which pages translate."""


class Organisation(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A tenant."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    ended_on: Mapped[date | None]  # when its contract ended; contracts.py
    mfa: Mapped[bool] = mapped_column(default=False)  # whether its members need a second factor
    time_zone: Mapped[str] = mapped_column(String(64), default=USUAL_ZONE.key)  # in which its days are counted
    summarised_on: Mapped[date | None]  # the Monday of the last weekly summary; weekly.py


class User(db.Model, UserMixin):  # type: ignore[name-defined, misc]  # as above
    """Somebody who signs in. Of their sign-ins only the day of the last one is kept, no address and no place."""

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True, default=lambda: secrets.token_hex(32))
    created_at: Mapped[datetime] = mapped_column(Moment, default=lambda: datetime.now(UTC))
    seen_on: Mapped[date | None] = mapped_column(default=lambda: datetime.now(UTC).date())  # idle.py
    totp: Mapped[str | None] = mapped_column(String(500))  # encrypted; factors.py
    totp_at: Mapped[datetime | None] = mapped_column(Moment)  # when it was confirmed; before, it does not count
    totp_counter: Mapped[int] = mapped_column(BigInteger, default=0)  # of the last code that was used
    handle: Mapped[str | None] = mapped_column(String(64))  # what passkeys call them
    language_seen: Mapped[str | None] = mapped_column(String(2))  # of the last page that they were shown
    language_chosen: Mapped[str | None] = mapped_column(String(2))  # of mails; None: that of the pages
    memberships: Mapped[list["Membership"]] = relationship(back_populates="user")

    @property
    def is_owner(self) -> bool:
        """Whether they are owner of an organisation."""
        return any(membership.role == "owner" for membership in self.memberships)

    @property
    def roles(self) -> list[Any]:  # type: ignore[override]  # a property is enough to be asked for roles
        """Roles belong to a membership here, not to a user: Flask-Security finds none."""
        return []


class Role(RoleMixin):
    """Asked for by Flask-Security, unused: see Membership."""


class Membership(db.Model):  # type: ignore[name-defined, misc]  # as above
    """What a user may do in an organisation: owner everything, marketer reports and reading."""

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    alerts: Mapped[bool | None]  # which mails they want; None: what is usual (subscriptions.py)
    weekly: Mapped[bool | None]
    user: Mapped[User] = relationship(back_populates="memberships")
    organisation: Mapped[Organisation] = relationship()

    __table_args__ = (CheckConstraint("role IN ('owner', 'marketer')", name="role"),)


class UserNumber(db.Model):  # type: ignore[name-defined, misc]  # as above
    """The number that was given out last, in one row: the audit list names people by it, after they are gone too."""

    id: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]


# SQLite gives the highest number out again once its row is deleted, and so does a sequence after a backup was put back.
_NEXT_NUMBER = text(
    'INSERT INTO user_number (id, last) VALUES (1, (SELECT coalesce(max(id), 0) + 1 FROM "user")) '
    "ON CONFLICT (id) DO UPDATE SET last = CASE WHEN user_number.last >= excluded.last THEN user_number.last + 1 "
    "ELSE excluded.last END RETURNING last")


@event.listens_for(User, "before_insert")
def _number(mapper: Mapper[User], connection: Connection, user: User) -> None:
    """Every user has a number that nobody had before."""
    if user.id is None:
        user.id = connection.execute(_NEXT_NUMBER).scalar_one()


datastore = SQLAlchemyUserDatastore(db, User, Role)


def organisation_named(name: str) -> Organisation:
    """The organisation with this name, made when it is new; raises AccountError for what is no name."""
    if name != name.strip() or not 0 < len(name) <= 200 or not name.isprintable():
        raise AccountError(mark("The organisation needs a name of 1 to 200 characters, without blanks around it."))
    found = db.session.scalar(select(Organisation).where(Organisation.name == name))
    if found is None:
        found = Organisation(name=name)
        db.session.add(found)
        db.session.flush()
    return found


def is_somebodys(organisation: Organisation) -> bool:
    """Whether it has members."""
    mine = select(Membership.user_id).where(Membership.organisation_id == organisation.id)
    return db.session.scalar(mine.limit(1)) is not None


def find_user(email: str) -> User | None:
    """The user with this e-mail address."""
    return db.session.scalar(select(User).where(User.email == email.strip().lower()))


def create_organisation(user: User, name: str) -> Organisation:
    """A new organisation with this user as its owner; raises AccountError. The caller commits.

    One that is there is never joined by its name: its owner invites.
    """
    if db.session.scalar(select(Organisation.id).where(Organisation.name == name)) is not None:
        raise AccountError(mark("There is an organisation with this name already; ask its owner for an invitation."))
    made = organisation_named(name)
    db.session.add(Membership(user_id=user.id, organisation_id=made.id, role="owner"))
    db.session.flush()
    db.session.expire(user, ["memberships"])
    return made


def create_user(email: str, password: str, organisation: Organisation | None, role: str = "owner") -> User:
    """A new user, or a new membership of a user that exists (whose password stays); raises AccountError.

    Without an organisation they make their own in the console. The caller commits.
    """
    if role not in ROLES:
        raise AccountError(f"The role must be one of {', '.join(ROLES)}.")
    user = find_user(email)
    if user is None:
        user = User(email=address(email), password=hash_password(acceptable(password)))
        db.session.add(user)
    elif organisation is None:
        raise AccountError(f"{user.email} has an account already.")
    elif any(m.organisation_id == organisation.id for m in user.memberships):
        raise AccountError(f"{user.email} is a member of {organisation.name} already.")
    if organisation is not None:
        user.memberships.append(Membership(organisation=organisation, role=role))
    db.session.flush()
    return user


def set_password(user: User, password: str) -> None:
    """Another password; raises AccountError. Sessions are the caller's to end. The caller commits."""
    user.password = hash_password(acceptable(password))
    db.session.flush()


def has_password(user: User, password: str) -> bool:
    """Whether this is their password."""
    security = current_app.extensions["security"]
    return bool(verify_password(security.password_util.normalize(password[:LONGEST_PASSWORD]), user.password))


def address(email: str) -> str:
    """An e-mail address as it is kept; raises AccountError for what is none."""
    # The form to sign in with checks addresses by the same rules: who is made here can sign in.
    try:
        return str(current_app.extensions["security"].mail_util.normalize(email.strip())).lower()
    except EmailValidateException as error:
        raise AccountError(mark("This is not an e-mail address.")) from error


def acceptable(password: str) -> str:
    """A password that may be taken; raises AccountError."""
    normalised = current_app.extensions["security"].password_util.normalize(password)
    if not SHORTEST_PASSWORD <= len(normalised) <= LONGEST_PASSWORD:
        raise AccountError(mark("The password must have at least 12 characters."))
    if len(set(normalised)) < 5:
        raise AccountError(mark("The password must have at least five different characters."))
    return str(normalised)


def show_life(user: User, today: date, language: str | None = None) -> None:
    """Remember the day on which the user was here, once a day, and the language of their pages. Nothing that they
    came for fails for it.
    """
    language = language or user.language_seen
    if user.seen_on == today and user.language_seen == language:
        return
    try:
        with writing():
            new = User.seen_on.is_distinct_from(today) | User.language_seen.is_distinct_from(language)
            mine = update(User).where(User.id == user.id, new)
            db.session.execute(mine.values(seen_on=today, language_seen=language))
    except (SQLAlchemyError, OSError) as error:
        log.warning("The day of a user was not kept", extra={"fault": type(error).__name__})
