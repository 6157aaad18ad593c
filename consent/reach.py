"""What the trackers of a version reach: hosts and paths on the wire, cookies on the site. Needs nothing else.

Where two trackers mean the same address, the one that names it more narrowly counts: `stats.g.doubleclick.net` before
`*.doubleclick.net`, a path before its host. Where both say it alike, both have to be allowed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from consent.patterns import HOST, matches, on_host, on_path

_HOST: Final = re.compile(rf"(?:\*\.)?{HOST}")
_PATH: Final = re.compile(r"[!-~]*")
_ENDS_A_SOURCE: Final = str.maketrans({";": "%3B", ",": "%2C"})
REMEMBERED: Final = 1_024  # combinations of allowed trackers


class Place(NamedTuple):
    """A host, exact or `*.suffix`, and what it is about there: "" for everything, else a path with its first slash."""

    host: str
    path: str = ""

    @property
    def rank(self) -> tuple[bool, int, bool, int]:
        """The higher, the more narrowly it is named."""
        return bool(self.path), len(self.path), not self.host.startswith("*"), len(self.host)

    def means(self, host: str, path: str) -> bool:
        """Whether a request for `path`, with its query, is for this place."""
        return on_path(self.host + self.path, host, path) if self.path else on_host(self.host, host)

    def sources(self) -> Iterator["Place"]:
        """The same as a Content-Security-Policy can say it: whole paths and folders, no query."""
        path, asked, _ = self.path.partition("?")
        folder, _, file = path.rpartition("/")
        if file and not file[-1].isalnum():  # goes on freely: its folder is as near as a policy gets
            yield Place(self.host, f"{folder}/")
            return
        yield Place(self.host, path)
        if file and not asked and "." not in file:
            yield Place(self.host, f"{path}/")

    @property
    def is_narrower(self) -> bool:
        """Whether its sources say more than it means: a policy knows no query and no part of a name."""
        return "?" in self.path or (self.path[-1:] not in ("", "/") and not self.path[-1].isalnum())

    def covers(self, other: "Place") -> bool:
        """Whether this source of a policy lets through all that the other one does."""
        if not _host_covers(self.host, other.host):
            return False
        return self.path in ("", other.path) or (self.path.endswith("/") and other.path.startswith(self.path))

    def __str__(self) -> str:
        return (self.host + self.path).translate(_ENDS_A_SOURCE)


def _host_covers(one: str, other: str) -> bool:
    return one == other or (one.startswith("*") and other.removeprefix("*").endswith(one[1:]))


def place(text: str) -> Place:
    """The place that the catalogue writes as `*.hotjar.com` or `www.facebook.com/tr`; raises ValueError."""
    host, _, path = text.partition("/")
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise ValueError(f"{text!r} is no host or path of a tracker")
    return Place(host, f"/{path}" if path else "")


def _opens(source: Place, narrower: bool, refused: Iterable[Place]) -> bool:
    """Whether the source lets through what is refused: all of a refused place, or part of the one around it."""
    return any(source.covers(other) or (narrower and other.covers(source)) for other in refused)


class _Cookie(NamedTuple):
    tracker: str
    pattern: str


class Reach:
    """What each tracker of a version reaches. `rows`: the trackers of `GET /v1/sites/{site}/config`.

    Raises ValueError for a row that is none. Rows of old versions lack `hosts` and `paths`: those reach nothing.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._places: list[tuple[str, Place]] = []
        self._cookies: list[_Cookie] = []
        for row in rows:
            self._add(row)
        self.sources = lru_cache(REMEMBERED)(self._sources)

    def _add(self, row: Mapping[str, Any]) -> None:
        try:
            texts = [*(row.get("hosts") or ()), *(row.get("paths") or ())]
            self._places += [(row["id"], place(text)) for text in texts]
            # A cookie with a domain lives at the vendor's: a site can not expire it.
            own = [cookie["name"] for cookie in row.get("cookies") or () if not cookie.get("domain")]
            self._cookies += [_Cookie(row["id"], str(name)) for name in own]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is not a tracker of a version: {error!r}") from error

    def owners(self, host: str, path: str) -> frozenset[str]:
        """The trackers that a request is for, by host and path with query; empty for an unknown one."""
        hits = [(found.rank, tracker) for tracker, found in self._places if found.means(host, path)]
        narrowest = max((rank for rank, _ in hits), default=None)
        return frozenset(tracker for rank, tracker in hits if rank == narrowest)

    def _sources(self, allowed: frozenset[str], shared: frozenset[str] = frozenset()) -> tuple[Place, ...]:
        """The sources of the allowed trackers, without one that would let a refused tracker through as well.

        `shared`: those, as text, that may be listed as soon as one of their trackers is allowed.
        """
        refused = self._refused(allowed)
        offered = [(source, found.is_narrower) for found in self._of(allowed) for source in found.sources()]
        sound = {s for s, narrower in offered if str(s) in shared or not _opens(s, narrower, refused)}
        needed = [s for s in sound if not any(other.covers(s) for other in sound - {s})]
        return tuple(sorted(needed))

    def _of(self, allowed: frozenset[str]) -> list[Place]:
        return [found for tracker, found in self._places if tracker in allowed]

    def _refused(self, allowed: frozenset[str]) -> set[Place]:
        return {source for tracker, found in self._places if tracker not in allowed for source in found.sources()}

    def opens_refused(self, source: Place, allowed: frozenset[str]) -> bool:
        """Whether a policy with this source, a site's own, would let a refused tracker through."""
        if any(source.covers(other) for other in self._refused(allowed)):
            return True
        return not self.owners(source.host.replace("*", "any"), source.path or "/") <= allowed

    def leftovers(self, names: Iterable[str], allowed: frozenset[str]) -> list[str]:
        """Of these cookies those that only refused trackers set, each once, in their order."""
        return [name for name in dict.fromkeys(names) if self._is_left(name, allowed)]

    def _is_left(self, name: str, allowed: frozenset[str]) -> bool:
        setters = {cookie.tracker for cookie in self._cookies if matches(cookie.pattern, name)}
        return bool(setters) and setters.isdisjoint(allowed) and name != "poort"
