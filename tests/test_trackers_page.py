"""The trackers' pages: the draft against what is published, the search, what a site says of a tracker, snippets."""

import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from consent import sites, tracker_forms, versions
from consent.audit import Audit
from consent.catalogue import CATALOGUE, SiteTrackerSchema, resolve
from consent.catalogue_search import find
from consent.db import db
from consent.declaration import declaration
from tests.pages import Browser, queries, signed_in
from tests.shop import DEFINITION
from tests.test_console import text
from tests.test_snippets import HOSTILE, SNIPPETS

pytestmark = pytest.mark.usefixtures("people")

HERE = "/console/sites/shop/trackers"
OWN = DEFINITION["trackers"][-1]


@pytest.fixture
def migrated(applications: Callable[[str], Flask]) -> Flask:
    """The database is another part's to try: one kind is enough."""
    return applications("sqlite")


def draft() -> dict[str, Any]:
    """The shop's draft as it is now, by tracker."""
    db.session.rollback()
    return {entry["id"]: entry for entry in sites.site_for_key("shop").draft["trackers"]}


def send(browser: Browser, path: str, **values: Any) -> Any:
    """Send a form with the page's token and the draft's revision, unless another is given."""
    db.session.rollback()
    data = {"csrf_token": browser.token(HERE), "revision": sites.site_for_key("shop").revision, "confirmed": "1",
            **values}
    return browser.post(f"{HERE}{path}", data={name: value for name, value in data.items() if value is not None})


def form(browser: Browser, path: str) -> dict[str, str]:
    """What stands in the form of a page."""
    page = browser.get(f"{HERE}{path}").text
    page = page[page.index('<form class="card"'):]
    values = {}
    for tag in re.findall(r"<input[^>]*>", page):
        given = {name: unescape(value) for name, value in re.findall(r'([a-z]+)="([^"]*)"', tag)}
        if given.get("type") not in ("checkbox", "radio") or " checked" in tag:
            values[given["name"]] = given.get("value", "")
    for name, inside in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?>', inside)
        values[name] = next((value for value, chosen in options if chosen), options[0][0])
    areas = re.findall(r'<textarea id="\w+" name="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    values |= {name: unescape(inside) for name, inside in areas}
    return values


# Search -------------------------------------------------------------------------------------------------------------

SEARCHES = {
    "a name": ("hotjar", "hotjar", "name"),
    "a part of the vendor's name, in capitals": ("MICROSOFT", "uet", "name"),
    "a host": ("bat.bing.com", "uet", "host"),
    "a part of a host": ("licdn", "linkedin", "host"),
    "an address": ("https://static.hotjar.com/c/hotjar-1.js?sv=6", "hotjar", "host"),
    "an address without its scheme": ("www.facebook.com/tr?id=1", "meta", "host"),
    "a cookie": ("_uetsid", "uet", "cookie"),
    "a cookie of a family": ("_ga_ABC123", "ga4", "cookie"),
    "a cookie on the vendor's own domain": ("IDE", "gads", "cookie"),
    "a storage key": ("hjViewportId", "hotjar", "key"),
}


@pytest.mark.parametrize("case", SEARCHES)
def test_a_tracker_is_found_by(case: str) -> None:
    asked, id, by = SEARCHES[case]
    assert (id, by) in [(hit.tracker["id"], hit.by) for hit in find(asked)]


@pytest.mark.parametrize("asked", ["", "  ", "https://stranger.example/", "no such thing", "//[", "\0", "x" * 5_000])
def test_nothing_is_found_for(asked: str) -> None:
    assert find(asked) == []


def test_every_tracker_is_found_by_all_its_names() -> None:
    for id, row in CATALOGUE.items():
        wanted = [id, row["name"], *(one["name"].replace("*", "x") for one in row["cookies"])]
        assert all(id in {hit.tracker["id"] for hit in find(one)} for one in wanted)


def test_the_search_offers_what_is_not_there_yet(app: Flask) -> None:
    alice = signed_in(app, "alice")
    page = alice.get(f"{HERE}?q=https://bat.bing.com/bat.js").text
    assert 'value="uet"' in page
    assert "in het concept" in text(alice.get(f"{HERE}?q=hotjar").text)
    assert 'name="tracker" value="hotjar">Toevoegen' not in alice.get(f"{HERE}?q=hotjar").text
    assert "telt als marketing" in text(alice.get(f"{HERE}?q=stranger.example").text)
    assert 'name="tracker" value="uet"' not in signed_in(app, "bob").get(f"{HERE}?q=uet").text


# The list -----------------------------------------------------------------------------------------------------------


def test_the_list_tells_what_differs_from_what_is_published(app: Flask, shop: Any) -> None:
    changed = [{"id": "ga4", "agreement": {"date": "2026-11-22"}}, {"id": "uet"}, *DEFINITION["trackers"][2:]]
    sites.apply({**DEFINITION, "trackers": changed})
    db.session.commit()
    page = signed_in(app, "alice").get(HERE).text
    rows = {id: text(row) for id, row in re.findall(r'<tr id="tracker-([^"]+)">(.*?)</tr>', page, re.DOTALL)}
    assert list(rows) == ["ga4", "uet", "meta", "intercom", "own-stats"]
    assert "gewijzigd" in rows["ga4"]
    assert "sinds 2026-11-22" in rows["ga4"]
    assert "nieuw" in rows["uet"]
    assert "gewijzigd" not in rows["meta"]
    assert "nieuw" not in rows["meta"]
    assert "Gepubliceerd, en niet meer in het concept: Hotjar" in text(page)


def test_the_list_asks_as_much_for_many_trackers_as_for_none(app: Flask) -> None:
    alice = signed_in(app, "alice")
    alice.get(HERE)
    many = [{**OWN, "id": f"own-{number}", "hosts": [f"s{number}.shop.example"]} for number in range(150)]
    counts = []
    for trackers in ([], many):
        sites.apply({**DEFINITION, "trackers": trackers})
        db.session.commit()
        with queries() as asked:
            assert alice.get(HERE).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_trackers_are_added_and_removed(app: Flask) -> None:
    alice = signed_in(app, "alice")
    done = send(alice, "/add", tracker=["uet", "hotjar", "nothing"])
    assert done.status_code == 303
    assert draft()["uet"] == {"id": "uet"}
    assert list(draft()).count("hotjar") == 1
    assert send(alice, "/remove", tracker="uet").status_code == 303
    assert "uet" not in draft()
    notes = db.session.scalars(select(Audit).where(Audit.what == "draft.change").order_by(Audit.id.desc())).all()
    assert [(note.via, note.details) for note in notes[:2]] == [("console", {"fields": ["trackers"]})] * 2


def test_a_marketer_looks_and_changes_nothing(app: Flask) -> None:
    bob, before = signed_in(app, "bob"), draft()
    for path, values in (("/add", {"tracker": "uet"}), ("/remove", {"tracker": "ga4"}),
                         ("/of/ga4", {"category": "marketing"}), ("/new", {"name": "x"})):
        data = {"csrf_token": bob.token("/console/"), "revision": "1", **values}
        assert bob.post(f"{HERE}{path}", data=data).status_code == 403
    assert draft() == before
    assert "<fieldset disabled>" in bob.get(f"{HERE}/of/ga4").text
    assert "Opslaan" not in bob.get(f"{HERE}/of/ga4").text


def test_what_a_file_manages_is_changed_here_only_on_purpose(app: Flask) -> None:
    """The shop was applied from a file; once it was changed in the console, the console manages it."""
    alice, before = signed_in(app, "alice"), draft()
    asked = send(alice, "/add", tracker=["uet", "linkedin"], confirmed=None)
    assert asked.status_code == 200
    assert asked.text.count('name="tracker"') == 2
    assert 'name="confirmed" value="1"' in asked.text
    typed = send(alice, "/of/ga4", **{**form(alice, "/of/ga4"), "agreement": "yes", "confirmed": ""})
    assert typed.status_code == 422
    assert "Bevestig" in text(re.findall(r'id="fault-confirmed">(.*?)</p>', typed.text)[0])
    assert send(alice, "/remove", tracker="ga4", confirmed=None).status_code == 200
    assert draft() == before
    send(alice, "/add", tracker="uet")
    assert send(alice, "/remove", tracker="uet", confirmed=None).status_code == 303
    assert draft() == before


def test_an_own_tracker_speaks_the_languages_of_the_site_alone(app: Flask) -> None:
    spoken = {key: value for key, value in OWN.items() if key != "purpose"} | {"purpose": {"nl": "Telt het bezoek."}}
    sites.apply({**DEFINITION, "languages": ["nl"], "default_language": "nl", "trackers": [spoken]})
    db.session.commit()
    alice = signed_in(app, "alice")
    page = alice.get(f"{HERE}/of/{OWN['id']}").text
    assert ('name="purpose_nl"' in page, 'name="purpose_en"' in page) == (True, False)
    assert send(alice, f"/of/{OWN['id']}", **form(alice, f"/of/{OWN['id']}")).status_code == 303
    assert draft() == {OWN["id"]: spoken}
    with pytest.raises(sites.DefinitionError, match=r"trackers\.0\.purpose\.en"):
        sites.apply({**DEFINITION, "languages": ["nl", "en"], "trackers": [spoken]})


# What a site says ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [
    *DEFINITION["trackers"],
    {"id": "ga4", "category": "marketing", "reason": "Deelt met Google Ads.", "agreement": True},
    {"id": "plausible", "exempt": True, "reason": {"nl": "Telt zonder cookies.", "en": "Counts without cookies."}},
    {"id": "ga4", "agreement": {"date": "2026-11-22", "url": "https://dms.shop.example/1"}},
    {**OWN, "role": "controller", "transfer": False, "session_replay": False, "embed": True,
     "paths": ["a.shop.example/x/"], "storage": [{"name": "own", "kind": "session"}], "elements": ["#own"],
     "policy_url": "https://shop.example/p",
     "cookies": [{"name": "a", "duration": "P1Y6M"},
                 {"name": "b", "duration": "session", "domain": "v.example", "server": True},
                 {"name": "c", "duration": "PT30M"}, {"name": "d", "duration": "persistent"}]},
], ids=lambda entry: str(len(json.dumps(entry))))
def test_a_form_that_is_sent_as_it_came_changes_nothing(app: Flask, entry: dict[str, Any]) -> None:
    """Not in code alone: through the page, with the browser's own reading of it."""
    assert tracker_forms.entry(entry["id"], tracker_forms.filled(entry, "nl"), entry, "nl") == entry
    sites.apply({**DEFINITION, "trackers": [entry]})
    db.session.commit()
    alice = signed_in(app, "alice")
    assert send(alice, f"/of/{entry['id']}", **form(alice, f"/of/{entry['id']}")).status_code == 303
    assert draft() == {entry["id"]: entry}


REFUSED = {
    "another category without a reason": ("ga4", {"category": "marketing"}, "reason_nl"),
    "necessary for what measures (A6)": ("ga4", {"category": "necessary", "reason_nl": "Zo."}, "category"),
    "exempt session replay (A8)": ("hotjar", {"exempt": "1", "reason_nl": "Zo."}, "exempt"),
    "exempt marketing (A7)": ("meta", {"exempt": "1", "reason_nl": "Zo."}, "exempt"),
    "a day that is none": ("ga4", {"agreement": "yes", "agreement_date": "2026-02-30"}, "agreement_date"),
    "an address without https": ("ga4", {"agreement": "yes", "agreement_date": "2026-02-20",
                                         "agreement_url": "http://shop.example"}, "agreement_url"),
    "a host of the catalogue's": ("own-stats", {"hosts": "static.hotjar.com"}, "hosts"),
    "a cookie that is the choice itself": ("own-stats", {"cookie_4_name": "poo*", "cookie_4_unit": "session"},
                                           "cookie_4_name"),
    "a time that is none": ("own-stats", {"cookie_0_count": "x"}, "cookie_0_count"),
    "no purpose in English": ("own-stats", {"purpose_en": ""}, "purpose_en"),
    "a country outside the EEA, nothing leaves (C4)": ("own-stats", {"country": "US", "transfer": "no"}, "transfer"),
    "no name": ("own-stats", {"name": " "}, "name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fault_stands_at_its_field_and_what_was_typed_stays(app: Flask, case: str) -> None:
    id, values, field = REFUSED[case]
    alice, before = signed_in(app, "alice"), draft()
    done = send(alice, f"/of/{id}", **{**form(alice, f"/of/{id}"), **values})
    assert done.status_code == 422
    assert f'id="fault-{field}"' in done.text
    assert draft() == before
    for name, value in values.items():
        if name not in ("exempt", "category") and value.strip():
            assert f'name="{name}"' in done.text
            assert value in unescape(done.text)


def test_faults_are_told_in_dutch(app: Flask) -> None:
    alice = signed_in(app, "alice")
    done = send(alice, "/of/ga4", category="marketing")
    assert "is nodig bij een andere categorie dan die van de catalogus (A6)" in text(done.text)
    assert "Er is niets bewaard" in text(done.text)


def test_a_tracker_of_ones_own(app: Flask) -> None:
    alice = signed_in(app, "alice")
    values = {"name": "Klant Tel!", "vendor": "Teller B.V.", "country": "NL", "role": "processor",
              "category": "analytics", "purpose_nl": "Telt.", "purpose_en": "Counts.",
              "hosts": "t.teller.example\n*.u.example\n", "cookie_1_name": "_t", "cookie_1_count": "13",
              "cookie_1_unit": "m", "agreement": "no", "transfer": ""}
    assert send(alice, "/new", **values).status_code == 303
    assert draft()["klant-tel"] == {
        "id": "klant-tel", "name": "Klant Tel!", "vendor": "Teller B.V.", "country": "NL", "role": "processor",
        "category": "analytics", "hosts": ["t.teller.example", "*.u.example"],
        "cookies": [{"name": "_t", "duration": "P13M"}], "purpose": {"nl": "Telt.", "en": "Counts."},
        "agreement": False}
    empty = send(alice, "/new")
    assert empty.text.count("is nodig bij een eigen tracker") == 6
    again = send(alice, "/new", **values)
    assert again.status_code == 422
    assert 'id="fault-id"' in again.text
    catalogued = send(alice, "/new", **{**values, "id": "uet"})
    assert (catalogued.status_code, "uet" in draft()) == (422, False)
    more = send(alice, "/new", **values, more="cookies")
    assert more.status_code == 200
    assert more.text.count("cookie_8_name") > 0
    assert "Teller B.V." in more.text


# Two people ---------------------------------------------------------------------------------------------------------


def test_who_saves_second_is_shown_what_the_first_did(app: Flask) -> None:
    """Nothing is overwritten in silence; what was typed stays, and saving again puts it in the newer draft."""
    first, second = signed_in(app, "alice"), signed_in(app, "alice")
    mine = form(second, "/of/ga4") | {"category": "marketing", "reason_nl": "Voor advertenties."}
    send(first, "/of/ga4", **{**form(first, "/of/ga4"), "agreement": "yes"})
    done = send(second, "/of/ga4", **mine)
    assert done.status_code == 409
    page = text(done.text)
    assert "alice@shop.example" in page
    assert "agreement : true" in page
    assert "Voor advertenties." in done.text
    assert draft()["ga4"] == {"id": "ga4", "agreement": True}
    revision = re.search(r'name="revision" value="(\d+)"', done.text)
    assert revision
    assert send(second, "/of/ga4", **{**mine, "revision": revision[1], "agreement": "yes"}).status_code == 303
    assert draft()["ga4"]["category"] == "marketing"


def test_removing_on_an_old_page_removes_nothing(app: Flask) -> None:
    alice, before = signed_in(app, "alice"), sites.site_for_key("shop").revision
    send(alice, "/add", tracker="uet")
    done = send(alice, "/remove", tracker="uet", revision=before)
    assert done.status_code == 303
    assert "uet" in draft()
    assert "niets verwijderd" in text(alice.get(HERE).text)
    gone = send(alice, "/of/nothing", category="marketing")
    assert gone.status_code == 303


# The agreement ------------------------------------------------------------------------------------------------------

AGREEMENTS = {
    "yes": (True, True), "no": (False, False), "since a day": ({"date": "2026-11-22"}, True),
    "with its place": ({"date": "2026-11-22", "url": "https://dms.shop.example/1"}, True),
}


@pytest.mark.parametrize("case", AGREEMENTS)
def test_an_agreement_is_declared_as_yes_or_no(app: Flask, define: Any, case: str) -> None:
    """The row keeps what was said, so that an older definition's digest stays what it was."""
    said, shown = AGREEMENTS[case]
    entry = {"id": "ga4", "agreement": said}
    assert SiteTrackerSchema().load(entry) == entry
    assert resolve(entry, "NL")["agreement"] == said
    define(key="agreed", trackers=[entry])
    version = versions.published(db.session.get(versions.Version, ("agreed", 1)))
    assert declaration(version, "nl")["trackers"][0]["agreement"] is shown


@pytest.mark.parametrize("said", [
    {}, {"url": "https://a.example"}, {"date": "22-11-2026"}, {"date": "2026-11-22", "by": "x"}, "yes", None,
    {"date": "2026-11-22", "url": "javascript:a"}, {"date": 1},
])
def test_an_agreement_is_nothing_else(said: Any) -> None:
    assert "agreement" in SiteTrackerSchema().validate({"id": "ga4", "agreement": said})


# Snippets -----------------------------------------------------------------------------------------------------------


def test_a_pasted_snippet_comes_back_gated_with_a_way_to_add_its_trackers(app: Flask) -> None:
    alice = signed_in(app, "alice")
    done = send(alice, "/paste", snippet=SNIPPETS["uet"] + SNIPPETS["meta"])
    page = unescape(done.text)
    assert done.status_code == 200
    assert '<script type="text/plain" data-service="uet">' in page
    assert '<input type="hidden" name="tracker" value="uet">' in done.text
    assert '<input type="hidden" name="tracker" value="meta">' not in done.text
    assert "haal het oude van elke pagina" in page
    bobs = send(signed_in(app, "bob"), "/paste", snippet=SNIPPETS["uet"])
    assert bobs.status_code == 200
    assert "/trackers/add" not in bobs.text


def test_a_snippet_of_a_stranger_leads_to_the_form_of_ones_own(app: Flask) -> None:
    alice = signed_in(app, "alice")
    page = send(alice, "/paste", snippet="<script src=//cdn.stranger.example/x.js></script>").text
    assert f"{HERE}/new?host=cdn.stranger.example" in page
    assert "cdn.stranger.example</textarea>" in alice.get(f"{HERE}/new?host=cdn.stranger.example").text


@pytest.mark.parametrize("size", [100_000, 100_001, 1_000_000])
def test_a_snippet_of_any_length_is_answered(app: Flask, size: int) -> None:
    """Longer than the API's bodies may be; what is longer than any snippet is refused before it is read."""
    status = send(signed_in(app, "alice"), "/paste", snippet="a" * size).status_code
    assert status == {100_000: 200, 100_001: 422, 1_000_000: 413}[size]


class Tags(HTMLParser):
    """What on a page is not ours."""

    CDATA_CONTENT_ELEMENTS = ("script", "style", "textarea", "title")  # type: ignore[misc]  # read from the class

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        ours = given.get("class") == "mark" if tag == "svg" else given.get("src", "").startswith("/static/")
        loads = tag in ("img", "iframe", "math", "object", "embed", "base", "template", "plaintext", "style")
        if loads or (tag in ("script", "svg") and not ours):
            self.found.append(tag)
        runs = {name for name, value in given.items() if name.startswith("on") or value.startswith("javascript:")}
        self.found += [f"{tag} {name}" for name in runs - {"value", "content"}]


PAYLOADS = (*HOSTILE.values(), '"><img src=x onerror=alert(1)>', "</textarea><script>1</script>", "{{ 987654 * 3 }}",
            "' onfocus=alert(1) autofocus='", "</code></pre><script>1</script>")


def test_what_is_pasted_or_typed_is_shown_as_text(app: Flask) -> None:
    """Every field that comes back, on every page of these: no tag of it, no attribute."""
    alice = signed_in(app, "alice")
    token = alice.token(HERE)
    for payload in PAYLOADS:
        typed = dict.fromkeys((*OWN, "purpose_nl", "reason_nl", "cookie_0_name", "agreement_url", "elements"), payload)
        typed |= {"csrf_token": token, "revision": "0", "opened": json.dumps({"category": payload})}
        pages = (alice.post(f"{HERE}/paste", data={"csrf_token": token, "snippet": payload}),
                 alice.get(HERE, query_string={"q": payload}), alice.get(f"{HERE}/new", query_string={"host": payload}),
                 alice.post(f"{HERE}/new", data=typed), alice.post(f"{HERE}/of/own-stats", data=typed))
        for page in pages:
            assert page.status_code in (200, 409, 422)
            reader = Tags()
            reader.feed(page.text)
            assert reader.found == [], payload
            assert "2962962" not in page.text
