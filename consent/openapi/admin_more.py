"""Further calls of owners' programs: who has access, what is seen of a site, the catalogue."""

from consent.openapi import admin_shapes as shapes
from consent.openapi.admin import IF_MATCH, LIMIT, SENT, STALE, asked, ok
from consent.openapi.says import Call, Says, refused
from consent.openapi.shapes import DoneSchema, RequestsSchema
from consent.report_forms import BY
from consent.views.admin.experiment import EndSchema, PlanSchema
from consent.views.admin.figures import ScanSchema
from consent.views.admin.organisation import InvitationSchema, RoleSchema
from consent.views.admin.publishing import PublishSchema
from consent.views.admin.trackers import SnippetSchema
from consent.views.admin.visitors import AskedSchema, KnownSchema

REPORT = {
    "from": "The first day: 2026-11-01.", "to": "The last day, in the organisation's time zone.",
    "by": f"{', '.join(f'`{by}`' for by in BY)}; `day` when left out.",
}
LAST_OWNER = {409: refused("It is the last owner: make somebody else owner first.")}

ACCESS: dict[str, Call] = {
    "GET /v1/admin/members": asked({200: ok("The members.", shapes.MembersSchema)}),
    "PUT /v1/admin/members/{member}/role": asked(
        {200: ok("The role is this.", shapes.MemberRoleSchema), **LAST_OWNER}, RoleSchema, {"role": "marketer"}),
    "DELETE /v1/admin/members/{member}": asked({204: Says("Is no member any more."), **LAST_OWNER}),
    "GET /v1/admin/invitations": asked({200: ok("The invitations.", shapes.InvitationsSchema)}),
    "POST /v1/admin/invitations": asked({
        201: ok("Invited.", shapes.MadeInvitationSchema),
        409: refused("Is a member already, or the address can not be used, or too many wait.")},
        InvitationSchema, {"email": "bob@shop.example", "role": "marketer", "language": "nl"}),
    "DELETE /v1/admin/invitations/{invitation}": asked({204: Says("Its link opens nothing any more.")}),
    "GET /v1/admin/keys": asked({200: ok("The keys.", shapes.KeysSchema)}),
    "DELETE /v1/admin/keys/{id}": asked({204: Says("Opens nothing any more.")}),
    "GET /v1/admin/audit": asked({200: ok("A page of the list.", shapes.AuditEntriesSchema)}, query={
        **LIMIT, "before": "The `next` of the page before.", "site": "What was done to this site.",
        "what": "What was done: version.publish.", "from": "Since this day: 2026-11-22.", "to": "Up to this day."}),
}
SEEN: dict[str, Call] = {
    "GET /v1/admin/sites/{site}/report": asked({200: ok("The report.", shapes.ReportSchema)}, query=REPORT),
    "GET /v1/admin/report": asked({200: ok("The report.", shapes.ReportSchema)}, query={
        "site": "A site; again for another. All that the key opens when left out.", **REPORT}),
    "GET /v1/admin/metrics": asked({200: Says("The counters, in Prometheus' text format.", {"text/plain": None})}),
    "GET /v1/admin/sites/{site}/leaks": asked(
        {200: ok("The counts.", shapes.LeakCountsSchema)}, query={"days": "How many days back; 30 when left out."}),
    "GET /v1/admin/sites/{site}/requests": asked({200: ok("The requests.", RequestsSchema)}),
    "GET /v1/admin/sites/{site}/scans": asked({200: ok("The looks.", shapes.ScansSchema)}),
    "POST /v1/admin/sites/{site}/scans": asked({
        202: ok("Begun; the jobs go on with it.", shapes.ScanStateSchema, Location="Where it is."),
        409: refused("The site is looked at already, or too many wait."),
        422: refused("Fields are wrong, or the page is none of the site's origins.")},
        ScanSchema, {"url": "https://www.shop.example/", "pages": 5}),
    "GET /v1/admin/sites/{site}/scans/{id}": asked({200: ok("The look.", shapes.ScanReportSchema)}),
}
EXPERIMENTS: dict[str, Call] = {
    "GET /v1/admin/sites/{site}/experiment": asked(
        {200: ok("Where it stands.", shapes.ExperimentsSchema)}, query={
            "id": "Its name; the running one when left out."}),
    "POST /v1/admin/sites/{site}/experiment/plan": asked(
        {200: ok("What it would take.", shapes.ExperimentPlanSchema)}, PlanSchema,
        {"goal": "analytics", "smallest": 5, "shares": [1, 1]}),
    "POST /v1/admin/sites/{site}/experiment/end": asked({
        201: ok("Published.", shapes.MadeVersionSchema, Location="Where it is."), **STALE,
        404: refused("This experiment does not run, or has no such variant; or there is no such site."),
        409: refused("The draft has other changes, or the variant breaks the law."),
        422: refused("Fields are wrong, or a finding needs a reason: then publish by the draft.")},
        EndSchema, {"id": "summer", "variant": "b"}),
}
CATALOGUE: dict[str, Call] = {
    "GET /v1/admin/catalogue": asked({200: ok("The trackers.", shapes.CatalogueRowsSchema)}, query={
        "q": "A name, a vendor, a host, an address or a cookie."}),
    "POST /v1/admin/snippets": asked(
        {200: ok("What it is.", shapes.RecognisedSchema), 422: SENT[422]}, SnippetSchema,
        {"snippet": "<script src=\"https://static.hotjar.com/c/hotjar-1.js\"></script>"}),
}
ARCHIVE: dict[str, Call] = {
    "GET /v1/admin/sites/{site}/versions": asked({200: ok("The versions.", shapes.MadeVersionsSchema)}, query={
        **LIMIT, "before": "The `next` of the page before."}),
    "GET /v1/admin/sites/{site}/versions/{number}": asked({200: ok("The version.", shapes.FullVersionSchema)}),
    "POST /v1/admin/sites/{site}/versions/{number}/restore": asked({
        200: ok("What is published says the same already.", shapes.MadeVersionSchema, Location="Where it is."),
        201: ok("Published as a new version.", shapes.MadeVersionSchema, Location="Where it is."), **STALE,
        409: refused("It breaks the law; `fields` names each finding."),
        422: refused("A finding needs a reason; or this Poort's catalogue refuses the definition."),
        428: refused("The revision that was read is missing.")},
        PublishSchema, {"reasons": {}}, headers=IF_MATCH),
    "GET /v1/admin/sites/{site}/tag": asked({200: ok("The tag.", shapes.TagSchema)}),
}
KNOWN = {"known": "6f1c2f0e-58f3-4d5c-9f6a-0a1b2c3d4e5f"}
NOBODY = {
    409: refused("The site is not published."), 422: refused("This is neither a receipt nor a record of the site."),
}
VISITORS: dict[str, Call] = {
    "POST /v1/admin/sites/{site}/visitors": asked(
        {200: ok("What is kept.", shapes.EvidenceSchema), **NOBODY}, KnownSchema, KNOWN),
    **{f"POST /v1/admin/sites/{{site}}/visitors/{act}": asked(
        {200: ok("Done.", DoneSchema), **NOBODY}, AskedSchema, KNOWN) for act in ("erase", "restrict", "lift")},
}
CALLS: dict[str, Call] = {**ARCHIVE, **VISITORS, **ACCESS, **SEEN, **EXPERIMENTS, **CATALOGUE}
