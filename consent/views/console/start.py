"""The first hour: the organisation, and a new site from an address and a profile."""

from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user
from sqlalchemy.exc import IntegrityError

from consent import accounts, beginnings, sites
from consent.db import writing
from consent.marks import mark
from consent.views.console import faults, members_only, words
from consent.views.console.doors import by_user
from consent.views.console.fields import lines

views = Blueprint("start", __name__, url_prefix="/console")
members_only(views)

FIELDS = ("name", "address", "key", "origins", "cookie_domain", "controller.name", "controller.email",
          "controller.policy_url", "start", "organisation")

TAKEN = "There is an organisation with this name already; ask its owner for an invitation."  # as accounts.py says it


@views.get("/organisation")
def organisation() -> ResponseReturnValue:
    """For a user who is in no organisation yet: what is it called?"""
    if current_user.memberships:
        return redirect(url_for("console.index"))
    if not beginnings.may_found(current_user):
        return _closed()
    return _organisation("", None)


@views.post("/organisation")
def create_organisation() -> ResponseReturnValue:
    """Make it, and go on to its first site."""
    name = request.form.get("name", "").strip()
    try:
        with writing():
            beginnings.found_organisation(current_user, name, by_user())
    except beginnings.BadBeginning as fault:
        return _organisation(name, faults.said(fault.sentence)), 422
    except beginnings.NotOpen:
        return _closed()
    except IntegrityError:  # somebody was first
        return _organisation(name, faults.said(TAKEN)), 422
    return redirect(url_for("start.new"), 303)


def _closed() -> ResponseReturnValue:
    return render_template("console/organisation.html", closed=True), 403


def _organisation(name: str, fault: str | None) -> str:
    return render_template("console/organisation.html", typed={"name": name}, faults={"name": fault} if fault else {})


@views.get("/new")
def new() -> ResponseReturnValue:
    """The form of a new site; for owners."""
    if not current_user.memberships:
        return redirect(url_for("start.organisation"))
    owned = _owned()
    typed = {"controller.name": owned[0].name, "languages": list(sites.LANGUAGES)}
    return _form(owned, typed, {})


@views.post("/new")
def create() -> ResponseReturnValue:
    """Make the site, and show what is left to do; or let Poort look at its pages first."""
    owned = _owned()
    typed: dict[str, Any] = {name: request.form.get(name, "").strip() for name in FIELDS}
    typed["languages"] = request.form.getlist("languages")
    try:
        with writing():
            site = sites.create(_definition(owned, typed), _chosen(owned, typed["organisation"]), by_user())
            key, guessed = site.key, beginnings.has_own(site.draft)
    except beginnings.BadBeginning as fault:
        return _form(owned, typed, {fault.field: faults.said(fault.sentence)}), 422
    except sites.DefinitionError as error:
        return _form(owned, typed, faults.in_words(error.faults)), 422
    except IntegrityError:  # somebody took the key meanwhile
        return _form(owned, typed, {"key": gettext("This key is taken.")}), 422
    flash(gettext("The site is there. Below is what is left to do."))
    if guessed:
        flash(gettext("The profile names services of your own. Look at their hosts and cookies under Trackers: they "
                      "are a guess."), "note")
    look = typed["start"] == beginnings.LOOK and _can_look()
    return redirect(url_for("scans.page" if look else "console.site", key=key), 303)


def _owned() -> list[accounts.Organisation]:
    """The organisations in which the member may make a site; 403 for who may in none."""
    found = beginnings.owned(current_user)
    if not found:
        abort(403)
    return found


def _chosen(owned: list[accounts.Organisation], id: str) -> accounts.Organisation:
    return next((each for each in owned if str(each.id) == id), owned[0])


def _definition(owned: list[accounts.Organisation], typed: dict[str, Any]) -> dict[str, Any]:
    """What was typed, with what follows from it, as a definition; raises BadBeginning and DefinitionError."""
    proposed, domain = ([], None) if typed["origins"] else beginnings.where(typed["address"])
    key = typed["key"] or beginnings.key_for(typed["name"])
    if not beginnings.is_free(key):
        raise beginnings.BadBeginning("key", mark("This key is taken."))
    if typed["start"] not in (*beginnings.PROFILES, beginnings.EMPTY, beginnings.LOOK):
        raise beginnings.BadBeginning("start", mark("Choose what to begin with."))
    languages = typed["languages"]
    own = {
        "key": key, "name": typed["name"], "organisation": _chosen(owned, typed["organisation"]).name,
        "controller": {name: typed[f"controller.{name}"] for name in ("name", "email", "policy_url")},
        "origins": lines(typed["origins"]) or proposed, "cookie_domain": typed["cookie_domain"] or domain,
        "languages": languages, "default_language": languages[0] if languages else "nl",
    }
    return sites.parse_definition(beginnings.from_profile(typed["start"], own))


def _can_look() -> bool:
    return "scans.page" in current_app.view_functions


def _form(owned: list[accounts.Organisation], typed: dict[str, Any], found: dict[str, str]) -> str:
    return render_template(
        "console/new.html", organisation_options=[(str(each.id), each.name) for each in owned], typed=typed,
        faults=found, profiles=beginnings.PROFILES, can_look=_can_look(), named=words.field,
    )
