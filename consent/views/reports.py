"""The report of a site: the page, and the same numbers as CSV."""

from datetime import timedelta

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from consent import reports, sites
from consent.gate import OPTIONAL
from consent.views import chart
from consent.views.console import members_only

views = Blueprint("reports", __name__, url_prefix="/console/sites/<key>")
members_only(views)

BY_DAY = 62  # more days than this are shown by week
PERIODS = (7, 30, 90, 365)


@views.get("/report")
def page(key: str) -> ResponseReturnValue:
    """`?from=2026-11-01&to=2026-11-22`: the report as a page; the last 30 days when left out."""
    site, role = sites.site_for(current_user, key)
    try:
        found = _asked(site.key)
    except reports.BadRange as fault:
        return _page(site, role, None, fault), 400
    return _page(site, role, found, None)


@views.get("/report.csv")
def sheet(key: str) -> ResponseReturnValue:
    """The same, a line for every day, for a spreadsheet."""
    site, role = sites.site_for(current_user, key)
    try:
        found = _asked(site.key)
    except reports.BadRange as fault:
        return _page(site, role, None, fault), 400
    name = f"{site.key}-{found.first}-{found.last}.csv"
    kept = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(reports.as_csv(found.days), headers=kept, content_type="text/csv; charset=utf-8")


def _asked(key: str) -> reports.Report:
    first, last = (request.args.get(name, "").strip() for name in ("from", "to"))
    return reports.report(key, *reports.parse_range(first, last, reports.today()))


def _page(site: sites.Site, role: str, found: reports.Report | None, fault: reports.BadRange | None) -> str:
    by_week = found is not None and len(found.days) > BY_DAY
    lines = [] if found is None else found.weeks() if by_week else list(found.days)
    now = reports.today()
    return render_template(
        "console/report.html", site=site, role=role, report=found, lines=lines, by_week=by_week, categories=OPTIONAL,
        chart=chart.draw(lines) if lines else None, parts=chart.PARTS,
        fault={"field": fault.field, "sentence": gettext(fault.sentence)} if fault else None,
        first=found.first if found else request.args.get("from"), last=found.last if found else request.args.get("to"),
        periods=[(days, now - timedelta(days=days - 1), now) for days in PERIODS],
    )
