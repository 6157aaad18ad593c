"""Sites: their definition, the draft, and the doors through which everything of a site is reached."""

import re
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema
from sqlalchemy import JSON, ForeignKey, Index, String, select, update
from sqlalchemy.orm import Mapped, defer, joinedload, mapped_column, relationship, validates

from consent import audit, experiments
from consent.accounts import Membership, Organisation, User, organisation_named
from consent.catalogue import CATALOGUE, SiteTrackerSchema, check_languages, plain_text, resolve
from consent.db import Moment, db
from consent.gate import OPTIONAL
from consent.look import LookSchema
from consent.shapes import flag, one_of
from consent.wording import TextsSchema

KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LANGUAGES = ("nl", "en")
MOST_TRACKERS = 300
LONGEST_CHOICE = 2_500  # characters of JSON that name trackers; with the rest, in base64, just under a cookie's 4,096
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class NotFound(Exception):
    """There is no such thing, or it is somebody else's: the two look the same to a stranger."""


class Stale(Exception):
    """Somebody else changed the draft since it was read."""


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


def _share(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 1:
        raise ValidationError("Must be a number from 0.01 to 1: the share of the pages.")


def _web_address(value: str) -> None:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or not value.isprintable() or " " in value:
        raise ValidationError("Not a web address that starts with https://.")


def _day(value: str) -> None:
    try:
        right = date.fromisoformat(value).isoformat() == value
    except ValueError:
        right = False
    if not right:
        raise ValidationError("Not a day; write it as 2026-11-22.")


class ControllerSchema(Schema):
    """Who asks for the consent (B6)."""

    class Meta:
        unknown = RAISE

    name = plain_text(200, required=True)
    email = fields.Email(required=True)
    policy_url = fields.String(required=True, validate=[validate.Length(1, 500), _web_address])
    address = plain_text(300)  # for the visitor's receipt (M1)


class PolicySchema(Schema):
    """The privacy policy's last revision; a material one is told to visitors and owners (F3)."""

    class Meta:
        unknown = RAISE

    date = fields.String(required=True, validate=_day)
    material = flag()
    summary = fields.Dict(keys=fields.String(validate=validate.OneOf(LANGUAGES)), values=plain_text(500))
    affects = fields.List(one_of(OPTIONAL), validate=validate.Length(max=len(OPTIONAL)))

    @validates_schema(skip_on_field_errors=True)
    def agrees(self, data: dict[str, Any], **_: Any) -> None:
        """Rules over more than one field."""
        affects = data.get("affects", [])
        if affects and not data.get("material"):
            raise ValidationError("Belongs to a material change: only that asks anybody again (F4).", "affects")
        if len(set(affects)) != len(affects):
            raise ValidationError("Names something twice.", "affects")


class LeakReportsSchema(Schema):
    """On which share of the pages requests to trackers that were not allowed are told of; left out, on none."""

    class Meta:
        unknown = RAISE

    sample = fields.Raw(required=True, validate=_share)


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
    policy = fields.Nested(PolicySchema)
    texts = fields.Nested(TextsSchema)  # the owner's words in the banner
    look = fields.Nested(LookSchema)
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
    claim_days = fields.Integer(  # G3; left out, retention.CLAIM_DAYS
        strict=True,
        validate=validate.Range(  # not below what webhooks and their errors are kept; BW 3:310
            30, 1_825, error="Must be 30 to 1825 days (five years)."
        ),
    )
    release = fields.String(load_default="acknowledged", validate=validate.OneOf(("acknowledged", "immediate")))
    audience = fields.String(load_default="general", validate=validate.OneOf(("general", "children")))
    google_consent_mode = fields.String(validate=validate.OneOf(("basic", "advanced")))
    google_consent_mode_reason = plain_text(500)
    request_working_days = fields.Integer(  # what the owner promises; the law's month counts in any case (G6)
        strict=True, validate=validate.Range(1, 20, error="Must be 1 to 20 working days.")
    )
    leak_reports = fields.Nested(LeakReportsSchema)
    experiment = fields.Nested(experiments.ExperimentSchema)
    count_visits = flag()  # of people who have chosen before: for the share of all visits that a tracker sees
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
        _agree_policy(data)
        experiments.agree(data)

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
                check_languages(entry, data["languages"])
            except ValidationError as error:
                faults[index] = error.messages
        if faults:
            raise ValidationError({"trackers": faults})

    @post_load
    def ordered(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """In the order of the contract, so that an export reads well."""
        return {name: data[name] for name in self.fields if name in data and data[name] != {}}


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


def _agree_policy(data: dict[str, Any]) -> None:
    policy = data.get("policy", {})
    missing = [name for name in data["languages"] if name not in policy.get("summary", {})]
    if policy.get("material") and missing:
        raise ValidationError({"policy": {"summary": {name: ["Says what changed; is needed."] for name in missing}}})


def _agree_consent_mode(data: dict[str, Any]) -> None:
    advanced, reason = data.get("google_consent_mode") == "advanced", "google_consent_mode_reason" in data
    if advanced and not reason:
        raise ValidationError("Is needed for the advanced mode (J4).", "google_consent_mode_reason")
    known = [CATALOGUE[entry["id"]] for entry in data["trackers"] if entry["id"] in CATALOGUE]
    if advanced and not any(tracker["signal"] == "google" for tracker in known):
        raise ValidationError("Needs Google's trackers in the list: visitors are told.", "google_consent_mode")
    if reason and not advanced:
        raise ValidationError("Belongs to the advanced mode alone.", "google_consent_mode_reason")


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
    name: Mapped[str] = mapped_column(String(200))  # as the draft says; a list of sites reads no drafts
    draft: Mapped[dict[str, Any]] = mapped_column(JSON)
    current: Mapped[int | None]
    revision: Mapped[int] = mapped_column(default=1)  # rises with every change of the draft
    managed: Mapped[str] = mapped_column(String(16), default="file")  # where the draft was changed last: WAYS
    edited_by: Mapped[int | None]
    edited_at: Mapped[datetime | None] = mapped_column(Moment)
    organisation: Mapped[Organisation] = relationship()

    __table_args__ = (Index("ix_site_organisation_id_key", "organisation_id", "key", "name"),)

    @validates("draft")
    def _named(self, _: str, draft: dict[str, Any]) -> dict[str, Any]:
        self.name = draft["name"]
        return draft


WAYS = {"command": "file", "console": "console", "api": "api"}  # audit.By.via, and what the draft is managed by then


def apply(data: Any, by: audit.By = audit.COMMAND) -> tuple[Site, bool]:
    """Make the definition the draft of its site; also whether that changed anything. The caller commits.

    Raises DefinitionError.
    """
    definition = parse_definition(data)
    site = db.session.get(Site, definition["key"])
    organisation = organisation_named(definition["organisation"])
    if site is None:
        return create(definition, organisation, by), True
    if site.organisation_id != organisation.id:
        raise DefinitionError({"organisation": f"The key {site.key} belongs to another organisation."})
    changed = site.draft != definition
    if changed or site.managed != WAYS[by.via]:
        change(site, definition, site.revision, by)
    return site, changed


def create(definition: dict[str, Any], organisation: Organisation, by: audit.By) -> Site:
    """A new site with this definition, which has been parsed, as its draft. The caller commits."""
    site = Site(key=definition["key"], organisation_id=organisation.id, draft=definition, managed=WAYS[by.via],
                edited_by=by.user_id, edited_at=datetime.now(UTC))
    db.session.add(site)
    db.session.flush()
    audit.note(organisation.id, "site.create", by, site.key)
    return site


def change(site: Site, definition: dict[str, Any], revision: int, by: audit.By) -> None:
    """Make the definition, which has been parsed, the draft; raises Stale when it is not the one that was read.

    `revision` is the site's when its draft was read. The caller commits.
    """
    mine = update(Site).where(Site.key == site.key, Site.revision == revision).values(revision=revision + 1)
    done = db.session.execute(mine.execution_options(synchronize_session=False))
    if done.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result always has it
        raise Stale
    db.session.refresh(site, ["revision", "draft"])
    fields = sorted(name for name in {*site.draft, *definition} if site.draft.get(name) != definition.get(name))
    site.draft, site.managed = definition, WAYS[by.via]
    site.edited_by, site.edited_at = by.user_id, datetime.now(UTC)
    db.session.flush()
    audit.note(site.organisation_id, "draft.change", by, site.key, fields=fields)


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


def sites_of(user: User, search: str = "", skip: int = 0, most: int | None = None) -> list[Site]:
    """The sites of the user's organisations, without their drafts; those whose name or key holds `search`."""
    mine = select(Site.key).join(Membership, Membership.organisation_id == Site.organisation_id).where(
        Membership.user_id == user.id)
    if search:
        name, key = (column.icontains(search, autoescape=True) for column in (Site.name, Site.key))
        mine = mine.where(name | key)
    # The keys of the page from the index alone, then its rows: in SQLite a row is as long as its draft.
    page = select(Site).where(Site.key.in_(mine.order_by(Site.key).offset(skip).limit(most)))
    light = page.options(defer(Site.draft), joinedload(Site.organisation)).order_by(Site.key)
    return list(db.session.scalars(light))


# Forbids nothing; it keeps Chromium from asking for what stands further on before our script ran (docs/auto.md).
PATIENT = '<meta http-equiv="Content-Security-Policy" content="object-src * blob: data:">'


def snippet(site: Site, public_url: str, auto: bool = False) -> str:
    """What the owner puts in the head of every page; with `auto` first in it, and untagged trackers are held back."""
    script = f"{public_url}/banner/{site.key}.js"
    if auto:
        return f'<script src="{script}" data-auto></script>\n{PATIENT}'
    return f'<script async src="{script}"></script>'


def declaration_snippet(site: Site, public_url: str) -> str:
    """What the owner puts in the site's page about cookies, where the declaration is to appear."""
    return f'<script async src="{public_url}/banner/v1/declaration.js" data-site="{site.key}"></script>'
