"""What a visitor is shown, per language: the texts, what the banner script receives, and the script itself."""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consent.gate import CATEGORIES, OPTIONAL

if TYPE_CHECKING:
    from consent.versions import Published

ROOT = Path(__file__).resolve().parent
SCRIPT = ROOT.parent / "static" / "banner" / "poort.js"
PLACEHOLDER = "__POORT_CONFIG__"

# The columns of a tracker that a page needs; hosts, sources and notes stay on the server.
_TRACKER_COLUMNS = (
    "id",
    "name",
    "vendor",
    "country",
    "role",
    "category",
    "exempt",
    "policy_url",
    "transfer",
    "cookies",
    "storage",
)


@cache
def texts() -> dict[str, dict[str, Any]]:
    """All texts of `texts.toml`: `{"nl": {"title": ..., "categories": {"functional": {"name", "purpose"}}}}`."""
    return tomllib.loads((ROOT / "texts.toml").read_text(encoding="utf-8"))


@cache
def built_script() -> str:
    """The built banner script, with the placeholder where a site's config goes."""
    return SCRIPT.read_text(encoding="utf-8")


def frozen_texts(languages: list[str]) -> dict[str, dict[str, Any]]:
    """What a version keeps of the texts: everything, in the site's languages."""
    return {language: texts()[language] for language in languages}


def _asked(trackers: list[dict[str, Any]], category: str) -> bool:
    return any(row["category"] == category and not row["exempt"] for row in trackers) and category in OPTIONAL


def config(version: "Published", language: str) -> dict[str, Any]:
    """What the script needs of a published version, in one language."""
    snapshot = version.snapshot
    definition, rows, words = snapshot["definition"], snapshot["trackers"], snapshot["texts"][language]
    asked = {category: _asked(rows, category) for category in CATEGORIES}
    return {
        "site": version.site,
        "name": definition["name"],
        "version": version.number,
        "digest": version.digest,
        "published_at": version.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "language": language,
        **{
            name: definition[name]
            for name in (
                "languages",
                "controller",
                "cookie_domain",
                "release",
                "audience",
                "consent_days",
                "refusal_days",
            )
        },
        "ask": any(asked.values()) and definition["audience"] != "children",
        "categories": [
            {
                "id": category,
                **words["categories"][category],
                "since": version.gate.categories[category],
                "asked": asked[category],
            }
            for category in CATEGORIES
        ],
        "trackers": [_tracker(row, version.gate.trackers[row["id"]].since, language) for row in rows],
        "texts": {key: value for key, value in words.items() if key != "categories"},
        "signals": {"gpc": True, "data_layer": True},
    }


def _tracker(row: dict[str, Any], since: int, language: str) -> dict[str, Any]:
    shown = {column: row[column] for column in _TRACKER_COLUMNS}
    # Only first-party cookies can be deleted by the page; the vendor's own are listed all the same (C2).
    return {**shown, "since": since, "purpose": row["purpose"][language]}


def _other(version: "Published", language: str) -> dict[str, Any]:
    """What differs in another language."""
    words = version.snapshot["texts"][language]
    return {
        "texts": {key: value for key, value in words.items() if key != "categories"},
        "categories": words["categories"],
        "trackers": {row["id"]: row["purpose"][language] for row in version.snapshot["trackers"]},
    }


# What the script never reads is not sent to every visitor: some hundred bytes.
_UNREAD = ("name", "digest", "languages", "consent_days", "refusal_days")


def script_for(version: "Published") -> bytes:
    """The banner script with the site's version baked in, every language of the site in it."""
    definition = version.snapshot["definition"]
    whole = config(version, definition["default_language"])
    baked = {name: value for name, value in whole.items() if name not in _UNREAD}
    baked["others"] = {
        language: _other(version, language) for language in definition["languages"] if language != baked["language"]
    }
    return _with(json.dumps(baked, ensure_ascii=False, separators=(",", ":")))


def script_without_site() -> bytes:
    """The same script for every site: it fetches its config."""
    return _with("null")


def _with(config_json: str) -> bytes:
    # Inside a script file these three are the only characters that could end or break the literal.
    safe = config_json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return built_script().replace(PLACEHOLDER, safe, 1).encode()
