"""What the ASGI door has to stand: slow clients, many connections, a database that hangs; on real servers."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consent.views.fast_door import Arrivals
from tests import servers
from tests.load import Visitors, stored
from tests.servers import Postgres, Server
from tests.shop import DEFINITION, body

CONSENTS = "/v1/sites/shop/consents"
GATE = "/v1/sites/shop/gate?tracker=hotjar"
DOORS = ("wsgi", "asgi")


@contextlib.contextmanager
def shop(url: str, door: str = "asgi", **settings: Any) -> Iterator[Server]:
    """Poort with the shop."""
    with Server(url, door=door, **settings) as server:
        server.publish(DEFINITION)
        yield server


def line_to(server: Server, sent: bytes = b"") -> socket.socket:
    """A connection on which so much was said."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    line.sendall(sent)
    return line


def heard(line: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    with line, contextlib.suppress(ConnectionError):
        while more := line.recv(65_536):
            received += more
    return received


class TestSlowClients:
    HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
    BODY = b"POST /v1/sites/shop/consents HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n{"

    def test_they_hold_nobody_up_and_are_told_to_come_back(self, tmp_path: Path) -> None:
        """400 that never finish their head and 200 that never finish their body (threat 12)."""
        with shop(servers.sqlite(tmp_path), POORT_REQUEST_SECONDS=3) as server:
            slow = [line_to(server, self.HEAD) for _ in range(400)] + [line_to(server, self.BODY) for _ in range(200)]
            with Visitors(server, many=4, paths=(GATE, "/banner/shop.js", "/healthz")) as visitors:
                time.sleep(1)
                for line in slow:  # one more byte: it is slow, and not silent
                    line.sendall(b"x")
                answers = [heard(line) for line in slow]
            assert visitors.outcome.failures == []
            assert visitors.outcome.answered > 100
            assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
            assert {json.loads(answer.partition(b"\r\n\r\n")[2])["error"] for answer in answers} == {
                "request_timeout", "too_slow"}

    def test_a_slow_body_for_a_page_holds_no_thread(self, tmp_path: Path) -> None:
        form = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        with shop(servers.sqlite(tmp_path), WEB_CONCURRENCY=1, POORT_THREADS=2) as server:
            lines = [line_to(server, form + b"Content-Length: 30\r\n\r\nemail=") for _ in range(10)]
            assert server.call("GET", "/login", timeout=5).status == 200
            for line in lines:
                line.close()

    def test_a_connection_that_says_nothing_is_closed(self, tmp_path: Path) -> None:
        with shop(servers.sqlite(tmp_path), POORT_REQUEST_SECONDS=1) as server:
            assert heard(line_to(server)).startswith(b"HTTP/1.1 408 ")

    def test_one_that_waits_for_its_next_request_is_not(self, tmp_path: Path) -> None:
        with shop(servers.sqlite(tmp_path), POORT_REQUEST_SECONDS=1) as server:
            line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            for _ in range(2):
                line.request("GET", GATE)
                assert line.getresponse().read()
                time.sleep(2.2)
            line.request("GET", GATE)
            assert line.getresponse().status == 200
            line.close()

    def test_the_head_of_a_later_request_is_timed_too(self, tmp_path: Path) -> None:
        whole = b"GET /v1/sites/shop/gate/ga4 HTTP/1.1\r\nHost: x\r\n\r\n"
        with shop(servers.sqlite(tmp_path), POORT_REQUEST_SECONDS=1) as server:
            line, early = line_to(server, whole), line_to(server, whole + b"GET /v1/si")
            assert line.recv(4096).startswith(b"HTTP/1.1 403 ")
            line.sendall(b"GET /v1/si")
            assert heard(line).startswith(b"HTTP/1.1 408 ")
            assert b"\r\n\r\nHTTP/1.1 408 " in heard(early)


def test_connections_past_the_limit_are_sent_away(tmp_path: Path) -> None:
    with shop(servers.sqlite(tmp_path), WEB_CONCURRENCY=1, POORT_CONNECTIONS=20) as server:
        asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with contextlib.ExitStack() as lines:
            for _ in range(20):
                lines.enter_context(line_to(server))
            # A busy machine takes a while to accept them all.
            servers.until(lambda: heard(line_to(server, asked)).startswith(b"HTTP/1.1 503 "))
            assert b"Retry-After: 2" in heard(line_to(server, asked))
        servers.until(lambda: server.call("GET", "/healthz").status == 200)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all odd requests."""
    with shop(servers.sqlite(tmp_path_factory.mktemp("odd"))) as running:
        yield running


class TestOddRequests:
    @pytest.mark.parametrize(
        "path", [b"/login?next=\xe9", b"/%ff%fe", b"/\xc3\xa9", b"//", b"/v1/sites/%00/gate", b"/?"])
    def test_an_address_outside_ascii_is_answered(self, server: Server, path: bytes) -> None:
        answer = heard(line_to(server, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        assert answer[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.1 308")

    def test_an_offer_of_a_web_socket_is_not_taken(self, server: Server) -> None:
        asked = (b"GET /v1/sites/shop/gate/ga4 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                 b"Connection: close, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert b"poort-reason: no_choice" in heard(line_to(server, asked))

    def test_a_target_with_a_host_in_it_is_the_same_target(self, server: Server) -> None:
        asked = b"GET http://x/v1/sites/shop/gate/ga4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert b"poort-reason: no_choice" in heard(line_to(server, asked))

    @pytest.mark.parametrize("path", ["/v1/sites/shop/gate/ga4", "/healthz", "/banner/shop.js"])
    def test_who_sends_no_more_is_answered(self, server: Server, path: str) -> None:
        line = line_to(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        line.shutdown(socket.SHUT_WR)
        assert heard(line).startswith(b"HTTP/1.1 ")

    def test_a_length_of_thousands_of_digits_is_the_caller_s_fault(self, server: Server) -> None:
        asked = b"POST /v1/sites/shop/consents HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
        assert heard(line_to(server, asked + b"0" * 5000 + b"2\r\n\r\n{}"))[:10] == b"HTTP/1.1 4"

    def test_requests_in_one_packet_are_answered_in_turn(self, server: Server) -> None:
        one = b"GET /v1/sites/shop/gate/%s HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answers = heard(line_to(server, one % b"ga4" + one % b"nobody" + last))
        assert [answers.count(part) for part in (b"no_choice", b"unknown_tracker", b'{"status":"ok"}')] == [1, 1, 1]

    def test_a_body_of_unknown_length_is_refused(self, server: Server) -> None:
        chunked = (b"POST /v1/sites/shop/consents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                   b"Content-Type: text/plain\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        assert heard(line_to(server, chunked)).startswith(b"HTTP/1.1 411 ")

    def test_a_visitor_who_leaves_in_the_middle_leaves_no_trace(self, server: Server) -> None:
        for _ in range(20):
            line_to(server, TestSlowClients.BODY).close()
        decision = body()
        assert server.call("POST", CONSENTS, decision).status == 201
        assert [str(row["id"]) for row in stored(server.database_url)].count(decision["id"]) == 1
        assert b"Traceback" not in server.log.read_bytes()

    def test_a_cookie_in_two_lines_counts_as_two(self, server: Server) -> None:
        """Threat 13: the server in front of us may join them or not."""
        yes, no = (server.call("POST", CONSENTS, body(action)).json()["receipt"] for action in (
            "accept_all", "necessary_only"))
        lines = f"Cookie: poort={yes}\r\nCookie: poort={no}\r\n".encode()
        asked = b"GET /v1/sites/shop/gate/ga4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n"
        assert heard(line_to(server, asked)).startswith(b"HTTP/1.1 403 ")


def test_nobody_who_waits_is_forgotten_when_threads_finish_at_once() -> None:
    """One lost wake-up, and every later decision of the worker would wait until patience is over."""
    async def wait(pool: ThreadPoolExecutor) -> None:
        arrivals = Arrivals()
        for _ in range(200):
            futures: list[Future[None]] = [Future() for _ in range(30)]
            waiting = [asyncio.ensure_future(arrivals.wait(future)) for future in futures]
            await asyncio.sleep(0)
            for future in futures:
                pool.submit(future.set_result, None)
            async with asyncio.timeout(5):
                await asyncio.gather(*waiting)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as pool:
            asyncio.run(wait(pool))
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("door", DOORS)
def test_past_the_queue_it_is_503_at_once(tmp_path: Path, door: str) -> None:
    """A slow pile would be worse than a refusal: browsers keep the decision and send it again."""
    with shop(servers.sqlite(tmp_path), door, WEB_CONCURRENCY=1, POORT_QUEUE=5, POORT_THREADS=60) as server:
        holder = _hold(server)
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(_timed, server, body()) for _ in range(40)]
            done = [future.result() for future in waiting]
        holder.close()
        refused = [seconds for status, seconds in done if status == 503]
        assert sorted(refused)[len(refused) // 2] < 1.5, "the busy timeout of two seconds was waited for"
        assert {status for status, _ in done} <= {201, 503}
        assert server.call("POST", CONSENTS, body()).status == 201


def _hold(server: Server) -> Any:
    import pysqlite3

    holder = pysqlite3.connect(server.database_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


def _timed(server: Server, decision: Any) -> tuple[int, float]:
    started = time.monotonic()
    answer = server.call("POST", CONSENTS, decision)
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) > 0
    return answer.status, time.monotonic() - started


# -- a database that hangs --------------------------------------------------------------------------------------------

def _pids(cluster: Postgres) -> list[int]:
    postmaster = int((Path(str(cluster._folder)) / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@pytest.mark.parametrize("door", ["asgi"])
def test_a_database_that_hangs_holds_nobody_up(door: str) -> None:
    """Worse than one that is gone: it takes connections and never answers."""
    with servers.postgres(own=True) as cluster, shop(cluster.fresh(), door, WEB_CONCURRENCY=1) as server:
        receipt = server.call("POST", CONSENTS, body("accept_all")).json()["receipt"]
        stopped = _pids(cluster)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            _goes_on(server, receipt)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        _recovers(server)


def _goes_on(server: Server, receipt: str) -> None:
    first = threading.Thread(target=server.call, args=("POST", CONSENTS, body()))
    first.start()
    time.sleep(3.5)
    for _ in range(3):
        status, seconds = _timed(server, body())
        assert (status, seconds < 1) == (503, True)
    allowed = server.call("GET", "/v1/sites/shop/gate/ga4", headers={"Poort-Receipt": receipt}, timeout=2)
    assert (allowed.status, allowed.headers["poort-reason"]) == (204, "granted")
    assert server.call("GET", "/banner/shop.js", timeout=2).status == 200
    assert server.call("GET", "/healthz", timeout=2).status == 200
    assert server.call("GET", "/readyz", timeout=4).json()["fields"].keys() == {"database"}
    first.join()


def _recovers(server: Server) -> None:
    until = time.monotonic() + servers.PATIENCE
    while server.call("POST", CONSENTS, body()).status != 201 or server.call("GET", "/readyz").status != 200:
        assert time.monotonic() < until, "it does not recover"
        time.sleep(0.2)


# -- publishing -------------------------------------------------------------------------------------------------------

def _named(number: int) -> dict[str, Any]:
    """The definition whose controller tells which version it is."""
    return {**DEFINITION, "controller": {**DEFINITION["controller"], "name": f"Owner {number}"}}


BAKED = ('"Owner ([0-9]+)"', 'version"?:([0-9]+)')


class _Reader(threading.Thread):
    """Asks for the same things again and again, and notes which version each answer is of, by two of its parts."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.seen: list[tuple[str, int, int]] = []
        self.done = threading.Event()

    def run(self) -> None:
        """Until `done`."""
        while not self.done.is_set():
            config = json.loads(self._get("/v1/sites/shop/config?lang=nl"))
            self.seen.append(("config", config["version"], int(config["controller"]["name"].split()[1])))
            script = self._get("/banner/shop.js").decode()
            owner, version = (int(re.findall(pattern, script)[0]) for pattern in BAKED)
            self.seen.append(("script", version, owner))
        self.line.close()

    def _get(self, path: str) -> bytes:
        self.line.request("GET", path)
        answer = self.line.getresponse()
        assert answer.status == 200
        return answer.read()


@pytest.fixture(params=servers.PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The address of a database, and a door."""
    return servers.place(request, tmp_path)


def _serves(server: Server, number: int) -> bool:
    """Whether every worker gives this version."""
    return {server.call("GET", "/v1/sites/shop/config").json()["version"] for _ in range(20)} == {number}


def test_publishing_under_load_mixes_no_two_versions_and_reaches_every_worker(place: tuple[str, str]) -> None:
    url, door = place
    with Server(url, door=door) as server:
        server.publish(_named(1))
        readers = [_Reader(server) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in (2, 3, 4):
            server.publish(_named(number))
            # Within a second on a quiet machine; on a busy one in the end.
            servers.until(partial(_serves, server, number))
        for reader in readers:
            reader.done.set()
            reader.join()
    seen = [answer for reader in readers for answer in reader.seen]
    assert {version for _, version, _ in seen} == {1, 2, 3, 4}
    assert [answer for answer in seen if answer[1] != answer[2]] == []


# -- the access log ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("door", DOORS)
def test_the_access_log_tells_what_happened_and_to_nobody(tmp_path: Path, door: str) -> None:
    """G1"""
    with shop(servers.sqlite(tmp_path), door, POORT_ACCESS_LOG="on") as server:
        server.call("GET", f"{GATE}&x=secret", headers={"User-Agent": "Canary/1.0", "X-Forwarded-For": "203.0.113.9"})
        server.call("POST", CONSENTS, body())
        server.call("BREW", "/v1/sites/shop/me?secret")
        time.sleep(0.8)
        text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if '"poort.access"' in line]
    told = {(line["method"], line["route"], line["status"]) for line in lines}
    assert told >= {("GET", "ask_gate", 200), ("POST", "consents", 201)}
    assert {line["method"] for line in lines} <= {"GET", "POST", "other"}
    assert all(set(line) == {"event", "method", "route", "status", "ms", "level", "logger", "time"} for line in lines)
    for word in ("secret", "Canary", "203.0.113.9", "shop", "127.0.0.1:", "BREW"):
        assert word not in "".join(line for line in text.splitlines() if '"poort.access"' in line)
