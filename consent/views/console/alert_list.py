"""The alerts of a site, open and over."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent import alert_words, alerts
from consent.views.console import members_only
from consent.views.console.doors import member_of

views = Blueprint("alerts", __name__, url_prefix="/console")
members_only(views)


@views.app_context_processor
def _words() -> dict[str, Any]:
    """What templates call an alert by."""
    return {"alert_title": alert_words.title, "alert_sentences": alert_words.sentences,
            "alert_advice": alert_words.advice}


@views.get("/sites/<key>/alerts")
def page(key: str) -> ResponseReturnValue:
    """The list, newest first, with what was known of each."""
    site, role = member_of(key)
    return render_template("console/alerts.html", site=site, role=role, alerts=alerts.of_site(site.key))
