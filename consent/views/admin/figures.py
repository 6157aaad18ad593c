"""What is seen of a site, for programs: the report, leaks, requests of visitors, and looks at its pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, request
from marshmallow import RAISE, Schema, fields, validate

from consent import breakdowns, keys, leaks, report_forms, reports, rights, scans
from consent.db import iso, writing
from consent.keys import ApiKey
from consent.records import Refused, invalid
from consent.scanner import BadTarget
from consent.scans import Scan
from consent.shapes import one_of
from consent.sites import Site
from consent.views.admin.doors import answer, body, by, needs, query, views
from consent.zones import zone


class ReportQuerySchema(Schema):
    """Which days of a report, both included, as 2026-11-22; the last 30 when left out. `by`: what it is divided by."""

    class Meta:
        unknown = RAISE

    from_ = fields.String(load_default="", data_key="from", validate=validate.Length(max=10))
    to = fields.String(load_default="", validate=validate.Length(max=10))
    by = one_of(report_forms.BY, load_default="day")


class GroupQuerySchema(ReportQuerySchema):
    """The same of several sites together, each named by a `site=`; all that the key opens when left out."""

    site = fields.List(fields.String(), load_default=list, validate=validate.Length(max=200))


class DaysSchema(Schema):
    """How many days back."""

    class Meta:
        unknown = RAISE

    days = fields.Integer(load_default=30, validate=validate.Range(1, leaks.KEPT.days))


class ScanSchema(Schema):
    """The body of a look: one of the site's pages, and how many more may be followed from there."""

    class Meta:
        unknown = RAISE

    url = fields.String(required=True, validate=validate.Length(1, 500))
    pages = fields.Integer(load_default=5, strict=True, validate=validate.Range(1, scans.MOST_PAGES))
    kind = one_of(scans.KINDS, load_default=scans.LOOK)


_REPORT, _GROUP, _DAYS, _SCAN = ReportQuerySchema(), GroupQuerySchema(), DaysSchema(), ScanSchema()


@views.get("/sites/<site>/report")
@needs("read")
def show_report(key: ApiKey, site: Site) -> Response:
    """What visitors chose, from the daily counts: by day, week, tracker or part of the traffic."""
    return _report(key, [site.key], query(_REPORT))


@views.get("/report")
@needs("read")
def show_group(key: ApiKey) -> Response:
    """The same of several sites together, or of the whole organisation."""
    asked = query(_GROUP, {"site": request.args.getlist("site")} if "site" in request.args else {})
    return _report(key, keys.open_sites(key, asked["site"]), asked)


def _report(key: ApiKey, sites: list[str], asked: dict[str, Any]) -> Response:
    where = zone(key.organisation.time_zone)
    try:
        days = reports.parse_range(asked["from_"], asked["to"], reports.today(where))
    except reports.BadRange as fault:
        raise invalid({fault.field: fault.sentence}) from fault
    found = breakdowns.figures(sites, *days, report_forms.parts_of(asked["by"]))
    told = report_forms.as_json(found, breakdowns.before(found), asked["by"])
    return answer({**told, "time_zone": where.key})


@views.get("/sites/<site>/leaks")
@needs("read")
def show_leaks(key: ApiKey, site: Site) -> Response:
    """Requests to trackers that were not allowed, as live traffic told of them; of no visitor."""
    days = query(_DAYS)["days"]
    first = reports.today() - timedelta(days=days - 1)
    return answer({
        "site": site.key, "from": first.isoformat(),
        "trackers": [_plain(row._asdict()) for row in leaks.by_tracker(site.key, first)],
        "days": [_plain(row._asdict()) for row in leaks.by_day(site.key, first)],
    })


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


@views.get("/sites/<site>/requests")
@needs("read")
def list_requests(key: ApiKey, site: Site) -> Response:
    """What visitors asked for by law, with the deadlines, newest first; it names nobody."""
    return answer({"requests": [rights.as_json(found) for found in rights.listed(site.key)]})


# Looks at the site ----------------------------------------------------------------------------------------------------

@views.post("/sites/<site>/scans")
@needs("write")
def begin_scan(key: ApiKey, site: Site) -> Response:
    """Have the site looked at in a browser, by the jobs; one look at a time."""
    said = body(_SCAN)
    try:
        with writing():
            scan = scans.begin(site, said["kind"], said["url"], said["pages"], by(key), datetime.now(UTC))
            return answer(_scan(scan), 202, Location=f"{request.path}/{scan.id}")
    except BadTarget as fault:
        raise invalid({"url": str(fault)}) from fault
    except scans.Busy as fault:
        raise Refused(409, "busy", str(fault)) from fault


@views.get("/sites/<site>/scans")
@needs("read")
def list_scans(key: ApiKey, site: Site) -> Response:
    """The last looks at the site, newest first, without their reports."""
    return answer({"scans": [_scan(found) for found in scans.latest(site)]})


@views.get("/sites/<site>/scans/<int:id>")
@needs("read")
def show_scan(key: ApiKey, site: Site, id: int) -> Response:
    """How far a look is, and what it saw once it is done."""
    found = scans.of_site(site, id)
    return answer({**_scan(found), "report": found.report})


def _scan(found: Scan) -> dict[str, Any]:
    return {
        "id": found.id, "site": found.site, "kind": found.kind, "url": found.url, "pages": found.pages,
        "state": found.state, "progress": found.progress, "begun_at": iso(found.begun_at),
        "ended_at": found.ended_at and iso(found.ended_at), "status": found.status, "leaks": found.leaks,
        "why": found.why,
    }
