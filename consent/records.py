"""Consent records: what a decision has to look like, how it is stored, read and erased.

A record holds no address, no full user agent and no page: families, language and page group only (G1).
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import JSON, ColumnElement, Index, SmallInteger, String, delete, func, insert, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column, scoped_session

from consent import bodies, counts, gone, suspects
from consent.agents import agent
from consent.db import Id, Moment, db, iso
from consent.gate import OPTIONAL
from consent.receipts import Receipt
from consent.sites import flatten
from consent.versions import Published
from consent.writer import GroupCommit, Stored
from consent.zones import USUAL_ZONE, day_of

LARGEST = 16_384  # bytes of a body
ACTIONS = ("accept_all", "necessary_only", "custom", "withdraw")
SOURCES = ("banner", "settings", "api", "import")
RECOVERED = "recovered"  # from its receipt, after a backup was put back; no client can say that

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
VARIANT = re.compile(r"[a-z0-9-]{1,31}")
PAGE_GROUP = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a name; nothing that could hold an address of a page


class Refused(Exception):
    """A request that is refused: HTTP status, code, a sentence, and per field what is wrong with it."""

    def __init__(self, status: int, code: str, message: str, faults: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.faults = status, code, message, dict(faults or {})


_IMPORTED = text("decided_at IS NOT NULL")


class Record(db.Model):  # type: ignore[name-defined, misc]  # Flask-SQLAlchemy makes db.Model at run time
    """One decision of one visitor; append-only. No foreign key: visitor data can live in a database of its own."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    visitor: Mapped[uuid.UUID] = mapped_column(Id)
    version: Mapped[int]
    action: Mapped[str] = mapped_column(String(16))
    choices: Mapped[dict[str, bool]] = mapped_column(JSON)
    trackers: Mapped[dict[str, bool]] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(16))
    language: Mapped[str] = mapped_column(String(8))
    gpc: Mapped[bool]
    page_group: Mapped[str | None] = mapped_column(String(64))
    browser: Mapped[str] = mapped_column(String(40))
    os: Mapped[str] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(16))
    bot: Mapped[bool]
    recorded_at: Mapped[datetime] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)  # before it came in: imported or recovered
    took: Mapped[int | None] = mapped_column(SmallInteger)  # from the page's opening to the answer; of counts.BANDS
    variant: Mapped[str | None] = mapped_column(String(64))  # of an experiment, with its name: "summer:b"
    counted_on: Mapped[date | None]  # the organisation's day on which it was counted; None: the day in UTC

    __table_args__ = (
        Index("ix_record_site_visitor", "site", "visitor", "recorded_at"),
        # For the jobs, which go through all records by their age: new ones come at its end. Few are imported.
        Index("ix_record_site_recorded", "site", "recorded_at"),
        Index("ix_record_site_decided", "site", "decided_at", sqlite_where=_IMPORTED, postgresql_where=_IMPORTED),
    )


class RemovalPermit(db.Model):  # type: ignore[name-defined, misc]  # as above
    """Lets its own transaction delete one visitor's records, or those before a time; gone before the commit."""

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(Id, primary_key=True)
    visitor: Mapped[uuid.UUID | None] = mapped_column(Id)
    before: Mapped[datetime | None] = mapped_column(Moment)


class Truth(fields.Boolean):
    """true or false, and not 1, "yes" or "on"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Whole(fields.Integer):
    """A whole number from 1, and not "3", 3.0 or true."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            raise ValidationError("Must be a whole number from 1.")
        return value


class Identifier(fields.UUID):
    """A UUID in its usual notation."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> uuid.UUID:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise ValidationError("Must be a UUID such as 6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f.")
        return uuid.UUID(value)


class When(fields.String):
    """A moment in ISO 8601, to the second at least, with its offset from UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = bodies.moment(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("Must be a moment such as 2026-05-01T12:00:00Z, with Z or an offset.")
        return found


class Took(fields.Integer):
    """A time in whole milliseconds, a day at most."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= bodies.LONGEST_TOOK:
            raise ValidationError("Must be whole milliseconds from 0 to 86400000.")
        return value


def _variant(value: str) -> None:
    if not VARIANT.fullmatch(value):
        raise ValidationError("Use 1 to 31 lowercase letters, digits and hyphens.")


def _page_group(value: str) -> None:
    if not PAGE_GROUP.fullmatch(value):
        raise ValidationError("Use 1 to 64 letters, digits, hyphens and underscores.")


class ChoicesSchema(Schema):
    """Every category, granted or refused, explicitly (E4)."""

    class Meta:
        unknown = RAISE

    functional = Truth(required=True)
    analytics = Truth(required=True)
    marketing = Truth(required=True)


class ConsentSchema(Schema):
    """The body of `POST /v1/sites/{site}/consents`."""

    class Meta:
        unknown = RAISE

    id = Identifier(required=True, metadata={"description": "Made by the client; a retry sends the same one."})
    visitor = Identifier(required=True, metadata={"description": "Random, per site, kept in the receipt alone."})
    version = Whole(required=True, metadata={"description": "The version that the visitor was shown."})
    action = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    choices = fields.Nested(ChoicesSchema, required=True)
    trackers = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=Truth(),
        load_default=dict,
        metadata={"description": "Choices for single trackers; each beats its category's."},
    )
    source = fields.String(required=True, validate=validate.OneOf(SOURCES))
    language = fields.String(required=True, validate=validate.Length(2, 8))
    gpc = Truth(load_default=False, metadata={"description": "Global Privacy Control was on in the page."})
    page_group = fields.String(allow_none=True, load_default=None, validate=_page_group)
    decided_at = When(
        allow_none=True,
        load_default=None,
        metadata={
            "description": "When another platform was told so; only with source import. The consent counts from then."
        },
    )
    took = Took(allow_none=True, load_default=None, metadata={
        "description": "Milliseconds from opening the page to the answer; a band of it is kept."})
    variant = fields.String(allow_none=True, load_default=None, validate=_variant, metadata={
        "description": "What an experiment showed this visitor."})


class EventSchema(Schema):
    """The body of `POST /v1/sites/{site}/events`."""

    class Meta:
        unknown = RAISE

    type = fields.String(required=True, validate=validate.OneOf(("shown", "visit")), metadata={
        "description": "`shown`: the banner appeared. `visit`: somebody who has chosen before begins a visit."})
    version = Whole(required=True)
    language = fields.String(required=True, validate=validate.Length(2, 8))
    page_group = fields.String(allow_none=True, load_default=None, validate=_page_group)
    again = Truth(load_default=False, metadata={"description": "It appeared before in this visit, on another page."})
    variant = fields.String(allow_none=True, load_default=None, validate=_variant)
    choices = fields.Nested(ChoicesSchema, allow_none=True, load_default=None, metadata={
        "description": "With `visit`: what the visitor's choice allows."})
    trackers = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)), values=Truth(), load_default=dict,
        metadata={"description": "With `visit`: the trackers for which it differs from their category."})

    @validates_schema(skip_on_field_errors=True)
    def agrees(self, data: dict[str, Any], **_: Any) -> None:
        """Rules over more than one field."""
        if (data["type"] == "visit") != (data["choices"] is not None):
            raise ValidationError("Belongs to a visit, and a visit needs it.", "choices")
        if data["type"] == "visit" and (data["again"] or data["variant"]):
            raise ValidationError("Belongs to a banner that was shown.", "again" if data["again"] else "variant")
        if data["type"] == "shown" and data["trackers"]:
            raise ValidationError("Belongs to a visit.", "trackers")


class QuestionSchema(Schema):
    """The body of `POST /v1/sites/{site}/gate`."""

    class Meta:
        unknown = RAISE

    visitor = Identifier(required=True, metadata={"description": "As in the visitor's records."})
    tracker = fields.String(load_default=None, validate=validate.Length(1, 64))
    gpc = Truth(load_default=False, metadata={"description": "The visitor is known to send Global Privacy Control."})


CONSENT, EVENT, QUESTION = ConsentSchema(), EventSchema(), QuestionSchema()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_json(body: bytes) -> Any:
    """The JSON in `body`, strictly: UTF-8, no NaN, no key twice, not too deep; raises Refused."""
    try:
        data = json.loads(body.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if b"\\u" in body:  # half of a surrogate pair has no UTF-8: it can not be stored, nor named in an error
            json.dumps(data, ensure_ascii=False).encode("utf-8")
        return data
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, ValueError) and "there twice" in str(error) else "it can not be read"
        raise Refused(400, "bad_json", f"The body must be one JSON object; {detail}.") from error


def load(schema: Schema, body: bytes) -> dict[str, Any]:
    """What the schema makes of `body`; raises Refused. The reference for what consent/bodies.py takes."""
    data = parse_json(body)
    if not isinstance(data, dict):
        raise Refused(400, "bad_json", "The body must be one JSON object.")
    try:
        return dict(schema.load(data))
    except ValidationError as error:
        raise invalid(flatten(error.messages)) from error


def invalid(faults: Mapping[str, str]) -> Refused:
    """The refusal of a body with these faults."""
    return Refused(422, "invalid", f"Nothing was stored. Correct: {', '.join(faults)}.", faults)


def parse_consent(body: bytes) -> dict[str, Any]:
    """The decision in `body`, its fields checked; raises Refused."""
    return bodies.consent(body) or load(CONSENT, body)


def parse_event(body: bytes) -> dict[str, Any]:
    """The event in `body`, its fields checked; raises Refused."""
    return bodies.event(body) or load(EVENT, body)


def check_shown(data: Mapping[str, Any], version: Published | None) -> Published:
    """The version that was shown, with the language; raises Refused when the site never showed that."""
    if version is None:
        raise invalid({"version": "The site has no such version."})
    if data["language"] not in version.definition["languages"]:
        raise invalid({"language": "The site is not shown in this language."})
    return version


def check_decision(data: Mapping[str, Any], version: Published, now: datetime) -> None:
    """Whether the decision can be one about this version, taken in at `now`; raises Refused."""
    faults = {
        f"trackers.{name}": "This version asks no consent for it."
        for name in data["trackers"]
        if name not in version.asked
    }
    contradiction = _contradiction(data)
    if contradiction:
        faults["action"] = contradiction
    faults.update(variant_faults(data, version))
    if data["took"] is not None and data["source"] != "banner":
        faults["took"] = "Belongs to an answer in the banner."
    if data["decided_at"] is not None:
        faults.update(_check_date(data, version, now))
    elif data["source"] == "import" and grants_any(data):
        faults["decided_at"] = "An imported consent needs the moment at which it was given."
    if faults:
        raise invalid(faults)


def variant_faults(data: Mapping[str, Any], version: Published) -> dict[str, str]:
    """What is wrong with the variant that is said to have been shown."""
    if data["variant"] is None or data["variant"] in version.variants:
        return {}
    return {"variant": "This version shows no such variant."}


def event_faults(data: Mapping[str, Any], version: Published) -> dict[str, str]:
    """What is wrong with an event about this version."""
    if data["type"] == "visit" and not version.definition.get("count_visits"):
        return {"type": "This version of the site does not count visits."}
    unknown = {f"trackers.{name}": "This version asks no consent for it."
               for name in data["trackers"] if name not in version.asked}
    return variant_faults(data, version) | unknown


def check_audience(data: Mapping[str, Any], version: Published) -> None:
    """Refuse an optional grant where the audience is children: a child can not consent alone (H1); raises Refused."""
    if version.gate.audience == "children" and grants_any(data):
        raise invalid({"choices": "A site for children can not be given optional consent by the visitor alone."})


def _check_date(data: Mapping[str, Any], version: Published, now: datetime) -> dict[str, str]:
    """An imported consent is never prolonged (F2): it ends when it would have ended here."""
    if data["source"] != "import":
        return {"decided_at": "Only an imported decision has it; the server's time counts for all others."}
    if data["decided_at"] > now:
        return {"decided_at": "Lies in the future."}
    days = version.definition[lasting(data)]
    if now >= data["decided_at"] + timedelta(days=days):
        return {"decided_at": f"Lies {days} days back or more: this decision has ended, ask anew."}
    return {}


def lasting(row: Mapping[str, Any]) -> str:
    """Which setting says how long a decision counts."""
    return "consent_days" if grants_any(row) else "refusal_days"


def grants_any(data: Mapping[str, Any]) -> bool:
    """Whether the decision allows anything at all, a category or a tracker."""
    return any(data["choices"].values()) or any(data["trackers"].values())


def _contradiction(data: Mapping[str, Any]) -> str | None:
    everything = all(data["choices"].values()) and all(data["trackers"].values())
    nothing = not grants_any(data)
    action = data["action"]
    if action == "accept_all" and not everything:
        return "accept_all grants every category and refuses no tracker."
    if action in ("necessary_only", "withdraw") and not nothing:
        return f"{action} refuses every category and grants no tracker."
    if action == "custom" and (everything or nothing):
        return "What grants everything is accept_all, what refuses everything is necessary_only or withdraw."
    return None


def row_of(
    site: str, data: Mapping[str, Any], user_agent: str, now: datetime, zone: ZoneInfo = USUAL_ZONE,
    variants: Mapping[str | None, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The row for a decision that was checked. Time is the server's (E1). `variants`: those of the version shown."""
    took = data.get("took")
    derived = {
        "took": None if took is None else counts.band(took),
        "variant": variants.get(data.get("variant")),
        "counted_on": day_of(now - timedelta(milliseconds=took or 0), zone),  # the day on which it was shown
    }
    return {"site": site, **data, **agent(user_agent[:512]), **derived, "recorded_at": now}


def record(
    writer: GroupCommit, row: dict[str, Any], events: Sequence[dict[str, Any]] = (), suspect: bool = False
) -> "Future[Stored | None]":
    """Store the row, its counts and what has to be told of it in one commit; when it is in doubt, that too."""
    tallies = counts.of_new(row)
    return writer.submit(row, [*counts.apart(tallies)] if suspect else tallies, events, suspect)


# What the client says; the same id with other content is a conflict.
_CONTENT = ("visitor", "version", "action", "choices", "trackers", "source", "language", "page_group", "decided_at")


def check_same(row: Mapping[str, Any], said_gpc: bool, stored: Stored) -> None:
    """Raise Refused when the id was used before for another decision.

    `said_gpc` is what the body said: the header may have been on in one try and off in the other.
    """
    if stored.created:
        return
    differs = any(row[name] != stored.row[name] for name in _CONTENT) or (said_gpc and not stored.row["gpc"])
    if differs:
        raise Refused(
            409,
            "conflict",
            "This id is the id of another decision; use a new one.",
            {"id": "Was used for another decision."},
        )


def receipt_of(row: Mapping[str, Any], version: Published) -> Receipt:
    """The receipt that stands for a stored row; `version` is the one that the row names."""
    granted = frozenset(category for category in OPTIONAL if row["choices"][category])
    differ = [
        name for name, choice in row["trackers"].items() if choice is not (version.gate.rules[name].category in granted)
    ]
    refused = frozenset(name for name in differ if not row["trackers"][name])
    allowed = frozenset(name for name in differ if row["trackers"][name])
    days = version.definition[lasting(row)]
    decided = int(decided_at(row).timestamp())
    return Receipt(
        row["site"],
        str(row["id"]),
        str(row["visitor"]),
        row["version"],
        row["action"],
        granted,
        refused,
        allowed,
        row["gpc"] and row["source"] != "import",  # I4: what was decided elsewhere was not decided under it here
        decided,
        decided + days * 86_400,
        row["variant"] and row["variant"].partition(":")[2],
    )


def decided_at(row: Mapping[str, Any]) -> datetime:
    """When the visitor decided, from which the decision's days count: here, or before its import elsewhere."""
    found: datetime = row["decided_at"] or row["recorded_at"]
    return found


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record as the API shows it."""
    moments = {name: row[name] and iso(row[name]) for name in ("recorded_at", "decided_at")}
    day = row["counted_on"] and row["counted_on"].isoformat()
    return {**row, "id": str(row["id"]), "visitor": str(row["visitor"]), **moments, "counted_on": day}


def history(site: str, visitor: uuid.UUID) -> list[dict[str, Any]]:
    """All records of one visitor of a site, oldest first."""
    table = Record.__table__
    query = select(table).where(table.c.site == site, table.c.visitor == visitor)
    rows = db.session.execute(query.order_by(table.c.recorded_at, table.c.id)).mappings()
    return [dict(row) for row in rows]


def latest(site: str, visitor: uuid.UUID, after: datetime | None = None) -> dict[str, Any] | None:
    """What a visitor of a site said last: an imported decision is as old as it says, so it undoes no newer one.

    `after`: what was said until then does not count (G8).
    """
    table = Record.__table__
    said = func.coalesce(table.c.decided_at, table.c.recorded_at)
    query = select(table).where(table.c.site == site, table.c.visitor == visitor)
    if after is not None:
        query = query.where(said > after)
    query = query.order_by(said.desc(), table.c.recorded_at.desc(), table.c.id.desc())
    row = db.session.execute(query.limit(1)).mappings().first()
    return None if row is None else dict(row)


@contextmanager
def permitted(site: str, visitor: uuid.UUID) -> Iterator[None]:
    """Let this transaction delete what is kept of one visitor of a site, until the end of the block."""
    with _permit(db.session, site, visitor=visitor):
        yield


@contextmanager
def permitted_before(connection: Connection, site: str, before: datetime) -> Iterator[None]:
    """The same for a job: this transaction may delete what a site keeps of the time before."""
    with _permit(connection, site, before=before):
        yield


@contextmanager
def _permit(transaction: Connection | scoped_session[Any], site: str, **what: Any) -> Iterator[None]:
    permits, id = RemovalPermit.__table__, uuid.uuid4()
    transaction.execute(insert(permits).values(site=site, id=id, **what))
    yield
    transaction.execute(delete(permits).where(permits.c.site == site, permits.c.id == id))


def hold(site: str, visitor: uuid.UUID) -> dict[uuid.UUID, datetime]:
    """Keep whoever else changes what is kept of this visitor waiting until the caller commits; raises Refused.

    The records that are there, with their times.
    """
    query = select(Record.id, Record.recorded_at).where(Record.site == site, Record.visitor == visitor)
    # Always in one order, and in that of the visitor's index: by id SQLite went through a million records, in 8 s.
    found = db.session.execute(query.order_by(Record.recorded_at, Record.id).with_for_update()).all()
    if not found:
        raise no_receipt()
    return {row.id: row.recorded_at for row in found}


def no_receipt() -> Refused:
    """The refusal of a caller of whom nothing is kept."""
    return Refused(401, "no_receipt", "Show the receipt of a choice that is stored here, in the header Poort-Receipt.")


def erase(site: str, visitor: uuid.UUID) -> list[datetime]:
    """Delete all records of one visitor of a site; when each was decided. The caller commits; the counts stay (G5)."""
    table = Record.__table__
    with permitted(site, visitor):
        rows = delete_counted(db.session.connection(), (table.c.site == site) & (table.c.visitor == visitor))
    return [decided_at(row) for row in rows]


def delete_counted(connection: Connection, condition: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Delete records in a transaction that may, and keep what they counted; the records."""
    table = Record.__table__
    found = connection.execute(delete(table).where(condition).returning(*table.columns)).mappings()
    rows = suspects.take(connection, [dict(row) for row in found])
    gone.keep(connection, rows)
    return rows
