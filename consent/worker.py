"""gunicorn's threaded worker, but discreet.

gunicorn's own answer to an unreadable request quotes the request, and its log line holds the caller's address.
"""

from typing import Any

from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

_STATUS = {
    "LimitRequestLine": (414, "The address is too long."),
    "LimitRequestHeaders": (431, "The headers are too large."),
    "ExpectationFailed": (417, "The expectation can not be met."),
    "UnsupportedTransferCoding": (501, "This transfer coding is not supported."),
}
_REASONS = {
    400: "Bad Request", 414: "URI Too Long", 417: "Expectation Failed", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented",
}


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """Answers what never reached the application in the contract's shape, and names nobody."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Called by gunicorn when a request can not be parsed or the application failed."""
        status, message = 400, "This is not a request that can be read."
        theirs = isinstance(exc, errors.ParseException) and not isinstance(
            exc, errors.InvalidResponseHeader | errors.InvalidResponseHeaderName)
        if not theirs:
            status, message = 500, "The request can not be answered."
            self.log.error("A request failed", exc_info=exc)
        status, message = _STATUS.get(type(exc).__name__, (status, message))
        # Here, so that gunicorn's master, which loads this class, does not load the application.
        from consent import metrics

        metrics.answered("unreadable", status)
        try:
            client.sendall(_raw(status, message))
        except OSError:
            return  # the caller is gone


def _raw(status: int, message: str) -> bytes:
    from consent.hot import error

    answer = error(status, _REASONS[status].lower().replace(" ", "_"), message)
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Connection: close", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body
