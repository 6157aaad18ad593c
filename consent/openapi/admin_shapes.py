"""The shapes of what owners' programs send and are answered under /v1/admin."""

from marshmallow import INCLUDE, Schema, fields

from consent.openapi.shapes import ChangeSchema, SnapshotSchema
from consent.shapes import plain_text
from consent.sites import SiteSchema


class DefinitionSchema(SiteSchema):
    """A site definition. Its organisation is the key's, and may be left out; another one is refused."""

    organisation = plain_text(200)


class DraftSchema(DefinitionSchema):
    """The same for a site that is there: its key may be left out too."""

    key = fields.String()


class CandidateSchema(Schema):
    """What is to be checked: a site definition, or what somebody takes for one."""

    class Meta:
        unknown = INCLUDE


class SiteSummarySchema(Schema):
    """A site without its definition."""

    site = fields.String(required=True)
    name = fields.String(required=True)
    current = fields.Integer(required=True, allow_none=True, metadata={"description": "The version visitors see."})
    revision = fields.Integer(required=True, metadata={"description": "Rises with every change of the draft."})
    managed = fields.String(required=True, metadata={"description": "Where it was changed last: file, console, api."})
    edited_at = fields.DateTime(required=True, allow_none=True)


class SitesSchema(Schema):
    """A page of the sites that the key opens. `next`: what `after` is for the next page; null on the last."""

    sites = fields.List(fields.Nested(SiteSummarySchema), required=True)
    next = fields.String(required=True, allow_none=True)


class DraftedSchema(SiteSummarySchema):
    """A site with its draft."""

    definition = fields.Nested(SiteSchema, required=True)


class FindingSchema(Schema):
    """One thing that is wrong: what, why, and how to mend it; per language."""

    key = fields.String(required=True, metadata={"description": "`RULE:path`, by which a reason is given."})
    rule = fields.String(required=True)
    hard = fields.Boolean(required=True, metadata={"description": "Blocks publishing; else it asks for a reason."})
    path = fields.String(required=True)
    what = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    why = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    source = fields.String(required=True)
    mend = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class CheckedSchema(Schema):
    """What the rules of the law find. `faults`: what is no definition at all, by path."""

    publishable = fields.Boolean(required=True)
    findings = fields.List(fields.Nested(FindingSchema), required=True)
    faults = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class PendingSchema(Schema):
    """What publishing the draft would change."""

    site = fields.String(required=True)
    revision = fields.Integer(required=True)
    current = fields.Integer(required=True, allow_none=True)
    digest = fields.String(required=True, metadata={"description": "What the version would have."})
    pending = fields.Boolean(required=True)
    changes = fields.List(fields.Nested(ChangeSchema), required=True)


class MadeVersionSchema(Schema):
    """A version, and how it came to be. The reasons are not public."""

    number = fields.Integer(required=True)
    digest = fields.String(required=True)
    published_at = fields.DateTime(required=True)
    via = fields.String(required=True, allow_none=True)
    published_by = fields.Integer(required=True, allow_none=True, metadata={"description": "A member's number."})
    restored = fields.Integer(required=True, allow_none=True, metadata={"description": "Brings this version back."})
    reasons = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    changes = fields.List(fields.Nested(ChangeSchema), required=True, allow_none=True)


class MadeVersionsSchema(Schema):
    """A page of the versions, newest first."""

    versions = fields.List(fields.Nested(MadeVersionSchema), required=True)
    next = fields.Integer(required=True, allow_none=True)


class FullVersionSchema(MadeVersionSchema):
    """A version with all that it froze."""

    snapshot = fields.Nested(SnapshotSchema, required=True)


class MemberSchema(Schema):
    """Somebody who may sign in."""

    id = fields.Integer(required=True)
    email = fields.Email(required=True)
    role = fields.String(required=True)
    mfa = fields.Boolean(required=True, metadata={"description": "Has a second factor."})
    seen_on = fields.Date(required=True, allow_none=True)


class MembersSchema(Schema):
    """The members of the organisation."""

    members = fields.List(fields.Nested(MemberSchema), required=True)


class MemberRoleSchema(Schema):
    """A member's role as it is now."""

    id = fields.Integer(required=True)
    role = fields.String(required=True)


class InvitedSchema(Schema):
    """An invitation that nobody has accepted yet."""

    id = fields.String(required=True)
    email = fields.Email(required=True)
    role = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    expires_at = fields.DateTime(required=True)


class MadeInvitationSchema(InvitedSchema):
    """The same when it is made. `link`: to be handed on, where this Poort sends no mail; shown this once."""

    link = fields.String(required=True, allow_none=True)


class InvitationsSchema(Schema):
    """The invitations that wait."""

    invitations = fields.List(fields.Nested(InvitedSchema), required=True)


class KeySchema(Schema):
    """An API key; its text is kept nowhere."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    site = fields.String(required=True, allow_none=True, metadata={"description": "Null: for all sites."})
    scopes = fields.List(fields.String(), required=True)
    last_used = fields.Date(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    expires_at = fields.DateTime(required=True, allow_none=True)
    revoked_at = fields.DateTime(required=True, allow_none=True)


class KeysSchema(Schema):
    """The keys of the organisation."""

    keys = fields.List(fields.Nested(KeySchema), required=True)


class AuditEntrySchema(Schema):
    """One thing that was done. `user` or `key` is the number of who did it; neither at the command line."""

    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    what = fields.String(required=True)
    site = fields.String(required=True, allow_none=True)
    via = fields.String(required=True)
    user = fields.Integer(required=True, allow_none=True)
    key = fields.Integer(required=True, allow_none=True)
    details = fields.Dict(required=True)


class AuditEntriesSchema(Schema):
    """A page of the audit list."""

    entries = fields.List(fields.Nested(AuditEntrySchema), required=True)
    next = fields.Integer(required=True, allow_none=True)


class ShareSchema(Schema):
    """A part of a whole, and between which shares the true one is with 95% certainty. `suppressed`: fewer than ten, or
    what would give such away.
    """

    part = fields.Integer(required=True, allow_none=True)
    whole = fields.Integer(required=True)
    share = fields.Float(required=True, allow_none=True)
    low = fields.Float(required=True, allow_none=True)
    high = fields.Float(required=True, allow_none=True)
    suppressed = fields.Boolean()


class GapSchema(Schema):
    """How far a share is above that of the period before, from -1 to 1; `p`: how often chance alone does that."""

    before = fields.Nested(ShareSchema, required=True)
    value = fields.Float(required=True)
    low = fields.Float(required=True)
    high = fields.Float(required=True)
    p = fields.Float(required=True)


class ComparedSchema(ShareSchema):
    """A share, and its difference from the period before; null where one of the two is not known."""

    difference = fields.Nested(GapSchema, required=True, allow_none=True)


class TrackerShareSchema(Schema):
    """What a tracker may see. `factor`: what its figures are multiplied by to stand for all visits. `asked`: of visits
    in which the banner appeared; `returning`: of those of people who had chosen before (`count_visits`); `seen`: both.
    """

    id = fields.String(required=True)
    name = fields.String(required=True)
    category = fields.String(required=True)
    seen = fields.Nested(ComparedSchema, required=True)
    factor = fields.Float(required=True, allow_none=True)
    asked = fields.Nested(ShareSchema, required=True)
    returning = fields.Nested(ShareSchema, required=True)


class TrafficPartSchema(Schema):
    """A part of the traffic. `groups`: how many were joined in it, each with fewer than ten visits."""

    bucket = fields.String(required=True)
    groups = fields.Integer(required=True)
    shown = fields.Integer(required=True)
    shares = fields.Dict(fields.String(), fields.Nested(ComparedSchema), required=True)


class PeriodSchema(Schema):
    """The period before, as long."""

    from_ = fields.Date(required=True, data_key="from")
    to = fields.Date(required=True)
    total = fields.Dict(required=True)


class ReportSchema(Schema):
    """The counts in total, their shares, the period before, and what was asked for with `by`."""

    site = fields.String(metadata={"description": "Where it is of one."})
    sites = fields.List(fields.String(), required=True)
    time_zone = fields.String(required=True, metadata={"description": "Whose days these are."})
    from_ = fields.Date(required=True, data_key="from")
    to = fields.Date(required=True)
    days = fields.List(fields.Dict())
    weeks = fields.List(fields.Dict())
    trackers = fields.List(fields.Nested(TrackerShareSchema))
    by = fields.String()
    parts = fields.List(fields.Nested(TrafficPartSchema))
    total = fields.Dict(required=True)
    shares = fields.Dict(fields.String(), fields.Nested(ComparedSchema), required=True)
    before = fields.Nested(PeriodSchema, required=True)
    shown_error = fields.Integer(required=True, metadata={
        "description": "By how much `shown` can be off, because showings were sampled; with 95% certainty."})


class LeakCountsSchema(Schema):
    """What was told of trackers that were not allowed: over all the days, and by day and page group."""

    site = fields.String(required=True)
    from_ = fields.Date(required=True, data_key="from")
    trackers = fields.List(fields.Dict(), required=True)
    days = fields.List(fields.Dict(), required=True)


class ScanStateSchema(Schema):
    """A look at the site. `status`: 0 clean, 1 leaks, 2 not seen; null until it is done."""

    id = fields.Integer(required=True)
    site = fields.String(required=True)
    kind = fields.String(required=True)
    url = fields.String(required=True)
    pages = fields.Integer(required=True)
    state = fields.String(required=True)
    progress = fields.Dict(required=True)
    begun_at = fields.DateTime(required=True)
    ended_at = fields.DateTime(required=True, allow_none=True)
    status = fields.Integer(required=True, allow_none=True)
    leaks = fields.Integer(required=True, allow_none=True)
    why = fields.String(required=True)


class ScansSchema(Schema):
    """The last looks at the site."""

    scans = fields.List(fields.Nested(ScanStateSchema), required=True)


class ScanReportSchema(ScanStateSchema):
    """A look with its report (docs/scanning.md)."""

    report = fields.Dict(required=True, allow_none=True)


class RecognisedSchema(Schema):
    """What a snippet is, and the form of it that waits for consent."""

    gated = fields.String(required=True)
    pieces = fields.List(fields.Dict(), required=True)
    trackers = fields.List(fields.String(), required=True)
    notes = fields.List(fields.String(), required=True)
    strangers = fields.List(fields.String(), required=True)


class CatalogueRowSchema(Schema):
    """A tracker that this Poort knows."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    vendor = fields.String(required=True)
    country = fields.String(required=True)
    role = fields.String(required=True)
    category = fields.String(required=True)
    hosts = fields.List(fields.String(), required=True)
    paths = fields.List(fields.String(), required=True)
    cookies = fields.List(fields.String(), required=True)
    storage = fields.List(fields.String(), required=True)
    found_by = fields.String(required=True)


class CatalogueRowsSchema(Schema):
    """Trackers of the catalogue."""

    trackers = fields.List(fields.Nested(CatalogueRowSchema), required=True)


class TagSchema(Schema):
    """What the owner puts on the pages, by form."""

    plain = fields.String(required=True)
    pinned = fields.String(required=True)
    auto = fields.String(required=True)
    wordpress = fields.String(required=True)
    nginx = fields.String(required=True)
    declaration = fields.String(required=True)
    durable = fields.String(required=True)


class EvidenceSchema(Schema):
    """All that is kept of a visitor, with what proves it."""

    schema = fields.String(required=True)
    site = fields.String(required=True)
    made_at = fields.DateTime(required=True)
    receipt = fields.Dict(required=True, allow_none=True)
    restricted_at = fields.DateTime(required=True, allow_none=True)
    counts = fields.Dict(required=True)
    consent_receipts = fields.Dict(required=True)
    versions = fields.Dict(required=True)


class ExperimentsSchema(Schema):
    """Where an experiment stands (docs/experiments.md), and the names of all that were published, newest first."""

    running = fields.String(required=True, allow_none=True)
    names = fields.List(fields.String(), required=True)
    result = fields.Dict(required=True, allow_none=True)


class ExperimentPlanSchema(Schema):
    """What an experiment would take. `days` is null without showings in the last four weeks."""

    rate = fields.Float(required=True)
    per_day = fields.Float(required=True)
    showings = fields.Integer(required=True)
    days = fields.Integer(required=True, allow_none=True)
    long = fields.Boolean(required=True)
