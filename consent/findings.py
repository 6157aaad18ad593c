"""Judges what a scan saw: whose requests, cookies and keys those are, what must not be there, what nobody knows. Pure.

The report is plain JSON of the shape in docs/scanning.md; FORMAT rises when that changes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from consent import platforms
from consent.catalogue import CATALOGUE, Row
from consent.claims import site as registrable
from consent.patterns import in_domain, matches
from consent.reach import Reach
from consent.sightings import (
    ACCEPTED,
    BEFORE,
    CLOSED,
    NO_SCRIPT,
    PHASES,
    WITHDRAWN,
    Cookie,
    Key,
    Request,
    Sightings,
)

FORMAT: Final = 1
RULES: Final = ("A1", "A2", "D4", "K6", "O2", "O3")
CLEAN, LEAKS, NOT_SEEN = 0, 1, 2  # exit statuses
Found = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """Whose pages those are: its trackers as a version freezes them, its own hosts and domains, Poort's host."""

    url: str
    site: str | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    domains: frozenset[str] = frozenset()
    poort: frozenset[str] = frozenset()

    def is_first(self, host: str) -> bool:
        """Whether the host is one of the site itself."""
        return any(in_domain(host, domain) for domain in self.domains)


def scope_of(url: str, rows: Sequence[Mapping[str, Any]] = (), definition: Mapping[str, Any] | None = None,
             poort: str | None = None) -> Scope:
    """The scope of a scan of this address, for a site with this definition or for none."""
    hosts = {str(urlsplit(url).hostname)}
    if definition is not None:
        hosts |= {str(urlsplit(origin).hostname) for origin in definition["origins"]}
        hosts |= {definition["cookie_domain"]} - {None}
    own = frozenset({str(urlsplit(poort).hostname)}) if poort else frozenset()
    domains = frozenset(host if host[-1:].isdigit() or "." not in host else registrable(host) for host in hosts)
    key = definition["key"] if definition is not None else None
    return Scope(url, key, tuple(rows), domains, own)


class Judge:
    """Knows whose everything is, and what may be there."""

    def __init__(self, scope: Scope, seen: Sightings) -> None:
        self.scope, self.seen = scope, seen
        own = {row["id"]: dict(row) for row in scope.rows}
        self.rows: dict[str, Row] = {**{id: dict(row) for id, row in CATALOGUE.items()}, **own}
        self.listed = frozenset(own)
        self._reach = Reach(self.rows.values())
        self.owners = lru_cache(4_096)(self._owners)
        self._active = {id for request in seen.requests for id in self.owners(request.url)}

    # -- whose it is --------------------------------------------------------------------------------------------------

    def _owners(self, url: str) -> tuple[str, ...]:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return tuple(sorted(self._reach.owners(parts.hostname or "", path)))

    def of_cookie(self, cookie: Cookie) -> tuple[str, ...]:
        """The trackers that may have set it."""
        host = cookie.domain
        found = [
            id for id, row in self.rows.items() for own in row["cookies"]
            if matches(own["name"], cookie.name) and self._lives(own.get("domain"), host)
        ]
        if found or self.scope.is_first(host):
            return self._narrowed(found)
        return self.owners(f"https://{host}/") or self.owners(f"https://www.{host}/")

    def _lives(self, domain: str | None, host: str) -> bool:
        return in_domain(host, domain) if domain else self.scope.is_first(host)

    def of_key(self, key: Key) -> tuple[str, ...]:
        """The trackers that may have written it."""
        found = [
            id for id, row in self.rows.items() for own in row["storage"]
            if own["kind"] == key.kind and matches(own["name"], key.name)
        ]
        if found or self.scope.is_first(key.host):
            return self._narrowed(found)
        return self.owners(f"https://{key.host}/")

    def _narrowed(self, found: Iterable[str]) -> tuple[str, ...]:
        """Of several that use the same name, those that were seen to load, else those that the site names."""
        whole = tuple(dict.fromkeys(found))
        return tuple(sorted(self._active & {*whole})) or tuple(sorted(self.listed & {*whole})) or whole

    def is_choice(self, name: str) -> bool:
        """Whether it keeps the visitor's choice itself (A9), by its name alone: an address proves nothing."""
        return any(matches(own, name) for own in platforms.CHOICES)

    def is_platform(self, host: str) -> bool:
        """Whether Poort, or another consent platform, is served from there."""
        return host in self.scope.poort or platforms.serves(host)

    def may(self, trackers: Iterable[str]) -> bool:
        """Whether all of them may load without consent: necessary, or exempt (A1)."""
        return all(self.rows[id]["category"] == "necessary" or self.rows[id].get("exempt") for id in trackers)

    # -- what is wrong ------------------------------------------------------------------------------------------------

    def leaks(self) -> Iterator[Found]:
        """What was there though it must not have been."""
        done: set[tuple[Any, ...]] = set()
        for leak in (*self._requests(), *self._cookies(), *self._keys()):
            key = (leak["phase"], leak["what"], leak["name"], leak["page"] if leak["what"] == "request" else None)
            if key not in done:
                done.add(key)
                yield leak

    def _requests(self) -> Iterator[Found]:
        for request in self.seen.requests:
            trackers = self.owners(request.url)
            if request.phase in CLOSED and trackers and not self.may(trackers):
                name = f"{request.host}{urlsplit(request.url).path}"
                yield self._leak(request.phase, "request", name, trackers, page=request.page, url=request.url,
                                 initiator=_told(request))

    def _cookies(self) -> Iterator[Found]:
        for cookie in self.seen.cookies:
            trackers = self.of_cookie(cookie)
            if self._is_left(cookie.phase, trackers) and not self.is_choice(cookie.name):
                yield self._leak(cookie.phase, "cookie", cookie.name, trackers, domain=cookie.domain)

    def _keys(self) -> Iterator[Found]:
        for key in self.seen.keys:
            trackers = self.of_key(key)
            if self._is_left(key.phase, trackers) and not self.is_choice(key.name):
                yield self._leak(key.phase, "storage", key.name, trackers, page=key.page, kind=key.kind)

    def _is_left(self, phase: str, trackers: tuple[str, ...]) -> bool:
        return phase in CLOSED and bool(trackers) and not self.may(trackers)

    def _leak(self, phase: str, what: str, name: str, trackers: tuple[str, ...], **more: Any) -> Found:
        rule = {WITHDRAWN: "D4", NO_SCRIPT: "K6"}.get(phase, "A2" if what == "request" else "A1")
        return {"rule": rule, "phase": phase, "what": what, "name": name, "trackers": list(trackers), "page": None,
                "url": None, "initiator": None, **more}

    # -- what nobody knows --------------------------------------------------------------------------------------------

    def unknown(self) -> list[Found]:
        """Hosts, cookies and keys that belong to nobody we know (O3): hosts of others, names on the site itself."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for request in self.seen.requests:
            if self.is_stranger(request.host) and not self.owners(request.url):
                found["host", request.host].add(request.phase)
        for cookie in self.seen.cookies:
            if not self.of_cookie(cookie) and not self.is_choice(cookie.name):
                found["cookie", cookie.name].add(cookie.phase)
        for key in self.seen.keys:
            if not self.of_key(key) and not self.is_choice(key.name):
                found["storage", key.name].add(key.phase)
        return [{"rule": "O3", "what": what, "name": name, "phases": _ordered(phases)}
                for (what, name), phases in sorted(found.items())]

    def is_stranger(self, host: str) -> bool:
        """Whether it is neither the site nor a consent platform."""
        return not self.scope.is_first(host) and not self.is_platform(host)

    def proposals(self) -> list[Found]:
        """The catalogue's trackers that are there and that the site does not name, and where each was seen."""
        hosts: dict[str, set[str]] = defaultdict(set)
        for request in self.seen.requests:
            for id in self.owners(request.url):
                hosts[id].add(request.host)
        named = {id for cookie in self.seen.cookies for id in _sure(self.of_cookie(cookie))}
        found = sorted(({*hosts, *named} & set(CATALOGUE)) - self.listed)
        return [{"tracker": id, "name": self.rows[id]["name"], "category": self.rows[id]["category"],
                 "vendor": self.rows[id]["vendor"], "hosts": sorted(hosts[id])} for id in found]


def _sure(trackers: tuple[str, ...]) -> tuple[str, ...]:
    return trackers if len(trackers) == 1 else ()


def _told(request: Request) -> Found:
    return {"kind": request.initiator.kind, "url": request.initiator.url, "line": request.initiator.line}


def _ordered(phases: Iterable[str]) -> list[str]:
    found = set(phases)
    return [phase for phase in PHASES if phase in found]


def cleaned(value: Any) -> Any:
    """The same without half characters: a page may store any, and neither UTF-8 nor a database can."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {cleaned(name): cleaned(inner) for name, inner in value.items()}
    return [cleaned(inner) for inner in value] if isinstance(value, (list, tuple)) else value


# The report -----------------------------------------------------------------------------------------------------------


def report(scope: Scope, seen: Sightings, started: datetime, seconds: float) -> Found:
    """All of it, as JSON."""
    judge = Judge(scope, seen)
    leaks = list(judge.leaks())
    unknown, proposals = judge.unknown(), judge.proposals()
    return {
        "format": FORMAT, "kind": "look", "url": scope.url, "site": scope.site,
        "started_at": started.isoformat(timespec="seconds"), "seconds": round(seconds, 1), "browser": seen.browser,
        "pages": [{"url": page.url, "status": page.status, "error": page.error} for page in seen.pages],
        "platforms": seen.platforms,
        "phases": [{"phase": phase, "done": phase in seen.done, "why": seen.undone.get(phase)} for phase in PHASES],
        "verdicts": _verdicts(seen, leaks, unknown, proposals if scope.site else []),
        "leaks": leaks, "unknown": unknown, "proposals": proposals,
        "hosts": _hosts(judge), "cookies": _cookies(judge), "storage": _storage(judge), "requests": _requests(judge),
        "trackers": _trackers(judge, leaks),
        "limits": seen.limits,
    }


def _verdicts(seen: Sightings, leaks: list[Found], unknown: list[Found], unlisted: list[Found]) -> list[Found]:
    """A sentence for each rule: `ok` is None where it could not be seen."""
    looked = any(page.status for page in seen.pages)
    broken = Counter(leak["rule"] for leak in leaks)
    early = sum(leak["phase"] == BEFORE for leak in leaks)
    seeable = {"A1": looked, "A2": looked, "O2": looked, "O3": looked,
               "D4": WITHDRAWN in seen.done, "K6": NO_SCRIPT in seen.done}
    counts = {**broken, "O2": early, "O3": len(unknown) + len(unlisted)}
    return [
        {"rule": rule, "ok": counts.get(rule, 0) == 0 if seeable[rule] or counts.get(rule) else None,
         "count": counts.get(rule, 0)}
        for rule in RULES
    ]


def status(found: Found, fail_on_unknown: bool = False) -> int:
    """The exit status: 0 clean, 1 leaks (or what is unknown), 2 when nothing could be seen."""
    if not any(page["status"] and page["status"] < 400 for page in found["pages"]):
        return NOT_SEEN
    if found["leaks"] or (fail_on_unknown and any(one["rule"] == "O3" and one["ok"] is False
                                                  for one in found["verdicts"])):
        return LEAKS
    return CLEAN


def _counted(items: Iterable[tuple[Any, str]]) -> dict[Any, Counter[str]]:
    found: dict[Any, Counter[str]] = defaultdict(Counter)
    for key, phase in items:
        found[key][phase] += 1
    return found


def _hosts(judge: Judge) -> list[Found]:
    """The hosts of others: whose they are and in which phases they were asked for."""
    foreign = [request for request in judge.seen.requests if not judge.scope.is_first(request.host)]
    whose: dict[str, set[str]] = defaultdict(set)
    for request in foreign:
        whose[request.host].update(judge.owners(request.url))
    counted = _counted((request.host, request.phase) for request in foreign)
    return [{"host": host, "trackers": sorted(whose[host]), "platform": judge.is_platform(host),
             "requests": dict(counted[host])} for host in sorted(counted)]


def _requests(judge: Judge) -> list[Found]:
    """What was asked for that is not the site's own, or that a tracker claims; the same in a phase of a page once."""
    wanted = [request for request in judge.seen.requests
              if not judge.scope.is_first(request.host) or judge.owners(request.url)]
    counted = Counter((one.phase, one.page, one.url, one.type, one.initiator) for one in wanted)
    return [{"phase": phase, "page": page, "url": url, "type": kind, "trackers": list(judge.owners(url)), "count": n,
             "initiator": initiator._asdict()} for (phase, page, url, kind, initiator), n in counted.items()]


def _cookies(judge: Judge) -> list[Found]:
    return _rows(
        judge.seen.cookies, lambda one: (one.name, one.domain),
        lambda one: {"name": one.name, "domain": one.domain, "first_party": judge.scope.is_first(one.domain),
                     "days": one.days, "http_only": one.http_only, "trackers": list(judge.of_cookie(one)),
                     "choice": judge.is_choice(one.name)})


def _storage(judge: Judge) -> list[Found]:
    return _rows(
        judge.seen.keys, lambda one: (one.kind, one.host, one.name),
        lambda one: {"kind": one.kind, "host": one.host, "name": one.name,
                     "first_party": judge.scope.is_first(one.host), "trackers": list(judge.of_key(one)),
                     "choice": judge.is_choice(one.name)})


def _rows(items: Sequence[Any], key: Callable[[Any], Any], row: Callable[[Any], Found]) -> list[Found]:
    """A row for each thing, with the phases at whose end it was there."""
    last = {key(one): one for one in items}
    counted = _counted((key(one), one.phase) for one in items)
    return [{**row(last[name]), "phases": _ordered(counted[name])} for name in sorted(last)]


def _trackers(judge: Judge, leaks: list[Found]) -> list[Found]:
    """The trackers that were seen: in which phases, whether the site names them, and how much of each leaks."""
    seen: dict[str, set[str]] = defaultdict(set)
    for request in judge.seen.requests:
        for id in judge.owners(request.url):
            seen[id].add(request.phase)
    leaking = Counter(id for leak in leaks for id in leak["trackers"])
    return [{"tracker": id, "name": judge.rows[id]["name"], "category": judge.rows[id]["category"],
             "listed": id in judge.listed, "phases": _ordered(seen[id]), "leaks": leaking[id],
             "accepted_only": seen[id] == {ACCEPTED}} for id in sorted(seen)]
