"""Leaks: which trackers load without being allowed, as pages and browsers tell; the switch, and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent import audit, leaks, sites, versions
from consent.catalogue import CATALOGUE
from consent.db import db, writing
from consent.marks import mark
from consent.numbers import number
from consent.versions import Published
from consent.views.console import fields, members_only
from consent.views.console.doors import be_sure, by_user, member_of, owner_of

views = Blueprint("leaks", __name__, url_prefix="/console/sites/<key>/leaks")
members_only(views)

USUAL = 10  # per cent of the pages
DAYS = 30  # that are shown
BAD_SHARE = mark("Use a whole number from 1 to 100.")
STALE = mark("Somebody else changed the site meanwhile. Nothing of yours was stored; look at what it is now.")


class Form(NamedTuple):
    """The switch and the share of the pages, as they stand or as they were typed."""

    on: bool
    share: str
    fault: str = ""


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """What was told in the last days, by tracker, page group and day, and the switch."""
    site, role = member_of(key)
    return _page(site, role, _form(site))


def _form(site: sites.Site) -> Form:
    found = site.draft.get("leak_reports")
    return Form(bool(found), f"{found['sample'] * 100:g}" if found else str(USUAL))


@views.post("")
def change(key: str) -> ResponseReturnValue:
    """Turn the reports on or off in the draft."""
    typed = Form("on" in request.form, request.form.get("share", "").strip(), gettext(BAD_SHARE))
    site = owner_of(key)
    if typed.on and not _is_share(typed.share):
        return _page(site, "owner", typed), 422
    try:
        with writing():
            site = owner_of(key)
            be_sure(site)
            sites.change(site, _changed(site, typed), fields.revision(), by_user())
    except sites.Stale:
        flash(gettext(STALE), "warn")
        return _page(owner_of(key), "owner", _form(site)), 409
    flash(gettext("Stored in the draft. It takes effect when you publish."))
    return redirect(url_for("leaks.page", key=key), 303)


def _is_share(text: str) -> bool:
    return 1 <= (number(text) or 0) <= 100


def _changed(site: sites.Site, typed: Form) -> dict[str, Any]:
    rest = {name: value for name, value in site.draft.items() if name != "leak_reports"}
    own = {"leak_reports": {"sample": int(typed.share) / 100}} if typed.on else {}
    return sites.parse_definition({**rest, **own})


@views.post("/delete")
def delete(key: str) -> ResponseReturnValue:
    """Delete all counts of the site: after a leak was mended, or reports were forged."""
    with writing():
        site = owner_of(key)
        rows = leaks.erase(site.key)
        audit.note(site.organisation_id, "leaks.delete", by_user(), site.key, counts=rows)
    flash(gettext("All counts of leaks are deleted."))
    return redirect(url_for("leaks.page", key=key), 303)


def _page(site: sites.Site, role: str, form: Form) -> str:
    published = _published(site)
    first = (datetime.now(UTC) - timedelta(days=DAYS - 1)).date()
    public_url = current_app.extensions["poort.settings"].public_url
    return render_template(
        "console/leaks.html", site=site, role=role, form=form, days=DAYS, known=_known(published),
        told=leaks.by_tracker(site.key, first), rows=leaks.by_day(site.key, first), most=leaks.MOST_LISTED,
        enough=leaks.ENOUGH, others=leaks.OTHERS, listens=bool(published and leaks.sample(published)),
        share=leaks.sample(published) if published else 0, address=f"{public_url}/v1/sites/{site.key}/leaks",
        policy=leaks.policy(site.draft["origins"], site.draft["cookie_domain"], _free(published), public_url))


def _published(site: sites.Site) -> Published | None:
    """What pages are served now; from the table: the hot calls' own would compress the script first, for 0.1 s."""
    row = db.session.get(versions.Version, (site.key, site.current)) if site.current else None
    return versions.published(row) if row else None


def _known(published: Published | None) -> dict[str, dict[str, Any]]:
    """The trackers by their id: the name, and whether it is in the site's list."""
    rows = published.snapshot["trackers"] if published else []
    catalogue = {id: {"name": row["name"], "own": False, "embed": row["embed"]} for id, row in CATALOGUE.items()}
    own = {row["id"]: {"name": row["name"], "own": True, "embed": row.get("embed", False)} for row in rows}
    return catalogue | own


def _free(published: Published | None) -> list[str]:
    """The hosts of trackers that need no consent."""
    if published is None:
        return []
    rows = [row for row in published.snapshot["trackers"] if row["id"] not in published.asked]
    return [host for row in rows for host in row["hosts"]]
