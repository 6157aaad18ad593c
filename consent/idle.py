"""Accounts without a sign of life for 36 months: warned by mail a month before, then removed.

Nobody is removed who was not warned: the mail has to be out for a month, or given up after all its attempts. The last
owner of an organisation that shows a site stays: visitors would have nobody left who answers for their banner. They
are warned all the same, and go once there is another owner, or no site.
"""

from datetime import date, datetime, timedelta

from flask_babel import force_locale, gettext
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import aliased

from consent import mails
from consent.accounts import Membership, User
from consent.batches import Go
from consent.db import db, writing
from consent.months import later
from consent.sites import Site

MONTHS = 36
NOTICE = timedelta(days=30)


def remove_idle(now: datetime) -> str:
    """Warn and remove whom it is time for, each in a commit of their own; what was done, in words."""
    go, warned, removed = Go(), 0, 0
    for id in _idle(now.date()):
        if go.is_over:
            break
        with writing():
            user = db.session.get(User, id)
            ends = later(user.seen_on, MONTHS) if user and user.seen_on else date.max
            if user is None or ends - NOTICE > now.date():
                continue
            warned += _warn(user, ends, now)
            removed += _remove(user, ends, now)
    return go.said(f"{warned} accounts warned, {removed} removed")


def _idle(today: date) -> list[int]:
    """Who has to be looked at: those without a sign of life for 36 months within the time of the notice."""
    query = select(User.id).where(User.seen_on <= later(today + NOTICE, -MONTHS) + timedelta(days=3))
    with db.engine.connect() as connection:
        return list(connection.scalars(query.order_by(User.id)))


def _key(user: User) -> str:
    return f"account:{user.id}:{user.seen_on}"


def _warn(user: User, ends: date, now: datetime) -> bool:
    if db.session.get(mails.Mail, _key(user)) is not None:
        return False
    day = max(ends, now.date() + NOTICE)
    with force_locale(_language(user)):
        subject, text = _last_owner_text(user) if is_needed(user) else _text(user, day)
    mails.queue(_key(user), user.email, subject, text, now)
    return True


def _text(user: User, day: date) -> tuple[str, str]:
    return gettext("Your account at Poort will be removed"), gettext(
        "You have not signed in to Poort as %(email)s since %(seen)s. Accounts without a sign of life for 36 months are"
        " removed: yours on %(day)s or soon after.\n\nSign in before that day if you want to keep it.",
        email=user.email, seen=user.seen_on, day=day)


def _last_owner_text(user: User) -> tuple[str, str]:
    return gettext("Your account at Poort"), gettext(
        "You have not signed in to Poort as %(email)s since %(seen)s. Accounts without a sign of life for 36 months are"
        " removed. Yours stays for now, because you are the last owner of an organisation with a published site.\n\n"
        "Sign in, or have somebody else made owner.",
        email=user.email, seen=user.seen_on)


def _language(user: User) -> str:
    """Of the first of their sites; Poort does not know which one they read."""
    query = select(Site.draft).join(Membership, Membership.organisation_id == Site.organisation_id)
    draft = db.session.scalar(query.where(Membership.user_id == user.id).order_by(Site.key).limit(1))
    return str(draft["default_language"]) if draft else "nl"


def is_needed(user: User) -> bool:
    """Whether they are the last owner of an organisation that shows a site."""
    other, theirs = aliased(Membership), Membership
    another = exists().where(
        other.organisation_id == theirs.organisation_id, other.role == "owner", other.user_id != user.id)
    shows = exists().where(Site.organisation_id == theirs.organisation_id, Site.current.is_not(None))
    query = select(theirs.organisation_id).where(theirs.user_id == user.id, theirs.role == "owner", ~another, shows)
    return db.session.scalar(query.limit(1)) is not None


def _remove(user: User, ends: date, now: datetime) -> bool:
    mail = db.session.get(mails.Mail, _key(user))
    told = mail is not None and mail.ended_at is not None and mail.ended_at <= now - NOTICE
    if not told or ends > now.date() or is_needed(user):
        return False
    db.session.execute(delete(Membership).where(Membership.user_id == user.id))
    db.session.execute(delete(User).where(User.id == user.id))
    return True
