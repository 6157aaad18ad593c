"""The experiment of a site: make one, see what it will take, start it by publishing, follow it, and end it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_decimal, gettext
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError

from consent import decisions, edits, endings, experiments, linter, look, results, sites, variant_fields
from consent.db import writing
from consent.marks import mark
from consent.sign_in import present
from consent.sites import NotFound, Site
from consent.views.console import editor, members_only
from consent.views.console.doors import be_sure, by_user, fresh, member_of, owner_of
from consent.views.console.fields import revision

views = Blueprint("experiment", __name__, url_prefix="/console/sites/<key>/experiment")
members_only(views)

LARGEST = 65_536  # bytes of the form: three variants in two languages

# What the schemas say, for the translations.
_SAID = (
    mark("Use 1 to 31 lower-case letters, digits and hyphens."),
    mark("Must be two to four variants: the first is the banner as it is."),
    mark("Names a variant twice."),
    mark("Has no words or look of its own: the first variant is the banner as the definition makes it."),
    mark("Needs words or a look of its own, or it is the first variant once more."),
    mark("Was the name of another experiment of this site, whose numbers it would add to. Give it a new name."),
    mark("Makes the same banner as another variant."),
    mark("Must be a number from 0.5 to 50: the smallest difference that matters, in points."),
)
STALE = mark("Somebody else changed the site meanwhile. Nothing of yours was stored; look at what it is now.")


@views.url_value_preprocessor
def allow_texts(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Before anything reads the form."""
    request.max_content_length = LARGEST


@views.app_template_filter()
def points(difference: float) -> str:
    """A difference of shares in points of a hundred, with its sign."""
    return str(format_decimal(100 * difference, format="+0.0;−0.0"))


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """What runs, what the draft has, or the form to make one; `?id=` an earlier one."""
    site, role = member_of(key)
    return _page(site, role)


@views.post("")
def save(key: str) -> ResponseReturnValue:
    """Put what was typed in the draft, with its plan; or only show the plan."""
    site = owner_of(key)
    fields = variant_fields.typed(site.draft, request.form)
    try:
        definition = _defined(site, fields)
        if request.form.get("do") != "save":
            return _page(site, "owner", fields, shown=definition)
        with writing():
            site = owner_of(key)
            be_sure(site)
            sites.change(site, _defined(site, fields), revision(), by_user())
    except sites.DefinitionError as error:
        return _page(owner_of(key), "owner", fields, faults=error.faults), 422
    except sites.Stale:
        flash(gettext(STALE), "warn")
        return _page(owner_of(key), "owner", fields), 409
    flash(gettext("The experiment is in the draft. It starts when you publish."))
    return redirect(url_for("experiment.page", key=key), 303)


def _defined(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    """The draft with the experiment, as long as its plan; raises DefinitionError."""
    made = variant_fields.made(site.draft, fields)
    definition = sites.parse_definition({**site.draft, "experiment": made})
    found = definition["experiment"]
    plan = results.plan(site, found["goal"], found["smallest"], results.shares_of(found))
    return sites.parse_definition({**definition, "experiment": {**found, "showings": max(plan.showings, 1_000)}})


@views.post("/drop")
def drop(key: str) -> ResponseReturnValue:
    """Take the experiment out of the draft; one that runs goes on until that is published."""
    try:
        with writing():
            site = owner_of(key)
            be_sure(site)
            sites.change(site, sites.parse_definition(experiments.without(site.draft)), revision(), by_user())
    except sites.Stale:
        flash(gettext(STALE), "warn")
        return _page(owner_of(key), "owner"), 409
    flash(gettext("The experiment is no longer in the draft."))
    return redirect(url_for("experiment.page", key=key), 303)


@views.post("/end")
@fresh
def end(key: str) -> ResponseReturnValue:
    """Publish the variant that is kept; the first one is the banner as it was."""
    name, variant = request.form.get("id", ""), request.form.get("variant", "")
    try:
        with writing():
            site = owner_of(key)
            be_sure(site)
            endings.end(site, name, variant, datetime.now(UTC), by_user())
    except (endings.Pending, linter.Unexplained, linter.Blocked, ValidationError, sites.DefinitionError):
        return _kept(key, name, variant)
    except (IntegrityError, sites.Stale):  # somebody was first
        flash(gettext(STALE), "warn")
        return redirect(url_for("experiment.page", key=key), 303)
    flash(gettext("Published: visitors see variant %(variant)s within a second. The experiment is over.",
                  variant=variant))
    return redirect(url_for("experiment.page", key=key, id=name), 303)


def _kept(key: str, name: str, variant: str) -> ResponseReturnValue:
    """What can not be published without a look goes to the draft."""
    try:
        with writing():
            endings.keep(owner_of(key), name, variant, by_user())
    except (sites.Stale, sites.DefinitionError):
        flash(gettext(STALE), "warn")
        return redirect(url_for("experiment.page", key=key), 303)
    flash(gettext("Nothing is published yet: variant %(variant)s is in the draft, with what else changed there. Look "
                  "at all of it, and publish.", variant=variant), "warn")
    return redirect(url_for("publishing.page", key=key), 303)


# -- the page ---------------------------------------------------------------------------------------------------------

def _page(
    site: Site, role: str, fields: Mapping[str, str] | None = None, faults: Mapping[str, str] | None = None,
    shown: Mapping[str, Any] | None = None,
) -> str:
    """`shown`: the draft as it would be, for a look at its plan; else what the draft has."""
    names, current = results.names(site), results.running(site)
    asked = request.args.get("id") or current
    result = _result(site, asked, names)
    definition = shown or site.draft
    experiment = experiments.experiment_of(definition)
    waits = experiment is not None and experiment["id"] != current
    return render_template(
        "console/experiment.html", site=site, role=role, result=result, current=current, names=names, asked=asked,
        experiment=experiment if waits else None, plan=_plan(site, experiment) if waits else None,
        trial=shown is not None, hard=[one for one in linter.check(definition) if one.hard] if waits else [],
        banners=_banners(site, definition, experiment), proven=present().is_fresh(datetime.now(UTC)),
        costs=results.COSTS, **_form(site, fields, faults or {}, names))


def _result(site: Site, asked: str | None, names: list[str]) -> results.Result | None:
    if asked is None:
        return None
    if asked not in names:
        raise NotFound("There is no such experiment.")
    return results.result(site, asked)


def _plan(site: Site, experiment: Mapping[str, Any] | None) -> decisions.Plan | None:
    if experiment is None:
        return None
    return results.plan(site, experiment["goal"], experiment["smallest"], results.shares_of(experiment))


def _banners(site: Site, definition: Mapping[str, Any], experiment: Any) -> dict[str, dict[str, str]]:
    """What the preview needs of each variant, by its id."""
    if experiment is None:
        return {}
    return {id: edits.fields_of(made) for id, made in experiments.variants(definition).items()}


def _form(
    site: Site, fields: Mapping[str, str] | None, faults: Mapping[str, str], names: list[str]
) -> dict[str, Any]:
    """What the form is drawn with."""
    filled = fields or variant_fields.fields_of(site.draft, experiments.experiment_of(site.draft))
    filled = {**filled, "id": filled["id"] or f"e{len(names) + 1}"}
    made = variant_fields.made(site.draft, filled)["variants"]
    places = {variant_fields.place_of(path, made): _said(path, fault, site, filled, made)
              for path, fault in faults.items()}
    return {
        "fields": filled, "faults": {path: fault for path, fault in places.items() if path in filled},
        "other_faults": {path: fault for path, fault in places.items() if path not in filled},
        "base": edits.fields_of(site.draft), "ids": variant_fields.IDS, "words": variant_fields.words(),
        "field_names": editor.field_names(), "look": look, "goals": experiments.GOALS,
        "open": {id for id in variant_fields.IDS if any(v for path, v in filled.items() if path.startswith(f"{id}."))},
    }


def _said(path: str, fault: str, site: Site, fields: Mapping[str, str], made: list[dict[str, Any]]) -> str:
    """A fault in the reader's language; of a colour with the figures of the variant's whole look."""
    id, _, rest = variant_fields.place_of(path, made).partition(".")
    whole = {**edits.fields_of(site.draft), **{
        name.removeprefix(f"{id}."): value for name, value in fields.items() if name.startswith(f"{id}.") and value}}
    return editor.in_words(rest, fault, whole) if rest.startswith("look.colours.") else str(gettext(fault))
