"""An owner's own words: plain text, and what has to be said by law is said whatever they are."""

from typing import Any

import pytest

from consent import banners, sites, versions, wording
from consent.changes import compare
from tests.shop import DEFINITION

OWN = {
    "nl": {"title": "{controller} en cookies", "accept_all": "Sta alles toe", "necessary_only": "Weiger alles",
           "categories": {"analytics": {"purpose": "Tellen hoe vaak een pagina wordt gelezen."}}},
    "en": {"reopen": "Cookies", "necessary_only": "Reject all"},
}


def defined(texts: Any, **fields: Any) -> dict[str, Any]:
    return sites.parse_definition({**DEFINITION, "texts": texts, **fields})


def test_own_words_take_the_place_of_ours_and_the_rest_stays() -> None:
    frozen = versions.freeze(defined(OWN))["texts"]
    assert frozen["nl"]["title"] == "{controller} en cookies"
    assert frozen["nl"]["categories"]["analytics"] == {
        "name": "Statistieken", "purpose": "Tellen hoe vaak een pagina wordt gelezen."}
    assert frozen["en"]["reopen"] == "Cookies"
    assert frozen["nl"]["intro"] == wording.texts()["nl"]["intro"]
    assert set(frozen["nl"]) == set(banners.texts()["nl"])


def test_words_of_a_language_that_the_site_does_not_have_are_kept_and_not_shown() -> None:
    found = defined(OWN, languages=["nl"])
    assert found["texts"]["en"] == OWN["en"]
    assert list(versions.freeze(found)["texts"]) == ["nl"]


CASES = [
    pytest.param("nl", "title", "Cookies", wording.CONTROLLER, id="a title that no longer says who asks (B6)"),
    pytest.param("nl", "intro", "Lekker, koekjes:", wording.ASKS, id="an introduction that asks nothing (B6)"),
    pytest.param("nl", "change", "Intrekken kan altijd.", wording.WITHDRAWAL, id="not where to withdraw (B7)"),
    pytest.param("nl", "change", "Kijk eens bij {reopen}.", wording.WITHDRAWAL, id="not that one can withdraw (B7)"),
    pytest.param("en", "change", "See {reopen}.", wording.WITHDRAWAL, id="nor in English (B7)"),
    pytest.param("nl", "accept_all", "Ja, lekker", wording.ALLOWS, id="a label that does not say it allows (B11)"),
    pytest.param("nl", "necessary_only", "Liever niet", wording.REFUSES, id="one that does not say it refuses (B11)"),
    pytest.param("en", "necessary_only", "Reject all.", wording.EXACTLY, id="not one of the two known labels"),
    pytest.param("nl", "accept_all", "ALLES TOESTAAN", wording.SAME_KIND, id="one choice in capitals (B4)"),
    pytest.param("nl", "accept_all", "✅ Toestaan", wording.SAME_KIND, id="one choice with a picture (B4)"),
    pytest.param("nl", "accept_all", "➜ Toestaan", wording.SAME_KIND, id="one choice with an arrow (B4)"),
    pytest.param("nl", "accept_all", "Alleen noodzakelijke cookies", wording.ALIKE, id="two choices alike"),
    pytest.param("nl", "title", "Cookies van {controller} {intro}", wording.BRACES, id="a name that is not filled in"),
    pytest.param("nl", "title", "Cookies van {controller} {", wording.BRACES, id="a brace alone"),
    pytest.param("nl", "save", "{controller}", wording.BRACES, id="a name that is for other texts"),
    pytest.param("nl", "save", "a" * 41, wording.LONG, id="too long"),
    pytest.param("nl", "save", "", wording.PLAIN, id="nothing"),
    pytest.param("nl", "save", "\u00a0Op\u00a0", wording.PLAIN, id="blanks around it"),
    pytest.param("nl", "save", "Op\nslaan", wording.PLAIN, id="two lines"),
    pytest.param("nl", "save", "Op\x00slaan", wording.PLAIN, id="a NUL"),
    pytest.param("nl", "save", "Op\u202eslaan", wording.PLAIN, id="a mark that turns the reading round"),
    pytest.param("nl", "save", "Op\u200bslaan", wording.PLAIN, id="a blank without width"),
    pytest.param("nl", "save", "Op\u2028slaan", wording.PLAIN, id="a separator of lines"),
    pytest.param("nl", "save", "\u3164\u3164", wording.PLAIN, id="letters that show nothing"),
    pytest.param("nl", "save", "O\u0336\u0337pslaan", wording.PLAIN, id="marks in piles"),
    pytest.param("nl", "save", "Op\U000e0041slaan", wording.PLAIN, id="a hidden tag"),
    pytest.param("nl", "save", "Op\ud800", wording.PLAIN, id="half a pair"),
]


@pytest.mark.parametrize(("language", "key", "text", "fault"), CASES)
def test_words_that_do_not_say_what_they_have_to_are_refused(language: str, key: str, text: str, fault: str) -> None:
    with pytest.raises(sites.DefinitionError) as caught:
        defined({language: {key: text}})
    assert caught.value.faults[f"texts.{language}.{key}"] == fault


@pytest.mark.parametrize(("texts", "path"), [
    ({"de": {}}, "texts.de"), ({"nl": {"direction": "rtl"}}, "texts.nl.direction"),
    ({"nl": {"gpc": "Niets."}}, "texts.nl.gpc"),
    ({"nl": {"categories": {"analytics": {"name": "Niets"}}}}, "texts.nl.categories.analytics.name"),
    ({"nl": {"categories": {"ads": {"purpose": "Niets."}}}}, "texts.nl.categories.ads"),
    ({"nl": "x"}, "texts.nl"),
    ({"nl": {"save": 5}}, "texts.nl.save"), ({"nl": {"save": ["Op"]}}, "texts.nl.save"), ([], "texts"),
])
def test_only_the_words_of_the_list_can_be_changed(texts: Any, path: str) -> None:
    with pytest.raises(sites.DefinitionError) as caught:
        defined(texts)
    assert list(caught.value.faults) == [path]


@pytest.mark.parametrize("language", ["nl", "en"])
def test_our_own_words_pass_as_an_owners(language: str) -> None:
    words = wording.texts()[language]
    own = {key: words[key] for key in wording.KEYS}
    purposes = {name: {"purpose": row["purpose"]} for name, row in words["categories"].items()}
    assert defined({language: {**own, "categories": purposes}})["texts"][language]["title"] == words["title"]


def test_what_was_typed_in_two_ways_is_stored_in_one() -> None:
    assert defined({"nl": {"save": "Bewaar cafe\u0301"}}) == defined({"nl": {"save": "Bewaar café"}})


def test_other_words_ask_nobody_again_and_another_purpose_does() -> None:
    """F3 and F4, by the rule for every purpose."""
    before, after = versions.freeze(defined({})), versions.freeze(defined(OWN))
    found = {change.kind: change.material for change in compare(before, after)}
    assert found == {"purpose": True, "texts": False}
    label = versions.freeze(defined({"nl": {"save": "Bewaren"}}))
    assert [(change.kind, change.material) for change in compare(before, label)] == [("texts", False)]
