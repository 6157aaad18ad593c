"""The trackers of a site's draft: which there are, finding and adding others, and what the site says of each."""

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_decimal, get_locale, gettext, ngettext
from marshmallow import ValidationError
from sqlalchemy import select

from consent import sites, snippet_words, snippets, tracker_forms, versions
from consent.accounts import User
from consent.audit import Audit
from consent.catalogue import CATALOGUE, CATEGORIES, ROLES, marks, resolve
from consent.catalogue_search import find
from consent.db import db, writing
from consent.lifetimes import in_words
from consent.views import language
from consent.views.console import fields, members_only
from consent.views.console import words as named
from consent.views.console.doors import Unconfirmed, be_sure, by_user, member_of, owner_of
from consent.views.console.faults import said
from consent.views.console.settings import UNCONFIRMED
from consent.views.console.tracker_words import CATEGORY_NAMES, MARKS

views = Blueprint("trackers", __name__, url_prefix="/console/sites/<key>/trackers")
members_only(views)

LARGEST: Final = 400_000  # bytes of a form: a snippet of snippets.LONGEST characters, encoded, is much longer


@views.url_value_preprocessor
def take_a_snippet(*_: Any) -> None:
    """Before the check of the form's token, which reads the form."""
    request.max_content_length = LARGEST


@views.app_template_filter("lifetime")
def lifetime(duration: str) -> str:
    """A cookie's duration in words."""
    return in_words(duration, language.language())


@views.context_processor
def words() -> dict[str, Any]:
    """What the pages call things."""
    return {"category_names": CATEGORY_NAMES, "mark_names": MARKS, "catalogue": CATALOGUE, "marks": marks}


# The list -----------------------------------------------------------------------------------------------------------


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """The trackers of the draft against what is published, and the search."""
    site, role = member_of(key)
    asked = request.args.get("q", "")
    rows, gone = _compared(site)
    return render_template(
        "console/trackers.html", site=site, role=role, rows=rows, gone=gone, asked=asked,
        hits=find(asked), there={row["entry"]["id"] for row in rows}, revision=site.revision,
        categories={id: gettext(name) for id, name in CATEGORY_NAMES.items()},
        countries={code: language.country(code) for code in {row["row"].get("country") or "" for row in rows}},
    )


def _compared(site: sites.Site) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Each tracker of the draft, with how it stands to the published version; and those that it no longer has."""
    version = db.session.get(versions.Version, (site.key, site.current)) if site.current else None
    published = {row["id"]: row for row in json.loads(version.snapshot)["trackers"]} if version else {}
    rows = [_row(entry, site, published) for entry in site.draft["trackers"]]
    there = {row["entry"]["id"] for row in rows}
    return rows, [row for id, row in published.items() if id not in there]


def _row(entry: Mapping[str, Any], site: sites.Site, published: Mapping[str, Any]) -> dict[str, Any]:
    known, before = CATALOGUE.get(entry["id"]), published.get(entry["id"])
    try:
        row = resolve(entry, site.draft["jurisdiction"])
        state = "new" if before is None else "same" if _same(row, before) else "changed"
    except ValidationError:  # a newer catalogue refuses it
        row, state = {**(known or {}), **entry}, "refused"
    return {"entry": entry, "row": row, "known": known, "state": state if site.current else ""}


def _same(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether nothing differs; a version that was published before a field was there lacks it."""
    return all((row.get(name) or None) == (before.get(name) or None) for name in {*row, *before})


@views.post("/add")
def add(key: str) -> ResponseReturnValue:
    """Put trackers of the catalogue in the draft; those that are there stay as they are."""
    wanted = [id for id in dict.fromkeys(request.form.getlist("tracker")) if id in CATALOGUE]

    def with_them(definition: dict[str, Any]) -> None:
        there = {entry["id"] for entry in definition["trackers"]}
        definition["trackers"] += [{"id": id} for id in wanted if id not in there]

    try:
        _change(key, with_them)
    except sites.DefinitionError as error:
        flash(" ".join(said(fault) for fault in error.faults.values()), "block")
    else:
        flash(ngettext("%(num)d tracker is in the draft.", "%(num)d trackers are in the draft.", len(wanted)))
    return redirect(url_for(".page", key=key), 303)


@views.post("/remove")
def remove(key: str) -> ResponseReturnValue:
    """Take a tracker out of the draft, unless somebody changed the draft since the page was shown."""
    id = request.form.get("tracker", "")

    def without(definition: dict[str, Any]) -> None:
        definition["trackers"] = [entry for entry in definition["trackers"] if entry["id"] != id]

    try:
        _change(key, without, fields.revision())
    except sites.Stale:
        flash(gettext("Somebody changed the draft meanwhile, so nothing was removed. This is the draft now."), "warn")
    except sites.DefinitionError as error:
        flash(" ".join(said(fault) for fault in error.faults.values()), "block")
    else:
        flash(gettext("%(id)s is no longer in the draft.", id=id))
    return redirect(url_for(".page", key=key), 303)


def _change(key: str, make: Callable[[dict[str, Any]], None], revision: int | None = None) -> None:
    """Change the draft; without a revision, whatever it is by now. Raises Stale and DefinitionError."""
    with writing():
        site = owner_of(key)
        definition = deepcopy(site.draft)
        make(definition)
        parsed = sites.parse_definition(definition)
        if parsed != site.draft:
            be_sure(site)
        if parsed != site.draft or revision not in (None, site.revision):
            sites.change(site, parsed, site.revision if revision is None else revision, by_user())


# One tracker --------------------------------------------------------------------------------------------------------


@views.get("/new")
def new(key: str) -> ResponseReturnValue:
    """The form of a tracker of the site's own."""
    site = owner_of(key)
    values = {"hosts": request.args.get("host", "")[:253], "role": "controller"}
    return _form(site, "owner", None, values)


@views.post("/new")
def create(key: str) -> ResponseReturnValue:
    """Put a tracker of the site's own in the draft."""
    return _save(key, None)


@views.get("/of/<tracker>")
def edit(key: str, tracker: str) -> ResponseReturnValue:
    """All that is known of a tracker of the draft, and what the site says of it."""
    site, role = member_of(key)
    entry = _entry(site, tracker)
    if entry is None:
        abort(404)
    return _form(site, role, entry, tracker_forms.filled(entry, site.draft["default_language"]))


@views.post("/of/<tracker>")
def save(key: str, tracker: str) -> ResponseReturnValue:
    """Keep what the site says of a tracker."""
    return _save(key, tracker)


def _entry(site: sites.Site, id: str) -> dict[str, Any] | None:
    return next((entry for entry in site.draft["trackers"] if entry["id"] == id), None)


def _save(key: str, tracker: str | None) -> ResponseReturnValue:
    site = owner_of(key)
    values, before = request.form.to_dict(), _entry(site, tracker) if tracker else None
    if tracker and before is None:
        flash(gettext("%(id)s is no longer in the draft.", id=tracker), "warn")
        return redirect(url_for(".page", key=key), 303)
    if "more" in values:
        return _form(site, "owner", before, values, rows=int("cookies" in values["more"]) * 5)
    id = tracker or values.get("id", "").strip() or _slug(values.get("name", ""))
    spoken = site.draft["default_language"]
    if tracker is None and id in CATALOGUE:
        fault = gettext("%(id)s is in the catalogue: search for it, and add it from there.", id=id)
        return _form(site, "owner", None, values, {"id": fault}), 422
    if id not in CATALOGUE and (missing := _missing(site, values)):
        faults = dict.fromkeys(missing, "is needed for a tracker of your own")
        return _form(site, "owner", before, values, faults), 422
    given = tracker_forms.entry(id, values, before or {}, spoken)
    try:
        _change(key, lambda definition: _put(definition, tracker, given), fields.revision())
    except Unconfirmed:
        return _form(owner_of(key), "owner", before, values, {"confirmed": gettext(UNCONFIRMED)}), 422
    except sites.Stale:
        return _form(owner_of(key), "owner", _entry(owner_of(key), id), values, stale=True), 409
    except sites.DefinitionError as error:
        faults = _of_this(error.faults, owner_of(key), tracker)
        return _form(owner_of(key), "owner", before, values, tracker_forms.at_fields(faults, values, spoken)), 422
    flash(gettext("%(name)s is kept in the draft.", name=given.get("name") or CATALOGUE[id]["name"]))
    return redirect(url_for(".page", key=key, _anchor=f"tracker-{id}"), 303)


def _missing(site: sites.Site, values: Mapping[str, str]) -> list[str]:
    """What of an own tracker is not said, with its purpose in the languages of the site."""
    needed = (*_NEEDED, *(f"purpose_{language}" for language in site.draft["languages"]))
    return [name for name in needed if not values.get(name, "").strip()]


def _slug(name: str) -> str:
    """An id made of a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")


def _put(definition: dict[str, Any], tracker: str | None, given: dict[str, Any]) -> None:
    if tracker is None:
        definition["trackers"].append(given)
    else:
        definition["trackers"] = [given if entry["id"] == tracker else entry for entry in definition["trackers"]]


def _of_this(faults: Mapping[str, str], site: sites.Site, tracker: str | None) -> dict[str, str]:
    """The faults with the paths of the tracker's own fields."""
    ids = [entry["id"] for entry in site.draft["trackers"]]
    mine = f"trackers.{ids.index(tracker) if tracker else len(ids)}."
    return {path.removeprefix(mine): fault for path, fault in faults.items()}


def _form(
    site: sites.Site, role: str, entry: Mapping[str, Any] | None, values: Mapping[str, str],
    faults: Mapping[str, str] | None = None, stale: bool = False, rows: int = 0,
) -> str:
    known = CATALOGUE.get(entry["id"]) if entry else None
    shown = {name: said(fault) for name, fault in (faults or {}).items()}
    fields = {*values, *_FIELDS}
    return render_template(
        "console/tracker.html", site=site, role=role, entry=entry, known=known, values=values, faults=shown,
        elsewhere={path: fault for path, fault in shown.items() if path not in fields},
        categories=[one for one in CATEGORIES if one != "necessary" or _may_be_necessary(known)], roles=ROLES,
        units=tracker_forms.UNITS, countries=_countries(), changed=_changed(site, entry, values) if stale else None,
        rows={kind: _numbers(values, kind, rows) for kind in ("cookie", "key")}, revision=site.revision,
        opened=json.dumps(entry, ensure_ascii=False) if entry else "",
    )


_FIELDS: Final = frozenset({
    "id", "name", "vendor", "country", "role", "category", "exempt", "reason_nl", "reason_en", "session_replay",
    "transfer", "agreement", "agreement_date", "agreement_url", "hosts", "paths", "cookies", "storage", "elements",
    "embed", "purpose_nl", "purpose_en", "policy_url", "confirmed",
})
_NEEDED: Final = ("name", "vendor", "country", "category")


def _may_be_necessary(known: Any) -> bool:
    # A6. The schema refuses it as well; here it is not even offered.
    return known is None or (known["category"] not in ("analytics", "marketing") and not known["session_replay"])


def _numbers(values: Mapping[str, str], kind: str, more: int) -> range:
    used = (number for number in range(tracker_forms.MOST_ROWS) if values.get(f"{kind}_{number}_name"))
    last = max(used, default=-1)
    return range(min(tracker_forms.MOST_ROWS, last + 1 + tracker_forms.SPARE + more))


def _countries() -> list[tuple[str, str]]:
    """The countries of ISO 3166-1, by their names."""
    territories = get_locale().territories
    found = [(code, name) for code, name in territories.items()
             if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES]
    return sorted(found, key=lambda one: str(one[1]))


_NO_COUNTRIES: Final = frozenset({
    "AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UK", "UN", "XA", "XB", "XK", "ZZ",
})


def _changed(site: sites.Site, entry: Mapping[str, Any] | None, values: Mapping[str, str]) -> dict[str, Any]:
    """What somebody else did meanwhile: who and when, the parts of the draft, and the fields of this tracker."""
    since = max(0, site.revision - max(0, fields.revision()))
    done = select(Audit.details, User.email).outerjoin(User, User.id == Audit.user_id).where(
        Audit.organisation_id == site.organisation_id, Audit.subject == site.key, Audit.what == "draft.change",
    ).order_by(Audit.at.desc(), Audit.id.desc()).limit(min(since, 20))
    rows = db.session.execute(done).all()
    return {
        "at": site.edited_at, "who": sorted({email for _, email in rows if email}), "managed": site.managed,
        "parts": sorted({named.field(part) for details, _ in rows for part in details.get("fields", ())}),
        "fields": _differing(entry, values.get("opened", "")),
    }


def _differing(entry: Mapping[str, Any] | None, opened: str) -> dict[str, str]:
    """The fields of the tracker that are otherwise now, as JSON; empty when it was not there before."""
    try:
        was = json.loads(opened)
    except ValueError:
        was = None
    if not isinstance(was, dict) or entry is None:
        return {}
    names = [name for name in {**entry, **was} if entry.get(name) != was.get(name)]
    return {name: json.dumps(entry.get(name), ensure_ascii=False) for name in names}


# A vendor's snippet -------------------------------------------------------------------------------------------------


@views.get("/paste")
def paste(key: str) -> ResponseReturnValue:
    """Where a snippet is pasted."""
    site, role = member_of(key)
    return render_template("console/snippet.html", site=site, role=role, source="", found=None, fault=None)


@views.post("/paste")
def recognise(key: str) -> ResponseReturnValue:
    """The form of the snippet that waits for consent. Nothing of it is kept."""
    site, role = member_of(key)
    source = request.form.get("snippet", "")
    own = [entry for entry in site.draft["trackers"] if entry["id"] not in CATALOGUE]
    try:
        found, fault = snippets.recognise(source, own) if source.strip() else None, None
    except snippets.TooLong:
        most = format_decimal(snippets.LONGEST)
        found, fault = None, gettext("This is more than a snippet: paste %(number)s characters at most.", number=most)
    there = {entry["id"] for entry in site.draft["trackers"]}
    names = {entry["id"]: entry["name"] for entry in own} | {id: row["name"] for id, row in CATALOGUE.items()}
    return render_template(
        "console/snippet.html", site=site, role=role, source=source, found=found, fault=fault, names=names,
        absent=[id for id in found.trackers if id not in there] if found else [], words=snippet_words,
    ), 422 if fault else 200
