"""How the internet of the browser suite plays the trackers.

Every script here does what the real one does that matters for consent: it sets its first-party cookies (most of them on
the parent domain, as the real ones do), writes its storage keys, loads its second file and calls its collector.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.browser.trackers import BY_ID, Tracker, owner

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
YEAR, HALF_HOUR = 31_536_000, 1_800


@dataclass(frozen=True)
class Known:
    content_type: str
    body: bytes
    third_party_cookie: str


def answer(host: str, path: str) -> Known | None:
    """A script, a frame or a pixel, as the address asks for."""
    name = owner(host, path)
    if name is None:
        return None
    url, tracker = f"https://{host}{path}", BY_ID[name]
    if url == tracker.script:
        return Known(*(sheet(tracker) if tracker.sheet else script(tracker)), f"{name}_third")
    if url == tracker.more:
        return Known("text/javascript", b"/* more of the same */", f"{name}_third")
    if url == tracker.frame:
        return Known("text/html", f"<!doctype html><title>{name}</title><p>{name}".encode(), f"{name}_third")
    return Known("image/gif", GIF, f"{name}_third")


def sheet(tracker: Tracker) -> tuple[str, bytes]:
    """A style sheet with a font that the page then needs."""
    font = f"@font-face {{ font-family: Theirs; src: url({tracker.more}) }} h1 {{ font-family: Theirs, sans-serif }}"
    return "text/css", font.encode()


def script(tracker: Tracker) -> tuple[str, bytes]:
    """The tracker's own code: note that it ran, write, load its second part, call home."""
    facts = {
        "id": tracker.id,
        "cookies": list(tracker.cookies),
        "own": list(tracker.own_host_cookies),
        "local": list(tracker.local),
        "session": list(tracker.session),
        "more": tracker.more,
        "collector": tracker.collector,
    }
    return "text/javascript", f"({TRACKER_JS})({json.dumps(facts)});".encode()


TRACKER_JS = f"""function (me) {{
  (window.ran = window.ran || []).push(me.id);
  var parent = location.hostname.split(".").slice(-2).join("."), value = "=1; path=/; secure; max-age=";
  me.cookies.forEach(function (name) {{ document.cookie = name + value + {YEAR} + "; domain=" + parent; }});
  me.own.forEach(function (name) {{ document.cookie = name + value + {HALF_HOUR}; }});
  me.local.forEach(function (key) {{ localStorage.setItem(key, "1"); }});
  me.session.forEach(function (key) {{ sessionStorage.setItem(key, "1"); }});
  if (me.more) {{
    var part = document.createElement("script");
    part.src = me.more;
    document.head.appendChild(part);
  }}
  if (me.collector) navigator.sendBeacon(me.collector, "seen");
}}"""
