"""Two months of figures for the demo's shop, so that its report is worth looking at: made up, the same at each start.

They are counted as visitors are, by one decision after the other, and kept as the counts of records that are gone
(gone.py): so making the counts again from the records leaves them as they are.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.engine import Connection

from consent import counts, gone
from consent.counts import DailyCount
from consent.gate import OPTIONAL

DAYS: Final = 60
SHOWN: Final = (90, 130)  # a day, at the weekend half of it

# Weights of what visitors come with, and of what they answer.
DEVICES: Final = (
    (("desktop", "Chrome", "Windows"), 26), (("desktop", "Edge", "Windows"), 9), (("desktop", "Safari", "Mac OS X"), 9),
    (("desktop", "Firefox", "Linux"), 4), (("mobile", "Mobile Safari", "iOS"), 27),
    (("mobile", "Chrome Mobile", "Android"), 22), (("tablet", "Mobile Safari", "iOS"), 3))
GROUPS: Final = (("home", 40), ("products", 32), ("blog", 18), ("checkout", 10))
LANGUAGES: Final = (("nl", 84), ("en", 16))
ANSWERS: Final = ((None, 26), ("accept_all", 41), ("necessary_only", 25), ("custom", 8))
BANDS: Final = ((0, 8), (1, 27), (2, 30), (3, 22), (4, 7), (5, 4), (6, 2))


def load(connection: Connection, site: str, version: int, today: date) -> bool:
    """Count the two months before today, unless something is counted of the site; whether it was done."""
    table = DailyCount.__table__
    if connection.execute(select(table.c.site).where(table.c.site == site).limit(1)).first():
        return False
    chance = random.Random(7)  # noqa: S311  # a picture, no secret
    found: counts.Counted = Counter()
    answered: list[dict[str, Any]] = []
    for back in range(DAYS, 0, -1):
        day = today - timedelta(days=back)
        for seen in _showings(chance, site, version, day):
            found.update(counts.of_event({**seen, "type": "shown", "again": False}))
            answered += _answers(chance, seen)
    found.update(one for row in answered for one in counts.of_record(row))
    counts.add(connection, found)
    gone.keep(connection, answered)
    return True


def _showings(chance: random.Random, site: str, version: int, day: date) -> Iterator[dict[str, Any]]:
    """Everybody to whom the banner was shown on this day, with what they came with."""
    for _ in range(chance.randint(*SHOWN) // (1 if day.weekday() < 5 else 2)):
        device, browser, system = _drawn(chance, DEVICES)
        yield {
            "site": site, "version": version, "counted_on": day, "bot": chance.random() < 0.02, "device": device,
            "browser": browser, "os": system, "language": _drawn(chance, LANGUAGES), "variant": None,
            "page_group": _drawn(chance, GROUPS), "gpc": chance.random() < 0.05,
        }


def _answers(chance: random.Random, seen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What they answered, if they did, and what some said later."""
    action = _drawn(chance, ANSWERS)
    if action is None:
        return
    granted = {"accept_all": OPTIONAL, "necessary_only": ()}.get(action, ("functional", "analytics"))
    trackers = {"hotjar": False} if action == "custom" and chance.random() < 0.4 else {}
    said = {**seen, "choices": {name: name in granted for name in OPTIONAL}, "trackers": trackers}
    yield {**said, "action": action, "source": "banner", "took": _drawn(chance, BANDS)}
    if chance.random() < 0.03:
        later = {**said, "choices": dict.fromkeys(OPTIONAL, False), "trackers": {}, "took": None, "source": "settings"}
        yield {**later, "action": "withdraw" if granted else "necessary_only"}


def _drawn(chance: random.Random, weighted: Any) -> Any:
    values, weights = zip(*weighted, strict=True)
    return chance.choices(values, weights)[0]
