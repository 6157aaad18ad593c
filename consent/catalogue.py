"""The trackers that Poort knows, and how a site's own list of trackers is checked against them.

    CATALOGUE["hotjar"]["category"]                      -> "analytics"
    match_host("static.hotjar.com")                      -> ("hotjar",)
    resolve({"id": "ga4"}, "NL")                         -> the row that a version freezes

Every fault is a marshmallow ValidationError whose messages nest like the data, so that a caller can print its path.
Legitimate interest is no field anywhere: it is never a basis for storing or reading (A5).
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NotRequired, TypedDict

from marshmallow import Schema, ValidationError, fields, validates_schema

from consent import shapes
from consent.claims import Claim, clashes, same_request, site
from consent.gate import CATEGORIES as CATEGORIES
from consent.gate import OPTIONAL as OPTIONAL
from consent.patterns import in_domain, matches, on_host, on_path
from consent.shapes import LANGUAGES as LANGUAGES
from consent.shapes import CookieSchema, StorageSchema
from consent.shapes import plain_text as plain_text

ROLES: Final = ("processor", "controller")
SIGNALS: Final = (  # the vendors that can be told, each by an adapter of this name
    "google", "uet", "clarity", "meta", "tiktok", "pinterest", "hubspot", "zendesk", "intercom", "vwo", "contentsquare",
    "matomo",
)
EXEMPTING: Final = ("NL",)  # the only jurisdictions whose law exempts measurement from consent (A7)

EEA: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})

# Names that say nothing of who set them: they count only together with the domain they live on.
GENERIC: Final = frozenset({"id", "uid", "sid", "lang", "mr", "sm", "pref", "nid", "session", "user", "token", "test"})


class Cookie(TypedDict):
    """`name` exact or with `*` at the end; `domain` only for a cookie on the vendor's own domain.

    `server`: HttpOnly or set by the site's server, so that only the server can expire it.
    """

    name: str
    duration: str
    domain: NotRequired[str]
    server: NotRequired[bool]


class Stored(TypedDict):
    """A key in the page's storage; `kind` is local or session."""

    name: str
    kind: str


class Tracker(TypedDict):
    """A row of the catalogue; read only."""

    id: str
    name: str
    vendor: str
    country: str
    role: str
    category: str
    why: str
    reason: str | None
    session_replay: bool
    exempt_possible: bool
    transfer: bool
    hosts: list[str]
    paths: list[str]
    cookies: list[Cookie]
    storage: list[Stored]
    elements: list[str]
    embed: bool
    signal: str | None
    consent_call: str | None
    teardown: str | None
    purpose: dict[str, str]
    policy_url: str
    source: str
    verified_at: date
    note: str | None


Row = dict[str, Any]  # what a version freezes of a tracker: FROZEN, in this order
FROZEN: Final = (
    "id", "name", "vendor", "country", "role", "category", "exempt", "reason", "session_replay", "transfer",
    "agreement", "hosts", "paths", "cookies", "storage", "purpose", "policy_url",
    "embed", "signal", "elements",
)
OVERRIDES: Final = frozenset({"id", "category", "exempt", "reason", "agreement"})
OWN_REQUIRED: Final = ("name", "vendor", "country", "category", "hosts", "cookies", "purpose")


# The catalogue ------------------------------------------------------------------------------------------------------


# field at fault, what to say, whether it is broken; the catalogue's row is None for a site's own tracker
Rule = tuple[str, str, Callable[[Row, Tracker | None], bool]]


def _faults(rules: tuple[Rule, ...], row: Row, known: Tracker | None = None) -> dict[str, list[str]]:
    """The messages by field of all rules that the row breaks."""
    found: dict[str, list[str]] = {}
    for field, message, broken in rules:
        if broken(row, known):
            found.setdefault(field, []).append(message)
    return found


SOUND: Final[tuple[Rule, ...]] = (
    ("reason", "is needed: necessary is only what has a recorded justification (A6)",
     lambda row, _: row["category"] == "necessary" and not row["reason"]),
    ("session_replay", "is never necessary (A6)",
     lambda row, _: row["session_replay"] and row["category"] == "necessary"),
    ("transfer", "must be true: the vendor's country lies outside the EEA (C4)",
     lambda row, _: row["country"] not in EEA and not row["transfer"]),
    ("embed", "needs the hosts that the embedded content comes from",
     lambda row, _: row["embed"] and not row["hosts"] and not row["paths"]),
)
CATALOGUED: Final[tuple[Rule, ...]] = (
    *SOUND,
    ("exempt_possible", "is never possible for session replay (A8)",
     lambda row, _: row["exempt_possible"] and row["session_replay"]),
    ("exempt_possible", "is possible for analytics only (A7)",
     lambda row, _: row["exempt_possible"] and row["category"] != "analytics"),
    ("cookies", "has a name that says nothing of its vendor: give its domain",
     lambda row, _: any(c["name"].removesuffix("*").lower() in GENERIC and "domain" not in c for c in row["cookies"])),
)


class TrackerSchema(Schema):
    """A row of catalogue.toml; refuses what a careful reader would refuse."""

    id = shapes.tracker_id(required=True)
    name = plain_text(60, required=True)
    vendor = plain_text(60, required=True)
    country = shapes.country(required=True)
    role = shapes.one_of(ROLES, required=True)
    category = shapes.one_of(CATEGORIES, required=True)
    why = plain_text(300, required=True)
    reason = plain_text(500, load_default=None)
    session_replay = shapes.flag(load_default=False)
    exempt_possible = shapes.flag(load_default=False)
    transfer = shapes.flag(required=True)
    hosts = shapes.hosts(required=True)
    paths = shapes.paths(load_default=list)
    cookies = shapes.several(fields.Nested(CookieSchema), required=True)
    storage = shapes.several(fields.Nested(StorageSchema), load_default=list)
    elements = shapes.elements(load_default=list)
    embed = shapes.flag(load_default=False)
    signal = shapes.one_of(SIGNALS, load_default=None)
    consent_call = plain_text(500, load_default=None)
    teardown = plain_text(500, load_default=None)
    purpose = shapes.purpose(90, required=True)
    policy_url = shapes.https(required=True)
    source = shapes.https(required=True)
    verified_at = fields.Date(required=True)
    note = fields.String(load_default=None)

    @validates_schema
    def check(self, data: Row, **_: Any) -> None:
        """What no single field can tell."""
        if faults := _faults(CATALOGUED, data):
            raise ValidationError(faults)


class SharedSchema(Schema):
    """Hosts, paths, cookies or keys that several trackers have in common, and why."""

    names = shapes.several(plain_text(200), required=True)
    trackers = shapes.several(shapes.tracker_id(), required=True)
    reason = plain_text(300, required=True)


class CatalogueSchema(Schema):
    """The whole file."""

    tracker = fields.List(fields.Nested(TrackerSchema), required=True)
    shared = fields.List(fields.Nested(SharedSchema), load_default=list)

    @validates_schema
    def check(self, data: Row, **_: Any) -> None:
        """Each id once, and nothing that would be taken for another tracker's."""
        ids = [row["id"] for row in data["tracker"]]
        faults = {i: {"id": [f"{name} is there twice"]} for i, name in enumerate(ids) if name in ids[:i]}
        if faults := faults or _taken(ids, clashes(data["tracker"], data["shared"])):
            raise ValidationError({"tracker": faults})


def _taken(ids: list[str], pairs: Iterable[tuple[Claim, Claim]]) -> dict[int, dict[str, list[str]]]:
    found: dict[int, dict[str, list[str]]] = {}
    for one, other in pairs:
        message = f"{other.name} fits what {ids[one.tracker]} has as {one.name}"
        found.setdefault(other.tracker, {}).setdefault(other.field, []).append(message)
    return found


def read_catalogue(text: str) -> Mapping[str, Tracker]:
    """The rows of a catalogue file by id; ValidationError or tomllib.TOMLDecodeError if it is not one."""
    rows: list[Tracker] = CatalogueSchema().load(tomllib.loads(text))["tracker"]
    return MappingProxyType({row["id"]: row for row in rows})


def marks(row: Tracker) -> Iterator[str]:
    """What is special about a tracker, in a few words each."""
    if row["session_replay"]:
        yield "session replay"
    if row["exempt_possible"]:
        yield "may be exempt in NL"
    if row["embed"]:
        yield "on a click"
    if row["signal"]:
        yield "vendor is told the choice"


# Matching -----------------------------------------------------------------------------------------------------------


def _found(hit: Callable[[Tracker], bool]) -> Iterator[str]:
    return (id for id, row in CATALOGUE.items() if hit(row))


def match_host(host: str, path: str = "/") -> tuple[str, ...]:
    """The trackers that a request is for, by its host and its path with query; empty for an unknown one.

    Several: it may be for each of them, so each has to be allowed.
    """
    host = host.lower().rstrip(".")
    return tuple(_found(lambda row: any(on_host(pattern, host) for pattern in row["hosts"])
                        or any(on_path(pattern, host, path) for pattern in row["paths"])))


def match_cookie(name: str, domain: str | None = None) -> tuple[str, ...]:
    """The trackers that set this cookie; those that set it on their vendor's domain only if `domain` says so."""
    where = (domain or "").lower().strip(".")

    def sets(cookie: Cookie) -> bool:
        return matches(cookie["name"], name) and ("domain" not in cookie or in_domain(where, cookie["domain"]))

    return tuple(_found(lambda row: any(map(sets, row["cookies"]))))


CATALOGUE: Final = read_catalogue((Path(__file__).parent / "catalogue.toml").read_text(encoding="utf-8"))


# A site's trackers --------------------------------------------------------------------------------------------------


def _disguised(field: str) -> Callable[[Row, Tracker | None], bool]:
    # Otherwise a known tracker under another id would slip past A6 and A8.
    def broken(row: Row, known: Tracker | None) -> bool:
        own = row[field] if known is None else ()
        return any(same_request(one, other) for one in own for other in _known_requests().get(site(one), ()))

    return broken


@cache
def _known_requests() -> Mapping[str, list[str]]:
    """The hosts and paths of all trackers, by their site: an owner may name thousands."""
    found: dict[str, list[str]] = {}
    for row in CATALOGUE.values():
        for pattern in (*row["hosts"], *row["paths"]):
            found.setdefault(site(pattern), []).append(pattern)
    return found


def _may_be_exempt(row: Row, known: Tracker | None) -> bool:
    if known:
        return known["exempt_possible"]
    return not row["transfer"] and not any("domain" in cookie for cookie in row["cookies"])


CHOSEN: Final[tuple[Rule, ...]] = (
    *SOUND,
    ("hosts", "belongs to a tracker in the catalogue: use that tracker's id", _disguised("hosts")),
    ("paths", "belongs to a tracker in the catalogue: use that tracker's id", _disguised("paths")),
    ("reason", "is needed for a category other than the catalogue's (A6)",
     lambda row, known: known is not None and row["category"] != known["category"] and not row["reason"]),
    ("category", "cannot be necessary for a tracker that measures or advertises (A6)",
     lambda row, known: known is not None and row["category"] == "necessary"
     and known["category"] in ("analytics", "marketing")),
    ("reason", "is needed for an exemption from consent (A7)", lambda row, _: row["exempt"] and not row["reason"]),
    ("exempt", "is possible for analytics only (A7)", lambda row, _: row["exempt"] and row["category"] != "analytics"),
    ("exempt", "is never possible for session replay (A8)", lambda row, _: row["exempt"] and row["session_replay"]),
    ("exempt", "is not possible for a tracker that shares data or takes it out of the EEA (A7)",
     lambda row, known: row["exempt"] and not row["session_replay"] and not _may_be_exempt(row, known)),
)


class SiteTrackerSchema(Schema):
    """A tracker in a site definition: an id of the catalogue with overrides, or the site's own in full.

    Loads to exactly what was given, so that an export is the file that was applied.
    """

    id = shapes.tracker_id(required=True)
    name = plain_text(60)
    vendor = plain_text(60)
    country = shapes.country()
    role = shapes.one_of(ROLES)
    category = shapes.one_of(CATEGORIES)
    exempt = shapes.flag()
    reason = shapes.Said(500)
    session_replay = shapes.flag()
    transfer = shapes.flag()
    agreement = shapes.Agreement()
    hosts = shapes.hosts()
    paths = shapes.paths()
    cookies = shapes.several(fields.Nested(CookieSchema))
    storage = shapes.several(fields.Nested(StorageSchema))
    elements = shapes.elements()
    embed = shapes.flag()
    purpose = shapes.own_purpose(200)
    policy_url = shapes.https()

    @validates_schema
    def check(self, data: Row, **_: Any) -> None:
        """First whether the entry is whole, then the rules of regulation.md."""
        known = CATALOGUE.get(data["id"])
        faults = _fixed(data) if known else _missing(data)
        faults = faults or _faults(CHOSEN, _whole(data), known)
        if faults:
            raise ValidationError(faults)


def _fixed(entry: Row) -> dict[str, list[str]]:
    """The fields that the catalogue fixes, and the site may not say again."""
    return {field: ["comes from the catalogue and cannot be changed here"] for field in entry if field not in OVERRIDES}


def _missing(entry: Row) -> dict[str, list[str]]:
    """What an own tracker lacks; an entry that has nothing of one is more likely a wrong id."""
    if not any(field in entry for field in OWN_REQUIRED if field != "category"):
        needed = ", ".join(OWN_REQUIRED)
        return {"id": [f"{entry['id']} is not in the catalogue; correct it, or describe your own tracker: {needed}"]}
    return {field: ["is needed for a tracker of your own"] for field in OWN_REQUIRED if field not in entry}


def _whole(entry: Row) -> Row:
    """The entry over the catalogue's row, or over what an own tracker does not have to say."""
    own: Row = {"role": "controller", "session_replay": False, "paths": [], "storage": [], "policy_url": None,
                "embed": False, "signal": None, "elements": [],
                "transfer": entry.get("country") not in EEA}
    below: Mapping[str, Any] = CATALOGUE.get(entry["id"]) or own
    row = {"reason": None, **below, "exempt": False, "agreement": None, **entry}
    whole = {field: deepcopy(row[field]) for field in FROZEN}
    spoken = row["purpose"]  # of an own tracker in the site's languages alone, which are those that visitors read
    whole["purpose"] = {language: spoken.get(language) or next(iter(spoken.values())) for language in shapes.LANGUAGES}
    return whole


def resolve(entry: Mapping[str, Any], jurisdiction: str) -> Row:
    """The full row of a site's tracker, as a version freezes it: plain JSON, the keys of FROZEN.

    `agreement` (is there a processing agreement?) is None where the site does not say. Raises ValidationError, nested.
    """
    found: Row = json.loads(_resolved(json.dumps(dict(entry), sort_keys=True), jurisdiction))
    return found


def check_languages(entry: Mapping[str, Any], languages: Sequence[str]) -> None:
    """Whether an own tracker says its purpose in every language of the site; raises ValidationError, nested."""
    lacking = [language for language in languages if language not in entry.get("purpose", languages)]
    if lacking:
        raise ValidationError({"purpose": {name: ["is needed for a tracker of your own"] for name in lacking}})


@lru_cache(4_096)
def _resolved(entry: str, jurisdiction: str) -> str:
    """As JSON, so that nobody changes what is remembered: 15 µs for a tracker that was asked for before, not 600."""
    row = _whole(SiteTrackerSchema().load(json.loads(entry)))
    if row["exempt"] and jurisdiction not in EXEMPTING:
        raise ValidationError({"exempt": ["is possible only where the law knows it: jurisdiction NL (A7)"]})
    return json.dumps(row)
