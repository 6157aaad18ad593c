"""What counting costs the write path, in one run: `python -m bench.counting`.

    --rounds 45 --decisions 1000   medians of so many rounds of so many decisions, all ways in turns
    --waiting 32                   decisions on their way at a time, as from so many connections
    --http                         over HTTP too, with gunicorn: nine rounds of --seconds 3

Three ways: nothing is counted, totals alone, and totals with parts of the traffic, as it is. In process a decision goes
through the hot calls and a real group commit to a disk that is waited for. Each way is compared with the round beside
it. Ends non-zero when counting as it is costs 10 % or more of the totals' throughput on a database.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app import create_app
from bench.load import Load, machine
from consent import counts, sites, versions
from consent.answers import Answer, Call, Later
from consent.db import db
from consent.hot import Hot
from tests import servers
from tests.servers import SECRET, Server, until
from tests.shop import DEFINITION, FIREFOX, NOW, body

NOTHING, TOTALS, ALL = "nothing counted", "totals", "totals and parts"
WAYS = (NOTHING, TOTALS, ALL)
SWITCH = "BENCH_COUNTS"  # how a server of `http` is told its way
CONSENTS = "/v1/sites/shop/consents"
TARGET = 0.10
CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 {}Safari/537.36"
AGENTS = (
    FIREFOX, CHROME.format("Windows NT 10.0; Win64; x64", ""), CHROME.format("Linux; Android 15; Pixel 9", "Mobile "),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
    "Mobile/15E148 Safari/604.1")


def decisions(many: int, chance: random.Random) -> list[tuple[bytes, dict[str, str]]]:
    """Bodies and headers of as many visitors, who differ as visitors do."""
    made = []
    for _ in range(many):
        action = chance.choice(("accept_all", "accept_all", "necessary_only", "custom"))
        said = body(
            action, page_group=chance.choice(("home", "shop", "blog", None)), language=chance.choice(("nl", "en")),
            trackers={"hotjar": False} if action == "custom" else {}, took=int(chance.expovariate(1 / 8_000)))
        sent = json.dumps(said, separators=(",", ":")).encode()
        network = f"{chance.randrange(11, 120)}.{chance.randrange(256)}.{chance.randrange(256)}.1"  # no flood
        made.append((sent, {"content-type": "text/plain", "content-length": str(len(sent)), "address": network,
                            "origin": DEFINITION["origins"][0], "user-agent": chance.choice(AGENTS)}))
    return made


@contextmanager
def counting(way: str) -> Iterator[None]:
    """Records are counted in this way until the end of the block."""
    real = counts.of_new

    def fewer(row: Mapping[str, Any]) -> counts.Tallies:
        return [] if way == NOTHING else _totals(row)

    with patch.object(counts, "of_new", real if way == ALL else fewer):
        yield


def _totals(row: Mapping[str, Any]) -> counts.Tallies:
    """As counts.of_new, without the parts."""
    return [counts.Tally(row["site"], counts._day(row), row["bot"], *metric) for metric in counts._metrics(row)]


def run(hot: Hot, made: list[tuple[bytes, dict[str, str]]], waiting: int) -> tuple[float, float]:
    """Decisions a second, and microseconds of the processor for each."""
    on_their_way: deque[Later] = deque()
    started, worked = time.perf_counter(), time.process_time()
    for sent, headers in made:
        if len(on_their_way) >= waiting:
            finish(on_their_way.popleft())
        found = hot.answer(Call("POST", CONSENTS, "", headers.get, headers["address"], body=partial(bytes, sent)))
        if not isinstance(found, Later):
            raise SystemExit(f"WRONG: {found}")
        on_their_way.append(found)
    for later in on_their_way:
        finish(later)
    took = time.perf_counter() - started
    return len(made) / took, (time.process_time() - worked) / len(made) * 1e6


def finish(later: Later) -> None:
    """Wait for the answer, which has to be that it is stored."""
    found: Answer | Later = later
    while isinstance(found, Later):
        found.future.exception(30)
        found = found.resume()
    if found.status != 201:
        raise SystemExit(f"WRONG: {found}")


def in_process(url: str, chosen: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """The rounds of each way, after one of each that is not counted."""
    app, chance = create_app(POORT_DATABASE_URL=url, POORT_SECRET_KEYS=SECRET), random.Random(7)
    with app.app_context():
        versions.publish(sites.apply(DEFINITION)[0], NOW)
        db.session.commit()
    hot: Hot = app.extensions["poort"]
    versions.settled(lambda: hot.published("shop"))
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for number in range(chosen.rounds + 1):
        for way in WAYS[number % 3:] + WAYS[:number % 3]:
            made = decisions(chosen.decisions, chance)
            with counting(way):
                rounds[way].append(run(hot, made, chosen.waiting))
    hot.publications.close()
    return {way: found[1:] for way, found in rounds.items()}


def over_http(stack: ExitStack, urls: list[str], chosen: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """The same over HTTP, at the ASGI door; without the processor's time, and without NOTHING: a door counts something.
    """
    loads, ways = {}, [way for way in WAYS if way != NOTHING]
    for way, url in zip(ways, urls, strict=True):
        server = stack.enter_context(Server(url, "bench.uncounted:app", door="asgi", **{SWITCH: way}))
        server.publish(DEFINITION)
        until(lambda server=server: server.call("POST", CONSENTS, body()).status == 201)  # type: ignore[misc]
        loads[way] = Load(server.port, CONSENTS, posts=True)
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(10):
        for way in ways[number % 2:] + ways[:number % 2]:
            found = loads[way].run(chosen.seconds)
            if found.refused or found.broken:
                raise SystemExit(f"WRONG: {found}")
            rounds[way].append((found.rate, 0.0))
    return {way: found[1:] for way, found in rounds.items()}


def show(title: str, rounds: dict[str, list[tuple[float, float]]]) -> float:
    """A table; what counting as it is loses against the totals, by the median of the pairs."""
    def loss(way: str, against: str) -> float:
        return 1 - statistics.median(a[0] / b[0] for a, b in zip(rounds[way], rounds[against], strict=True))

    print(f"\n{title}\n\n| | decisions/s | µs of CPU | against nothing | against totals |\n|---|---|---|---|---|")
    for way, found in rounds.items():
        rate, cpu = (statistics.median(one[n] for one in found) for n in (0, 1))
        bare = f"{-loss(way, NOTHING):+.1%}" if NOTHING in rounds else "-"
        own = f"{cpu:.0f}" if cpu else "-"
        print(f"| {way} | {rate:,.0f} | {own} | {bare} | {-loss(way, TOTALS):+.1%} |", flush=True)
    return loss(ALL, TOTALS)


def main() -> None:
    """Both databases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=45)
    parser.add_argument("--decisions", type=int, default=1_000)
    parser.add_argument("--waiting", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--http", action="store_true")
    chosen = parser.parse_args()
    print(machine())
    losses = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True))
        fresh: dict[str, Callable[[], str]] = {"SQLite": partial(servers.sqlite, folder), "PostgreSQL": cluster.fresh}
        for name, make in fresh.items():
            losses[name] = show(f"{name}, in process", in_process(make(), chosen))
        for name, make in fresh.items() if chosen.http else ():
            with ExitStack() as running:
                show(f"{name}, over HTTP", over_http(running, [make() for _ in WAYS[1:]], chosen))
    if max(losses.values()) >= TARGET:
        raise SystemExit(f"Counting costs {TARGET:.0%} or more: {losses}")


def chosen_way() -> str:
    """What a server of `over_http` was told."""
    return os.environ[SWITCH]


if __name__ == "__main__":
    main()
