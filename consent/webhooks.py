"""The webhook of a site as its owner sees it: set, shown, removed, its log, and what failed tried again."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import aliased

from consent.db import db, writing_on
from consent.endpoints import check_url
from consent.outbox import DEAD, DELIVERED, WAITING, Event, Webhook
from consent.rights import holds_back
from consent.sites import Site

KEPT = timedelta(days=30)  # the log, and what waits for an endpoint that wants no more


class NoWebhook(Exception):
    """The site has none; the message is one sentence."""


@dataclass(frozen=True)
class State:
    """A webhook and how many events are in which state."""

    url: str
    created_at: datetime
    stopped_at: datetime | None
    events: dict[str, int]


def put(site: Site, url: str, now: datetime) -> str:
    """Tell this address from now on; returns the secret, which is shown this once. Raises BadAddress.

    What still waits goes to the new address. The caller commits.
    """
    check_url(url)
    secret = f"poort_hook_{secrets.token_urlsafe(32)}"
    db.session.merge(Webhook(site=site.key, url=url, secret=secret, created_at=now, stopped_at=None))
    db.session.flush()
    return secret


def _of(site: Site) -> Webhook:
    found = db.session.get(Webhook, site.key)
    if found is None:
        raise NoWebhook(f"The site {site.key} has no webhook; `flask webhook set {site.key} URL` makes one.")
    return found


def state(site: Site) -> State:
    """Where the site's webhook goes, and how it stands; raises NoWebhook."""
    hook = _of(site)
    query = select(Event.state, func.count()).where(Event.site == site.key).group_by(Event.state)
    found = dict(db.session.execute(query).all())
    events = {name: found.get(name, 0) for name in (WAITING, DELIVERED, DEAD)}
    return State(hook.url, hook.created_at, hook.stopped_at, events)


def remove(site: Site) -> int:
    """Tell nobody any more; how many events were still waiting. Raises NoWebhook. The caller commits."""
    db.session.delete(_of(site))
    query = select(func.count()).where(Event.site == site.key, Event.state == WAITING)
    waiting = db.session.scalar(query) or 0
    db.session.execute(delete(Event).where(Event.site == site.key))
    db.session.flush()
    return waiting


def log(site: Site, most: int) -> list[Event]:
    """The last events of the site, oldest first; raises NoWebhook."""
    _of(site)
    query = select(Event).where(Event.site == site.key).order_by(Event.sequence.desc(), Event.id.desc()).limit(most)
    return list(db.session.scalars(query))[::-1]


def retry(site: Site, now: datetime) -> int:
    """Try what waits and what was given up at once, for three days more; how many events that are.

    What was given up stays so when a later event of its visitor arrived: the endpoint knows better by now.
    Raises NoWebhook. The caller commits.
    """
    _of(site).stopped_at = None
    later = aliased(Event)
    outdated = exists().where(
        later.site == Event.site, later.visitor == Event.visitor, later.state == DELIVERED,
        later.sequence > Event.sequence)
    mine = update(Event).where(
        Event.site == site.key, or_(Event.state == WAITING, (Event.state == DEAD) & ~outdated))
    tried = {"state": WAITING, "since": now, "due_at": now, "ended_at": None}
    done = db.session.execute(mine.values(tried).execution_options(synchronize_session=False))
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result always has it


def tidy(engine: Engine, now: datetime) -> int:
    """Delete events that are older than the log goes back; how many. What a restriction holds back is not too old."""
    waits = (Event.state == WAITING) & holds_back(Event)
    with writing_on(engine) as connection:
        return int(connection.execute(delete(Event).where(Event.created_at < now - KEPT, ~waits)).rowcount)
