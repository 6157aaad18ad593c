"""The console: what owners and marketers see of their sites."""

import json

from flask import Blueprint, abort, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_security import auth_required, current_user

from consent import reports, rights, sites, versions
from consent.db import db
from consent.views import headers, language

views = Blueprint("console", __name__, url_prefix="/console")


def members_only(blueprint: Blueprint) -> None:
    """Send whoever is not signed in to the sign-in page, and let no cache keep what the others see."""
    blueprint.before_request(auth_required("session")(language.remember))
    blueprint.after_request(headers.keep_nowhere)
    blueprint.context_processor(lambda: {"member": current_user})


members_only(views)


@views.get("/")
def index() -> ResponseReturnValue:
    """The sites of the member's organisations."""
    found = sites.sites_of(current_user)
    last = reports.today()
    totals = reports.totals([site.key for site in found], last - (reports.RECENT - 1) * reports.ONE_DAY, last)
    return render_template("console/sites.html", sites=found, totals=totals, recent=reports.RECENT)


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
    )


@views.get("/sites/<key>/requests")
def requests(key: str) -> ResponseReturnValue:
    """What visitors of a site asked for by law, and what was done; for its owner."""
    found, role = sites.site_for(current_user, key)
    if role != "owner":
        abort(403)
    return render_template("console/requests.html", site=found, requests=rights.listed(found.key))
