"""The cookie declaration of a version: the facts as data, and the same facts as they are read (C2 to C4).

One source for three readers: the page at Poort's own address, the JSON, and the tag that a site embeds.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.dates import format_date

from consent import banners
from consent.lifetimes import in_words

if TYPE_CHECKING:
    from consent.versions import Published

Words = Mapping[str, Any]
Row = Mapping[str, Any]

_DATA = (
    "site", "name", "version", "digest", "published_at", "language", "languages", "controller", "categories",
    "trackers", "notice", "google_consent_mode", "google_consent_mode_reason",
)
_LOCALES = {"nl": "nl_NL", "en": "en_GB"}  # British dates put the day before the month


@cache
def words() -> dict[str, dict[str, Any]]:
    """All of declaration.toml, by language."""
    return tomllib.loads(Path(__file__).with_name("declaration.toml").read_text(encoding="utf-8"))


def declaration(version: "Published", language: str) -> dict[str, Any]:
    """What the site uses, as data, in one language; under `page` in words, section by section, as people read it."""
    shown = banners.config(version, language)
    data = {name: shown[name] for name in _DATA if name in shown}
    frozen = {row["id"]: row for row in version.snapshot["trackers"]}
    data["trackers"] = [{**row, **_said(frozen[row["id"]], language)} for row in shown["trackers"]]
    data["asks"] = shown["ask"]
    data["ended"] = version.previous
    if policy := _policy(version.definition, language):
        data["policy"] = policy
    data["page"] = _page(data, version, words()[language])
    return data


def _said(row: Row, language: str) -> dict[str, Any]:
    """What the owner said of a tracker: whether there is an agreement, and why it needs no consent."""
    found: dict[str, Any] = {"agreement": bool(row["agreement"])} if row.get("agreement") is not None else {}
    reason = row.get("reason") if _consent(row) != "consent_needed" else None
    if reason:
        found["reason"] = reason if isinstance(reason, str) else reason[language]
    return found


def _policy(definition: Row, language: str) -> dict[str, Any] | None:
    """The last revision of the site's privacy policy, as far as the owner told of it."""
    policy = definition.get("policy")
    if policy is None:
        return None
    summary = (policy.get("summary") or {}).get(language)
    return {"date": policy["date"], "material": policy.get("material", False), "summary": summary}


# As it is read ------------------------------------------------------------------------------------------------------


def _page(data: dict[str, Any], version: "Published", said: Words) -> dict[str, Any]:
    controller = data["controller"]
    numbered = [_filled(said["version"], version=data["version"], day=_day(version.published_at.date(), data))]
    if data["ended"]:
        numbered.append(_filled(said["ended"], previous=data["ended"]))
    return {
        "title": _filled(said["title"], controller=controller["name"]),
        "version": " ".join(numbered),
        "responsible": _filled(said["responsible"], controller=controller["name"]),
        "links": [
            {"text": controller["email"], "href": f"mailto:{controller['email']}"},
            {"text": said["policy"], "href": controller["policy_url"]},
        ],
        "notes": _notes(data, version, said),
        "sections": [_section(category, data, version, said) for category in data["categories"]],
        "labels": {name: said[name] for name in ("name", "kind", "kept")},
        "choice": said["choice"],
    }


def _notes(data: dict[str, Any], version: "Published", said: Words) -> list[dict[str, str]]:
    """What concerns the whole site: a title, which may be empty, and a text."""
    found = []
    policy, notice = data.get("policy"), data.get("notice")
    if policy:
        found.append(_revision("policy", said["revised"], policy, data))
    if notice and (policy is None or policy["date"] != notice["date"]):
        found.append(_revision("notice", said["changed"], notice, data))
    if data.get("google_consent_mode") == "advanced":
        reason = _filled(said["google_reason"], reason=data["google_consent_mode_reason"])
        found.append({"id": "google-consent-mode", "title": "", "text": f"{said['google']} {reason}"})
    if not any(category["asked"] for category in data["categories"]):
        found.append({"id": "silent", "title": "", "text": said["silent"]})
    return found


def _revision(id: str, title: str, of: Row, data: dict[str, Any]) -> dict[str, str]:
    day = _day(date.fromisoformat(of["date"]), data)
    return {"id": id, "title": _filled(title, day=day), "text": of["summary"] or ""}


def _section(category: Row, data: dict[str, Any], version: "Published", said: Words) -> dict[str, Any]:
    trackers = [_tracker(row, data, version, said) for row in data["trackers"] if row["category"] == category["id"]]
    if category["id"] == "necessary" and data["asks"]:
        trackers.insert(0, _own(data, version, said))
    return {
        "id": category["id"], "name": category["name"], "purpose": category["purpose"], "asked": category["asked"],
        "none": "" if trackers else said["none"], "trackers": trackers,
    }


def _own(data: dict[str, Any], version: "Published", said: Words) -> dict[str, Any]:
    """What keeps the choice itself: the cookie and the key of that name."""
    definition = version.definition
    days = max(definition["consent_days"], definition["refusal_days"])
    rows = [
        {"name": "poort", "kind": said["cookie"], "kept": in_words(f"P{days}D", data["language"])},
        {"name": "poort", "kind": said["local"], "kept": in_words("persistent", data["language"])},
    ]
    return {
        "id": "", "name": said["own"], "purpose": said["own_purpose"], "asked": False,
        "facts": [_fact(said["vendor"], data["controller"]["name"])],
        "stored": {"caption": said["own_stored"], "rows": rows},
    }


def _tracker(row: Row, data: dict[str, Any], version: "Published", said: Words) -> dict[str, Any]:
    asked = row["category"] != "necessary" and not row["exempt"]
    rows = [_cookie(cookie, data["language"], said) for cookie in row["cookies"]]
    rows += [_key(key, data["language"], said) for key in row["storage"]]
    return {
        "id": row["id"], "name": row["name"], "purpose": row["purpose"], "asked": asked,
        "facts": _facts(row, data, version, said),
        "stored": {"caption": _filled(said["stored" if rows else "nothing_stored"], name=row["name"]), "rows": rows},
    }


def _facts(row: Row, data: dict[str, Any], version: "Published", said: Words) -> list[dict[str, str]]:
    country = Locale(data["language"]).territories.get(row["country"], row["country"])
    found = [
        _fact(said["vendor"], f"{row['vendor']}, {country}"),
        _fact(said["role"], _role(row, data["controller"]["name"], said)),
        _fact(said["consent"], said[_consent(row)]),
    ]
    if "reason" in row:
        found.append(_fact(said["reason"], row["reason"], **_spoken(row["id"], version)))
    if "agreement" in row:
        found.append(_fact(said["agreement"], said["agreement_yes" if row["agreement"] else "agreement_no"]))
    found.append(_fact(said["transfer"], said["transfer_yes" if row["transfer"] else "transfer_no"]))
    if row["policy_url"]:
        link = _filled(said["vendor_policy"], vendor=row["vendor"])
        found.append(_fact(said["more"], link, href=row["policy_url"]))
    return found


def _fact(name: str, text: str, **more: str) -> dict[str, str]:
    """One line; `href` makes it a link, `lang` is the language of its text where that may be another one."""
    return {"name": name, "text": text, **more}


def _role(row: Row, controller: str, said: Words) -> str:
    role = "self" if row["vendor"] == controller else row["role"]
    return _filled(said[f"role_{role}"], controller=controller)


def _spoken(tracker: str, version: "Published") -> dict[str, str]:
    """The language of a reason that was written once: the site's own."""
    (once,) = [isinstance(row["reason"], str) for row in version.snapshot["trackers"] if row["id"] == tracker]
    return {"lang": version.definition["default_language"]} if once else {}


def _consent(row: Row) -> str:
    if row["category"] == "necessary":
        return "consent_necessary"
    return "consent_exempt" if row["exempt"] else "consent_needed"


def _cookie(cookie: Row, language: str, said: Words) -> dict[str, str]:
    elsewhere = "domain" in cookie
    kind = _filled(said["cookie_elsewhere"], domain=cookie["domain"]) if elsewhere else said["cookie"]
    return {"name": cookie["name"], "kind": kind, "kept": in_words(cookie["duration"], language)}


def _key(key: Row, language: str, said: Words) -> dict[str, str]:
    life = "session" if key["kind"] == "session" else "persistent"
    return {"name": key["name"], "kind": said[key["kind"]], "kept": in_words(life, language)}


def _day(day: date, data: Row) -> str:
    return str(format_date(day, "long", locale=_LOCALES[data["language"]]))


def _filled(text: str, **values: Any) -> str:
    """The text with its names in braces filled in, in one go: braces in an owner's words stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), text)
