"""The report of a site, of a group of sites, or of an organisation: the page, its charts, its sheets, and notes."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from consent import annotations, breakdowns, charts, notes, report_forms, reports, sites, zones
from consent.breakdowns import PARTS, Figures
from consent.db import writing
from consent.gate import OPTIONAL
from consent.sites import Site
from consent.views import report_parts
from consent.views.console import members_only
from consent.views.console.doors import by_user, member_of

views = Blueprint("reports", __name__, url_prefix="/console")
members_only(views)

PERIODS = (7, 30, 90, 365)
MOST_SITES = 50  # in one report
MOST_NAMED = 1_000  # in an address, some of them more than once
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Asked:
    """Which sites the reader wants to know about, and of which days. One site has the page of that site."""

    sites: Sequence[Site]
    role: str | None
    is_cut: bool = False  # there are more sites than one report has

    @property
    def site(self) -> Site | None:
        """The site whose page it is."""
        return self.sites[0] if self.role else None

    @property
    def zone(self) -> ZoneInfo:
        """Whose days: of the organisation, of several that of the first site's."""
        return zones.zone(self.sites[0].organisation.time_zone)

    @property
    def keys(self) -> list[str]:
        """The sites' keys."""
        return [site.key for site in self.sites]

    def figures(self, parts: Sequence[str] = ()) -> Figures:
        """The figures of the days that the address names; raises reports.BadRange."""
        first, last = (request.args.get(name, "").strip() for name in ("from", "to"))
        return breakdowns.figures(self.keys, *reports.parse_range(first, last, zones.today(self.zone)), parts)

    def url(self, endpoint: str, **more: Any) -> str:
        """The address of another form of the same report."""
        if self.site:
            return url_for(f"reports.{endpoint}", key=self.site.key, **more)
        return url_for(f"reports.group_{endpoint}", site=self.keys, **more)


def _of_site(key: str) -> Asked:
    site, role = member_of(key)
    return Asked([site], role)


def _of_group() -> Asked:
    """The sites that the address names, or all of the member's: those of others are not there."""
    wanted = dict.fromkeys(request.args.getlist("site")[:MOST_NAMED])
    mine = sites.sites_of(current_user, most=MOST_SITES + 1) if not wanted else [
        sites.site_for(current_user, key)[0] for key in [*wanted][:MOST_SITES + 1]]
    if not mine:
        abort(404)
    return Asked(mine[:MOST_SITES], None, len(mine) > MOST_SITES)


@views.get("/sites/<key>/report")
def page(key: str) -> ResponseReturnValue:
    """`?from=2026-11-01&to=2026-11-22`: the report as a page; the last 30 days when left out. `&by=device`: parts."""
    return _answer(_of_site(key))


@views.get("/report")
def group_page() -> ResponseReturnValue:
    """`?site=a&site=b`: the same of several sites together; of all when none is named."""
    return _answer(_of_group())


@views.get("/sites/<key>/report.csv", defaults={"form": "csv"})
@views.get("/sites/<key>/report.xlsx", defaults={"form": "xlsx"})
def sheet(key: str, form: str) -> ResponseReturnValue:
    """The same as a sheet: `?by=` a line for every day, tracker, or part; a workbook has them all."""
    return _sheet(_of_site(key), form)


@views.get("/report.csv", defaults={"form": "csv"})
@views.get("/report.xlsx", defaults={"form": "xlsx"})
def group_sheet(form: str) -> ResponseReturnValue:
    """The same of several sites."""
    return _sheet(_of_group(), form)


@views.get("/sites/<key>/report/answers.svg", defaults={"name": "answers", "form": "svg"})
@views.get("/sites/<key>/report/answers.png", defaults={"name": "answers", "form": "png"})
@views.get("/sites/<key>/report/allowed.svg", defaults={"name": "allowed", "form": "svg"})
@views.get("/sites/<key>/report/allowed.png", defaults={"name": "allowed", "form": "png"})
def picture(key: str, name: str, form: str) -> ResponseReturnValue:
    """A chart of the report as a picture."""
    return _picture(_of_site(key), name, form)


@views.get("/report/answers.svg", defaults={"name": "answers", "form": "svg"})
@views.get("/report/answers.png", defaults={"name": "answers", "form": "png"})
@views.get("/report/allowed.svg", defaults={"name": "allowed", "form": "svg"})
@views.get("/report/allowed.png", defaults={"name": "allowed", "form": "png"})
def group_picture(name: str, form: str) -> ResponseReturnValue:
    """The same of several sites."""
    return _picture(_of_group(), name, form)


# Notes ----------------------------------------------------------------------------------------------------------------

@views.post("/sites/<key>/report/notes")
def add_note(key: str) -> ResponseReturnValue:
    """Put a note on a day: every member may."""
    try:
        with writing():
            site, _ = member_of(key)
            day, _ = reports.parse_range(request.form.get("day", ""), "", zones.today(_zone(site)))
            if not request.form.get("day"):
                raise notes.NoteFault(notes.NO_DAY)
            notes.add(site, day, request.form.get("text", ""), by_user())
    except (notes.NoteFault, reports.BadRange) as fault:
        flash(gettext(fault.sentence if isinstance(fault, reports.BadRange) else str(fault)), "warn")
    else:
        flash(gettext("The note is there."))
    return _back(key)


@views.post("/sites/<key>/report/notes/remove")
def remove_note(key: str) -> ResponseReturnValue:
    """Remove one's own note, or as an owner any."""
    try:
        id = uuid.UUID(request.form.get("note", ""))
    except ValueError:
        abort(404)
    with writing():
        site, role = member_of(key)
        gone = notes.remove(site, id, by_user(), role == "owner")
    flash(gettext("The note is removed.") if gone else gettext("This note is somebody else's, or is gone already."))
    return _back(key)


def _zone(site: Site) -> ZoneInfo:
    return zones.zone(site.organisation.time_zone)


def _back(key: str) -> ResponseReturnValue:
    days: dict[str, Any] = {name: request.form[name] for name in ("from", "to") if request.form.get(name)}
    return redirect(url_for("reports.page", key=key, **days, _anchor="changes"), 303)


# Forms ----------------------------------------------------------------------------------------------------------------

def _sheet(asked: Asked, form: str) -> ResponseReturnValue:
    try:
        found = asked.figures(PARTS)
        before = breakdowns.before(found)
    except reports.BadRange as fault:
        return _page(asked, None, fault), 400
    by = request.args.get("by", "day")
    if by not in report_forms.BY:
        abort(404)
    name = f"{asked.site.key if asked.site else 'poort'}-{found.first}-{found.last}.{form}"
    kept = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form == "xlsx":
        made = report_forms.as_xlsx(report_forms.sheets(found, before), gettext)
        return Response(made, headers=kept, content_type=XLSX)
    text = report_forms.as_csv(report_forms.sheet(found, before, by))
    return Response(text, headers=kept, content_type="text/csv; charset=utf-8")


def _picture(asked: Asked, name: str, form: str) -> ResponseReturnValue:
    try:
        drawn = report_parts.chart(name, report_parts.columns(asked.figures(), asked.zone))
    except reports.BadRange:
        abort(404)
    if form == "png":
        return Response(charts.png(drawn), content_type="image/png")
    policy = {"Content-Security-Policy": charts.policy()}
    return Response(charts.document(drawn), headers=policy, content_type="image/svg+xml")


# The page -------------------------------------------------------------------------------------------------------------

def _answer(asked: Asked) -> ResponseReturnValue:
    try:
        return _page(asked, asked.figures((_by(), "took")), None)
    except reports.BadRange as fault:
        return _page(asked, None, fault), 400


def _page(asked: Asked, found: Figures | None, fault: reports.BadRange | None) -> str:
    today = zones.today(asked.zone)
    periods = [(days, today - timedelta(days=days - 1), today) for days in PERIODS]
    return render_template(
        "console/report.html" if asked.site else "console/reports.html", asked=asked, site=asked.site, role=asked.role,
        fault={"field": fault.field, "sentence": gettext(fault.sentence)} if fault else None, periods=periods,
        first=found.first if found else request.args.get("from"), last=found.last if found else request.args.get("to"),
        report=found, zone=asked.zone.key, categories=OPTIONAL, **(_shown(asked, found, today) if found else {}))


def _shown(asked: Asked, found: Figures, today: date) -> dict[str, object]:
    """What the page shows of the figures."""
    by = _by()
    columns = report_parts.columns(found, asked.zone)
    before = _before(found)
    goal = "accept_all"
    return {
        "by": by, "table": found.table(by), "dimensions": report_parts.DIMENSIONS, "names": report_parts.NAMES,
        "bucket_name": report_parts.bucket_name, "lines": columns.lines, "by_week": columns.by_week, "before": before,
        "charts": {name: charts.inline(report_parts.chart(name, columns), f"{name}-title")
                   for name in report_parts.CHARTS} if found.total.shown else {},
        "effects": list(enumerate(report_parts.changes(found, columns.marks, goal, today))), "what": report_parts.what,
        "sign": report_parts.sign, "span": annotations.SPAN, "today": today, "compare": report_parts.compare,
        "took": found.table("took"), "seen_before": {one.id: one.seen for one in before.trackers} if before else {},
    }


def _by() -> str:
    """The part of the traffic that the reader wants to see."""
    by = request.args.get("by", "device")
    return by if by in PARTS else "device"


def _before(found: Figures) -> Figures | None:
    try:
        return breakdowns.before(replace(found, parts={}))
    except reports.BadRange:
        return None
