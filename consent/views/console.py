"""The console: what owners and marketers see of their sites."""

import json

from flask import Blueprint, abort, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_security import auth_required, current_user

from consent import accounts, contracts, jobs, reports, retention, sites, versions
from consent.db import db
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
        draft=json.dumps(found.draft, indent=2, ensure_ascii=False),
        claim_days=retention.claim_days(snapshot["definition"]),
    )
