"""A flood of forged traffic from one network, between the traffic of people: what it does to them and to the rates.

    python -m bench.flood                     1,000 people and 10,000 forgeries on SQLite
    python -m bench.flood --postgresql --people 300 --forged 3000

Every person sees the banner; most answer, each from a network with few others, through a proxy. The forger looks like a
browser in every respect, has 250 addresses of one network, shows banners, refuses everything, and sends every fifth
decision twice.
"""

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.load import counted
from tests.servers import Server, postgres, sqlite
from tests.shop import DEFINITION, FIREFOX, body

CONNECTIONS = 8
ACTIONS = ("accept_all", "necessary_only", "custom")
SHOWN = {"type": "shown", "version": 1, "language": "nl", "page_group": None}


class Sent(NamedTuple):
    """One request: from which address, where to and what; whose it is."""

    address: str
    path: str
    body: dict[str, Any]
    forged: bool = False


@dataclass
class Flood:
    """The traffic, its truth, and how it was answered."""

    people: int
    forged: int
    seed: int = 7
    truth: Counter[str] = field(default_factory=Counter)  # of people: shown, and each action
    forgeries: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[bool, int]] = field(default_factory=Counter)  # forged or not, status
    waits: list[float] = field(default_factory=list)  # of people, in seconds
    acknowledged: list[str] = field(default_factory=list)  # ids, of anybody

    def __post_init__(self) -> None:
        self._chance, self._mine, self._lock = random.Random(self.seed), threading.local(), threading.Lock()
        self._lines: list[http.client.HTTPConnection] = []

    def traffic(self) -> list[Sent]:
        """All requests, mixed."""
        whole = [sent for number in range(self.people) for sent in self._person(number)]
        whole += [sent for number in range(self.forged) for sent in self._forgery(number)]
        self._chance.shuffle(whole)
        return whole

    def _person(self, number: int) -> Iterable[Sent]:
        address = f"198.18.{number % 250}.{number // 250 + 1}"
        self.truth["shown"] += 1
        yield Sent(address, "events", SHOWN)
        if self._chance.random() < 0.7:
            (action,) = self._chance.choices(ACTIONS, (5, 4, 1))
            self.truth[action] += 1
            yield Sent(address, "consents", body(action))

    def _forgery(self, number: int) -> Iterable[Sent]:
        address = f"203.0.113.{number % 250 + 1}"
        if number % 4 == 0:
            self.forgeries["shown"] += 1
            yield Sent(address, "events", SHOWN, True)
            return
        self.forgeries["necessary_only"] += 1
        decision = body("necessary_only")
        for _ in range(2 if number % 5 == 0 else 1):
            yield Sent(address, "consents", decision, True)

    def drive(self, server: Server, traffic: Iterable[Sent]) -> None:
        """Send it, on a few connections at a time."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda sent: self._send(server, sent), traffic))
        for line in self._lines:
            line.close()

    def _send(self, server: Server, sent: Sent) -> None:
        started = time.perf_counter()
        status = self._ask(server, sent)
        with self._lock:
            self.statuses[sent.forged, status] += 1
            if not sent.forged:
                self.waits.append(time.perf_counter() - started)
            if status in (200, 201):
                self.acknowledged.append(sent.body["id"])

    def _ask(self, server: Server, sent: Sent) -> int:
        """The status; nought when the connection was cut off."""
        headers = {"User-Agent": FIREFOX, "Origin": DEFINITION["origins"][0], "X-Forwarded-For": sent.address,
                   "Content-Type": "application/json"}
        if not hasattr(self._mine, "line"):
            self._mine.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            self._lines.append(self._mine.line)
        try:
            self._mine.line.request("POST", f"/v1/sites/shop/{sent.path}", json.dumps(sent.body), headers)
            answer = self._mine.line.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._mine.line.close()
            return 0
        return int(answer.status)

    @property
    def slowest(self) -> float:
        """What 99 of 100 requests of people were answered within, in milliseconds."""
        return 1000 * sorted(self.waits)[int(len(self.waits) * 0.99)]


def said(database_url: str, metric: str = "") -> Counter[str]:
    """What was counted as people's showings and answers, or as `suspect`."""
    found: Counter[str] = Counter()
    for (_, _, bot, kind, *value), n in counted(database_url).items():
        if bot is False and kind == metric:
            found[value[0]] += n
        elif bot is False and not metric and kind in ("shown", "answered"):
            found[value[0] or kind] += n
    return found


def moved(truth: Counter[str], found: Counter[str]) -> float:
    """By how many percentage points the rates differ at most."""
    rates = [[100 * each[action] / max(each["shown"], 1) for action in ACTIONS] for each in (truth, found)]
    return float(max(abs(one - other) for one, other in zip(*rates, strict=True)))


def main() -> None:
    """Drive it and print what happened; status 1 when the rates moved by 0.1 points or a person was turned away."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--forged", type=int, default=10_000)
    options = parser.parse_args()
    flood = Flood(options.people, options.forged)
    traffic = flood.traffic()
    with ExitStack() as stack:
        url = (stack.enter_context(postgres()).fresh() if options.postgresql
               else sqlite(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        server = stack.enter_context(Server(url, door="asgi", WEB_CONCURRENCY=2, POORT_PROXIES=1))
        server.publish(DEFINITION)
        flood.drive(server, traffic)
        server.stop()
        sys.exit(_told(flood, url))


def _told(flood: Flood, url: str) -> int:
    found, suspect, far = said(url), said(url, "suspect"), moved(flood.truth, said(url))
    refused = sum(n for (forged, status), n in flood.statuses.items() if not forged and status not in (201, 204))
    print(f"people: {flood.truth.total():,} requests, {refused} refused, 99 % within {flood.slowest:.0f} ms")
    print(f"forged: {flood.forgeries.total():,}, of which suspect {suspect.total():,}")
    print(f"rates as they are: {dict(flood.truth)}, as counted: {dict(found)}; moved by {far:.3f} points at most")
    return int(far >= 0.1 or refused > 0)


if __name__ == "__main__":
    main()
