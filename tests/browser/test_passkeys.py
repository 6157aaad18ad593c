"""Passkeys with Chromium's own authenticator, and the pages of who is not signed in, as they look and to axe."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.conftest import ARGUMENTS, chromium
from tests.browser.test_console_screens import looked_at
from tests.conftest import PASSWORD
from tests.servers import Server, sqlite

EMAIL = "dora@shop.example"
DEVICE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
          "isUserVerified": True, "automaticPresenceSimulation": True}


@pytest.fixture(scope="module")
def poort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Poort on 127.0.0.1, whose passkeys are at its other name, with a mail server that is never asked."""
    mail = {"POORT_MAIL_URL": "smtp://127.0.0.1:1", "POORT_MAIL_FROM": "poort@shop.example"}
    folder = tmp_path_factory.mktemp("passkeys")
    with Server(sqlite(folder), WEB_CONCURRENCY=1, POORT_SIGN_UP="on", POORT_LOGIN_LIMIT=100, **mail) as running:
        running.run("user", "create", EMAIL, "--organisation", "Webwinkel B.V.", "--password", PASSWORD)
        yield running


@pytest.fixture(scope="module")
def browser(engine: Playwright) -> Iterator[Browser]:
    found = engine.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    yield found
    found.close()


def give_password(page: Page, base: str) -> None:
    page.goto(f"{base}/login")
    page.fill("#email", EMAIL)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")


def sign_out(page: Page) -> None:
    page.click("form.account button")
    page.wait_for_url("**/login")


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and what its console complains about."""
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def test_a_passkey_is_added_and_opens_alone_and_as_the_second_step(browser: Browser, poort: Server) -> None:
    base = f"http://localhost:{poort.port}"
    context = browser.new_context(locale="nl")
    page, complaints = watched(context)
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    give_password(page, base)
    page.wait_for_url("**/console/")
    page.goto(f"{base}/console/security")
    page.fill("#passkey-name", "Mijn laptop")
    page.click("text=Passkey toevoegen")
    expect(page.locator("#codes")).to_contain_text(re.compile(r"([a-z2-9]{4}-){3}[a-z2-9]{4}"))
    expect(page.locator(".rows")).to_contain_text(["Mijn laptop", "deze browser"])

    sign_out(page)
    page.click("text=Inloggen met een passkey")
    page.wait_for_url("**/console/")

    sign_out(page)
    give_password(page, base)
    page.wait_for_url("**/login/second")
    page.click("text=Passkey gebruiken")
    page.wait_for_url("**/console/")

    page.goto(f"{base}/console/prove?next=/console/keys")
    page.click("text=Passkey gebruiken")
    page.wait_for_url("**/console/keys")
    assert complaints == []
    context.close()


def test_at_another_address_the_page_says_where_and_offers_none(browser: Browser, poort: Server) -> None:
    context = browser.new_context(locale="en")
    page, complaints = watched(context)
    page.goto(f"{poort.url}/login")
    expect(page.locator("form[data-passkey]")).to_be_hidden()
    expect(page.locator("#password")).to_be_visible()
    assert complaints == []
    context.close()


@pytest.mark.parametrize(("language", "width"), [("nl", 360), ("en", 1280)])
def test_the_pages_before_signing_in(
    browser: Browser, poort: Server, axe_source: str, language: str, width: int
) -> None:
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800})
    page, _ = watched(context)  # Chromium complains of every answer that is 410 itself
    reset = poort.run("user", "reset-password", EMAIL).strip().rpartition("/")[2]
    faults = []
    for path in ("/login", "/lost-password", "/sign-up", f"/lost-password/{reset}", "/join/made-up"):
        page.goto(f"http://localhost:{poort.port}{path}?lang={language}")
        faults += [f"{path}: {fault}" for fault in looked_at(page, axe_source)]
    page.goto(f"http://localhost:{poort.port}/lost-password?lang={language}")
    page.fill("#email", "nobody@shop.example")
    page.press("#email", "Enter")
    expect(page.locator("[role=status]")).to_be_visible()
    faults += looked_at(page, axe_source)
    context.close()
    assert faults == []
