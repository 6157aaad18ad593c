"""The weekly summary: on Monday from seven, in the organisation's time zone, to each member who wants it.

Once for each week: which one was summarised last stands with the organisation, and is written in the commit of the
mails. After a time without a runner the last week alone is told, later that week.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import current_app
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError

from consent import alerts, mails, subscriptions, weekly_mails, zones
from consent.accounts import Organisation
from consent.alerts import Alert
from consent.annotations import Annotation, annotations
from consent.breakdowns import Figures, figures
from consent.db import db, writing
from consent.reports import ONE_DAY, Line, totals
from consent.sites import Site

AT = time(7)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Week:
    """What a summary tells: of all sites together, of each one, and what changed. `sites`: names by key."""

    organisation: str
    sites: Mapping[str, str]
    now: Figures
    before: Figures
    lines: Mapping[str, Line]
    happened: Sequence[Annotation]
    alerts: Sequence[Alert]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell: no banner was shown in two weeks."""
        return self.now.total.shown == 0 == self.before.total.shown


def send_due(now: datetime) -> str:
    """Queue the summaries whose time it is; how many, in words.

    Where one can not be written, those of other organisations are first; then that is raised.
    """
    sent = 0
    faults: list[Exception] = []
    if current_app.extensions["poort.settings"].mail_url is None:
        return "no mail server"
    for id, monday in _due(now):
        try:
            sent += _summarise(id, monday, now)
        except (SQLAlchemyError, OSError):  # the database; the others would have to wait for it too
            raise
        except Exception as error:
            faults.append(error)
    if faults:
        raise faults[0]
    return f"{sent} summaries written"


def _summarise(id: int, monday: date, now: datetime) -> int:
    week = _week(db.session.get_one(Organisation, id), monday)
    with writing():
        organisation = db.session.get_one(Organisation, id)
        organisation.summarised_on = monday
        return 0 if week.is_empty else _send(organisation, week, monday, now)


def _due(now: datetime) -> list[tuple[int, date]]:
    """The organisations that have not been told of the week before this one, and its end."""
    query = select(Organisation.id, Organisation.time_zone, Organisation.summarised_on).where(
        or_(Organisation.ended_on.is_(None), Organisation.ended_on > now.date()))
    found = []
    for id, name, told in db.session.execute(query.order_by(Organisation.id)):
        local = now.astimezone(zones.zone(name))
        monday = local.date() - local.weekday() * ONE_DAY
        if local >= datetime.combine(monday, AT, local.tzinfo) and (told is None or told < monday):
            found.append((id, monday))
    return found


def _week(organisation: Organisation, monday: date) -> Week:
    query = select(Site.key, Site.name).where(Site.organisation_id == organisation.id).order_by(Site.key)
    sites = {row.key: row.name for row in db.session.execute(query)}
    first, last = monday - WEEK, monday - ONE_DAY
    where = zones.zone(organisation.time_zone)
    begin, end = datetime.combine(first, time(), where), datetime.combine(monday, time(), where)
    return Week(organisation.name, sites, figures(sites, first, last), figures(sites, first - WEEK, last - WEEK),
                totals(sites, first, last), annotations(sites, first, last, where), alerts.between(sites, begin, end))


def _send(organisation: Organisation, week: Week, monday: date, now: datetime) -> int:
    url = current_app.extensions["poort.settings"].public_url
    readers = subscriptions.readers(organisation.id, subscriptions.WEEKLY, now.date())
    for reader in readers:
        leave = subscriptions.address(url, reader.id, organisation.id, subscriptions.WEEKLY)
        subject, text, page = weekly_mails.written(week, url, leave, reader.language)
        mails.queue(f"weekly:{organisation.id}:{monday}:{reader.id}", reader.email, subject, text, now, page=page,
                    leave=leave)
    return len(readers)
