"""Looking at a site: begin, how far it is, what was seen, and the trackers that it proposes."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent import browsers, scan_report, scan_words, scans, sites
from consent.answers import dumps
from consent.browsers import NoBrowser
from consent.db import writing
from consent.numbers import number
from consent.scanner import BadTarget
from consent.views import headers, language
from consent.views.console import fields, members_only
from consent.views.console.doors import be_sure, by_user, member_of, owner_of

views = Blueprint("scans", __name__, url_prefix="/console/sites/<key>/scans")
members_only(views)

MANY = 5  # pages, when nothing else is said


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """What was seen so far, and the form that begins the next look."""
    return _page(*member_of(key))


def _page(site: sites.Site, role: str, faults: dict[str, str] | None = None) -> str:
    found = scans.latest(site)
    typed = {"url": f"{site.draft['origins'][0]}/", "pages": str(MANY), **request.form.to_dict()}
    return render_template(
        "console/scans.html", site=site, role=role, scans=found, words=scan_words, typed=typed, faults=faults or {},
        most=scans.MOST_PAGES, going=any(scan.is_going for scan in found), browser=_there_is_a_browser(),
        stuck=any(scans.is_stuck(scan, datetime.now(UTC)) for scan in found), path_of=scan_report.path_of,
    )


def _there_is_a_browser() -> bool:
    try:
        browsers.find(current_app.extensions["poort.settings"].scan_browser)
    except NoBrowser:
        return False
    return True


@views.post("")
def begin(key: str) -> ResponseReturnValue:
    """Have a page of the site looked at."""
    site = owner_of(key)
    kind, pages = request.form.get("kind", scans.LOOK), number(request.form.get("pages", str(MANY)))
    if kind not in scans.KINDS:
        abort(400)
    if pages is None or not 1 <= pages <= scans.MOST_PAGES:
        return _page(site, "owner", {"pages": gettext("Give a number from 1 to %(most)s.", most=scans.MOST_PAGES)}), 400
    try:
        with writing():
            site = owner_of(key)
            scan = scans.begin(site, kind, request.form.get("url", ""), pages, by_user(), datetime.now(UTC))
            id = scan.id
    except (BadTarget, scans.Busy) as fault:
        status = 400 if isinstance(fault, BadTarget) else 409
        return _page(owner_of(key), "owner", {"url": gettext(str(fault))}), status
    return redirect(url_for("scans.show", key=key, id=id), 303)


@views.get("/<int:id>")
def show(key: str, id: int) -> ResponseReturnValue:
    """How far a look is, or what it saw."""
    site, role = member_of(key)
    scan = scans.of_site(site, id)
    there = {entry["id"] for entry in site.draft["trackers"]}
    proposed = [one for one in (scan.report or {}).get("proposals", ()) if one["tracker"] not in there]
    seen = scan_report.for_templates(scan.report) if scan.report else {"words": scan_words, "report": None}
    return render_template(
        "console/scan.html", site=site, role=role, scan=scan, proposed=proposed, here="scans.page",
        stuck=scans.is_stuck(scan, datetime.now(UTC)), **seen)


def _report(key: str, id: int) -> tuple[sites.Site, dict[str, Any]]:
    site, _ = member_of(key)
    report = scans.of_site(site, id).report
    if report is None:
        raise sites.NotFound("There is no report of this scan.")
    return site, report


@views.get("/<int:id>/report.html")
def paper(key: str, id: int) -> ResponseReturnValue:
    """The report as a page of its own: to print, to keep, to hand on."""
    _, report = _report(key, id)
    answer = Response(scan_report.as_page(report, language.language()), content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = headers.policy(script_src="'none'", style_src=scan_report.style_hash())
    return answer


@views.get("/<int:id>/report.json")
def data(key: str, id: int) -> ResponseReturnValue:
    """The report as JSON, in the shape of docs/scanning.md."""
    site, report = _report(key, id)
    kept = {"Content-Disposition": f'attachment; filename="{site.key}-scan-{id}.json"'}
    return Response(dumps(report), headers=kept, content_type="application/json")


@views.post("/<int:id>/trackers")
def add(key: str, id: int) -> ResponseReturnValue:
    """Add the chosen ones of the proposed trackers to the draft."""
    chosen = request.form.getlist("tracker")
    try:
        with writing():
            site = owner_of(key)
            report = scans.of_site(site, id).report or {"proposals": []}
            definition = scans.with_chosen(site.draft, report, chosen)
            added = len(definition["trackers"]) - len(site.draft["trackers"])
            if added:
                be_sure(site)
                sites.change(site, sites.parse_definition(definition), fields.revision(), by_user())
    except sites.Stale:
        flash(gettext("Somebody else changed the draft meanwhile. Look at the proposals again."), "warn")
    except (sites.DefinitionError, ValueError) as error:
        flash(gettext("That does not fit the draft: %(why)s", why=str(error)), "block")
    else:
        flash(gettext("%(n)s added to the draft. Publish it when you are ready.", n=added), "message")
    return redirect(url_for("scans.show", key=key, id=id), 303)
