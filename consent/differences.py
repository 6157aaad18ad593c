"""Field by field, what two definitions do not have in common.

    between(before, after) -> [Difference("consent_days", 180, 365), Difference("trackers.hotjar", None, {...}), ...]

What of it asks visitors again is another question: changes.py. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_ABSENT: Final = object()


@dataclass(frozen=True)
class Difference:
    """One field. `before` or `after` is None when the field is not there, or says nothing."""

    path: str
    before: Any
    after: Any


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Every difference, in the order of the later definition; trackers by their id."""
    return [Difference(path, one, other) for path, one, other in _walk("", _by_id(before), _by_id(after))]


def _by_id(definition: Mapping[str, Any]) -> dict[str, Any]:
    """With trackers by their id: one that is added in the middle moves no other. Their order is a field of its own."""
    rows = definition.get("trackers")
    if not isinstance(rows, list):
        return dict(definition)
    return {**definition, "trackers": {row["id"]: row for row in rows}, "order": [row["id"] for row in rows]}


def _walk(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*after, *before]):
        one, other = before.get(name), after.get(name)
        if one == other or (name == "order" and not path and not _reordered(one, other)):
            continue
        here = f"{path}.{name}" if path else name
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _walk(here, one, other)
        elif not path and name == "trackers":
            yield from _walk(here, one or {}, other or {})
        else:
            yield here, one, other


def _reordered(before: list[str] | None, after: list[str] | None) -> bool:
    """Whether what is in both stands in another order: what came or went is told by itself."""
    one, other = before or [], after or []
    return [id for id in one if id in other] != [id for id in other if id in one]


def merged(base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What I made of the base where I changed it, and what they made of it elsewhere. Of flat fields."""
    names = dict.fromkeys([*theirs, *mine])
    found = {name: (mine if mine.get(name) != base.get(name) else theirs).get(name, _ABSENT) for name in names}
    return {name: value for name, value in found.items() if value is not _ABSENT}
