"""The one way out for what a scan asks for: a proxy of ours on the machine itself (threat 11).

A page that somebody names may ask for anything, so nothing it asks for is connected to by the browser. Each connection
is looked up here, once; every address that the name has must be one of the internet's; that address is connected to,
on the ports of the web alone. A redirect, a part of a page and a web socket are connections like any other.

    with Egress(Guard()) as egress:
        ...  # use http://127.0.0.1:{egress.port} as the proxy
        egress.contacts  # who was asked for, and what became of it
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from consent.endpoints import is_public

PORTS: Final = (80, 443)
HEAD_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 40.0
PIECE: Final = 65_536
LONGEST_HEAD: Final = 65_536
TRIED: Final = 3  # addresses of a name: the first may be of IPv6, on a machine without it

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve = Callable[[str, int], Awaitable[list[str]]]
Connect = Callable[[str, int], Awaitable[Streams]]


class Refused(Exception):
    """A connection that is not made; the message is one word."""


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused("unknown") from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))


async def _connect(address: str, port: int) -> Streams:
    return await asyncio.open_connection(address, port, limit=LONGEST_HEAD)


@dataclass(frozen=True)
class Guard:
    """Whom may be connected to. `private`: addresses of this machine and of private networks, and any port, too.

    `resolve` and `connect` are the system's own but in tests, which bring an internet of theirs; the rules between the
    two are the same.
    """

    private: bool = False
    resolve: Resolve = _resolve
    connect: Connect = _connect

    async def open(self, host: str, port: int) -> Streams:
        """A connection to the host; raises Refused."""
        if not self.private and port not in PORTS:
            raise Refused("port")
        found = await self.resolve(host, port)
        if not found or not (self.private or all(map(is_public, found))):
            raise Refused("address")
        for address in found[:TRIED]:
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(self.connect(address, port), CONNECT_SECONDS)
        raise Refused("unreachable")


class Limits(NamedTuple):
    """What one scan may take: `bytes` that come in, connections in all and at once, seconds."""

    bytes: int = 250_000_000
    connections: int = 4_000
    at_once: int = 150
    seconds: float = 900.0


class Contact(NamedTuple):
    """A host that was asked for. `outcome`: open, or why not."""

    host: str
    port: int
    outcome: str


class Egress:
    """The proxy, from `with` until its end; `spent` says which limit was reached."""

    def __init__(self, guard: Guard, limits: Limits = Limits()) -> None:  # noqa: B008  # it can not be changed
        self.guard, self.limits = guard, limits
        self.port = 0
        self.contacts: list[Contact] = []
        self.taken = 0
        self.spent: str | None = None
        self._open = 0
        self._loop = asyncio.new_event_loop()
        self._until = time.monotonic() + limits.seconds
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Egress":
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="egress", daemon=True)
        self._thread.start()
        started.wait(HEAD_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LONGEST_HEAD))
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

    def refusal(self, host: str) -> str | None:
        """Why this host was not connected to the last time, if it was not."""
        last = next((contact.outcome for contact in reversed(self.contacts) if contact.host == host), "open")
        return None if last == "open" else last

    # -- a connection -------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
            await self._answer(head, reader, writer)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:  # the scan is over; this is the end of the task
            pass
        finally:
            self._open -= 1
            writer.close()  # after what is still on its way

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        tunnel = method == "CONNECT"
        host, port = _place(f"//{target}" if tunnel else target, 443 if tunnel else 80)
        try:
            theirs = await self._opened(host, port)
        except Refused as refused:
            self.contacts.append(Contact(host, port, str(refused)))
            if tunnel:  # otherwise it would be taken for the site's answer: there is none
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.contacts.append(Contact(host, port, "open"))
        try:
            await (self._tunnel(reader, writer, theirs) if tunnel else self._pass_on(head, reader, writer, theirs))
        finally:
            theirs[1].close()

    async def _opened(self, host: str, port: int) -> Streams:
        if len(self.contacts) >= self.limits.connections:
            self.spent = "connections"
        if time.monotonic() > self._until:
            self.spent = "seconds"
        if self.spent or self._open > self.limits.at_once:
            raise Refused("limit")
        return await self.guard.open(host, port)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: Streams) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        flows = (self._flow(reader, theirs[1]), self._flow(theirs[0], writer))
        ways = [asyncio.ensure_future(flow) for flow in flows]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: Streams
    ) -> None:
        """One question in the clear and its answer. The next one on this connection could be for another host."""
        theirs[1].write(_own(head, _origin_form(head)))
        if length := _length(head):
            await self._flow(reader, theirs[1], length)
        answer = await asyncio.wait_for(theirs[0].readuntil(b"\r\n\r\n"), IDLE_SECONDS)
        writer.write(_own(answer, answer.split(b"\r\n", 1)[0]))
        await self._flow(theirs[0], writer)

    async def _flow(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int | None = None) -> None:
        """Bytes from one to the other until it ends, or `most` of them."""
        while most is None or most > 0:
            piece = await asyncio.wait_for(source.read(min(PIECE, most or PIECE)), IDLE_SECONDS)
            self.taken += len(piece)
            if self.taken > self.limits.bytes:
                self.spent = "bytes"
            if not piece or self.spent:
                return
            most = None if most is None else most - len(piece)
            sink.write(piece)
            await sink.drain()


def _place(target: str, port: int) -> tuple[str, int]:
    parts = urlsplit(target)
    if parts.scheme not in ("", "http") or not parts.hostname:
        raise ValueError("not an address for a proxy")
    return parts.hostname, parts.port or port


def _origin_form(head: bytes) -> bytes:
    method, target, version = head.split(b"\r\n", 1)[0].split(b" ", 2)
    path = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    return b" ".join((method, path, version))


def _own(head: bytes, first: bytes) -> bytes:
    """The head with this first line, and with our word on when the connection ends."""
    lines = head.rstrip(b"\r\n").split(b"\r\n")[1:]
    dropped = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")
    kept = [line for line in lines if line.split(b":", 1)[0].strip().lower() not in dropped]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
