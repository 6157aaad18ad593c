"""Sites: their definition, the draft, and the doors through which everything of a site is reached."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema
from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent.accounts import Membership, Organisation, User, organisation_named
from consent.catalogue import CATALOGUE, SiteTrackerSchema, plain_text, resolve
from consent.db import db

KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LANGUAGES = ("nl", "en")
MOST_TRACKERS = 300
LONGEST_CHOICE = 2_500  # characters of JSON that name trackers; with the rest, in base64, just under a cookie's 4,096
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class NotFound(Exception):
    """There is no such thing, or it is somebody else's: the two look the same to a stranger."""


class DefinitionError(Exception):
    """A definition that is refused: `faults` maps the path of each fault to what is wrong with it."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {fault}" for path, fault in faults.items()))
        self.faults = faults


def _origin(value: str) -> None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), -1
    host = parts.hostname or ""
    plain = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or not HOST.fullmatch(host) or plain != value or port == default:
        raise ValidationError("Not an origin; write it as the browser does: https://www.shop.example, without a path.")


def _web_address(value: str) -> None:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or not value.isprintable() or " " in value:
        raise ValidationError("Not a web address that starts with https://.")


class ControllerSchema(Schema):
    """Who asks for the consent (B6)."""

    class Meta:
        unknown = RAISE

    name = plain_text(200, required=True)
    email = fields.Email(required=True)
    policy_url = fields.String(required=True, validate=[validate.Length(1, 500), _web_address])
    address = plain_text(300)  # for the visitor's receipt (M1)


class SiteSchema(Schema):
    """The site definition of the contract. Loading it gives the definition with every default filled in."""

    class Meta:
        unknown = RAISE

    key = fields.String(
        required=True,
        validate=validate.Regexp(
            re.compile(rf"(?:{KEY.pattern})\Z"), error="Use 1 to 63 lower-case letters, digits and hyphens."
        ),
    )
    name = plain_text(200, required=True)
    organisation = plain_text(200, required=True)
    controller = fields.Nested(ControllerSchema, required=True)
    origins = fields.List(fields.String(validate=_origin), required=True, validate=validate.Length(1, 100))
    cookie_domain = fields.String(allow_none=True, load_default=None)
    default_language = fields.String(load_default="nl", validate=validate.OneOf(LANGUAGES))
    languages = fields.List(
        fields.String(validate=validate.OneOf(LANGUAGES)),
        load_default=lambda: list(LANGUAGES),
        validate=validate.Length(1, len(LANGUAGES)),
    )
    trackers = fields.List(fields.Nested(SiteTrackerSchema), load_default=list)
    consent_days = fields.Integer(
        load_default=180,
        strict=True,
        validate=validate.Range(  # F2: never over 13 months
            1, 395, error="Must be 1 to 395 days (13 months)."
        ),
    )
    refusal_days = fields.Integer(load_default=180, strict=True, validate=validate.Range(1, 395))
    release = fields.String(load_default="acknowledged", validate=validate.OneOf(("acknowledged", "immediate")))
    audience = fields.String(load_default="general", validate=validate.OneOf(("general", "children")))
    google_consent_mode = fields.String(validate=validate.OneOf(("basic", "advanced")))
    google_consent_mode_reason = plain_text(500)
    request_working_days = fields.Integer(  # what the owner promises; the law's month counts in any case (G6)
        strict=True, validate=validate.Range(1, 20, error="Must be 1 to 20 working days.")
    )
    jurisdiction = fields.String(
        load_default="NL",
        validate=validate.Regexp(r"[A-Z]{2}\Z", error="Use a country code of two capitals, such as NL."),
    )

    @pre_load
    def bounded(self, data: Any, **_: Any) -> Any:
        """Refuse a list of any length before each of its trackers is looked at."""
        trackers = data.get("trackers") if isinstance(data, dict) else None
        if isinstance(trackers, list) and len(trackers) > MOST_TRACKERS:
            raise ValidationError(f"May name {MOST_TRACKERS} trackers at most.", "trackers")
        return data

    @validates_schema(skip_on_field_errors=True)
    def agrees(self, data: dict[str, Any], **_: Any) -> None:
        """Rules over more than one field."""
        if data["default_language"] not in data["languages"]:
            raise ValidationError("Is not among the languages.", "default_language")
        for name in ("languages", "origins"):
            if len(set(data[name])) != len(data[name]):
                raise ValidationError("Names something twice.", name)
        if data["refusal_days"] < data["consent_days"]:
            raise ValidationError("A refusal is remembered at least as long as a consent (F1).", "refusal_days")
        if sum(len(entry["id"]) + 3 for entry in data["trackers"]) > LONGEST_CHOICE:
            raise ValidationError("Are too many: a choice for each of them has to fit in a cookie.", "trackers")
        _agree_cookie_domain(data)
        _agree_consent_mode(data)

    @validates_schema(skip_on_field_errors=True)
    def resolvable(self, data: dict[str, Any], **_: Any) -> None:
        """Every tracker is one of the catalogue's, or complete; A6 to A8 hold."""
        faults: dict[int, Any] = {}
        seen: set[str] = set()
        for index, entry in enumerate(data["trackers"]):
            try:
                if entry["id"] in seen:
                    raise ValidationError({"id": ["Is in the list already."]})
                seen.add(entry["id"])
                resolve(entry, data["jurisdiction"])
            except ValidationError as error:
                faults[index] = error.messages
        if faults:
            raise ValidationError({"trackers": faults})

    @post_load
    def ordered(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """In the order of the contract, so that an export reads well."""
        return {name: data[name] for name in self.fields if name in data}


def _agree_cookie_domain(data: dict[str, Any]) -> None:
    domain = data["cookie_domain"]
    if domain is None:
        return
    if "." not in domain or not HOST.fullmatch(domain):
        raise ValidationError("Not a domain such as shop.example; leave it out for one host alone.", "cookie_domain")
    for origin in data["origins"]:
        host = str(urlsplit(origin).hostname)
        if host != domain and not host.endswith(f".{domain}"):
            raise ValidationError(f"The origin {origin} is not within this domain.", "cookie_domain")


def _agree_consent_mode(data: dict[str, Any]) -> None:
    advanced, reason = data.get("google_consent_mode") == "advanced", "google_consent_mode_reason" in data
    if advanced and not reason:
        raise ValidationError("Is needed for the advanced mode (J4).", "google_consent_mode_reason")
    known = [CATALOGUE[entry["id"]] for entry in data["trackers"] if entry["id"] in CATALOGUE]
    if advanced and not any(tracker["signal"] == "google" for tracker in known):
        raise ValidationError("Needs Google's trackers in the list: visitors are told.", "google_consent_mode")
    if reason and not advanced:
        raise ValidationError("Belongs to the advanced mode alone.", "google_consent_mode_reason")


def warnings(definition: Mapping[str, Any]) -> list[str]:
    """What is allowed in the definition and yet unwise, a sentence each."""
    if definition.get("google_consent_mode") != "advanced":
        return []
    return [
        "google_consent_mode is advanced: Google's tags that are not tagged for Poort load and send data before a"
        " choice and after a refusal. Basic is the safe mode for visitors in the EEA (J4)."
    ]


def flatten(messages: Any, path: str = "") -> dict[str, str]:
    """marshmallow's nested messages as `{"trackers.3.category": "..."}`."""
    if isinstance(messages, dict):
        found: dict[str, str] = {}
        for key, value in messages.items():
            step = "" if key == "_schema" else str(key)
            found.update(flatten(value, ".".join(part for part in (path, step) if part)))
        return found
    text = " ".join(str(message) for message in messages) if isinstance(messages, list) else str(messages)
    return {path or "definition": text}


def parse_definition(data: Any) -> dict[str, Any]:
    """The definition with its defaults; raises DefinitionError with the path of each fault."""
    try:
        return dict(SiteSchema().load(data))
    except ValidationError as error:
        raise DefinitionError(flatten(error.messages)) from error


class Site(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """A surface with its own banner: its draft, and the number of its current version."""

    key: Mapped[str] = mapped_column(String(63), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    draft: Mapped[dict[str, Any]] = mapped_column(JSON)
    current: Mapped[int | None]
    organisation: Mapped[Organisation] = relationship()

    @property
    def name(self) -> str:
        """What the owner calls it."""
        return str(self.draft["name"])


def apply(data: Any) -> tuple[Site, bool]:
    """Make the definition the draft of its site; also whether that changed anything. The caller commits."""
    definition = parse_definition(data)
    site = db.session.get(Site, definition["key"])
    organisation = organisation_named(definition["organisation"])
    if site is None:
        site = Site(key=definition["key"], organisation_id=organisation.id, draft=definition)
        db.session.add(site)
        db.session.flush()
        return site, True
    if site.organisation_id != organisation.id:
        raise DefinitionError({"organisation": f"The key {site.key} belongs to another organisation."})
    changed = site.draft != definition
    if changed:
        site.draft = definition
        db.session.flush()
    return site, changed


def site_for_key(key: str) -> Site:
    """The door for visitors and commands; raises NotFound."""
    site = db.session.get(Site, key) if KEY.fullmatch(key) else None
    if site is None:
        raise NotFound(f"There is no site {key!r}." if KEY.fullmatch(key) else "There is no such site.")
    return site


def site_for(user: User, key: str) -> tuple[Site, str]:
    """The door for members: the site, and the user's role in its organisation; raises NotFound for a stranger."""
    if not KEY.fullmatch(key):
        raise NotFound("There is no such site.")
    row = db.session.execute(
        select(Site, Membership.role)
        .join(Membership, Membership.organisation_id == Site.organisation_id)
        .where(Site.key == key, Membership.user_id == user.id)
    ).first()
    if row is None:
        raise NotFound("There is no such site.")
    return row[0], row[1]


def sites_of(user: User) -> list[Site]:
    """All sites of the organisations that the user is a member of."""
    query = select(Site).join(Membership, Membership.organisation_id == Site.organisation_id)
    return list(db.session.scalars(query.where(Membership.user_id == user.id).order_by(Site.key)))


# Forbids nothing; it keeps Chromium from asking for what stands further on before our script ran (docs/auto.md).
PATIENT = '<meta http-equiv="Content-Security-Policy" content="object-src * blob: data:">'


def snippet(site: Site, public_url: str, auto: bool = False) -> str:
    """What the owner puts in the head of every page; with `auto` first in it, and untagged trackers are held back."""
    script = f"{public_url}/banner/{site.key}.js"
    if auto:
        return f'<script src="{script}" data-auto></script>\n{PATIENT}'
    return f'<script async src="{script}"></script>'
