"""What a door brings in and takes out: a Call, an Answer, and what is answered later. Plain values.

Nothing here knows Flask, WSGI or ASGI.
"""

import gzip
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.request import parse_http_list

import brotli
import msgspec

PATIENCE = 10.0  # seconds that a caller waits for the disk

JSON_TYPE = "application/json; charset=utf-8"
JSON = ("Content-Type", JSON_TYPE)
NO_STORE = ("Cache-Control", "no-store")
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
RETRY_SOON = ("Retry-After", "2")


@dataclass(slots=True)
class Call:
    """One request. `header` looks a header up by its name in lower case: what nobody asks for is never decoded.

    `body` reads the body, at most once; it is not called when the length refuses. `peer` and `peer_scheme` are those of
    the connection; what `proxies` proxies of ours say of the visitor comes before them.
    """

    method: str
    path: str
    query: str
    header: Callable[[str], str | None]
    peer: str = ""
    peer_scheme: str = "http"
    proxies: int = 0
    body: Callable[[], bytes] = bytes
    route: str = ""  # the name of the route that answered it, for the metrics
    version: Any = None  # the site's current version as this call has seen it first, so that it never sees two

    @property
    def address(self) -> str:
        """The visitor's address."""
        return self._forwarded("x-forwarded-for") or self.peer

    @property
    def own_origin(self) -> str:
        """The origin under which the caller reached Poort."""
        return f"{self._forwarded('x-forwarded-proto') or self.peer_scheme}://{self.header('host') or ''}"

    def _forwarded(self, name: str) -> str | None:
        """What the outermost of our proxies wrote. Who is in front of it can write anything, to the left of that."""
        values = parse_http_list(self.header(name) or "") if self.proxies else []
        return values[-self.proxies].strip('" ') if values and len(values) >= self.proxies else None

    @property
    def length(self) -> int | None:
        """What Content-Length says; None without one that can be read."""
        text = self.header("content-length")
        return int(text) if text and len(text) < 20 and text.isascii() and text.isdecimal() else None


class Answer(NamedTuple):
    """A status, headers, and the bytes of the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Later(NamedTuple):
    """An answer that has to be waited for: once `future` is done, or patience is over, `resume` goes on."""

    future: "Future[Any]"
    resume: "Callable[[], Answer | Later]"


class Asset(NamedTuple):
    """Bytes that are the same for every caller, with their compressed forms and their tag."""

    content_type: str
    etag: str
    plain: bytes
    gzip: bytes
    brotli: bytes


def asset(content: bytes, content_type: str) -> Asset:
    """Compress once, as well as it goes."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content_type, etag, content, gzip.compress(content, 9, mtime=0), brotli.compress(content, quality=11))


def dumps(data: Any) -> bytes:
    """Compact JSON in UTF-8."""
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:  # half of a surrogate pair, which a caller can put into a name that goes back
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def reply(status: int, data: Any, *headers: tuple[str, str]) -> Answer:
    """JSON that is not to be kept by anybody."""
    return Answer(status, [JSON, NO_STORE, *headers], dumps(data))


def error(
    status: int, code: str, message: str, faults: dict[str, str] | None = None, *headers: tuple[str, str]
) -> Answer:
    """The one shape of every error."""
    data: dict[str, Any] = {"error": code, "message": message}
    if faults:
        data["fields"] = faults
    return reply(status, data, *headers)


def busy(message: str) -> Answer:
    """Not now; nothing was stored."""
    return error(503, "unavailable", message, None, RETRY_SOON)


def send(call: Call, made: Asset, cache: str, *headers: tuple[str, str]) -> Answer:
    """The asset in the form that the caller takes, or 304 when they have it."""
    shared = [("ETag", made.etag), ("Cache-Control", cache), ("Vary", "Accept-Encoding"), *headers]
    known = call.header("if-none-match")
    if known and made.etag in known.replace("W/", ""):
        return Answer(304, shared, b"")
    body, coding = made.plain, ""
    accepted = (call.header("accept-encoding") or "").lower()
    if "br" in accepted and "br;q=0" not in accepted.replace(" ", ""):
        body, coding = made.brotli, "br"
    elif "gzip" in accepted and "gzip;q=0" not in accepted.replace(" ", ""):
        body, coding = made.gzip, "gzip"
    coded = [("Content-Encoding", coding)] if coding else []
    kind = [("Content-Type", made.content_type), ("X-Content-Type-Options", "nosniff")]
    return Answer(200, [*kind, *shared, *coded], body)
