"""A definition as a form, and a form as a definition: the fields that the page of settings has.

A field's name is its path in the definition, so that a fault finds its field. Lists are lines of text.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from flask import request
from werkzeug.datastructures import MultiDict

from consent.numbers import number

Typed = dict[str, str | list[str]]

TEXTS: Final = (
    "name", "controller.name", "controller.email", "controller.policy_url", "controller.address", "policy.date",
    "policy.summary.nl", "policy.summary.en", "cookie_domain", "default_language", "release", "audience",
    "jurisdiction", "google_consent_mode", "google_consent_mode_reason",
)
NUMBERS: Final = ("consent_days", "refusal_days", "claim_days", "request_working_days")
LINES: Final = ("origins",)
CHOICES: Final = ("languages", "policy.affects")
TICKS: Final = ("policy.material", "count_visits")
NULLABLE: Final = ("cookie_domain",)  # present without a value
ALL: Final = (*TEXTS, *NUMBERS, *LINES, *CHOICES, *TICKS)


def shown(definition: Mapping[str, Any]) -> Typed:
    """What the form says of a definition."""
    found: Typed = {name: _text(_at(definition, name)) for name in (*TEXTS, *NUMBERS)}
    found.update({name: "\n".join(_at(definition, name) or []) for name in LINES})
    found.update({name: list(_at(definition, name) or []) for name in CHOICES})
    found.update({name: "on" if _at(definition, name) else "" for name in TICKS})
    return found


def typed(form: MultiDict[str, str]) -> Typed:
    """What was typed, in the same shape."""
    found: Typed = {name: form.get(name, "").strip() for name in (*TEXTS, *NUMBERS, *TICKS)}
    found.update({name: "\n".join(lines(form.get(name, ""))) for name in LINES})
    found.update({name: form.getlist(name) for name in CHOICES})
    return found


def revision() -> int:
    """The draft that the form was made of; -1, which there never was, for what is no number."""
    found = number(request.form.get("revision", ""))
    return -1 if found is None else found


def lines(text: str) -> list[str]:
    """The lines that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def put(definition: Mapping[str, Any], values: Typed) -> dict[str, Any]:
    """The definition with what was typed, not parsed yet; what is left empty is left out."""
    found: dict[str, Any] = json.loads(json.dumps(definition))
    for name in ALL:
        _put(found, name.split("."), _kept(_at(definition, name), _value(name, values.get(name, ""))))
    policy = found.get("policy", {})
    if not policy.get("summary"):
        policy.pop("summary", None)
    if not policy:
        found.pop("policy", None)
    return found


def _kept(before: Any, value: Any) -> Any:
    """The value before when it says the same: false like nothing, and a list in another order."""
    if value is None and before in (False, []):
        return before
    if isinstance(before, list) and isinstance(value, list) and sorted(before) == sorted(value):
        return before
    return value


def _value(name: str, value: str | list[str]) -> Any:
    if name in CHOICES:
        return list(value) or (None if name != "languages" else [])
    text = str(value)
    if name in LINES:
        return lines(text)
    if name in TICKS:
        return bool(text) or None
    if name in NUMBERS and text.isascii() and text.isdigit():
        return int(text)
    return text or None


def _put(found: dict[str, Any], steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        if value is None and step not in found:
            return
        found = found.setdefault(step, {})
    if value is None and steps[-1] not in NULLABLE:
        found.pop(steps[-1], None)
    else:
        found[steps[-1]] = value


def _at(definition: Mapping[str, Any], name: str) -> Any:
    found: Any = definition
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def packed(values: Typed) -> str:
    """For a hidden field: what the form showed before anything was typed."""
    return json.dumps(values, ensure_ascii=False)


def unpacked(text: str) -> Typed:
    """The same back; nothing when somebody wrote something else there."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in ALL if isinstance(found.get(name), str | list)}
