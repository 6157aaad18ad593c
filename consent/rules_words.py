"""The rules about what the owner wrote in the banner instead of our own texts: B1 to B14, C5, D1, D2, H2, H3, N4 to N7.

Our own texts keep them all (a test holds them against it), so only what was changed is looked at.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from consent.banners import texts
from consent.rules import CHECKS, Check, Hit, Subject, Words, hit, plain, rule, says, table, written
from consent.shapes import LANGUAGES

LABELS: Final = ("accept_all", "necessary_only", "preferences", "save", "withdraw", "close", "reopen", "policy")
BUTTONS: Final = ("accept_all", "necessary_only")
LONGEST_LABEL: Final = 6  # words, of a button
UNEVEN: Final = 4  # times as long as the other choice
LONGEST_WORD: Final = 24  # signs that fit on a line at 320 px in large type (N6)
LONGEST_SENTENCE: Final = 20  # words that a child follows (H3)


def _said(subject: Subject, language: str, key: str) -> Words:
    """What the visitor reads: the owner's words, else ours."""
    own = subject.texts[language].get(key)
    return own or written(f"texts.{language}.{key}", key, language, texts()[language][key])


def _own(subject: Subject, *keys: str) -> Iterator[Words]:
    return (words for words in subject.own_texts if words.key in keys)


def _each(case: str, name: str, which: Iterable[Words], unless_denied: bool = False) -> Iterator[Hit]:
    """A hit for each of these texts that says something of a list."""
    for words in which:
        if word := says(name, words, unless_denied):
            yield hit(case, words.path, word=word)


def _lacks(case: str, name: str, which: Iterable[Words]) -> Iterator[Hit]:
    """A hit for each of these texts that says nothing of a list."""
    for words in which:
        if not says(name, words):
            yield hit(case, words.path, text=words.shown)


def _denies(id: str, case: str, name: str) -> None:
    """A rule that is only a list of what no text may say.

    Not what trackers are for: one may well remember that somebody agreed to the terms.
    """

    def check(subject: Subject) -> Iterator[Hit]:
        return _each(case, name, subject.own_texts, unless_denied=True)

    listing: Check = check
    CHECKS[id] = listing


_denies("B9", "wall", "wall")
_denies("B10", "silent", "silent")
_denies("B14", "terms", "terms")


@rule("B1")
def refusal_there(subject: Subject) -> Iterator[Hit]:
    """The button is ours; its label is all that an owner can take away."""
    for language in subject.languages:
        accept, refuse = (_said(subject, language, key) for key in BUTTONS)
        if accept.text == refuse.text:
            yield hit("same", refuse.path, text=refuse.shown)
    for words in _own(subject, "necessary_only"):
        if word := says("granting", words, unless_denied=True):
            yield hit("grants", words.path, word=word)
        elif not says("refusing", words, unless_denied=True):
            yield hit("hidden", words.path, text=words.shown)


@rule("B2")
def refusal_at_once(subject: Subject) -> Iterator[Hit]:
    """A label that sends on to the settings says that refusing takes more."""
    return _each("detour", "detour", _own(subject, "necessary_only"))


@rule("B3")
def refusal_is_a_button(subject: Subject) -> Iterator[Hit]:
    """A label that reads as a sentence hides what it does."""
    for words in _own(subject, *BUTTONS):
        if len(words.text.split()) > LONGEST_LABEL or words.text.endswith((".", "?", "…")):
            yield hit("prose", words.path, text=words.shown)


@rule("B4")
def equal_weight(subject: Subject) -> Iterator[Hit]:
    """The sizes and colours are one; the words can still shout, or be much more on one side."""
    for words in _own(subject, *BUTTONS):
        label = words.shown
        shouted = any(len(one) > 1 and one.isupper() for one in re.findall(r"\w+", label))
        if shouted or re.search(r"[^\w\s.,'’‘-]", label):
            yield hit("loud", words.path, text=label)
    for language in subject.languages:
        if not any(key in subject.texts[language] for key in BUTTONS):
            continue
        short, long = sorted((_said(subject, language, key) for key in BUTTONS), key=lambda one: len(one.text))
        if len(long.text) >= UNEVEN * len(short.text):
            yield hit("uneven", f"texts.{language}", short=short.shown, long=long.shown)


@rule("B6")
def controller_named(subject: Subject) -> Iterator[Hit]:
    """On the first layer, by its name; and that consent is asked."""
    name = str((subject.definition.get("controller") or {}).get("name", ""))
    for language in subject.languages:
        first = [_said(subject, language, key) for key in ("title", "intro")]
        if not any("{controller}" in words.text or (name and plain(name) in words.text) for words in first):
            changed = next((words for words in first if words.key in subject.texts[language]), first[0])
            yield hit("nameless", changed.path, name=name)
    yield from _lacks("unasked", "asking", _own(subject, "intro"))
    named = written("controller.name", "name", subject.language, name)
    if says("nobody", named) and len(named.text.split()) <= 3:
        yield hit("nobody", named.path, name=name)


@rule("B7")
def withdrawal_told(subject: Subject) -> Iterator[Hit]:
    """That it is possible, and where."""
    for words in _own(subject, "change"):
        if not says("withdrawing", words):
            yield hit("unsaid", words.path)
        elif "{reopen}" not in words.text and _said(subject, words.language, "reopen").text not in words.text:
            yield hit("nowhere", words.path)


@rule("B8")
def own_choice(subject: Subject) -> Iterator[Hit]:
    """The way to a choice for each category is known as such."""
    return _lacks("unclear", "choosing", _own(subject, "preferences"))


@rule("B11")
def plain_words(subject: Subject) -> Iterator[Hit]:
    """No benefit, no guilt, and a label that says what happens."""
    for words in subject.own_texts:
        if word := says("guilt", words):
            yield hit("guilt", words.path, word=word)
        elif word := says("benefit", words):
            yield hit("benefit", words.path, word=word)
    for words in _own(subject, "accept_all"):
        if not says("allowing", words, unless_denied=True):
            yield hit("vague" if says("vague", words) else "unusual", words.path, text=words.shown)
    yield from _each("praised", "benefit", subject.purposes)


@rule("B12")
def one_language(subject: Subject) -> Iterator[Hit]:
    """Each text in the language of its layer."""
    for words in subject.own_words:
        if other := _other_language(words):
            yield hit("foreign", words.path, language=_LANGUAGE_NAMES[words.language], other=_LANGUAGE_NAMES[other])
    yield from _alike("same", [subject.texts[language] for language in subject.languages])
    for each in subject.described.values():
        yield from _alike("same_purpose", [{words.key: words} for words in each])
    yield from _uneven_purposes(subject)


_LANGUAGE_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "nl": {"nl": "Nederlands", "en": "Dutch"}, "en": {"nl": "Engels", "en": "English"},
}


def _other_language(words: Words) -> str | None:
    """By the small words that make up most of a sentence; None when in doubt."""
    signs = set(re.findall(r"[a-z']+", words.text))
    counts = {language: len(signs & _small_words(language)) for language in LANGUAGES}
    best = max(counts, key=lambda language: counts[language])
    return best if best != words.language and counts[best] >= 2 + 2 * counts[words.language] else None


@cache
def _small_words(language: str) -> frozenset[str]:
    return frozenset(table()["words"]["small"][language])


def _alike(case: str, each: list[dict[str, Words]]) -> Iterator[Hit]:
    """Sentences that are the same in two languages: one of them is not translated."""
    first, rest = each[0] if each else {}, each[1:]
    for other in rest:
        for key, words in other.items():
            if key in first and words.text == first[key].text and len(words.text.split()) >= 4:
                yield hit(case, words.path, text=words.shown)


def _uneven_purposes(subject: Subject) -> Iterator[Hit]:
    """A category that the owner describes in one language alone: the others say something else."""
    keys = {words.key for words in subject.own_texts if words.key.startswith("categories.")}
    for language in subject.languages:
        for key in sorted(keys - set(subject.texts[language])):
            yield hit("partly", f"texts.{language}.{key}", language=_LANGUAGE_NAMES[language])


@rule("B13")
def nothing_beside(subject: Subject) -> Iterator[Hit]:
    """No offers, and no links but those to the policy and the settings."""
    yield from _each("offer", "offer", subject.own_texts)
    for words in subject.own_texts:
        if found := re.search(r"(?:https?://|www\.)\S+", words.text):
            yield hit("address", words.path, word=found[0])


@rule("C5")
def save_saves(subject: Subject) -> Iterator[Hit]:
    """What the button says is what it does: it stores what is shown."""
    for words in _own(subject, "save"):
        if word := says("allowing_all", words):
            yield hit("grants", words.path, word=word)
        elif not says("saving", words) or (says("allowing", words) and not says("selection", words)):
            yield hit("unclear", words.path, text=words.shown)


@rule("D1")
def way_back(subject: Subject) -> Iterator[Hit]:
    """The button on every page is known as the one to the settings."""
    return _lacks("unclear", "settings", _own(subject, "reopen"))


@rule("D2")
def withdrawing_named(subject: Subject) -> Iterator[Hit]:
    """The button that turns all off is known as such."""
    return _lacks("unclear", "withdrawing", _own(subject, "withdraw"))


@rule("H2")
def nobody_proves_an_age(subject: Subject) -> Iterator[Hit]:
    """The banner asks nothing, so its words do not either."""
    yield from _each("identity", "identity", subject.own_texts)
    yield from _each("age", "age", subject.own_texts)


@rule("H3")
def children_can_read(subject: Subject) -> Iterator[Hit]:
    """Short sentences, and nobody who makes a profile of a child."""
    if not subject.children:
        return
    for words in subject.own_texts:
        if max(len(sentence.split()) for sentence in re.split(r"[.!?;:]", words.text)) > LONGEST_SENTENCE:
            yield hit("long", words.path)
    for row in subject.trackers:
        if row["category"] == "marketing" or row["session_replay"]:
            yield hit("profiling", f"trackers.{row['id']}", name=row["name"])


@rule("N4")
def labels_to_hit(subject: Subject) -> Iterator[Hit]:
    """The size is ours; a label of one sign says nothing to who hears or speaks it."""
    for words in _own(subject, *LABELS):
        if len(re.findall(r"\w", words.text)) == 1:
            yield hit("sign", words.path, text=words.shown)


@rule("N5")
def names_to_hear(subject: Subject) -> Iterator[Hit]:
    """A screen reader says the title as the dialog's name, and the labels as the buttons'."""
    for words in _own(subject, "title", *LABELS):
        if not re.search(r"\w", words.text):
            yield hit("nameless", words.path, text=words.shown)


@rule("N6")
def words_that_fit(subject: Subject) -> Iterator[Hit]:
    """At 320 px wide and in large type."""
    for words in _own(subject, "title", *LABELS):
        longest = max(re.split(r"[\s/-]", words.text), key=len)
        if len(longest) > LONGEST_WORD:
            yield hit("word", words.path, word=longest)


@rule("N7")
def not_by_colour(subject: Subject) -> Iterator[Hit]:
    """Nor by place alone; and nothing goes by itself."""
    yield from _each("colour", "colour", subject.own_texts)
    yield from _each("vanishes", "vanishes", subject.own_texts)
