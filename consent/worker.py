"""gunicorn's workers, but discreet and with an end to patience.

gunicorn's own answer to an unreadable request quotes the request, and its log lines hold the caller's address. Its
`asgi` worker waits for ever for the rest of a request's head, counts connections without a limit, and at its end keeps
waiting for connections that nobody uses.
"""

import asyncio
import gc
import os
import signal
from typing import Any

from gunicorn import glogging
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.http import errors
from gunicorn.workers import gasgi
from gunicorn.workers.gthread import ThreadWorker

SWEEP = 0.5  # seconds between two looks at the open connections
LINGER = 2.0  # seconds that a worker at its end waits for one more request on a connection, to answer and close it

_STATUS = {
    "LimitRequestLine": (414, "The address is too long."),
    "LimitRequestHeaders": (431, "The headers are too large."),
    "ExpectationFailed": (417, "The expectation can not be met."),
    "UnsupportedTransferCoding": (501, "This transfer coding is not supported."),
}
_REASONS = {
    400: "Bad Request", 408: "Request Timeout", 414: "URI Too Long", 417: "Expectation Failed", 426: "Upgrade Required",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable",
}
_SENTENCES = dict(_STATUS.values()) | {
    400: "This is not a request that can be read.",
    408: "The request did not arrive in time; send it again.",
    426: "This way of talking is not supported.",
    500: "The request can not be answered.",
    503: "Too many connections are open; try again in a moment.",
}


def collect_less() -> None:
    """The application is loaded: its objects stay, so the collector of cycles need not look at them again and again.

    Nearly everything else is gone with its last reference; to look for cycles every 700 objects cost a fifth of an
    answer of the gate.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class Log(glogging.Logger):  # type: ignore[misc]  # gunicorn has no annotations
    """gunicorn's log without its access log: where logging is configured by a dict it makes each line and drops it."""

    access_log_enabled = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Called by the workers; consent/access.py keeps ours."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """The threaded worker: answers what never reached the application in the contract's shape, and names nobody."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Called by gunicorn when a request can not be parsed or the application failed."""
        theirs = isinstance(exc, errors.ParseException) and not isinstance(
            exc, errors.InvalidResponseHeader | errors.InvalidResponseHeaderName)
        if not theirs:
            self.log.error("A request failed", exc_info=exc)
        status = _STATUS.get(type(exc).__name__, (400 if theirs else 500, ""))[0]
        try:
            client.sendall(refusal(status))
        except OSError:
            return  # the caller is gone


def refusal(status: int) -> bytes:
    """A whole response to a request that no application sees; counted."""
    # Here, so that gunicorn's master, which loads this module, does not load the application.
    from consent import metrics
    from consent.answers import error

    metrics.answered("unreadable", status)
    later = [("Retry-After", "2")] if status == 503 else []
    answer = error(status, _REASONS[status].lower().replace(" ", "_"), _SENTENCES[status], None, *later)
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Connection: close", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body


def _request_seconds() -> float:
    from consent.config import load  # here, as above

    return float(load(os.environ).request_seconds)


class AsyncWorker(gasgi.ASGIWorker):  # type: ignore[misc]  # as above
    """What `-k asgi` means here (gunicorn.conf.py)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self.head_seconds = 0.0
        self._main: asyncio.Task[None] | None = None

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """gunicorn warns that `threads` does nothing; here the Flask application runs in them."""

    def init_process(self) -> None:
        """Called in the worker's process, before it serves."""
        gasgi.ASGIProtocol = Connection  # the worker has no setting for it
        self.head_seconds = _request_seconds()
        ASGIProtocol._check_h1c_protocol_available()  # else only our class learns that there is a parser in C
        super().init_process()

    def init_signals(self) -> None:
        """Called before the application is loaded. A loop that does not run hears nothing: TERM ends the process."""
        super().init_signals()
        self.loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def _serve(self) -> None:
        self.loop.add_signal_handler(signal.SIGTERM, self.handle_exit_signal)
        self._main = asyncio.current_task()
        sweeper = asyncio.create_task(self._sweep())
        try:
            await super()._serve()
        finally:
            sweeper.cancel()

    def handle_exit_signal(self) -> None:
        """TERM: stop listening now, and not at the next look of the main loop, which is up to a second away."""
        if self.alive and self._main is not None and self.servers:
            self._main.cancel()  # it waits between two looks, and takes this for the end of the wait
        super().handle_exit_signal()

    async def _shutdown(self) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.1)  # a connection taken in the moment before is counted in the loop's next turn
        await super()._shutdown()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            for connection in list(self.connections):
                connection.sweep(self.loop.time(), self.alive)


class Connection(ASGIProtocol):  # type: ignore[misc]  # as above
    """One connection: closed when a request's head takes too long, and when the worker ends and nobody uses it."""

    def __init__(self, worker: AsyncWorker) -> None:
        super().__init__(worker)
        self._head_since: float | None = None
        self._heard = 0.0
        self._since: float | None = None  # when it began to wait for the other side to read
        self._half = False  # the other side sends no more, and reads on
        self._promised = False  # the last answer did not say that the connection ends
        self._left = False

    def connection_made(self, transport: Any) -> None:
        """Called by the loop."""
        if self.worker.nr_conns >= self.worker.worker_connections:
            self._conn_lost_handled = self._closed = True  # it was never counted
            transport.write(refusal(503))
            transport.close()
            return
        self._head_since = self._heard = self.worker.loop.time()
        self.worker.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if not self._closed:
            self._heard = self.worker.loop.time()
            super().data_received(data)

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Part of a head starts the clock, a whole one stops it.

        Here, and not where data arrives: what arrives before the answer to the request before it is done is fed again
        once it is, and its clock starts then.
        """
        readable = bool(super()._feed_callback_parser(data))
        if self._request_ready.is_set():
            self._head_since = None
        elif self._head_since is None:
            self._head_since = self.worker.loop.time()
        return readable

    def pause_writing(self) -> None:
        """Called by the loop when the other side does not read."""
        self._since = self.worker.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Called by the loop when it reads again."""
        self._since = None
        super().resume_writing()

    def eof_received(self) -> bool:
        """Called by the loop when the other side has sent all that it will: a whole request is still answered."""
        body: Any = self._body_receiver
        self._half = bool(self._request_ready.is_set() and body and body._complete)
        return self._half

    def _is_websocket_upgrade(self, request: Any) -> bool:
        return False  # to offer another protocol is no more than an offer

    def sweep(self, now: float, alive: bool) -> None:
        """Called now and then."""
        if self._since is not None and now - self._since > self.worker.head_seconds:
            self.transport.abort()  # who does not read has no right to be waited for
            return
        if not self._awaiting_request:
            return
        if self._head_since is not None and now - self._head_since > self.worker.head_seconds:
            self._send_error_response(408, "")
            self._leave()
        elif self._half or (not alive and now - self._heard > LINGER):
            self._leave()  # half: the end came when the answer had promised another one

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        closes = self._half or bool(super()._will_close(request, response_requires_close))
        self._promised = not closes
        return closes

    def _close_transport(self) -> None:
        """gunicorn closes here between two requests when TERM came after an answer's head: the next would be lost."""
        body: Any = self._body_receiver
        if self.worker.alive or not self._promised or self._left or self._closed or not (body and body._complete):
            self._since = self._since or self.worker.loop.time()
            super()._close_transport()
            return
        self._promised = False
        rest = self._callback_parser.remaining()
        self._callback_parser.reset()
        self._current_request = None
        self._body_receiver: Any = None
        self._request_ready.clear()
        self._task = self.worker.loop.create_task(self._handle_connection())  # answers one more, and says that it ends
        if rest:
            self._feed_callback_parser(rest)

    def _leave(self) -> None:
        self._left = True
        self._close_transport()
        self._request_ready.set()  # wakes the task of this connection, which finds it closed

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        """gunicorn's `message` can quote the request. Who left is not answered, and not counted."""
        if not self._closed:
            self._safe_write(refusal(status))
