"""Checking and publishing a draft: what it changes, what is wrong with it, and the button; or dropping the changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError

from consent import differences, history, linter, sites, versions
from consent.changes import Change
from consent.db import writing
from consent.sign_in import present
from consent.sites import Site
from consent.views.console import faults, fields, members_only, words
from consent.views.console.doors import be_sure, by_user, fresh, member_of, owner_of

views = Blueprint("publishing", __name__, url_prefix="/console/sites/<key>")
members_only(views)

REASON = "reason:"  # before a finding's key, in the form


@dataclass
class Told:
    """What went wrong with an attempt: shown on top of the page."""

    stale: bool = False
    unexplained: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


@views.get("/publish")
def page(key: str) -> ResponseReturnValue:
    """What publishing the draft would change, what the check finds, and the button that does it."""
    return _page(*member_of(key), Told())


@views.post("/publish")
@fresh
def publish(key: str) -> ResponseReturnValue:
    """Publish the draft that the form has shown; when it is another one by now, show that instead."""
    reasons = reasons_typed()
    try:
        with writing():
            site = owner_of(key)
            shown = request.form.get("digest") == versions.preview(site)[0]
            if shown:
                versions.publish(site, datetime.now(UTC), by_user(), reasons)
    except (IntegrityError, ValidationError):  # somebody was first; or a newer catalogue refuses it
        shown = False
    except linter.Unexplained:
        return _page(*member_of(key), Told(unexplained=True, reasons=reasons)), 422
    except linter.Blocked:
        return _page(*member_of(key), Told(reasons=reasons)), 422
    if not shown:
        return _page(*member_of(key), Told(stale=True, reasons=reasons)), 409
    flash(gettext("Published. Visitors see it within a second."))
    return redirect(url_for("console.site", key=key), 303)


@views.post("/publish/discard")
def discard(key: str) -> ResponseReturnValue:
    """Drop what the draft changes: it is what is published again."""
    try:
        with writing():
            site = owner_of(key)
            be_sure(site)
            history.discard(site, fields.revision(), by_user())
    except sites.Stale:
        return _page(*member_of(key), Told(stale=True)), 409
    except sites.DefinitionError as error:
        return _page(*member_of(key), Told(faults=faults.in_words(error.faults))), 422
    flash(gettext("The draft is what is published again."))
    return redirect(url_for("publishing.page", key=key), 303)


def reasons_typed() -> dict[str, str]:
    """The reasons of soft findings, as the form names them."""
    return {
        name.removeprefix(REASON): " ".join(text.split())
        for name, text in request.form.items() if name.startswith(REASON) and text.strip()
    }


def _page(site: Site, role: str, told: Told) -> str:
    digest, refused = "", dict(told.faults)
    changes: list[Change] = []
    findings: list[linter.Finding] = []
    version = history.current(site)
    try:
        digest, changes = versions.preview(site)
        findings = linter.check(site.draft)
    except ValidationError as error:
        refused = faults.in_words(sites.flatten(error.messages))
    return render_template(
        "console/publish.html", site=site, role=role, digest=digest, told=told, faults=refused,
        changes=[one.as_json() for one in changes], number=(site.current or 0) + 1,
        nothing=version is not None and digest == version.digest, editor=history.editor(site),
        rows=differences.between(history.definition_of(version), site.draft) if version else [],
        **checked(findings, {**((version.reasons if version else None) or {}), **told.reasons}, told.unexplained),
    )


def by_rule(findings: list[linter.Finding]) -> list[list[linter.Finding]]:
    """Those of one rule together: why is said once."""
    return [list(some) for _, some in groupby(findings, key=lambda found: found.rule)]


def checked(findings: list[linter.Finding], reasons: Mapping[str, str], asked: bool) -> dict[str, Any]:
    """For templates: the findings, hard and soft, with the reasons that are known and whether one is missing."""
    hard, soft = ([found for found in findings if found.hard is wanted] for wanted in (True, False))
    given = {found.key: reasons.get(found.key) or found.reason or "" for found in soft}
    return {
        "hard": by_rule(hard), "soft": by_rule(soft), "counted": (len(hard), len(soft)), "given": given,
        "lacking": {key for key, reason in given.items() if asked and not reason},
        "guaranteed": linter.guaranteed(), "longest": linter.LONGEST_REASON, "rules": linter.all_rules(),
        "proven": present().is_fresh(datetime.now(UTC)),
        "named": words.field, "shown": words.value,
    }
