"""What the rules of the publish check look at, and the words they know. Pure.

A rule is a function of a `Subject` that yields a `Hit` for each thing that is wrong; `@rule("B11")` lists it. What it
says to the owner, whether it is hard, and its source stand in rules.toml.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from consent.catalogue import CATALOGUE, EEA
from consent.gate import OPTIONAL
from consent.shapes import LANGUAGES

FILE: Final = Path(__file__).parent / "rules.toml"
LOCAL: Final = re.compile(r"localhost|127(?:\.\d+){3}|::1|.*\.localhost")

# A word that turns what follows around: "nooit op gerechtvaardigd belang" claims none.
_DENIED = re.compile(
    r"\b(?:geen|niet|nooit|zonder|noch|los van|no|not|never|without|nor|don't|apart from)\b[^.!?;,]{0,40}$"
)


class Hit(NamedTuple):
    """A case of a rule in rules.toml, where it was met, and what its sentences are filled in with."""

    case: str
    path: str
    facts: Mapping[str, Any]


def hit(case: str, path: str, **facts: Any) -> Hit:
    """A finding in the making. A fact in each language is a mapping; `reason` is the definition's own."""
    return Hit(case, path, facts)


class Words(NamedTuple):
    """Something that the owner wrote and a visitor reads."""

    path: str
    key: str  # of texts.toml, or what it is of: purpose, summary
    language: str
    text: str  # as `plain` makes it
    shown: str  # as it was written


def written(path: str, key: str, language: str, text: Any) -> Words:
    """As the rules look at it."""
    return Words(path, key, language, plain(str(text)), str(text))


Check = Callable[["Subject"], Iterable[Hit]]
CHECKS: Final[dict[str, Check]] = {}


def rule(id: str) -> Callable[[Check], Check]:
    """Lists a function as the check of the rule with this id of regulation.md."""

    def add(check: Check) -> Check:
        CHECKS[id] = check
        return check

    return add


@cache
def table() -> Mapping[str, Any]:
    """The file of rules: a row per rule, and the lists of words under `words`."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def _pattern(name: str, language: str) -> re.Pattern[str]:
    phrases = table()["words"][name].get(language, [])
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)" if phrases else r"(?!)")


def says(name: str, words: Words, unless_denied: bool = False) -> str | None:
    """The first of the phrases in this list, in the text's own language, that it says; None for none."""
    for match in _pattern(name, words.language).finditer(words.text):
        if not (unless_denied and _DENIED.search(words.text[: match.start()])):
            return match[0]
    return None


def plain(text: str) -> str:
    """As it is compared: small letters, straight quotes, single blanks, nothing invisible."""
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return " ".join(text.replace("’", "'").replace("‘", "'").split())


@dataclass(frozen=True)
class Subject:
    """A definition, as the rules look at it. Does with less than a whole one: an older one may lack a field."""

    definition: Mapping[str, Any]

    @cached_property
    def languages(self) -> list[str]:
        """The languages of the banner."""
        return list(self.definition.get("languages") or LANGUAGES)

    @property
    def language(self) -> str:
        """The site's own."""
        return str(self.definition.get("default_language", "nl"))

    @cached_property
    def trackers(self) -> list[Mapping[str, Any]]:
        """The trackers in full, whether or not they may be published so."""
        return [_whole(entry) for entry in self.definition.get("trackers", [])]

    @cached_property
    def asked(self) -> list[Mapping[str, Any]]:
        """Those that ask consent."""
        return [row for row in self.trackers if row["category"] in OPTIONAL and not row["exempt"]]

    @cached_property
    def texts(self) -> dict[str, dict[str, Words]]:
        """What the owner wrote instead of our own texts, per language and key."""
        given = self.definition.get("texts") or {}
        return {
            language: {
                key: written(f"texts.{language}.{key}", key, language, text)
                for key, text in _flat(given.get(language) or {})
            }
            for language in self.languages
        }

    @cached_property
    def own_texts(self) -> list[Words]:
        """The same, one after the other."""
        return [words for each in self.texts.values() for words in each.values()]

    @cached_property
    def own_words(self) -> list[Words]:
        """Everything that the owner wrote and a visitor reads: texts, purposes, names, the policy's summary."""
        return [*self.own_texts, *self._summaries, *self.purposes]

    @cached_property
    def purposes(self) -> list[Words]:
        """What the owner says that the trackers are for."""
        return [words for each in self.described.values() for words in each]

    @cached_property
    def described(self) -> dict[str, list[Words]]:
        """The same per tracker of the site's own."""
        return {
            row["id"]: [
                written(f"trackers.{row['id']}.purpose.{language}", "purpose", language, text)
                for language, text in (row["purpose"] or {}).items() if language in self.languages
            ]
            for row in self.trackers if row["own"]
        }

    @cached_property
    def _summaries(self) -> list[Words]:
        summary = (self.definition.get("policy") or {}).get("summary") or {}
        return [
            written(f"policy.summary.{language}", "summary", language, text) for language, text in summary.items()
        ]

    @cached_property
    def hosts(self) -> list[str]:
        """Where the site is."""
        return [urlsplit(origin).hostname or "" for origin in self.definition.get("origins", [])]

    @property
    def public(self) -> bool:
        """Whether it is for others than its maker: no address of it is on one computer alone."""
        return bool(self.hosts) and not any(LOCAL.fullmatch(host) for host in self.hosts)

    @property
    def children(self) -> bool:
        """Whether the site is for children (H1)."""
        return self.definition.get("audience") == "children"


def reasons(row: Mapping[str, Any]) -> Iterator[Words]:
    """What the owner gives as a reason for a tracker, in each language: said once, it counts for all."""
    given = row["reason"] if row["given"] else None
    said = given.items() if isinstance(given, Mapping) else ((language, given) for language in LANGUAGES if given)
    for language, text in said:
        yield written(f"trackers.{row['id']}.reason", "reason", language, text)


def said_once(reason: Any, language: str) -> str | None:
    """A reason of a definition in one language: the site's own, else the first."""
    if isinstance(reason, Mapping):
        return str(reason.get(language) or next(iter(reason.values()), "")) or None
    return str(reason) if reason else None


def _flat(texts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, text in texts.items():
        if isinstance(text, Mapping):
            yield from _flat(text, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(text)


_LACKING: Final[dict[str, Any]] = {
    "name": "", "vendor": "", "country": "", "role": "controller", "category": "marketing", "session_replay": False,
    "exempt": False, "reason": None, "agreement": None, "hosts": (), "paths": (), "cookies": (), "storage": (),
    "purpose": None, "policy_url": None,
}


def _whole(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry over the catalogue's row. Unlike the catalogue's `resolve` it refuses nothing, and copies nothing.

    `known`: the catalogue's row, None for an own tracker. `given`: the owner gave a reason.
    """
    known = CATALOGUE.get(entry["id"])
    country = entry.get("country", "NL")
    more = {"known": known, "own": known is None, "given": "reason" in entry, "transfer": country not in EEA}
    row: dict[str, Any] = {**_LACKING, **more, **(known or {}), **entry}
    return row


def listed(names: Iterable[str], most: int = 5) -> dict[str, str]:
    """Names in a sentence, per language; of many the first ones."""
    names = list(names)
    shown, rest = names[:most], len(names) - most
    if rest > 0:
        text = ", ".join(shown)
        return {"nl": f"{text} en nog {rest}", "en": f"{text} and {rest} more"}
    head, last = ", ".join(shown[:-1]), shown[-1]
    return {"nl": f"{head} en {last}" if head else last, "en": f"{head} and {last}" if head else last}
