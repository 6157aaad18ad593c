"""The calls that visitors' browsers and sites' servers make on every page: script, config, consents, events, gate.

Plain values in, plain answers out: nothing here knows Flask, WSGI or ASGI. A door (consent/views/door.py for WSGI,
consent/views/fast_door.py for ASGI) makes a Call of a request and a response of an Answer.
"""

import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from consent import agents, banners, counts, gate, metrics, outbox, quality, records
from consent.addresses import is_local, network
from consent.answers import ANY_ORIGIN, JSON, NO_STORE, Answer, Asset, Call, Later, asset, busy, error, reply, send
from consent.config import Settings
from consent.gate import Decision
from consent.receipts import Keyring, read_all, tokens
from consent.records import Refused
from consent.versions import Publications, Published, Unasked, Unavailable
from consent.watch import Watch
from consent.writer import GroupCommit, Overloaded, Stored
from consent.zones import day_of


class Begun(NamedTuple):
    """A decision that waits for its commit."""

    row: dict[str, Any]
    said_gpc: bool
    version: Published
    stored: "Future[Stored | None]"
    seen: quality.Seen


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
    _route("GET", "/v1/sites/{site}/gate-headers", "gate_headers"),
    _route("POST", "/v1/sites/{site}/events", "events"),
    _route("POST", "/v1/sites/{site}/consents", "consents"),
    _route("GET", "/v1/sites/{site}/config", "config"),
    _route("GET", "/banner/v1/poort.js", "pinned_script"),
    _route("GET", "/banner/v1/declaration.js", "declaration_script"),
    _route("GET", "/banner/v1/durable.js", "durable_script"),
    _route("GET", "/banner/v1/{name}.js", "extra_script"),
)


Headers = list[tuple[str, str]]

_SCRIPT_CACHING = "public, max-age=300, stale-while-revalidate=3600"
_CONFIG_CACHING = "public, max-age=60, stale-if-error=86400"
_NOT_KEPT = frozenset({"ask_gate", "events", "consents"})  # no cache keeps the answer, so none has to know what varies

# What may be read by a site's own pages only; the script is for all, and nginx asks for `gate_check`.
_SHARED = frozenset({"ask_gate", "events", "consents", "config"})


# What Flask answers at the same path.
_FLASKS = frozenset({("POST", "ask_gate")})


class Hot:
    """What one process needs to answer the hot calls."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.publications = Publications(engine)
        self.keyring = Keyring(settings.secret_keys)
        self._public_url = settings.public_url
        self.writer = GroupCommit(engine, records.Record.__table__, settings.queue)
        self.watch = Watch(self.writer, settings.flood)
        self._sampler = quality.Sampler(settings.shown_rate)
        self._limit = RateLimitItemPerMinute(settings.record_limit)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._pinned: Asset | None = None
        self._extra: Asset | None = None
        self._small: dict[str, Asset] = {}
        self._answers = {route.name: getattr(self, route.name) for route in ROUTES}

    def answer(self, call: Call) -> Answer | Later | None:
        """The answer to one of the ROUTES, perhaps later; None when the call is none of them."""
        if not call.path.startswith(("/v1/", "/banner/")):
            return None
        allowed: list[str] = []
        for route in ROUTES:
            match = route.pattern.fullmatch(call.path)
            if match is None:
                continue
            if (call.method, route.name) in _FLASKS:
                return None
            if call.method == route.method or (call.method == "HEAD" and route.method == "GET"):
                call.route = route.name
                where = match.groupdict()
                return self._guarded(call, where.get("site"), partial(self._answers[route.name], call, **where))
            allowed.append(route.method)
        if not allowed:
            return None
        call.route = "refused"
        if call.method != "OPTIONS":
            return _not_allowed([*allowed, *_asked_otherwise(call.path)])
        return self._guarded(call, None, partial(self.preflight, call, allowed))

    def _guarded(
        self, call: Call, site: str | None, make: Callable[[], Answer | Later], shared: Headers | None = None
    ) -> Answer | Later:
        """What `make` answers, or why it can not, with the headers that let the site's pages read it."""
        try:
            if shared is None:
                shared = self.cors(site, call) if site is not None and call.route in _SHARED else []
            found = make()
        except Unasked as unasked:
            return Later(unasked.future, partial(self._asked, call, site, make, unasked.future))
        except Refused as refused:
            found = answer_of(refused)
        except Overloaded:
            found = busy("Too much is waiting to be stored. Nothing was stored; send it again in a moment.")
        except (Unavailable, SQLAlchemyError, TimeoutError, OSError):
            found = _unreachable(call)
        if isinstance(found, Later):
            return Later(found.future, partial(self._guarded, call, site, found.resume, shared))
        return Answer(found.status, found.headers + shared, found.body) if shared else found

    def _asked(
        self, call: Call, site: str | None, make: Callable[[], Answer | Later], future: "Future[None]"
    ) -> Answer | Later:
        """Go on now that the database was asked; without its answer a site's origins are not known either."""
        try:
            future.result(0)
        except (Unavailable, TimeoutError):
            return _unreachable(call)
        return self._guarded(call, site, make)

    # -- who may ask ----------------------------------------------------------------------------------------------

    def _current(self, call: Call, site: str) -> Published | None:
        if call.version is None:
            call.version = self.publications.current(site)
        found: Published | None = call.version
        return found

    def published(self, site: str, call: Call | None = None) -> Published:
        """The site's current version, the same during one call; raises Refused when there is none."""
        found = self._current(call, site) if call else self.publications.current(site)
        if found is None:
            raise _no_site()
        return found

    def cors(self, site: str, call: Call) -> Headers:
        """The headers that let the site's own origins read the answer, without credentials."""
        origin = call.header("origin")
        if origin is None and call.route in _NOT_KEPT:
            return []
        if origin is None or not self.is_own(site, call):
            return [_VARY]
        return [_VARY, ("Access-Control-Allow-Origin", origin), _EXPOSE]

    def is_own(self, site: str, call: Call) -> bool:
        """Whether the call comes from one of the site's origins, from Poort itself, or from no page at all."""
        origin = call.header("origin")
        if origin is None or origin == self._public_url:
            return True
        found = self._current(call, site)
        return (found is not None and origin in found.origins) or _is_here(call, origin)

    def preflight(self, call: Call, methods: list[str]) -> Answer:
        """The answer to a browser that asks whether it may call."""
        parts = call.path.split("/")
        cors = self.cors(parts[3], call) if len(parts) > 3 else [_VARY]
        if len(cors) == 1:
            return Answer(403, cors, b"")
        may = [
            ("Access-Control-Allow-Methods", ", ".join(sorted(set(methods)))),
            ("Access-Control-Allow-Headers", "Content-Type, Poort-Receipt, Prefer"),
            ("Access-Control-Max-Age", "86400"),
        ]
        return Answer(204, cors + may, b"")

    # -- script and config ----------------------------------------------------------------------------------------

    def script(self, call: Call, site: str) -> Answer:
        """`GET /banner/{site}.js`: the banner with the current version baked in."""
        made = self.published(site, call).script
        return send(call, made, _SCRIPT_CACHING, ANY_ORIGIN)

    def pinned_script(self, call: Call) -> Answer:
        """`GET /banner/v1/poort.js`: the same for every site, for use with SRI."""
        self._pinned = self._pinned or asset(banners.script_without_site(), banners.SCRIPT_TYPE)
        return send(call, self._pinned, "public, max-age=31536000, immutable", ANY_ORIGIN)

    def extra_script(self, call: Call, name: str) -> Answer:
        """`GET /banner/v1/extra-1a2b3c4d.js`: what the script fetches when it is needed; named after its content."""
        known, content = banners.extra_script()
        if name != known:
            raise Refused(404, "not_found", "There is no such script; load the page again for the current one.")
        self._extra = self._extra or asset(content, banners.SCRIPT_TYPE)
        return send(call, self._extra, "public, max-age=31536000, immutable", ANY_ORIGIN)

    def declaration_script(self, call: Call) -> Answer:
        """`GET /banner/v1/declaration.js`: puts the cookie declaration in a page of the site."""
        return self._small_script(call, "declaration")

    def durable_script(self, call: Call) -> Answer:
        """`GET /banner/v1/durable.js`: has the site's own server set the receipt's cookie anew (F5)."""
        return self._small_script(call, "durable")

    def _small_script(self, call: Call, name: str) -> Answer:
        if name not in self._small:
            self._small[name] = asset(banners.small_script(name), banners.SCRIPT_TYPE)
        return send(call, self._small[name], _SCRIPT_CACHING, ANY_ORIGIN)

    def config(self, call: Call, site: str) -> Answer:
        """`GET /v1/sites/{site}/config?lang=nl&version=3`: what the script needs, in one language; else the current."""
        query = parse_qs(call.query)
        number = query.get("version", [""])[-1]
        found = self._numbered(site, number) if number else self.published(site, call)
        configs = found.frozen_configs if number else found.configs
        made = configs.get(query.get("lang", [""])[-1][:2].lower())
        made = made or configs[found.definition["default_language"]]
        return send(call, made, "public, max-age=31536000, immutable" if number else _CONFIG_CACHING)

    def _numbered(self, site: str, number: str) -> Published:
        """A version that a page has; raises Refused when the site has none of that number."""
        whole = re.fullmatch(r"[1-9][0-9]{0,8}", number)
        found = self.publications.get(site, int(number)) if whole else None
        if found is None:
            raise Refused(404, "not_found", "The site has no such version.", {"version": "There is no such version."})
        return found

    # -- consents and events --------------------------------------------------------------------------------------

    def consents(self, call: Call, site: str) -> Answer | Later:
        """`POST /v1/sites/{site}/consents`: 201 once the row is durable, never before."""
        data = records.parse_consent(self.accept(call, site))
        # A guard of its own: what has to ask the database for an old version begins again here, not at the body.
        return self._guarded(call, None, partial(self._begin_consent, call, site, data))

    def _begin_consent(self, call: Call, site: str, data: dict[str, Any]) -> Later:
        version = records.check_shown(data, self.publications.get(site, data["version"]))
        now = datetime.now(UTC)
        records.check_decision(data, version, now)
        records.check_audience(data, self.published(site, call))  # a page may be older than the audience
        said_gpc = data["gpc"]
        gpc = said_gpc or gate.has_gpc(call.header("sec-gpc"))  # I2: either is on
        zone = self.publications.zone(site)
        agent = call.header("user-agent") or ""
        row = records.row_of(site, {**data, "gpc": gpc}, agent, now, zone, version.variants)
        events = self._told(call, site, row, version) if self.publications.tells(site) else []
        seen = self.watch.judge(call, row, now)
        begun = Begun(row, said_gpc, version, records.record(self.writer, row, events, seen.suspect), seen)
        return Later(begun.stored, partial(self._end_consent, begun))

    def _told(self, call: Call, site: str, row: dict[str, Any], shown: Published) -> list[dict[str, Any]]:
        """What the owner's own systems are told of a decision: what it allows under the current version."""
        current = max(self.published(site, call), shown, key=lambda version: version.number)
        return [outbox.of_record(row, records.receipt_of(row, shown), current.gate)]

    def _end_consent(self, begun: Begun) -> Answer:
        """Answer from what is stored, so that a retry gets the same record and the same receipt."""
        stored = begun.stored.result(0)
        if stored is None:  # only a job without a row has no answer
            raise Unavailable("nothing was stored")
        records.check_same(begun.row, begun.said_gpc, stored)
        if stored.created:
            self.watch.note(begun.seen, quality.ANSWER, [stored.row["id"]], time.time())
        token = self.keyring.issue(records.receipt_of(stored.row, begun.version))
        return reply(201 if stored.created else 200, {"record": records.as_json(stored.row), "receipt": token})

    def events(self, call: Call, site: str) -> Answer | Later:
        """`POST /v1/sites/{site}/events`: a banner was shown, or a visit begun. Counted, tied to nobody."""
        body = self.accept(call, site)
        weight = self._sampler.weigh(time.monotonic())
        if not weight:
            return Answer(204, [NO_STORE], b"")
        data = records.parse_event(body)
        return self._guarded(call, None, partial(self._begin_event, call, site, data, weight))

    def _begin_event(self, call: Call, site: str, data: dict[str, Any], weight: int) -> Later:
        version = records.check_shown(data, self.publications.get(site, data["version"]))
        if faults := records.event_faults(data, version):
            raise records.invalid(faults)
        now = datetime.now(UTC)
        event = {
            **data, **agents.agent((call.header("user-agent") or "")[:512]), "site": site, "source": "banner",
            "variant": version.variants.get(data["variant"]), "gpc": gate.has_gpc(call.header("sec-gpc")),
            "counted_on": day_of(now, self.publications.zone(site)),
        }
        seen, tallies = self.watch.judge(call, event, now), counts.of_event(event)
        things = counts.weighed([*counts.apart(tallies)] if seen.suspect else tallies, weight)
        counted = self.writer.submit(None, [*chain.from_iterable(things)])
        kind = quality.AGAIN if event["again"] else quality.SHOWN
        return Later(counted, partial(self._end_event, counted, seen, kind, things))

    def _end_event(
        self, counted: "Future[Stored | None]", seen: quality.Seen, kind: str, things: list[counts.Tallies]
    ) -> Answer:
        counted.result(0)
        self.watch.note(seen, kind, [*map(tuple, things)], time.time())
        return Answer(204, [NO_STORE], b"")

    def accept(self, call: Call, site: str) -> bytes:
        """The body of a POST by somebody who may; raises Refused."""
        self.published(site, call)
        if not self.is_own(site, call):
            raise Refused(403, "foreign_origin", "This site's decisions are taken from its own pages only.")
        self.within_limit(call, site)
        return self.body(call)

    def body(self, call: Call) -> bytes:
        """The body of a POST, whole, of a kind and a size that is read; raises Refused."""
        media_type = (call.header("content-type") or "").split(";")[0].strip().lower()
        if media_type not in ("application/json", "text/plain"):
            raise Refused(415, "media_type", "Send the body as application/json or text/plain.")
        length = call.length
        if length is None:  # a chunked body would be cut off silently at the limit (threat 12)
            raise Refused(411, "length_required", "Send a Content-Length.")
        if length > records.LARGEST:
            raise Refused(413, "too_large", f"The body may have {records.LARGEST} bytes at most.")
        body = call.body()
        if len(body) != length:
            raise Refused(400, "cut_off", "The body is shorter than its Content-Length says.")
        return body

    def within_limit(self, call: Call, site: str) -> None:
        """Count a call; raises Refused when its address had too many."""
        # A caller on the machine itself is a proxy that does not tell for whom it asks, or a test: one bucket for
        # all visitors would lose their decisions.
        address = call.address
        if is_local(address):
            return
        caller = network(address)  # None: a proxy of ours told something that is no address; all those are one
        if not self._limiter.hit(self._limit, site, str(caller)):
            raise Refused(429, "too_many", "Too many from this address; try again in a minute.")

    # -- gate -----------------------------------------------------------------------------------------------------

    def ask_gate(self, call: Call, site: str) -> Answer:
        """`GET /v1/sites/{site}/gate[?tracker=ID]`: one tracker, or all of them and the categories."""
        version, shown, gpc = self._presented(call, site)
        asked = _tracker(call.query)
        if asked is None:
            return Answer(200, _JSON_NOW, version.table.all(shown, time.time(), gpc))
        body, reason = version.table.one(shown, asked, time.time(), gpc)
        metrics.decided(reason)
        return Answer(200, _JSON_NOW, body)

    def gate_check(self, call: Call, site: str, tracker: str) -> Answer:
        """`GET /v1/sites/{site}/gate/{tracker}`: 204 or 403 with the reason in a header; whatever fails is a 403."""
        try:
            version, shown, gpc = self._presented(call, site)
        except (Refused, Unavailable):
            return _checked(Decision(False, "unknown_tracker"))
        return _checked(gate.decide_shown(shown, version.gate, tracker, time.time(), gpc))

    def gate_headers(self, call: Call, site: str) -> Answer:
        """`GET /v1/sites/{site}/gate-headers`: what a proxy in front of the site's pages adds for this visitor."""
        version, shown, gpc = self._presented(call, site)
        told = version.front.headers(shown, call.header("cookie"), time.time(), gpc, self._public_url)
        return Answer(204, [*told, NO_STORE], b"")

    def _presented(self, call: Call, site: str) -> tuple[Published, list[gate.Presented], bool]:
        receipts = read_all(self.keyring, tokens(call.header("poort-receipt"), call.header("cookie")))
        version = self.published(site, call)
        for receipt in receipts:
            if receipt and receipt.version > version.number and receipt.site == site:
                version = self.publications.at_least(site, receipt.version) or version
        return version, gate.presented(receipts), gate.has_gpc(call.header("sec-gpc"))


_JSON_NOW = [JSON, NO_STORE]
_VARY = ("Vary", "Origin")
_EXPOSE = ("Access-Control-Expose-Headers", "Poort-Reason, Retry-After")
_PLAIN_QUERY = re.compile(r"tracker=([\w-]*)", re.ASCII)


def _tracker(query: str) -> str | None:
    """The tracker that is asked for; None: all of them. What every gate asks needs no parser (5 µs)."""
    if not query:
        return None
    plain = _PLAIN_QUERY.fullmatch(query)
    return plain[1] if plain else parse_qs(query, keep_blank_values=True).get("tracker", [None])[-1]


def _checked(found: Decision) -> Answer:
    metrics.decided(found.reason)
    return Answer(204 if found.allow else 403, [("Poort-Reason", found.reason), NO_STORE], b"")


def _is_here(call: Call, origin: str) -> bool:
    # Any name can be made to lead to this server, so what the Host header says counts for the machine itself alone.
    own = call.own_origin
    host = own.partition("://")[2].rpartition(":")[0] or own.partition("://")[2]
    return origin == own and host in ("localhost", "127.0.0.1", "[::1]")


def answer_of(refused: Refused) -> Answer:
    """What a caller is told; who asked too often, also when to come back."""
    later = [("Retry-After", "60")] if refused.status == 429 else []
    return error(refused.status, refused.code, refused.message, refused.faults, *later)


def _no_site() -> Refused:
    return Refused(404, "unknown_site", "There is no published site with this key.")


def _asked_otherwise(path: str) -> list[str]:
    """The methods that Flask answers at a path of ours."""
    return [m for m, name in _FLASKS for route in ROUTES if route.name == name and route.pattern.fullmatch(path)]


def _not_allowed(methods: list[str]) -> Answer:
    allow = ", ".join(sorted({*methods, "OPTIONS"}))
    return error(405, "method_not_allowed", f"Use {allow}.", None, ("Allow", allow))


def _unreachable(call: Call) -> Answer:
    if call.route == "gate_check":  # who asks for yes or no takes 503 for neither
        return _checked(Decision(False, "unknown_tracker"))
    return busy("The database can not be reached. Nothing was promised; send it again in a moment.")
