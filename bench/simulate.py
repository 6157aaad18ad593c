"""Visitors of a stated mix over real HTTP, the truth about them beside it, and whether the reports say the truth.

    python -m bench.simulate                 1,000 visitors a burst on SQLite, and a flood of 10,000 forged decisions
    python -m bench.simulate --postgresql --visitors 300 --forged 3000

The server's clock is moved: two bursts around midnight in Amsterdam before the day of 23 hours, two around its end. One
site is counted in Amsterdam, one in New York. The truth is kept in plain Python and takes nothing from the product but
the words of the contract.
"""

import argparse
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app import create_app
from consent import breakdowns
from consent.db import db
from tests.servers import SECRET, Server, postgres, sqlite
from tests.shop import DEFINITION

CLOCK = Path(__file__).resolve().parent.parent / "tests" / "clock"
BURSTS = ("2027-03-27T22:50:00Z", "2027-03-27T23:10:00Z", "2027-03-28T21:50:00Z", "2027-03-28T22:10:00Z")
SITES = {"shop": "Europe/Amsterdam", "york": "America/New_York"}
ORIGIN = "https://www.shop.example"
OPTIONAL = ("functional", "analytics", "marketing")
CONNECTIONS = 16
TRACKERS = {"ga4": "analytics", "hotjar": "analytics", "meta": "marketing", "intercom": "functional"}
TOTALS = ("shown", "answered", "ignored", "accept_all", "necessary_only", "custom", "again", "visits", "changed",
          "withdrawn", "bots_shown")
UNSHOWN = {("took", "shown"), ("source", "shown")}  # of these the report has answers alone
BANDS = (0, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)

# What each agent says it is; written by hand, so that a wrong reading shows. A bot is nobody.
AGENTS: Mapping[str, tuple[str, str, str] | None] = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": ("desktop", "Firefox", "Linux"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 "
    "Edg/141.0.0.0": ("desktop", "Edge", "Windows"),
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile "
    "Safari/537.36": ("mobile", "Chrome Mobile", "Android"),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
    "Mobile/15E148 Safari/604.1": ("mobile", "Mobile Safari", "iOS"),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": None,
}
WEIGHTS = (30, 20, 25, 20, 5)


@dataclass(frozen=True)
class Mix:
    """How visitors behave: each a share."""

    accept_all: float = 0.5
    necessary_only: float = 0.2
    custom: float = 0.08  # the rest ignores the banner
    pages: float = 0.4  # of another page in the same visit, before the answer
    gpc: float = 0.1
    retried: float = 0.1  # an answer that is sent again, with the same id
    late: float = 0.05  # ... and once more at the end
    changed: float = 0.05
    withdrawn: float = 0.04
    returning: float = 0.3  # who had chosen before and begins another visit


@dataclass
class Truth:
    """What happened on a site: by day, and by day and part."""

    totals: Counter[tuple[date, str]] = field(default_factory=Counter)
    parts: Counter[tuple[date, str, str, str]] = field(default_factory=Counter)  # day, dimension, bucket, counter
    trackers: Counter[tuple[str, str]] = field(default_factory=Counter)  # tracker: asked, allowed, visits, visited

    def add(self, day: date, metric: str, parts: Mapping[str, str], counters: Sequence[str]) -> None:
        """One showing or answer."""
        self.totals[day, metric] += 1
        for dimension, bucket in parts.items():
            for counter in counters:
                self.parts[day, dimension, bucket, counter] += 1


@dataclass
class Visitor:
    """One visitor of a site, at a moment of the server's clock."""

    site: str
    at: datetime
    chance: random.Random
    mix: Mix
    truth: Truth
    requests: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.agent,) = self.chance.choices(list(AGENTS), WEIGHTS)
        self.gpc = self.chance.random() < self.mix.gpc
        self.language = self.chance.choice(("nl", "nl", "en"))
        self.page_group = self.chance.choice((None, "home", "prices"))
        self.day = self.at.astimezone(ZoneInfo(SITES[self.site])).date()
        self.id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.address = f"198.{18 + self.chance.randrange(2)}.{self.chance.randrange(256)}.{self.chance.randrange(256)}"

    @property
    def headers(self) -> dict[str, str]:
        """What their browser sends."""
        said = {"User-Agent": self.agent, "Origin": ORIGIN, "X-Forwarded-For": self.address}
        return {**said, "Sec-GPC": "1"} if self.gpc else said

    @property
    def parts(self) -> dict[str, str]:
        """Where they belong."""
        known = AGENTS[self.agent]
        if known is None:
            return {}
        return {**dict(zip(("device", "browser", "system"), known, strict=True)), "language": self.language,
                "page_group": self.page_group or "", "version": "1", "gpc": "on" if self.gpc else "off"}

    def live(self) -> None:
        """Write down what they send, and what is true of it."""
        if AGENTS[self.agent] is None:
            self._shown("bots_shown", again=False)
            return
        self._shown("shown", again=False)
        while self.chance.random() < self.mix.pages:
            self._shown("again", again=True)
        action = self._action()
        if action == "ignored":
            return
        self._answer(action)
        if self.chance.random() < self.mix.returning:
            self._visit()
        if self.chance.random() < self.mix.changed:
            self._decide("necessary_only" if action != "necessary_only" else "accept_all", "settings", "changed")
        elif action != "necessary_only" and self.chance.random() < self.mix.withdrawn:
            self._decide("withdraw", "settings", "withdrawn")

    def _action(self) -> str:
        mix = self.mix
        shares = (mix.accept_all, mix.necessary_only, mix.custom)
        return self.chance.choices(("accept_all", "necessary_only", "custom", "ignored"), (*shares, 1 - sum(shares)))[0]

    def _shown(self, metric: str, again: bool) -> None:
        event = {"type": "shown", "version": 1, "language": self.language, "page_group": self.page_group}
        self._send("events", {**event, "again": True} if again else event)
        self.truth.add(self.day, metric, {} if again else self.parts, ["shown"])
        if metric == "shown":
            for tracker in TRACKERS:
                self.truth.trackers[tracker, "asked"] += 1

    def _answer(self, action: str) -> None:
        took = self.chance.choice((900, 3_000, 7_000, 20_000, 45_000))
        self.choices, self.own = self._chosen(action)
        said = self._decide(action, "banner", action, choices=self.choices, trackers=self.own, took=took)
        band = str(max(n for n, low in enumerate(BANDS) if took >= low))
        granted = [name for name, choice in self.choices.items() if choice]
        parts = {**self.parts, "took": band, "source": "banner"}
        for dimension, bucket in parts.items():
            for counter in (action, *granted):
                self.truth.parts[self.day, dimension, bucket, counter] += 1
        for name in granted:
            self.truth.totals[self.day, f"granted_{name}"] += 1
        for tracker, category in TRACKERS.items():
            self.truth.trackers[tracker, "allowed"] += self.own.get(tracker, self.choices.get(category, False))
        for chance, wait in ((self.mix.retried, False), (self.mix.late, True)):
            if self.chance.random() < chance:
                self._send("consents", said, late=wait)

    def _chosen(self, action: str) -> tuple[dict[str, bool], dict[str, bool]]:
        if action != "custom":
            return dict.fromkeys(OPTIONAL, action == "accept_all"), {}
        choices = {"functional": True, "analytics": self.chance.random() < 0.5, "marketing": False}
        return choices, {"hotjar": not choices["analytics"]} if self.chance.random() < 0.3 else {}

    def _decide(self, action: str, source: str, metric: str, **more: Any) -> dict[str, Any]:
        choices = dict.fromkeys(OPTIONAL, action == "accept_all")
        said = {"id": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)), "visitor": self.id, "version": 1,
                "action": action, "choices": choices, "source": source, "language": self.language, "gpc": self.gpc,
                "page_group": self.page_group, **more}
        self._send("consents", said)
        self.truth.totals[self.day, metric] += 1
        if source != "banner" and action != "withdraw":
            self.truth.parts[self.day, "source", source, action] += 1
            for name, choice in choices.items():
                self.truth.parts[self.day, "source", source, name] += choice
        return said

    def _visit(self) -> None:
        self._send("events", {"type": "visit", "version": 1, "language": self.language, "page_group": self.page_group,
                              "choices": self.choices, "trackers": self.own})
        self.truth.totals[self.day, "visits"] += 1
        for tracker, category in TRACKERS.items():
            self.truth.trackers[tracker, "visits"] += 1
            self.truth.trackers[tracker, "visited"] += self.own.get(tracker, self.choices.get(category, False))

    def _send(self, path: str, body: dict[str, Any], late: bool = False) -> None:
        self.requests.append((f"late {path}" if late else path, body, self.headers))


@contextmanager
def at_moment(server: Server, at: datetime) -> Iterator[None]:
    """The server, with its clock at `at` from now on, until the end of the block."""
    server.env |= {"PYTHONPATH": str(CLOCK), "SKEW": str(at.timestamp() - time.time())}
    server.start()
    try:
        yield
    finally:
        server.stop()


@dataclass
class Simulation:
    """Traffic on a server whose clock is moved, and the truth of each site."""

    visitors: int
    forged: int = 0
    mix: Mix = field(default_factory=Mix)
    seed: int = 7
    truths: dict[str, Truth] = field(default_factory=lambda: {site: Truth() for site in SITES})
    requests: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    def drive(self, server: Server) -> None:
        """Publish, and let every burst happen; the flood comes with the first, at the site of Amsterdam."""
        self._publish(server)
        for number, moment in enumerate(BURSTS):
            at = datetime.fromisoformat(moment)
            chance = random.Random(self.seed * 100 + number)
            visitors = [Visitor(site, at, random.Random(chance.random()), self.mix, self.truths[site])
                        for site in SITES for _ in range(self.visitors)]
            for visitor in visitors:
                visitor.live()
            with at_moment(server, at):
                self._play(server, visitors, self.forged if number == 0 else 0)

    def _publish(self, server: Server) -> None:
        for site, zone in SITES.items():
            server.publish({**DEFINITION, "key": site, "organisation": zone, "count_visits": True,
                            "trackers": [*DEFINITION["trackers"][:4]]})
            server.run("organisation", "zone", zone, zone)

    def _play(self, server: Server, visitors: Sequence[Visitor], forged: int) -> None:
        """Each visitor's requests in their order, many visitors at a time; what is late comes last."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            flood = [pool.submit(self._forge, server, number) for number in range(forged)]
            for late in (False, True):
                list(pool.map(lambda visitor, late=late: self._send(server, visitor, late), visitors))
            for one in flood:
                one.result()

    def _send(self, server: Server, visitor: Visitor, late: bool) -> None:
        for path, body, headers in visitor.requests:
            if path.startswith("late ") is late:
                reply = server.call("POST", f"/v1/sites/{visitor.site}/{path.removeprefix('late ')}", body, headers)
                if reply.status not in (200, 201, 204):
                    raise SystemExit(f"{path} was answered {reply.status}: {reply.body.decode()[:300]}")
                self.requests += 1

    def _forge(self, server: Server, number: int) -> None:
        """A decision of nobody, from one of the addresses of one network, that looks like a browser's."""
        agent = next(iter(AGENTS))
        said = {"id": str(uuid.uuid4()), "visitor": str(uuid.uuid4()), "version": 1, "action": "necessary_only",
                "choices": dict.fromkeys(OPTIONAL, False), "source": "banner", "language": "nl", "took": 900}
        headers = {"User-Agent": agent, "Origin": ORIGIN, "X-Forwarded-For": f"203.0.113.{number % 250}"}
        self.refused[server.call("POST", "/v1/sites/shop/consents", said, headers).status] += 1


# The truth, and what the report says ----------------------------------------------------------------------------------

def differences(simulation: Simulation, database_url: str) -> list[str]:
    """Every number of the reports that is not the truth, as a sentence."""
    app = create_app(POORT_DATABASE_URL=database_url, POORT_SECRET_KEYS=SECRET)
    with app.app_context():
        try:
            return [fault for site, truth in simulation.truths.items() for fault in _of_site(site, truth)]
        finally:
            db.engine.dispose()


def _of_site(site: str, truth: Truth) -> Iterator[str]:
    days = sorted({day for day, _ in truth.totals})
    for first, last in [(day, day) for day in days] + [(days[0], days[-1])]:
        found = breakdowns.figures([site], first, last)
        yield from _compare(f"{site} {first} to {last}", _said(found), _true(truth, first, last))
    seen = {one.id: (one.asked.part, one.asked.whole, one.returning.part, one.returning.whole)
            for one in breakdowns.figures([site], days[0], days[-1]).trackers}
    names = ("allowed", "asked", "visited", "visits")
    yield from _compare(f"{site} trackers", seen, {
        tracker: tuple(truth.trackers[tracker, name] for name in names) for tracker in TRACKERS})


def _said(found: breakdowns.Figures) -> dict[Any, Any]:
    totals = {name: getattr(found.total, name) for name in TOTALS}
    granted = {f"granted_{name}": found.total.granted(name) for name in OPTIONAL}
    parts = {(dimension, part.bucket, name): n for dimension, parts in found.parts.items()
             for part in parts for name, n in part.n.items() if n and (dimension, name) not in UNSHOWN}
    return {**totals, **granted, **parts}


def _true(truth: Truth, first: date, last: date) -> dict[Any, Any]:
    names = (*TOTALS, *(f"granted_{name}" for name in OPTIONAL))
    totals = {name: sum(n for (day, metric), n in truth.totals.items() if metric == name and first <= day <= last)
              for name in names}
    totals["answered"] = sum(totals[name] for name in ("accept_all", "necessary_only", "custom"))
    totals["ignored"] = totals["shown"] - totals["answered"]
    parts: Counter[tuple[str, str, str]] = Counter()
    for (day, *key), n in truth.parts.items():
        if first <= day <= last and n:
            parts[key[0], key[1], key[2]] += n
    return {**totals, **parts}


def _compare(where: str, said: Mapping[Any, Any], true: Mapping[Any, Any]) -> Iterator[str]:
    for name in sorted({*said, *true}, key=str):
        if said.get(name, 0) != true.get(name, 0):
            yield f"{where}: {name} is {true.get(name, 0)}, the report says {said.get(name, 0)}"


def rates(truth: Truth, database_url: str) -> tuple[dict[str, float], dict[str, float]]:
    """The shares of the first site, as they are and as the report has them, in per cent of the showings."""
    app = create_app(POORT_DATABASE_URL=database_url, POORT_SECRET_KEYS=SECRET)
    days = sorted({day for day, _ in truth.totals})
    with app.app_context():
        found = breakdowns.figures(["shop"], days[0], days[-1])
        said = {name: 100 * (found.share(name).value or 0) for name in ("accept_all", "necessary_only", "custom")}
        db.engine.dispose()
    true = _true(truth, days[0], days[-1])
    return {name: 100 * true[name] / true["shown"] for name in said}, said


def main() -> None:
    """Drive the traffic and hold the reports against the truth; status 1 when a number is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--visitors", type=int, default=1_000, help="of each site and burst; there are four bursts")
    parser.add_argument("--forged", type=int, default=10_000, help="decisions of one network in the first burst")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgres()).fresh() if options.postgresql else sqlite(folder)
        sys.exit(_run(options, url))


def _run(options: argparse.Namespace, url: str) -> int:
    honest, flooded = Simulation(options.visitors), Simulation(options.visitors, options.forged)
    simulation = flooded if options.forged else honest
    started = time.perf_counter()
    simulation.drive(Server(url, door="asgi", WEB_CONCURRENCY=2, POORT_PROXIES=1, POORT_RECORD_LIMIT=100_000))
    seconds = time.perf_counter() - started
    print(f"{simulation.requests:,} requests of {8 * options.visitors:,} visitors in {seconds:.0f} s, beside "
          f"{sum(simulation.refused.values()):,} forged decisions")
    true, said = rates(simulation.truths["shop"], url)
    worst = max(abs(true[name] - said[name]) for name in true)
    print(f"the rates moved by {worst:.3f} percentage points at most")
    found = [] if options.forged else differences(simulation, url)
    print("\n".join(found[:40]) or ("" if options.forged else "every number is the truth"))
    return 1 if found or worst >= 0.1 else 0


if __name__ == "__main__":
    main()
