"""What the gate does to one request and its answer, for whichever protocol: consent/middleware.py brings them.

Whatever goes wrong in here keeps trackers out and leaves the page as it is.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from hashlib import blake2s
from typing import Final, TypeVar

from consent.csp import Policy
from consent.gate import UNREADABLE, has_gpc
from consent.links import host_of, target
from consent.noscript import Filter
from consent.sdk import Gate, Visitor

Headers = list[tuple[str, str]]
T = TypeVar("T")

HELD: Final = 4_194_304  # bytes of a page with a Content-Length that are held until its new length is known
MOST_EXPIRED: Final = 8  # cookies in one answer, each for some domains: what a proxy takes as headers is limited

_VARY: Final = ("Cookie", "Sec-GPC")
_HTML: Final = re.compile(r"(?i)\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)")
_WIDE: Final = re.compile(r"(?i);\s*charset\s*=\s*[\"']?(?:utf-?(?:16|32)|ucs-?[24])")
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')
_OURS: Final = re.compile(r'~poort\.([0-9a-f]{12})"$')
_COOKIE_NAME: Final = re.compile(r"[!#-+\--:<>-\[\]-~]{1,256}")  # what is printed, without ; , = " and backslash
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_OF_THE_OLD_BODY: Final = frozenset({"content-length", "content-md5", "digest", "content-digest", "repr-digest",
                                     "accept-ranges"})
_BODILESS: Final = frozenset({204, 205, 304})

_log = logging.getLogger("poort.sdk")


def safely(work: Callable[[], T], otherwise: T) -> T:
    """What `work` gives, or `otherwise`: a fault of ours never breaks a page. Logged without the request."""
    try:
        return work()
    except Exception as error:
        _log.error("The gate failed, and keeps trackers out: %s", type(error).__name__)
        return otherwise


class Page:
    """One request and its answer.

    `headers`: the request's, names in lower case; of several of one name the values joined by `, `. `policy`: what
    the page's Content-Security-Policy is made of; None sends none.
    """

    def __init__(self, gate: Gate, policy: Policy | None, method: str, path: str, headers: dict[str, str]) -> None:
        self._policy, self._head, self._path = policy, method == "HEAD", path
        self._sent = headers
        self._here = safely(lambda: host_of(headers.get("host", "")), "")
        gpc = has_gpc(headers.get("sec-gpc"))
        nobody = Visitor(None, [UNREADABLE], gpc, 0.0)
        self.visitor = safely(lambda: gate.for_cookies(headers.get("cookie"), gpc=gpc), nobody)
        self._saw = False  # an address of a tracker, in a noscript
        self._matched = False  # a tag of ours in the request
        self._filter = Filter(lambda address: safely(lambda: self._keeps(address), False))

    def _keeps(self, address: str) -> bool:
        host, path = target(address, self._here, self._path)
        if not host:
            return True
        self._saw = self._saw or self.visitor.is_tracker(host, path)
        return self.visitor.keeps(host, path, self._here)

    # -- the request --------------------------------------------------------------------------------------------------

    @property
    def is_asked_for(self) -> bool:
        """Whether the browser asks for a page, and not for an image or data."""
        return "text/html" in self._sent.get("accept", "")

    def asked(self) -> dict[str, str | None]:
        """The request's headers that the application gets otherwise than they were sent; None: not at all.

        It is asked for pages that are whole and not compressed, which can be looked into, and for changes since what
        itself has sent.
        """
        return safely(self._asked, {})

    def _asked(self) -> dict[str, str | None]:
        changed: dict[str, str | None] = {}
        if self.is_asked_for:
            changed |= {"accept-encoding": None, "if-range": None, "range": None}
        if "~poort." in self._sent.get("if-match", ""):
            changed["if-match"] = ", ".join(_OURS.sub('"', tag) for tag in _TAG.findall(self._sent["if-match"]))
        if "~poort." in self._sent.get("if-none-match", ""):
            changed |= self._since()
        return changed

    def _since(self) -> dict[str, str | None]:
        """Pages made for other choices are no longer what the browser may show."""
        known = [tag for tag in _TAG.findall(self._sent["if-none-match"]) if self._is_current(tag)]
        if not known:
            return {"if-none-match": None, "if-modified-since": None}
        self._matched = any(map(_OURS.search, known))
        return {"if-none-match": ", ".join(_OURS.sub('"', tag) for tag in known)}

    def _is_current(self, tag: str) -> bool:
        ours = _OURS.search(tag)
        return ours is None or ours[1] == self._mark()

    def _mark(self) -> str:
        """Stands for what this visitor allows: part of the page's ETag, for it is not the same page for all."""
        told = " ".join([str(self.visitor.number), *sorted(self.visitor.may_load)])
        return blake2s(told.encode(), digest_size=6).hexdigest()

    # -- the answer ---------------------------------------------------------------------------------------------------

    def is_searched(self, status: int, headers: Headers) -> bool:
        """Whether the answer's body is a page that can be looked into."""
        names = {name.lower(): value for name, value in headers}
        if self._head or status in _BODILESS or status == 206 or not _is_html(headers):
            return False
        plain = names.get("content-encoding", "identity").strip().lower() in ("", "identity")
        return plain and not _WIDE.search(names["content-type"])

    def holds(self, headers: Headers) -> bool:
        """Whether the page is held until it is complete: it is of a known size, and has to be of one again."""
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        return len(lengths) == 1 and lengths[0].isdecimal() and int(lengths[0]) <= HELD

    def feed(self, piece: bytes) -> bytes:
        """The next piece of the body; gives back what may be sent."""
        return self._filter.feed(piece)

    def close(self) -> bytes:
        """The body is over; gives back the rest of it."""
        return self._filter.close()

    def headers_of(self, status: int, headers: Headers, body: bytes | None = None, streamed: bool = False) -> Headers:
        """The answer's headers. `body`: all of a page that was held; `streamed`: a page whose body is still to come."""
        found = safely(lambda: self._headers_of(status, headers, body, streamed), None)
        return self._sized(headers, body, streamed) + self._closed() if found is None else found

    def _closed(self) -> Headers:
        """The policy by which no tracker may be asked."""
        return [("Content-Security-Policy", self._policy.text(None, (), lambda place: True))] if self._policy else []

    def _headers_of(self, status: int, headers: Headers, body: bytes | None, streamed: bool) -> Headers:
        page = _is_html(headers) and status != 304
        expired = self._expiries() if page else []
        varies = self._varies(page, streamed) or bool(expired)
        kept = self._sized(headers, body, varies and (streamed or (page and self._head)))
        if varies:
            kept = _tagged(_varied(kept), self._mark(), page or self._matched)
        if page and self._policy:
            kept.append(("Content-Security-Policy", self._csp(self._policy)))
        return kept + expired

    def _varies(self, page: bool, streamed: bool) -> bool:
        """Whether the answer depends on the visitor. One that is not all there yet may."""
        unseen = streamed or (page and self._head)
        return self.visitor.asked or self._saw or self._matched or (page and self._policy is not None) or unseen

    @staticmethod
    def _sized(headers: Headers, body: bytes | None, unknown: bool) -> Headers:
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        if body is not None and lengths != [str(len(body))]:
            return [*_without(headers, _OF_THE_OLD_BODY), ("Content-Length", str(len(body)))]
        return _without(headers, _OF_THE_OLD_BODY) if unknown else list(headers)

    def _csp(self, policy: Policy) -> str:
        nonce = self.visitor.__dict__.get("nonce")  # only if the page has asked for it
        return safely(lambda: self.visitor.csp(policy, nonce), None) or self.visitor.csp(policy)

    def _expiries(self) -> Headers:
        cookie = self._sent.get("cookie", "")
        lines: list[str] = safely(lambda: expiries(self.visitor, cookie, self._here), [])
        return [("Set-Cookie", line) for line in lines]


def kept(gate: Gate, cookie: str | None) -> Headers:
    """The headers of the answer that gives the receipt in this `Cookie` header the rest of its time (F5)."""
    line = safely(lambda: gate.keep(cookie), None)
    return [("Cache-Control", "no-store"), *([("Set-Cookie", line)] if line else [])]


def expiries(visitor: Visitor, cookie: str, host: str) -> list[str]:
    """`Set-Cookie` values that expire what refused trackers left in this `Cookie` header, HttpOnly or not (D8).

    For the host itself and for every domain above it, since a cookie does not tell which it was set for.
    """
    pairs = (part.partition("=")[0].strip() for part in re.split("[;,]", cookie))
    names = visitor.leftovers([name for name in pairs if _COOKIE_NAME.fullmatch(name)])
    # One that can not be expired, on a path of its own, must not stand before the others for ever.
    first = int(time.time()) % len(names) if len(names) > MOST_EXPIRED else 0
    chosen = (names[first:] + names[:first])[:MOST_EXPIRED]
    return [_expiry(name, domain) for name in chosen for domain in ("", *_domains(name, host))]


def _expiry(name: str, domain: str) -> str:
    whose = f"; Domain={domain}" if domain else ""
    secure = "; Secure" if name.lower().startswith(("__secure-", "__host-")) else ""
    return f"{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/{whose}{secure}"


def _domains(name: str, host: str) -> list[str]:
    labels = host.partition(":")[0].split(".")
    if name.lower().startswith("__host-") or labels[-1].isdecimal() or not all(map(_LABEL.fullmatch, labels)):
        return []
    return [".".join(labels[at:]) for at in range(len(labels) - 1)]


def _is_html(headers: Headers) -> bool:
    return any(name.lower() == "content-type" and _HTML.match(value) for name, value in headers)


def _without(headers: Headers, names: Iterable[str]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _varied(headers: Headers) -> Headers:
    """With our names in Vary, once each, behind those that are there."""
    there = [name.strip() for key, value in headers if key.lower() == "vary" for name in value.split(",")]
    if "*" in there:
        return headers
    missing = [name for name in _VARY if name.lower() not in map(str.lower, there)]
    return [*_without(headers, {"vary"}), ("Vary", ", ".join([*filter(None, there), *missing]))]


def _tagged(headers: Headers, mark: str, page: bool) -> Headers:
    """A page's ETag names the visitor's choices too, and no date stands for it: they change without the page."""
    if not page:
        return headers
    kept = _without(headers, {"last-modified"})
    return [(name, f'{value[:-1]}~poort.{mark}"' if _is_tag(name, value) else value) for name, value in kept]


def _is_tag(name: str, value: str) -> bool:
    return name.lower() == "etag" and _TAG.fullmatch(value) is not None


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; cookies are joined as cookies are."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}{'; ' if key == 'cookie' else ', '}{value}" if key in found else value
    return found
