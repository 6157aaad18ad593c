"""A tracker of a site definition as the values of a form, and back. Pure; what is right is the schema's to say.

    filled({"id": "ga4", "category": "marketing", "reason": "..."}, "nl") -> {"category": ..., "reason_nl": "...", ...}
    entry("ga4", values, before, "nl")                                    -> {"id": "ga4", "category": ..., ...}
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from consent.catalogue import CATALOGUE

Values = Mapping[str, str]
Row = dict[str, Any]

UNITS: Final = {"S": "seconds", "M": "minutes", "H": "hours", "D": "days", "W": "weeks", "m": "months", "Y": "years"}
MOST_ROWS: Final = 100
SPARE: Final = 2  # empty rows to fill in
FALSE: Final = ("exempt", "session_replay", "embed")

_SIMPLE: Final = re.compile(r"P(?:([0-9]+)([YWD])|([0-9]+)M()|T([0-9]+)([HMS]))")


# An entry as values -------------------------------------------------------------------------------------------------


def filled(entry: Mapping[str, Any], default_language: str) -> dict[str, str]:
    """What stands in the form of it."""
    known = CATALOGUE.get(entry["id"])
    values = {"id": entry["id"], "category": entry.get("category") or (known["category"] if known else "")}
    values |= {name: "1" for name in FALSE if entry.get(name)}
    values |= _said("reason", entry.get("reason"), default_language) | _agreement(entry.get("agreement"))
    return values if known else values | _own(entry, default_language)


def _said(name: str, value: Any, default_language: str) -> dict[str, str]:
    each = value if isinstance(value, Mapping) else {default_language: value or ""}
    return {f"{name}_{language}": text for language, text in each.items()}


def _agreement(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {"agreement": "yes", "agreement_date": value["date"], "agreement_url": value.get("url", "")}
    return {"agreement": {True: "yes", False: "no", None: ""}[value]}


def _own(entry: Mapping[str, Any], default_language: str) -> dict[str, str]:
    plain = ("name", "vendor", "country", "policy_url")
    values = {name: str(entry.get(name) or "") for name in plain} | {"role": entry.get("role", "controller")}
    values["transfer"] = {True: "yes", False: "no", None: ""}[entry.get("transfer")]
    values |= {name: "\n".join(entry.get(name, ())) for name in ("hosts", "paths", "elements")}
    values |= _said("purpose", entry.get("purpose"), default_language)
    for number, cookie in enumerate(entry.get("cookies", ())):
        values |= {f"cookie_{number}_{name}": text for name, text in _cookie(cookie).items()}
    for number, key in enumerate(entry.get("storage", ())):
        values |= {f"key_{number}_name": key["name"], f"key_{number}_kind": key["kind"]}
    return values


def _cookie(cookie: Mapping[str, Any]) -> dict[str, str]:
    count, unit = taken_apart(cookie["duration"])
    return {"name": cookie["name"], "count": count, "unit": unit, "domain": cookie.get("domain", ""),
            "server": "1" if cookie.get("server") else ""}


def taken_apart(duration: str) -> tuple[str, str]:
    """A number and its unit; what is not that simple is a unit of its own: ("", "P1Y6M")."""
    if found := _SIMPLE.fullmatch(duration):
        parts = [part for part in found.groups() if part]
        return parts[0], parts[1] if len(parts) > 1 else "m"
    return "", duration


# Values as an entry -------------------------------------------------------------------------------------------------


def entry(id: str, values: Values, before: Mapping[str, Any], default_language: str) -> Row:
    """The entry that these values mean; where they say what holds anyway it keeps how `before` put it."""
    known = CATALOGUE.get(id)
    found: Row = {"id": id}
    if not known:
        found |= {name: text for name in ("name", "vendor", "country") if (text := values.get(name, "").strip())}
        # A new one says it (C3); of one that did not, what holds anyway stays unsaid.
        found |= _unless("role", values.get("role", ""), "controller" if before else "", before)
    found |= _unless("category", values.get("category", ""), known["category"] if known else None, before)
    found |= _unless("exempt", "exempt" in values, False, before)
    found |= _sentences("reason", values, default_language)
    if not known:
        found |= _own_entry(values, before)
    found |= _filed(values)
    # In the order in which it was, so that nothing seems to have changed.
    return {name: found[name] for name in (*before, *found) if name in found}


def _unless(name: str, value: Any, default: Any, before: Mapping[str, Any]) -> Row:
    return {} if value == default and name not in before else {name: value}


def _sentences(name: str, values: Values, default_language: str) -> Row:
    """Once, when it is there in the site's own language alone."""
    each = {one.removeprefix(f"{name}_"): text.strip() for one, text in values.items() if one.startswith(f"{name}_")}
    each = {language: text for language, text in each.items() if text}
    if set(each) == {default_language} and name == "reason":
        return {name: each[default_language]}
    return {name: each} if each or name != "reason" else {}


def _filed(values: Values) -> Row:
    day, address = (values.get(f"agreement_{name}", "").strip() for name in ("date", "url"))
    if values.get("agreement") == "yes" and (day or address):
        return {"agreement": {"date": day} | ({"url": address} if address else {})}
    said = {"yes": True, "no": False}.get(values.get("agreement", ""))
    return {} if said is None else {"agreement": said}


def _own_entry(values: Values, before: Mapping[str, Any]) -> Row:
    found: Row = _unless("session_replay", "session_replay" in values, False, before)
    transfer = {"yes": True, "no": False}.get(values.get("transfer", ""))
    found |= {} if transfer is None else {"transfer": transfer}
    found["hosts"] = _lines(values.get("hosts", ""))
    found |= _unless("paths", _lines(values.get("paths", "")), [], before)
    found["cookies"] = [_cookie_entry(values, number) for number in cookie_rows(values)]
    found |= _unless("storage", [_key_entry(values, number) for number in key_rows(values)], [], before)
    found |= _unless("elements", _lines(values.get("elements", "")), [], before)
    found |= _unless("embed", "embed" in values, False, before)
    found |= _sentences("purpose", values, "")
    if address := values.get("policy_url", "").strip():
        found["policy_url"] = address
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _rows(values: Values, kind: str) -> Iterator[int]:
    return (number for number in range(MOST_ROWS) if values.get(f"{kind}_{number}_name", "").strip())


def cookie_rows(values: Values) -> list[int]:
    """The rows of the form that have a cookie."""
    return list(_rows(values, "cookie"))


def key_rows(values: Values) -> list[int]:
    """The rows of the form that have a key of the page's storage."""
    return list(_rows(values, "key"))


def _cookie_entry(values: Values, number: int) -> Row:
    given = {name: values.get(f"cookie_{number}_{name}", "").strip() for name in ("name", "count", "unit", "domain")}
    found: Row = {"name": given["name"], "duration": duration(given["count"], given["unit"])}
    if given["domain"]:
        found["domain"] = given["domain"]
    if values.get(f"cookie_{number}_server"):
        found["server"] = True
    return found


def _key_entry(values: Values, number: int) -> Row:
    return {"name": values[f"key_{number}_name"].strip(), "kind": values.get(f"key_{number}_kind", "local")}


def duration(count: str, unit: str) -> str:
    """As ISO 8601; a unit that is none stands for itself."""
    if unit not in UNITS:
        return unit
    return f"P{'T' if unit in 'HMS' else ''}{count}{unit.upper()}"


# What is wrong, at its field ----------------------------------------------------------------------------------------


def at_fields(faults: Mapping[str, str], values: Values, default_language: str) -> dict[str, str]:
    """The faults of an entry by the names of the form's fields; a path that has none keeps its own."""
    return {_field(path.split("."), values, default_language): fault for path, fault in faults.items()}


def _field(path: Sequence[str], values: Values, default_language: str) -> str:
    rows = {"cookies": ("cookie", cookie_rows(values)), "storage": ("key", key_rows(values))}
    if path[0] in rows and len(path) > 1:
        kind, numbers = rows[path[0]]
        name = {"duration": "count"}.get(path[-1], path[-1])
        return f"{kind}_{numbers[int(path[1])]}_{name}"
    if path[0] in ("hosts", "paths", "elements"):
        return path[0]
    if path[0] in ("reason", "purpose"):
        return f"{path[0]}_{path[1] if len(path) > 1 else default_language}"
    return "_".join(path)
