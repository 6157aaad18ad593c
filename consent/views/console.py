"""The console: what owners and marketers see of their sites."""

import json
from datetime import UTC, datetime

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import auth_required, current_user
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError

from consent import accounts, contracts, jobs, reports, retention, rights, sites, versions
from consent.changes import Change
from consent.db import db, writing
from consent.views import headers, language

views = Blueprint("console", __name__, url_prefix="/console")


def members_only(blueprint: Blueprint) -> None:
    """Send whoever is not signed in to the sign-in page, and let no cache keep what the others see."""
    blueprint.before_request(auth_required("session")(_be_here))
    blueprint.after_request(headers.keep_nowhere)
    blueprint.context_processor(lambda: {"member": current_user})


def _be_here() -> None:
    language.remember()
    accounts.show_life(current_user, reports.today())


members_only(views)


@views.get("/")
def index() -> ResponseReturnValue:
    """The sites of the member's organisations."""
    found = sites.sites_of(current_user)
    last = reports.today()
    totals = reports.totals([site.key for site in found], last - (reports.RECENT - 1) * reports.ONE_DAY, last)
    ended = {site.organisation.name: site.organisation.ended_on for site in found if site.organisation.ended_on}
    return render_template(
        "console/sites.html", sites=found, totals=totals, recent=reports.RECENT,
        standings=jobs.standings(db.engine) if current_user.is_owner else [],
        undone=jobs.undone_since(db.engine) if current_user.is_owner else None,
        ended=[(name, day, contracts.goes_on(day)) for name, day in sorted(ended.items())],
    )


@views.get("/jobs")
def show_jobs() -> ResponseReturnValue:
    """How the jobs of this install stand; for owners."""
    if not current_user.is_owner:
        abort(403)
    found = jobs.standings(db.engine)
    periods = {standing.job.name: int(standing.job.every.total_seconds() // 3600) for standing in found}
    return render_template("console/jobs.html", standings=found, hours=periods)


@views.get("/sites/<key>")
def site(key: str) -> ResponseReturnValue:
    """A site: what is published, what differs in the draft, and the tag."""
    found, role = sites.site_for(current_user, key)
    version = db.session.get(versions.Version, (found.key, found.current)) if found.current else None
    snapshot = json.loads(version.snapshot) if version else versions.freeze(found.draft)
    return render_template(
        "console/site.html", site=found, role=role, version=version, definition=snapshot["definition"],
        trackers=snapshot["trackers"], pending=versions.pending(found, version),
        snippet=sites.snippet(found, current_app.extensions["poort.settings"].public_url),
        draft=json.dumps(found.draft, indent=2, ensure_ascii=False), changes=version.changes if version else None,
        claim_days=retention.claim_days(snapshot["definition"]),
    )


@views.get("/sites/<key>/publish")
def publishing(key: str) -> ResponseReturnValue:
    """What publishing the draft would change, and the button that does it."""
    return _publishing(*sites.site_for(current_user, key))


@views.post("/sites/<key>/publish")
def publish(key: str) -> ResponseReturnValue:
    """Publish the draft that the form has shown; when it is another one by now, show that instead."""
    try:
        with writing():
            found, role = sites.site_for(current_user, key)
            if role != "owner":
                abort(403)
            shown = request.form.get("digest") == versions.preview(found)[0]
            if shown:
                versions.publish(found, datetime.now(UTC))
    except (IntegrityError, ValidationError):  # somebody was first; or a newer catalogue refuses it
        shown = False
    if not shown:
        return _publishing(*sites.site_for(current_user, key), stale=True), 409
    return redirect(url_for("console.site", key=key, _anchor="published"), 303)


def _publishing(found: sites.Site, role: str, stale: bool = False) -> str:
    digest, faults = "", {}
    changes: list[Change] = []
    try:
        digest, changes = versions.preview(found)
    except ValidationError as error:
        faults = sites.flatten(error.messages)
    number = (found.current or 0) + bool(changes or not found.current)
    return render_template(
        "console/publish.html", site=found, role=role, digest=digest, changes=[one.as_json() for one in changes],
        faults=faults, number=number, stale=stale,
    )


@views.get("/sites/<key>/requests")
def requests(key: str) -> ResponseReturnValue:
    """What visitors of a site asked for by law, and what was done; for its owner."""
    found, role = sites.site_for(current_user, key)
    if role != "owner":
        abort(403)
    return render_template("console/requests.html", site=found, requests=rights.listed(found.key))
