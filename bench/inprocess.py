"""Where the microseconds of a call go, without a server around it: `python -m bench.inprocess`.

Medians of the processor's time of this thread; a receipt that is `fresh` was not seen before, so it is verified.
"""

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from app import create_app
from bench.contest import issued
from consent import agents, bodies, gate, records, sites, versions
from consent.answers import reply
from consent.db import db
from consent.hot import Hot
from consent.receipts import Keyring
from consent.records import CONSENT
from consent.sdk import Gate
from consent.versions import settled
from consent.views.fast_door import call_of, door_for
from consent.worker import collect_less
from tests import servers
from tests.servers import SECRET
from tests.shop import DEFINITION, FIREFOX, NOW, body

ROUNDS, TIMES = 9, 2_000
GATE = "/v1/sites/shop/gate"


def measured(work: Callable[[], Any]) -> float:
    """Microseconds that one call takes."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(TIMES):
            work()
        rounds.append((time.thread_time() - started) / TIMES * 1e6)
    return statistics.median(rounds)


async def awaited(work: Callable[[], Awaitable[None]]) -> float:
    """The same of a coroutine."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(TIMES):
            await work()
        rounds.append((time.thread_time() - started) / TIMES * 1e6)
    return statistics.median(rounds)


def scope(path: str, query: str = "", token: str | None = None) -> dict[str, Any]:
    """A request as gunicorn hands it over."""
    headers = [(b"host", b"consent.shop.example"), (b"user-agent", FIREFOX.encode()), (b"accept", b"*/*"),
               (b"accept-encoding", b"gzip, deflate, br"), (b"accept-language", b"nl,en;q=0.5")]
    if token is not None:
        headers.append((b"cookie", f"theme=dark; poort={token}".encode()))
    return {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers,
            "client": ("203.0.113.7", 1234), "scheme": "http"}


def pieces(hot: Hot, version: versions.Published, tokens: Iterator[str]) -> dict[str, Callable[[], Any]]:
    """What a call is made of."""
    keyring, token = Keyring([SECRET]), next(tokens)
    held, now, fresh = keyring.read(token), time.time(), keyring._verify
    sent = json.dumps(body("custom", trackers={"hotjar": False}), separators=(",", ":")).encode()
    row = records.row_of("shop", records.parse_consent(sent), FIREFOX, NOW)
    answer = {"record": records.as_json(row), "receipt": token}
    asked = scope(GATE, "tracker=hotjar", token)
    own = Gate("shop", [SECRET], version.gate)
    return {
        "a request into a Call": lambda: call_of(asked, 0),
        "decide, fresh receipt": lambda: gate.decide(fresh(next(tokens)), version.gate, "hotjar", now),
        "decide, remembered receipt": lambda: gate.decide(keyring.read(token), version.gate, "hotjar", now),
        "in a Python site: Gate.allows, fresh receipt": lambda: own.allows(next(tokens), "hotjar"),
        "in a Python site: Gate.allows, remembered receipt": lambda: own.allows(token, "hotjar"),
        "the answer about one tracker": lambda: version.table.one([held], "hotjar", now, False),
        "the answer about all trackers": lambda: version.table.all([held], now, False),
        "a body, quickly": lambda: bodies.consent(sent),
        "a body, by the marshmallow schema": lambda: records.load(CONSENT, sent),
        "browser and system, seen before": lambda: agents.agent(FIREFOX),
        "browser and system, first time": lambda: agents.agent.__wrapped__(FIREFOX),
        "a row": lambda: records.row_of("shop", {**row}, FIREFOX, NOW),
        "a receipt": lambda: keyring.issue(records.receipt_of(row, version)),
        "the answer of a decision as JSON": lambda: reply(201, answer),
    }


async def calls(door: Any, tokens: Iterator[str]) -> dict[str, float]:
    """Whole calls through the ASGI door, without the server."""
    async def send(message: Any) -> None:
        """Nobody listens."""

    async def receive() -> Any:
        """No body."""

    token = next(tokens)
    asked: dict[str, Callable[[], dict[str, Any]]] = {
        "script": lambda: scope("/banner/shop.js"), "config": lambda: scope("/v1/sites/shop/config", "lang=nl"),
        "gate, one tracker, no receipt": lambda: scope(GATE, "tracker=hotjar"),
        "gate, one tracker, fresh receipt": lambda: scope(GATE, "tracker=hotjar", next(tokens)),
        "gate, one tracker, remembered": lambda: scope(GATE, "tracker=hotjar", token),
        "gate, 204 or 403, remembered": lambda: scope(f"{GATE}/hotjar", "", token),
        "gate, all trackers, remembered": lambda: scope(GATE, "", token),
    }
    for make in asked.values():
        await door(make(), receive, send)
    return {name: await awaited(partial(_ask, door, make, receive, send)) for name, make in asked.items()}


async def _ask(door: Any, make: Callable[[], dict[str, Any]], receive: Any, send: Any) -> None:
    await door(make(), receive, send)


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="poort-bench-") as name:
        folder = Path(name)
        app = create_app(POORT_DATABASE_URL=servers.sqlite(folder), POORT_SECRET_KEYS=SECRET)
        with app.app_context():
            site, _ = sites.apply(DEFINITION)
            versions.publish(site, NOW)
            db.session.commit()
        hot: Hot = app.extensions["poort"]
        version = settled(lambda: hot.published("shop"))
        collect_less()  # as in a worker
        tokens = itertools.cycle(issued(folder).read_text().split())
        table = {name: measured(work) for name, work in pieces(hot, version, tokens).items()}
        whole = asyncio.run(calls(door_for(app), tokens))
        hot.publications.close()
    for title, found in (("a piece", table), ("a whole call at the ASGI door", whole)):
        print(f"\n| {title} | µs |\n|---|---|")
        print("\n".join(f"| {name} | {took:.1f} |" for name, took in found.items()))


if __name__ == "__main__":
    main()
