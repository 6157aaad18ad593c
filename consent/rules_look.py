"""The rules about how the banner looks: A2 of its logo, B15 and N1."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from consent import look
from consent.rules import Hit, Subject, hit, rule

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "background": {"nl": "de achtergrond", "en": "the background"},
    "text": {"nl": "de tekst", "en": "the text"},
    "muted": {"nl": "de kleine letters", "en": "the small print"},
    "border": {"nl": "de rand", "en": "the border"},
    "button": {"nl": "de knop", "en": "the button"},
    "button_text": {"nl": "de tekst op de knop", "en": "the text on the button"},
    "link": {"nl": "de link", "en": "the link"},
    "light": {"nl": "het lichte thema", "en": "the light theme"},
    "dark": {"nl": "het donkere thema", "en": "the dark theme"},
}
_WHOLE: Final = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


def _look(subject: Subject) -> Mapping[str, Any]:
    return subject.definition.get("look") or {}


@rule("A2")
def logo_at_home(subject: Subject) -> Iterator[Hit]:
    """It is fetched before any choice, so from the site itself."""
    url = (_look(subject).get("logo") or {}).get("url", "")
    host = urlsplit(url).hostname
    if host and not any(host == own or host.endswith(f".{_parent(own)}") for own in subject.hosts):
        yield hit("logo", "look.logo.url", host=host)


def _parent(host: str) -> str:
    """The domain that a site's other hosts lie under: www.shop.example and cdn.shop.example under shop.example."""
    parts = host.split(".")
    return host if len(parts) < 3 else ".".join(parts[1:])


@rule("B15")
def not_over_the_page(subject: Subject) -> Iterator[Hit]:
    """Below or beside what a visitor came for, not over it."""
    if _look(subject).get("position") == "center":
        yield hit("covers", "look.position")


@rule("N1")
def enough_contrast(subject: Subject) -> Iterator[Hit]:
    """Every pair of colours that meet, in both themes."""
    own = _look(subject).get("colours") or {}
    if not all(_WHOLE.fullmatch(colour) for theme in own.values() for colour in theme.values()):
        return  # refused by its schema: of what is no colour nothing can be told
    for figure in look.figures(_look(subject)):
        if figure.theme in own and not figure.is_enough:
            names = {"colour": _NAMES[figure.pair.colour], "against": _NAMES[figure.pair.against]}
            path = f"look.colours.{figure.theme}.{figure.field(own[figure.theme])}"
            yield hit("faint", path, theme=_NAMES[figure.theme], ratio=_number(figure.ratio),
                      needed=_number(figure.pair.needed), **names)


def _number(value: float) -> dict[str, str]:
    return {"nl": f"{value:g}".replace(".", ","), "en": f"{value:g}"}
