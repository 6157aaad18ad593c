"""The rules about a site's trackers: A5 to A8, C1 to C4, F8 and O3."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from consent.banners import texts
from consent.catalogue import EEA, EXEMPTING
from consent.rules import Hit, Subject, hit, listed, reasons, rule, said_once, says, written
from consent.shapes import LANGUAGES

Row = Mapping[str, Any]

SHORTEST_REASON: Final = 3  # words, of a reason that says something
MEASURING: Final = ("analytics", "marketing")
EXEMPT_MONTHS: Final = 13
MONTHS: Final = {"Y": 12.0, "M": 1.0, "W": 12 / 52, "D": 12 / 366}  # so that P395D is thirteen months
# From what intrudes least to what intrudes most.
WEIGHT: Final = {"necessary": 0, "functional": 1, "analytics": 2, "marketing": 3}


def _at(row: Row, *steps: str) -> str:
    return ".".join(("trackers", row["id"], *steps))


def _unasked(row: Row) -> bool:
    """Whether it loads without consent."""
    return row["category"] == "necessary" or bool(row["exempt"])


@rule("A5")
def no_interest(subject: Subject) -> Iterator[Hit]:
    """In whatever the owner wrote: reasons, purposes, texts."""
    for words in chain(subject.own_words, *(reasons(row) for row in subject.trackers)):
        if word := says("interest", words, unless_denied=True):
            yield hit("claimed", words.path, word=word)


@rule("A6")
def necessary_with_reason(subject: Subject) -> Iterator[Hit]:
    """The catalogue knows what measures; of an own tracker its purpose tells."""
    for row in subject.trackers:
        if row["category"] != "necessary":
            continue
        if not row["reason"]:
            yield hit("unreasoned", _at(row, "reason"), name=row["name"])
        elif all(len(words.text.split()) < SHORTEST_REASON for words in reasons(row)) and row["given"]:
            yield hit("thin", _at(row, "reason"), name=row["name"])
        if row["session_replay"] or (row["known"] and row["known"]["category"] in MEASURING):
            yield hit("measures", _at(row, "category"), name=row["name"])
            continue
        for words in subject.described.get(row["id"], ()):
            if word := says("measuring", words, unless_denied=True):
                yield hit("sounds", _at(row, "category"), name=row["name"], word=word)
                break


@rule("A7")
def exempt_by_law(subject: Subject) -> Iterator[Hit]:
    """Only in the Netherlands, with a reason, for a measurement that shares nothing."""
    country = subject.definition.get("jurisdiction", "NL")
    for row in (row for row in subject.trackers if row["exempt"]):
        if country not in EXEMPTING:
            yield hit("elsewhere", _at(row, "exempt"), name=row["name"], country=country)
        if not row["given"]:
            yield hit("unreasoned", _at(row, "reason"), name=row["name"])
        if row["category"] != "analytics":
            yield hit("other", _at(row, "exempt"), name=row["name"])
        elif _shares(row) and not row["session_replay"]:  # A8 says more of a replay
            yield hit("shares", _at(row, "exempt"), name=row["name"])


def _shares(row: Row) -> bool:
    if row["known"]:
        return not row["known"]["exempt_possible"]
    return bool(row["transfer"]) or any("domain" in cookie for cookie in row["cookies"])


@rule("A8")
def no_free_replay(subject: Subject) -> Iterator[Hit]:
    """By its mark, or by what the owner says that it is for."""
    for row in filter(_unasked, subject.trackers):
        if row["session_replay"] or any(says("replay", words, True) for words in subject.described.get(row["id"], ())):
            yield hit("replay", _at(row, "exempt" if row["exempt"] else "category"), name=row["name"])


@rule("C1")
def one_purpose(subject: Subject) -> Iterator[Hit]:
    """What advertises or measures belongs where a visitor expects it."""
    for row in subject.asked:
        usual = row["known"]["category"] if row["known"] else row["category"]
        if WEIGHT[row["category"]] < WEIGHT[usual]:
            yield hit("milder", _at(row, "category"), name=row["name"], category=_named(row["category"]),
                      usual=_named(usual), reason=said_once(row["given"] and row["reason"], subject.language))


def _named(category: str) -> dict[str, str]:
    return {language: texts()[language]["categories"][category]["name"] for language in LANGUAGES}


@rule("C2")
def five_facts(subject: Subject) -> Iterator[Hit]:
    """Whose, what for, which cookies, how long, who gets the data."""
    for row in (row for row in subject.trackers if row["own"]):
        for words in subject.described.get(row["id"], ()):
            if (word := says("placeholder", words)) and len(words.text.split()) <= SHORTEST_REASON:
                yield hit("placeholder", words.path, word=word)
            elif len(words.text.split()) < 2:
                yield hit("thin", words.path, word=words.shown, name=row["name"])
        if not (row["cookies"] or row["storage"] or row["hosts"] or row["paths"]):
            yield hit("nothing", _at(row, "cookies"), name=row["name"])
        if not row["policy_url"] and not _ours(subject, row):
            yield hit("unread", _at(row, "policy_url"), name=row["name"], vendor=row["vendor"])


def _ours(subject: Subject, row: Row) -> bool:
    """Whether the vendor is who runs the site."""
    controller = (subject.definition.get("controller") or {}).get("name")
    return row["vendor"] in (subject.definition.get("organisation"), controller)


@rule("C3")
def who_uses(subject: Subject) -> Iterator[Hit]:
    """The role of every vendor, and that who works on behalf has an agreement. Not said is not wrong."""
    given = {entry["id"]: entry for entry in subject.definition.get("trackers", [])}
    for row in subject.trackers:
        if row["own"] and "role" not in given[row["id"]] and not _ours(subject, row):
            yield hit("role", _at(row, "role"), name=row["name"], vendor=row["vendor"])
    without = [row["name"] for row in subject.trackers if row["role"] == "processor" and row["agreement"] is False]
    if without:
        yield hit("agreement", "trackers", names=listed(without))


@rule("C4")
def transfer_told(subject: Subject) -> Iterator[Hit]:
    """A vendor outside the EEA, of which the list says that data stays within."""
    for row in subject.trackers:
        if row["country"] and row["country"] not in EEA and not row["transfer"]:
            yield hit("hidden", _at(row, "transfer"), name=row["name"], country=row["country"])


@rule("F8")
def exempt_forgets(subject: Subject) -> Iterator[Hit]:
    """What is allowed without consent lives thirteen months at most."""
    for row in (row for row in subject.trackers if row["exempt"]):
        long = [cookie["name"] for cookie in row["cookies"] if _months(cookie["duration"]) > EXEMPT_MONTHS]
        if long:
            yield hit("long", _at(row, "cookies"), name=row["name"], names=listed(long))
        if any(key["kind"] == "local" for key in row["storage"]):
            yield hit("endless", _at(row, "storage"), name=row["name"])


def _months(duration: str) -> float:
    if duration in ("session", "persistent"):
        return 0 if duration == "session" else float("inf")
    date = duration.removeprefix("P").partition("T")[0]
    return sum(int(number) * MONTHS[unit] for number, unit in re.findall(r"(\d+)([YMWD])", date))


@rule("O3")
def classified(subject: Subject) -> Iterator[Hit]:
    """A tracker that is only a heap of what was found is not classified."""
    for row in (row for row in subject.trackers if row["own"]):
        name = written(_at(row, "name"), "name", "nl", row["name"])
        if word := says("heap", name) or says("heap", name._replace(language="en")):
            yield hit("heap", name.path, word=word, name=row["name"])
