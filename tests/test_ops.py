"""Health, readiness, metrics, and logs that know nobody."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pysqlite3
import pytest
from prometheus_client.parser import text_string_to_metric_families

from consent import logs
from consent.gate import ALLOWED, REFUSED
from tests import servers
from tests.servers import Reply, Server
from tests.shop import DEFINITION, body

CONSENTS = "/v1/sites/shop/consents"
TOKEN = "a-token-for-the-metrics-of-the-tests"

# Each stands for something of a person that must not be kept; none of them occurs anywhere else.
ADDRESS, ADDRESS_6 = "203.0.113.77", "2001:db8:77::c0de"
BROWSER = "Mozilla/5.0 (Canary-Agent-7391; X11; Linux x86_64) Firefox/140.0"
PAGE = "https://www.shop.example/canary-page-7391?order=7391"
EMAIL = "canary.visitor@canary-mail.example"
WORD = "canaryquery7391"
CANARIES = (ADDRESS, ADDRESS_6, "Canary-Agent-7391", "canary-page-7391", "canary.visitor", "canary-mail", WORD)
HEADERS = {
    "X-Forwarded-For": ADDRESS, "User-Agent": BROWSER, "Referer": PAGE, "From": EMAIL,
    "Cookie": f"session={WORD}", "Accept-Language": "nl",
}


@pytest.fixture(scope="module", params=servers.PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort behind one proxy with three workers and the shop."""
    url, door = servers.place(request, tmp_path_factory.mktemp("ops"))
    settings: dict[str, Any] = {
        "WEB_CONCURRENCY": 3, "POORT_PROXIES": 1, "POORT_METRICS_TOKEN": TOKEN, "POORT_LOG_LEVEL": "debug"}
    with Server(url, door=door, **settings) as running:
        running.publish(DEFINITION)
        yield running


def measured(server: Server) -> dict[str, float]:
    """Every sample of /metrics by its name with labels."""
    text = server.call("GET", "/metrics").body.decode()
    return {
        sample.name + "".join(f",{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_health_and_readiness(server: Server) -> None:
    assert server.call("GET", "/healthz").json() == {"status": "ok"}
    ready = server.call("GET", "/readyz").json()
    assert (ready["status"], ready["database"]) == ("ready", "ok")
    gpc = server.call("GET", "/.well-known/gpc.json").json()
    assert gpc["gpc"] is True


class TestMetrics:
    def test_they_add_up_over_all_workers(self, server: Server) -> None:
        before = measured(server)
        for _ in range(30):
            assert server.call("POST", CONSENTS, body()).status == 201
            server.call("GET", "/v1/sites/shop/gate/hotjar")
            server.call("GET", "/v1/sites/shop/gate?tracker=nobody")
        again = body()
        assert [server.call("POST", CONSENTS, again).status for _ in range(3)] == [201, 200, 200]
        assert server.call("POST", CONSENTS, {}).status == 422
        added = {name: value - before.get(name, 0) for name, value in measured(server).items()}
        assert added["poort_records_stored_total"] == 31
        assert added["poort_answers_total,consents,2xx"] == 33
        assert added["poort_answers_total,consents,4xx"] == 1
        assert added["poort_gate_decisions_total,no_choice"] == 30
        assert added["poort_gate_decisions_total,unknown_tracker"] == 30
        assert added["poort_consent_seconds_count"] == 34
        assert added["poort_queue_length"] == 0
        assert added["poort_answers_total,ops.show_metrics,2xx"] == 1

    def test_they_survive_a_worker(self, server: Server) -> None:
        server.call("POST", CONSENTS, body())
        before = measured(server)["poort_records_stored_total"]
        assert before > 0
        server.kill_workers()
        until = time.monotonic() + servers.PATIENCE
        while True:
            try:
                assert measured(server)["poort_records_stored_total"] == before
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)

    def test_a_label_is_a_name_from_the_code(self, server: Server) -> None:
        for path in (f"/{WORD}", f"/v1/sites/{WORD}/gate", f"/v1/sites/shop/gate/{WORD}", f"/me/{WORD}"):
            server.call("GET", path)
        text = server.call("GET", "/metrics").body.decode()
        assert WORD not in text
        labels = {tuple(sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples}
        assert labels == {(), ("le",), ("route", "status"), ("reason",), ("job",), ("state",)}
        reasons = set(re.findall(r'reason="(\w+)"', text))
        assert reasons == {*ALLOWED, *REFUSED}

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"X-Forwarded-For": ADDRESS}, 403),
            ({"X-Forwarded-For": "127.0.0.1"}, 403),
            ({"Forwarded": "for=127.0.0.1"}, 403),
            ({"X-Forwarded-For": ADDRESS, "Authorization": f"Bearer {TOKEN}"}, 200),
            ({"X-Forwarded-For": ADDRESS, "Authorization": "Bearer another-token-of-some-length"}, 403),
            ({"X-Forwarded-For": ADDRESS, "Authorization": "Basic bm9ib2R5Om5vYm9keQ=="}, 403),
        ],
    )
    def test_they_are_for_the_machine_and_for_the_token(
        self, server: Server, headers: dict[str, str], status: int
    ) -> None:
        assert server.call("GET", "/metrics", headers=headers).status == status


def test_nothing_of_a_visitor_is_kept_where_it_does_not_belong(server: Server) -> None:
    decision = body("accept_all")
    stored = server.call("POST", CONSENTS, decision, HEADERS)
    receipt = stored.json()["receipt"]
    replies = [stored, *_traffic(server, receipt)]
    _break_the_version(server)
    replies += _failures(server)
    text = server.log.read_text()
    assert '"A request failed"' in text
    for line in text.splitlines():
        assert {"event", "level", "logger", "time"} <= set(json.loads(line)), line
    shown = text + server.call("GET", "/metrics").body.decode()
    for secret in (*CANARIES, receipt, receipt.split(".")[1], decision["visitor"], decision["id"]):
        assert secret not in shown, secret
    held = _database(server)
    for canary in (*CANARIES, receipt.split(".")[1]):
        assert canary.encode() not in held, canary
    for reply in replies:
        if reply.status >= 400:
            assert not [canary for canary in CANARIES if canary.encode() in reply.body], reply


def _traffic(server: Server, receipt: str) -> list[Reply]:
    """What visitors and their mistakes send."""
    shown = {"type": "shown", "version": 1, "language": "nl"}
    own = {**HEADERS, "Poort-Receipt": receipt}
    return [
        server.call("POST", "/v1/sites/shop/events", shown, HEADERS),
        server.call("GET", f"/v1/sites/shop/gate?tracker=hotjar&x={WORD}", headers=own),
        server.call("GET", f"/v1/sites/shop/me?email={EMAIL}", headers=own),
        server.call("GET", f"/v1/sites/shop/gate/hotjar?{WORD}", headers={**HEADERS, "X-Forwarded-For": ADDRESS_6}),
        server.call("POST", CONSENTS, {**body(), "email": EMAIL}, HEADERS),
        server.call("POST", CONSENTS, body(page_group=PAGE), HEADERS),
        server.call("POST", CONSENTS, {**body(), "action": EMAIL}, HEADERS),
        server.call("POST", CONSENTS, f'{{"{WORD}": '.encode(), HEADERS),
        server.call("POST", CONSENTS, body(), {**HEADERS, "Origin": f"https://{WORD}.example"}),
        server.call("GET", f"/v1/sites/{WORD}/gate", headers=HEADERS),
        server.call("GET", f"/{WORD}?email={EMAIL}", headers=HEADERS),
        server.call("GET", f"/me/{WORD}?email={EMAIL}", headers=HEADERS),
        server.call("PUT", f"{CONSENTS}?{WORD}", b"x", HEADERS),
        server.call("GET", f"/v1/sites/shop/versions/{WORD}", headers=HEADERS),
        server.call("GET", f"/v1/sites/shop/me?{WORD}", headers={**HEADERS, "Poort-Receipt": WORD}),
        server.call("GET", f"/{WORD * 300}", headers=HEADERS),
        server.call("GET", "/healthz", headers={**HEADERS, "X-Long": WORD * 800}),
        *(_raw(server, line) for line in (f"GET /{WORD}", f"{WORD} / HTTP/1.1", f"GET /{WORD} HTTP/7.7")),
        _raw(server, f"GET / HTTP/1.1\r\nHost: x\r\n{WORD}"),
        _raw(server, f"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {WORD}\r\nX-Forwarded-For: {ADDRESS}"),
    ]


def _raw(server: Server, lines: str) -> Reply:
    """What no client library sends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(f"{lines}\r\n\r\n".encode())
        received = b""
        while b"}" not in received and (more := line.recv(4096)):
            received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return Reply(int(head.split()[1]), {}, rest)


def _break_the_version(server: Server) -> None:
    """Make every answer about the shop a fault of ours: its snapshot is no longer JSON."""
    statements = ("DROP TRIGGER version_no_update", "UPDATE version SET snapshot = '{'")
    if server.database_url.startswith("sqlite"):
        connection = pysqlite3.connect(server.database_url.removeprefix("sqlite:///"), isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(server.database_url, autocommit=True) as line:
            line.execute("DROP TRIGGER version_guard ON version")
            line.execute(statements[1].encode())
    server.kill_workers()


def _failures(server: Server) -> list[Reply]:
    """The same calls when they can not work."""
    until = time.monotonic() + servers.PATIENCE
    while True:
        try:
            server.call("GET", "/healthz")
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
    replies = [
        server.call("POST", CONSENTS, body(), HEADERS),
        server.call("GET", f"/v1/sites/shop/gate?tracker={WORD}", headers=HEADERS),
        server.call("GET", f"/v1/sites/shop/versions/1?{WORD}", headers=HEADERS),
        server.call("GET", f"/v1/sites/shop/declaration?{WORD}", headers={**HEADERS, "Accept": "application/json"}),
        server.call("GET", f"/banner/shop.js?{WORD}", headers=HEADERS),
    ]
    for reply in replies:
        assert (reply.status, reply.json()["error"]) == (500, "internal_server_error")
    return replies


def _database(server: Server) -> bytes:
    """Every byte that the database keeps of its rows."""
    if server.database_url.startswith("sqlite"):
        file = Path(server.database_url.removeprefix("sqlite:///"))
        return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    with psycopg.connect(server.database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [connection.execute(f'SELECT t::text FROM "{name}" t'.encode()).fetchall() for (name,) in tables]
    return json.dumps(rows).encode()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail to jan.de.vries+x@mail.shop.example now", "mail to [e-mail] now"),
        ("from 203.0.113.9 port 80", "from [address] port 80"),
        ("from 2001:db8::1 and ::ffff:203.0.113.9", "from [address] and [address]"),
        ("listening at 127.0.0.1:8000, pid 12", "listening at 127.0.0.1:8000, pid 12"),
        ("at 12:30:45 it was 2026-11-22T10:00:00Z", "at 12:30:45 it was 2026-11-22T10:00:00Z"),
        ("GET https://x.example/a?b=c HTTP", "GET https://x.example/a[query] HTTP"),
        ("GET /a/b?mail=1 HTTP", "GET [path] HTTP"),
        ("id 6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "id [id]"),
        ("eyJzIjoic2hvcCIsInIiOiI2.c2lnbmF0dXJlLW9mLXRva2Vu", "[token]"),
        ("UA Mozilla/5.0 (X11; Linux)", "UA [user agent]"),
        ("consent/hot.py:31 answer", "consent/hot.py:31 answer"),
    ],
)
def test_the_second_wall(text: str, clean: str) -> None:
    assert logs.redacted(text) == clean
