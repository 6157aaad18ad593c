"""Many decisions of the past, written straight into the table, and what the jobs have to make of them."""

import random
import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Engine

from consent.db import insert_all, writing_on
from consent.outbox import DELIVERED, Event
from consent.outcomes import Outcome
from consent.records import Record
from consent.zones import USUAL_ZONE, day_of
from tests.shop import CHOICES

GRANTS = ("accept_all", "custom")
Row = dict[str, Any]


def decision(site: str, recorded_at: datetime, action: str = "accept_all", **changes: Any) -> Row:
    """A record as it is stored."""
    return {
        "site": site, "id": uuid.uuid4(), "visitor": uuid.uuid4(), "version": 1, "action": action,
        "choices": dict(CHOICES[action]), "trackers": {}, "source": "banner", "language": "nl", "gpc": False,
        "page_group": None, "browser": "Firefox", "os": "Linux", "device": "desktop", "bot": False,
        "recorded_at": recorded_at, "decided_at": None, **changes,
    }


def many(site: str, first: datetime, days: int, number: int, seed: int = 7) -> list[Row]:
    """Decisions spread over some days, of visitors who come back now and then; every tenth is imported,
    as long as it would still count here."""
    chance = random.Random(seed)
    visitors = [uuid.UUID(int=chance.getrandbits(128), version=4) for _ in range(max(1, number // 3))]
    rows = []
    for _ in range(number):
        at = first + timedelta(seconds=chance.randrange(days * 86_400))
        imported = {"source": "import", "decided_at": at - timedelta(days=chance.randrange(1, 25))}
        rows.append(decision(
            site, at, chance.choice(("accept_all", "custom", "necessary_only", "withdraw")),
            visitor=chance.choice(visitors), bot=chance.random() < 0.1, **(imported if chance.random() < 0.1 else {})))
    return rows


def store(engine: Engine, rows: Iterable[Row], trailing: bool = False) -> None:
    """Put them into the table; with `trailing` each with an outcome and a told event."""
    found = list(rows)
    for start in range(0, len(found), 5_000):
        part = found[start:start + 5_000]
        with writing_on(engine) as connection:
            insert_all(connection, Record.__table__, part)
            if trailing:
                insert_all(connection, Outcome.__table__, [_outcome(row) for row in part])
                insert_all(connection, Event.__table__, [_event(row) for row in part])


def _outcome(row: Row) -> Row:
    return {"site": row["site"], "record": row["id"], "source": "page", "number": 1, "visitor": row["visitor"],
            "trackers": {"hotjar": ["deleted"]}, "recorded_at": row["recorded_at"]}


def _event(row: Row) -> Row:
    at = row["recorded_at"]
    return {"site": row["site"], "id": uuid.uuid4(), "visitor": row["visitor"], "record": row["id"], "sequence": 1,
            "type": "consent.changed", "body": {}, "state": DELIVERED, "attempts": 1, "answer": "204",
            "created_at": at, "since": at, "due_at": at, "ended_at": at}


def said(row: Row) -> datetime:
    """When it was decided."""
    found: datetime = row["decided_at"] or row["recorded_at"]
    return found


def _order(row: Row) -> tuple[Any, ...]:
    return said(row), row["recorded_at"], row["id"].bytes


def expired(rows: list[Row], days: dict[int, int], until: datetime) -> Counter[tuple[date, bool]]:
    """How many consents ended until then, by day and kind of visitor; `days` by version."""
    theirs: dict[Any, list[Row]] = {}
    for row in rows:
        theirs.setdefault(row["visitor"], []).append(row)
    found: Counter[tuple[date, bool]] = Counter()
    for row in rows:
        end = said(row) + timedelta(days=days[row["version"]])
        later = (one for one in theirs[row["visitor"]] if _order(one) > _order(row))
        if row["action"] in GRANTS and end <= until and not any(said(one) < end for one in later):
            found[day_of(end, USUAL_ZONE), row["bot"]] += 1
    return found


def kept(rows: list[Row], grants: dict[int, int], refusals: dict[int, int], claim: int, now: datetime) -> set[Any]:
    """The ids of the records that are not to be forgotten yet."""
    def life(row: Row) -> int:
        return (grants if row["action"] in GRANTS else refusals)[row["version"]]

    first: dict[Any, datetime] = {}  # of each visitor the earliest decision that has to stay: all later ones do too
    for row in rows:
        if said(row) + timedelta(days=life(row) + claim) > now:
            first[row["visitor"]] = min(first.get(row["visitor"], now), said(row))
    return {row["id"] for row in rows if row["visitor"] in first and said(row) >= first[row["visitor"]]}


