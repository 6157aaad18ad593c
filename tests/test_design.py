"""The design note's promises, read from the style sheets: contrast in both schemes, one place for colours."""

import re
from itertools import product
from pathlib import Path

import pytest

from consent.banners import code

ROOT = Path(__file__).parent.parent
TOKENS = (ROOT / "static/admin/tokens.css").read_text(encoding="utf-8")
SHEETS = {file: file.read_text(encoding="utf-8") for file in [
    *sorted((ROOT / "static/admin").glob("*.css")), ROOT / "static/demo/home.css", ROOT / "static/demo/glass.css"]
    if file.name not in ("tokens.css", "preview.css")}  # the preview's page is somebody else's site
SHOP = (ROOT / "static/demo/shop.css").read_text(encoding="utf-8")
NAMES = re.compile(r"--([\w-]+):\s*([^;}]+)")
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|hsl|oklch|color)a?\(")


def schemes(css: str) -> dict[str, dict[str, str]]:
    """The custom properties of :root in light and in dark."""
    light, dark = (dict(NAMES.findall(block)) for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2])
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    """By WCAG 2.2."""
    digits = colour.strip().lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at:at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


GROUNDS = ("page", "card", "hint", "good-hint", "warn-hint", "fault-hint", "ignored")
TEXT = {
    *product(("ink", "soft", "fill", "fault"), GROUNDS), ("on", "fill"),
    *product(("good", "warn"), ("page", "card")), ("good", "good-hint"), ("warn", "warn-hint"), ("fault", "fault-hint"),
}
OPERATED = {
    *product(("edge", "fill", "good", "warn", "fault"), GROUNDS), *product(("custom", "necessary"), ("card", "page")),
    ("edge", "ignored"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_what_is_operated_stand_out(scheme: str) -> None:
    """N1: 4.5 for text, 3 for controls, focus and the parts of a chart."""
    of = schemes(TOKENS)[scheme]
    for least, pairs in ((4.5, TEXT), (3, OPERATED)):
        weak = {f"{front} on {ground}": round(contrast(of[front], of[ground]), 2) for front, ground in pairs
                if contrast(of[front], of[ground]) < least}
        assert weak == {}, f"below {least}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_shop_of_the_demo_is_legible_too(scheme: str) -> None:
    of = schemes(SHOP)[scheme]
    pairs = [*product(("ink", "soft"), ("paper", "card")), ("on-brand", "brand"), ("brand", "paper")]
    assert [pair for pair in pairs if contrast(of[pair[0]], of[pair[1]]) < 4.5] == []


def test_both_schemes_have_every_colour() -> None:
    """And what is dark in both has the dark ones."""
    of = schemes(TOKENS)
    colours = {name for name, value in of["light"].items() if value.startswith("#")}
    dark = dict(NAMES.findall(re.findall(r"@media \(prefers-color-scheme: dark\) \{(.*?)\n\}", TOKENS, re.DOTALL)[0]))
    always = dict(NAMES.findall(re.findall(r"\n\.dark \{(.*?)\}", TOKENS, re.DOTALL)[0]))
    assert set(dark) == colours
    assert always == dark


def test_colours_stand_in_one_file() -> None:
    found = {file.name: line.strip() for file, css in SHEETS.items() for line in css.splitlines()
             if COLOUR.search(re.sub(r"/\*.*?\*/|(?<=[\s,(}])#[a-z][\w-]*(?=[\s.:{,)])|^#[a-z][\w-]*", "", line))}
    assert found == {}


def test_every_token_that_is_asked_for_is_there() -> None:
    known = set(schemes(TOKENS)["light"])
    for file, css in SHEETS.items():
        own = {name for name, _ in NAMES.findall(css)}
        assert set(re.findall(r"var\(--([\w-]+)", css)) - known - own == set(), file.name


def test_the_banner_has_the_same_colours() -> None:
    """It brings them along itself: as its source says, and as the built script does."""
    source = (ROOT / "static/banner/src/poort.css").read_text(encoding="utf-8")
    light, dark = (dict(NAMES.findall(block)) for block in re.findall(r"#poort \{(.*?)\}", source, re.DOTALL)[:2])
    for ours, scheme in ((light, "light"), (dark, "dark")):
        of = schemes(TOKENS)[scheme]
        assert {name: value for name, value in ours.items() if name in of} != {}
        assert [name for name, value in ours.items() if name in of and of[name] != value] == []
    assert of["fill"] in code()
