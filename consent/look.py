"""How the banner of a site looks: where it stands, its colours, its logo. Pure.

    figures(look)  -> the contrast of every pair of colours in both themes (WCAG 2.2; N1)
    css(look)      -> what the script adds to its style sheet

An owner gives values of a type, never CSS. One pair of colours is for every button, so the two choices can not come to
weigh differently (B1 to B4); nothing here moves, hides or resizes one of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from consent.catalogue import match_host
from consent.patterns import HOST
from consent.shapes import matching, one_of
from consent.wording import Key, Wording, pruned

POSITIONS: Final = ("bottom", "bottom-left", "bottom-right", "top", "center")
THEMES: Final = ("light", "dark")
SCHEMES: Final = ("auto", *THEMES)  # auto: as the visitor's system has it
COLOURS: Final = ("background", "text", "muted", "border", "button", "button_text", "link")
TEXT, CONTROL = 4.5, 3.0  # the least contrast: of text (1.4.3), of controls and of the focus (1.4.11)
SMALLEST, LARGEST = 1.0, 21.0  # what a contrast can be

# As static/banner/src/poort.css has them, under the names there. `link` is the button's unless it has one of its own.
DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {"background": "#ffffff", "text": "#18212b", "muted": "#4d5967", "border": "#d9dee5", "button": "#17497d",
              "button_text": "#ffffff"},
    "dark": {"background": "#1b2129", "text": "#eef2f6", "muted": "#b4bec9", "border": "#38424e", "button": "#a5cdf7",
             "button_text": "#0c1a29"},
}
# What the build makes of the names in poort.css: --card is --c.
PROPERTIES: Final = {"background": "--c", "text": "--i", "muted": "--s", "border": "--l", "button": "--f",
                     "button_text": "--o"}


# -- contrast ---------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb by WCAG 2.2."""
    channels = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21, of two colours as #rrggbb."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@dataclass(frozen=True)
class Pair:
    """Two colours that meet in the banner, and how much they have to differ (N1)."""

    colour: str
    against: str
    needed: float


PAIRS: Final = (
    Pair("text", "background", TEXT),
    Pair("muted", "background", TEXT),  # small print, and the outline of switches
    Pair("link", "background", TEXT),  # and the third button, the button that opens the banner again, the focus
    Pair("button", "background", CONTROL),
    Pair("button_text", "button", TEXT),
)


@dataclass(frozen=True)
class Figure:
    """The contrast of a pair in a theme. `ratio` is cut off, not rounded: 4.499 is not 4.5."""

    theme: str
    pair: Pair
    colour: str
    against: str

    @property
    def ratio(self) -> float:
        """To two decimals."""
        return int(contrast(self.colour, self.against) * 100) / 100

    def field(self, own: Mapping[str, str]) -> str:
        """The one of its colours that the owner gave; a link without a colour of its own has the button's."""
        return next((name for name in (self.pair.colour, self.pair.against) if name in own), "link")

    @property
    def is_enough(self) -> bool:
        """Whether N1 is met."""
        return contrast(self.colour, self.against) >= self.pair.needed


Look = Mapping[str, Any]


def palette(look: Look, theme: str) -> dict[str, str]:
    """Every colour of a theme: the owner's, and ours for the rest."""
    own = look.get("colours", {}).get(theme, {})
    found = {**DEFAULTS[theme], **own}
    return {"link": found["button"], **found}


def shown_themes(look: Look) -> tuple[str, ...]:
    """The themes that a visitor can meet."""
    scheme = look.get("scheme", "auto")
    return THEMES if scheme == "auto" else (scheme,)


def figures(look: Look) -> list[Figure]:
    """The contrast of every pair in both themes, also in one that is not shown: it may be tomorrow."""
    palettes = {theme: palette(look, theme) for theme in THEMES}
    return [Figure(theme, pair, colours[pair.colour], colours[pair.against])
            for theme, colours in palettes.items() for pair in PAIRS]


# -- the shape --------------------------------------------------------------------------------------------------------

NO_COLOUR: Final = "Must be a colour such as #17497d."
NO_LOGO: Final = "Must be an https address of a picture, without a name, a fragment or signs such as quotes in it."
TRACKS: Final = "Is at a tracker, which may not be asked for anything before a choice (A2)."
NEEDS_LOGO: Final = "Belongs to a logo with an address."

_HEX: Final = r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"
# No quote, bracket, backslash or semicolon: what stands within url("...") ends where it should.
_LOGO: Final = rf"https://{HOST}(?::[1-9][0-9]{{1,4}})?/[A-Za-z0-9._~/%@+=&?,:!$-]*"


class Colour(fields.String):
    """A colour in hexadecimal, kept as #rrggbb in small letters."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        matching(_HEX, NO_COLOUR)(text)
        digits = text[1:].lower()
        return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _no_tracker(address: str) -> None:
    parts = urlsplit(address)
    if match_host(parts.hostname or "", parts.path):
        raise ValidationError(TRACKS)


class LogoSchema(Schema):
    """A picture above the banner's title. It is fetched before any choice, so from no tracker (A2)."""

    class Meta:
        unknown = RAISE

    url = fields.String(
        required=True, error_messages={"required": NEEDS_LOGO},
        validate=[validate.Length(max=300, error=NO_LOGO), matching(_LOGO, NO_LOGO), _no_tracker])
    alt = Wording(Key(80))


_ThemeSchema = Schema.from_dict({name: Colour() for name in COLOURS}, name="ThemeSchema")
_ColoursSchema = Schema.from_dict({theme: fields.Nested(_ThemeSchema) for theme in THEMES}, name="ColoursSchema")


class LookSchema(Schema):
    """The field `look` of a site definition."""

    class Meta:
        unknown = RAISE

    position = one_of(POSITIONS)
    scheme = one_of(SCHEMES)
    colours = fields.Nested(_ColoursSchema)
    logo = fields.Nested(LogoSchema)

    @validates_schema(skip_on_field_errors=True)
    def legible(self, data: dict[str, Any], **_: Any) -> None:
        """N1: too little contrast is refused, with the ratio and what is needed."""
        faults: dict[str, Any] = {}
        for figure in figures(data):
            own = data.get("colours", {}).get(figure.theme, {})
            if own and not figure.is_enough:
                faults.setdefault(figure.theme, {}).setdefault(figure.field(own), []).append(said(figure))
        if faults:
            raise ValidationError({"colours": faults})

    @post_load
    def without_blanks(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Nothing is written in one way alone, or the same draft would be two versions."""
        return pruned(data)


def said(figure: Figure) -> str:
    """What is wrong with too little contrast."""
    pair = figure.pair
    return (f"{pair.colour} {figure.colour} on {pair.against} {figure.against} has a contrast of {figure.ratio}; "
            f"needed is {pair.needed} (N1).")


# -- the style sheet --------------------------------------------------------------------------------------------------

_ROOT: Final = "#poort#poort"  # as the build writes it: beats a site's own selectors with one id in them
_DIALOG: Final = f"{_ROOT} [role=dialog]"
_EMBED: Final = "[data-poort=embed]:not(#p#p#p)"  # once more than embeds.css, which comes later
_WIDE: Final = "@media(min-width:48em)"  # on a phone there is no room beside a banner

_PLACES: Final = {
    "bottom": "",
    "bottom-left": f"{_WIDE}{{{_DIALOG}{{inset:auto auto 1em 1em;width:min(28em,100% - 2em)}}}}",
    "bottom-right": f"{_WIDE}{{{_DIALOG}{{inset:auto 1em 1em auto;width:min(28em,100% - 2em)}}}}",
    "top": (
        f"{_DIALOG}{{inset:0 0 auto;border-radius:0 0 1em 1em}}{_WIDE}{{{_DIALOG}{{top:1em;border-radius:1em}}}}"
        f"{_ROOT} [role=status]:not(:empty){{inset-block:auto 4.5em}}"),
    # Lower than elsewhere: the page can still be scrolled to what has the focus (N3).
    "center": (
        f"{_WIDE}{{{_DIALOG}{{inset:0;width:min(44em,100% - 2em);height:fit-content;max-height:max(70vh,20em)}}}}"),
}


def css(look: Look) -> str:
    """The rules that follow the banner's own, without !important, which the script adds to all of them."""
    return "".join([_PLACES[look.get("position", "bottom")], *_colours(look), _logo(look.get("logo"))])


def _colours(look: Look) -> Iterator[str]:
    scheme = look.get("scheme", "auto")
    if scheme != "auto":
        yield _theme(palette(look, scheme), f"color-scheme:{scheme};")
        return
    for theme in THEMES:
        if look.get("colours", {}).get(theme):
            yield f"@media(prefers-color-scheme:{theme}){{{_theme(palette(look, theme))}}}"


def _theme(colours: Mapping[str, str], more: str = "") -> str:
    given = "".join(f"{name}:{colours[colour]};" for colour, name in PROPERTIES.items())
    link = colours["link"]
    links = "" if link == colours["button"] else (
        f"& a,& .quiet,&>button{{color:{link}}}& .quiet{{border-color:{link}}}& :focus-visible{{outline-color:{link}}}")
    return f"{_ROOT},{_EMBED}{{{given}{more}{links}}}"


def _logo(logo: Mapping[str, str] | None) -> str:
    if not logo:
        return ""
    shown = f'content:"";content:""/"{_quoted(logo["alt"])}"' if "alt" in logo else 'content:""'
    return (f'{_DIALOG}::before{{{shown};display:block;flex:none;height:2.5em;margin:0 0 .75em;'
            f'background:url("{logo["url"]}")0/contain no-repeat}}'
            f"@media(max-height:32em){{{_DIALOG}::before{{display:none}}}}")  # the buttons stay in sight (B4)


def _quoted(text: str) -> str:
    """Within a string of CSS: every sign of ASCII by its number, so that none ends the string or a declaration."""
    return re.sub(r"[^A-Za-z0-9 \x80-\U0010ffff]", lambda sign: f"\\{ord(sign[0]):x} ", text)
