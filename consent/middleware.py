"""The gate around a whole Python site: WSGI, ASGI and Flask. Needs itsdangerous alone; Flask only in `init_app`.

application = GateMiddleware(application, gate)                 # WSGI; environ["poort"]
application = AsyncGateMiddleware(application, gate)            # ASGI; scope["poort"], request.state.poort
init_app(app, gate, Policy(base={"img-src": ["'self'"]}))       # Flask; {% if gate.allows("hotjar") %}

With keep="/poort/keep" that path answers with the receipt's cookie, for as long as it lasts (docs/durable.md).

What is set is a `consent.sdk.Visitor`. Whatever goes wrong in here keeps trackers out and serves the page.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from consent.csp import Policy
from consent.pages import HELD, Headers, Page, joined, kept
from consent.sdk import Gate, Visitor

if TYPE_CHECKING:
    from flask import Flask

StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# A server that sends a file by itself sends it unread.
_UNREAD: Final = ("http.response.pathsend", "http.response.zerocopysend")


# -- WSGI -------------------------------------------------------------------------------------------------------------


class GateMiddleware:
    """A WSGI application behind the gate. `policy`: what each page's Content-Security-Policy is made of, if any.

    `keep`: the path that sets the receipt's cookie anew, if any.
    """

    def __init__(self, app: WsgiApp, gate: Gate, policy: Policy | None = None, keep: str | None = None) -> None:
        self._app, self._gate, self._policy, self._keep = app, gate, policy, keep

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if self._keep is not None and environ.get("PATH_INFO") == self._keep:
            start_response("204 No Content", kept(self._gate, environ.get("HTTP_COOKIE")))
            return []
        page = Page(self._gate, self._policy, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), _sent(environ))
        environ["poort"] = page.visitor
        for name, value in page.asked().items():
            _put(environ, f"HTTP_{name.upper().replace('-', '_')}", value)
        answer = _Answer(page, start_response)
        return answer.with_body(self._app(environ, answer.start))


def _sent(environ: dict[str, Any]) -> dict[str, str]:
    """The request's headers."""
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    return {"host": environ.get("SERVER_NAME", ""), **headers}


def _put(environ: dict[str, Any], key: str, value: str | None) -> None:
    if value is None:
        environ.pop(key, None)
    else:
        environ[key] = value


class _Answer:
    """What the application answers, on its way to the server."""

    def __init__(self, page: Page, start_response: StartResponse) -> None:
        self._page, self._start_response = page, start_response
        self._mode = "unstarted"  # then plain, or waiting and perhaps streaming
        self._status, self._headers, self._also = "", Headers(), ()
        self._held: list[bytes] = []
        self._write: Callable[[bytes], Any] = bytes

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], Any]:
        """The application's start_response."""
        also: Any = (exc_info,) if exc_info else ()
        if self._mode == "streaming":  # too late: the server raises what went wrong
            return self._start_response(status, headers, *also)  # type: ignore[no-any-return]  # as WSGI has it
        self._status, self._headers, self._also = status, list(headers), also
        if self._page.is_searched(int(status[:3]), self._headers):
            self._mode = "waiting"
            return self._write_page
        self._begin("plain")
        return self._write

    def _begin(self, mode: str, body: bytes | None = None) -> None:
        self._mode = mode
        headers = self._page.headers_of(int(self._status[:3]), self._headers, body, streamed=mode == "streaming")
        self._write = self._start_response(self._status, headers, *self._also)

    def _write_page(self, data: bytes) -> None:
        """The old way of sending a body (PEP 3333)."""
        for piece in self._streamed(data):
            self._write(piece)

    def with_body(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The body; as it is where nothing is looked for, so that the server may still send a file by itself."""
        return body if self._mode == "plain" else _Body(self._pieces(body), body)

    def _pieces(self, body: Iterable[bytes]) -> Iterator[bytes]:
        for piece in body:
            if self._mode == "plain":
                yield piece
            elif self._holds(piece):
                self._held.append(piece)
            else:
                yield from self._streamed(piece)
        yield from self._rest()

    def _holds(self, piece: bytes) -> bool:
        return self._mode == "waiting" and self._page.holds(self._headers) and _size(self._held) + len(piece) <= HELD

    def _streamed(self, piece: bytes) -> Iterator[bytes]:
        if self._mode == "waiting":
            self._begin("streaming")
        if sent := self._page.feed(b"".join([*self._held, piece])):
            yield sent
        self._held.clear()

    def _rest(self) -> Iterator[bytes]:
        if self._mode == "waiting":
            whole = self._page.feed(b"".join(self._held)) + self._page.close()
            self._begin("plain", whole)
            yield whole
        elif self._mode == "streaming" and (rest := self._page.close()):
            yield rest


class _Body:
    """The pieces that are sent, and the end of those that they are made of (PEP 3333: `close`)."""

    def __init__(self, pieces: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._pieces, self._body = pieces, body

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """The server is done, or the caller is gone."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _size(held: list[bytes]) -> int:
    return sum(map(len, held))


# -- ASGI -------------------------------------------------------------------------------------------------------------


class AsyncGateMiddleware:
    """An ASGI application behind the gate. `policy`: what each page's Content-Security-Policy is made of, if any.

    `keep`: the path that sets the receipt's cookie anew, if any.
    """

    def __init__(self, app: AsgiApp, gate: Gate, policy: Policy | None = None, keep: str | None = None) -> None:
        self._app, self._gate, self._policy, self._keep = app, gate, policy, keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        if self._keep is not None and scope["type"] == "http" and scope["path"] == self._keep:
            return await _answer_kept(self._gate, scope, send)
        page = Page(self._gate, self._policy, scope.get("method", "GET"), scope["path"], joined(_texts(scope)))
        seen = {**scope, "poort": page.visitor, "state": {**scope.get("state", {}), "poort": page.visitor}}
        if scope["type"] == "websocket":
            return await self._app(seen, receive, send)
        return await self._app(_asked(seen, page), receive, _AsyncAnswer(page, send).send)


def _texts(message: MutableMapping[str, Any]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())]


def _bytes(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _answer_kept(gate: Gate, scope: Scope, send: Send) -> None:
    headers = kept(gate, joined(_texts(scope)).get("cookie"))
    await send({"type": "http.response.start", "status": 204, "headers": _bytes(headers)})
    await send({"type": "http.response.body"})


def _asked(scope: dict[str, Any], page: Page) -> dict[str, Any]:
    """The request as the application gets it."""
    changed = page.asked()
    kept = [(name, value) for name, value in _texts(scope) if name.lower() not in changed]
    added = [(name, value) for name, value in changed.items() if value is not None]
    extensions = scope.get("extensions") or {}
    if page.is_asked_for:
        extensions = {name: value for name, value in extensions.items() if name not in _UNREAD}
    return {**scope, "headers": _bytes(kept + added), "extensions": extensions}


class _AsyncAnswer:
    """What the application answers, on its way to the server."""

    def __init__(self, page: Page, send: Send) -> None:
        self._page, self._send = page, send
        self._begun: Message | None = None  # the beginning of a page, of which nothing was sent yet
        self._searched = False
        self._held: list[bytes] = []

    async def send(self, message: Message) -> None:
        """The application's send."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif message["type"] == "http.response.body" and self._searched:
            await self._body(message.get("body", b""), bool(message.get("more_body")))
        else:
            await self._begin()
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self._begun, self._searched = message, self._page.is_searched(message["status"], _texts(message))
        if not self._searched:
            await self._begin()

    async def _begin(self, body: bytes | None = None) -> None:
        if self._begun is None:
            return
        begun, self._begun = self._begun, None
        streamed = self._searched and body is None
        headers = self._page.headers_of(begun["status"], _texts(begun), body, streamed)
        await self._send({**begun, "headers": _bytes(headers)})

    async def _body(self, piece: bytes, more: bool) -> None:
        self._held.append(bytes(piece))
        if self._begun and more and self._page.holds(_texts(self._begun)) and _size(self._held) <= HELD:
            return
        sent = self._page.feed(b"".join(self._held))
        self._held.clear()
        if not more:
            sent += self._page.close()
        await self._begin(None if more else sent)
        if sent or not more:
            await self._send({"type": "http.response.body", "body": sent, "more_body": more})


# -- Flask ------------------------------------------------------------------------------------------------------------


def init_app(
    app: "Flask", gate: Gate, policy: Policy | None = None, name: str = "gate", keep: str | None = None
) -> None:
    """Put a Flask application behind the gate; its templates ask it by `name`: {% if gate.allows("hotjar") %}."""
    from flask import has_request_context, request

    def visitor() -> Visitor:
        if not has_request_context():  # an e-mail, a command: nobody visits
            return gate.for_cookies(None)
        found = request.environ.get("poort")
        # A test or another middleware may have gone round ours.
        return found if isinstance(found, Visitor) else gate.for_cookies(request.headers.get("Cookie"))

    app.wsgi_app = GateMiddleware(app.wsgi_app, gate, policy, keep)  # type: ignore[method-assign]  # Flask's own way
    app.context_processor(lambda: {name: visitor()})
