"""Several things measured in turns in one run, bare hellos among them: what else the machine does hits all."""

import argparse
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import Load, Round, machine, typical
from consent.receipts import Keyring, Receipt
from tests.load import counted, recounted, stored
from tests.servers import SECRET, Server
from tests.shop import CHOICES, DEFINITION

ASGI_HELLO = "bare ASGI hello"
WSGI_HELLO = "bare Flask hello"
RECEIPTS = 100_000


@dataclass(frozen=True)
class Entry:
    """A line of the table; `yardstick` is the line that it is compared with."""

    name: str
    load: Load
    yardstick: str | None = None


def arguments(what: str) -> argparse.Namespace:
    """The arguments of every figure over HTTP."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--workers", type=int, help="WEB_CONCURRENCY; default: Poort's own")
    parser.add_argument("--threads", type=int, help="POORT_THREADS; default: Poort's own")
    parser.add_argument("--only", nargs="+", choices=("script", "gate", "record"), default=["script", "gate", "record"])
    parser.add_argument("--peers", action="store_true", help="c15t's backend too")
    parser.add_argument("--records", type=int, default=10_000_000, help="of bench.crowded: how many are there already")
    return parser.parse_args()


def settings(chosen: argparse.Namespace) -> dict[str, Any]:
    """The settings that were asked for."""
    named = {"WEB_CONCURRENCY": chosen.workers, "POORT_THREADS": chosen.threads}
    return {name: value for name, value in named.items() if value is not None}


@contextmanager
def shop(url: str, door: str = "asgi", **named: Any) -> Iterator[Server]:
    """Poort with the shop."""
    with Server(url, door=door, **named) as server:
        server.publish(DEFINITION)
        yield server


@contextmanager
def hello(door: str = "wsgi", **named: Any) -> Iterator[Server]:
    """The yardstick of a door, under the same gunicorn."""
    application = "bench.hello:fast" if door == "asgi" else "bench.hello:app"
    with Server("sqlite:///unused", application, wait="/", door=door, **named) as server:
        yield server


def issued(folder: Path, *actions: str, many: int = RECEIPTS) -> Path:
    """A file with receipts of so many visitors, no two the same, of these actions or of all kinds."""
    file = folder / f"receipts-{'-'.join(actions)}"
    if file.exists():
        return file
    keyring, kinds = Keyring([SECRET]), actions or tuple(CHOICES)
    with file.open("w") as out:
        for number in range(many):
            out.write(keyring.issue(receipt(kinds[number % len(kinds)])) + "\n")
    return file


def receipt(action: str) -> Receipt:
    """What a new visitor of the shop holds after this action."""
    now = int(time.time())
    granted = frozenset(category for category, choice in CHOICES[action].items() if choice)
    refused = frozenset({"hotjar"} if action == "custom" else ())
    return Receipt("shop", str(uuid.uuid4()), str(uuid.uuid4()), 1, action, granted, refused, frozenset(), False,
                   now, now + 180 * 86_400)


def compete(entries: list[Entry], chosen: argparse.Namespace) -> dict[str, list[Round]]:
    """Every load once before, uncounted, then all in turns; prints as it goes."""
    print(machine())
    for entry in entries:
        entry.load.run(2)
    rounds: dict[str, list[Round]] = {entry.name: [] for entry in entries}
    for number in range(chosen.rounds):
        for entry in entries:
            rounds[entry.name].append(entry.load.run(chosen.seconds))
        print(f"round {number + 1}: " + ", ".join(f"{name} {found[-1].rate:,.0f}" for name, found in rounds.items()))
    return rounds


def show(entries: list[Entry], rounds: dict[str, list[Round]]) -> None:
    """The medians as a table; a refused or broken answer is shouted about."""
    medians = {name: typical(found) for name, found in rounds.items()}
    print("\n| | requests/s | p50 ms | p99 ms | of its yardstick |\n|---|---|---|---|---|")
    for entry in entries:
        found = medians[entry.name]
        part = f"{found.rate / medians[entry.yardstick].rate:.0%}" if entry.yardstick else ""
        print(f"| {entry.name} | {found.rate:,.0f} | {found.median:.1f} | {found.p99:.1f} | {part} |")
        if found.refused or found.broken:
            print(f"  WRONG: {found.refused} refused, {found.broken} broken")


def check(name: str, url: str, rounds: list[Round]) -> None:
    """Every acknowledged decision is a row; those under way when a round ended may be rows too."""
    rows = stored(url)
    acknowledged = sum(one.requests - one.refused for one in rounds)
    ids = {row["id"] for row in rows}
    same = "equal" if counted(url) == recounted(rows) else "DIFFER FROM"
    print(f"{name}: {len(rows):,} rows, {len(ids):,} ids; {acknowledged:,} acknowledged in the counted rounds; "
          f"the daily counts {same} the rows")
    if len(ids) != len(rows) or acknowledged > len(rows):
        raise SystemExit(f"{name}: WRONG: something acknowledged is not stored once")
