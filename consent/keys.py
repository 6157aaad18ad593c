"""API keys: how back ends that hold no cookie show for which organisation they ask.

A key is 256 random bits, so there is nothing to guess and one round of SHA-256 hides it as well as a slow hash would:
those are for passwords, which people choose. Kept are the hash, and the day on which the key was last used.
"""

import hashlib
import logging
import secrets
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime

from sqlalchemy import JSON, ColumnElement, ForeignKey, String, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, defer, mapped_column, relationship

from consent.accounts import Organisation
from consent.db import Moment, db, writing
from consent.marks import mark
from consent.sites import KEY, NotFound, Site
from consent.tickets import Ticket

log = logging.getLogger("poort.keys")

PREFIX = "poort_"  # so that people and scanners for secrets see what it is
LONGEST = 100
MOST = 100  # keys of an organisation that count
SHOWN = 200  # of all that it ever had
# What a key may do: ask the gate for a visitor and read the list of requests (`gate`); see the settings, versions and
# figures (`read`); change drafts and look at sites (`write`); publish; look into visitors' records (`records`); see and
# change who has access (`members`). That is a scope by itself: whoever finds a key with another one can not become
# an owner by it.
SCOPES = ("gate", "read", "write", "publish", "records", "members")


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
    scopes: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["gate"])
    expires_at: Mapped[datetime | None] = mapped_column(Moment)  # None: never
    made_by: Mapped[int | None]  # whose membership it ends with (invitations.py); None: made at the command line
    organisation: Mapped[Organisation] = relationship()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def create(
    organisation: str, site: str | None, name: str, now: datetime, scopes: Collection[str] = ("gate",),
    expires_at: datetime | None = None, made_by: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is stored nowhere; raises KeyFault. The caller commits."""
    owner = db.session.scalar(select(Organisation).where(Organisation.name == organisation))
    if owner is None:
        raise KeyFault(mark("There is no organisation with this name."))
    if site is not None and not _owns(owner, site):
        raise KeyFault(mark("The organisation has no such site."))
    counting = select(func.count()).where(ApiKey.organisation_id == owner.id, *_alive(now))
    if (db.session.scalar(counting) or 0) >= MOST:
        raise KeyFault(mark("The organisation has 100 keys that count; revoke those that nobody uses first."))
    if len(name) > 200 or not name.isprintable():
        raise KeyFault(mark("The key's name may have 200 characters at most, on one line."))
    if not scopes or not set(scopes) <= set(SCOPES):
        raise KeyFault(mark("A key needs at least one scope, of gate, read, write, publish, records, members."))
    if expires_at is not None and expires_at <= now:
        raise KeyFault(mark("The key would be over before it is made."))
    text = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(organisation_id=owner.id, site=site, name=name, digest=_digest(text), created_at=now,
                 scopes=[scope for scope in SCOPES if scope in scopes], expires_at=expires_at, made_by=made_by)
    db.session.add(key)
    db.session.flush()
    return key, text


def _owns(owner: Organisation, site: str) -> bool:
    found = db.session.get(Site, site) if KEY.fullmatch(site) else None
    return found is not None and found.organisation_id == owner.id


def every() -> list[ApiKey]:
    """All keys, oldest first."""
    return list(db.session.scalars(select(ApiKey).order_by(ApiKey.id)))


def of(organisation_id: int) -> list[ApiKey]:
    """The keys of an organisation, newest first; of those that are revoked the last ones too, 200 in all."""
    mine = select(ApiKey).where(ApiKey.organisation_id == organisation_id)
    found = db.session.scalars(mine.order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc()).limit(SHOWN))
    return sorted(found, key=lambda key: -key.id)


def _alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)


def revoke(id: int, now: datetime) -> ApiKey:
    """From now on the key opens nothing, nor do the invitations made with it; raises KeyFault. The caller commits."""
    key = db.session.get(ApiKey, id) if 0 < id < 2**31 else None
    if key is None:
        raise KeyFault("There is no such key; `flask key list` shows them.")
    if key.revoked_at is not None:
        raise KeyFault(mark("This key was revoked before."))
    key.revoked_at = now
    db.session.execute(delete(Ticket).where(Ticket.key_id == key.id))
    db.session.flush()
    return key


def find(text: str) -> ApiKey | None:
    """The key that this is, if it still counts."""
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        return None
    return db.session.scalar(select(ApiKey).where(ApiKey.digest == _digest(text), *_alive(datetime.now(UTC))))


def permits(key: ApiKey, scope: str) -> bool:
    """Whether the key may do this."""
    return scope in key.scopes


def opens(key: ApiKey, site: str) -> bool:
    """Whether the key is for this site; what is somebody else's looks like what is not there."""
    if not KEY.fullmatch(site) or key.site not in (None, site):
        return False
    mine = select(Site.key).where(Site.key == site, Site.organisation_id == key.organisation_id)
    return db.session.scalar(mine) is not None


def site_for(key: ApiKey, name: str) -> Site:
    """The door for API keys: the site; raises NotFound for what the key does not open."""
    found = db.session.get(Site, name) if opens(key, name) else None
    if found is None:
        raise NotFound("There is no such site.")
    return found


def sites_of(key: ApiKey, after: str, limit: int) -> list[Site]:
    """The sites that the key opens, by their names; those after one. Without their drafts."""
    query = select(Site).where(Site.organisation_id == key.organisation_id, Site.key > after).options(defer(Site.draft))
    if key.site is not None:
        query = query.where(Site.key == key.site)
    return list(db.session.scalars(query.order_by(Site.key).limit(limit)))


def open_sites(key: ApiKey, names: Iterable[str]) -> list[str]:
    """These sites, each once, or all that the key opens when there are none; raises NotFound."""
    query = select(Site.key).where(Site.organisation_id == key.organisation_id).order_by(Site.key)
    mine = list(db.session.scalars(query if key.site is None else query.where(Site.key == key.site)))
    asked = list(dict.fromkeys(names)) or mine
    if not set(asked) <= set(mine):
        raise NotFound("There is no such site.")
    return asked


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
