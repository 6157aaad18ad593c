"""API keys: how back ends that hold no cookie show for which organisation they ask.

A key is 256 random bits, so there is nothing to guess and one round of SHA-256 hides it as well as a slow hash would:
those are for passwords, which people choose. Kept are the hash, and the day on which the key was last used.
"""

import hashlib
import logging
import secrets
from datetime import date, datetime

from sqlalchemy import ForeignKey, String, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent.accounts import Organisation
from consent.db import Moment, db, writing
from consent.sites import KEY, Site

log = logging.getLogger("poort.keys")

PREFIX = "poort_"  # so that people and scanners for secrets see what it is
LONGEST = 100


class KeyFault(Exception):
    """A key that can not be made or revoked; the message is one sentence."""


class ApiKey(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A key of an organisation, for all its sites or for one."""

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    site: Mapped[str | None] = mapped_column(ForeignKey("site.key"))
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used: Mapped[date | None]
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    organisation: Mapped[Organisation] = relationship()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def create(organisation: str, site: str | None, name: str, now: datetime) -> tuple[ApiKey, str]:
    """A new key and its text, which is stored nowhere; raises KeyFault. The caller commits."""
    owner = db.session.scalar(select(Organisation).where(Organisation.name == organisation))
    if owner is None:
        raise KeyFault("There is no organisation with this name.")
    if site is not None and not _owns(owner, site):
        raise KeyFault("The organisation has no such site.")
    if len(name) > 200 or not name.isprintable():
        raise KeyFault("The key's name may have 200 characters at most, on one line.")
    text = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(organisation_id=owner.id, site=site, name=name, digest=_digest(text), created_at=now)
    db.session.add(key)
    db.session.flush()
    return key, text


def _owns(owner: Organisation, site: str) -> bool:
    found = db.session.get(Site, site) if KEY.fullmatch(site) else None
    return found is not None and found.organisation_id == owner.id


def every() -> list[ApiKey]:
    """All keys, oldest first."""
    return list(db.session.scalars(select(ApiKey).order_by(ApiKey.id)))


def revoke(id: int, now: datetime) -> ApiKey:
    """From now on the key opens nothing; raises KeyFault. The caller commits."""
    key = db.session.get(ApiKey, id) if 0 < id < 2**31 else None
    if key is None:
        raise KeyFault("There is no such key; `flask key list` shows them.")
    if key.revoked_at is not None:
        raise KeyFault("This key was revoked before.")
    key.revoked_at = now
    db.session.flush()
    return key


def find(text: str) -> ApiKey | None:
    """The key that this is, if it still counts."""
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        return None
    return db.session.scalar(select(ApiKey).where(ApiKey.digest == _digest(text), ApiKey.revoked_at.is_(None)))


def opens(key: ApiKey, site: str) -> bool:
    """Whether the key is for this site; what is somebody else's looks like what is not there."""
    if not KEY.fullmatch(site) or key.site not in (None, site):
        return False
    mine = select(Site.key).where(Site.key == site, Site.organisation_id == key.organisation_id)
    return db.session.scalar(mine) is not None


def used(key: ApiKey, today: date) -> None:
    """Remember the day, once a day. An answer never fails for it."""
    if key.last_used == today:
        return
    mine = update(ApiKey).where(ApiKey.id == key.id, or_(ApiKey.last_used.is_(None), ApiKey.last_used != today))
    try:
        with writing():
            db.session.execute(mine.values(last_used=today))
    except (SQLAlchemyError, OSError) as error:
        log.warning("The day of a key was not kept", extra={"fault": type(error).__name__})
