"""Several things measured in turns in one run, the bare hello among them: what else the machine does hits all."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.load import Load, Round, machine, typical
from tests import servers
from tests.servers import Server
from tests.shop import DEFINITION

HELLO = "bare Flask hello"


def arguments(what: str) -> argparse.Namespace:
    """--rounds, --seconds and --workers."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--workers", type=int, help="WEB_CONCURRENCY; default: Poort's own")
    parser.add_argument("--threads", type=int, help="POORT_THREADS; default: Poort's own")
    return parser.parse_args()


def settings(chosen: argparse.Namespace) -> dict[str, Any]:
    """The settings that were asked for."""
    named = {"WEB_CONCURRENCY": chosen.workers, "POORT_THREADS": chosen.threads}
    return {name: value for name, value in named.items() if value is not None}


@contextmanager
def shop(url: str, **named: Any) -> Iterator[Server]:
    """Poort with the shop."""
    with Server(url, **named) as server:
        server.publish(DEFINITION)
        yield server


@contextmanager
def hello(**named: Any) -> Iterator[Server]:
    """The yardstick under the same gunicorn."""
    with Server("sqlite:///unused", application="bench.hello:app", wait="/", **named) as server:
        yield server


@contextmanager
def both_databases() -> Iterator[dict[str, str]]:
    """A migrated database of each kind, which both wait for the disk."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True))
        yield {"SQLite": servers.sqlite(folder), "PostgreSQL": cluster.fresh()}


def compete(loads: dict[str, Load], chosen: argparse.Namespace) -> dict[str, list[Round]]:
    """Every load once before, uncounted, then all in turns; prints as it goes."""
    print(machine())
    for load in loads.values():
        load.run(2)
    rounds: dict[str, list[Round]] = {name: [] for name in loads}
    for number in range(chosen.rounds):
        for name, load in loads.items():
            rounds[name].append(load.run(chosen.seconds))
        print(f"round {number + 1}: " + ", ".join(f"{name} {found[-1].rate:,.0f}" for name, found in rounds.items()))
    return rounds


def show(rounds: dict[str, list[Round]]) -> None:
    """The medians as a table; a refused or broken answer is shouted about."""
    medians = {name: typical(found) for name, found in rounds.items()}
    print(f"\n{'':28}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'of hello':>10}")
    for name, found in medians.items():
        part = f"{found.rate / medians[HELLO].rate:.0%}" if HELLO in medians else ""
        print(f"{name:28}{found.rate:>12,.0f}{found.median:>9.1f}{found.p99:>9.1f}{part:>10}")
        if found.refused or found.broken:
            print(f"  WRONG: {found.refused} refused, {found.broken} broken")
