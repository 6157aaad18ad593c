"""The ASGI door of the hot calls: the same translation as consent/views/door.py, on an event loop.

A request that waits for the disk holds no thread. Everything else goes to the Flask application in threads (a2wsgi).
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote_from_bytes

from a2wsgi import WSGIMiddleware
from flask import Flask

from consent.answers import PATIENCE, Answer, Call, Later, error
from consent.config import Settings
from consent.hot import Hot
from consent.sizes import largest
from consent.views.door import Seen, failed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
Headers = dict[bytes, bytes]


def call_of(scope: Scope, proxies: int) -> Call:
    """The plain values of an ASGI request."""
    client = scope.get("client")
    return Call(
        scope["method"], scope["path"], scope["query_string"].decode("latin-1"),
        partial(_header, _joined(scope["headers"])), client[0] if client else "", scope["scheme"], proxies,
    )


def _joined(pairs: list[tuple[bytes, bytes]]) -> Headers:
    """The headers by name; those that are there twice joined by a comma, as WSGI servers do."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    found.clear()
    for name, value in pairs:
        found[name] = found[name] + b"," + value if name in found else value
    return found


def _header(headers: Headers, name: str) -> str | None:
    value = headers.get(_encoded(name))
    return None if value is None else value.decode("latin-1")


@lru_cache(maxsize=256)
def _encoded(name: str) -> bytes:
    return name.encode("latin-1")


@lru_cache(maxsize=1_024)
def _pair(header: tuple[str, str]) -> tuple[bytes, bytes]:
    return header[0].lower().encode("latin-1"), header[1].encode("latin-1")


class Arrivals:
    """Brings what threads have finished to the event loop, many at a time: to wake it up is a system call."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._done: list[asyncio.Future[None]] = []
        # Everybody has the same patience, so who came first is the first to lose it: one alarm is enough for all.
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def wait(self, future: "Future[Any]") -> None:
        """Until the future of a thread is done, or patience is over; `Later.resume` tells which."""
        waiting = self._loop.create_future()
        self._waiting.append((self._loop.time() + PATIENCE, waiting))
        if self._alarm is None:
            self._alarm = self._loop.call_later(PATIENCE, self._look)
        future.add_done_callback(partial(self._arrived, waiting))
        await waiting

    def _arrived(self, waiting: "asyncio.Future[None]", _: "Future[Any]") -> None:
        with self._lock:
            first = not self._done
            self._done.append(waiting)
        if first:  # else who put the first one there wakes the loop
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for waiting in done:
            _wake(waiting)
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()

    def _look(self) -> None:
        """Wake who has lost patience, and look again when the next may."""
        now, self._alarm = self._loop.time(), None
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= now):
            _wake(self._waiting.popleft()[1])
        if self._waiting:
            self._alarm = self._loop.call_at(self._waiting[0][0], self._look)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


class FastDoor:
    """The ASGI application that asks `hot` first, and `rest` for what is not its."""

    def __init__(self, hot: Hot, rest: AsgiApp, seen: Seen, proxies: int = 0, patience: float = 10.0) -> None:
        self._hot = hot
        self._rest = rest
        self._seen = seen
        self._proxies = proxies
        self._patience = patience  # seconds for a body to arrive
        self._arrivals: Arrivals | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope["type"], receive, send)
            return
        started = time.perf_counter()
        if not scope["path"].startswith("/"):
            scope = _origin_form(scope)
        call = call_of(scope, self._proxies)
        try:
            if call.method not in _WITHOUT_BODY:
                body = await self._body(call, receive)
                if body is None:
                    return  # the caller is gone
                call.body = partial(bytes, body)
            found = self._hot.answer(call)
            answer = await self._waited(found) if isinstance(found, Later) else found
        except TimeoutError:
            call.route = "too_slow"
            answer = error(408, "too_slow", "The body did not arrive in time; send it again.", None, _CLOSE)
        except Exception:
            answer = failed(call)
        if answer is None:
            await self._to_flask(scope, partial(_once, deque([call.body()]), receive), send)
            return
        self._seen(call, answer.status, time.perf_counter() - started)
        await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else answer.body})

    async def _other(self, kind: str, receive: Receive, send: Send) -> None:
        if kind == "lifespan":
            await self._live(receive, send)
        else:  # a web socket: refused
            await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        """The server starts and stops."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._running:  # what still runs in threads ends before the loop does, else it would wait for it for ever
            await asyncio.wait(self._running)
        await send({"type": "lifespan.shutdown.complete"})

    async def _body(self, call: Call, receive: Receive) -> bytes | None:
        """The whole body, if it is not too large; None when the caller left. Raises TimeoutError."""
        length = call.length or 0
        if not 0 < length <= largest(call.path):
            return b""
        async with asyncio.timeout(self._patience):
            return await _read(receive, length)

    async def _to_flask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Flask answer, to its end: cut off because the caller left, its thread would wait for ever."""
        task = asyncio.ensure_future(self._rest(_plain(scope), receive, send))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _waited(self, found: Answer | Later | None) -> Answer | None:
        while isinstance(found, Later):
            if self._arrivals is None:
                self._arrivals = Arrivals()
            await self._arrivals.wait(found.future)
            found = found.resume()
        return found


def door_for(app: Flask) -> FastDoor:
    """The ASGI application that answers the hot calls of this Flask application itself."""
    settings: Settings = app.extensions["poort.settings"]
    people = WSGIMiddleware(app.wsgi_app, workers=settings.threads)  # type: ignore[arg-type]  # its WSGI type is stricter
    seen = app.extensions["poort.seen"]
    return FastDoor(app.extensions["poort"], people, seen, settings.proxies, settings.request_seconds)


_CLOSE = ("Connection", "close")
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


async def _read(receive: Receive, length: int) -> bytes | None:
    """The body as far as its Content-Length says; None when the caller left."""
    body = b""
    while len(body) < length:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        if not message["more_body"]:
            break
    return body


async def _once(body: "deque[bytes]", receive: Receive) -> MutableMapping[str, Any]:
    """For Flask: the body that was read, whole. A slow body holds none of its threads."""
    if body:
        return {"type": "http.request", "body": body.popleft(), "more_body": False}
    return await receive()


def _origin_form(scope: Scope) -> Scope:
    """`GET http://host/path` asks for /path: a server has to take both (RFC 9112 3.2.2)."""
    return {**scope, "path": "/" + scope["path"].partition("://")[2].partition("/")[2]}


def _plain(scope: Scope) -> Scope:
    """WSGI knows no query outside ASCII: what else is there is escaped, as it should have come."""
    query = scope["query_string"]
    if query.isascii():
        return scope
    return {**scope, "query_string": quote_from_bytes(query, safe="%&=+;/?:@!$'()*,~").encode()}


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = [_pair(header) for header in answer.headers]
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers
