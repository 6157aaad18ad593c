"""Every screen of the console, in Dutch and English, at 360 and 1280 px: right to axe, no wider, without complaints.

A new screen is a line in SCREENS. What a screen does is tried in the tests of its own part.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, Playwright

from app import create_app
from tests.browser.conftest import ARGUMENTS, chromium
from tests.browser.test_axe import RUN, TAGS
from tests.servers import SECRET, Server, sqlite
from tests.shop import body

# Of the demo's owner; {site} is a published site of theirs.
SCREENS = (
    "/console/",
    "/console/new",
    "/console/jobs",
    "/console/members",
    "/console/keys",
    "/console/security",
    "/console/security/messages",
    "/console/prove",
    "/console/audit",
    "/console/sites/{site}",
    "/console/sites/{site}/settings",
    "/console/sites/{site}/settings/json",
    "/console/sites/{site}/banner",
    "/console/sites/{site}/experiment",
    "/console/sites/{site}/publish",
    "/console/sites/{site}/versions",
    "/console/sites/{site}/versions/compare",
    "/console/sites/{site}/tag",
    "/console/sites/{site}/requests",
    "/console/sites/{site}/visitors",
    "/console/sites/{site}/leaks",
    "/console/sites/{site}/report",
    "/console/report",
    "/console/sites/{site}/alerts",
    "/console/sites/{site}/trackers",
    "/console/sites/{site}/trackers/new",
    "/console/sites/{site}/trackers/paste",
    "/console/sites/{site}/scans",
)
# With more in their address than the key of a site.
MORE = ("/console/sites/{site}/versions/1", "/console/sites/{site}/versions/compare?from=1&to=draft")
# What is no page: files to download, and answers to scripts.
NO_SCREENS = {"/console/audit.csv", *(f"{of}/report{file}" for of in ("/console", "/console/sites/{site}") for file in (
                  ".csv", ".xlsx", "/answers.svg", "/answers.png", "/allowed.svg", "/allowed.png")),
              "/console/sites/{site}/definition.json",
              "/console/sites/{site}/tag/poort.tpl", "/console/organisation"}  # the last: for who is in none
# axe takes half a second: once in each language, once at each width.
READ = {("nl", 360), ("en", 1280)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[str]]]:
    """A Poort with the demo on it, and its owner's address and password."""
    folder = tmp_path_factory.mktemp("console")
    with Server(sqlite(folder), door="asgi", WEB_CONCURRENCY=1, POORT_DEMO="on") as server:
        server.flask("demo", "load", "--login", str(folder / "login"))
        yield server, (folder / "login").read_text().split()


@pytest.fixture(scope="module")
def owner(engine: Playwright, server: tuple[Server, list[str]]) -> Iterator[Browser]:
    """A browser on the machine's own addresses."""
    found = engine.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    yield found
    found.close()


def sign_in(page: Page, base: str, login: list[str]) -> None:
    """Through the form, as everybody."""
    page.goto(f"{base}/login")
    page.fill("input[name=email]", login[0])
    page.fill("input[name=password]", login[1])
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/console/**")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_screen(
    owner: Browser, server: tuple[Server, list[str]], axe_source: str, language: str, width: int
) -> None:
    poort, login = server
    page = owner.new_page(viewport={"width": width, "height": 800}, locale=language)
    complaints: list[str] = []
    page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, poort.url, login)
    faults: list[str] = []
    for screen in SCREENS + MORE:
        path = screen.format(site="demo")
        answer = page.goto(f"{poort.url}{path}{'&' if '?' in path else '?'}{urlencode({'lang': language})}")
        assert answer is not None
        if answer.status != 200:
            faults.append(f"{path}: {answer.status}")
        faults += [f"{path}: {fault}" for fault in looked_at(page, axe_source if (language, width) in READ else "")]
    page.context.close()
    assert faults + complaints == []


def test_a_chart_is_read_by_its_slider(owner: Browser, server: tuple[Server, list[str]]) -> None:
    """With the keys of every slider; what it says is what stands beneath and what pointing at the column says."""
    poort, login = server
    page = owner.new_page(viewport={"width": 360, "height": 800})
    sign_in(page, poort.url, login)
    page.goto(f"{poort.url}/console/sites/demo/report?lang=en")
    chart = page.locator("[data-chart]").first
    slider, told = chart.get_by_role("slider", name="Answers to the banner by day"), chart.locator(".told")
    said = [title.text_content() for title in chart.locator(".column title").all()]
    assert slider.get_attribute("aria-valuetext") == said[-1], "the last day first"
    for key, at in (("ArrowLeft", -2), ("Home", 0), ("ArrowRight", 1), ("End", -1)):
        slider.press(key)
        assert (slider.get_attribute("aria-valuetext"), told.text_content()) == (said[at], said[at])
    page.context.close()


@pytest.mark.parametrize(("language", "width"), sorted(READ))
def test_the_screens_of_one_visitor(
    owner: Browser, server: tuple[Server, list[str]], axe_source: str, language: str, width: int
) -> None:
    """They have no address: what is looked for is sent. Found, on paper, asked once more, and erased."""
    poort, login = server
    version = poort.call("GET", "/v1/sites/demo/config").json()["version"]
    receipt = poort.call("POST", "/v1/sites/demo/consents", body("custom", version=version)).json()["receipt"]
    page = owner.new_page(viewport={"width": width, "height": 800}, locale=language)
    sign_in(page, poort.url, login)
    page.goto(f"{poort.url}/console/sites/demo/visitors?lang={language}")
    faults: list[str] = []
    for fill, press, comes in (
        ("x", "main form .main", "#known-fault"), (receipt, "main form .main", "#found"),
        ("", "[formaction$=print]", "[data-print]:not([hidden])"), ("", "[formaction$=visitors]", "#found"),
        ("", "[formaction$=erase]", "#sure"), ("", "[name=confirmed]", "p[role=status]"),
    ):
        if fill:
            page.fill("#known", fill)
        page.click(press)
        page.wait_for_selector(comes)
        faults += [f"{comes}: {fault}" for fault in looked_at(page, axe_source)]
    page.context.close()
    assert faults == []


def looked_at(page: Page, axe_source: str) -> list[str]:
    """What is wrong with the screen that is open."""
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    faults = [f"{over} px wider than the window"] if over > 0 else []
    if axe_source:
        page.evaluate(axe_source)
        found = page.evaluate(RUN, TAGS)
        assert len(found["passes"]) > 10
        faults += [f"{rule['id']}: {node['html'][:200]}" for rule in found["violations"] for node in rule["nodes"]]
    return faults


def test_every_page_is_a_screen(tmp_path: Path) -> None:
    """What the console answers with a page for a person, and takes no more than the key of a site."""
    app = create_app(POORT_DATABASE_URL=sqlite(tmp_path), POORT_SECRET_KEYS=SECRET)
    pages = {
        rule.rule.replace("<key>", "{site}") for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/console/") and "GET" in (rule.methods or ()) and rule.arguments <= {"key"}
    }
    assert pages - NO_SCREENS == set(SCREENS)
