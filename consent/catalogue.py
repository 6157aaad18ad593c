"""The trackers that Poort knows, and how a site's own list of trackers is checked against them.

    CATALOGUE["hotjar"]["category"]                      -> "analytics"
    match_host("static.hotjar.com")                      -> ("hotjar",)
    resolve({"id": "ga4"}, "NL")                         -> the row that a version freezes

Every fault is a marshmallow ValidationError whose messages nest like the data, so that a caller can print its path.
Legitimate interest is no field anywhere: it is never a basis for storing or reading (A5).
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NotRequired, TypedDict

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from consent.gate import CATEGORIES as CATEGORIES
from consent.gate import OPTIONAL as OPTIONAL
from consent.patterns import DURATION, HOST, in_domain, matches, on_host, on_path, overlap

ROLES: Final = ("processor", "controller")
LANGUAGES: Final = ("nl", "en")
EXEMPTING: Final = ("NL",)  # the only jurisdictions whose law exempts measurement from consent (A7)

EEA: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})

# Names that say nothing of who set them: they count only together with the domain they live on.
GENERIC: Final = frozenset({"id", "uid", "sid", "lang", "mr", "sm", "pref", "nid", "session", "user", "token", "test"})
OUR_NAME: Final = "poort"  # the receipt's cookie and key: a pattern that matches it would erase the choice itself


class Cookie(TypedDict):
    """`name` exact or with `*` at the end; `domain` only for a cookie on the vendor's own domain."""

    name: str
    duration: str
    domain: NotRequired[str]


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
    reason: str | None
    session_replay: bool
    exempt_possible: bool
    transfer: bool
    hosts: list[str]
    paths: list[str]
    cookies: list[Cookie]
    storage: list[Stored]
    purpose: dict[str, str]
    policy_url: str
    source: str
    verified_at: date
    note: str | None


Row = dict[str, Any]  # what a version freezes of a tracker: FROZEN, in this order
FROZEN: Final = (
    "id", "name", "vendor", "country", "role", "category", "exempt", "reason", "session_replay", "transfer",
    "agreement", "hosts", "paths", "cookies", "storage", "purpose", "policy_url",
)
OVERRIDES: Final = frozenset({"id", "category", "exempt", "reason", "agreement"})
OWN_REQUIRED: Final = ("name", "vendor", "country", "category", "hosts", "cookies", "purpose")


# Fields -------------------------------------------------------------------------------------------------------------


def _matching(pattern: str, message: str) -> Callable[[str], None]:
    compiled = re.compile(pattern)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise ValidationError(message)

    return check


def plain_text(longest: int, **kwargs: Any) -> fields.String:
    # No control characters (PostgreSQL refuses a NUL) and no lone surrogates (they have no UTF-8).
    plain = r"(?!\s)[^\x00-\x1f\x7f\ud800-\udfff]+(?<!\s)"
    check = _matching(plain, "must be plain text on one line, without blanks around it")
    return fields.String(validate=validate.And(validate.Length(1, longest), check), **kwargs)


def _flag(**kwargs: Any) -> fields.Boolean:
    return fields.Boolean(truthy={True}, falsy={False}, **kwargs)


def _one_of(values: tuple[str, ...], **kwargs: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(values, error="must be one of {choices}"), **kwargs)


def _https(**kwargs: Any) -> fields.Url:
    return fields.Url(schemes={"https"}, error_messages={"invalid": "must be an https address"}, **kwargs)


def _name_pattern(value: str) -> None:
    stem = value.removesuffix("*")
    if "*" in stem:
        raise ValidationError("may have * only at the end")
    if stem != value and len(stem) < 3:
        raise ValidationError("needs at least three characters before the *")
    if matches(value, OUR_NAME):
        raise ValidationError("would match the visitor's own choice")


def _country(**kwargs: Any) -> fields.String:
    # UK, EU and EL are what people write, and no codes of ISO 3166-1.
    message = "must be a country by ISO 3166-1, such as NL or GB"
    return fields.String(validate=_matching(r"(?!UK|EU|EL)[A-Z]{2}", message), **kwargs)


def _id(**kwargs: Any) -> fields.String:
    shape = _matching(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", "must be lower-case letters and digits, joined by - or _")
    return fields.String(required=True, validate=validate.And(validate.Length(1, 40), shape), **kwargs)


def _list(inner: Any, longest: int = 100, **kwargs: Any) -> fields.List[Any]:
    return fields.List(inner, validate=validate.Length(max=longest), **kwargs)


def _hosts(**kwargs: Any) -> fields.List[Any]:
    message = "must be a host such as cdn.shop.example or *.shop.example"
    return _list(fields.String(validate=_matching(rf"(?:\*\.)?{HOST}", message)), **kwargs)


def _paths(**kwargs: Any) -> fields.List[Any]:
    message = "must be a host and a path such as cdn.shop.example/js/"
    return _list(fields.String(validate=_matching(rf"{HOST}/[A-Za-z0-9_./?=&%~+-]+", message)), **kwargs)


class CookieSchema(Schema):
    """One cookie of a tracker."""

    name = fields.String(required=True, validate=validate.And(
        _matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", "must be a cookie's name"), _name_pattern))
    duration = fields.String(required=True, validate=_matching(
        DURATION, "must be session, persistent or an ISO 8601 duration such as P13M or PT30M"))
    domain = fields.String(validate=_matching(HOST, "must be a domain such as vendor.example"))


class StorageSchema(Schema):
    """One key that a tracker keeps in the page's storage (A4)."""

    name = fields.String(required=True, validate=validate.And(
        _matching(r"[\x21-\x7e]{1,128}", "must be a storage key without blanks"), _name_pattern))
    kind = _one_of(("local", "session"), required=True)


def _purpose(longest: int, **kwargs: Any) -> fields.Nested:
    sentences: dict[str, Any] = {language: plain_text(longest, required=True) for language in LANGUAGES}
    return fields.Nested(Schema.from_dict(sentences, name=f"Purpose{longest}Schema"), **kwargs)


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

    id = _id()
    name = plain_text(60, required=True)
    vendor = plain_text(60, required=True)
    country = _country(required=True)
    role = _one_of(ROLES, required=True)
    category = _one_of(CATEGORIES, required=True)
    reason = plain_text(500, load_default=None)
    session_replay = _flag(load_default=False)
    exempt_possible = _flag(load_default=False)
    transfer = _flag(required=True)
    hosts = _hosts(required=True)
    paths = _paths(load_default=list)
    cookies = _list(fields.Nested(CookieSchema), required=True)
    storage = _list(fields.Nested(StorageSchema), load_default=list)
    purpose = _purpose(90, required=True)
    policy_url = _https(required=True)
    source = _https(required=True)
    verified_at = fields.Date(required=True)
    note = fields.String(load_default=None)

    @validates_schema
    def check(self, data: Row, **_: Any) -> None:
        """What no single field can tell."""
        if faults := _faults(CATALOGUED, data):
            raise ValidationError(faults)


class CatalogueSchema(Schema):
    """The whole file."""

    tracker = fields.List(fields.Nested(TrackerSchema), required=True)

    @validates_schema
    def check(self, data: Row, **_: Any) -> None:
        """Each id once."""
        ids = [row["id"] for row in data["tracker"]]
        twice = {i: {"id": [f"{name} is there twice"]} for i, name in enumerate(ids) if name in ids[:i]}
        if twice:
            raise ValidationError({"tracker": twice})


def read_catalogue(text: str) -> Mapping[str, Tracker]:
    """The rows of a catalogue file by id; ValidationError or tomllib.TOMLDecodeError if it is not one."""
    rows: list[Tracker] = CatalogueSchema().load(tomllib.loads(text))["tracker"]
    return MappingProxyType({row["id"]: row for row in rows})


# Matching -----------------------------------------------------------------------------------------------------------


def _found(hit: Callable[[Tracker], bool]) -> Iterator[str]:
    return (id for id, row in CATALOGUE.items() if hit(row))


def match_host(host: str, path: str = "/") -> tuple[str, ...]:
    """The trackers that a request is for, by its host and its path with query; empty for an unknown one."""
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


def _disguised(row: Row, known: Tracker | None) -> bool:
    # Otherwise a known tracker under another id would slip past A6 and A8.
    theirs = [host for each in CATALOGUE.values() for host in each["hosts"]]
    return known is None and any(overlap(host, other) for host in row["hosts"] for other in theirs)


def _may_be_exempt(row: Row, known: Tracker | None) -> bool:
    if known:
        return known["exempt_possible"]
    return not row["transfer"] and not any("domain" in cookie for cookie in row["cookies"])


CHOSEN: Final[tuple[Rule, ...]] = (
    *SOUND,
    ("hosts", "belongs to a tracker in the catalogue: use that tracker's id", _disguised),
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

    id = _id()
    name = plain_text(60)
    vendor = plain_text(60)
    country = _country()
    role = _one_of(ROLES)
    category = _one_of(CATEGORIES)
    exempt = _flag()
    reason = plain_text(500)
    session_replay = _flag()
    transfer = _flag()
    agreement = _flag()
    hosts = _hosts()
    paths = _paths()
    cookies = _list(fields.Nested(CookieSchema))
    storage = _list(fields.Nested(StorageSchema))
    purpose = _purpose(200)
    policy_url = _https()

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
                "transfer": entry.get("country") not in EEA}
    below: Mapping[str, Any] = CATALOGUE.get(entry["id"]) or own
    row = {"reason": None, **below, "exempt": False, "agreement": None, **entry}
    return {field: deepcopy(row[field]) for field in FROZEN}


def resolve(entry: Mapping[str, Any], jurisdiction: str) -> Row:
    """The full row of a site's tracker, as a version freezes it: plain JSON, the keys of FROZEN.

    `agreement` (is there a processing agreement?) is None where the site does not say. Raises ValidationError, nested.
    """
    row = _whole(SiteTrackerSchema().load(dict(entry)))
    if row["exempt"] and jurisdiction not in EXEMPTING:
        raise ValidationError({"exempt": ["is possible only where the law knows it: jurisdiction NL (A7)"]})
    return row
