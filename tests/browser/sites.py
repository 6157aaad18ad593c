"""Site definitions of the browser tests, beside those under examples/."""

from __future__ import annotations

from typing import Any

OWN_STATS = {
    "id": "own-stats",
    "name": "Own statistics",
    "vendor": "Webwinkel B.V.",
    "country": "NL",
    "category": "analytics",
    "hosts": ["stats.shop.example"],
    "cookies": [{"name": "_own_*", "duration": "P13M"}],
    "purpose": {"nl": "Telt bezoeken.", "en": "Counts visits."},
}


def site(key: str, **differs: Any) -> dict[str, Any]:
    """A shop at www.KEY.example with one tracker in each category and one of its own."""
    definition = {
        "key": key,
        "name": "Webwinkel",
        "organisation": "Webwinkel B.V.",
        "controller": {
            "name": "Webwinkel B.V.",
            "email": f"privacy@{key}.example",
            "policy_url": f"https://www.{key}.example/privacy",
        },
        "origins": [f"https://www.{key}.example", f"https://blog.{key}.example"],
        "cookie_domain": f"{key}.example",
        "default_language": "nl",
        "languages": ["nl", "en"],
        "trackers": [{"id": "hotjar"}, {"id": "meta"}, {"id": "intercom"}, {"id": "uet"}, OWN_STATS],
    }
    return {**definition, **differs}


SHOP = site("shop-test")
HOST_ONLY = site("hostonly", cookie_domain=None)
IMMEDIATE = site("immediate", release="immediate")
CHILDREN = site("children", audience="children")
ENGLISH = site("english", default_language="en", languages=["en"])
RENEWED = site("renewed")
OTHER = site("other-test")
OVERTAKEN = site("overtaken")
MARKUP_NAME = "<img src=x onerror=hacked=1></script>{reopen}"
MARKUP = site("markup", controller={**SHOP["controller"], "name": MARKUP_NAME})
ALL = (SHOP, HOST_ONLY, IMMEDIATE, CHILDREN, ENGLISH, RENEWED, OTHER, OVERTAKEN, MARKUP)


def home(key: str) -> str:
    return f"https://www.{key}.example/"


def embed(key: str) -> str:
    """The one tag that an owner copies."""
    return f'<script async src="https://consent.{key}.example/banner/{key}.js"></script>'
