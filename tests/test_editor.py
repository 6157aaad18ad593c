"""The banner's editor: what it shows and keeps and refuses, two who edit at once, and a preview that keeps nothing."""

import json
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from consent import audit, edits, look, sites, wording
from consent.db import db
from consent.versions import Version
from tests.browser.sites import HARM
from tests.pages import Browser, signed_in
from tests.shop import DEFINITION

PAGE, PREVIEW = "/console/sites/shop/banner", "/console/sites/shop/banner/preview"
ON_ONE = pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)  # what no database has to do with
pytestmark = pytest.mark.usefixtures("people")


def form_of(page: str) -> dict[str, str]:
    """The fields of the editor's form, as a browser would send them."""
    form = re.search(r'<form[^>]*id="editor".*?</form>', page, re.S)
    assert form
    inputs = re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form[0])
    areas = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', form[0], re.S)
    found = {name: unescape(value) for name, value in [*inputs, *areas]}
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options) or re.search(
            r'<option(?: value="([^"]*)")?>([^<]*)', options)
        assert chosen, name
        found[name] = unescape(chosen[1] or chosen[2])
    return found | {"confirmed": "1"}  # a file manages the shop


def draft() -> dict[str, Any]:
    db.session.rollback()
    site = db.session.get(sites.Site, "shop")
    assert site
    db.session.refresh(site)
    return dict(site.draft)


def change(definition: dict[str, Any]) -> None:
    """What somebody else does meanwhile."""
    sites.apply({**DEFINITION, **definition})
    db.session.commit()


def fault(page: str, path: str) -> str:
    """What is said at a field, which says that it is wrong."""
    field = re.search(rf'<(?:input|textarea|select)[^>]* id="{re.escape(path)}"[^>]*>', page)
    assert field
    assert 'aria-invalid="true"' in field[0]
    assert f"{path}-fault" in field[0]
    said = re.search(rf'id="{re.escape(path)}-fault">([^<]*)', page)
    assert said
    return unescape(said[1])


def test_the_form_has_all_fields_with_our_own_words_and_saving_it_as_it_is_changes_nothing(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text)
    assert form["texts.nl.title"] == "Cookies van {controller}"
    assert form["texts.en.necessary_only"] == "Only necessary cookies"
    assert form["look.position"] == "bottom"
    assert set(edits.fields_of(draft())) <= set(form)
    before = draft()
    answer = alice.post(PAGE, data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert draft() == before == sites.parse_definition(DEFINITION)
    assert db.session.scalars(select(audit.Audit).where(audit.Audit.what == "draft.change")).all() == []


def test_what_is_typed_is_in_the_draft_and_nothing_is_published(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {
        "texts.nl.title": " {controller}\r\nen cookies ", "look.position": "top", "look.colours.light.button": "#A40",
        "texts.nl.categories.analytics.purpose": "Tellen.", "look.logo.url": "https://www.shop.example/l.svg"}
    assert alice.post(PAGE, data=form).status_code == 303
    found = draft()
    assert found["texts"] == {
        "nl": {"title": "{controller} en cookies", "categories": {"analytics": {"purpose": "Tellen."}}}}
    assert found["look"] == {"position": "top", "colours": {"light": {"button": "#aa4400"}},
                             "logo": {"url": "https://www.shop.example/l.svg"}}
    assert db.session.scalar(select(func.count()).select_from(Version)) == 1
    note = db.session.scalars(select(audit.Audit).where(audit.Audit.what == "draft.change")).one()
    assert (note.details["fields"], note.via) == (["look", "texts"], "console")
    assert "in het concept. Bezoekers zien het zodra je publiceert." in alice.get(PAGE).text
    back = form_of(alice.get(PAGE).text)
    assert alice.post(PAGE, data=back | {"look.position": "bottom", "look.colours.light.button": ""}).status_code == 303
    assert draft()["look"] == {"logo": {"url": "https://www.shop.example/l.svg"}}


@ON_ONE
@pytest.mark.parametrize(("path", "typed", "said"), [
    ("texts.nl.title", "Cookies", "De titel of de inleiding moet zeggen wie het vraagt: {controller} (B6)."),
    ("texts.nl.accept_all", "🎉 TOESTAAN", "Moeten gewone woorden zijn"),
    ("look.colours.light.text", "rood", "Moet een kleur zijn zoals #17497d."),
    ("look.colours.light.text", "#999",
     "Tekst op achtergrond heeft een contrast van 2,84; nodig is minstens 4,5 (N1)."),
    ("look.colours.dark.button", "#444", "Links op achtergrond"),
    ("look.logo.url", "javascript:alert(1)", "Moet het https-adres van een plaatje zijn"),
    ("look.logo.url", "https://connect.facebook.net/l.png", "Staat bij een tracker"),
    ("look.position", "left", ""),
])
def test_a_fault_is_said_at_its_field_and_what_was_typed_stays(app: Flask, path: str, typed: str, said: str) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"texts.nl.save": "Bewaar dit", path: typed}
    before = draft()
    answer = alice.post(PAGE, data=form)
    assert answer.status_code == 400
    if said:
        assert said in fault(answer.text, "look.colours.dark.link" if path == "look.colours.dark.button" else path)
        assert form_of(answer.text)[path] == typed
    assert form_of(answer.text)["texts.nl.save"] == "Bewaar dit"
    assert draft() == before


@ON_ONE
def test_without_javascript_the_figures_are_computed_and_a_field_is_put_back_by_a_button(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"look.colours.light.text": "#777777", "texts.nl.save": "Bewaar"}
    before = draft()
    shown = alice.post(PAGE, data=form | {"do": "show"})
    assert shown.status_code == 200
    assert "<strong>4,47</strong>" in shown.text
    assert "te weinig" in shown.text
    back = alice.post(PAGE, data=form_of(shown.text) | {"do": "texts.nl.save"})
    again = form_of(back.text)
    assert (again["texts.nl.save"], again["look.colours.light.text"]) == ("Opslaan", "#777777")
    assert draft() == before


@ON_ONE
def test_two_who_edit_do_not_overwrite_each_other_silently(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"texts.nl.save": "Mijn woord", "texts.nl.close": "Weg"}
    change({"texts": {"nl": {"save": "Hun woord", "withdraw": "Trek in"}}, "look": {"position": "top"}})
    answer = alice.post(PAGE, data=form)
    assert answer.status_code == 409
    page = unescape(answer.text)
    assert "nu “Hun woord”; jij typte “Mijn woord”" in page
    assert "nu “Trek in”, overgenomen" in page
    assert "nu “Boven”, overgenomen" in page
    assert draft()["texts"]["nl"] == {"save": "Hun woord", "withdraw": "Trek in"}
    again = form_of(answer.text)
    kept = {"texts.nl.save": "Mijn woord", "texts.nl.withdraw": "Trek in", "look.position": "top"}
    assert {path: again[path] for path in kept} == kept
    assert alice.post(PAGE, data=again).status_code == 303
    assert draft()["texts"]["nl"] == {"save": "Mijn woord", "withdraw": "Trek in", "close": "Weg"}
    assert draft()["look"] == {"position": "top"}


@ON_ONE
def test_what_somebody_else_changed_elsewhere_in_the_draft_stays(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"texts.nl.save": "Bewaar"}
    change({"name": "Winkel", "trackers": [{"id": "ga4"}]})
    assert alice.post(PAGE, data=form).status_code == 303
    assert (draft()["name"], draft()["trackers"], draft()["texts"]) == (
        "Winkel", [{"id": "ga4"}], {"nl": {"save": "Bewaar"}})


@pytest.mark.parametrize("migrated", ["postgresql"], indirect=True)  # SQLite has one writer at a time
@pytest.mark.parametrize(("theirs", "status"), [({"name": "Winkel"}, 303), ({"look": {"position": "top"}}, 409)])
def test_who_saves_between_reading_and_writing_is_not_overwritten(
    app: Flask, theirs: dict[str, Any], status: int
) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"texts.nl.save": "Bewaar"}
    due = [theirs]

    def meanwhile(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE site") and due:
            other = json.dumps({**sites.parse_definition(DEFINITION), **due.pop()})
            with db.engine.connect() as second, second.begin():
                second.execute(text("UPDATE site SET revision = revision + 1, draft = :draft"), {"draft": other})

    event.listen(db.engine, "before_cursor_execute", meanwhile)
    try:
        assert alice.post(PAGE, data=form).status_code == status
    finally:
        event.remove(db.engine, "before_cursor_execute", meanwhile)
    found = draft()
    assert {name: found[name] for name in theirs} == theirs
    assert ("texts" in found) is (status == 303)


@ON_ONE
@pytest.mark.parametrize("base", ["", "{", "[]", '{"a": 1}', "[" * 20_000])
def test_a_form_that_does_not_say_what_it_has_seen_overwrites_nothing(app: Flask, base: str) -> None:
    change({"texts": {"nl": {"save": "Hun woord"}}})
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {"texts.nl.save": "Mijn woord", "base": base}
    assert alice.post(PAGE, data=form).status_code == 409
    assert draft()["texts"] == {"nl": {"save": "Hun woord"}}


def test_who_may_edit_and_who_may_look(app: Flask) -> None:
    bob, charlie, nobody = signed_in(app, "bob"), signed_in(app, "charlie"), Browser(app)
    page = bob.get(PAGE).text
    assert "<fieldset disabled>" in page
    assert 'class="main"' not in page
    token = {"csrf_token": bob.token(PAGE)}
    before = draft()
    for do in ("save", "show", "texts.nl.save"):
        assert bob.post(PAGE, data=form_of(page) | token | {"do": do}).status_code == 403
    assert bob.post(PREVIEW, data=token).status_code == 200
    theirs = {"csrf_token": charlie.token("/console/")}
    assert {charlie.post(path, data=theirs).status_code for path in (PAGE, PREVIEW)} == {404}
    assert nobody.post(PAGE, data={"csrf_token": nobody.token()}).status_code == 302
    assert draft() == before


def counted() -> dict[str, int | None]:
    tables = db.metadata.sorted_tables
    return {table.name: db.session.scalar(select(func.count()).select_from(table)) for table in tables}


def config_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="preview">(.*?)</script>', page)
    assert found
    return dict(json.loads(found[1]))


@ON_ONE
def test_the_preview_is_of_what_was_typed_and_nothing_is_stored(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text) | {
        "texts.en.title": "{controller} asks", "look.position": "top",
        "look.logo.url": "https://www.shop.example/l.svg?a,b",
        "preview.language": "en", "preview.layer": "second", "preview.scheme": "dark", "preview.gpc": "on"}
    before = draft()
    rows = counted()
    answer = alice.post(PREVIEW, data=form)
    shown = config_of(answer.text)
    assert (shown["layer"], shown["scheme"], shown["gpc"]) == ("second", "dark", True)
    assert shown["config"]["texts"]["title"] == "{controller} asks"
    assert shown["config"]["css"].startswith("#poort#poort [role=dialog]{inset:0 0 auto")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy
    assert "connect-src" not in policy  # default-src 'none' stands for it
    assert "img-src https://www.shop.example/l.svg;" in policy
    assert answer.headers["Cache-Control"] == "no-store, private"
    db.session.rollback()
    assert draft() == before
    assert counted() == rows


@ON_ONE
def test_a_preview_of_what_is_not_right_says_so(app: Flask) -> None:
    alice = signed_in(app, "alice")
    answer = alice.post(PREVIEW, data=form_of(alice.get(PAGE).text) | {"look.colours.light.text": "url(x)"})
    assert answer.status_code == 200
    assert "Er klopt nog iets niet" in answer.text
    assert "<script" not in answer.text


@ON_ONE
@pytest.mark.parametrize("field", [
    "texts.nl.title", "texts.nl.intro", "texts.nl.save", "texts.nl.categories.marketing.purpose", "look.logo.url",
    "look.logo.alt", "look.colours.light.button", "look.position", "base", "do",
])
def test_no_field_brings_markup_onto_the_console(app: Flask, field: str) -> None:
    """Threat 3: what was typed comes back as text, whether it is taken or refused."""
    alice = signed_in(app, "alice")
    harm = HARM + " toestemming {controller}"
    form = form_of(alice.get(PAGE).text) | {field: harm}
    for address in (PAGE, PREVIEW):
        page = alice.post(address, data=form, follow_redirects=True).text
        assert "<img src=x" not in page
        assert "<script>alert" not in page


@ON_ONE
def test_texts_as_long_as_they_may_be_fit_in_the_form(app: Flask) -> None:
    alice = signed_in(app, "alice")
    form = form_of(alice.get(PAGE).text)
    for path in form:
        name = path.rsplit(".", 1)[-1]
        if path.startswith("texts.") and name in wording.KEYS and name not in ("accept_all", "necessary_only"):
            begin = {"title": "{controller} ", "intro": "toestemming consent ", "change": "intrek withdraw {reopen} "}
            form[path] = (begin.get(name, "x") + "é" * 400)[:wording.KEYS[name].longest]
    assert alice.post(PAGE, data=form).status_code == 303
    assert alice.post(PAGE, data=form_of(alice.get(PAGE).text)).status_code == 303


def test_every_field_of_the_look_and_the_words_is_in_the_form() -> None:
    """A field of the definition that the editor forgets could not be edited."""
    fields = edits.fields_of(sites.parse_definition(DEFINITION))
    for theme in look.THEMES:
        assert {f"look.colours.{theme}.{name}" for name in look.COLOURS} <= set(fields)
    for language in ("nl", "en"):
        assert {f"texts.{language}.{key}" for key in wording.KEYS} <= set(fields)
    assert set(look.LookSchema().fields) == {path.split(".")[1] for path in fields if path.startswith("look.")}
