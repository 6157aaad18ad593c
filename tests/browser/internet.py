"""A small internet for the browser suite: every host resolves to this one TLS server.

Chromium is started with `--host-resolver-rules=MAP * 127.0.0.1:PORT`, so that whatever a page asks for, from whichever
host, arrives here and is written down. What was asked for, and when, is thus seen on the wire and not in the page.

It answers, in this order: what a test put there (`page`, `serve`), the consent host of any site (`consent.*.example`,
passed on to a real gunicorn of Poort, with faults on demand), a site's own server, and the trackers' addresses.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import trustme

from tests.browser import acts, trackers

CONSENT_HOST = re.compile(r"consent\.[a-z0-9.-]+\.example")
# The user agent of a test's browser ends in this: what a closing page of the test before still sends is not ours.
VISIT = re.compile(r"Visit/(\d+)")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Headers = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One request as it arrived: `path` with its query, `headers` with lower-case names, `at` in seconds."""

    at: float
    method: str
    host: str
    path: str
    headers: Headers
    body: bytes

    @property
    def referer(self) -> str:
        return self.headers.get("referer", "")

    @property
    def cookies(self) -> str:
        return self.headers.get("cookie", "")

    @property
    def visit(self) -> int | None:
        found = VISIT.search(self.headers.get("user-agent", ""))
        return int(found[1]) if found else None

    @property
    def tracker(self) -> str | None:
        return trackers.owner(self.host, self.path)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: list[tuple[str, str]]


@dataclass
class Fault:
    """What the consent host does wrong, for the paths that start with `path`."""

    kind: str
    path: str = "/"
    seconds: float = 0.0
    methods: tuple[str, ...] = ("GET", "POST", "DELETE", "OPTIONS")

    def concerns(self, request: Request) -> bool:
        return request.path.startswith(self.path) and request.method in self.methods


class ConnectionDropped(Exception):
    """The connection is to be closed without an answer."""


def text_answer(body: str, content_type: str, headers: Headers | None = None, status: int = 200) -> Answer:
    fields = {"Content-Type": content_type, "Cache-Control": "no-store", **(headers or {})}
    return Answer(status, body.encode(), list(fields.items()))


@dataclass
class Internet:
    """Use it as a context manager; `poort` is the port of the gunicorn behind `consent.*.example`."""

    poort: int | None = None
    servers: dict[str, int] = field(default_factory=dict)  # the port of the site's own server, by host
    visit: int = 0
    port: int = 0
    _served: dict[tuple[str, str], tuple[Answer, float]] = field(default_factory=dict)
    _log: list[Request] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _conversations: set[asyncio.Task[None] | None] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    # -- what a test puts there ---------------------------------------------------------------------------------------

    def page(self, url: str, html: str, headers: Headers | None = None) -> str:
        return self.serve(url, html, "text/html; charset=utf-8", headers)

    def serve(
        self,
        url: str,
        body: str,
        content_type: str,
        headers: Headers | None = None,
        status: int = 200,
        after: float = 0.0,
    ) -> str:
        """Answer this address (its query aside) with this, after so many seconds."""
        parts = urlsplit(url)
        self._served[parts.netloc, parts.path or "/"] = (text_answer(body, content_type, headers, status), after)
        return url

    def script(self, url: str, code: str, after: float = 0.0) -> str:
        return self.serve(url, code, "text/javascript", {"Access-Control-Allow-Origin": "*"}, after=after)

    @contextlib.contextmanager
    def fault(
        self, kind: str, path: str = "/", seconds: float = 0.0, methods: tuple[str, ...] = Fault.methods
    ) -> Iterator[None]:
        """Within the block: `down`, `slow` (with seconds), `500`, `lost` (done, but its answer never arrives),
        `truncated` (the second half is missing) or `wrong type` (as plain text, and nothing else)."""
        fault = Fault(kind, path, seconds, methods)
        self._faults.append(fault)
        try:
            yield
        finally:
            self._faults.remove(fault)

    def new_visit(self) -> int:
        """Forget the last test: its pages and its requests."""
        self.visit += 1
        self._served.clear()
        self.servers.clear()
        self._log.clear()
        return self.visit

    # -- what was asked for -------------------------------------------------------------------------------------------

    def requests(self, host: str | None = None, path: str | None = None, method: str | None = None) -> list[Request]:
        """This test's requests so far, oldest first; `path` is a beginning."""
        return [
            request
            for request in list(self._log)
            if request.visit == self.visit
            and host in (None, request.host)
            and request.path.startswith(path or "")
            and method in (None, request.method)
        ]

    def parting(self, path: str) -> list[Request]:
        """What the browser sends by itself, or for a page that is gone: in its own name then, and not in the test's."""
        return [request for request in list(self._log) if request.path.split("?")[0].endswith(path)]

    def trackers(self) -> set[str]:
        """The catalogue's ids of the trackers that were asked for."""
        return {request.tracker for request in self.requests() if request.tracker}

    def strangers(self, site: str) -> set[str]:
        """The hosts asked for outside the site's own domain."""
        hosts = {request.host for request in self.requests()}
        return {host for host in hosts if host != site and not host.endswith("." + site)}

    def forget(self) -> None:
        self._log.clear()

    # -- the server ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Internet:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="internet", daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread:
            self._thread.join(5)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=certificate(), backlog=256)
        )
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._hang_up(server))
        self._loop.close()

    async def _hang_up(self, server: asyncio.Server) -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The loop itself keeps no hold on a task that waits.
        task = asyncio.current_task()
        self._conversations.add(task)
        try:
            while True:
                request = await read_request(reader)
                self._log.append(request)
                writer.write(render(request, await self._answer(request)))
                await writer.drain()
        except (ConnectionDropped, ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError, ssl.SSLError):
            writer.transport.abort()
        finally:
            self._conversations.discard(task)

    async def _answer(self, request: Request) -> Answer:
        served = self._served.get((request.host, urlsplit(request.path).path))
        if served:
            answer, after = served
            await asyncio.sleep(after)
            return answer
        if CONSENT_HOST.fullmatch(request.host):
            return await self._consent_host(request)
        if request.host in self.servers:
            return await pass_on(request, self.servers[request.host])
        return foreign(request)

    async def _consent_host(self, request: Request) -> Answer:
        fault = next((fault for fault in self._faults if fault.concerns(request)), None)
        if fault and fault.kind == "down":
            raise ConnectionDropped
        if fault and fault.kind == "500":
            return text_answer(
                '{"error": "internal", "message": "Broken for the test."}', "application/json", status=500
            )
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault and fault.kind == "truncated":
            request.headers.pop("accept-encoding", None)  # half of a compressed script would be none at all
        answer = await pass_on(request, self.poort)
        if fault and fault.kind == "lost":
            raise ConnectionDropped
        return spoiled(answer, fault.kind) if fault else answer


def spoiled(answer: Answer, kind: str) -> Answer:
    """What arrives of an answer under the faults that let one arrive."""
    if kind == "truncated":
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
    if kind == "wrong type":
        kept = [(name, value) for name, value in answer.headers if name.lower() != "content-type"]
        typed = [*kept, ("Content-Type", "text/plain"), ("X-Content-Type-Options", "nosniff")]
        return Answer(answer.status, answer.body, typed)
    return answer


def certificate() -> ssl.SSLContext:
    """One certificate for all hosts: Chromium is told not to look at the names in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("internet.example", "*.example").configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


def foreign(request: Request) -> Answer:
    """A tracker's well-known address, or a host that the test has nothing on."""
    known = acts.answer(request.host, request.path)
    if known is None:
        return text_answer("Not here.", "text/plain", status=404)
    headers = {
        "Content-Type": known.content_type,
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
        # The tracker's own cookie at its own host, as the real ones set it where the browser lets them.
        "Set-Cookie": f"{known.third_party_cookie}=1; Path=/; Secure; SameSite=None",
    }
    return Answer(200, known.body, list(headers.items()))


async def read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ", 2)
    headers: Headers = {}
    for name, value in (item.split(":", 1) for item in fields):
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    host = headers.get("host", "").split(":")[0]
    return Request(time.monotonic(), method, host, target, headers, body)


def render(request: Request, answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Answer", *(f"{name}: {value}" for name, value in answer.headers)]
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(answer.body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (b"" if request.method == "HEAD" else answer.body)


async def pass_on(request: Request, port: int | None) -> Answer:
    """What a reverse proxy does: the same request, over plain HTTP, to the gunicorn behind it."""
    if port is None:
        raise ConnectionDropped
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = {**request.headers, "connection": "close", "x-forwarded-for": address(request)}
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + request.body)
        return parse_answer(await reader.read())
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def address(request: Request) -> str:
    """Each test comes from an address of its own, as visitors do: the limits per address stay as they are."""
    return f"192.0.2.{(request.visit or 0) % 250 + 1}"


def parse_answer(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, value in (item.split(":", 1) for item in fields)]
    if any(name.lower() == "transfer-encoding" and value == "chunked" for name, value in headers):
        body = unchunk(body)
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
    return Answer(int(line.split(" ")[1]), body, kept)


def unchunk(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2 :]
    return whole


def wait_until(fact: Callable[[], object], seconds: float = 5.0) -> bool:
    """True as soon as the fact holds; false when it still does not after that many seconds."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
