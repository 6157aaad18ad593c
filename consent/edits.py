"""The banner's editor: the words and the look of a definition as fields of a form, and back. Pure.

    fields_of(draft)        -> {"texts.nl.title": "Cookies van ...", "look.position": "bottom", ...}, ours filled in
    changed(draft, fields)  -> the definition with what was typed, not parsed yet
    compare(base, now, fields) -> what somebody else changed meanwhile, and what stays of what was typed
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consent import look, wording
from consent.gate import CATEGORIES

PARTS: Final = ("texts", "look")
Definition = Mapping[str, Any]
Fields = Mapping[str, str]

_LOOK: Final = (
    ("look", "position"), ("look", "scheme"),
    *(("look", "colours", theme, colour) for theme in look.THEMES for colour in look.COLOURS),
    ("look", "logo", "url"), ("look", "logo", "alt"),
)
_USUAL: Final = {"look.position": "bottom", "look.scheme": "auto"}


def _paths(languages: list[str]) -> Iterator[tuple[str, ...]]:
    for language in languages:
        yield from (("texts", language, key) for key in wording.KEYS)
        yield from (("texts", language, "categories", name, "purpose") for name in CATEGORIES)
    yield from _LOOK


def _value(tree: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    found: Any = tree
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return None if found is None else str(found)


def usual(path: str) -> str:
    """What a field says when its owner says nothing; empty for a colour or a logo."""
    part, _, rest = path.partition(".")
    if part == "texts":
        return _value(wording.texts(), tuple(rest.split("."))) or ""
    return _USUAL.get(path, "")


def own_fields(draft: Definition) -> dict[str, str]:
    """What the owner has said, by path."""
    found = {".".join(path): _value(draft, path) for path in _paths(draft["languages"])}
    return {path: value for path, value in found.items() if value is not None}


def fields_of(draft: Definition) -> dict[str, str]:
    """Every field of the form, with our own words where the owner has none."""
    own = own_fields(draft)
    paths = [".".join(path) for path in _paths(draft["languages"])]
    return {path: own.get(path, usual(path)) for path in paths}


def typed(draft: Definition, form: Mapping[str, str]) -> dict[str, str]:
    """The fields with what a form says of them; one that it does not say stays. Lines of a text become one."""
    return {path: " ".join(form[path].split()) if path in form else value for path, value in fields_of(draft).items()}


def changed(draft: Definition, fields: Fields) -> dict[str, Any]:
    """The draft with these fields: what is empty or as usual is left out, and words of other languages stay."""
    texts = {name: own for name, own in draft.get("texts", {}).items() if name not in draft["languages"]}
    tree: dict[str, Any] = {"texts": texts, "look": {}}
    for path, value in fields.items():
        if value and value != usual(path):
            _put(tree, path.split("."), value)
    rest = {name: value for name, value in draft.items() if name not in PARTS}
    return {**rest, **{name: part for name, part in tree.items() if part}}


def parsed(definition: Definition) -> dict[str, Any]:
    """The definition with the two parts looked at, and nothing else; raises ValidationError."""
    schemas = {"texts": wording.TextsSchema(), "look": look.LookSchema()}
    return {**definition, **{name: schemas[name].load(definition[name]) for name in PARTS if name in definition}}


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    tree[path[-1]] = value


# -- two who edit at once ---------------------------------------------------------------------------------------------


def base_of(draft: Definition) -> str:
    """What a form carries of the draft that it shows, to tell later what somebody else changed."""
    return json.dumps(own_fields(draft), separators=(",", ":"), ensure_ascii=False)


def read_base(text: str) -> dict[str, str] | None:
    """The same back; None for what is not such a thing."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return None
    return found


@dataclass(frozen=True)
class Clash:
    """A field that somebody else changed meanwhile. `mine` is None when it was not changed here: theirs is taken."""

    path: str
    theirs: str
    mine: str | None


def compare(base: Fields, now: Definition, fields: Fields) -> tuple[list[Clash], dict[str, str]]:
    """What is different from the form's base in the draft of now; and the fields, with what was typed kept."""
    clashes, kept = [], dict(fields)
    for path, theirs in fields_of(now).items():
        before = base.get(path, usual(path))
        if theirs == before:
            continue
        mine = fields.get(path, before)
        clashes.append(Clash(path, theirs, None if mine in (before, theirs) else mine))
        if mine == before:
            kept[path] = theirs
    return clashes, {path: kept.get(path, "") for path in fields_of(now)}
