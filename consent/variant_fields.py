"""The form of an experiment: its fields, and the experiment that they make. Pure.

    typed(draft, form)       -> {"id": "summer", "goal": "analytics", "smallest": "5", "b.texts.nl.title": "...", ...}
    made(draft, fields)      -> the experiment, not parsed yet: variants that vary nothing are left out
    fields_of(draft, experiment) -> the same fields, filled in from what a draft has
    place_of(path, ids)      -> the field of a fault: "experiment.variants.1.look.position" is "b.look.position"

What is left empty stays as the banner has it. What the form has no field for (shares, a logo, the settings' words) an
experiment can have by the definition.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from consent import look, wording

IDS: Final = ("b", "c", "d")
USUAL: Final = {"goal": "analytics", "smallest": "5"}
_NUMBER: Final = re.compile(r"\d{1,3}(?:[.,]\d{1,3})?")
_LOOK: Final = (
    "look.position", "look.scheme",
    *(f"look.colours.{theme}.{colour}" for theme in look.THEMES for colour in look.COLOURS))

Fields = Mapping[str, str]
Draft = Mapping[str, Any]


def words() -> dict[str, wording.Key]:
    """The texts of the question: what is read before an answer."""
    return {name: key for name, key in wording.KEYS.items() if key.layer == 1}


def paths(draft: Draft) -> list[str]:
    """What a variant can have otherwise in the form."""
    return [*_LOOK, *(f"texts.{language}.{name}" for language in draft["languages"] for name in words())]


def typed(draft: Draft, form: Mapping[str, str]) -> dict[str, str]:
    """What was typed; lines of a text become one."""
    names = ["id", "goal", "smallest", *(f"{id}.{path}" for id in IDS for path in paths(draft))]
    return {name: " ".join(form.get(name, USUAL.get(name, "")).split()) for name in names}


def made(draft: Draft, fields: Fields) -> dict[str, Any]:
    """The experiment that the fields make."""
    others = [variant for id in IDS if len(variant := _variant(draft, fields, id)) > 1]
    return {"id": fields["id"], "goal": fields["goal"], "smallest": _number(fields["smallest"]),
            "variants": [{"id": "a"}, *others]}


def _variant(draft: Draft, fields: Fields, id: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": id}
    for path in paths(draft):
        if value := fields[f"{id}.{path}"]:
            _put(found, path.split("."), value)
    return found


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    tree[path[-1]] = value


def _number(text: str) -> float | str:
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else text


def fields_of(draft: Draft, experiment: Mapping[str, Any] | None) -> dict[str, str]:
    """The fields of an experiment of the draft; empty ones without it."""
    if experiment is None:
        return typed(draft, {})
    found = {"id": experiment["id"], "goal": experiment["goal"], "smallest": f"{experiment['smallest']:g}"}
    for id, variant in zip(IDS, experiment["variants"][1:], strict=False):
        found |= {f"{id}.{path}": _at(variant, path.split(".")) for path in paths(draft)}
    return typed(draft, found)


def _at(tree: Any, path: list[str]) -> str:
    for step in path:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return "" if tree is None else str(tree)


def place_of(path: str, variants: list[dict[str, Any]]) -> str:
    """The field that a fault is about; what is about no field keeps its path."""
    rest = path.removeprefix("experiment.")
    found = re.fullmatch(r"variants\.(\w[\w-]*)(?:\.(.+))?", rest)
    if found is None:
        return rest
    id = variants[int(found[1])]["id"] if found[1].isdigit() and int(found[1]) < len(variants) else found[1]
    return f"{id}.{found[2]}" if found[2] else str(id)
