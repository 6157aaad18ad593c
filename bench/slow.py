"""Honest clients beside 400 slow heads and 200 slow bodies: `python -m bench.slow` (threat 12)."""

import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.contest import arguments, issued, settings, shop
from bench.load import Load, Round, typical
from tests import servers
from tests.servers import Server

GATE = "/v1/sites/shop/gate?tracker=hotjar"
HEAD = b"GET /v1/sites/shop/gate HTTP/1.1\r\nHost: x\r\n"
BODY = HEAD.replace(b"GET /v1/sites/shop/gate", b"POST /v1/sites/shop/consents") + b"Content-Length: 300\r\n\r\n{"


def slow_lines(server: Server) -> list[socket.socket]:
    """Connections that never finish what they began."""
    lines = []
    for start in [HEAD] * 400 + [BODY] * 200:
        line = socket.create_connection(("127.0.0.1", server.port), 10)
        line.sendall(start)
        lines.append(line)
    return lines


def round_of(server: Server, load: Load, seconds: int, slow: bool) -> Round:
    """One round, beside fresh slow clients: the server closes them after POORT_REQUEST_SECONDS."""
    lines = slow_lines(server) if slow else []
    found = load.run(seconds)
    for line in lines:
        line.close()
    return found


def main() -> None:
    """Print both medians."""
    chosen = arguments("Measure honest clients beside slow ones.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poort-bench-")))
        server = stack.enter_context(shop(servers.sqlite(folder), **settings(chosen)))
        load = Load(server.port, GATE, receipts=issued(folder))
        load.run(1)
        rounds: dict[bool, list[Round]] = {False: [], True: []}
        for _ in range(chosen.rounds):
            for slow, found in rounds.items():
                found.append(round_of(server, load, chosen.seconds, slow))
    for slow, found in rounds.items():
        one = typical(found)
        beside = "beside 400 slow heads and 200 slow bodies" if slow else "alone"
        print(f"gate {beside}: {one.rate:,.0f} requests/s, p99 {one.p99:.1f} ms, refused {one.refused}")


if __name__ == "__main__":
    main()
