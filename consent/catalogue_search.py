"""Finding trackers in the catalogue by whatever somebody has of them. Pure.

    find("facebook")                          -> Meta Pixel, by its hosts
    find("https://static.hotjar.com/c/1.js")  -> Hotjar, by *.hotjar.com
    find("_uetsid")                           -> Microsoft Advertising, by its cookie
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from consent import signs
from consent.catalogue import CATALOGUE, Tracker, match_cookie
from consent.patterns import matches, on_host, on_path

LONGEST: Final = 2_000  # characters; addresses are long

_ADDRESS: Final = re.compile(r"(?:[a-z]{2,5}:)?//\S+|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:[/:?]\S*)?", re.IGNORECASE)


class Hit(NamedTuple):
    """A tracker, what it was found by (name, host, cookie or key), and the pattern that fits, if any."""

    tracker: Tracker
    by: str
    pattern: str = ""


def find(text: str) -> list[Hit]:
    """The trackers that fit best: those of an address or a cookie, else those whose names and hosts have the words."""
    wanted = text.strip()[:LONGEST]
    if not wanted:
        return []
    if _ADDRESS.fullmatch(wanted) and (found := list(_by_address(wanted))):
        return found
    return list({hit.tracker["id"]: hit for hit in (*_by_words(wanted), *_by_stored(wanted))[::-1]}.values())[::-1]


def _by_address(address: str) -> Iterator[Hit]:
    whole = address if "//" in address else f"//{address}"
    for id in sorted(signs.in_address(whole).trackers, key=list(CATALOGUE).index):
        yield Hit(CATALOGUE[id], "host", _pattern(CATALOGUE[id], whole))


def _pattern(row: Tracker, address: str) -> str:
    """The first of its patterns that fits."""
    host, path = signs.parts_of(address)
    hosts = (pattern for pattern in row["hosts"] if on_host(pattern, host))
    return next(hosts, None) or next((pattern for pattern in row["paths"] if on_path(pattern, host, path)), "")


def _by_words(wanted: str) -> Iterator[Hit]:
    words = wanted.lower().split()
    for row in CATALOGUE.values():
        if all(word in f"{row['id']} {row['name']} {row['vendor']}".lower() for word in words):
            yield Hit(row, "name")
    for row in CATALOGUE.values():
        one = next((host for host in (*row["hosts"], *row["paths"]) if wanted.lower() in host), "")
        if one and len(wanted) > 2:
            yield Hit(row, "host", one)


def _by_stored(wanted: str) -> Iterator[Hit]:
    """By the name of a cookie, on whatever domain, or of a key in the page's storage."""
    here = set(match_cookie(wanted))
    for id, row in sorted(CATALOGUE.items(), key=lambda item: item[0] not in here):
        if cookie := next((one["name"] for one in row["cookies"] if matches(one["name"], wanted)), ""):
            yield Hit(CATALOGUE[id], "cookie", cookie)
        elif key := next((one["name"] for one in row["storage"] if matches(one["name"], wanted)), ""):
            yield Hit(CATALOGUE[id], "key", key)
