"""A real HTTP server on loopback that takes webhooks, as an owner's own system does."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from tests.servers import free_port


class Taken(NamedTuple):
    """One request that came in; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Taken], int]


def fine(_: Taken) -> int:
    return 200


class Receiver:
    """Takes what is posted, from `with` until its end. `answer` gives the status; `location` goes along."""

    def __init__(self, answer: Answer = fine, context: ssl.SSLContext | None = None, location: str = "") -> None:
        self.port = free_port()
        self.answer, self.location = answer, location
        self.taken: list[Taken] = []
        self.arrived = threading.Semaphore(0)
        self._context = context
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._context else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}/poort?from=shop"

    def __enter__(self) -> "Receiver":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        if self._context:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def events(self) -> list[Any]:
        """What was told, in the order of arrival."""
        return [taken.event for taken in self.taken]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken = Taken(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            receiver.taken.append(taken)
            receiver.arrived.release()
            status = receiver.answer(taken)
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
