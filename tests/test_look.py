"""How a banner may look: typed values alone, enough contrast, and the same version for what is written otherwise."""

import re
from typing import Any

import pytest

from consent import banners, look, sites, versions
from consent.changes import compare
from tests.shop import DEFINITION

FULL: dict[str, Any] = {
    "position": "bottom-right", "scheme": "auto",
    "colours": {
        "light": {"background": "#fffdf5", "text": "#221b00", "button": "#c85a00", "button_text": "#000000",
                  "link": "#7a3e00"},
        "dark": {"background": "#221b00", "text": "#fffdf5", "button": "#ffb000", "button_text": "#221b00"},
    },
    "logo": {"url": "https://www.shop.example/logo.svg", "alt": "Webwinkel"},
}


def defined(**fields: Any) -> dict[str, Any]:
    return sites.parse_definition({**DEFINITION, **fields})


def faults(**fields: Any) -> dict[str, str]:
    with pytest.raises(sites.DefinitionError) as caught:
        defined(**fields)
    return caught.value.faults


# -- contrast ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other", "ratio"), [
    pytest.param("#000000", "#ffffff", 21.0, id="black on white"),
    pytest.param("#ffffff", "#ffffff", 1.0, id="white on white"),
    pytest.param("#777777", "#ffffff", 4.478, id="the grey that just fails"),
    pytest.param("#767676", "#ffffff", 4.542, id="the grey that just passes"),
    pytest.param("#949494", "#ffffff", 3.033, id="the grey that just passes for controls"),
    pytest.param("#959595", "#ffffff", 2.995, id="the grey that just fails for controls"),
    pytest.param("#ff0000", "#ffffff", 3.998, id="red"),
    pytest.param("#00ff00", "#ffffff", 1.372, id="green"),
    pytest.param("#0000ff", "#ffffff", 8.592, id="blue"),
])
def test_contrast_is_as_wcag_computes_it_either_way_round(one: str, other: str, ratio: float) -> None:
    assert look.contrast(one, other) == pytest.approx(ratio, abs=0.001)
    assert look.contrast(other, one) == look.contrast(one, other)


def test_a_ratio_is_cut_off_and_never_rounded_up_to_what_is_needed() -> None:
    figure = look.Figure("light", look.Pair("text", "background", 4.48), "#777777", "#ffffff")
    assert (figure.ratio, figure.is_enough) == (4.47, False)


def test_our_own_colours_have_enough_contrast_and_are_those_of_the_style_sheet() -> None:
    assert all(figure.is_enough for figure in look.figures({}))
    script = banners.built_script()
    for theme in look.THEMES:
        for colour, name in look.PROPERTIES.items():
            value = look.DEFAULTS[theme][colour]
            short = "#" + value[1::2] if value[1::2] == value[2::2] else value
            assert re.search(rf"{name}:(?:{value}|{short})[;}}]", script), (theme, colour)


@pytest.mark.parametrize(("colours", "field", "said"), [
    ({"light": {"text": "#999"}}, "light.text",
     "text #999999 on background #ffffff has a contrast of 2.84; needed is 4.5 (N1)."),
    ({"light": {"background": "#222"}}, "light.background", "text #18212b on background #222222"),
    ({"light": {"button": "#ffb000", "button_text": "#000"}}, "light.button", "needed is 3.0"),
    ({"light": {"button": "#e4572e", "button_text": "#000"}}, "light.link", "link #e4572e on background #ffffff"),
    ({"light": {"button": "#e4572e", "link": "#a02000"}}, "light.button", "button_text #ffffff on button #e4572e"),
    ({"dark": {"muted": "#333"}}, "dark.muted", "needed is 4.5"),
])
def test_too_little_contrast_is_refused_with_the_ratio_and_what_is_needed(
    colours: dict[str, Any], field: str, said: str
) -> None:
    found = faults(look={"colours": colours})
    assert said in found[f"look.colours.{field}"]


def test_a_bright_button_is_fine_with_a_link_of_its_own() -> None:
    colours = {"light": {"button": "#e4572e", "button_text": "#000", "link": "#a02000"}}
    assert defined(look={"colours": colours})["look"]["colours"]["light"]["button_text"] == "#000000"


# -- what is refused --------------------------------------------------------------------------------------------------

TRICKS = (
    "red", "#12", "#12345", "#1234567", "#12345678", "#ggg", "#fff;}", "#fff}", "#fff\n", " #fff", "rgb(0,0,0)",
    "url(https://evil.example/)", "var(--c)", "javascript:alert(1)", "#١٢٣", "＃fff", "#ＦＦＦ", "#fff/**/", "\\#fff",
    "", None, 123, ["#fff"], {"a": 1}, True,
)


@pytest.mark.parametrize("value", TRICKS)
def test_a_colour_is_a_colour_and_nothing_else(value: Any) -> None:
    assert list(faults(look={"colours": {"light": {"button": value}}})) == ["look.colours.light.button"]


@pytest.mark.parametrize("url", [
    "http://www.shop.example/a.svg", "javascript:alert(1)", "data:image/svg+xml,<svg/>", "//www.shop.example/a.svg",
    'https://www.shop.example/a.svg")', "https://www.shop.example/a.svg');}", "https://www.shop.example/a;b",
    "https://www.shop.example/a\\b", "https://www.shop.example/a b", "https://www.shop.example/a\nb",
    "https://me:secret@www.shop.example/a", "https://www.shop.example", "https://localhost/a.svg", "https://10.0.0.1/a",
    "https://www.shop.example/a#b", "https://www.shop.example/{a}",
    "https://wẃw.shop.example/a", "HTTPS://www.shop.example/",
    "https://www.shop.example:0/a", "https://www.shop.example/" + "a" * 300, "https://connect.facebook.net/a.png",
    "https://www.google-analytics.com/g.png", "", None, 5,
])
def test_a_logo_is_a_picture_over_https_and_at_no_tracker(url: Any) -> None:
    assert list(faults(look={"logo": {"url": url}})) == ["look.logo.url"]


@pytest.mark.parametrize(("value", "field"), [
    ({"position": "left"}, "look.position"), ({"position": "bottom;}"}, "look.position"),
    ({"scheme": "grey"}, "look.scheme"),
    ({"css": "*{display:none}"}, "look.css"), ({"colours": {"sepia": {}}}, "look.colours.sepia"),
    ({"colours": {"light": {"accept": "#000"}}}, "look.colours.light.accept"),
    ({"colours": {"light": {"shadow": "#000"}}}, "look.colours.light.shadow"),
    ({"logo": {"alt": "A"}}, "look.logo.url"),
    ({"logo": {"url": "https://shop.example/a", "alt": "a\u202eb"}}, "look.logo.alt"), ([], "look"), ("bottom", "look"),
])
def test_what_the_look_does_not_know_is_refused(value: Any, field: str) -> None:
    """So no field tells one button from the other (B4), and none holds CSS."""
    assert list(faults(look=value)) == [field]


def test_nothing_an_owner_gives_ends_a_string_or_a_declaration() -> None:
    alt = "\"');\\*/a:</style><!-- \u201c"
    sheet = look.css(defined(look={"logo": {"url": "https://shop.example/a?b=1&c=%22", "alt": alt}})["look"])
    assert sheet.count('"') == 8
    assert sheet.count("{") == sheet.count("}") == 3
    assert "</" not in sheet


# -- what it makes ----------------------------------------------------------------------------------------------------


def test_a_definition_without_look_and_texts_is_the_version_that_it_was() -> None:
    """Its digest is the one of before these fields, and its config has none of them."""
    plain = versions.freeze(defined())
    assert versions.freeze(defined(look={}, texts={"nl": {}, "en": {"categories": {"analytics": {}}}})) == plain
    assert not {"look", "texts"} & set(plain["definition"])
    assert banners.dressed(plain["definition"]) == {}
    assert plain["texts"] == {language: banners.texts()[language] for language in ("nl", "en")}


def test_the_same_look_written_otherwise_is_the_same_draft() -> None:
    one = defined(look={"colours": {"light": {"button": "#A40", "button_text": "#FFF"}, "dark": {}}})
    assert one == defined(look={"colours": {"light": {"button_text": "#ffffff", "button": "#aa4400"}}})
    assert sites.parse_definition(one) == one


def test_another_look_asks_nobody_again() -> None:
    """F4."""
    before, after = versions.freeze(defined()), versions.freeze(defined(look=FULL))
    found = compare(before, after)
    assert [(change.kind, change.material) for change in found] == [("look", False)]
    assert versions.digest_of(before) != versions.digest_of(after)


def test_no_rule_tells_the_two_choices_apart() -> None:
    """B1 to B4: by no position and no colour."""
    for position in look.POSITIONS:
        sheet = look.css({**FULL, "position": position})
        assert not re.search(r"accept|reject|necessary|nth|first|last|opacity|font|padding|visibility", sheet)


def test_a_scheme_of_one_theme_is_for_everybody() -> None:
    sheet = look.css(defined(look={"scheme": "light"})["look"])
    assert "prefers-color-scheme" not in sheet
    assert "--c:#ffffff;" in sheet
    assert "color-scheme:light;" in sheet
