"""The hourly round: looks at every published site, and tells of alerts that begin or are over.

Told are the site's own systems by its webhook, and the members who want it by mail: one mail to each, whatever begins
or ends on however many of an organisation's sites.
"""

from datetime import date, datetime
from typing import Any

from flask import current_app
from sqlalchemy import Select, or_, select
from sqlalchemy.exc import SQLAlchemyError

from consent import alert_mails, alerts, outbox, watching, zones
from consent.accounts import Organisation
from consent.alerts import News
from consent.db import db, writing
from consent.sites import Site


def watch(now: datetime) -> str:
    """Look at every published site, a commit for each organisation; what was done, in words.

    Where it can not be done for one, the others are looked at first; then that is raised.
    """
    begun = over = 0
    faults: list[Exception] = []
    for organisation in db.session.scalars(_watched(now.date())).all():
        try:
            with writing():
                news = _look_at(db.session.get_one(Organisation, organisation), now)
                begun += sum(each.alert.cleared_at is None for each in news)
                over += sum(each.alert.cleared_at is not None for each in news)
        except (SQLAlchemyError, OSError):  # the database; the others would have to wait for it too
            raise
        except Exception as error:
            faults.append(error)
    with writing():
        alerts.tidy(now)
    if faults:
        raise faults[0]
    return f"{begun} alerts begun, {over} over"


def _watched(today: date) -> Select[Any]:
    """The organisations whose contract goes on and that have a site."""
    has = select(Site.key).where(Site.organisation_id == Organisation.id).exists()
    goes_on = or_(Organisation.ended_on.is_(None), Organisation.ended_on > today)
    return select(Organisation.id).where(goes_on, has).order_by(Organisation.id)


def _look_at(organisation: Organisation, now: datetime) -> list[News]:
    sites = select(Site).where(Site.organisation_id == organisation.id).order_by(Site.key)
    found = [news for site in db.session.scalars(sites).all() for news in _of_site(site, organisation, now)]
    for news in found:
        _tell_systems(news, now)
    if found and current_app.extensions["poort.settings"].mail_url is not None:
        alert_mails.write(organisation, found, now)
    return found


def _of_site(site: Site, organisation: Organisation, now: datetime) -> list[News]:
    last = alerts.last_of(site.key)
    if site.current is None:
        for alert in last.values():
            alerts.close(alert, now)
        return []
    look = watching.look_at(site, zones.zone(organisation.time_zone), now)
    alerts.remember(site.key, look.today, look.hour, look.shown)
    taken = [alerts.take(site.key, kind, check(look, last.get(kind)), last.get(kind), now)
             for kind, check in watching.CHECKS.items()]
    return [News(alert, site.name) for alert in taken if alert is not None]


def _tell_systems(news: News, now: datetime) -> None:
    alert = news.alert
    if outbox.has_webhook(alert.site):
        kind = outbox.CLEARED if alert.cleared_at else outbox.RAISED
        outbox.add(outbox.of_alert(alert.site, kind, alert.kind, alert.facts, now))
