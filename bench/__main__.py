"""Both doors beside what else a server can do, in one table of one run: `python -m bench`.

    --only script gate record     only these
    --peers                       with c15t's backend (installed with npm into a folder of its own)
    --rounds 5 --seconds 5        medians of so many rounds of so many seconds, all in turns
    --workers 2                   processes of each server

Receipts are distinct, 100,000 of them; visitors, ids and bodies of decisions all differ; rows are counted afterwards.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import nginx
from bench.contest import (
    ASGI_HELLO,
    WSGI_HELLO,
    Entry,
    arguments,
    check,
    compete,
    hello,
    issued,
    settings,
    shop,
    show,
)
from bench.load import Load
from tests import servers
from tests.servers import Postgres, Server

DOORS = (("asgi", ASGI_HELLO), ("wsgi", WSGI_HELLO))
CONSENTS = "/v1/sites/shop/consents"


def main() -> None:
    """Measure what was asked for."""
    chosen = arguments("Measure both doors.")
    only, named = set(chosen.only), settings(chosen)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        cluster = stack.enter_context(servers.postgres(durable=True))
        entries = _yardsticks(stack, named)
        stored: dict[str, str] = {}
        for door, yardstick in DOORS:
            server = stack.enter_context(shop(servers.sqlite(folder), door, **named))
            stored[f"{door}: record, SQLite"] = server.database_url
            entries += _reading(server, door, yardstick, folder, only)
            if "record" in only:
                entries += _recording(stack, server, door, yardstick, cluster, stored, named)
        peer = _peer(stack, cluster, only, named) if chosen.peers else None
        entries += peer.entries if peer else []
        rounds = compete(entries, chosen)
        show(entries, rounds)
        time.sleep(1)
        for name, url in stored.items():
            if name in rounds:
                check(name, url, rounds[name])
        if peer is not None and "record" in only:
            peer.check(rounds)


def _yardsticks(stack: ExitStack, named: dict[str, Any]) -> list[Entry]:
    wsgi, asgi = stack.enter_context(hello(**named)), stack.enter_context(hello("asgi", **named))
    static = stack.enter_context(nginx.static(named.get("WEB_CONCURRENCY", 2)))
    return [
        Entry("nginx, a file of 10 kB", Load(static, "/file")),
        Entry(ASGI_HELLO, Load(asgi.port, "/")),
        Entry(WSGI_HELLO, Load(wsgi.port, "/")),
    ]


def _reading(server: Server, door: str, yardstick: str, folder: Path, only: set[str]) -> list[Entry]:
    gate, entries = "/v1/sites/shop/gate", []
    if "script" in only:
        entries += [
            Entry(f"{door}: script with the site", Load(server.port, "/banner/shop.js"), yardstick),
            Entry(f"{door}: config", Load(server.port, "/v1/sites/shop/config?lang=nl"), yardstick),
        ]
    if "gate" in only:
        known, granting = issued(folder), issued(folder, "accept_all")
        entries += [
            Entry(f"{door}: gate, one tracker", Load(server.port, f"{gate}?tracker=hotjar", receipts=known), yardstick),
            Entry(f"{door}: gate, 204 or 403", Load(server.port, f"{gate}/hotjar", receipts=granting), yardstick),
            Entry(f"{door}: gate, all trackers", Load(server.port, gate, receipts=known), yardstick),
        ]
    return entries


def _recording(
    stack: ExitStack, server: Server, door: str, yardstick: str, cluster: Postgres, stored: dict[str, str],
    named: dict[str, Any],
) -> list[Entry]:
    other = stack.enter_context(shop(cluster.fresh(), door, **named))
    stored[f"{door}: record, PostgreSQL"] = other.database_url
    return [
        Entry(f"{door}: record, SQLite", Load(server.port, CONSENTS, posts=True), yardstick),
        Entry(f"{door}: record, PostgreSQL", Load(other.port, CONSENTS, posts=True), yardstick),
    ]


def _peer(stack: ExitStack, cluster: Postgres, only: set[str], named: dict[str, Any]) -> Any:
    from bench.peers.contest import Contender  # installs it at its first use

    return Contender(stack, cluster, only, named.get("WEB_CONCURRENCY", 2))


if __name__ == "__main__":
    main()
