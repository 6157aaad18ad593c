"""The first hour of a new owner: organisation, site, checklist, published; what follows from a name and an address."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from flask import Flask

from consent import accounts, audit, beginnings, linter, sites, tags, versions
from consent.banners import script_without_site
from consent.db import db
from tests.conftest import PASSWORD
from tests.pages import Browser

NEW = "nieuw@nieuw.example"
SITE = {
    "name": "Café Zó", "address": "www.nieuw.example/welkom", "languages": ["nl", "en"],
    "controller.name": "Nieuw B.V.", "controller.email": "privacy@nieuw.example",
    "controller.policy_url": "https://nieuw.example/privacy",
}


@pytest.fixture(params=["sqlite"])
def migrated(request: pytest.FixtureRequest, applications: Any) -> Flask:
    """Once: the database does not matter here."""
    found: Flask = applications(request.param)
    return found


@pytest.fixture
def newcomer(app: Flask) -> Browser:
    """Somebody with an account and nothing else, signed in."""
    accounts.create_user(NEW, PASSWORD, None, "owner")
    db.session.commit()
    browser = Browser(app)
    assert browser.sign_in(NEW).status_code == 302
    return browser


class Clicks:
    """What an owner clicks: links and buttons of the page that is open, each counted; without any script."""

    def __init__(self, browser: Browser) -> None:
        self.browser, self.n, self.path, self.page = browser, 0, "", ""

    def open(self, path: str) -> None:
        """Go where a redirect leads, which is no click."""
        answer = self.browser.get(path, follow_redirects=True)
        assert answer.status_code == 200
        self.path, self.page = answer.request.path, unescape(answer.text)

    def choose(self) -> None:
        """Mark one of several: what was typed costs no click."""
        self.n += 1

    def follow(self, href: str) -> None:
        """A link that the page has."""
        assert f'href="{href}"' in self.page, href
        self.n += 1
        self.open(href)

    def send(self, **typed: Any) -> None:
        """The button of the page's form: what is hidden in it, and what was typed."""
        form = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.page)
        self.n += 1
        answer = self.browser.post(self.path, data={**dict(form), **typed})
        assert answer.status_code == 303, answer.text
        self.open(answer.headers["Location"])


def test_from_signing_in_to_published_takes_six_clicks(newcomer: Browser, app: Flask) -> None:
    """Sign in, organisation, profile, site, check and publish, publish: by forms and links alone, without script."""
    hand = Clicks(newcomer)
    hand.n = 1  # the button of signing in
    hand.open("/console/")
    assert hand.path == "/console/organisation"
    hand.send(name="Nieuw B.V.")
    assert hand.path == "/console/new"
    hand.choose()
    hand.send(**SITE, start="journeys-www")
    assert hand.path == "/console/sites/cafe-zo"
    assert "Nog 5 stappen" in hand.page or "Nog 4 stappen" in hand.page
    hand.follow("/console/sites/cafe-zo/publish")
    wanted = re.findall(r'name="(reason:[^"]+)" value=""', hand.page)
    hand.send(**dict.fromkeys(wanted, "Zo bedoeld."))
    assert hand.path == "/console/sites/cafe-zo"
    assert hand.n == 6
    site = db.session.get(sites.Site, "cafe-zo")
    assert site is not None
    assert (site.current, site.managed) == (1, "console")
    assert site.draft["origins"] == ["https://nieuw.example", "https://www.nieuw.example"]
    assert site.draft["cookie_domain"] == "nieuw.example"
    assert [row["id"] for row in site.draft["trackers"]][:2] == ["ga4", "hotjar"]
    noted = db.session.scalars(db.select(audit.Audit.what).order_by(audit.Audit.id))
    assert list(noted) == ["organisation.create", "site.create", "version.publish"]
    hand.follow("/console/sites/cafe-zo/tag")
    assert '<script async src="http://localhost/banner/cafe-zo.js"></script>' in hand.page


def test_the_checklist_says_what_there_is(newcomer: Browser) -> None:
    hand = Clicks(newcomer)
    hand.open("/console/")
    hand.send(name="Nieuw B.V.")
    hand.send(**SITE, start="empty")
    assert left(hand.page) == ["trackers", "banner", "publish", "tag", "verify"]
    site = db.session.get(sites.Site, "cafe-zo")
    assert site is not None
    versions.publish(site, datetime.now(UTC))
    db.session.commit()
    hand.open("/console/sites/cafe-zo")
    assert left(hand.page) == ["tag", "verify"]


def left(page: str) -> list[str]:
    """The steps that a page shows as not done."""
    items = re.findall(r'<li( class="done")?><p><strong>(.*?)</strong>', page)
    assert len(items) == 6
    names = ("trackers", "banner", "check", "publish", "tag", "verify")
    return [name for name, (done, _) in zip(names, items, strict=True) if not done]


@pytest.mark.parametrize("start", sorted(beginnings.PROFILES))
def test_a_profile_speaks_of_the_owners_firm_alone(app: Flask, start: str) -> None:
    origins, domain = beginnings.where("nieuw.example")
    own = {"key": "nieuw", "name": "Nieuw", "organisation": "Nieuw B.V.", "origins": origins, "cookie_domain": domain,
           "controller": {"name": "Nieuw B.V.", "email": "a@nieuw.example", "policy_url": "https://nieuw.example/p"}}
    definition = sites.parse_definition(beginnings.from_profile(start, own))
    said = str(definition).lower()
    for theirs in ("stroomlijn", "dossierblad", "urenwijzer", "klantpad", "koppelhuis"):
        assert theirs not in said
    assert [found for found in linter.check(definition) if found.hard] == []


@pytest.mark.parametrize(("address", "origins", "domain"), [
    ("shop.example", ["https://shop.example", "https://www.shop.example"], "shop.example"),
    ("https://www.shop.example/a?b#c", ["https://shop.example", "https://www.shop.example"], "shop.example"),
    ("WWW.Shop.Example", ["https://shop.example", "https://www.shop.example"], "shop.example"),
    ("www.shop.co.uk", ["https://shop.co.uk", "https://www.shop.co.uk"], "shop.co.uk"),
    ("app.shop.example", ["https://app.shop.example"], None),
    ("http://127.0.0.1:8080/x", ["http://127.0.0.1:8080"], None),
    ("http://shop", ["http://shop"], None),
    ("localhost:8000", ["https://localhost:8000"], None),
    ("https://shop.example:443", ["https://shop.example", "https://www.shop.example"], "shop.example"),
    ("café.example", ["https://xn--caf-dma.example", "https://www.xn--caf-dma.example"], "xn--caf-dma.example"),
])
def test_origins_and_cookie_domain_follow_from_the_address(address: str, origins: list[str], domain: str) -> None:
    assert beginnings.where(address) == (origins, domain)


@pytest.mark.parametrize("address", [
    "", "ftp://shop.example", "javascript:alert(1)", "shop example", "https://[", "<b>", "http://shop.example:99999",
    "data:text/html,x", "shop", "shop:8000", "shop/contact",
])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(beginnings.BadBeginning):
        beginnings.where(address)


def test_a_key_is_made_from_the_name_and_is_nobodys(app: Flask) -> None:
    assert [beginnings.key_for(name) for name in ("Café Zó!", "  ", "!!!", "x" * 80)] == [
        "cafe-zo", "site", "site", "x" * 50]
    organisation = accounts.organisation_named("Ander B.V.")
    for _ in range(2):
        own = {"key": beginnings.key_for("Café Zó"), "name": "Café Zó", "organisation": "Ander B.V.",
               "controller": {"name": "A", "email": "a@b.example", "policy_url": "https://b.example/"},
               "origins": ["https://b.example"]}
        sites.create(sites.parse_definition(own), organisation, audit.COMMAND)
    assert beginnings.key_for("Café Zó") == "cafe-zo-3"


def test_what_is_wrong_with_a_new_site_stands_at_its_field_and_what_was_typed_stays(newcomer: Browser) -> None:
    hand = Clicks(newcomer)
    hand.open("/console/")
    hand.send(name="Nieuw B.V.")
    token = newcomer.token("/console/new")
    for wrong, field in (({"address": "geen adres"}, "address"), ({"controller.email": "x"}, "controller.email"),
                         ({"start": "geen"}, "start"), ({"key": "Fout!"}, "key"), ({"languages": []}, "languages")):
        answer = newcomer.post("/console/new", data={"csrf_token": token, **SITE, "start": "docs", **wrong})
        assert answer.status_code == 422, wrong
        assert re.search(rf'aria-(invalid="true" aria-)?describedby="{field}-fault', answer.text), field
        assert 'value="Café Zó"' in answer.text
    assert db.session.scalar(db.select(db.func.count()).select_from(sites.Site)) == 0


def test_an_organisation_is_made_once_and_no_name_is_taken_twice(newcomer: Browser) -> None:
    accounts.organisation_named("Ander B.V.")
    db.session.commit()
    token = newcomer.token("/console/organisation")
    for name in ("", "Ander B.V.", "x" * 201):
        answer = newcomer.post("/console/organisation", data={"csrf_token": token, "name": name})
        assert answer.status_code == 422, name
        assert 'aria-invalid="true"' in answer.text
    assert newcomer.post("/console/organisation", data={"csrf_token": token, "name": "Nieuw B.V."}).status_code == 303
    again = newcomer.post("/console/organisation", data={"csrf_token": token, "name": "Tweede B.V."})
    assert again.status_code == 422
    assert newcomer.get("/console/organisation").status_code == 302


def test_the_pinned_tag_has_the_hash_of_what_is_served(app: Flask) -> None:
    assert app.test_client().get("/banner/v1/poort.js").data == script_without_site()
    assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", tags.integrity())
