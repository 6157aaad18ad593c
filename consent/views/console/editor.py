"""The banner's editor: its words, its look, what they would be like, and saving them in the draft."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_decimal, gettext
from marshmallow import ValidationError
from werkzeug.exceptions import Conflict

from consent import banners, edits, experiments, look, sites, versions, wording
from consent.db import writing
from consent.gate import CATEGORIES
from consent.marks import mark
from consent.views import headers
from consent.views.console import members_only
from consent.views.console.doors import be_sure, by_user, member_of, owner_of

views = Blueprint("editor", __name__, url_prefix="/console/sites/<key>/banner")
members_only(views)

ATTEMPTS = 3  # to save, when somebody else is a moment ahead
LARGEST = 65_536  # bytes of the form: all texts in two languages, and once more what they were

# What the schemas say, for the translations: they are pure, and say it in English.
_SAID = (
    mark("Must be plain text on one line, without blanks around it."),
    mark("Is too long."),
    mark("Has a name in braces that nothing is filled in for."),
    mark("The title or the introduction has to say who asks: {controller} (B6)."),
    mark("Has to say that consent is asked (B6)."),
    mark("Has to say how consent is withdrawn, with {reopen} in it (B7)."),
    mark("Must be plain words, not all in capitals and without signs: the two choices weigh the same (B4)."),
    mark("Has to say plainly that this refuses, or that only necessary cookies are used (B11)."),
    mark("Has to say plainly that this allows or accepts (B11)."),
    mark("Must be “Reject all” or “Only necessary cookies”, which people and tools know."),
    mark("The two choices can not have the same words."),
    mark("Must be a colour such as #17497d."),
    mark("Must be an https address of a picture, without a name, a fragment or signs such as quotes in it."),
    mark("Is at a tracker, which may not be asked for anything before a choice (A2)."),
    mark("Belongs to a logo with an address."),
)


@views.url_value_preprocessor
def allow_texts(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Before anything reads the form."""
    request.max_content_length = LARGEST


@views.after_request
def allow_frame(response: Response) -> Response:
    """The editor's page frames its own preview, which has a policy of its own."""
    response.headers.setdefault("Content-Security-Policy", headers.policy(frame_src="'self'"))
    return response


@views.get("")
def page(key: str) -> ResponseReturnValue:
    """The editor with what the draft says."""
    site, role = member_of(key)
    return _page(site, role, edits.fields_of(site.draft))


@views.post("")
def save(key: str) -> ResponseReturnValue:
    """Keep what was typed in the draft; or show the page again with it: for a look, or with one field as usual."""
    if request.form.get("do", "save") != "save":
        return _shown_again(key)
    for _ in range(ATTEMPTS):
        try:
            return _saved(key)
        except sites.Stale:  # between our reading and our writing; it may be about something else than the banner
            continue
    raise Conflict


def _saved(key: str) -> ResponseReturnValue:
    base = edits.read_base(request.form.get("base", "")) or {}
    try:
        with writing():
            site = owner_of(key)
            typed = edits.typed(site.draft, request.form)
            clashes, kept = edits.compare(base, site.draft, typed)
            definition = site.draft if clashes else sites.parse_definition(edits.changed(site.draft, typed))
            if definition != site.draft:
                be_sure(site)
                sites.change(site, definition, site.revision, by_user())
    except sites.DefinitionError as error:
        return _page(owner_of(key), "owner", typed, faults=error.faults), 400
    if clashes:
        return _page(owner_of(key), "owner", kept, clashes=clashes), 409
    flash(gettext("Saved in the draft. Visitors see it once you publish."), "message")
    return redirect(url_for("editor.page", key=key), 303)


def _shown_again(key: str) -> str:
    site = owner_of(key)
    typed, do = edits.typed(site.draft, request.form), request.form["do"]
    if do in typed:
        typed[do] = edits.usual(do)
    faults: Mapping[str, str] = {}
    try:
        sites.parse_definition(edits.changed(site.draft, typed))
    except sites.DefinitionError as error:
        faults = error.faults
    return _page(site, "owner", typed, faults=faults, base=request.form.get("base"))


def _page(
    site: sites.Site, role: str, fields: Mapping[str, str], faults: Mapping[str, str] | None = None,
    clashes: list[edits.Clash] | None = None, base: str | None = None,
) -> str:
    found = {path: in_words(path, fault, fields) for path, fault in (faults or {}).items()}
    return render_template(
        "console/editor.html", site=site, role=role, fields=fields, faults=found, clashes=clashes or [],
        other_faults={path: fault for path, fault in found.items() if path not in fields},
        base=base if base is not None else edits.base_of(site.draft), usual=edits.usual, look=look,
        keys=wording.KEYS, categories=CATEGORIES, longest_purpose=wording.LONGEST_PURPOSE, names=field_names(),
        refusals=wording.REFUSALS, figures=_figures(fields), languages_of_site=site.draft["languages"],
    )


@views.app_template_filter()
def decimal(number: float) -> str:
    """As a reader writes it: 4,5 in Dutch."""
    return str(format_decimal(number, format="0.0#"))


def _colours(fields: Mapping[str, str]) -> dict[str, Any]:
    """The colours that were typed, as far as they are colours."""
    found: dict[str, dict[str, str]] = {theme: {} for theme in look.THEMES}
    for theme in look.THEMES:
        for name in look.COLOURS:
            try:
                found[theme][name] = look.Colour().deserialize(fields.get(f"look.colours.{theme}.{name}", ""))
            except ValidationError:
                continue
    return {"colours": found}


def _figures(fields: Mapping[str, str]) -> list[look.Figure]:
    return look.figures(_colours(fields))


def in_words(path: str, fault: str, fields: Mapping[str, str]) -> str:
    """What is wrong with a field, in the reader's language."""
    if not path.startswith("look.colours."):
        return str(gettext(fault))
    theme, name = path.split(".")[2:]
    low = [one for one in _figures(fields) if one.theme == theme and not one.is_enough
           and name in (one.pair.colour, one.pair.against)]
    return " ".join(gettext(
        "%(colour)s on %(against)s has a contrast of %(ratio)s; at least %(needed)s is needed (N1).",
        colour=colour_name(one.pair.colour), against=colour_name(one.pair.against).lower(),
        ratio=decimal(one.ratio), needed=decimal(one.pair.needed)) for one in low) or str(gettext(fault))


def colour_name(name: str) -> str:
    """What a colour is called."""
    return field_names()[f"look.colours.{name}"]


def field_names() -> dict[str, str]:
    """What the fields are called, by the end of their paths."""
    return {
        "title": gettext("Title"), "intro": gettext("Introduction"), "change": gettext("Changing and withdrawing"),
        "policy": gettext("Link to the privacy statement"), "accept_all": gettext("Button: allow"),
        "necessary_only": gettext("Button: refuse"), "preferences": gettext("Button: choose yourself"),
        "reopen": gettext("Button that opens the banner again"),
        "settings_intro": gettext("Introduction of the settings"), "save": gettext("Button: save"),
        "withdraw": gettext("Button: withdraw consent"), "close": gettext("Button: close"),
        "saved": gettext("Message after a choice"),
        "necessary": gettext("What is necessary"), "functional": gettext("Purpose: functional"),
        "analytics": gettext("Purpose: statistics"), "marketing": gettext("Purpose: marketing"),
        "look.position": gettext("Position"), "look.scheme": gettext("Light or dark"),
        "look.logo.url": gettext("Address of the logo"), "look.logo.alt": gettext("What the logo says"),
        "look.colours.background": gettext("Background"), "look.colours.text": gettext("Text"),
        "look.colours.muted": gettext("Small print"), "look.colours.border": gettext("Lines"),
        "look.colours.button": gettext("Buttons"), "look.colours.button_text": gettext("Text on buttons"),
        "look.colours.link": gettext("Links"),
    }


# -- the preview ------------------------------------------------------------------------------------------------------

# A page on its own: the real script, no connection to anywhere, and no way out of the frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types poort; sandbox allow-scripts"
)


@views.post("/preview")
def preview(key: str) -> ResponseReturnValue:
    """The banner with what was typed, in a frame. Nothing is kept."""
    site, _ = member_of(key)
    wish = _wish(site)
    try:
        typed = edits.typed(site.draft, request.form)
        definition = edits.parsed(edits.changed(site.draft, typed))
        version = versions.trial(site, experiments.without(definition), datetime.now(UTC))  # no variant
    except ValidationError:
        return _framed(render_template("console/preview.html", wish=wish, site=site, shown=None), "'none'")
    shown = {**wish, "config": banners.config(version, wish["language"])}
    images = definition.get("look", {}).get("logo", {}).get("url", "'none'")
    return _framed(render_template("console/preview.html", wish=wish, site=site, shown=shown), images)


def _wish(site: sites.Site) -> dict[str, Any]:
    """How the banner is to be seen."""
    languages = site.draft["languages"]
    wished = request.form.get("preview.language", "")
    return {
        "language": wished if wished in languages else site.draft["default_language"],
        "scheme": "dark" if request.form.get("preview.scheme") == "dark" else "light",
        "layer": "second" if request.form.get("preview.layer") == "second" else "first",
        "gpc": request.form.get("preview.gpc") == "on",
    }


def _framed(html: str, images: str) -> ResponseReturnValue:
    answer = make_response(html)
    # A semicolon or a comma would end the source, and a query is no part of one.
    answer.headers["Content-Security-Policy"] = _POLICY.format(images=images.split("?")[0].replace(",", "%2C"))
    answer.headers["Referrer-Policy"] = "no-referrer"
    return headers.keep_nowhere(answer)
