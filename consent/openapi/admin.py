"""The calls of owners' programs, under /v1/admin."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema

from consent.openapi.admin_shapes import (
    CandidateSchema,
    CheckedSchema,
    DefinitionSchema,
    DraftedSchema,
    DraftSchema,
    MadeVersionSchema,
    PendingSchema,
    SitesSchema,
)
from consent.openapi.says import AWAY, JSON, WAIT, Call, Says, refused
from consent.views.admin.publishing import PublishSchema

DEFINITION: dict[str, Any] = {
    "key": "shop", "name": "Webwinkel",
    "controller": {"name": "Webwinkel B.V.", "email": "privacy@shop.example",
                   "policy_url": "https://www.shop.example/privacy"},
    "origins": ["https://www.shop.example"], "cookie_domain": "shop.example", "default_language": "nl",
    "languages": ["nl", "en"], "trackers": [{"id": "ga4"}, {"id": "hotjar"}],
}
SENT = {
    400: refused("The body is not one JSON object."), 411: refused("A Content-Length is missing."),
    413: refused("The body is over 262,144 bytes."), 415: refused("The body is not application/json."),
    422: refused("Fields are missing, unknown or wrong; `fields` names each."),
}
ASKED = {
    401: refused("No API key, or one that is revoked or over.", WWW_Authenticate="Bearer."),
    403: refused("The key lacks the scope, or is for one site where one for all is needed."),
    404: refused("The key's organisation has no such thing, or the key is for another site."),
    429: refused("Too many with this key, or too many without one.", Retry_After=WAIT), 503: AWAY,
}
QUERY = {422: refused("What stands behind the ? is wrong; `fields` names each.")}
NEW_REVISION = {"ETag": "The draft's revision."}
LIMIT = {"limit": "How many at most: 1 to 200; 50 when left out."}
IF_MATCH = {"If-Match": 'The revision of the draft that was read: "3".'}
STALE = {412: refused("Somebody else changed the draft since that revision.")}


def asked(
    answers: Mapping[int, Says], body: type[Schema] | None = None, example: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
) -> Call:
    """A call with an API key."""
    sent = SENT if body is not None else {}
    found = {**ASKED, **sent, **(QUERY if query else {}), **answers}
    return Call(found, query or {}, headers or {}, body, example, [{"apiKey": []}], (JSON,))


def ok(meaning: str, shape: type[Schema] | None, **headers: str) -> Says:
    """An answer in JSON."""
    return Says(meaning, {JSON: shape}, headers)


CALLS: dict[str, Call] = {
    "GET /v1/admin/sites": asked({200: ok("The sites.", SitesSchema)}, query={
        **LIMIT, "after": "The key of the last site that you have."}),
    "POST /v1/admin/sites": asked({
        201: ok("Made; nothing is published yet.", DraftedSchema, Location="Where it is.", **NEW_REVISION),
        409: refused("There is a site with this key.")}, DefinitionSchema, DEFINITION),
    "GET /v1/admin/sites/{site}": asked({200: ok("The draft.", DraftedSchema, **NEW_REVISION)}),
    "PUT /v1/admin/sites/{site}": asked({
        200: ok("The draft as it is now.", DraftedSchema, **NEW_REVISION), **STALE,
        428: refused("The revision that was read is missing.")}, DraftSchema, DEFINITION, headers=IF_MATCH),
    "POST /v1/admin/check": asked(
        {200: ok("What was found, also of what is no definition.", CheckedSchema)}, CandidateSchema, DEFINITION),
    "GET /v1/admin/sites/{site}/check": asked({200: ok("What was found.", CheckedSchema)}),
    "GET /v1/admin/sites/{site}/changes": asked({
        200: ok("What it would change.", PendingSchema),
        422: refused("The draft can not be published: this Poort's catalogue refuses it.")}),
    "POST /v1/admin/sites/{site}/versions": asked({
        200: ok("It was published already.", MadeVersionSchema, Location="Where it is."),
        201: ok("Published.", MadeVersionSchema, Location="Where it is."), **STALE,
        409: refused("It breaks the law; `fields` names each finding."),
        428: refused("If-Match is `*`, which is no revision."),
        422: refused("A finding needs a reason, named as `reasons.RULE:path`; or a field is wrong."),
    }, PublishSchema, {"reasons": {"C3:trackers": "The purpose was agreed with our officer."}},
        headers={"If-Match": f"{IF_MATCH['If-Match']} Publishes just that one."}),
}
