"""The settings of a site: all of its definition that is not trackers, texts or look; and the whole of it as JSON."""

import json
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from consent import differences, history, records, sites
from consent.db import writing
from consent.marks import mark
from consent.sites import Site
from consent.views.console import faults, fields, members_only, words
from consent.views.console.doors import by_user, member_of, owner_of

views = Blueprint("settings", __name__, url_prefix="/console/sites/<key>")
members_only(views)

UNCONFIRMED = mark("Confirm that you change here what a file manages.")


class _Refused(Exception):
    """What was typed is not stored: what is wrong, by field."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__()
        self.faults = found


@views.get("/settings")
def page(key: str) -> ResponseReturnValue:
    """The form, with what the draft says; a marketer reads it."""
    site, role = member_of(key)
    return _form(site, role, fields.shown(site.draft))


@views.post("/settings")
def save(key: str) -> ResponseReturnValue:
    """Change the draft. When somebody else changed the same meanwhile, nothing is stored and both are shown."""
    typed, base = fields.typed(request.form), fields.unpacked(request.form.get("base", ""))
    try:
        with writing():
            site = owner_of(key)
            _be_confirmed(site)
            current = fields.shown(site.draft)
            if fields.revision() != site.revision and base != current:
                raise sites.Stale
            definition = sites.parse_definition(fields.put(site.draft, typed))
            changed = definition != site.draft
            if changed:
                sites.change(site, definition, site.revision, by_user())
    except sites.DefinitionError as error:
        return _form(owner_of(key), "owner", typed, faults.in_words(error.faults)), 422
    except _Refused as refused:
        return _form(owner_of(key), "owner", typed, refused.faults), 422
    except sites.Stale:
        site = owner_of(key)
        current = fields.shown(site.draft)
        theirs = differences.between(base, current)
        return _form(site, "owner", differences.merged(base, typed, current), theirs=theirs), 409
    flash(gettext("The draft is changed. Visitors see it once it is published.") if changed else
          gettext("Nothing was changed."))
    return redirect(url_for("settings.page", key=key), 303)


def _be_confirmed(site: Site) -> None:
    if site.managed == "file" and not request.form.get("confirmed"):
        raise _Refused({"confirmed": gettext(UNCONFIRMED)})


def _form(
    site: Site, role: str, typed: dict[str, Any], found: dict[str, str] | None = None,
    theirs: list[differences.Difference] | None = None,
) -> str:
    return render_template(
        "console/settings.html", site=site, role=role, typed=typed, faults=found or {}, theirs=theirs or [],
        editor=history.editor(site) if theirs else None, base=fields.packed(fields.shown(site.draft)),
        names=(*fields.ALL, "confirmed"), named=words.field, shown=words.value,
    )


# The definition as JSON -----------------------------------------------------------------------------------------------


@views.get("/settings/json")
def as_json(key: str) -> ResponseReturnValue:
    """The draft as text, to change and to upload."""
    site, role = member_of(key)
    return _text(site, role, _printed(site.draft))


@views.get("/definition.json")
def download(key: str) -> ResponseReturnValue:
    """The draft as a file, as `flask site export` prints it."""
    site, _ = member_of(key)
    kept = {"Content-Disposition": f'attachment; filename="{site.key}.json"'}
    return Response(_printed(site.draft) + "\n", headers=kept, content_type="application/json")


@views.post("/settings/json")
def save_json(key: str) -> ResponseReturnValue:
    """Make what was typed or uploaded the draft."""
    upload = request.files.get("file")
    raw = upload.read() if upload is not None and upload.filename else request.form.get("definition", "").encode()
    text = raw.decode("utf-8", "replace")
    try:
        with writing():
            site = owner_of(key)
            _be_confirmed(site)
            definition = _parsed(site, raw)
            changed = definition != site.draft
            if changed:
                sites.change(site, definition, fields.revision(), by_user())
    except sites.DefinitionError as error:
        return _text(owner_of(key), "owner", text, faults.in_words(error.faults)), 422
    except _Refused as refused:
        return _text(owner_of(key), "owner", text, refused.faults), 422
    except sites.Stale:
        site = owner_of(key)
        mine = _as_far_as_it_reads(raw)
        theirs = differences.between(mine, site.draft) if mine else []
        return _text(site, "owner", text, {}, theirs, stale=True), 409
    flash(gettext("The draft is changed. Visitors see it once it is published.") if changed else
          gettext("Nothing was changed."))
    return redirect(url_for("settings.as_json", key=key), 303)


def _parsed(site: Site, raw: bytes) -> dict[str, Any]:
    try:
        data = records.parse_json(raw)
    except records.Refused as error:
        raise _Refused({"definition": gettext("This is not JSON: %(why)s", why=error.message)}) from error
    definition = sites.parse_definition(data)
    for name, own in (("key", site.key), ("organisation", site.organisation.name)):
        if definition[name] != own:
            raise _Refused({name: gettext("Has to stay %(own)s.", own=own)})
    return definition


def _as_far_as_it_reads(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _printed(definition: dict[str, Any]) -> str:
    return json.dumps(definition, indent=2, ensure_ascii=False)


def _text(
    site: Site, role: str, text: str, found: dict[str, str] | None = None,
    theirs: list[differences.Difference] | None = None, stale: bool = False,
) -> str:
    return render_template(
        "console/definition.html", site=site, role=role, text=text, faults=found or {}, theirs=theirs or [],
        stale=stale, editor=history.editor(site) if stale else None, named=words.field, shown=words.value,
    )
