"""The form of a site's settings: what is kept, what is refused and where, who may, and what is typed stays text."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask

from consent import sites
from consent.views.console import fields
from tests.pages import signed_in
from tests.shop import DEFINITION
from tests.test_console import XSS, text
from tests.test_drafts import PUBLISH, SETTINGS, filled, publish, site


@pytest.fixture(params=["sqlite"])
def migrated(request: pytest.FixtureRequest, applications: Any) -> Flask:
    """Once: the database does not matter here."""
    found: Flask = applications(request.param)
    return found


class Markup(HTMLParser):
    """What of a page a browser would run: an attribute's value is no markup, whatever it holds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.runs: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handlers, styles, scripts without an address, and addresses that are code."""
        told = dict(attrs)
        if tag in ("style", "iframe", "object") or (tag == "script" and not (told.get("src") or "").startswith("/")):
            self.runs.append((tag, attrs))
        self.runs += [(tag, name, value) for name, value in attrs if name.startswith("on") or name == "style" or
                      ((value or "").strip().lower().startswith("javascript:") and name in ("href", "src", "action"))]


# The form -------------------------------------------------------------------------------------------------------------

@pytest.mark.usefixtures("people")
def test_a_form_that_nobody_changed_changes_nothing(app: Flask) -> None:
    alice, before = signed_in(app, "alice"), site().revision
    assert alice.post(SETTINGS, data=filled(alice)).status_code == 303
    assert site().revision == before
    everything = {
        **DEFINITION, "policy": {"date": "2026-10-01", "material": False, "affects": []}, "languages": ["en", "nl"],
        "claim_days": 365, "request_working_days": 5, "google_consent_mode": "basic",
        "controller": {**DEFINITION["controller"], "address": "Straat 1"},
    }
    parsed = sites.parse_definition(everything)
    assert fields.put(parsed, fields.shown(parsed)) == parsed


FAULTS = [
    ("name", "", "Dit moet worden ingevuld."), ("controller.email", "nobody", "Geen geldig e-mailadres."),
    ("controller.policy_url", "javascript:alert(1)", "Geen webadres dat met https:// begint."),
    ("origins", "https://www.shop.example/path", "Geen origin"), ("origins", "", "1 tot en met 100"),
    ("cookie_domain", "other.example", "valt niet binnen dit domein"), ("languages", [], "1 tot en met 2"),
    ("consent_days", "400", "1 tot en met 395 dagen"), ("consent_days", "x", "Geen geheel getal."),
    ("refusal_days", "30", "minstens zo lang onthouden"), ("claim_days", "5", "30 tot en met 1825"),
    ("jurisdiction", "nl", "landcode van twee hoofdletters"), ("policy.date", "1-2-2026", "Geen datum"),
    ("google_consent_mode", "advanced", "nodig"), ("release", "never", "Moet een van deze zijn"),
    ("request_working_days", "21", "1 tot en met 20 werkdagen"),
]


@pytest.mark.usefixtures("people")
def test_what_is_wrong_stands_at_its_field_and_nothing_is_stored(app: Flask) -> None:
    alice, before = signed_in(app, "alice"), site().revision
    for name, value, sentence in FAULTS:
        answer = alice.post(SETTINGS, data=filled(alice, **{name: value, "controller.name": "Behouden B.V."}))
        assert answer.status_code == 422, name
        assert sentence in unescape(answer.text), (name, text(answer.text))
        assert 'value="Behouden B.V."' in answer.text
        assert site().revision == before


@pytest.mark.usefixtures("people")
def test_what_a_file_manages_is_changed_after_a_confirmation(app: Flask) -> None:
    alice = signed_in(app, "alice")
    assert "met een bestand beheerd" in text(alice.get("/console/sites/shop").text)
    refused = alice.post(SETTINGS, data=filled(alice, name="Nieuwe naam", confirmed=""))
    assert refused.status_code == 422
    assert (site().name, 'id="confirmed-fault"' in refused.text) == ("Webwinkel", True)
    assert alice.post(SETTINGS, data=filled(alice, name="Nieuwe naam")).status_code == 303
    assert (site().name, site().managed) == ("Nieuwe naam", "console")
    assert "met een bestand beheerd" not in alice.get("/console/sites/shop").text


@pytest.mark.usefixtures("people")
def test_a_marketer_reads_and_changes_nothing(app: Flask) -> None:
    bob, alice = signed_in(app, "bob"), signed_in(app, "alice")
    form = {**filled(alice, name="Van Bob"), "csrf_token": bob.token("/console/sites/shop/report")}
    paths = (SETTINGS, f"{SETTINGS}/json", PUBLISH, f"{PUBLISH}/discard", "/console/sites/shop/versions/1/restore")
    assert {bob.post(path, data=form).status_code for path in paths} == {403}
    assert site().name == "Webwinkel"
    assert "<fieldset class=\"plain\" disabled>" in bob.get(SETTINGS).text


@pytest.mark.usefixtures("people")
def test_what_an_owner_types_is_text_on_every_page(app: Flask) -> None:
    """Threat 3: every field of the form, kept or refused."""
    alice = signed_in(app, "alice")
    pages = ("", "/settings", "/settings/json", "/publish", "/versions", "/versions/1", "/versions/compare", "/tag")
    for number, each in enumerate(XSS):
        typed = {name: each for name in fields.TEXTS if name not in ("default_language", "release", "audience")}
        refused = alice.post(SETTINGS, data=filled(alice, **typed, origins=each))
        assert refused.status_code == 422
        assert Markup(refused.text).runs == []
        kept = {"name": each, "controller.name": each, "controller.address": each, "policy.date": "2026-11-01",
                "policy.summary.nl": each, "policy.summary.en": each}
        assert alice.post(SETTINGS, data=filled(alice, **kept)).status_code == 303, each
        for path in ("/console/", *(f"/console/sites/shop{page}" for page in pages)):
            page = alice.get(path).text
            assert Markup(page).runs == [], (path, each)
            assert not re.search(r"[<>\"']", each) or each not in page, (path, each)
        assert number or publish(alice).status_code == 303
    assert "2962962" not in alice.get("/console/").text
