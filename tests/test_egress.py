"""Threat 11: what a scan asks for reaches public addresses alone, whatever its name, and no more than it may take."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from consent.egress import Egress, Guard, Limits
from consent.findings import scope_of
from consent.scanner import BadTarget, Outside, Scan, checked, fetch

PUBLIC = "93.184.216.34"


class Canary:
    """A server that only this machine can reach; `hits` counts who connected."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret") -> None:
        self.hits = 0
        self.heads: list[bytes] = []
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.hits += 1
                with connection:
                    connection.settimeout(5)
                    self.heads.append(connection.recv(65_536))
                    connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Nobody may get there."""
    found = Canary()
    yield found
    found.close()


def names(**table: list[list[str]]) -> Any:
    """A resolver with answers of its own, the next one each time a name is asked; addresses mean themselves."""
    left = {name: list(answers) for name, answers in table.items()}

    async def resolve(host: str, port: int) -> list[str]:
        answers = left.get(host.partition(".")[0])
        if answers is None:
            return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return resolve


def to(port: int) -> Any:
    """Connections to the public address arrive here; all others go where they say."""

    async def connect(address: str, wanted: int) -> Any:
        return await asyncio.open_connection(*(("127.0.0.1", port) if address == PUBLIC else (address, wanted)))

    return connect


def ask(proxy: int, question: bytes) -> bytes:
    """What the proxy answers to this; all of it, if it is no tunnel."""
    with socket.create_connection(("127.0.0.1", proxy), 5) as line:
        line.sendall(question)
        answer = line.recv(65_536)
        while not question.startswith(b"CONNECT") and (piece := line.recv(65_536)):
            answer += piece
        return answer


INSIDE = {
    "loopback": "127.0.0.1", "all of loopback": "127.8.8.8", "this host": "0.0.0.0", "10/8": "10.0.0.1",
    "172.16/12": "172.16.3.4", "192.168/16": "192.168.1.1", "link-local, where clouds keep secrets": "169.254.169.254",
    "carrier's own": "100.64.0.1", "broadcast": "255.255.255.255", "multicast": "224.0.0.1",
    "a decimal": "2130706433", "an octal": "0177.0.0.1", "a hexadecimal": "0x7f.1", "a short one": "127.1",
    "loopback of IPv6": "[::1]", "nothing of IPv6": "[::]", "unique local": "[fd00::1]",
    "link-local of IPv6": "[fe80::1]",
    "an IPv4 in IPv6": "[::ffff:127.0.0.1]", "an IPv4 in IPv6, in hexadecimal": "[::ffff:7f00:1]",
    "through NAT64": "[64:ff9b::7f00:1]", "through 6to4": "[2002:7f00:1::]", "a name for it": "localhost",
}


@pytest.mark.parametrize("host", INSIDE.values(), ids=INSIDE)
def test_nothing_inside_is_reached(canary: Canary, host: str) -> None:
    with Egress(Guard()) as egress:
        for port in (443, 80):
            assert ask(egress.port, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403")
        plain = f"GET http://{host}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        assert ask(egress.port, plain) == b""
        assert {contact.outcome for contact in egress.contacts} <= {"address", "unknown"}
    assert canary.hits == 0


def test_a_port_that_is_not_the_webs_is_refused_before_the_name_is_looked_up() -> None:
    with Egress(Guard(resolve=names(shop=[[]]))) as egress:
        for port in (22, 25, 3306, 5432, 6379, 8080):
            assert b"403" in ask(egress.port, f"CONNECT shop.example:{port} HTTP/1.1\r\n\r\n".encode())
        assert {contact.outcome for contact in egress.contacts} == {"port"}


def test_one_private_address_among_public_ones_is_enough_to_refuse(canary: Canary) -> None:
    both = names(mixed=[[PUBLIC, "127.0.0.1"]], nothing=[[]])
    with Egress(Guard(resolve=both, connect=to(canary.port))) as egress:
        for name in ("mixed", "nothing"):
            assert ask(egress.port, f"CONNECT {name}.example:80 HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403")
    assert canary.hits == 0


def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere(canary: Canary) -> None:
    """Each connection looks the name up once, and goes to the address that was checked."""
    connected: list[str] = []

    async def connect(address: str, port: int) -> Any:
        connected.append(address)
        return await asyncio.open_connection("127.0.0.1", canary.port)

    rebinding = names(rebind=[[PUBLIC], ["127.0.0.1"]])
    with Egress(Guard(resolve=rebinding, connect=connect)) as egress:
        assert b"200" in ask(egress.port, b"CONNECT rebind.example:443 HTTP/1.1\r\n\r\n")
        assert b"403" in ask(egress.port, b"CONNECT rebind.example:443 HTTP/1.1\r\n\r\n")
    assert connected == [PUBLIC]


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\n\r\n", b"GET file:///etc/passwd HTTP/1.1\r\n\r\n", b"GET ftp://shop.example/ HTTP/1.1\r\n\r\n",
    b"nonsense\r\n\r\n", b"CONNECT :443 HTTP/1.1\r\n\r\n", b"CONNECT shop.example:x HTTP/1.1\r\n\r\n",
])
def test_what_is_no_question_for_a_proxy_gets_no_answer(head: bytes) -> None:
    with Egress(Guard(resolve=names(shop=[[PUBLIC]]))) as egress:
        assert ask(egress.port, head) == b""
        assert egress.contacts == []


def test_a_question_in_the_clear_goes_on_as_the_site_expects_it_and_is_the_only_one() -> None:
    site = Canary(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")
    with Egress(Guard(resolve=names(shop=[[PUBLIC]]), connect=to(site.port))) as egress:
        head = b"POST http://shop.example/a?b=1 HTTP/1.1\r\nHost: shop.example\r\nProxy-Connection: keep-alive\r\n"
        answer = ask(egress.port, head + b"Content-Length: 2\r\n\r\nhi")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close" in answer
    assert b"keep-alive" not in answer
    assert site.heads[0].startswith(b"POST /a?b=1 HTTP/1.1\r\nHost: shop.example\r\n")
    assert b"Proxy-Connection" not in site.heads[0]
    site.close()


def test_bytes_connections_and_seconds_have_an_end() -> None:
    site = Canary(b"x" * 300_000)
    guard = Guard(resolve=names(shop=[[PUBLIC]]), connect=to(site.port))
    connect = b"CONNECT shop.example:443 HTTP/1.1\r\n\r\n"
    for limits, spent in (
        (Limits(bytes=100_000), "bytes"), (Limits(connections=1), "connections"), (Limits(seconds=0.0), "seconds")
    ):
        with Egress(guard, limits) as egress:
            with socket.create_connection(("127.0.0.1", egress.port), 5) as line:
                line.sendall(connect)
                line.recv(100)
                line.sendall(b"GET / HTTP/1.1\r\n\r\n")
                line.settimeout(5)
                received = 0
                with contextlib.suppress(OSError):
                    while piece := line.recv(65_536):
                        received += len(piece)
            assert received <= 200_000 or spent == "connections", spent
            assert b"403" in ask(egress.port, connect)
            assert egress.spent == spent
    site.close()


def test_an_intranet_may_be_looked_at_where_the_operator_says_so(canary: Canary) -> None:
    with Egress(Guard(private=True)) as egress:
        url = f"http://127.0.0.1:{canary.port}/"
        assert b"secret" in ask(egress.port, f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert canary.hits == 1


# Without a browser ---------------------------------------------------------------------------------------------------

REDIRECTS = {
    "to loopback": b"http://127.0.0.1:%d/", "to a name of it": b"http://localhost:%d/", "to a file": b"file:///etc/passwd",
    "to another scheme": b"gopher://127.0.0.1:%d/", "to itself for ever": b"http://shop.example/",
}


@pytest.mark.parametrize("where", REDIRECTS.values(), ids=REDIRECTS)
def test_a_redirect_is_looked_at_as_the_first_address_was(canary: Canary, where: bytes) -> None:
    there = where % canary.port if b"%d" in where else where
    site = Canary(b"HTTP/1.1 302 Found\r\nLocation: " + there + b"\r\nContent-Length: 0\r\n\r\n")
    guard = Guard(resolve=names(shop=[[PUBLIC]]), connect=to(site.port))
    status, error, html = fetch("http://shop.example/", Outside(guard))
    assert (status, html) == (None, "")
    assert error
    assert canary.hits == 0
    site.close()


@pytest.mark.parametrize("url", [
    "", "shop.example", "//shop.example/", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x",
    "https://", "https://user:secret@shop.example/", "https://shop.example/a b", "https://shop.example:x/",
    "https://shop.example/" + "a" * 500, "https://shop.example/\x00", "https://[::1/",
])
def test_what_is_no_page_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(BadTarget):
        checked(url)


def test_a_scan_of_a_page_counts_its_own_hosts_as_the_sites() -> None:
    scope = scope_of("https://www.shop.example/", (), {"key": "s", "origins": ["https://blog.winkel.example:8443"],
                                                       "cookie_domain": None}, "https://consent.poort.example")
    assert [host for host in ("shop.example", "cdn.shop.example", "blog.winkel.example", "x.example", "shop.example.nl")
            if scope.is_first(host)] == ["shop.example", "cdn.shop.example", "blog.winkel.example"]
    assert Scan("https://www.shop.example/", scope).pages == 5
