"""What a new version changes against the one before, and what of it is material: that alone asks again (F3, F4).

    compare(before, after)  -> [Change("new", material=True, trackers=("leadinfo",), sentence={"nl": ...}), ...]

Both are frozen snapshots (versions.py). A material change names the trackers and categories whose `since` rises, and
nothing else rises. Pure.

A rewording is told from another purpose by one simple rule, `is_reworded`; in doubt a change is material.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, Final

from consent.gate import CATEGORIES, OPTIONAL

LANGUAGES: Final = ("nl", "en")
ASKS, ASKS_NOT = "F3", "F4"  # the rules of regulation.md by which a change asks visitors again, or may not

# The kinds by which a tracker or category asks again, as the banner gets them.
MATERIAL: Final = ("new", "moved", "vendor", "role", "exempt", "purpose", "controller", "policy")

ALIKE: Final = 0.9  # two words that resemble each other more than this are one with a typo: bezoeken, bezoekken
STEM, ENDING = 0.7, 3  # or forms of one, by this part that they begin with and so many letters at the end: bezoek
_ARTICLES: Final = frozenset({"de", "het", "een", "the", "a", "an"})  # to add or drop one changes no purpose

Row = Mapping[str, Any]
Snapshot = Mapping[str, Any]
Words = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One change. `rule` is the one of regulation.md by which it is material, or by which it asks nobody."""

    kind: str
    material: bool
    sentence: Mapping[str, str]
    trackers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """F3 when material, else F4."""
        return ASKS if self.material else ASKS_NOT

    def as_json(self) -> dict[str, Any]:
        """As a version keeps it and the API shows it."""
        return {
            "kind": self.kind, "material": self.material, "rule": self.rule, "trackers": list(self.trackers),
            "categories": list(self.categories), "sentence": dict(self.sentence),
        }


def compare(before: Snapshot, after: Snapshot) -> list[Change]:
    """Every change, the material ones first; empty only when the two are the same."""
    found = [*_trackers(before, after), *_categories(before, after), *_site(before, after)]
    if not found and before != after:
        found = [_minor("other", "other", {})]
    return sorted(found, key=lambda change: not change.material)


def since(
    known: Mapping[str, Any] | None, snapshot: Snapshot, found: Sequence[Change], number: int
) -> dict[str, Any]:
    """Per tracker and category the version that last changed it materially, and by which kind of change.

    `{"trackers": {id: number}, "categories": {...}, "kinds": {id: "new"}, "category_kinds": {...}, "notice": {...}}`:
    kinds only of what changed after the first version, the notice of the latest material policy. `known`: the same of
    the version before.
    """
    first = known is None
    known = known or {"categories": dict.fromkeys(CATEGORIES, number)}
    asked = [change for change in found if change.material]
    trackers = {id: change.kind for change in reversed(asked) for id in change.trackers}
    categories = {id: change.kind for change in reversed(asked) for id in change.categories}
    ids = [row["id"] for row in snapshot["trackers"]]
    kinds = {**known.get("kinds", {}), **trackers}
    notice = _notice(snapshot, asked, number) or known.get("notice")
    return {
        "trackers": {id: number if first or id in trackers else known["trackers"][id] for id in ids},
        "categories": {**known["categories"], **dict.fromkeys(categories, number)},
        "kinds": {id: kinds[id] for id in ids if id in kinds},
        "category_kinds": {**known.get("category_kinds", {}), **categories},
        **({"notice": notice} if notice else {}),
    }


def _notice(snapshot: Snapshot, asked: Sequence[Change], number: int) -> dict[str, Any] | None:
    if not any(change.kind == "policy" for change in asked):
        return None
    policy = snapshot["definition"]["policy"]
    return {"version": number, "date": policy["date"], "summary": policy["summary"]}


# -- the texts --------------------------------------------------------------------------------------------------------


@cache
def _texts() -> Mapping[str, Words]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Said:
    """A value that reads differently in each language."""

    nl: str
    en: str

    def __str__(self) -> str:
        raise TypeError("say it in a language")


def _sentence(template: str, values: Mapping[str, Any]) -> dict[str, str]:
    return {
        language: _texts()[language][template].format(
            **{name: getattr(value, language) if isinstance(value, Said) else value for name, value in values.items()})
        for language in LANGUAGES
    }


def _said(*path: str) -> Said:
    found: list[Any] = [_texts()[language] for language in LANGUAGES]
    for step in path:
        found = [words[step] for words in found]
    return Said(*found)


def _joined(parts: Sequence[Said]) -> Said:
    return Said(*(", ".join(getattr(part, language) for part in parts) for language in LANGUAGES))


def _category(snapshot: Snapshot, name: str) -> Said:
    """What visitors read as the category's name, within a sentence."""
    texts = snapshot["texts"]
    names = [texts.get(language, next(iter(texts.values())))["categories"][name]["name"] for language in LANGUAGES]
    return Said(*(found.lower() for found in names))


def _in_each(values: Mapping[str, str]) -> Said:
    """A text that the owner gave in one language or in both."""
    other = next(iter(values.values()))
    return Said(*(values.get(language, other) for language in LANGUAGES))


def _material(
    kind: str, template: str, values: Mapping[str, Any], trackers: Sequence[str] = (), categories: Sequence[str] = ()
) -> Change:
    return Change(kind, True, _sentence(template, values), tuple(trackers), tuple(categories))


def _minor(kind: str, template: str, values: Mapping[str, Any], *trackers: str) -> Change:
    return Change(kind, False, _sentence(template, values), trackers)


# -- what is the same -------------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if word not in _ARTICLES]


def _is_form(one: str, other: str) -> bool:
    """Whether two words are spellings or forms of one: visits, visit. Never of a number, nor with another beginning:
    onpersoonlijk is not persoonlijk.
    """
    if one == other:
        return True
    if one[0] != other[0] or any(letter.isdigit() for letter in one + other):
        return False
    longer = max(len(one), len(other))
    stem = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if stem >= STEM * longer and longer - stem <= ENDING:
        return True
    return SequenceMatcher(None, one, other, autojunk=False).ratio() > ALIKE


def is_reworded(before: str, after: str) -> bool:
    """Whether a text says the same as before: word for word the same, or a form of the same word, in the same order.

    Case, punctuation and articles do not count. A word more or less may be another purpose, so it counts as one.
    """
    one, other = _words(before), _words(after)
    return len(one) == len(other) and all(map(_is_form, one, other))


def is_same_name(before: str, after: str) -> bool:
    """Whether two names differ in case, blanks and punctuation at most: Webwinkel BV, Webwinkel B.V."""
    return re.sub(r"[\W_]", "", before.casefold()) == re.sub(r"[\W_]", "", after.casefold())


# -- trackers ---------------------------------------------------------------------------------------------------------


def _trackers(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    old, new = ({row["id"]: row for row in snapshot["trackers"]} for snapshot in (before, after))
    for id, row in new.items():
        if id in old and row == old[id]:
            continue  # most are: two hundred would take 10 ms
        if id in old:
            yield from _tracker(old[id], row, before, after)
        else:
            free = row["category"] == "necessary" or row["exempt"]
            values = {"name": row["name"], "category": _category(after, row["category"])}
            yield _material("new", "new_free" if free else "new", values, [id])
    for id, row in old.items():
        if id not in new:
            yield _minor("removed", "removed", {"name": row["name"]}, id)
    stayed = [id for id in old if id in new]
    if stayed != [id for id in new if id in old]:
        yield _minor("order", "order", {})


def _tracker(old: Row, new: Row, before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """What is different about one tracker."""
    name, id = new["name"], [new["id"]]
    if old["category"] != new["category"]:
        moved = {"before": _category(before, old["category"]), "after": _category(after, new["category"])}
        yield _material("moved", "moved", {"name": name, **moved}, id)
    yield from _vendor(old, new)
    if old["role"] != new["role"]:
        roles = {"before": _said("roles", old["role"]), "after": _said("roles", new["role"])}
        yield _material("role", "role", {"name": name, "vendor": new["vendor"], **roles}, id)
    if old["exempt"] != new["exempt"]:
        yield _material("exempt", "exempt_on" if new["exempt"] else "exempt_off", {"name": name}, id)
    yield from _purpose(old, new)
    yield from _stored(old, new)
    yield from _details(old, new)


def _vendor(old: Row, new: Row) -> Iterator[Change]:
    """Another one gets the data, or another law protects it."""
    values = {"name": new["name"], "before": old["vendor"], "after": new["vendor"]}
    if not is_same_name(old["vendor"], new["vendor"]):
        yield _material("vendor", "vendor", values, [new["id"]])
    elif old["vendor"] != new["vendor"]:
        yield _minor("wording", "wording", values, new["id"])
    if new["transfer"] and not old["transfer"]:
        yield _material("vendor", "transfer", values, [new["id"]])


def _purpose(old: Row, new: Row) -> Iterator[Change]:
    values = {"name": new["name"], "after": _in_each(new["purpose"])}
    if not all(is_reworded(old["purpose"][language], new["purpose"][language]) for language in LANGUAGES):
        yield _material("purpose", "purpose", values, [new["id"]])
    elif old["purpose"] != new["purpose"]:
        yield _minor("wording", "wording", values, new["id"])
    if old["name"] != new["name"]:
        yield _minor("wording", "wording", {"name": old["name"], "after": new["name"]}, new["id"])
    if new["session_replay"] and not old["session_replay"]:
        yield _material("purpose", "replay", values, [new["id"]])


def _stored(old: Row, new: Row) -> Iterator[Change]:
    """One cookie more of a known tracker asks nobody (F4)."""
    one, other = (
        {frozenset(entry.items()): entry["name"] for entry in (*row["cookies"], *row["storage"])} for row in (old, new))
    for template, names in (
        ("cookies_more", [name for entry, name in other.items() if entry not in one]),
        ("cookies_less", [name for entry, name in one.items() if entry not in other and name not in other.values()]),
    ):
        if names:
            values = {"name": new["name"], "names": ", ".join(dict.fromkeys(names))}
            yield _minor("cookies", template, values, new["id"])


_DETAILS: Final = (
    "country", "reason", "session_replay", "transfer", "agreement", "hosts", "paths", "policy_url", "embed", "signal",
    "elements",
)


def _details(old: Row, new: Row) -> Iterator[Change]:
    told = {name for name in ("transfer", "session_replay") if new[name] and not old[name]}
    # A version that was published before a field was there lacks it.
    changed = [name for name in _DETAILS if name not in told and (old.get(name) or None) != (new.get(name) or None)]
    if changed:
        fields = _joined([_said("fields", name) for name in changed])
        yield _minor("details", "details", {"name": new["name"], "fields": fields}, new["id"])


# -- categories -------------------------------------------------------------------------------------------------------


def _asked(snapshot: Snapshot, category: str) -> list[str]:
    """The trackers of a category that visitors are asked about."""
    return [row["id"] for row in snapshot["trackers"] if row["category"] == category and not row["exempt"]]


def _is_asked(snapshot: Snapshot, category: str) -> bool:
    return bool(_asked(snapshot, category)) and snapshot["definition"]["audience"] != "children"


def _categories(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    for category in OPTIONAL:
        name = _category(after, category)
        capital = Said(*(getattr(name, language).capitalize() for language in LANGUAGES))
        if _is_asked(after, category) and not _is_asked(before, category):
            yield _material("new", "category_new", {"category": name}, _asked(after, category), [category])
        texts = [(before["texts"][language], after["texts"][language])
                 for language in LANGUAGES if language in before["texts"] and language in after["texts"]]
        purposes = [(old["categories"][category]["purpose"], new["categories"][category]["purpose"])
                    for old, new in texts]
        if not all(is_reworded(old, new) for old, new in purposes):
            values = {"category": capital, "after": Said(*(new for _, new in (purposes * 2)[:2]))}
            yield _material("purpose", "category_purpose", values, _asked(after, category), [category])


# -- the site ---------------------------------------------------------------------------------------------------------


_TOLD_APART: Final = ("key", "controller", "policy", "audience", "trackers", "texts", "look", "experiment")


def _site(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    old, new = before["definition"], after["definition"]
    yield from _controller(old, new, after)
    yield from _policy(old, new, after)
    yield from _audience(old, new)
    for name in dict.fromkeys([*new, *old]):
        if name not in _TOLD_APART and old.get(name) != new.get(name):
            yield _setting(name, old.get(name), new.get(name))
    if old.get("look") != new.get("look"):  # never material: it changes nothing of what is agreed to (F4)
        yield _minor("look", "look", {})
    if any(before["texts"][name] != words for name, words in after["texts"].items() if name in before["texts"]):
        yield _minor("texts", "texts", {})
    yield from _experiment(old.get("experiment"), new.get("experiment"))


def _experiment(old: Row | None, new: Row | None) -> Iterator[Change]:
    """Never material: variants have the same trackers and purposes, so what is agreed to stays the same (F4)."""
    if old == new:
        return
    if new is None:
        yield _minor("experiment", "experiment_off", {})
    else:
        names = ", ".join(one["id"] for one in new["variants"])
        yield _minor("experiment", "experiment_on", {"name": new["id"], "variants": names})


def _everything(after: Snapshot, categories: Sequence[str]) -> list[str]:
    return [id for category in categories for id in _asked(after, category)]


def _controller(old: Row, new: Row, after: Snapshot) -> Iterator[Change]:
    """Another controller needs a consent of its own, for everything; the same one under a typo does not."""
    one, other = old["controller"], new["controller"]
    if not is_same_name(one["name"], other["name"]):
        values = {"before": one["name"], "after": other["name"]}
        yield _material("controller", "controller", values, _everything(after, OPTIONAL), OPTIONAL)
    elif one["name"] != other["name"]:
        yield _setting("controller_name", one["name"], other["name"])
    for name in ("email", "policy_url"):
        if one[name] != other[name]:
            yield _setting(f"controller_{name}", one[name], other[name])


def _policy(old: Row, new: Row, after: Snapshot) -> Iterator[Change]:
    """A policy that the owner marks material, with a date of its own, asks again what it affects."""
    one, other = old.get("policy") or {}, new.get("policy") or {}
    if is_material_policy(one, other):
        affects = [category for category in OPTIONAL if category in other.get("affects", [])]
        values = {
            "date": other["date"], "summary": _in_each(other["summary"]),
            "categories": _joined([_category(after, category) for category in affects]),
        }
        template = "policy_all" if affects else "policy"
        yield _material("policy", template, values, _everything(after, affects), affects)
    elif one != other:
        yield _minor("policy", "policy_minor", {})


def is_material_policy(old: Row, new: Row) -> bool:
    """Whether a policy is materially another: marked so, and not the one that was marked so before."""
    return bool(new.get("material")) and not (old.get("material") and old.get("date") == new["date"])


def _audience(old: Row, new: Row) -> Iterator[Change]:
    """What a site for children may load is nothing. Once it is for all again, its categories are asked anew."""
    if old["audience"] != new["audience"]:
        yield _material("audience", "children_on" if new["audience"] == "children" else "children_off", {})


def _setting(name: str, old: Any, new: Any) -> Change:
    known = name in _texts()["en"]["fields"]
    field = _said("fields", name) if known else name
    if isinstance(old or [], list) and isinstance(new or [], list):
        added = ", ".join(str(one) for one in new or [] if one not in (old or []))
        removed = ", ".join(str(one) for one in old or [] if one not in (new or []))
        if added or removed:
            template = "list_both" if added and removed else "list_more" if added else "list_less"
            return _minor("setting", template, {"field": field, "added": added, "removed": removed})
    return _minor("setting", "setting", {"field": field, "before": _shown(old), "after": _shown(new)})


def _shown(value: Any) -> Any:
    if value is None or value == []:
        return _said("nothing")
    if isinstance(value, bool):
        return _said("on" if value else "off")
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
