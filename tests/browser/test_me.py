"""The visitor's own page in a real browser: what they said and were shown, what may load, and every right they have."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, expect

from tests.browser.conftest import chromium as chromium_path
from tests.browser.test_axe import RUN, TAGS
from tests.browser.visitor import read
from tests.conftest import PASSWORD
from tests.receiver import Receiver
from tests.servers import Server, free_port, sqlite
from tests.shop import DEFINITION, body

# The site and Poort share a domain, as in an installation; nothing else can be reached.
RULES = "--host-resolver-rules=MAP *.shop.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
DONE = {"hotjar": ["deleted"], "meta": ["told", "deleted"], "ga4": ["could_not"]}
WORDS = {
    "nl": ("gewist uit je browser", "doorgegeven", "niet gelukt", "de eigen systemen van de site: doorgegeven"),
    "en": ("deleted from your browser", "passed on", "did not work", "the systems of the site itself: passed on"),
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def poort(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Poort beside the shop, with a webhook and three working days promised."""
    port = free_port()
    settings: dict[str, Any] = {
        "PORT": port, "POORT_PUBLIC_URL": f"http://consent.shop.example:{port}", "POORT_WEBHOOK_PRIVATE": "on",
        "POORT_ACCESS_LOG": "on", "WEB_CONCURRENCY": 1}
    with Server(sqlite(tmp_path_factory.mktemp("me")), door="asgi", **settings) as running:
        origins = ["https://www.shop.example", f"http://www.shop.example:{port}"]
        running.publish({**DEFINITION, "origins": origins, "request_working_days": 3})
        running.run("webhook", "set", "shop", receiver.url)
        yield running


@pytest.fixture(scope="module")
def chromium(engine: Playwright) -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-background-networking", RULES]
    browser = engine.chromium.launch(executable_path=chromium_path(), args=arguments)
    yield browser
    browser.close()


@dataclass
class Someone:
    """A visitor on their own page, at 360 px."""

    poort: Server
    context: BrowserContext
    page: Page = field(init=False)
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    sent: dict[str, Any] = field(default_factory=lambda: body("accept_all"))

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.page.set_default_timeout(8_000)
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda told: self._hear(told.text) if told.type == "error" else None)

    def _hear(self, complaint: str) -> None:
        if "Cross-Origin-Opener-Policy" not in complaint:  # that one is for https alone
            self.complaints.append(complaint)

    @property
    def url(self) -> str:
        return str(self.poort.env["POORT_PUBLIC_URL"])

    def say(self, action: str = "accept_all", **changes: Any) -> str:
        """Decide on the site; the receipt."""
        said = {**body(action, **changes), "visitor": self.sent["visitor"]}
        return str(self.poort.call("POST", "/v1/sites/shop/consents", said).json()["receipt"])

    def records(self, receipt: str) -> list[Any]:
        return list(self.poort.call("GET", "/v1/sites/shop/me", None, {"Poort-Receipt": receipt}).json()["records"])

    def open(self, receipt: str, language: str = "nl") -> Page:
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/me/shop?lang={language}#receipt={receipt}")
        self.page.locator("#me-shown").wait_for()
        return self.page

    def hold(self, receipt: str, domain: str = ".shop.example") -> None:
        """The cookie of the site."""
        self.context.add_cookies([{"name": "poort", "value": receipt, "domain": domain, "path": "/"}])

    def cookies(self) -> list[str]:
        return [str(cookie["value"]) for cookie in self.context.cookies() if cookie["name"] == "poort"]

    def link(self, part: str = "done") -> str:
        return str(self.page.locator(f"#me-{part} [data-back]").get_attribute("href"))


@pytest.fixture
def someone(chromium: Browser, poort: Server) -> Iterator[Someone]:
    context = chromium.new_context(viewport={"width": 360, "height": 780}, accept_downloads=True)
    yield Someone(poort, context)
    context.close()


def faults(page: Page, axe_source: str) -> list[Any]:
    """What axe finds, a line each."""
    page.evaluate(axe_source)
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in page.evaluate(RUN, TAGS)["violations"]]


def said(page: Page, name: str, text: str) -> None:
    """The page says that this was done, and nothing else."""
    expect(page.locator("#me-done")).to_be_focused()
    expect(page.locator("#me-done [data-said]:visible")).to_contain_text(text)
    expect(page.locator(f"#me-done [data-said={name}]")).to_be_visible()


def test_what_came_of_a_withdrawal_stands_beside_it(someone: Someone, poort: Server) -> None:
    receipt = someone.say("withdraw", source="settings")
    said = {"record": read(receipt)["r"], "trackers": DONE}
    assert poort.call("POST", "/v1/sites/shop/outcomes", said, {"Poort-Receipt": receipt}).status == 204
    poort.run("jobs", "run")
    for language, (deleted, told, could_not, systems) in WORDS.items():
        record = someone.open(receipt, language).locator("#me-rows > li").first
        expect(record).to_contain_text(f"Hotjar: {deleted}")
        expect(record).to_contain_text(f"{deleted}, {told}")
        expect(record).to_contain_text(f": {could_not}")
        expect(record).to_contain_text(systems)


@pytest.mark.parametrize(("language", "heading", "allowed", "blocked", "when"), [
    ("nl", "Wat ik zei, en wanneer", "Mag: je hebt het toegestaan.", "Mag niet: je hebt het niet toegestaan.", "om"),
    ("en", "What I said, and when", "Allowed: you allowed it.", "Blocked: you did not allow it.", "at"),
], ids=["nl", "en"])
def test_it_says_what_was_said_what_was_shown_and_what_may_load(
    someone: Someone, axe_source: str, language: str, heading: str, allowed: str, blocked: str, when: str
) -> None:
    someone.say("accept_all")
    receipt = someone.say("custom", source="settings", trackers={"hotjar": False})
    page = someone.open(receipt, language)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert page.locator("#me-rows > li").count() == 2
    expect(page.locator("#me-rows > li h3").first).to_contain_text(f" {when} ")
    expect(page.locator("[data-tracker=ga4] .may")).to_have_text(allowed)
    for refused in ("hotjar", "meta"):
        expect(page.locator(f"[data-tracker={refused}] .may")).to_have_text(blocked)
    first = page.locator("#me-rows details").first
    first.locator("summary").press("Enter")
    expect(first).to_contain_text("Cookies van Webwinkel B.V.")
    expect(first).to_contain_text("Alle cookies toestaan · Alleen noodzakelijke cookies · Zelf instellen")
    expect(first).to_contain_text("_hjSession_*")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert faults(page, axe_source) == []
    assert someone.complaints == []


def test_the_receipt_is_in_no_address_and_no_referrer(someone: Someone) -> None:
    receipt = someone.say()
    page = someone.open(receipt)
    assert page.url == f"{someone.url}/me/shop?lang=nl"
    page.reload()
    page.locator("#me-shown").wait_for()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("#me-shown").wait_for()
    assert "#" not in page.url
    page.get_by_role("link", name="Cookies of this site").click()
    page.wait_for_url("**/declaration?lang=en")
    for request in someone.requests:
        assert receipt not in request.url.partition("#")[0]
        assert "receipt" not in request.headers.get("referer", "")
    assert receipt.encode() not in someone.poort.log.read_bytes()
    assert someone.complaints == []


def test_a_change_is_recorded_and_leads_back_to_the_site(someone: Someone) -> None:
    """By keyboard alone. The cookie of a site elsewhere follows with the link."""
    receipt = someone.say("necessary_only")
    page = someone.open(receipt)
    page.locator("[name=category-analytics]").focus()
    page.keyboard.press("Space")
    assert page.locator("[name=tracker-ga4]").is_checked(), "a category takes its trackers along"
    page.locator("[name=tracker-hotjar]").focus()
    page.keyboard.press("Space")
    page.locator("#me-save").focus()
    page.keyboard.press("Enter")
    said(page, "saved", "Je keuze is opgeslagen.")
    expect(page.get_by_text("De site weet dit in je browser nog niet")).to_be_visible()
    expect(page.locator("[data-tracker=ga4] .may")).to_have_text("Mag: je hebt het toegestaan.")
    last = someone.records(receipt)[-1]
    assert (last["action"], last["source"], last["trackers"]) == ("custom", "settings", {"hotjar": False})
    assert last["choices"] == {"functional": False, "analytics": True, "marketing": False}
    site, _, token = someone.link().partition("/#poort=")
    assert site == "https://www.shop.example"
    assert read(token)["r"] == last["id"]
    assert someone.cookies() == []


def test_what_was_never_asked_is_off_and_saving_something_else_does_not_grant_it(
    chromium: Browser, tmp_path: Path
) -> None:
    port = free_port()
    with Server(sqlite(tmp_path), door="asgi", PORT=port, WEB_CONCURRENCY=1,
                POORT_PUBLIC_URL=f"http://consent.shop.example:{port}") as running:
        running.publish(DEFINITION)
        context = chromium.new_context()
        someone = Someone(running, context)
        receipt = someone.say("custom")  # functional and analytics
        # A new tracker in a category that was allowed.
        running.publish({**DEFINITION, "trackers": [*DEFINITION["trackers"], {"id": "clarity"}]})
        until = time.monotonic() + 20  # the server looks for a new version now and then
        while someone.open(receipt).locator("[name=tracker-clarity]").count() == 0 and time.monotonic() < until:
            time.sleep(0.5)
        page = someone.page
        page.locator("[name=tracker-clarity]").wait_for()
        expect(page.locator("[name=category-analytics]")).to_be_checked()
        expect(page.locator("[name=tracker-ga4]")).to_be_checked()
        expect(page.locator("[name=tracker-clarity]")).not_to_be_checked()
        page.locator("[name=tracker-hotjar]").uncheck()
        page.locator("#me-save").click()
        said(page, "saved", "Je keuze is opgeslagen.")
        assert someone.records(receipt)[-1]["trackers"] == {"hotjar": False, "clarity": False}
        context.close()


def test_everything_is_withdrawn_with_one_click(someone: Someone) -> None:
    receipt = someone.say()
    page = someone.open(receipt, "en")
    page.get_by_role("button", name="Withdraw everything").click()
    expect(page.locator("[data-tracker=meta] .may")).to_have_text("Blocked: you withdrew your consent.")
    last = someone.records(receipt)[-1]
    assert (last["action"], last["source"]) == ("withdraw", "settings")
    page.locator("[name=category-functional]").check()
    page.locator("[name=category-analytics]").check()
    page.locator("[name=category-marketing]").check()
    page.locator("#me-save").click()
    expect(page.locator("[data-tracker=meta] .may")).to_have_text("Allowed: you allowed it.")
    assert someone.records(receipt)[-1]["action"] == "accept_all"
    assert someone.complaints == []


def test_a_cookie_of_the_same_domain_follows_at_once(someone: Someone) -> None:
    someone.hold(someone.say())
    page = someone.page
    page.goto(f"{someone.url}/me/shop?lang=nl")
    page.locator("#me-withdraw").click()
    said(page, "saved", "Je keuze is opgeslagen.")
    expect(page.locator("#me-done [data-elsewhere]")).to_be_hidden()
    (token,) = someone.cookies()
    assert read(token)["a"] == "withdraw"
    page.locator("#me-erase").click()
    page.get_by_role("button", name="Wissen", exact=True).last.press("Enter")
    expect(page.locator("#me-erased")).to_be_focused()
    expect(page.locator("#me-erased [data-elsewhere]")).to_be_hidden()
    assert someone.cookies() == []


def test_somebody_else_s_cookie_is_left_alone(someone: Someone) -> None:
    """Who pastes the receipt of another browser changes nothing in this one."""
    other = someone.poort.call("POST", "/v1/sites/shop/consents", body("custom")).json()["receipt"]
    someone.hold(other)
    page = someone.open(someone.say())
    page.locator("#me-withdraw").click()
    expect(page.get_by_text("De site weet dit in je browser nog niet")).to_be_visible()
    assert someone.cookies() == [other]


def test_who_comes_with_an_older_receipt_is_told(someone: Someone) -> None:
    older = someone.say("accept_all")
    newest = someone.say("withdraw", source="settings")
    page = someone.open(older)
    said(page, "older", "heb je opnieuw gekozen")
    assert someone.link().endswith(f"/#poort={newest}")
    expect(page.locator("[data-tracker=meta] .may")).to_have_text("Mag niet: je hebt je toestemming ingetrokken.")


def test_a_form_brings_a_receipt_and_so_does_a_hand(someone: Someone) -> None:
    receipt = someone.say()
    page = someone.page
    page.goto(f"{someone.url}/me/shop?lang=nl")
    page.locator("#me-receipt").fill("no receipt at all")
    page.get_by_role("button", name="Mijn keuzes tonen").click()
    expect(page.locator("#me-none")).to_be_visible()
    page.locator("#me-receipt").fill(f" poort={receipt} ")
    page.get_by_role("button", name="Mijn keuzes tonen").click()
    expect(page.locator("#me-rows > li")).to_have_count(1)
    # A page of the site: the address that a form stands on is what the browser says of it.
    form = f'<form method="post" action="{someone.url}/me/shop"><input name="receipt" value="{receipt}"></form>'
    site = someone.url.replace("consent.", "www.")
    page.route(f"{site}/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto(f"{site}/")
    page.evaluate("document.forms[0].submit()")
    page.wait_for_url("**/me/shop")
    expect(page.locator("#me-rows > li")).to_have_count(1)
    page.locator("#me-withdraw").click()
    expect(page.locator("#me-done")).to_be_visible()
    assert receipt not in page.url


def test_all_can_be_taken_along_and_printed(someone: Someone) -> None:
    page = someone.open(someone.say())
    with page.expect_download() as found:
        page.locator("#me-download").click()
    assert found.value.suggested_filename == "consent-shop.jsonld"
    assert json.loads(found.value.path().read_text())["@graph"][0]["@type"] == "dpv:ConsentReceipt"
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#me-rows blockquote").first).to_be_visible()
    for hidden in (".top", "#me-save", "#me-erase", "[name=category-analytics]"):
        expect(page.locator(hidden)).to_be_hidden()


def test_restricting_lifting_and_erasing(someone: Someone, axe_source: str) -> None:
    receipt = someone.say()
    page = someone.open(receipt, "en")
    page.locator("#me-restrict").click()
    said(page, "restricted", "Your choices up to now are restricted.")
    expect(page.locator("#me-restricted")).to_contain_text("they are kept, and not used")
    expect(page.locator("#me-rows .held")).to_be_visible()
    assert faults(page, axe_source) == []
    expect(page.locator("#me-restrict")).to_be_hidden()
    page.locator("#me-lift").click()
    expect(page.locator("#me-restricted")).to_be_hidden()
    page.locator("#me-erase").click()
    page.keyboard.press("Escape")
    expect(page.locator("#me-ask")).to_be_hidden()
    assert len(someone.records(receipt)) == 1, "not without its confirmation"
    page.locator("#me-erase").click()
    page.get_by_role("button", name="Do not erase").click()
    page.locator("#me-erase").click()
    page.locator("#me-ask button[value=erase]").click()
    expect(page.locator("#me-erased")).to_contain_text("choices: 1, ")
    assert faults(page, axe_source) == []
    expect(page.locator("#me-erased [data-elsewhere]")).to_be_visible()
    assert someone.link("erased") == "https://www.shop.example/#poort=erased"
    assert someone.poort.call("GET", "/v1/sites/shop/me", None, {"Poort-Receipt": receipt}).status == 401
    assert someone.complaints == []


@pytest.mark.parametrize("broken", [503, 0])
def test_a_decision_that_was_not_answered_is_recorded_once(someone: Someone, broken: int) -> None:
    receipt = someone.say()
    page = someone.open(receipt)

    def lose(route: Any) -> None:
        # It is stored, and the answer is lost.
        said = route.request.post_data_json
        assert someone.poort.call("POST", "/v1/sites/shop/consents", said).status == 201
        if broken:
            route.fulfill(status=broken, body="{}")
        else:
            route.abort()

    page.route("**/consents", lose, times=1)
    page.locator("#me-withdraw").click()
    expect(page.locator("#me-fault")).to_be_focused()
    page.locator("#me-withdraw").click()
    expect(page.locator("#me-done")).to_be_visible()
    assert [record["action"] for record in someone.records(receipt)] == ["accept_all", "withdraw"]


def test_without_a_receipt_it_says_so(someone: Someone, axe_source: str) -> None:
    page = someone.page
    page.goto(f"{someone.url}/me/shop?lang=en")
    expect(page.locator("#me-none")).to_contain_text("No choice of yours is known here")
    assert faults(page, axe_source) == []


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_owner_s_list_is_fit_for_everybody(someone: Someone, axe_source: str, language: str) -> None:
    someone.poort.run(
        "user", "create", f"{language}@shop.example", "--organisation", "Webwinkel B.V.", "--password", PASSWORD,
        "--join")
    receipt = someone.say()
    assert someone.poort.call("DELETE", "/v1/sites/shop/me", None, {"Poort-Receipt": receipt}).status == 204
    page = someone.page
    # At the machine itself: a session's cookie is for https, or for this.
    page.goto(f"{someone.poort.url}/login?lang={language}")
    page.fill("input[name=email]", f"{language}@shop.example")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/console/**")
    page.goto(f"{someone.poort.url}/console/sites/shop/visitors?lang={language}")
    expect(page.locator("tbody tr").first).to_contain_text({"nl": "Wissen", "en": "Erasure"}[language])
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert faults(page, axe_source) == []
