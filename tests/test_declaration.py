"""The cookie declaration has every fact of the version, for people and for programs, in both languages."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import brotli
import pytest
from babel import Locale
from flask import Flask
from flask.testing import FlaskClient

from consent import versions
from consent.catalogue import CATALOGUE
from consent.lifetimes import in_words
from tests.browser.server import definitions
from tests.shop import DEFINITION

Define = Callable[..., versions.Version]
HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}{controller}'\"&lt;"
OWN = {
    **DEFINITION["trackers"][-1], "transfer": True, "agreement": False, "exempt": False, "policy_url": "https://own.example/p",
    "storage": [{"name": "own.tab", "kind": "session"}, {"name": "own.kept", "kind": "local"}],
}
EXEMPT = {"id": "plausible", "exempt": True, "reason": "Telt zonder cookies.", "agreement": True}
RICH = [{"id": "ga4", "agreement": True}, {"id": "hotjar"}, {"id": "meta"}, {"id": "leadinfo"}, EXEMPT, OWN]
WORDS = {
    "nl": {
        "processor": "verwerker, in opdracht van Webwinkel B.V.",
        "controller": "verantwoordelijke, ook voor eigen doelen",
        True: "ja, naar landen buiten de Europese", False: "nee, de gegevens blijven in de Europese",
    },
    "en": {
        "processor": "processor, on behalf of Webwinkel B.V.",
        "controller": "controller, for its own purposes too",
        True: "yes, to countries outside the European", False: "no, the data stays in the European",
    },
}


class Page(HTMLParser):
    """What a page says: its text, its links and its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.links: set[str] = set()
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links |= {str(value) for name, value in attrs if name == "href"}

    def handle_data(self, data: str) -> None:
        self.said.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def html(client: FlaskClient, site: str = "shop", language: str = "nl") -> Page:
    answer = client.get(f"/v1/sites/{site}/declaration?lang={language}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return Page(answer.text)


def data(client: FlaskClient, site: str = "shop", language: str = "nl") -> dict[str, Any]:
    answer = client.get(f"/v1/sites/{site}/declaration?lang={language}", headers={"Accept": "application/json"})
    assert answer.json is not None
    return dict(answer.json)


def words_of(page: dict[str, Any]) -> str:
    """All that the JSON says in words."""
    return json.dumps(page["page"], ensure_ascii=False)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_fact_of_every_tracker_is_in_both(client: FlaskClient, define: Define, language: str) -> None:
    """C2, C4: vendor, country, role, purpose, agreement, transfer, cookies and keys with their lives, links"""
    rows = define(trackers=RICH).snapshot
    page, found = html(client, language=language), data(client, language=language)
    for row in json.loads(rows)["trackers"]:
        country = Locale(language).territories[row["country"]]
        facts = [row["name"], row["purpose"][language], f"{row['vendor']}, {country}", WORDS[language][row["transfer"]]]
        if row["vendor"] != "Webwinkel B.V.":
            facts.append(WORDS[language][row["role"]])
        for cookie in row["cookies"]:
            facts += [cookie["name"], in_words(cookie["duration"], language), cookie.get("domain", "")]
        facts += [key["name"] for key in row["storage"]]
        for fact in facts:
            assert fact in page.text, (row["id"], fact)
            assert fact in words_of(found), (row["id"], fact)
        assert row["policy_url"] in page.links
        shown = next(one for one in found["trackers"] if one["id"] == row["id"])
        for name in ("vendor", "country", "role", "transfer", "cookies", "storage", "policy_url", "exempt"):
            assert shown[name] == row[name]
        assert shown.get("agreement") == row["agreement"]
        assert shown["purpose"] == row["purpose"][language]


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("nl", ("Verwerkersovereenkomst ja", "Verwerkersovereenkomst nee",
                "Waarom zonder toestemming Telt zonder cookies.",
                "niet nodig: meet hoe de site werkt", "Je keuze", "180 dagen", "browseropslag van dit tabblad")),
        ("en", ("Processing agreement yes", "Processing agreement no",
                "Why without consent Telt zonder cookies.",
                "not needed: measures how the site works", "Your choice", "180 days", "browser storage of this tab")),
    ],
)
def test_what_the_owner_said_and_what_keeps_the_choice(
    client: FlaskClient, define: Define, language: str, sentences: tuple[str, ...]
) -> None:
    """A7: the exemption with its reason; an agreement only where the owner said so"""
    define(trackers=RICH)
    text = html(client, language=language).text
    for sentence in sentences:
        assert sentence in text
    assert text.count("Verwerkersovereenkomst" if language == "nl" else "Processing agreement") == 3


def test_a_version_has_its_day_and_ended_the_one_before(client: FlaskClient, define: Define) -> None:
    define()
    first = data(client)
    assert (first["version"], first["ended"]) == (1, None)
    assert "Versie 1, van kracht sinds 22 november 2026." in html(client).text
    define(name="Winkel")
    assert (data(client)["version"], data(client)["ended"]) == (2, 1)
    assert "Versie 2, van kracht sinds 22 november 2026. Daarmee eindigde versie 1." in html(client).text
    assert "Version 2, in effect since 22 November 2026. It ended version 1." in html(client, language="en").text


def test_the_policy_s_last_revision_and_its_last_material_change_are_told(
    client: FlaskClient, define: Define
) -> None:
    """F3"""
    define()
    assert "policy" not in data(client)
    summary = {"nl": "We gebruiken nu ook Meta.", "en": "We now use Meta too."}
    define(policy={"date": "2026-11-20", "material": True, "summary": summary})
    assert data(client, language="en")["policy"] == {
        "date": "2026-11-20", "material": True, "summary": "We now use Meta too."}
    assert "Privacyverklaring herzien op 20 november 2026 We gebruiken nu ook Meta." in html(client).text
    define(policy={"date": "2026-12-01"})
    text = html(client).text
    assert "Privacyverklaring herzien op 1 december 2026" in text
    assert "Belangrijke wijziging van 20 november 2026 We gebruiken nu ook Meta." in text


@pytest.mark.parametrize("site", ["hours", "integrator"])
def test_who_asks_nothing_declares_everything_all_the_same(client: FlaskClient, define: Define, site: str) -> None:
    """Nothing of Poort's own is kept there either."""
    definition = definitions()[site]
    define(**definition)
    found, page, english = data(client, site), html(client, site), html(client, site, "en")
    assert not found["asks"]
    assert "Deze site gebruikt niets waarvoor je toestemming nodig is." in page.text
    assert "poort" not in json.dumps(found["page"]["sections"])
    for entry in definition["trackers"]:
        assert entry.get("name", CATALOGUE.get(entry["id"], {"name": ""})["name"]) in page.text
        assert entry["reason"]["nl"] in page.text
        assert entry["reason"]["en"] in english.text
    assert f"/me/{site}?lang=nl" in page.links


def test_leadinfo_is_marketing_with_all_that_profile_docs_asks(client: FlaskClient, define: Define) -> None:
    define(**definitions()["docs"])
    assert "Privacyverklaring herzien op 1 oktober 2026" in html(client, "docs").text
    (section,) = [one for one in data(client, "docs")["page"]["sections"] if one["id"] == "marketing"]
    (leadinfo,) = section["trackers"]
    said = json.dumps(leadinfo, ensure_ascii=False)
    for fact in ("Leadinfo, Nederland", '"Toestemming", "text": "nodig"', '"Verwerkersovereenkomst", "text": "ja"'):
        assert fact in said
    for cookie in CATALOGUE["leadinfo"]["cookies"]:
        assert cookie["name"] in said
        assert in_words(cookie["duration"], "nl") in said


def test_hostile_words_stay_words(client: FlaskClient, define: Define) -> None:
    """Threat 3"""
    own = {**OWN, "name": HOSTILE[:60], "vendor": HOSTILE[:60], "purpose": {"nl": HOSTILE, "en": HOSTILE}}
    define(controller={**DEFINITION["controller"], "name": HOSTILE}, trackers=[own])
    page = html(client)
    assert HOSTILE in page.text
    assert "img" not in page.tags
    assert page.tags.count("script") == 1
    assert data(client)["controller"]["name"] == HOSTILE


def test_a_browser_that_has_it_gets_it_once(client: FlaskClient, shop: versions.Version) -> None:
    path = "/v1/sites/shop/declaration?lang=nl"
    for kind in ("application/json", "text/html"):
        first = client.get(path, headers={"Accept": kind})
        again = client.get(path, headers={"Accept": kind, "If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert "Accept" in first.headers["Vary"]


@pytest.mark.usefixtures("through_doors", "shop")
@pytest.mark.parametrize("name", ["declaration", "durable"])
def test_the_scripts_are_small_and_kept_shortly(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/banner/v1/{name}.js", headers={"Accept-Encoding": "br"})
    assert answer.headers["Cache-Control"].startswith("public, max-age=300")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POORT_" not in brotli.decompress(answer.data).decode()
    assert len(answer.data) < 4_096
    again = client.get(f"/banner/v1/{name}.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_command_prints_the_tag(app: Flask, shop: versions.Version) -> None:
    runner = app.test_cli_runner()
    done = runner.invoke(args=["site", "snippet", "shop", "--declaration"])
    assert done.output == (
        '<script async src="http://localhost/banner/v1/declaration.js" data-site="shop"></script>\n')
    both = runner.invoke(args=["site", "snippet", "shop", "--declaration", "--auto"])
    assert both.exit_code != 0
    assert "one at a time" in both.output
