"""Site definitions of the browser tests, beside those under examples/."""

from __future__ import annotations

from typing import Any

from consent.catalogue import CATALOGUE
from tests.browser import trackers

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
# What came from another platform: one tracker more, which the others know by another name.
SWITCHED = site("switched", trackers=[{"id": "ga4"}, *SHOP["trackers"]])
SWITCHED_AT_ONCE = site("switched-at-once", trackers=SWITCHED["trackers"], release="immediate")
SIGNALS = site("signals", trackers=[{"id": id} for id, row in CATALOGUE.items() if row["signal"]])
ADVANCED = site(
    "advanced",
    trackers=[{"id": "ga4"}, {"id": "gads"}],
    google_consent_mode="advanced",
    google_consent_mode_reason="Conversions are modelled.",
)
LEAKY = site("leaky", trackers=[*SHOP["trackers"], {"id": "calendly"}], leak_reports={"sample": 1})
HALF = site("half-leaky", leak_reports={"sample": 0.5})
# Who comes back is counted, and leaks are told of beside it. Its second version asks for one tracker more.
COUNTED_BEFORE = site("counted", count_visits=True, leak_reports={"sample": 1})
COUNTED = {**COUNTED_BEFORE, "trackers": [*SHOP["trackers"], {"id": "linkedin"}]}
# Its second version has an experiment; one in four sees the other banner.
OTHER_WORDS = {
    "nl": {"title": "Mag {controller} meekijken?", "accept_all": "Ja, alles toestaan", "reopen": "Mijn keuzes",
           "settings_intro": "Wat mag {controller} doen?", "save": "Zo bewaren"},
    "en": {"title": "May {controller} look along?", "accept_all": "Yes, allow all", "reopen": "My choices",
           "settings_intro": "What may {controller} do?", "save": "Keep it so"},
}
B = "b" + "-lang" * 6  # as long as a name can be
TRIED_BEFORE = site("tried", look={"position": "top"})
TRIED = {**TRIED_BEFORE, "experiment": {"id": "welkom", "goal": "analytics", "variants": [
    {"id": "a", "share": 3}, {"id": B, "share": 1, "texts": OTHER_WORDS, "look": {"position": "bottom-left"}}]}}
# All trackers on one site, in its second version; marketing came with that one.
EVERYTHING = site("everything", trackers=[{"id": row.id} for row in trackers.ALL])
BEFORE = site("everything", trackers=[{"id": row.id} for row in trackers.ALL if row.category != "marketing"])
# What an owner may type, made to harm whoever shows it; each text still says what it has to.
HARM = "<img src=x onerror=alert(1)></style></script><script>alert(2)</script>\"');*!-- javascript:alert(3)"
WORDS = {
    "title": "Cookies van {controller} " + HARM[:40], "intro": f"Mag het? Toestemming {HARM}",
    "change": f"Intrekken met {{reopen}} {HARM[:90]}", "policy": HARM[:60], "preferences": HARM[:40],
    "reopen": HARM[20:60], "settings_intro": HARM, "save": HARM[-40:], "withdraw": HARM[:40], "close": HARM[:28],
    "saved": HARM,
    "accept_all": "Sta alles maar toe", "necessary_only": "Weiger",
}
COLOURS = {
    "light": {"background": "#fff8e1", "text": "#221b00", "muted": "#5a4d1f", "border": "#e0c97a", "button": "#c85a00",
              "button_text": "#000000", "link": "#7a3e00"},
    "dark": {"background": "#221b00", "text": "#fffdf5", "button": "#ffb000", "button_text": "#221b00"},
}
LOGO = {"url": "https://www.look-left.example/logo.svg", "alt": HARM[:80]}
LOOKS = {
    "bottom-left": site(
        "look-left", look={"position": "bottom-left", "colours": COLOURS, "logo": LOGO},
        texts={"nl": {**WORDS, "categories": {"analytics": {"purpose": HARM}}}}),
    "bottom-right": site("look-right", look={"position": "bottom-right"}),
    "top": site("look-top", look={"position": "top", "scheme": "dark"}),
    "center": site("look-center", look={"position": "center", "colours": {"light": COLOURS["light"]}}),
}
ALL = (
    SHOP, HOST_ONLY, IMMEDIATE, CHILDREN, ENGLISH, RENEWED, OTHER, OVERTAKEN, MARKUP, SWITCHED, SWITCHED_AT_ONCE,
    SIGNALS, ADVANCED, LEAKY, HALF, COUNTED_BEFORE, COUNTED, TRIED_BEFORE, TRIED, BEFORE, EVERYTHING, *LOOKS.values(),
)


def home(key: str) -> str:
    return f"https://www.{key}.example/"


def embed(key: str) -> str:
    """The one tag that an owner copies."""
    return f'<script async src="https://consent.{key}.example/banner/{key}.js"></script>'
