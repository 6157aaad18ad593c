"""The ways in which a page loads its trackers, each as the body of a page that has them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from consent.catalogue import CATALOGUE
from tests.browser.trackers import ALL, BY_ID, EMBEDDED, Tracker

NONCE = "once"
Form = Callable[[str], str]
T = TypeVar("T")


def escaped(url: str) -> str:
    return url.replace("&", "&amp;")


def pick(forms: dict[str, T], place: int) -> tuple[str, T]:
    """One of the forms by turns, with its name: neighbours on the page differ."""
    return list(forms.items())[place % len(forms)]


# -- tagged: as contract.md lets a site tag them ----------------------------------------------------------------------


def maker(url: str) -> str:
    """Inline code that makes the script element itself, as the stock snippets of most vendors do."""
    return f'(function (d) {{ var s = d.createElement("script"); s.src = "{url}"; d.head.appendChild(s); }})(document);'


def plain(row: Tracker) -> str:
    return f'<script type="text/plain" data-service="{row.id}" data-src="{escaped(row.script)}"></script>'


def snippet(row: Tracker) -> str:
    return f'<script type="text/plain" nonce="{NONCE}" data-service="{row.id}">{maker(row.script)}</script>'


def template(row: Tracker) -> str:
    return f'<template data-service="{row.id}"><script src="{escaped(row.script)}"></script></template>'


def frame(row: Tracker) -> str:
    """Embedded content; a placeholder stands there until it is allowed."""
    size = 'width="400" height="300"'
    return f'<iframe title="{row.id}" {size} data-service="{row.id}" data-src="{escaped(str(row.frame))}"></iframe>'


def tags(row: Tracker, form: Callable[[Tracker], str]) -> str:
    """Every tag of one tracker."""
    if row.sheet:
        return f'<link rel="stylesheet" data-service="{row.id}" data-href="{escaped(row.script)}">'
    pixel = f'<img alt="" data-service="{row.id}" data-src="{escaped(row.pixel)}">' if row.pixel else ""
    return form(row) + pixel + (frame(row) if row.frame else "")


TAGGED = {"script": plain, "inline": snippet, "template": template}


def tagged() -> str:
    """Scripts, inline code, templates, frames, images and style sheets."""
    return "".join(tags(row, pick(TAGGED, place)[1]) for place, row in enumerate(ALL))


def embedded() -> str:
    """Videos, maps and forms that a visitor looks at."""
    return "".join(frame(BY_ID[name]) for name in EMBEDDED)


# -- auto: untagged, whatever inserts them ----------------------------------------------------------------------------


def inline(code: str) -> str:
    """A script of the page's own, which goes on when something is not allowed."""
    return f'<script nonce="{NONCE}">try {{ {code} }} catch (error) {{}}</script>'


def quoted(html: str) -> str:
    return json.dumps(html).replace("</", "<\\/")


def script_tag(url: str) -> str:
    return f'<script src="{escaped(url)}"></script>'


# Ways to load a script. `innerHTML` is none: scripts in it never run.
SCRIPTS: dict[str, Form] = {
    "script": script_tag,
    "async script": lambda url: script_tag(url).replace("<script", "<script async"),
    "deferred script": lambda url: script_tag(url).replace("<script", "<script defer"),
    "`createElement`": lambda url: inline(maker(url)),
    "`document.write`": lambda url: inline(f"document.write({quoted(script_tag(url))})"),
    "`setAttribute`": lambda url: inline(
        f'var s = document.createElement("script"); s.setAttribute("src", "{url}"); document.body.append(s);'
    ),
    "`createContextualFragment`": lambda url: inline(
        f"document.body.append(document.createRange().createContextualFragment({quoted(script_tag(url))}))"
    ),
}


def image(url: str) -> str:
    return f'<img alt="" src="{escaped(url)}">'


def window(url: str) -> str:
    return f'<iframe title="x" src="{escaped(url)}"></iframe>'


# Ways to call home.
CALLS: dict[str, Form] = {
    "`fetch`": lambda url: inline(f'fetch("{url}", {{mode: "no-cors"}}).catch(function () {{}});'),
    "`XMLHttpRequest`": lambda url: inline(f'var x = new XMLHttpRequest(); x.open("POST", "{url}"); x.send("seen");'),
    "`sendBeacon`": lambda url: inline(f'navigator.sendBeacon("{url}", "seen");'),
    "`new Image`": lambda url: inline(f'new Image().src = "{url}";'),
    "image by `innerHTML`": lambda url: inline(
        f'document.body.appendChild(document.createElement("p")).innerHTML = {quoted(image(url))};'
    ),
}
# What no script of a page can be sure to hold back: the parser asks as soon as it has the element (but for a script,
# before which observers have their turn), and what is in a worker is out of reach.
BEYOND: dict[str, Form] = {
    "a frame in the page's own source": window,
    "an image in the page's own source": image,
    "a style sheet in the page's own source": lambda url: f'<link rel="stylesheet" href="{escaped(url)}">',
    "`importScripts` in a worker": lambda url: inline(
        f'new Worker(URL.createObjectURL(new Blob(["importScripts(\\"{url}\\")"])));'
    ),
}
# Ways to show a frame.
FRAMES: dict[str, Form] = {
    "frame by `createElement`": lambda url: inline(
        f'var f = document.createElement("iframe"); f.src = "{url}"; document.body.appendChild(f);'
    ),
    "frame by `insertAdjacentHTML`": lambda url: inline(
        f'document.body.insertAdjacentHTML("beforeend", {quoted(window(url))});'
    ),
}


def sheet(url: str) -> str:
    return inline(
        f'var l = document.createElement("link"); l.rel = "stylesheet"; l.href = "{url}"; document.body.append(l);'
    )


def untagged(place: int, row: Tracker) -> dict[str, str]:
    """Everything of one tracker by how it is put there, each part in another way than at its neighbours."""
    how, write = ("style sheet by `createElement`", sheet) if row.sheet else pick(SCRIPTS, place)
    parts = {how: write(row.script)}
    for n, url in enumerate((row.collector, row.pixel)):
        if url:
            how, write = pick(CALLS, place + n)
            parts[how] = write(url)
    if row.frame:
        how, write = pick(FRAMES, place)
        parts[how] = write(row.frame)
    return parts


def auto() -> str:
    """The page as it was before anybody thought of consent."""
    return "".join("".join(untagged(place, row).values()) for place, row in enumerate(ALL))


# -- foreign: the tags of other platforms, as they stand --------------------------------------------------------------

COOKIEBOT = {"functional": "preferences", "analytics": "statistics", "marketing": "marketing"}
ONETRUST = {"analytics": "C0002", "functional": "C0003", "marketing": "C0004"}
Marks = Callable[[Tracker], str]


def dialect(mark: Marks, address: str) -> Callable[[Tracker], str]:
    """How a platform writes its tags: what marks them, and the attribute for the address of what is no script."""

    def write(row: Tracker) -> str:
        if row.sheet:
            return f'<link rel="stylesheet" {mark(row)} data-href="{row.script}">'
        written = f'<script type="text/plain" {mark(row)} src="{escaped(row.script)}"></script>'
        if row.pixel:
            written += f'<img alt="" {mark(row)} {address}="{escaped(row.pixel)}">'
        return written + (f'<iframe title="x" {mark(row)} {address}="{row.frame}"></iframe>' if row.frame else "")

    return write


DIALECTS: dict[str, Callable[[Tracker], str]] = {
    "Klaro": dialect(lambda row: f'data-name="{row.id}"', "data-src"),
    "Cookiebot": dialect(lambda row: f'data-cookieconsent="{COOKIEBOT[row.category]}"', "data-cookieblock-src"),
    "OneTrust": dialect(lambda row: f'class="optanon-category-{ONETRUST[row.category]}"', "data-src"),
    "CookieConsent": dialect(lambda row: f'data-category="{row.category}" data-service="{row.id}"', "data-src"),
    "Usercentrics": dialect(lambda row: f'data-usercentrics="{CATALOGUE[row.id]["name"]}"', "data-src"),
}


def foreign() -> str:
    """A page that came from another platform, or rather from five."""
    return "".join(pick(DIALECTS, place)[1](row) for place, row in enumerate(ALL))


# -- a policy that lets every tracker through, so that it does none of the gate's work --------------------------------


def hosts(rows: Iterable[Tracker]) -> set[str]:
    """Where these trackers' own addresses are."""
    return {"/".join(url.split("/")[:3]) for row in rows for url in row.urls}


def policy(consent: str, rows: Iterable[Tracker] = ALL) -> str:
    """A strict content security policy that lets these trackers through: no other host, inline code by nonce only."""
    theirs = " ".join(sorted(hosts(rows)))
    parts = {
        "default-src": "'none'",
        "script-src": f"'nonce-{NONCE}' {consent} {theirs}",
        "connect-src": f"{consent} {theirs}",
        "worker-src": "blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **{name: theirs for name in ("img-src", "frame-src", "style-src", "font-src") if theirs},
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())
