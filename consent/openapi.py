"""The OpenAPI document, from the code.

The calls are those of the hot ROUTES and of Flask's url_map, what a call does is its handler's docstring, bodies are
the schemas that check them. The table CALLS adds what the code can not tell: the answers.

A call that is not in the table, or a row of it that is no call, is a KeyError or a failing test.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields, validate

from consent import bodies, records
from consent.changes import ASKS, ASKS_NOT, MATERIAL
from consent.front import EXPIRED
from consent.gate import ALLOWED, CATEGORIES, REFUSED
from consent.hot import ROUTES, Hot
from consent.outcomes import PAGE, RESULTS, WEBHOOK, OutcomesSchema
from consent.records import ACTIONS, RECOVERED, SOURCES, ChoicesSchema, ConsentSchema, EventSchema, QuestionSchema
from consent.rights import KINDS
from consent.sites import KEY, SiteSchema

# Whose views are public calls; the others are pages for people.
BLUEPRINTS = ("visitor", "recovery", "backends", "ops", "docs")
JSON, HTML, SCRIPT = "application/json", "text/html", "text/javascript"
RECEIPT: list[dict[str, list[str]]] = [{"receipt": []}, {"receiptCookie": []}]
MAY_HAVE_RECEIPT: list[dict[str, list[str]]] = [{}, *RECEIPT]
EXAMPLE = {
    "id": "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "visitor": "b2a7c0d4-1c3e-4f5a-8b6d-7e8f90a1b2c3", "version": 1,
    "action": "custom", "choices": {"functional": True, "analytics": True, "marketing": False},
    "trackers": {"hotjar": False}, "source": "banner", "language": "nl", "gpc": False, "page_group": "home",
}


# -- the shapes of answers --------------------------------------------------------------------------------------------

class ErrorSchema(Schema):
    """Every refusal: a code for programs, a sentence for people, and which field is wrong how."""

    error = fields.String(required=True)
    message = fields.String(required=True)
    fields_ = fields.Dict(keys=fields.String(), values=fields.String(), data_key="fields")


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


# -- what each call takes and answers ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class Says:
    """An answer: what it means, the shape of its body by media type (None: text or bytes), its headers."""

    meaning: str
    body: Mapping[str, type[Schema] | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """What the code can not tell of a call. `query` and `headers`: parameters, with what they are for."""

    answers: Mapping[int, Says]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: type[Schema] | None = None
    example: Mapping[str, Any] | None = None
    security: Sequence[Mapping[str, list[str]]] = ()


def refused(meaning: str, **headers: str) -> Says:
    """An answer in the shape of every error."""
    return Says(meaning, {JSON: ErrorSchema}, {name.replace("_", "-"): text for name, text in headers.items()})


WAIT = "Seconds to wait."
NO_SITE = refused("There is no published site with this key.")
AWAY = refused("The database can not be reached; nothing was stored.", Retry_After=WAIT)
LANGUAGE = {"lang": "nl or en; without it, or with another, the site's default language."}
GPC = {"Sec-GPC": "1 when the browser sends Global Privacy Control."}
FRONT = {
    "Poort-Allowed": "The trackers that may load, by their ids, joined by commas; may be empty.",
    "Poort-CSP": "A Content-Security-Policy that lists just the hosts of those.",
    "Poort-Sources": "The hosts alone, for a policy of your own; not there when there are none.",
    **{f"Poort-Expire-{number}": "A value for Set-Cookie: expires a cookie of a tracker that may not load."
       for number in range(1, EXPIRED + 1)},
}
POSTED = {
    400: refused("The body is not one JSON object."), 403: refused("The call comes from another site's page."),
    404: NO_SITE, 411: refused("A Content-Length is missing."), 413: refused("The body is over 16,384 bytes."),
    415: refused("The body is neither application/json nor text/plain."),
    422: refused("Fields are missing, unknown or wrong; `fields` names each."),
    429: refused("Too many from this address.", Retry_After=WAIT), 503: AWAY,
}
MINE = {
    401: refused("No valid receipt."), 403: refused("The call comes from another site's page."), 404: NO_SITE,
    503: AWAY,
}
DONE = {200: Says(
    "What was done, to who prefers to be told.", {JSON: DoneSchema},
    {"Preference-Applied": "return=representation."})}
PREFER = {"Prefer": "`return=representation`, to be told what was done (RFC 7240)."}

CALLS: dict[str, Call] = {
    "GET /banner/{site}.js": Call({
        200: Says("The script.", {SCRIPT: None}, {"ETag": "Names these bytes."}), 304: Says("The same as you have."),
        404: NO_SITE, 503: AWAY}),
    "GET /banner/v1/poort.js": Call({
        200: Says("The script.", {SCRIPT: None}, {"ETag": "Names these bytes."}), 304: Says("The same as you have.")}),
    **{f"GET /banner/v1/{name}.js": Call({
        200: Says("The script.", {SCRIPT: None}, {"ETag": "Names these bytes."}), 304: Says("The same as you have.")})
       for name in ("declaration", "durable")},
    "GET /banner/v1/{name}.js": Call({
        200: Says("The second script.", {SCRIPT: None}, {"ETag": "Names these bytes."}),
        304: Says("The same as you have."), 404: refused("There is no script of this name.")}),
    "GET /v1/sites/{site}/config": Call({
        200: Says("The config.", {JSON: ConfigSchema}, {"ETag": "Names these bytes."}),
        304: Says("The same as you have."), 404: refused("There is no such site, or no such version."),
        503: AWAY}, {**LANGUAGE, "version": "The number of a version; without it the current one."}),
    "POST /v1/sites/{site}/consents": Call({
        200: Says("Was stored before: the same record, the same receipt.", {JSON: StoredSchema}),
        201: Says("Stored, durably.", {JSON: StoredSchema}), **POSTED,
        409: refused("The id is the id of another decision.")}, {}, GPC, ConsentSchema, EXAMPLE),
    "POST /v1/sites/{site}/events": Call(
        {204: Says("Counted."), **POSTED}, {}, {}, EventSchema,
        {"type": "shown", "version": 1, "language": "nl", "page_group": None}),
    "GET /v1/sites/{site}/gate": Call({
        200: Says("The decision, also about an unknown tracker or by a bad receipt.", {JSON: GateSchema}),
        404: NO_SITE, 503: AWAY},
        {"tracker": "One tracker's id; without it the answer is about all of them."}, GPC, security=MAY_HAVE_RECEIPT),
    "POST /v1/sites/{site}/gate": Call({
        200: Says("The decision by the visitor's latest record; `no_choice` without one.", {JSON: GateSchema}),
        **{status: says for status, says in POSTED.items() if status != 403},
        401: refused("No API key, or one that does not count.", WWW_Authenticate="Bearer."),
        404: refused("The key's organisation has no such published site.")},
        {}, {}, QuestionSchema, {"visitor": EXAMPLE["visitor"], "tracker": "meta", "gpc": False}, [{"apiKey": []}]),
    "GET /v1/sites/{site}/gate/{tracker}": Call({
        204: Says("It may load.", {}, {"Poort-Reason": "Why."}),
        403: Says("It may not; also when anything fails.", {}, {"Poort-Reason": "Why not."})},
        {}, GPC, security=MAY_HAVE_RECEIPT),
    "GET /v1/sites/{site}/gate-headers": Call({
        204: Says("The headers; a proxy copies them.", {}, FRONT), 404: NO_SITE, 503: AWAY},
        {}, GPC, security=MAY_HAVE_RECEIPT),
    "GET /v1/sites/{site}/me": Call({200: Says("The records.", {JSON: HistorySchema}), **MINE}, security=RECEIPT),
    "DELETE /v1/sites/{site}/me": Call({204: Says("Erased."), **DONE, **MINE}, {}, PREFER, security=RECEIPT),
    "POST /v1/sites/{site}/me/restriction": Call(
        {204: Says("Restricted."), **DONE, **MINE}, {}, PREFER, security=RECEIPT),
    "DELETE /v1/sites/{site}/me/restriction": Call(
        {204: Says("Lifted."), **DONE, **MINE}, {}, PREFER, security=RECEIPT),
    "GET /v1/sites/{site}/requests": Call({
        200: Says("The requests.", {JSON: RequestsSchema}),
        401: refused("No API key, or one that does not count.", WWW_Authenticate="Bearer."),
        404: refused("The key's organisation has no such published site."),
        429: refused("Too many from this address.", Retry_After=WAIT), 503: AWAY}, security=[{"apiKey": []}]),
    "GET /v1/sites/{site}/me/export": Call({
        200: Says("A consent receipt for every record.", {"application/ld+json": None}), **MINE}, security=RECEIPT),
    "POST /v1/sites/{site}/outcomes": Call({
        204: Says("It is in the trail, now or before."), **POSTED, 401: refused("No valid receipt."),
        403: refused("The call comes from another site's page, or the receipt stands for another record."),
        409: refused("Another report about the record was first.")}, {}, {}, OutcomesSchema,
        {"record": EXAMPLE["id"], "trackers": {"hotjar": ["deleted"], "ga4": ["could_not"]}}, RECEIPT),
    "POST /v1/sites/{site}/receipts": Call({
        200: Says("The record was there.", {JSON: StoredSchema}),
        201: Says("The record is back, durably.", {JSON: StoredSchema}), **MINE,
        409: refused("The record's id is known for another decision."),
        410: refused("`erased`: the visitor had it erased. `expired`: it counts no more. `not_lost`: no backup was put "
                     "back that lacks it, so it was deleted."),
        422: refused("The receipt does not fit the version that it names, or the site has none of that number."),
        429: refused("Too many from this address.", Retry_After=WAIT)}, security=RECEIPT[:1]),
    "GET /v1/sites/{site}/versions/{number}": Call({
        200: Says("The version; of it only `ended_at` is ever set, once.", {JSON: VersionSchema}),
        404: refused("This site has no such version."), 503: AWAY}),
    "GET /v1/sites/{site}/declaration": Call({
        200: Says("The declaration.", {HTML: None, JSON: DeclarationSchema}), 404: NO_SITE, 503: AWAY}, LANGUAGE),
    "GET /me/{site}": Call({
        200: Says("The page.", {HTML: None}), 404: Says("There is no published site with this key.", {
            HTML: None, JSON: ErrorSchema}), 503: AWAY}, LANGUAGE),
    "POST /me/{site}": Call({
        200: Says("The page.", {HTML: None}), 403: Says("The form stands on another site's page.", {
            HTML: None, JSON: ErrorSchema}), 404: Says("There is no published site with this key.", {
            HTML: None, JSON: ErrorSchema}), 413: refused("The body is over 16,384 bytes."), 503: AWAY}, LANGUAGE),
    "GET /.well-known/gpc.json": Call({200: Says("GPC is honoured.", {JSON: SignalSchema})}),
    "GET /healthz": Call({200: Says("It lives.", {JSON: StatusSchema})}),
    "GET /readyz": Call({
        200: Says("It is ready.", {JSON: StatusSchema}),
        503: refused("It is not; `fields` names what is missing: database or schema.", Retry_After=WAIT)}),
    "GET /metrics": Call({
        200: Says("The counters, in Prometheus' text format.", {"text/plain": None}),
        403: refused("You are neither on the machine nor have the token.")}, security=[{}, {"metrics": []}]),
    "GET /openapi.json": Call({200: Says("This document.", {JSON: None})}),
    "GET /docs": Call({200: Says("The page.", {HTML: None})}),
    "GET /docs/trackers": Call({200: Says("The page.", {HTML: None})}),
}
PATH = {
    "site": ("The site's key.", {"type": "string", "pattern": f"^{KEY.pattern}$"}, "shop"),
    "tracker": ("The tracker's id.", {"type": "string", "pattern": "^[a-z0-9_-]+$"}, "hotjar"),
    "name": ("The script's name.", {"type": "string", "pattern": "^extra-[0-9a-f]{8}$"}, "extra-1a2b3c4d"),
    "number": ("The version's number.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, 1),
}


# -- the document -----------------------------------------------------------------------------------------------------

def calls(app: Flask) -> Iterator[tuple[str, str, str, str]]:
    """Every public call of this application: method, path, a name for it, and what its handler says it does."""
    for route in ROUTES:
        yield route.method, route.template, route.name, _said(getattr(Hot, route.name))
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] not in BLUEPRINTS:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, path, rule.endpoint.split(".")[1], _said(app.view_functions[rule.endpoint])


def _said(handler: Any) -> str:
    text = inspect.getdoc(handler) or ""
    said = re.sub(r"^`[A-Z]+ [^`]*`: ", "", text.split("\n\n")[0].replace("\n", " "))
    return said[:1].upper() + said[1:]


def document(app: Flask, public_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this application."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        "Poort", "1", "3.1.0", plugins=[plugin], servers=[{"url": public_url}],
        info={"description": "Records what each visitor chose, and answers whether a tracker may load. Every refusal "
                             "has one shape; any doubt of the gate is a no."})
    if plugin.converter is not None:  # it has one once it is in a specification
        plugin.converter.add_attribute_function(_bounds)  # type: ignore[no-untyped-call]
    spec.components.security_scheme("receipt", {"type": "apiKey", "in": "header", "name": "Poort-Receipt"})
    spec.components.security_scheme("receiptCookie", {"type": "apiKey", "in": "cookie", "name": "poort"})
    spec.components.security_scheme("metrics", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("apiKey", {"type": "http", "scheme": "bearer", "bearerFormat": "poort_..."})
    for method, path, name, said in calls(app):
        operation = _operation(CALLS[f"{method} {path}"], path)
        spec.path(path, operations={method.lower(): {"operationId": name, "summary": said, **operation}})
    return spec.to_dict()


def _name(schema: Any) -> str:
    found = schema if isinstance(schema, type) else type(schema)
    return found.__name__.removesuffix("Schema")


def _bounds(_: Any, of: Any, **__: Any) -> dict[str, Any]:
    """What our own field types refuse and marshmallow does not tell."""
    if isinstance(of, records.Whole):
        return {"minimum": 1, "maximum": 2**31 - 1}
    if isinstance(of, records.When):
        return {"pattern": f"^{bodies.MOMENT}$"}
    return {"pattern": f"^{records.PAGE_GROUP.pattern}$"} if of.name == "page_group" else {}


def _operation(call: Call, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "parameters": list(_parameters(call, path)),
        "responses": {str(status): _answer(says) for status, says in sorted(call.answers.items())},
    }
    if call.body is not None:
        media = {"schema": call.body, "example": call.example}
        found["requestBody"] = {"required": True, "content": {JSON: media, "text/plain": dict(media)}}
    if call.security:
        found["security"] = list(call.security)
    return found


def _parameters(call: Call, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        meaning, schema, example = PATH[name]
        yield {
            "in": "path", "name": name, "required": True, "description": meaning, "schema": schema, "example": example}
    for place, named in (("query", call.query), ("header", call.headers)):
        for name, meaning in named.items():
            yield {"in": place, "name": name, "description": meaning, "schema": {"type": "string"}}


def _answer(says: Says) -> dict[str, Any]:
    found: dict[str, Any] = {"description": says.meaning}
    if says.body:
        found["content"] = {media: {"schema": _schema(shape, media)} for media, shape in says.body.items()}
    if says.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in says.headers.items()}
    return found


def _schema(shape: type[Schema] | None, media: str) -> Any:
    if shape is GateSchema:
        return {"anyOf": [GateSchema, TrackerDecisionSchema]}
    return shape or {"type": "object" if media.endswith("json") else "string"}
