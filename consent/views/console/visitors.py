"""Requests and records: one visitor's history as evidence, what may be done with it, and the list of all requests.

For owners. What is looked for comes in the body of a POST and goes on in forms: it is in no address and in no log.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent import audit, erasure, records, rights, sites, visitors
from consent.answers import dumps
from consent.db import db, leave_no_trace, writing
from consent.marks import mark
from consent.versions import Published, settled
from consent.views.console import members_only
from consent.views.console.doors import by_user, owner_of
from consent.views.current import hot, numbered
from consent.visitors import Found, History, NotKnown

views = Blueprint("visitors", __name__, url_prefix="/console/sites/<key>/visitors")
members_only(views)

LONGEST_AGO = timedelta(days=365)
BAD_DAY = mark("Use a day of the last year, such as 2026-11-22.")
NOT_PUBLISHED = mark("The site was never published, so nobody has chosen anything yet.")
DONE = {
    rights.ERASURE: mark("Erased: everything that was kept of this visitor. Records: %(n)s."),
    rights.RESTRICTION: mark("Restricted. Records: %(n)s."),
    rights.LIFTING: mark("The restriction is lifted. Records: %(n)s."),
}
Act = Callable[[sites.Site, Found, Published, datetime], rights.Done]


class BadDay(Exception):
    """When a request came in can not be read."""


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """The search, and the list of requests with their deadlines."""
    return _page(owner_of(key))


def _page(site: sites.Site, fault: str = "", typed: str = "") -> str:
    return render_template(
        "console/visitors.html", site=site, role="owner", fault=fault, typed=typed, requests=rights.listed(site.key))


@views.post("")
def find(key: str) -> ResponseReturnValue:
    """Show whose the receipt or the record is: the history, each record with the version that was shown."""
    site = owner_of(key)
    return _shown(site, _history(site, _found(site)))


def _shown(site: sites.Site, history: History, fault: str = "") -> str:
    today = datetime.now(UTC).date().isoformat()
    return render_template(
        "console/visitor.html", site=site, role="owner", history=history, today=today, whole=False, fault=fault,
        received=request.form.get("received", today))


def _history(site: sites.Site, found: Found, what: str = "visitor.read") -> History:
    """All that is kept of who was found, noted here so that nobody reads it unseen; raises NotKnown."""
    current = _current(site, found)
    read = visitors.history(site.key, found, lambda number: numbered(site.key, number), current, datetime.now(UTC))
    with writing():  # who looked, and never at whom
        audit.note(site.organisation_id, what, by_user(), site.key, records=len(read.steps))
    return read


def _current(site: sites.Site, found: Found) -> Published:
    """The version that counts; after the end of a contract the last that was shown. Raises NotKnown."""
    version = settled(lambda: hot().publications.current(site.key))
    if version is None:
        rows = records.history(site.key, found.visitor)
        version = numbered(site.key, max(row["version"] for row in rows)) if rows else None
    if version is None:
        raise NotKnown(NOT_PUBLISHED)
    return version


def _found(site: sites.Site) -> Found:
    """Who is meant by the form; raises NotKnown. Every form brings the receipt or the record's id again."""
    return visitors.find(site.key, request.form.get("known", ""), hot().keyring)


@views.errorhandler(NotKnown)
def nobody(fault: NotKnown) -> ResponseReturnValue:
    """One clear sentence, and nothing else. What is no token is written back, to be corrected."""
    typed = request.form.get("known", "")
    site = owner_of(str((request.view_args or {})["key"]))
    return _page(site, gettext(str(fault)), typed if len(typed) <= 40 else ""), 422


@views.post("/print")
def show_whole(key: str) -> ResponseReturnValue:
    """The same history with everything open and nothing to press, for paper."""
    site = owner_of(key)
    history = _history(site, _found(site))
    return render_template("console/visitor_print.html", site=site, history=history, whole=True, now=datetime.now(UTC))


@views.post("/evidence")
def evidence(key: str) -> ResponseReturnValue:
    """The same as a file: JSON with receipts after ISO/IEC TS 27560 and the versions that were shown."""
    site = owner_of(key)
    found = _found(site)
    history, now = _history(site, found, "visitor.export"), datetime.now(UTC)
    place = current_app.extensions["poort.settings"].public_url
    body = dumps(visitors.evidence(site.key, history, _current(site, found), place, now))
    kept = {"Content-Disposition": f'attachment; filename="evidence-{site.key}.json"'}
    return Response(body, headers=kept, content_type="application/json; charset=utf-8")


@views.post("/erase")
def erase(key: str) -> ResponseReturnValue:
    """Ask whether to erase, and once that is confirmed erase all that is kept of the visitor (G5)."""
    site = owner_of(key)
    if "confirmed" not in request.form:
        return _confirm(site, _found(site))
    answer = _do(site, "visitor.erase", lambda site, found, version, now: erasure.erase(
        site.key, found.visitor, version.gate, now))
    leave_no_trace(db.engine)
    return answer


@views.post("/restrict")
def restrict(key: str) -> ResponseReturnValue:
    """Restrict what the visitor said until now: it is kept, and used for nothing (G8)."""
    return _do(owner_of(key), "visitor.restrict", lambda site, found, _, now: rights.restrict(
        site.key, found.visitor, now))


@views.post("/lift")
def lift(key: str) -> ResponseReturnValue:
    """Lift the restriction."""
    return _do(owner_of(key), "visitor.lift", lambda site, found, _, now: rights.lift(site.key, found.visitor, now))


def _confirm(site: sites.Site, found: Found) -> ResponseReturnValue:
    history = _history(site, found)
    try:
        _received(datetime.now(UTC))
    except BadDay:
        return _shown(site, history, gettext(BAD_DAY)), 422
    received = request.form.get("received", "")
    return render_template(
        "console/visitor_erase.html", site=site, role="owner", history=history, received=received)


def _received(now: datetime) -> datetime:
    """When the visitor asked, as the form says: now, or on an earlier day. Raises BadDay."""
    said = request.form.get("received", "").strip()
    if not said or said == now.date().isoformat():
        return now
    try:
        day = datetime.combine(date.fromisoformat(said), datetime.min.time(), UTC)
    except ValueError:
        raise BadDay from None
    if not now - LONGEST_AGO <= day <= now:
        raise BadDay
    return day


def _do(site: sites.Site, what: str, act: Act) -> ResponseReturnValue:
    """Do it, put it on the list of requests and on the audit list, and say so. Nothing of either tells of whom."""
    now, found = datetime.now(UTC), _found(site)
    try:
        received, version = _received(now), _current(site, found)
    except BadDay:
        return _shown(site, _history(site, found), gettext(BAD_DAY)), 422
    definition, organisation = version.definition, site.organisation_id
    with writing():
        done = act(site, found, version, now)
        if done.answer["records"]:  # what was so already is nothing to answer for
            rights.note(site.key, done, definition, received, now)
            audit.note(organisation, what, by_user(), site.key, records=done.answer["records"])
    flash(gettext(DONE[done.kind]) % {"n": done.answer["records"]})
    return redirect(url_for("visitors.page", key=site.key), 303)
