"""The console: what owners and marketers see of their sites."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_security import auth_required, current_user

from consent import (
    alerts,
    checklist,
    contracts,
    factors,
    history,
    jobs,
    linter,
    reports,
    retention,
    sessions,
    sites,
    versions,
)
from consent.accounts import show_life
from consent.db import db
from consent.numbers import number
from consent.sign_in import present
from consent.views import headers, language
from consent.views.console import places
from consent.views.console.doors import Unconfirmed, ask_once_more, owner_of

views = Blueprint("console", __name__, url_prefix="/console")

SITES, FEW = 24, 8  # on one page of the list; more than a few can be searched
LONGEST_SEARCH = 100


def members_only(blueprint: Blueprint) -> None:
    """Send whoever is not signed in to the sign-in page, and let no cache keep what the others see."""
    blueprint.before_request(auth_required("session")(_be_here))
    blueprint.after_request(headers.keep_nowhere)
    blueprint.context_processor(_of_the_member)
    blueprint.register_error_handler(Unconfirmed, ask_once_more)


def _of_the_member() -> dict[str, Any]:
    """What every page of the console is drawn with."""
    security = "accounts.security" in current_app.view_functions
    return {
        "member": current_user,
        "member_page": url_for("accounts.security") if security else None,
        "places": lambda kind, is_owner: places.shown(
            places.OF_A_SITE if kind == "site" else places.EVERYWHERE, is_owner),
    }


# What somebody sees who has to set a second factor up first.
_WITHOUT_FACTOR = {
    f"accounts.{name}" for name in (
        "security", "prove", "take_proof", "proof_options", "prove_by_passkey", "change_password", "begin_totp",
        "confirm_totp", "remove_totp", "passkey_options", "add_passkey", "end_session")
}


def _be_here() -> ResponseReturnValue | None:
    language.remember()
    show_life(current_user, datetime.now(UTC).date(), language.language())
    sessions.show_life(present().session, datetime.now(UTC).date())
    if request.endpoint not in _WITHOUT_FACTOR and factors.is_missing(current_user):
        return redirect(url_for("accounts.security"))
    return None


members_only(views)


@views.get("/")
def index() -> ResponseReturnValue:
    """The sites of the member's organisations, some at a time; `?search=` those whose name or key holds it."""
    if not current_user.memberships:
        return redirect(url_for("start.organisation"))
    search, page = request.args.get("search", "").strip()[:LONGEST_SEARCH], _page()
    found = sites.sites_of(current_user, search, (page - 1) * SITES, SITES + 1)
    shown, last = found[:SITES], reports.today()
    totals = reports.totals([site.key for site in shown], last - (reports.RECENT - 1) * reports.ONE_DAY, last)
    ended = {each.organisation.name: each.organisation.ended_on for each in current_user.memberships
             if each.organisation.ended_on}
    return render_template(
        "console/sites.html", sites=shown, totals=totals, recent=reports.RECENT, search=search, number=page,
        more=len(found) > SITES, alerts=alerts.open_of(current_user), can_search=search or page > 1 or len(found) > FEW,
        standings=jobs.standings(db.engine) if current_user.is_owner else [],
        undone=jobs.undone_since(db.engine) if current_user.is_owner else None,
        ended=[(name, day, contracts.goes_on(day)) for name, day in sorted(ended.items())],
    )


def _page() -> int:
    return min(max(1, number(request.args.get("page", "")) or 1), 99_999)


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
    """A site: what is left to do, what is published, and what differs in the draft."""
    found, role = sites.site_for(current_user, key)
    version = history.current(found)
    snapshot = history.snapshot_of(version) if version else versions.freeze(found.draft)
    steps = checklist.steps(found, version, linter.check(found.draft), reports.today())
    return render_template(
        "console/site.html", site=found, role=role, version=version, definition=snapshot["definition"],
        trackers=snapshot["trackers"], steps=steps, left=sum(not step.done for step in steps),
        pending=not steps[checklist.PUBLISH].done, editor=history.editor(found) if found.managed == "file" else None,
        changes=version.changes if version else None, claim_days=retention.claim_days(snapshot["definition"]),
        shown=[places.of_step(step.name) for step in steps],
        alerts=[news for news in alerts.open_of(current_user) if news.alert.site == found.key],
    )


@views.get("/sites/<key>/requests")
def requests(key: str) -> ResponseReturnValue:
    """What visitors of a site asked for by law stands on the page of visitors now; for its owner."""
    return redirect(url_for("visitors.page", key=owner_of(key).key))
