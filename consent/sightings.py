"""What a browser saw of a site, phase by phase: plain data between the one who looks and the one who judges."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

BEFORE, REFUSED, ACCEPTED, WITHDRAWN, NO_SCRIPT = "before", "refused", "accepted", "withdrawn", "no_script"
PHASES: Final = (BEFORE, REFUSED, ACCEPTED, WITHDRAWN, NO_SCRIPT)
CLOSED: Final = (BEFORE, REFUSED, WITHDRAWN, NO_SCRIPT)  # in these nothing may load that needs consent
OWN_NAME: Final = "PoortScan"  # how the browser of a scan calls itself in the end; what it decides is a bot's
LONGEST_URL: Final = 500
MOST: Final = 5_000  # requests of a scan that are told apart
MOST_HOSTS, MOST_COOKIES, MOST_KEYS = 500, 500, 1_000  # a page can make as many as it likes, and a report is read


class Initiator(NamedTuple):
    """Who asked: `kind` is script, parser, redirect, preload, connection or other; the line counts from 1."""

    kind: str
    url: str | None = None
    line: int | None = None


class Request(NamedTuple):
    """A request of a page. `type` in the browser's words: Script, Image, Ping, ..."""

    phase: str
    page: str
    url: str
    host: str
    type: str
    initiator: Initiator


class Cookie(NamedTuple):
    """A cookie that was there at the end of a phase; `days` until it ends, None for the end of the session."""

    phase: str
    name: str
    domain: str
    days: int | None
    http_only: bool


class Key(NamedTuple):
    """A key in a page's storage: `kind` is local, session or indexeddb."""

    phase: str
    page: str
    kind: str
    host: str
    name: str


class Page(NamedTuple):
    """A page that was opened. `status` None: it did not come, and `error` says why."""

    url: str
    status: int | None
    error: str | None = None


@dataclass
class Sightings:
    """All of it. `undone`: phases that could not be, each with why; `facts`: of the first page, for the checklist."""

    pages: list[Page] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    cookies: list[Cookie] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    undone: dict[str, str] = field(default_factory=dict)
    platforms: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    browser: str = ""
    _hosts: set[str] = field(default_factory=set, repr=False)

    def add_cookies(self, found: Iterable[Cookie]) -> None:
        """As many as a report has room for; that there were more is said."""
        self._add(self.cookies, found, MOST_COOKIES, "cookies")

    def add_keys(self, found: Iterable[Key]) -> None:
        """In the same way."""
        self._add(self.keys, found, MOST_KEYS, "keys")

    def add_request(self, request: Request) -> None:
        """In the same way; of no more than MOST_HOSTS hosts."""
        if request.host not in self._hosts and len(self._hosts) >= MOST_HOSTS:
            self._say("hosts")
        else:
            self._hosts.add(request.host)
            self._add(self.requests, [request], MOST, "requests")

    def _add(self, there: list[Any], found: Iterable[Any], most: int, limit: str) -> None:
        for one in found:
            if len(there) >= most:
                self._say(limit)
                return
            there.append(one)

    def _say(self, limit: str) -> None:
        if limit not in self.limits:
            self.limits.append(limit)

    def hosts(self, phases: Iterable[str] = PHASES) -> set[str]:
        """The hosts that were asked for."""
        wanted = set(phases)
        return {request.host for request in self.requests if request.phase in wanted}
