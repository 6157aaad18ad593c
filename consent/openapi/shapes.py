"""The shapes of what visitors' browsers and sites' servers are answered."""

from marshmallow import Schema, fields, validate

from consent.changes import ASKS, ASKS_NOT, MATERIAL
from consent.counts import BANDS
from consent.gate import ALLOWED, CATEGORIES, REFUSED
from consent.outcomes import PAGE, RESULTS, WEBHOOK
from consent.records import ACTIONS, RECOVERED, SOURCES, ChoicesSchema
from consent.rights import KINDS
from consent.sites import SiteSchema


class RecordSchema(Schema):
    """A stored decision. No address, no user agent, no page: families only."""

    site = fields.String(required=True)
    id = fields.UUID(required=True)
    visitor = fields.UUID(required=True)
    version = fields.Integer(required=True)
    action = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    choices = fields.Nested(ChoicesSchema, required=True)
    trackers = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    source = fields.String(required=True, validate=validate.OneOf((*SOURCES, RECOVERED)))
    language = fields.String(required=True)
    gpc = fields.Boolean(required=True)
    page_group = fields.String(required=True, allow_none=True)
    browser = fields.String(required=True)
    os = fields.String(required=True)
    device = fields.String(required=True)
    bot = fields.Boolean(required=True)
    recorded_at = fields.DateTime(required=True)
    decided_at = fields.DateTime(required=True, allow_none=True, metadata={
        "description": "When it was decided, of an imported or recovered decision; its days count from then."})
    took = fields.Integer(required=True, allow_none=True, validate=validate.Range(0, len(BANDS) - 1), metadata={
        "description": f"From opening the page to the answer: which band from {', '.join(map(str, BANDS))} ms on."})
    variant = fields.String(required=True, allow_none=True, metadata={
        "description": "Experiment and variant that were shown, as summer:b."})
    counted_on = fields.Date(required=True, allow_none=True, metadata={
        "description": "The day of the daily counts that it is in; null: the day in UTC."})


class StoredSchema(Schema):
    """The record as it is stored, and the token that stands for it."""

    record = fields.Nested(RecordSchema, required=True)
    receipt = fields.String(required=True, metadata={"description": "For the site's own cookie `poort`."})


class DecisionSchema(Schema):
    """Whether something may load, and why."""

    allow = fields.Boolean(required=True)
    reason = fields.String(required=True, validate=validate.OneOf(ALLOWED + REFUSED))
    category = fields.String(required=True, allow_none=True)


class TrackerDecisionSchema(DecisionSchema):
    """The same, for the tracker that was asked for."""

    tracker = fields.String(required=True)
    version = fields.Integer(required=True)


class GateSchema(Schema):
    """The decision for every tracker and category; with `?tracker=` a TrackerDecision instead."""

    version = fields.Integer(required=True)
    trackers = fields.Dict(keys=fields.String(), values=fields.Nested(DecisionSchema), required=True)
    categories = fields.Dict(keys=fields.String(), values=fields.Nested(DecisionSchema), required=True)


class ShownCategorySchema(Schema):
    """A category as a visitor sees it."""

    id = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    since = fields.Integer(required=True, metadata={"description": "The version that last changed it materially."})
    asked = fields.Boolean(required=True, metadata={"description": "A tracker in it needs consent."})
    change = fields.String(
        validate=validate.OneOf(MATERIAL), metadata={"description": "Why it asks again; there only when it does."})


class ShownTrackerSchema(Schema):
    """A tracker as a visitor sees it."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    vendor = fields.String(required=True)
    country = fields.String(required=True)
    role = fields.String(required=True)
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    exempt = fields.Boolean(required=True)
    since = fields.Integer(required=True)
    change = fields.String(
        required=True, allow_none=True, validate=validate.OneOf(MATERIAL),
        metadata={"description": "By what it asks again; null since the first version."})
    purpose = fields.String(required=True)
    policy_url = fields.String(required=True, allow_none=True)
    transfer = fields.Boolean(required=True)
    cookies = fields.List(fields.Dict(), required=True)
    storage = fields.List(fields.Dict(), required=True)
    hosts = fields.List(fields.String(), required=True)
    paths = fields.List(fields.String(), required=True)
    embed = fields.Boolean(required=True, metadata={"description": "Content that is loaded on a click."})
    signal = fields.String(required=True, allow_none=True, metadata={"description": "What tells its vendor."})
    elements = fields.List(fields.String(), required=True)


class NoticeSchema(Schema):
    """The latest material change of the privacy policy."""

    version = fields.Integer(required=True)
    date = fields.Date(required=True)
    summary = fields.String(required=True)


class ShownSchema(Schema):
    """What a version of a site shows, in one language."""

    site = fields.String(required=True)
    name = fields.String(required=True)
    version = fields.Integer(required=True)
    digest = fields.String(required=True)
    published_at = fields.DateTime(required=True)
    language = fields.String(required=True)
    controller = fields.Dict(required=True)
    categories = fields.List(fields.Nested(ShownCategorySchema), required=True)
    trackers = fields.List(fields.Nested(ShownTrackerSchema), required=True)
    languages = fields.List(fields.String(), required=True)
    google_consent_mode = fields.String(metadata={"description": "There only when the owner chose it."})
    google_consent_mode_reason = fields.String(metadata={"description": "Why the owner chose the advanced mode."})
    notice = fields.Nested(NoticeSchema, metadata={"description": "There only after a material policy change."})


class DeclaredTrackerSchema(ShownTrackerSchema):
    """A tracker in the declaration."""

    reason = fields.String(metadata={"description": "Why it needs no consent; where it was said."})
    agreement = fields.Boolean(metadata={"description": "Is there a processing agreement? Where it was said."})


class RevisionSchema(Schema):
    """The last revision of the site's privacy policy."""

    date = fields.Date(required=True)
    material = fields.Boolean(required=True)
    summary = fields.String(required=True, allow_none=True)


class DeclarationSchema(ShownSchema):
    """The cookie declaration of the current version, in one language."""

    trackers = fields.List(fields.Nested(DeclaredTrackerSchema), required=True)
    asks = fields.Boolean(required=True, metadata={"description": "Is there anything that a visitor is asked for?"})
    ended = fields.Integer(required=True, allow_none=True, metadata={"description": "The version that it ended."})
    policy = fields.Nested(RevisionSchema, metadata={"description": "There only when the owner told of it."})
    page = fields.Dict(required=True, metadata={"description": "The same in words, section by section, as it is read."})


class ConfigSchema(ShownSchema):
    """The same with what the script needs beside it."""

    cookie_domain = fields.String(required=True, allow_none=True)
    release = fields.String(required=True)
    audience = fields.String(required=True)
    consent_days = fields.Integer(required=True)
    refusal_days = fields.Integer(required=True)
    ask = fields.Boolean(required=True)
    texts = fields.Dict(required=True)
    signals = fields.Dict(required=True)
    leaks = fields.Dict(metadata={
        "description": "There only where the owner asks for leak reports: `sample`, the share of pages that tell, and "
        "`others`, how to know the trackers that the site does not have."})
    restored = fields.Dict(keys=fields.String(), values=fields.Integer(), metadata={
        "description": "There only after a backup was put back: `from` and `to`, seconds since 1970. A receipt of a "
        "decision from then may be unknown here; send it once to the site's receipts."})


class SnapshotSchema(Schema):
    """All that a visitor was shown."""

    schema = fields.String(required=True)
    definition = fields.Nested(SiteSchema, required=True)
    texts = fields.Dict(required=True)
    trackers = fields.List(fields.Dict(), required=True)


class ChangeSchema(Schema):
    """What a version changed against the one before; a material change asks the trackers and categories anew."""

    kind = fields.String(required=True)
    material = fields.Boolean(required=True)
    rule = fields.String(required=True, validate=validate.OneOf((ASKS, ASKS_NOT)))
    trackers = fields.List(fields.String(), required=True)
    categories = fields.List(fields.String(validate=validate.OneOf(CATEGORIES)), required=True)
    sentence = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class VersionSchema(Schema):
    """A published version: frozen, numbered, hashed."""

    site = fields.String(required=True)
    number = fields.Integer(required=True)
    digest = fields.String(required=True, metadata={"description": "SHA-256 of the snapshot's RFC 8785 JSON."})
    published_at = fields.DateTime(required=True)
    effective_at = fields.DateTime(required=True)
    ended_at = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "When the next one was published."})
    changes = fields.List(
        fields.Nested(ChangeSchema), required=True, allow_none=True,
        metadata={"description": "Null in versions that were published before changes were kept."})
    since = fields.Dict(required=True)
    snapshot = fields.Nested(SnapshotSchema, required=True)


class VersionShownSchema(Schema):
    """Which version somebody was shown."""

    number = fields.Integer(required=True)
    digest = fields.String(required=True)
    published_at = fields.DateTime(required=True)


class TrailSchema(Schema):
    """What became of a decision, by the visitor's page or by the webhook to the site's own systems."""

    source = fields.String(required=True, validate=validate.OneOf((PAGE, WEBHOOK)))
    trackers = fields.Dict(
        keys=fields.String(), values=fields.List(fields.String(validate=validate.OneOf(RESULTS))), required=True)
    recorded_at = fields.DateTime(required=True)


class PastRecordSchema(RecordSchema):
    """A record with what became of it and the version that was shown."""

    trail = fields.List(fields.Nested(TrailSchema), required=True)

    version_shown = fields.Nested(VersionShownSchema, required=True)


class HistorySchema(Schema):
    """A visitor's records, oldest first, and the versions that they were shown."""

    visitor = fields.UUID(required=True)
    records = fields.List(fields.Nested(PastRecordSchema), required=True)
    versions = fields.Dict(keys=fields.String(), values=fields.Nested(VersionSchema), required=True)
    restricted_at = fields.DateTime(required=True, allow_none=True, metadata={
        "description": "What was recorded up to then is restricted: kept, and used for nothing."})
    receipt = fields.String(required=True, allow_none=True, metadata={
        "description": "The receipt of what this visitor said last; the one that was shown may be older."})


class DoneSchema(Schema):
    """What was done for a visitor: how much of each kind was removed, or changed."""

    done = fields.String(required=True, validate=validate.OneOf(KINDS))
    at = fields.DateTime(required=True)
    removed = fields.Dict(keys=fields.String(), values=fields.Integer())
    changed = fields.Dict(keys=fields.String(), values=fields.Integer())


class RequestSchema(Schema):
    """A request of a visitor, and what was done. It tells nothing of who asked."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    received_at = fields.DateTime(required=True)
    due_at = fields.DateTime(required=True, metadata={"description": "By law: one calendar month later."})
    promised_at = fields.DateTime(required=True, allow_none=True, metadata={
        "description": "By the site's `request_working_days`, Monday to Friday."})
    done_at = fields.DateTime(required=True, allow_none=True)
    answer = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class RequestsSchema(Schema):
    """The requests on a site, newest first; the last thousand."""

    requests = fields.List(fields.Nested(RequestSchema), required=True)


class StatusSchema(Schema):
    """ok or ready; when ready, also the database's state and the schema's revision."""

    status = fields.String(required=True)
    database = fields.String()
    schema = fields.String()


class SignalSchema(Schema):
    """That Global Privacy Control is honoured."""

    gpc = fields.Boolean(required=True)
    lastUpdate = fields.Date(required=True)
    site = fields.String(required=True)
