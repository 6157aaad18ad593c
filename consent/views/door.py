"""The WSGI door of the hot calls: a request becomes a Call, an Answer a response. Flask gets everything else.

It stands before Flask because Flask's own request, sign-in and session cost more than the whole answer does.
"""

import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from consent.hot import Answer, Call, Hot, error
from consent.records import LARGEST

StartResponse = Callable[..., Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

log = logging.getLogger("poort.door")

_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def call_of(environ: dict[str, Any]) -> Call:
    """The plain values of a WSGI request."""
    get = environ.get
    return Call(
        environ["REQUEST_METHOD"], get("PATH_INFO", ""), get("QUERY_STRING", ""), get("HTTP_ORIGIN"),
        f"{environ['wsgi.url_scheme']}://{get('HTTP_HOST', '')}", get("HTTP_POORT_RECEIPT"), get("HTTP_COOKIE"),
        get("HTTP_SEC_GPC"), get("HTTP_USER_AGENT", ""), get("REMOTE_ADDR", ""), get("HTTP_IF_NONE_MATCH"),
        get("HTTP_ACCEPT_ENCODING", ""), get("CONTENT_TYPE", ""), _length(get("CONTENT_LENGTH")),
        lambda: _body(environ),
    )


def _length(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(min(_length(environ.get("CONTENT_LENGTH")) or 0, LARGEST))
    return body


class Door:
    """The WSGI application that asks `hot` first, and `rest` for what is not its."""

    def __init__(self, hot: Hot, rest: WsgiApp, seen: Callable[[str, int, float], None]) -> None:
        self._hot = hot
        self._rest = rest
        self._seen = seen

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        call = call_of(environ)
        try:
            answer = self._hot.answer(call)
        except Exception:  # ours: answered in the contract's shape, and logged without the request
            log.exception("A request failed", extra={"route": call.route})
            answer = error(500, "internal_server_error", "The request can not be answered.")
        if answer is None:
            return self._rest(environ, start_response)
        self._seen(call.route, answer.status, time.perf_counter() - started)
        return respond(answer, call.method, start_response)


def respond(answer: Answer, method: str, start_response: StartResponse) -> Iterable[bytes]:
    """Send the answer; a HEAD gets the headers of the GET."""
    headers = answer.headers
    if answer.status not in (204, 304):
        headers = [*headers, ("Content-Length", str(len(answer.body)))]
    start_response(_PHRASES[answer.status], headers)
    return [] if method == "HEAD" else [answer.body]
