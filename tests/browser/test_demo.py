"""The demo in a real browser: what the glass house shows is what the browser really did.

The requests are counted by the browser's driver, from outside the page; the panel has to agree with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

from tests.browser.conftest import chromium as chromium_path
from tests.browser.one_door import door as door
from tests.browser.test_axe import RUN, TAGS
from tests.servers import Server, sqlite

FUNCTIONAL = {"intercom", "calendly", "typeform", "saber"}
ANALYTICS = {"ga4", "hotjar", "vwo"}
MARKETING = {"meta", "linkedin", "uet", "gads", "activecampaign"}
TWELVE = FUNCTIONAL | ANALYTICS | MARKETING
STAND_IN = re.compile(r"/demo/stand-in/([a-z0-9]+)\.")
# What tests open is all that this browser can reach.
ONLY_US = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", ONLY_US]


@pytest.fixture(scope="module")
def demo(door: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Poort with the demo, made by the commands of `make run`."""
    folder = tmp_path_factory.mktemp("demo")
    with Server(sqlite(folder), door=door, POORT_DEMO="on") as poort:
        poort.flask("demo", "load", "--login", str(folder / "demo-login"))
        yield f"http://127.0.0.1:{poort.port}"


@pytest.fixture(scope="module")
def chromium(engine: Playwright) -> Iterator[Browser]:
    browser = engine.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
    yield browser
    browser.close()


@dataclass
class Newcomer:
    """Somebody who looks at the demo."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)

    def open(self, path: str = "/demo/?lang=nl") -> Newcomer:
        self.requests.clear()
        self.page.goto(self.address + path)
        return self

    def act(self, name: str) -> None:
        """Press one of the buttons of the glass house."""
        self.page.locator(f'[data-act="{name}"]').click()

    def settles(self, allowed: set[str], reasons: dict[str, str]) -> None:
        """The gate's answers in the panel are these, and the browser asked for exactly what is allowed."""
        for tracker, reason in reasons.items():
            expect(self.row(tracker)).to_have_attribute("data-reason", reason)
            expect(self.row(tracker)).to_have_attribute("data-allow", str(tracker in allowed).lower())
        expect(self.page.locator("[data-count]")).to_have_text(str(len(allowed)))
        self.page.wait_for_timeout(250)
        assert self.asked() == allowed
        assert {t for t in TWELVE if "asked" in (self.row(t).get_attribute("class") or "")} == allowed

    def row(self, tracker: str) -> Locator:
        return self.page.locator(f'[data-tracker="{tracker}"]')

    def asked(self) -> set[str]:
        found = (STAND_IN.search(url) for url in self.requests)
        return {match[1] for match in found if match}

    def cookies(self) -> set[str]:
        return {str(cookie["name"]) for cookie in self.page.context.cookies()}


NewNewcomer = Callable[..., Newcomer]


@pytest.fixture
def newcomers(chromium: Browser, demo: str) -> Iterator[NewNewcomer]:
    contexts: list[BrowserContext] = []

    def make(width: int = 1280, height: int = 800, scheme: str = "light") -> Newcomer:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="nl-NL", color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(5_000)
        contexts.append(context)
        return Newcomer(context.new_page(), demo)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def newcomer(newcomers: NewNewcomer) -> Newcomer:
    return newcomers()


def everything(reason: str) -> dict[str, str]:
    return dict.fromkeys(TWELVE, reason)


# What a visitor does -------------------------------------------------------------------------------------------------


def test_two_clicks_show_the_whole_product(newcomer: Newcomer) -> None:
    newcomer.open("/?lang=nl").page.get_by_role("link", name="Bekijk de demo").click()
    newcomer.page.locator("#poort-accept-all").click()
    newcomer.settles(TWELVE, everything("granted"))
    expect(newcomer.page.locator(".record")).to_contain_text('"action": "accept_all"')
    expect(newcomer.page.locator(".receipt")).to_contain_text('"a": "accept_all"')


def test_before_a_choice_nothing_is_asked_for_and_nothing_is_kept(newcomer: Newcomer) -> None:
    newcomer.open().page.locator("#poort-banner").wait_for()
    newcomer.settles(set(), everything("no_choice"))
    assert newcomer.cookies() == set()
    expect(newcomer.page.locator(".record")).to_contain_text("Nog niets")
    expect(newcomer.page.locator(".stored")).to_contain_text("Geen cookies")


def test_after_accepting_every_kind_of_tag_runs(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    for path in ("meta.gif", "calendly.html", "typeform.html", "hotjar.js"):
        assert any(path in url for url in newcomer.requests), path
    expect(newcomer.page.locator(".line")).to_contain_text("Google Analytics 4: code in de pagina uitgevoerd")
    assert newcomer.cookies() >= {"poort", "_ga", "_hjSession_demo", "_fbp", "_uetsid", "intercom-id-demo"}
    assert newcomer.complaints == []


def test_after_refusing_none_is_asked_for(newcomer: Newcomer) -> None:
    newcomer.open().act("refuse")
    newcomer.settles(set(), everything("denied"))
    expect(newcomer.page.locator(".record")).to_contain_text('"action": "necessary_only"')
    assert newcomer.cookies() == {"poort"}


def test_the_shops_own_button_allows_one_category(newcomer: Newcomer) -> None:
    newcomer.open().act("refuse")
    newcomer.page.locator("button.functional").click()
    newcomer.settles(FUNCTIONAL, dict.fromkeys(FUNCTIONAL, "granted") | dict.fromkeys(ANALYTICS | MARKETING, "denied"))
    expect(newcomer.page.locator("iframe[src*=calendly]")).to_be_visible()
    expect(newcomer.page.locator(".record")).to_contain_text('"action": "custom"')


def test_on_the_second_visit_nothing_is_asked_again(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    newcomer.open()
    newcomer.settles(TWELVE, everything("granted"))
    expect(newcomer.page.locator("#poort-banner")).to_have_count(0)
    expect(newcomer.page.locator(".record")).to_contain_text('"action": "accept_all"')


def test_withdrawing_deletes_their_cookies_and_the_next_page_loads_none(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    newcomer.act("withdraw")
    expect(newcomer.row("hotjar")).to_have_attribute("data-reason", "withdrawn")
    assert newcomer.cookies() == {"poort"}
    newcomer.requests.clear()
    newcomer.act("next")
    newcomer.settles(set(), everything("withdrawn"))
    expect(newcomer.page.locator(".record")).to_contain_text("2 in totaal")


def test_gpc_keeps_marketing_out_of_an_earlier_consent(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    newcomer.requests.clear()
    newcomer.act("gpc")
    newcomer.page.wait_for_url("**gpc=1")
    newcomer.settles(
        FUNCTIONAL | ANALYTICS, dict.fromkeys(FUNCTIONAL | ANALYTICS, "granted") | dict.fromkeys(MARKETING, "gpc")
    )


def test_who_accepts_knowing_of_gpc_is_taken_at_their_word(newcomer: Newcomer) -> None:
    newcomer.open("/demo/?lang=nl&gpc=1").act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    expect(newcomer.page.locator(".record")).to_contain_text('"gpc": true')


def test_forgetting_begins_anew(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    newcomer.requests.clear()
    newcomer.act("forget")
    newcomer.page.locator("#poort-banner").wait_for()
    newcomer.settles(set(), everything("no_choice"))
    assert newcomer.cookies() == set()


def test_a_forged_receipt_opens_nothing(newcomer: Newcomer, demo: str) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    token = next(str(c.get("value")) for c in newcomer.page.context.cookies() if c.get("name") == "poort")
    newcomer.page.evaluate("localStorage.clear()")
    newcomer.page.context.clear_cookies()
    newcomer.page.context.add_cookies([{"name": "poort", "value": token[:-6] + "AAAAAA", "url": demo}])
    newcomer.open().page.locator("#poort-banner").wait_for()
    newcomer.settles(set(), everything("bad_receipt"))
    expect(newcomer.page.locator(".record")).to_contain_text("door de server niet aangenomen")


def test_the_shop_sells_to_whoever_did_not_choose(newcomer: Newcomer) -> None:
    newcomer.open().page.get_by_role("button", name="In mandje: Kom Wad").dispatch_event("click")
    expect(newcomer.page.locator("#basket")).to_have_text("1")


# How it looks and works ---------------------------------------------------------------------------------------------


def test_the_browser_asks_nothing_of_anybody_else(newcomer: Newcomer, demo: str) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    assert [url for url in newcomer.requests if not url.startswith(demo + "/")] == []
    assert newcomer.complaints == []


def test_the_timeline_is_in_the_order_of_time(newcomer: Newcomer) -> None:
    newcomer.open().act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    lines = newcomer.page.locator(".line li").all_inner_texts()
    times = [float(re.match(r"[\d.,]+", line)[0].replace(".", "").replace(",", ".")) for line in lines]  # type: ignore[index]
    assert times == sorted(times)
    stored = next(number for number, line in enumerate(lines) if "Keuze naar de server" in line)
    first = next(number for number, line in enumerate(lines) if "opgevraagd" in line)
    assert stored < first


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_page_is_wider_than_its_window(newcomers: NewNewcomer, width: int) -> None:
    newcomer = newcomers(width=width)
    for path in ("/?lang=nl", "/demo/?lang=nl", "/demo/?lang=en"):
        newcomer.open(path)
        if "demo" in path:
            newcomer.page.evaluate("document.querySelector('#glass').classList.add('open')")
            expect(newcomer.row("saber")).to_have_attribute("data-reason", "no_choice")
        for box in ("document.documentElement", "document.querySelector('#glass-body') ?? document.body"):
            assert newcomer.page.evaluate(f"({box}).scrollWidth <= ({box}).clientWidth"), (path, box)


def test_on_a_phone_the_glass_house_opens_and_closes_by_keyboard(newcomers: NewNewcomer) -> None:
    newcomer = newcomers(width=360, height=740).open()
    fold = newcomer.page.get_by_role("button", name="Kijk mee")
    expect(newcomer.page.locator("#glass-body")).to_be_hidden()
    fold.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(newcomer.page.locator("#glass-body")).to_be_visible()
    fold.press("Enter")
    expect(newcomer.page.locator("#glass-body")).to_be_hidden()


@pytest.mark.parametrize(("language", "scheme", "width"), [("nl", "light", 360), ("en", "dark", 360),
                                                           ("nl", "dark", 1280), ("en", "light", 1280)])
def test_axe_finds_nothing(newcomers: NewNewcomer, axe_source: str, language: str, scheme: str, width: int) -> None:
    newcomer = newcomers(width=width, scheme=scheme)
    assert faults(newcomer.open(f"/?lang={language}"), axe_source) == []
    newcomer.open(f"/demo/?lang={language}").page.locator("#poort-banner").wait_for()
    assert faults(newcomer, axe_source) == []
    newcomer.page.evaluate("document.querySelector('#glass').classList.add('open')")
    newcomer.act("accept")
    newcomer.settles(TWELVE, everything("granted"))
    assert faults(newcomer, axe_source) == []


def faults(newcomer: Newcomer, source: str) -> list[str]:
    newcomer.page.evaluate(source)
    found = newcomer.page.evaluate(RUN, TAGS)
    assert len(found["passes"]) > 10
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
