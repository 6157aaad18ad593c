"""A Content-Security-Policy that lists just the hosts that this visitor allowed: the browser itself is the gate.

Policy(base={"script-src": ["'self'"], "img-src": ["'self'", "data:"]})
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from consent.reach import Place, place

DIRECTIVES: Final = ("script-src", "style-src", "img-src", "connect-src", "frame-src", "font-src", "media-src")

# What stands for a directive that a policy does not have; default-src stands for all.
_INSTEAD: Final = {"frame-src": ("child-src",), "worker-src": ("child-src", "script-src")}
_FETCHING: Final = frozenset({
    *DIRECTIVES, "default-src", "child-src", "worker-src", "manifest-src", "object-src", "prefetch-src",
    "script-src-elem", "script-src-attr", "style-src-elem", "style-src-attr",
})
_OPEN: Final = re.compile(r"(?i)\*|(?:https?|wss?):(?://\*?)?|(?:https?|wss?)://\*(?::.*|/.*)?|\*[:/].*|'strict-dynamic'")
_SOURCE: Final = re.compile(r"[!-+\--:<-~]+")  # what is printed, without blank, comma and semicolon
_NAME: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")
_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]{8,200}={0,2}")
_HOST_SOURCE: Final = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]*://)?([a-z0-9.*-]+\.[a-z0-9-]+)(?::[0-9*]+)?(/.*)?")

Refuses = Callable[[Place], bool]


@dataclass(frozen=True)
class Policy:
    """What a site's own policy is, and where the hosts of the allowed trackers go in it.

    `base`: the site's directives with their sources. `directives`: which get the hosts. `shared`: addresses, as in
    `www.googletagmanager.com/gtag/js`, that are listed as soon as one of their trackers is allowed (docs/python.md).
    Raises ValueError for what no browser reads, and for a source that opens the site to every tracker.
    """

    base: Mapping[str, Sequence[str]] = field(default_factory=dict)
    directives: Sequence[str] = DIRECTIVES
    shared: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, sources in self.base.items():
            _check(name, sources)
        if isinstance(self.directives, str) or not set(self.directives) <= _FETCHING - {"default-src"}:
            raise ValueError(f"directives: name directives such as {', '.join(DIRECTIVES)}")
        if isinstance(self.shared, str) or not all(map(_is_address, self.shared)):
            raise ValueError("shared: must be a list of addresses such as www.googletagmanager.com/gtag/js")

    def text(self, origin: str | None, hosts: Sequence[Place], refuses: Refuses, nonce: str | None = None) -> str:
        """The header's value: the base, Poort's own `origin`, and the `hosts`; always the same for the same visitor."""
        if nonce is not None and not _NONCE.fullmatch(nonce):
            raise ValueError("nonce: must be base64, of at least 8 characters")
        own = {name: self._kept(name, refuses) for name in self.base}
        own.setdefault("default-src", ["'self'"])
        written = [str(place) for place in hosts]
        added = dict.fromkeys(self._widened(), written)
        for name in ("script-src", "connect-src", *self._elements()):
            added[name] = ([origin] if origin else []) + added.get(name, [])
        for name in ("script-src", *self._elements()):
            added[name] = ([f"'nonce-{nonce}'"] if nonce else []) + added[name]
        return _written(own, added)

    def _widened(self) -> list[str]:
        """The directives that get the hosts, and the narrower ones that the base puts in their place."""
        narrower = [f"{name}-elem" for name in ("script-src", "style-src") if name in self.directives]
        return [*self.directives, *(name for name in narrower if name in self.base)]

    def _elements(self) -> list[str]:
        return [name for name in ("script-src-elem",) if name in self.base]

    def _kept(self, name: str, refuses: Refuses) -> list[str]:
        """The base's sources, without one that would let a refused tracker through."""
        sources = list(self.base[name])
        if name not in _FETCHING:
            return sources
        return [source for source in sources if not _is_refused(source, refuses)] or ["'none'"]


def _is_address(text: str) -> bool:
    try:
        return str(place(text)) == text and "?" not in text
    except ValueError:
        return False


def _check(name: str, sources: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"base: {name!r} is no directive; write it in small letters")
    if isinstance(sources, str):
        raise ValueError(f"base: {name} must be a list of sources, as in [\"'self'\"]")
    for source in sources:
        if not _SOURCE.fullmatch(source):
            raise ValueError(f"base: {name} has {source!r}, which is not one source")
        if name in _FETCHING and _OPEN.fullmatch(source):
            raise ValueError(f"base: {name} has {source}, which opens the site to every tracker; name the hosts")


def _is_refused(source: str, refuses: Refuses) -> bool:
    found = _HOST_SOURCE.fullmatch(source)
    return found is not None and refuses(Place(found[1].lower(), "" if found[2] in (None, "/") else unquote(found[2])))


def _written(own: Mapping[str, list[str]], added: Mapping[str, list[str]]) -> str:
    """default-src, then the directives with hosts in a fixed order, then what else the base has."""
    first = [name for name in ("default-src", *DIRECTIVES) if name in own or added.get(name)]
    names = dict.fromkeys([*first, *(name for name in added if added[name]), *own])
    return "; ".join(" ".join([name, *_joined(own, name, added.get(name, []))]) for name in names)


def _joined(own: Mapping[str, list[str]], name: str, added: list[str]) -> list[str]:
    """A directive that the base does not have begins with what stood for it, or adding a host would close the rest."""
    stands = next(other for other in (name, *_INSTEAD.get(name, ()), "default-src") if other in own)
    kept = [source for source in own[stands] if not (added and source.lower() == "'none'")]
    return list(dict.fromkeys([*kept, *added]))
