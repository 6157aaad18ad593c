"""What a visitor reads, per language: the texts of texts.toml, and an owner's own words in their place. Pure.

An owner changes the words, never what has to be said: who asks (B6), the purposes (the script lists them), how to
change or withdraw (B7), and two plain labels of the same kind (B4, B11).
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validates_schema

from consent.gate import CATEGORIES
from consent.shapes import LANGUAGES

Words = Mapping[str, Any]


@dataclass(frozen=True)
class Key:
    """One text that an owner may reword: its length in characters, and the names in braces that it may hold."""

    longest: int
    names: frozenset[str] = frozenset()
    layer: int = 1


_CONTROLLER: Final = frozenset({"controller"})

KEYS: Final[Mapping[str, Key]] = {
    "title": Key(80, _CONTROLLER),
    "intro": Key(400, _CONTROLLER),
    "change": Key(200, frozenset({"controller", "reopen"})),
    "policy": Key(60),
    "accept_all": Key(40),
    "necessary_only": Key(40),
    "preferences": Key(40),
    "reopen": Key(40),
    "settings_intro": Key(300, _CONTROLLER, layer=2),
    "save": Key(40, layer=2),
    "withdraw": Key(40, layer=2),
    "close": Key(30, layer=2),
    "saved": Key(120, layer=2),
}
LONGEST_PURPOSE: Final = 200

PLAIN: Final = "Must be plain text on one line, without blanks around it."
LONG: Final = "Is too long."
BRACES: Final = "Has a name in braces that nothing is filled in for."
CONTROLLER: Final = "The title or the introduction has to say who asks: {controller} (B6)."
ASKS: Final = "Has to say that consent is asked (B6)."
WITHDRAWAL: Final = "Has to say how consent is withdrawn, with {reopen} in it (B7)."
SAME_KIND: Final = "Must be plain words, not all in capitals and without signs: the two choices weigh the same (B4)."
REFUSES: Final = "Has to say plainly that this refuses, or that only necessary cookies are used (B11)."
ALLOWS: Final = "Has to say plainly that this allows or accepts (B11)."
EXACTLY: Final = "Must be “Reject all” or “Only necessary cookies”, which people and tools know."
ALIKE: Final = "The two choices can not have the same words."

# By which a text is known to say what it has to, per language.
_SAYS: Final = {
    "nl": {
        "intro": r"toestemming|toesta|akkoord",
        "change": r"intrek|trek\w* .*\bin\b|herroep",
        "accept_all": r"toesta|\bsta .*\btoe\b|accepte|akkoord",
        "necessary_only": r"weiger|noodzakelijk",
    },
    "en": {
        "intro": r"consent|permission|agree|allow",
        "change": r"withdraw|revok",
        "accept_all": r"allow|accept|agree|consent",
        "necessary_only": r"reject all|only necessary cookies",
    },
}
_FAULTS: Final = {"intro": ASKS, "change": WITHDRAWAL, "accept_all": ALLOWS, "necessary_only": REFUSES}
REFUSALS: Final = ("Reject all", "Only necessary cookies")  # the contract's labels in English


@cache
def texts() -> dict[str, dict[str, Any]]:
    """All texts of `texts.toml`: `{"nl": {"title": ..., "categories": {"functional": {"name", "purpose"}}}}`."""
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))


def reworded(language: str, own: Words) -> dict[str, Any]:
    """All texts in a language, an owner's own in their places."""
    words = texts()[language]
    if not own:
        return words
    purposes = own.get("categories", {})
    categories = {name: {**row, **purposes.get(name, {})} for name, row in words["categories"].items()}
    return {**words, **own, "categories": categories}


# -- the shape --------------------------------------------------------------------------------------------------------


class Wording(fields.String):
    """Plain text on one line in composed Unicode, without what does not show or turns the reading round."""

    def __init__(self, key: Key, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._key = key

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found = unicodedata.normalize("NFC", str(super()._deserialize(value, attr, data, **kwargs)))
        if not _is_plain(found):
            raise ValidationError(PLAIN)
        if len(found) > self._key.longest:
            raise ValidationError(LONG)
        if set(re.split(r"\{([a-z_]+)\}", found)[1::2]) - self._key.names or re.search(r"[{}]", _filled(found)):
            raise ValidationError(BRACES)
        return found


def _filled(text: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "", text)


def _is_plain(text: str) -> bool:
    """Letters that are there to be read; no marks in piles, no character that is hidden or that orders others."""
    kinds = [unicodedata.category(one) for one in text]
    hidden = any(kind[0] == "C" or kind in ("Zl", "Zp") for kind in kinds)
    piled = any(one[0] == other[0] == "M" for one, other in pairwise(kinds))
    return text == text.strip() and re.search(r"[A-Za-z]", text) is not None and not hidden and not piled


class PurposeSchema(Schema):
    """What a category is for, in the owner's words."""

    class Meta:
        unknown = RAISE

    purpose = Wording(Key(LONGEST_PURPOSE))


_CategoriesSchema = Schema.from_dict(
    {name: fields.Nested(PurposeSchema) for name in CATEGORIES}, name="CategoryTextsSchema")


class WordsSchema(Schema):
    """An owner's words in one language; what is left out stays as texts.toml has it."""

    class Meta:
        unknown = RAISE
        include = {  # noqa: RUF012  # marshmallow's way to name fields of a table
            **{name: Wording(key) for name, key in KEYS.items()}, "categories": fields.Nested(_CategoriesSchema)}

    @post_load
    def without_blanks(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Nothing is written in one way alone, or the same draft would be two versions."""
        return pruned(data)


class TextsSchema(Schema):
    """An owner's words per language. One that the site does not have is kept for when it does."""

    class Meta:
        unknown = RAISE
        include = {language: fields.Nested(WordsSchema) for language in LANGUAGES}  # noqa: RUF012  # as above

    @validates_schema(skip_on_field_errors=True)
    def says_enough(self, data: dict[str, Any], **_: Any) -> None:
        """What the law wants said is said, with what stays of our own words."""
        faults = {language: found for language, own in data.items() if (found := _unsaid(language, own))}
        if faults:
            raise ValidationError(faults)

    @post_load
    def without_blanks(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """As in one language."""
        return pruned(data)


def pruned(data: dict[str, Any]) -> dict[str, Any]:
    """Without branches that hold nothing."""
    found = {name: pruned(value) if isinstance(value, dict) else value for name, value in data.items()}
    return {name: value for name, value in found.items() if value != {}}


def _unsaid(language: str, own: Words) -> dict[str, list[str]]:
    """What is wrong with these words, per key."""
    faults = {key: [_FAULTS[key]] for key, pattern in _SAYS[language].items()
              if key in own and not re.search(pattern, own[key], re.IGNORECASE)}
    if "{reopen}" not in own.get("change", "{reopen}"):
        faults["change"] = [WITHDRAWAL]
    whole = reworded(language, own)
    if "{controller}" not in whole["title"] + whole["intro"]:
        faults["title" if "title" in own else "intro"] = [CONTROLLER]
    if language == "en" and own.get("necessary_only", REFUSALS[0]) not in REFUSALS:
        faults["necessary_only"] = [EXACTLY]
    return faults | _unequal(own, whole)


def _unequal(own: Words, whole: Words) -> dict[str, list[str]]:
    """What would make one of the two choices weigh more (B4)."""
    pair = ("accept_all", "necessary_only")
    faults = {key: [SAME_KIND] for key in pair if key in own and not _is_calm(own[key])}
    if whole[pair[0]].casefold() == whole[pair[1]].casefold():
        faults |= {key: [ALIKE] for key in pair if key in own}
    return faults


def _is_calm(label: str) -> bool:
    words = [word for word in re.findall(r"\w+", label) if len(word) > 1]
    return not re.search(r"[^\w\s.,'’-]", label) and not any(word.isupper() for word in words)
