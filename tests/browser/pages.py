"""The pages of the customers' sites, as HTML."""

from __future__ import annotations

from tests.browser import trackers
from tests.browser.internet import Headers, Internet
from tests.browser.sites import embed, home

SHOP = home("shop-test")
JOURNEYS = "https://www.klantpad.example/"
JOURNEYS_TAG = '<script async src="https://consent.klantpad.example/banner/journeys-www.js"></script>'

# Real pages are longer than a window: scrolling, and focus behind the banner, can be tried.
TEXT = "".join(
    f'<p>Alinea {number} <a href="/bladzij-{number}">Verder lezen {number}</a></p><p style="height: 90px">…</p>'
    for number in range(24)
)


# One column in the middle, where a banner that is centred lies over it.
COLUMN = "<style>main { max-width: 40rem; margin: auto }</style>"


def html(body: str, head: str = "", lang: str = "nl", attributes: str = "") -> str:
    return (
        f'<!doctype html><html lang="{lang}" {attributes}><head><meta charset="utf-8"><title>Journeys</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>'
        f"<body><main><h1>Reizen van klanten</h1>{body}</main></body></html>"
    )


def gated_script(service: str, src: str) -> str:
    return f'<script type="text/plain" data-service="{service}" data-src="{src}"></script>'


def gated_snippet(service: str, src: str) -> str:
    """Inline code that makes the script element itself, as the stock snippets of most vendors do."""
    return (
        f'<script type="text/plain" data-service="{service}">(function (d) {{ var s = d.createElement("script");'
        f' s.async = true; s.src = "{src}"; d.head.appendChild(s); }})(document);</script>'
    )


def journeys_tags() -> str:
    """Every tracker of the profile, in all the ways in which contract.md lets a site tag them."""
    by = trackers.BY_ID
    snippets = {"hotjar", "uet", "linkedin"}
    tags = [
        gated_snippet(row.id, row.script) if row.id in snippets else gated_script(row.id, row.script)
        for row in trackers.JOURNEYS
        if row.id != "typeform"
    ]
    return "".join(tags) + (
        '<iframe title="Afspraak" data-category="functional" data-service="calendly"'
        f' data-src="{by["calendly"].frame}"></iframe>'
        f'<template data-service="typeform"><iframe title="Vragen" src="{by["typeform"].frame}"></iframe>'
        f'<script src="{by["typeform"].script}"></script></template>'
        '<img alt="" data-service="meta" data-src="https://www.facebook.com/tr?id=42&amp;ev=PageView&amp;noscript=1">'
        '<img alt="" data-category="marketing" data-service="linkedin"'
        ' data-src="https://px.ads.linkedin.com/collect/?pid=42&amp;fmt=gif">'
    )


def journeys(internet: Internet, path: str = "", lang: str = "nl", headers: Headers | None = None) -> str:
    """Put a page of the journeys site on the internet; its address."""
    page = html(journeys_tags() + TEXT, head=JOURNEYS_TAG, lang=lang)
    return internet.page(JOURNEYS + path, page, headers)


def shop(
    internet: Internet,
    body: str = TEXT,
    key: str = "shop-test",
    path: str = "",
    head: str = "",
    lang: str = "nl",
    attributes: str = "",
    headers: Headers | None = None,
) -> str:
    """Put a page of one of the test shops on the internet; its address."""
    page = html(body, head=embed(key) + head, lang=lang, attributes=attributes)
    return internet.page(home(key) + path, page, headers)
