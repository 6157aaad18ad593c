"""The WSGI door of the hot calls: a request becomes a Call, an Answer a response. Flask gets everything else.

It stands before Flask because Flask's own request, sign-in and session cost more than the whole answer does.
"""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from consent.answers import PATIENCE, Answer, Call, Later, error
from consent.hot import Hot
from consent.records import LARGEST

StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Seen = Callable[[Call, int, float], None]

log = logging.getLogger("poort.door")

_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def call_of(environ: dict[str, Any], proxies: int = 0) -> Call:
    """The plain values of a WSGI request."""
    return Call(
        environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""),
        partial(_header, environ), environ.get("REMOTE_ADDR", ""), environ["wsgi.url_scheme"], proxies,
        partial(_body, environ),
    )


def _header(environ: dict[str, Any], name: str) -> str | None:
    named = name.upper().replace("-", "_")
    found: str | None = environ.get(named if name in ("content-type", "content-length") else f"HTTP_{named}")
    return found


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(min(int(environ["CONTENT_LENGTH"]), LARGEST))
    return body


def waited(found: Answer | Later | None) -> Answer | None:
    """The answer, waited for in this thread."""
    while isinstance(found, Later):
        with suppress(Exception):  # what went wrong is told by `resume`
            found.future.result(PATIENCE)
        found = found.resume()
    return found


def failed(call: Call) -> Answer:
    """A fault of ours: answered in the contract's shape, and logged without the request."""
    log.exception("A request failed", extra={"route": call.route})
    return error(500, "internal_server_error", "The request can not be answered.")


class Door:
    """The WSGI application that asks `hot` first, and `rest` for what is not its."""

    def __init__(self, hot: Hot, rest: WsgiApp, seen: Seen, proxies: int = 0) -> None:
        self._hot = hot
        self._rest = rest
        self._seen = seen
        self._proxies = proxies

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        call = call_of(environ, self._proxies)
        try:
            answer = waited(self._hot.answer(call))
        except Exception:
            answer = failed(call)
        if answer is None:
            environ["poort.started"] = started
            return self._rest(environ, start_response)
        self._seen(call, answer.status, time.perf_counter() - started)
        return respond(answer, call.method, start_response)


def respond(answer: Answer, method: str, start_response: StartResponse) -> Iterable[bytes]:
    """Send the answer; a HEAD gets the headers of the GET."""
    headers = answer.headers
    if answer.status not in (204, 304):
        headers = [*headers, ("Content-Length", str(len(answer.body)))]
    start_response(_PHRASES[answer.status], headers)
    return [] if method == "HEAD" else [answer.body]
