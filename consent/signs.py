"""What an address or a piece of code gives away of the trackers behind it. Pure; nothing is run or asked for.

    in_code("fbq('init', '1');")                      -> Found(trackers={"meta"}, ...)
    in_address("https://bat.bing.com/bat.js")         -> Found(trackers={"uet"}, ...)
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from consent.catalogue import CATALOGUE, match_host
from consent.patterns import on_host, on_path

_DATA: Final[Mapping[str, Any]] = tomllib.loads((Path(__file__).parent / "signs.toml").read_text(encoding="utf-8"))
SHARED: Final = frozenset(_DATA["shared"]["trackers"])
QUIET: Final = frozenset(_DATA["quiet"])
LONGEST_CODE: Final = 100_000

Own = Sequence[Mapping[str, Any]]  # a site's own trackers: their id, hosts and paths

# Comments and texts of JavaScript. Each of these always matches once it has begun, so nothing is looked at twice.
_TOKENS: Final = re.compile(
    r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+"
    r"|\"((?:[^\"\\\n]|\\.)*+)\"?+|'((?:[^'\\\n]|\\.)*+)'?+|`((?:[^`\\]|\\.)*+)`?+", re.DOTALL)
_COMMENTS: Final = re.compile(r"^\s*+//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+", re.MULTILINE)
_ADDRESS: Final = re.compile(
    r"//((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24})(?![a-z0-9.-])(?::\d+)?([/?][^\s\"'<>`]{0,2000})?",
    re.IGNORECASE)
_BARE: Final = re.compile(r"(\.?)((?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}[a-z]{2,24})(/\S{0,2000})?", re.IGNORECASE)
_SLASH: Final = re.compile(r"\\/|\\x2f|\\u002f", re.IGNORECASE)


class Found(NamedTuple):
    """`strangers`: hosts of no known tracker; `shared`: code that goes with what stands beside it."""

    trackers: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()
    shared: bool = False

    def __or__(self, other: "Found") -> "Found":
        return Found(self.trackers | other.trackers, self.strangers | other.strangers, self.shared or other.shared)


def in_address(address: str, own: Own = ()) -> Found:
    """Whose it is; an address without a host, or one that can not be read, is nobody's."""
    host, path = parts_of(address)
    return _whose(host, path, own) if host else Found()


def parts_of(address: str) -> tuple[str, str]:
    """Its host, and its path with the query, as browsers read them; the host is empty where there is none."""
    try:
        parts = urlsplit(re.sub(r"[\t\n\r]", "", address).strip().replace("\\", "/"))
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return "", "/"
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _whose(host: str, path: str, own: Own) -> Found:
    if host in QUIET:
        return Found()
    mine = {str(row["id"]) for row in own if any(on_host(one, host) for one in row["hosts"])
            or any(on_path(one, host, path) for one in row.get("paths", ()))}
    less = {row["tracker"] for row in _DATA["less"] if row["host"] == host and row["word"] not in path}
    known = frozenset(mine) or frozenset(match_host(host, path)) - less
    shared = not known and any(on_path(one, host, path) for one in _DATA["shared"]["addresses"])
    return Found(known, frozenset() if known or shared else frozenset({host}), shared)


def in_code(code: str, own: Own = ()) -> Found:
    """Whose code it is, by the addresses, account numbers and names in it."""
    literals, rest = _taken_apart(code[:LONGEST_CODE])
    found = Found()
    for literal in literals:
        found |= _in_literal(literal, own)
    found |= _in_names(rest)
    if not found.trackers:  # a sign in a regular expression may have hidden where the texts begin
        found |= _in_text(_SLASH.sub("/", _COMMENTS.sub(" ", code[:LONGEST_CODE])), own)
    return found


def _taken_apart(code: str) -> tuple[list[str], str]:
    """The texts in it, and the code without them and without comments."""
    literals: list[str] = []

    def take(match: re.Match[str]) -> str:
        literal = next((group for group in match.groups() if group is not None), None)
        if literal is None:
            return " "
        literals.append(_SLASH.sub("/", literal))
        return '""'

    return literals, _TOKENS.sub(take, code)


def _in_literal(literal: str, own: Own) -> Found:
    if ids := _in_id(literal):
        return Found(ids)
    if (bare := _BARE.fullmatch(literal)) and (known := _whose(
            ("any." if bare[1] else "") + bare[2].lower(), bare[3] or "/", own)).trackers:
        return known
    return _in_text(literal, own)


def _in_text(text: str, own: Own) -> Found:
    found = Found()
    for match in _ADDRESS.finditer(text):
        path = match[2] or "/"
        found |= _whose(match[1].lower(), path if path.startswith("/") else f"/{path}", own)
    return found


def _in_id(literal: str) -> frozenset[str]:
    number = re.compile(r"[A-Z0-9][A-Za-z0-9/_-]{2,60}")
    for row in _DATA["id"]:
        if literal.startswith(row["begins"]) and number.fullmatch(literal, len(row["begins"])):
            return frozenset(row["trackers"])
    return frozenset()


def _in_names(code: str) -> Found:
    names = set(_NAME.findall(code))
    trackers = frozenset(tracker for name in names for tracker in _by_name().get(name, ()))
    return Found(trackers, shared=not names.isdisjoint(_DATA["shared"]["names"]))


@cache
def _by_name() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(row["trackers"]) for row in _DATA["name"] for name in row["names"]}


def _names() -> Iterator[str]:
    yield from _by_name()
    yield from _DATA["shared"]["names"]


# A name counts where something is done with it: called, set, looked into. A property of that name, too: window.fbq.
_NAME: Final = re.compile(
    rf"(?<![\w$])({'|'.join(map(re.escape, sorted(_names(), key=len, reverse=True)))})\s*(?=[(.=\[,;)]|\|\||\?|!)")


def check() -> list[str]:
    """What signs.toml names that the catalogue has not."""
    rows = [*_DATA["name"], *_DATA["id"], _DATA["shared"]]
    return sorted({tracker for row in rows for tracker in row["trackers"]} - set(CATALOGUE))
