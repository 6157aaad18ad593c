"""The calls of visitors' browsers, of sites' servers, and of who runs Poort."""

from consent.front import EXPIRED
from consent.leaks import LeaksSchema
from consent.openapi.says import AWAY, HTML, JSON, NO_SITE, SCRIPT, WAIT, Call, ErrorSchema, Says, refused
from consent.openapi.shapes import (
    ConfigSchema,
    DeclarationSchema,
    DoneSchema,
    GateSchema,
    HistorySchema,
    RequestsSchema,
    SignalSchema,
    StatusSchema,
    StoredSchema,
    VersionSchema,
)
from consent.outcomes import OutcomesSchema
from consent.records import ConsentSchema, EventSchema, QuestionSchema

RECEIPT: list[dict[str, list[str]]] = [{"receipt": []}, {"receiptCookie": []}]
MAY_HAVE_RECEIPT: list[dict[str, list[str]]] = [{}, *RECEIPT]
EXAMPLE = {
    "id": "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f", "visitor": "b2a7c0d4-1c3e-4f5a-8b6d-7e8f90a1b2c3", "version": 1,
    "action": "custom", "choices": {"functional": True, "analytics": True, "marketing": False},
    "trackers": {"hotjar": False}, "source": "banner", "language": "nl", "gpc": False, "page_group": "home",
}
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
    "POST /v1/sites/{site}/leaks": Call(
        {204: Says("Taken; what is no known tracker, or may load, is not counted."), **POSTED,
         404: refused("There is no published site with this key, or it asks for no reports of leaks."),
         413: refused("The body is over 65,536 bytes."),
         415: refused("The body is neither JSON, text/plain, application/csp-report nor application/reports+json.")},
        {"page_group": "The group of pages that a browser's reports are counted under."},
        {}, LeaksSchema, {"page_group": "home", "trackers": {"hotjar": 2}}),
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
