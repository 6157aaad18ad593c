"""The banner's editor in a browser: the preview is the real banner of what is typed, and nothing of it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.measure import look
from tests.browser.sites import HARM
from tests.browser.test_console_screens import owner as owner
from tests.browser.test_console_screens import server as server
from tests.browser.test_console_screens import sign_in
from tests.servers import Server

Login = tuple[Server, list[str]]
ALARM = "for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => console.error('fired');"


@pytest.fixture(autouse=True, scope="module")
def managed_here(server: Login) -> None:
    """The demo as if its draft had been changed in the console before: nothing asks for a confirmation."""
    with closing(pysqlite3.connect(server[0].database_url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE site SET managed = 'console'")


@pytest.fixture
def page(owner: Browser, server: Login) -> Iterator[Page]:
    """The editor of the demo, as its owner."""
    poort, login = server
    page = owner.new_page(viewport={"width": 1280, "height": 800}, locale="en")
    page.add_init_script(ALARM)
    sign_in(page, poort.url, login)
    page.goto(f"{poort.url}/console/sites/demo/banner?lang=en")
    yield page
    page.context.close()


def frame(page: Page, width: int) -> FrameLocator:
    """The last preview at this width."""
    return page.frame_locator(f".editor-frame[data-width='{width}'] iframe").last


def field(page: Page, path: str, value: str) -> None:
    page.locator(f"[name='{path}']").fill(value)


def test_the_preview_shows_the_real_banner_with_what_is_typed(page: Page, server: Login) -> None:
    """Phone and wide, both layers, each language, light and dark, GPC; nothing is recorded or asked of anybody else."""
    poort, _ = server
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    field(page, "texts.nl.title", f"{{controller}} {HARM[:40]}")
    field(page, "look.colours.light.button", "#7a0050")
    for width in (1280, 360):
        shown = frame(page, width)
        expect(shown.locator("#poort-title")).to_contain_text(HARM[:40])
        expect(shown.locator("#poort-accept-all")).to_have_css("background-color", "rgb(122, 0, 80)")
        accept, refuse = look(shown.locator("#poort-accept-all")), look(shown.locator("#poort-reject-all"))
        assert abs(accept["width"] - refuse["width"]) < 1 > abs(accept["height"] - refuse["height"])
        assert accept["font"] == refuse["font"]
    page.select_option("[name='preview.language']", "en")
    page.select_option("[name='preview.layer']", "second")
    page.select_option("[name='preview.scheme']", "dark")
    page.check("[name='preview.gpc']")
    page.locator(".editor-frame[data-width='360']").scroll_into_view_if_needed()  # else the browser does not draw it
    shown = frame(page, 360)
    expect(shown.locator("[data-poort=save]")).to_have_text("Save")
    expect(shown.locator("#poort-banner")).to_have_css("background-color", "rgb(27, 33, 41)")
    expect(shown.locator("#poort-banner")).to_contain_text("Your browser asks for no marketing")
    shown.locator("#poort-reject-all").click()
    expect(shown.locator("[role=status]")).to_have_text("Your choice is saved.")
    expect(shown.locator("[data-poort=reopen]")).to_be_visible()
    assert complaints == []
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {poort.url.split("/")[2]}
    paths = {"/" + url.split("/", 3)[3].split("?")[0] for url in asked if url.startswith("http")}
    assert not [path for path in paths if path.startswith("/v1/")]
    assert page.evaluate("document.cookie.includes('poort=')") is False


def test_the_contrast_is_computed_as_one_types_and_too_little_is_not_saved(page: Page, tmp_path: Path) -> None:
    row = page.locator("[data-theme=light] [data-pair^='text ']")
    expect(row.locator("strong")).to_have_text("16.26")
    field(page, "look.colours.light.text", "#777")
    expect(row.locator("strong")).to_have_text("4.47")
    expect(row.locator(".badge")).to_have_text("too little")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.locator("[id='look.colours.light.text-fault']")).to_contain_text("4.47")
    expect(page.locator("[name='look.colours.light.text']")).to_have_value("#777")
    expect(frame(page, 360).locator("body")).to_contain_text("Something is not right yet")
    field(page, "look.colours.light.text", "#333")
    field(page, "texts.nl.policy", "Privacy")
    expect(row.locator(".badge")).to_have_text("enough")
    reset = page.locator("[data-usual][value='texts.nl.policy']")
    reset.click()
    expect(page.locator("[name='texts.nl.policy']")).to_have_value("Privacyverklaring")
    expect(reset).to_be_hidden()
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_role("status")).to_contain_text("Saved in the draft.")
    expect(page.locator("[name='look.colours.light.text']")).to_have_value("#333333")


def test_it_can_be_edited_without_javascript(owner: Browser, server: Login) -> None:
    poort, login = server
    context = owner.new_context(java_script_enabled=False, locale="en", viewport={"width": 360, "height": 800})
    page = context.new_page()
    sign_in(page, poort.url, login)
    page.goto(f"{poort.url}/console/sites/demo/banner?lang=en")
    field(page, "texts.nl.preferences", "Kies zelf")
    field(page, "look.colours.dark.text", "#555")
    page.get_by_role("button", name="Check without saving").click()
    expect(page.locator("[data-theme=dark] [data-pair^='text '] .badge")).to_have_text("too little")
    expect(page.locator("[name='texts.nl.preferences']")).to_have_value("Kies zelf")
    field(page, "look.colours.dark.text", "")
    page.locator("[name='texts.nl.preferences']").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved in the draft.")
    page.locator("button[value='texts.nl.preferences']").click()
    expect(page.locator("[name='texts.nl.preferences']")).to_have_value("Zelf instellen")
    context.close()
