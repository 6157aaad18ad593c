"""What a visitor is shown, per language: the texts, what the banner script receives, and the script itself."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consent import experiments, look, restorations
from consent.catalogue import CATALOGUE
from consent.gate import CATEGORIES, OPTIONAL
from consent.wording import reworded
from consent.wording import texts as texts

if TYPE_CHECKING:
    from consent.versions import Published

ROOT = Path(__file__).resolve().parent
SCRIPT = ROOT.parent / "static" / "banner" / "poort.js"
EXTRA = SCRIPT.with_name("extra.js")
SIGNALS = SCRIPT.with_name("signals.json")
SCRIPT_TYPE = "text/javascript; charset=utf-8"
PLACEHOLDER = "__POORT_CONFIG__"
SIGNALS_PLACEHOLDER = "__POORT_SIGNALS__"
_KEY = re.compile(r'(?<=[{,])"([a-z_]\w*)":', re.ASCII)

# The columns of a tracker that a page needs; reasons, sources and notes stay on the server.
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

# Only where the owner chose: Google's consent mode other than basic, and why (J4).
_CONSENT_MODE = ("google_consent_mode", "google_consent_mode_reason")


@cache
def built_script() -> str:
    """The built banner script, with the placeholder where a site's config goes."""
    return SCRIPT.read_text(encoding="utf-8")


@cache
def extra_script() -> tuple[str, bytes]:
    """The second script, which the first one fetches when it is needed, and its name: `extra-1a2b3c4d`."""
    content = EXTRA.read_bytes()
    return f"extra-{hashlib.sha256(content).hexdigest()[:8]}", content


@cache
def signals() -> dict[str, str]:
    """The adapters that tell vendors, by name: each a function in JavaScript."""
    found: dict[str, str] = json.loads(SIGNALS.read_text(encoding="utf-8"))
    return found


def small_script(name: str) -> bytes:
    """One of the scripts beside the banner's, with its style sheet in it: `declaration` or `durable`."""
    script = SCRIPT.with_name(name) / f"{name}.js"
    rules = script.with_suffix(".css")
    styles = json.dumps(rules.read_text(encoding="utf-8")) if rules.exists() else ""
    return script.read_text(encoding="utf-8").replace("POORT_DECLARATION_CSS", styles, 1).encode()


def code() -> str:
    """All code that a visitor's browser may be given, for its digest (E3)."""
    return built_script() + SIGNALS.read_text(encoding="utf-8")


def frozen_texts(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a version keeps of the texts: everything, in the site's languages, with the owner's own words."""
    own = definition.get("texts", {})
    return {language: reworded(language, own.get(language, {})) for language in definition["languages"]}


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
                **_changed(version, category),
            }
            for category in CATEGORIES
        ],
        "trackers": [_tracker(row, version, language) for row in rows],
        **_notice(version, language),
        "texts": {key: value for key, value in words.items() if key != "categories"},
        "signals": {"gpc": True, "data_layer": True},
        **{name: definition[name] for name in _CONSENT_MODE if name in definition},
        **_restored(version),
        **dressed(definition),
        **_leaks(definition),
        **_experiment(definition, words, language),
        **({"count_visits": True} if definition.get("count_visits") else {}),
    }


def dressed(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What the script needs to look as the owner wants it; nothing for a site that looks as we made it."""
    own = definition.get("look", {})
    found = {"css": look.css(own), "top": own.get("position") == "top"}  # where the page has to make room (N3)
    return {name: value for name, value in found.items() if value}


def _experiment(definition: Mapping[str, Any], words: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The variants that the script draws one of: of each its share, and what is otherwise than `words` and the site's
    own look.
    """
    experiment = experiments.experiment_of(definition)
    if experiment is None:
        return {}
    plain, made = dressed(definition), experiments.variants(definition)
    variants = [_variant(one, made[one["id"]], words, language, plain) for one in experiment["variants"]]
    return {"experiment": {"id": experiment["id"], "variants": variants}}


def _variant(
    one: Mapping[str, Any], made: Mapping[str, Any], words: Mapping[str, Any], language: str, plain: Mapping[str, Any]
) -> dict[str, Any]:
    own = made.get("texts", {}).get(language, {})
    texts = {key: text for key, text in own.items() if key != "categories" and text != words.get(key)}
    dress = dressed(made)
    # What the variant does not have takes the place of what the site has.
    look = {} if dress == plain else {"css": "", "top": False} | dress
    return {"id": one["id"], "share": one["share"]} | {
        name: value for name, value in (("texts", texts), ("look", look)) if value}


def _leaks(definition: Mapping[str, Any]) -> dict[str, Any]:
    """On which share of the pages leaks are looked for, and how to know the trackers that the site does not have."""
    if "leak_reports" not in definition:
        return {}
    own = {entry["id"] for entry in definition["trackers"]}
    rows = [row for id, row in CATALOGUE.items() if id not in own]
    others = [{"id": row["id"], "hosts": row["hosts"], "paths": row["paths"]} for row in rows]
    return {"leaks": {**definition["leak_reports"], "others": others}}


def _changed(version: "Published", category: str) -> dict[str, str]:
    """Why a category as a whole asks again, if it does."""
    kinds = version.since.get("category_kinds", {})
    return {"change": kinds[category]} if category in kinds else {}


def _notice(version: "Published", language: str) -> dict[str, Any]:
    """What visitors are told of the latest material change of the policy (F3)."""
    notice = version.since.get("notice")
    if notice is None:
        return {}
    # A language that the site has got since has no summary of its own.
    summary = notice["summary"].get(language) or next(iter(notice["summary"].values()))
    return {"notice": {**notice, "summary": summary}}


def _restored(version: "Published") -> dict[str, dict[str, int]]:
    """That hours were lost, whose receipts the pages send again."""
    found = restorations.told(version.lost)
    return {"restored": found} if found else {}


def _tracker(row: dict[str, Any], version: "Published", language: str) -> dict[str, Any]:
    shown = {column: row[column] for column in _TRACKER_COLUMNS}
    since, change = version.gate.trackers[row["id"]].since, version.since.get("kinds", {}).get(row["id"])
    # Only first-party cookies can be deleted by the page; the vendor's own are listed all the same (C2).
    return {**shown, "since": since, "change": change, "purpose": row["purpose"][language], **_means(row)}


def _means(row: dict[str, Any]) -> dict[str, Any]:
    """How to know a tracker in the page and on the wire, and what to do about it."""
    return {
        "hosts": row["hosts"],
        "paths": row["paths"],
        # Versions that were published before these fields were there lack them.
        "embed": row.get("embed", False),
        "signal": row.get("signal"),
        "elements": row.get("elements", []),
    }


# What the script has from the start; the rest of a config it fetches when a visitor opens the settings. In the order in
# which they compress best: it is worth 25 bytes to every visitor (bench/size.py).
_FIRST = (
    "site", "cookie_domain", "ask", "trackers", "restored", "css", "release", "texts", "language", "controller", "top",
    "notice", "version", "categories", "audience", "leaks", "experiment", "count_visits",
)
_FIRST_TEXTS = (
    "reopen", "title", "change", "failed", "saved", "direction", "accept_all", "close", "intro", "offline", "save",
    "necessary_only", "unloaded", "withdraw", "preferences", "policy",
)


# Of the other languages: what a page says to who has answered already. The rest is fetched before anything is asked.
_OTHER_TEXTS = ("direction", "reopen")


# What the script takes for granted when nothing is said.
_USUAL = {"release": "acknowledged", "audience": "general", "direction": "ltr"}


def _chosen(words: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """What there is of these keys (an older version may know fewer), but for what goes without saying."""
    return {key: words[key] for key in keys if key in words and words[key] != _USUAL.get(key)}


def _first_tracker(row: Mapping[str, Any]) -> dict[str, Any]:
    """What decides, and what is deleted on withdrawal: names without the lives that the settings show."""
    needed = {"id": row["id"], "category": row["category"]} | _risen(row)
    # What lies elsewhere, or is hidden from scripts, a page can not delete.
    cookies = [one["name"] for one in row["cookies"] if "domain" not in one and not one.get("server")]
    storage = [one["name"] if one["kind"] == "local" else one for one in row["storage"]]
    rest = {name: row[name] for name in ("exempt", "hosts", "paths", "embed", "signal")}
    return needed | {name: value for name, value in ({"cookies": cookies, "storage": storage} | rest).items() if value}


def _first_category(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked about is explained from the start; that it is asked the script sees by its trackers."""
    return _chosen(row, ("id", "name", "purpose") if row["asked"] else ("id",)) | _risen(row)


def _first_experiment(version: "Published", experiment: Mapping[str, Any], languages: list[str]) -> dict[str, Any]:
    """As `_FIRST_TEXTS` and `_OTHER_TEXTS`: the words of a variant that every page may need."""
    variants = [dict(one) for one in experiment["variants"]]
    for one in variants:
        if "texts" in one:
            one["texts"] = _chosen(one["texts"], _FIRST_TEXTS)
    for language in languages:
        words, definition = version.snapshot["texts"][language], version.snapshot["definition"]
        there = _experiment(definition, words, language)["experiment"]["variants"]
        for one, other in zip(variants, there, strict=True):
            if more := _chosen(other.get("texts", {}), _OTHER_TEXTS):
                one["others"] = {**one.get("others", {}), language: more}
    return {**experiment, "variants": variants}


def _risen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"since": row["since"]} if row["since"] > 1 else {}


def script_for(version: "Published") -> bytes:
    """The banner script with the version baked in: the first layer in its own language, its trackers' adapters."""
    definition = version.snapshot["definition"]
    whole = config(version, definition["default_language"])
    baked = _chosen(whole, _FIRST)
    baked["categories"] = [_first_category(row) for row in whole["categories"]]
    baked["texts"] = _chosen(whole["texts"], _FIRST_TEXTS)
    baked["controller"] = _chosen(whole["controller"], ("name", "policy_url"))
    baked["trackers"] = [_first_tracker(row) for row in whole["trackers"]]
    baked["others"] = {
        language: _chosen(version.snapshot["texts"][language], _OTHER_TEXTS)
        for language in definition["languages"]
        if language != baked["language"]
    }
    if "experiment" in baked:
        others = [name for name in definition["languages"] if name != baked["language"]]
        baked["experiment"] = _first_experiment(version, whole["experiment"], others)
    if "notice" in baked:
        baked["notice"] = _chosen(baked["notice"], ("version",))  # what it says comes when it is shown
    return script_of(json.dumps(baked, ensure_ascii=False, separators=(",", ":")), _needed(whole))


# The parts that only some sites are served, by the field of the config that asks for them.
_PARTS = {"leaks": "leaks", "visits": "count_visits", "experiment": "experiment"}


def _needed(whole: Mapping[str, Any]) -> list[str]:
    """The adapters of the trackers in use (one that needs no consent has none to tell of), and what looks for news."""
    asked = [row for row in whole["trackers"] if row["category"] != "necessary" and not row["exempt"]]
    news = {"aside"} if whole.get("notice") or whole.get("restored") else set()
    parts = {part for part, field in _PARTS.items() if field in whole}
    return sorted({row["signal"] for row in asked if row["signal"] in signals()} | news | parts)


def script_without_site() -> bytes:
    """The same script for every site: it fetches its config, so it has every adapter; less than a request more."""
    return script_of("null", list(signals()))


def _called(adapters: list[str]) -> dict[str, str]:
    """The adapters as the script calls them. What looks for leaks stands in the place of what looks for news, and calls
    that, and what tells of visits does so again: a call of their own would be a weight for every site.
    """
    found = {name: signals()[name] for name in adapters}
    leaks, visits = found.pop("leaks", None), found.pop("visits", None)
    if leaks is not None:
        found["aside"] = f"({leaks})(document.currentScript,{found.get('aside', 0)})"
    if visits is not None:
        found["aside"] = f"({visits})({found.get('aside', 0)})"
    return found


def script_of(config_json: str, adapters: list[str]) -> bytes:
    """The script with a config, or "null", and the adapters of these names."""
    # A key needs no quotes in a script. Inside a string a quote has a backslash before it, so is not met.
    bare = _KEY.sub(r"\1:", config_json)
    # Inside a script file these three are the only characters that could end or break the literal.
    safe = bare.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    functions = ",".join(f"{name}:{code}" for name, code in _called(adapters).items())
    # The config last: an owner's words may look like a placeholder.
    whole = built_script().replace(SIGNALS_PLACEHOLDER, f"{{{functions}}}", 1)
    return whole.replace(PLACEHOLDER, safe, 1).encode()
