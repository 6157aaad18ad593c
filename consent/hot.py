"""The calls that visitors' browsers and sites' servers make on every page: script, config, consents, events, gate.

Plain values in, plain answers out: nothing here knows Flask, WSGI or ASGI. A door (consent/views/door.py) makes a Call
of a request and a response of an Answer.
"""

import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import brotli
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from consent import banners, counts, gate, metrics, records
from consent.addresses import is_local, network
from consent.config import Settings
from consent.gate import Decision
from consent.receipts import Keyring, read_all, tokens
from consent.records import Refused
from consent.versions import Publications, Published, Unavailable
from consent.writer import GroupCommit, Overloaded, Stored

PATIENCE = 10.0  # seconds that a caller waits for the disk
JSON = ("Content-Type", "application/json; charset=utf-8")
NO_STORE = ("Cache-Control", "no-store")
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")


@dataclass(slots=True)
class Call:
    """One request, in plain values. `body` reads the body, at most once; it is not called when the length refuses."""

    method: str
    path: str
    query: str = ""
    origin: str | None = None
    own_origin: str = ""
    receipt: str | None = None
    cookie: str | None = None
    gpc: str | None = None
    user_agent: str = ""
    address: str = ""
    if_none_match: str | None = None
    accept_encoding: str = ""
    content_type: str = ""
    length: int | None = None
    body: Callable[[], bytes] = bytes
    route: str = ""  # the name of the route that answered it, for the metrics


class Answer(NamedTuple):
    """A status, headers, and the bytes of the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Begun(NamedTuple):
    """A decision that waits for its commit."""

    row: dict[str, Any]
    said_gpc: bool
    version: Published
    stored: "Future[Stored | None]"


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


def _dumps(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def reply(status: int, data: Any, *headers: tuple[str, str]) -> Answer:
    """JSON that is not to be kept by anybody."""
    return Answer(status, [JSON, NO_STORE, *headers], _dumps(data))


def error(
    status: int, code: str, message: str, faults: dict[str, str] | None = None, *headers: tuple[str, str]
) -> Answer:
    """The one shape of every error."""
    data: dict[str, Any] = {"error": code, "message": message}
    if faults:
        data["fields"] = faults
    return reply(status, data, *headers)


class Route(NamedTuple):
    """One of the calls: where it is, and the method of Hot that answers it."""

    method: str
    template: str
    name: str
    pattern: re.Pattern[str]


def _route(method: str, template: str, name: str) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template.replace(".", r"\."))
    return Route(method, template, name, re.compile(pattern))


# In the order of how often they are asked for.
ROUTES = (
    _route("GET", "/banner/{site}.js", "script"),
    _route("GET", "/v1/sites/{site}/gate", "ask_gate"),
    _route("GET", "/v1/sites/{site}/gate/{tracker}", "gate_check"),
    _route("POST", "/v1/sites/{site}/events", "events"),
    _route("POST", "/v1/sites/{site}/consents", "consents"),
    _route("GET", "/v1/sites/{site}/config", "config"),
    _route("GET", "/banner/v1/poort.js", "pinned_script"),
)


class Hot:
    """What one process needs to answer the hot calls."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.publications = Publications(engine)
        self.keyring = Keyring(settings.secret_keys)
        self._public_url = settings.public_url
        self.writer = GroupCommit(engine, records.Record.__table__, settings.queue)
        self._limit = RateLimitItemPerMinute(settings.record_limit)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._assets: dict[tuple[str, ...], Asset] = {}
        self._answers = {route.name: getattr(self, route.name) for route in ROUTES}

    def answer(self, call: Call) -> Answer | None:
        """The answer to one of the ROUTES; None when the call is none of them."""
        if not call.path.startswith(("/v1/", "/banner/")):
            return None
        allowed: list[str] = []
        for route in ROUTES:
            match = route.pattern.fullmatch(call.path)
            if match is None:
                continue
            if call.method in (route.method, "HEAD" if route.method == "GET" else ""):
                call.route = route.name
                return self._guarded(route.name, call, match.groupdict())
            allowed.append(route.method)
        if not allowed:
            return None
        call.route = "refused"
        return self.preflight(call, allowed) if call.method == "OPTIONS" else _not_allowed(allowed)

    def _guarded(self, name: str, call: Call, where: dict[str, str]) -> Answer:
        cors: list[tuple[str, str]] = []
        try:
            if "site" in where and name not in ("script", "gate_check"):
                cors = self.cors(where["site"], call)
            found: Answer = self._answers[name](call, **where)
        except Refused as refused:
            later = [("Retry-After", "60")] if refused.status == 429 else []
            found = error(refused.status, refused.code, refused.message, refused.faults, *later)
        except Overloaded:
            found = _busy("Too much is waiting to be stored. Nothing was stored; send it again in a moment.")
        except (Unavailable, SQLAlchemyError, FutureTimeout, OSError):
            found = _busy("The database can not be reached. Nothing was promised; send it again in a moment.")
        return Answer(found.status, found.headers + cors, found.body)

    # -- who may ask ----------------------------------------------------------------------------------------------

    def published(self, site: str) -> Published:
        """The site's current version; raises Refused when there is none."""
        found = self.publications.current(site)
        if found is None:
            raise Refused(404, "unknown_site", "There is no published site with this key.")
        return found

    def cors(self, site: str, call: Call) -> list[tuple[str, str]]:
        """The headers that let the site's own origins read the answer, without credentials."""
        vary = ("Vary", "Origin")
        if call.origin is None or not self.is_own(site, call):
            return [vary]
        expose = ("Access-Control-Expose-Headers", "Poort-Reason, Retry-After")
        return [vary, ("Access-Control-Allow-Origin", call.origin), expose]

    def is_own(self, site: str, call: Call) -> bool:
        """Whether the call comes from one of the site's origins, from Poort itself, or from no page at all."""
        if call.origin is None or call.origin == self._public_url or self._is_here(call):
            return True
        try:
            found = self.publications.current(site)
        except Unavailable:
            return False
        return found is not None and call.origin in found.definition["origins"]

    def _is_here(self, call: Call) -> bool:
        # Any name can be made to lead to this server, so what the Host header says counts for the machine itself alone.
        host = call.own_origin.partition("://")[2].rpartition(":")[0] or call.own_origin.partition("://")[2]
        return call.origin == call.own_origin and host in ("localhost", "127.0.0.1", "[::1]")

    def preflight(self, call: Call, methods: list[str]) -> Answer:
        """The answer to a browser that asks whether it may call."""
        parts = call.path.split("/")
        cors = self.cors(parts[3], call) if len(parts) > 3 else [("Vary", "Origin")]
        if len(cors) == 1:
            return Answer(403, cors, b"")
        may = [
            ("Access-Control-Allow-Methods", ", ".join(sorted(set(methods)))),
            ("Access-Control-Allow-Headers", "Content-Type, Poort-Receipt"),
            ("Access-Control-Max-Age", "86400"),
        ]
        return Answer(204, cors + may, b"")

    # -- script and config ----------------------------------------------------------------------------------------

    def script(self, call: Call, site: str) -> Answer:
        """`GET /banner/{site}.js`: the banner with the current version baked in."""
        found = self.published(site)
        key = ("script", site, found.digest, str(found.number))
        made = self._asset(key, lambda: banners.script_for(found), _SCRIPT)
        return _send(call, made, "public, max-age=300, stale-while-revalidate=3600", ANY_ORIGIN)

    def pinned_script(self, call: Call) -> Answer:
        """`GET /banner/v1/poort.js`: the same for every site, for use with SRI."""
        made = self._asset(("script",), banners.script_without_site, _SCRIPT)
        return _send(call, made, "public, max-age=31536000, immutable", ANY_ORIGIN)

    def config(self, call: Call, site: str) -> Answer:
        """`GET /v1/sites/{site}/config?lang=nl`: what the script needs, in one language."""
        found = self.published(site)
        asked = parse_qs(call.query).get("lang", [""])[-1][:2].lower()
        language = asked if asked in found.definition["languages"] else found.definition["default_language"]
        key = ("config", site, found.digest, str(found.number), language)
        made = self._asset(key, lambda: _dumps(banners.config(found, language)), JSON[1])
        return _send(call, made, "public, max-age=60, stale-if-error=86400")

    def _asset(self, key: tuple[str, ...], make: Callable[[], bytes], content_type: str) -> Asset:
        made = self._assets.get(key)
        if made is None:
            # A publication takes the place of the one before it: the cache is as large as the number of sites.
            made = asset(make(), content_type)
            for old in [other for other in list(self._assets) if other[:2] == key[:2] and other[2:4] != key[2:4]]:
                self._assets.pop(old, None)
            self._assets[key] = made
        return made

    # -- consents and events --------------------------------------------------------------------------------------

    def consents(self, call: Call, site: str) -> Answer:
        """`POST /v1/sites/{site}/consents`: 201 once the row is durable, never before."""
        begun = self.begin_consent(call, site)
        return self.end_consent(begun, begun.stored.result(PATIENCE))

    def begin_consent(self, call: Call, site: str) -> "Begun":
        """Check the decision and queue its row; a door that can wait without a thread calls `end_consent` itself."""
        body = self._accept(call, site)
        data = records.parse_consent(body)
        version = records.check_shown(data, self.publications.get(site, data["version"]))
        records.check_decision(data, version)
        gpc = data["gpc"] or gate.has_gpc(call.gpc)  # I2: either is on
        row = records.row_of(site, {**data, "gpc": gpc}, call.user_agent, datetime.now(UTC))
        return Begun(row, data["gpc"], version, records.record(self.writer, row))

    def end_consent(self, begun: "Begun", stored: Stored | None) -> Answer:
        """Answer from what is stored, so that a retry gets the same record and the same receipt."""
        if stored is None:  # only a job without a row has no answer
            raise Unavailable("nothing was stored")
        records.check_same(begun.row, begun.said_gpc, stored)
        token = self.keyring.issue(records.receipt_of(stored.row, begun.version))
        return reply(201 if stored.created else 200, {"record": records.as_json(stored.row), "receipt": token})

    def events(self, call: Call, site: str) -> Answer:
        """`POST /v1/sites/{site}/events`: a banner was shown. Counted, tied to nobody."""
        self.begin_event(call, site).result(PATIENCE)
        return Answer(204, [NO_STORE], b"")

    def begin_event(self, call: Call, site: str) -> "Future[Stored | None]":
        """Check the event and queue its count."""
        body = self._accept(call, site)
        data = records.parse_event(body)
        records.check_shown(data, self.publications.get(site, data["version"]))
        bot = records.agent(call.user_agent[:512])["bot"]
        return self.writer.submit(None, counts.of_shown(site, datetime.now(UTC), bot))

    def _accept(self, call: Call, site: str) -> bytes:
        """The body of a POST by somebody who may; raises Refused."""
        self.published(site)
        if not self.is_own(site, call):
            raise Refused(403, "foreign_origin", "This site's decisions are taken from its own pages only.")
        self._within_limit(call, site)
        media_type = call.content_type.split(";")[0].strip().lower()
        if media_type not in ("application/json", "text/plain"):
            raise Refused(415, "media_type", "Send the body as application/json or text/plain.")
        if call.length is None:  # a chunked body would be cut off silently at the limit (threat 12)
            raise Refused(411, "length_required", "Send a Content-Length.")
        if call.length > records.LARGEST:
            raise Refused(413, "too_large", f"The body may have {records.LARGEST} bytes at most.")
        body = call.body()
        if len(body) != call.length:
            raise Refused(400, "cut_off", "The body is shorter than its Content-Length says.")
        return body

    def _within_limit(self, call: Call, site: str) -> None:
        # A caller on the machine itself is a proxy that does not tell for whom it asks, or a test: one bucket for
        # all visitors would lose their decisions.
        caller = network(call.address)
        if caller is None or is_local(call.address):
            return
        if not self._limiter.hit(self._limit, site, str(caller)):
            raise Refused(429, "too_many", "Too many from this address; try again in a minute.")

    # -- gate -----------------------------------------------------------------------------------------------------

    def ask_gate(self, call: Call, site: str) -> Answer:
        """`GET /v1/sites/{site}/gate[?tracker=ID]`: one tracker, or all of them and the categories."""
        asked = parse_qs(call.query, keep_blank_values=True).get("tracker") if call.query else None
        version, shown, gpc, now = self._presented(call, site)
        if asked:
            return reply(200, _one(version.gate, shown, asked[-1], now, gpc))
        return reply(200, _all(version.gate, shown, now, gpc))

    def gate_check(self, call: Call, site: str, tracker: str) -> Answer:
        """`GET /v1/sites/{site}/gate/{tracker}`: 204 or 403 with the reason in a header; whatever fails is a 403."""
        try:
            version, shown, gpc, now = self._presented(call, site)
            found = gate.strictest(gate.decide(receipt, version.gate, tracker, now, gpc) for receipt in shown)
        except (Refused, Unavailable):
            found = Decision(False, "unknown_tracker")
        metrics.decided(found.reason)
        return Answer(204 if found.allow else 403, [("Poort-Reason", found.reason), NO_STORE], b"")

    def _presented(self, call: Call, site: str) -> tuple[Published, list[gate.Presented], bool, float]:
        receipts = read_all(self.keyring, tokens(call.receipt, call.cookie))
        newest = max((receipt.version for receipt in receipts if receipt and receipt.site == site), default=0)
        version = self.publications.at_least(site, newest)
        if version is None:
            raise Refused(404, "unknown_site", "There is no published site with this key.")
        return version, gate.presented(receipts), gate.has_gpc(call.gpc), time.time()


_SCRIPT = "text/javascript; charset=utf-8"


def _decided(decision: Decision, category: str | None) -> dict[str, Any]:
    return {"allow": decision.allow, "reason": decision.reason, "category": category}


def _one(version: gate.Version, shown: list[gate.Presented], tracker: str, now: float, gpc: bool) -> dict[str, Any]:
    found = gate.strictest(gate.decide(receipt, version, tracker, now, gpc) for receipt in shown)
    known = version.trackers.get(tracker)
    metrics.decided(found.reason)
    # An unknown name is the caller's own text: it goes back, but never longer than a name can be.
    return {"tracker": tracker[:64], **_decided(found, known.category if known else None), "version": version.number}


def _all(version: gate.Version, shown: list[gate.Presented], now: float, gpc: bool) -> dict[str, Any]:
    trackers = {
        name: _decided(gate.strictest(gate.decide(r, version, name, now, gpc) for r in shown), tracker.category)
        for name, tracker in version.trackers.items()
    }
    categories = {
        name: _decided(gate.strictest(gate.decide_category(r, version, name, now, gpc) for r in shown), name)
        for name in gate.CATEGORIES
    }
    return {"version": version.number, "trackers": trackers, "categories": categories}


def _not_allowed(methods: list[str]) -> Answer:
    allow = ", ".join(sorted({*methods, "OPTIONS"}))
    return error(405, "method_not_allowed", f"Use {allow}.", None, ("Allow", allow))


def _busy(message: str) -> Answer:
    return error(503, "unavailable", message, None, ("Retry-After", "2"))


def _send(call: Call, made: Asset, cache: str, *headers: tuple[str, str]) -> Answer:
    shared = [("ETag", made.etag), ("Cache-Control", cache), ("Vary", "Accept-Encoding"), *headers]
    if call.if_none_match and made.etag in call.if_none_match.replace("W/", ""):
        return Answer(304, shared, b"")
    body, coding = made.plain, ""
    accepted = call.accept_encoding.lower()
    if "br" in accepted and "br;q=0" not in accepted.replace(" ", ""):
        body, coding = made.brotli, "br"
    elif "gzip" in accepted and "gzip;q=0" not in accepted.replace(" ", ""):
        body, coding = made.gzip, "gzip"
    coded = [("Content-Encoding", coding)] if coding else []
    kind = [("Content-Type", made.content_type), ("X-Content-Type-Options", "nosniff")]
    return Answer(200, [*kind, *shared, *coded], body)
