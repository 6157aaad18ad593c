"""Tells the owners' own systems what is in the outbox: in order for each visitor, again until they have it.

An answer of 2xx is a delivery; 410 stops the webhook; anything else, or no answer, is tried again, ever more rarely,
for three days. Whoever dies between the answer and the note of it delivers again, with the same id.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.orm import aliased

from consent.answers import dumps
from consent.db import leave_no_trace, writing_on
from consent.endpoints import Endpoint, Failed
from consent.outbox import DEAD, DELIVERED, ERASED, WAITING, Event, Webhook
from consent.outcomes import WEBHOOK, Outcome
from consent.rights import holds_back
from consent.signatures import HEADER, sign

AT_ONCE = 8  # sites: one whose endpoint hangs does not keep the others waiting
MOST = 500  # events of a site in one go; then others have their turn
BATCH = 50
GO = 10.0  # seconds for a site in one go: one that answers slowly does not keep the others waiting either
PATIENCE = timedelta(days=3)
FIRST, LONGEST = timedelta(seconds=10), timedelta(hours=6)  # between two attempts

GONE = 410
Now = Callable[[], datetime]
Hook = Row[Any]


@dataclass
class Tally:
    """What became of the events of a go."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.delivered + other.delivered, self.failed + other.failed, self.dead + other.dead)


def deliver(engine: Engine, private: bool, now: Now) -> Tally:
    """Deliver what is due. `private`: addresses of this machine and of private networks are fine too."""
    hooks = _due(engine, now())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda hook: _deliver_site(engine, hook, private, now), hooks), Tally())


def wait(attempts: int, chance: float, first: timedelta = FIRST) -> timedelta:
    """How long to wait after so many attempts; `chance`, from 0 to 1, spreads those that failed together."""
    longest: timedelta = min(LONGEST, first * 2 ** min(attempts - 1, 20))
    return longest * (0.5 + chance / 2)


def _due(engine: Engine, now: datetime) -> list[Hook]:
    waits = exists().where(
        Event.site == Webhook.site, Event.state == WAITING, Event.due_at <= now, ~holds_back(Event))
    query = select(Webhook.site, Webhook.url, Webhook.secret).where(Webhook.stopped_at.is_(None), waits)
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(Webhook.site)))


def _next(engine: Engine, site: str, now: datetime) -> list[Row[Any]]:
    """The events that may be told now: of each visitor the earliest that waits, if it is due. A restricted one is not
    told, and keeps no later one waiting (G8).
    """
    earlier = aliased(Event)
    before = or_(earlier.sequence < Event.sequence, and_(earlier.sequence == Event.sequence, earlier.id < Event.id))
    waits = exists().where(
        earlier.site == Event.site, earlier.visitor == Event.visitor, earlier.state == WAITING, before,
        ~holds_back(earlier))
    query = select(Event.__table__).where(
        Event.site == site, Event.state == WAITING, Event.due_at <= now, ~waits, ~holds_back(Event))
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(Event.sequence, Event.id).limit(BATCH)))


def _deliver_site(engine: Engine, hook: Hook, private: bool, now: Now) -> Tally:
    tally, until = Tally(), time.monotonic() + GO
    with Endpoint(hook.url, private) as endpoint:
        for _ in range(MOST // BATCH):
            events = _next(engine, hook.site, now())
            for event in events:
                if time.monotonic() > until or not _is_same(engine, hook):
                    return tally
                if _waits(engine, event) and not _tell(engine, endpoint, hook, event, tally, now):
                    return tally
            if not events:
                break
    return tally


def _is_same(engine: Engine, hook: Hook) -> bool:
    """Whether the owner still wants to be told there. A changed address has its turn in the next go."""
    query = select(Webhook.url, Webhook.secret).where(Webhook.site == hook.site, Webhook.stopped_at.is_(None))
    with engine.connect() as connection:
        return connection.execute(query).first() == (hook.url, hook.secret)


def _waits(engine: Engine, event: Row[Any]) -> bool:
    """Whether it is still to be told: the visitor may have been erased or restricted since it was read."""
    mine = (Event.site == event.site, Event.id == event.id, Event.state == WAITING)
    query = select(Event.id).where(*mine, ~holds_back(Event))
    with engine.connect() as connection:
        return connection.execute(query).first() is not None


def _tell(engine: Engine, endpoint: Endpoint, hook: Hook, event: Row[Any], tally: Tally, now: Now) -> bool:
    """One attempt; whether it makes sense to go on with this endpoint."""
    body, at = dumps(event.body), int(now().timestamp())
    headers = {"Content-Type": "application/json", HEADER: sign(hook.secret, body, at)}
    try:
        status = endpoint.post(body, headers)
    except Failed as failed:
        _fail(engine, event, str(failed), tally, now())
        return False
    if 200 <= status < 300:
        _succeed(engine, event, status, tally, now())
    elif status == GONE:
        _stop(engine, hook, event, tally, now())
    else:
        _fail(engine, event, str(status), tally, now())
    return status != GONE


def _succeed(engine: Engine, event: Row[Any], status: int, tally: Tally, now: datetime) -> None:
    # Who was erased, and told so, is a stranger from then on.
    without: dict[str, Any] = {"visitor": None, "body": {}} if event.type == ERASED else {}
    tally.delivered += 1
    with writing_on(engine) as connection:
        _end(connection, event, DELIVERED, str(status), now, "told", **without)
    if without:
        leave_no_trace(engine)


def _fail(engine: Engine, event: Row[Any], answer: str, tally: Tally, now: datetime) -> None:
    due_at = now + wait(event.attempts + 1, random.random())  # noqa: S311  # nothing secret
    tally.failed += 1
    with writing_on(engine) as connection:
        if due_at - event.since > PATIENCE:
            tally.dead += 1
            _end(connection, event, DEAD, answer, now, "could_not")
        else:
            _note(connection, event, answer=answer, due_at=due_at)


def _stop(engine: Engine, hook: Hook, event: Row[Any], tally: Tally, now: datetime) -> None:
    """The endpoint wants no more. What waits stays, until the owner removes the webhook or tries again."""
    tally.failed += 1
    tally.dead += 1
    with writing_on(engine) as connection:
        connection.execute(
            update(Webhook).where(Webhook.site == hook.site, Webhook.url == hook.url).values(stopped_at=now))
        _end(connection, event, DEAD, str(GONE), now, "could_not")


def _note(connection: Connection, event: Row[Any], **values: Any) -> bool:
    """Write down what became of an attempt; False when the event was taken away meanwhile."""
    mine = update(Event).where(Event.site == event.site, Event.id == event.id, Event.state == WAITING)
    return bool(connection.execute(mine.values(attempts=Event.attempts + 1, **values)).rowcount)


def _end(
    connection: Connection, event: Row[Any], state: str, answer: str, now: datetime, result: str, **values: Any
) -> None:
    """It is over with this event; the trail of its record says how."""
    noted = _note(connection, event, state=state, answer=answer, ended_at=now, **values)
    if not noted or event.record is None:
        return
    mine = select(func.count()).where(
        Outcome.site == event.site, Outcome.record == event.record, Outcome.source == WEBHOOK)
    row = {
        "site": event.site, "record": event.record, "source": WEBHOOK, "visitor": event.visitor, "recorded_at": now,
        "number": (connection.scalar(mine) or 0) + 1, "trackers": {name: [result] for name in event.body["trackers"]},
    }
    connection.execute(insert(Outcome).values(row))
