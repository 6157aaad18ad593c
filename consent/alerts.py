"""Alerts: what seems wrong with a site, told once when it begins and once when it is over.

Every hour each published site is looked at (rounds.py, watching.py). Of a site and a kind one alert is open at most,
and none begins within a day of the last one: so a cause that comes and goes tells little. It is over once nothing was
seen of it for a while (CALM), by a line that lies well below the one at which it began.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, Index, String, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from consent.accounts import Membership, User
from consent.db import Moment, db, insert_new
from consent.sites import Site

RATE, BANNER, RECORDS, UNKNOWN = KINDS = ("rate_fell", "not_shown", "records_failed", "unknown_trackers")
APART: Final = timedelta(hours=24)  # between the beginnings of two alerts of a kind
CALM: Final = {RATE: timedelta(0), BANNER: timedelta(hours=3), RECORDS: timedelta(hours=24), UNKNOWN: timedelta(0)}
KEPT: Final = timedelta(days=400)
HOURS_KEPT: Final = timedelta(days=36)


class Alert(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """Something that seems wrong with a site. `facts`: what is known of it; `seen_at`: when it last was so."""

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("site.key"))
    kind: Mapped[str] = mapped_column(String(32))
    raised_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    cleared_at: Mapped[datetime | None] = mapped_column(Moment)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index("ix_alert_site_raised_at", "site", "raised_at"),
        Index("ix_alert_open", "site", "kind", unique=True, sqlite_where=text("cleared_at IS NULL"),
              postgresql_where=text("cleared_at IS NULL")),
    )


class ShownByHour(db.Model):  # type: ignore[name-defined, misc]  # as above
    """How often a site's banner had been shown on a day when it was first looked at in this hour of it."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True)
class Verdict:
    """What a look at a site says of a kind of alert. `facts`: it is so, and what is known of it; None: it is not so.
    `over`: it is well on the other side of the line. With neither an alert stays as it is.
    """

    facts: dict[str, Any] | None = None
    over: bool = False


@dataclass(frozen=True)
class News:
    """An alert that begins, or is over, and the name of its site."""

    alert: Alert
    site: str


# The states -----------------------------------------------------------------------------------------------------------

def last_of(site: str) -> dict[str, Alert]:
    """The last alert of each kind of a site, open or over."""
    newest = select(func.max(Alert.id)).where(Alert.site == site).group_by(Alert.kind)
    return {alert.kind: alert for alert in db.session.scalars(select(Alert).where(Alert.id.in_(newest)))}


def take(site: str, kind: str, verdict: Verdict, last: Alert | None, now: datetime) -> Alert | None:
    """Let a verdict count; the alert that begins by it, or is over. The caller commits."""
    if last is not None and last.cleared_at is None:
        return _go_on(last, verdict, now)
    if verdict.facts is None or (last is not None and now - last.raised_at < APART):
        return None
    alert = Alert(site=site, kind=kind, raised_at=now, seen_at=now, facts=verdict.facts)
    db.session.add(alert)
    db.session.flush()
    return alert


def _go_on(alert: Alert, verdict: Verdict, now: datetime) -> Alert | None:
    if verdict.facts is not None:
        alert.facts = verdict.facts
    if verdict.facts is not None or not verdict.over:
        alert.seen_at = now
    elif now - alert.seen_at >= CALM[alert.kind]:
        alert.cleared_at = now
    db.session.flush()
    return alert if alert.cleared_at else None


def close(alert: Alert, now: datetime) -> None:
    """Of a site that its owner takes off the web nothing is told. The caller commits."""
    alert.cleared_at = alert.cleared_at or now


def remember(site: str, day: date, hour: int, n: int) -> None:
    """Keep how often the banner was shown until this hour of the day, once. The caller commits."""
    rows = [{"site": site, "day": day, "hour": hour, "n": n}]
    insert_new(db.session.connection(), ShownByHour.__table__, rows)


def tidy(now: datetime) -> None:
    """Delete what is too old. The caller commits."""
    db.session.execute(delete(Alert).where(Alert.cleared_at < now - KEPT))
    db.session.execute(delete(ShownByHour).where(ShownByHour.day < (now - HOURS_KEPT).date()))


# What people see ------------------------------------------------------------------------------------------------------

def open_of(user: User) -> list[News]:
    """The open alerts of a member's sites, newest first."""
    query = select(Alert, Site.name).join(Site, Site.key == Alert.site).join(
        Membership, Membership.organisation_id == Site.organisation_id)
    query = query.where(Membership.user_id == user.id, Alert.cleared_at.is_(None))
    return [News(*row) for row in db.session.execute(query.order_by(Alert.raised_at.desc(), Alert.id.desc()))]


def of_site(site: str, most: int = 100) -> list[Alert]:
    """The alerts of a site, newest first."""
    query = select(Alert).where(Alert.site == site).order_by(Alert.raised_at.desc(), Alert.id.desc())
    return list(db.session.scalars(query.limit(most)))


def between(sites: Iterable[str], first: datetime, last: datetime) -> list[Alert]:
    """The alerts of these sites that began or were over in this time, oldest first. For the weekly summary."""
    within = Alert.raised_at.between(first, last) | Alert.cleared_at.between(first, last)
    query = select(Alert).where(Alert.site.in_(list(sites)), within)
    return list(db.session.scalars(query.order_by(Alert.raised_at, Alert.id)))
