"""The versions of a site: all of them, one of them, what is different between two, and publishing an old one again."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError

from consent import differences, history, linter, sites, versions
from consent.db import writing
from consent.numbers import number
from consent.sites import Site
from consent.views.console import faults, members_only, words
from consent.views.console.doors import be_sure, by_user, fresh, member_of, owner_of
from consent.views.console.publishing import checked, reasons_typed

views = Blueprint("history", __name__, url_prefix="/console/sites/<key>/versions")
members_only(views)


def _number(text: str) -> int:
    """The number of a version, 0 for none, -1 for what is no number."""
    found = number(text or "0")
    return -1 if found is None else found


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """All versions, newest first; `?before=N`: the older ones."""
    site, role = member_of(key)
    before = _number(request.args.get("before", ""))
    found = history.listed(site, before if before > 0 else None, history.PAGE + 1)
    return render_template(
        "console/versions.html", site=site, role=role, versions=found[:history.PAGE],
        older=found[history.PAGE - 1].number if len(found) > history.PAGE else None, paged=before > 0,
        numbers=history.numbers(site),
    )


@views.get("/<int:number>")
def version(key: str, number: int) -> ResponseReturnValue:
    """One version: who, when, what it changed, why its soft findings are right, and all that it says."""
    site, role = member_of(key)
    found = history.version_of(site, number)
    snapshot = history.snapshot_of(found)
    before = found.since.get("previous", number - 1)
    return render_template(
        "console/version.html", site=site, role=role, version=found, trackers=snapshot["trackers"],
        rows=[(name, words.value(value)) for name, value in _settings(snapshot["definition"])],
        by=history.listed(site, number + 1, 1)[0].email, before=before, until=versions.ended_at(site.key, number),
        rules=linter.all_rules(), named=words.field,
    )


def _settings(definition: dict[str, Any]) -> list[tuple[str, Any]]:
    """Every field with a value but the trackers, by its path."""
    found = differences.between({}, {name: value for name, value in definition.items() if name != "trackers"})
    return [(words.field(each.path), each.after) for each in found]


@views.get("/compare")
def compare(key: str) -> ResponseReturnValue:
    """`?from=1&to=3`: field by field; `to=draft`, or nothing: the draft."""
    site, role = member_of(key)
    one, other = request.args.get("from", ""), request.args.get("to", "")
    before, after = _definition(site, one or str(site.current or "")), _definition(site, other)
    return render_template(
        "console/compare.html", site=site, role=role, one=one or str(site.current), other=other or "draft",
        rows=differences.between(before, after), numbers=history.numbers(site), named=words.field, shown=words.value,
    )


def _definition(site: Site, text: str) -> dict[str, Any]:
    if text in ("", "draft"):
        return dict(site.draft)
    return history.definition_of(history.version_of(site, _number(text)))


@views.get("/<int:number>/restore")
def restoring(key: str, number: int) -> ResponseReturnValue:
    """What publishing this version again would change, and the button that does it; for owners."""
    return _restoring(owner_of(key), number)


@views.post("/<int:number>/restore")
@fresh
def restore(key: str, number: int) -> ResponseReturnValue:
    """Publish it again, as a new version."""
    reasons = reasons_typed()
    try:
        with writing():
            site = owner_of(key)
            be_sure(site)
            made, new = history.restore(
                site, number, _number(request.form.get("revision", "")), datetime.now(UTC), by_user(), reasons)
            published = made.number
    except sites.DefinitionError:
        return _restoring(owner_of(key), number), 422
    except (sites.Stale, IntegrityError):
        return _restoring(owner_of(key), number, stale=True, reasons=reasons), 409
    except linter.Blocked:
        return _restoring(owner_of(key), number, reasons=reasons), 422
    except linter.Unexplained:
        return _restoring(owner_of(key), number, reasons=reasons, unexplained=True), 422
    flash(gettext("Version %(new)s brings back version %(old)s.", new=published, old=number) if new else
          gettext("Version %(number)s says the same already.", number=published))
    return redirect(url_for("history.page", key=key), 303)


def _restoring(
    site: Site, number: int, stale: bool = False, unexplained: bool = False, reasons: dict[str, str] | None = None
) -> str:
    if not site.current:
        abort(404)
    old = history.version_of(site, number)
    current = history.version_of(site, site.current)
    found: dict[str, str] = {}
    definition = history.definition_of(old)
    changes, findings = [], []
    try:
        definition = history.again(site, number)
        changes = [change.as_json() for change in history.would_change(site, definition)]
        findings = linter.check(definition)
    except sites.DefinitionError as error:
        found = faults.in_words(error.faults)
    except ValidationError as error:
        found = faults.in_words(sites.flatten(error.messages))
    return render_template(
        "console/restore.html", site=site, role="owner", version=old, faults=found, changes=changes, stale=stale,
        unexplained=unexplained, number=current.number + 1,
        rows=differences.between(history.definition_of(current), definition),
        lost=differences.between(history.definition_of(current), site.draft),
        **checked(findings, {**(old.reasons or {}), **(reasons or {})}, unexplained),
    )
