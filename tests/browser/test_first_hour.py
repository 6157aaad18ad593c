"""The first hour as a new owner has it, in Dutch and in a browser: from signing in to the banner on a page."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Playwright, expect

from tests.browser.conftest import ARGUMENTS, chromium
from tests.conftest import PASSWORD
from tests.servers import Server, sqlite

OWNER = "nieuw@nieuw.example"


@contextmanager
def serving(tag: list[str]) -> Iterator[str]:
    """A page of the owner's with the tag in its head; its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            head = f"<head><title>Shop</title>{tag[0]}</head>"
            body = f'<!doctype html><html lang="nl">{head}<body>Shop</body></html>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_from_signing_in_to_a_banner_on_the_page(engine: Playwright, tmp_path: Path) -> None:
    tag: list[str] = []
    with Server(sqlite(tmp_path), door="asgi", WEB_CONCURRENCY=1) as poort, serving(tag) as shop:
        poort.run("user", "create", OWNER, "--password", PASSWORD)
        browser = engine.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(locale="nl")
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.goto(f"{poort.url}/login")
        page.fill("input[name=email]", OWNER)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_label("Naam van de organisatie").fill("Nieuw B.V.")
        page.get_by_role("button", name="Verder naar de eerste site").click()
        page.fill("#name", "Mijn winkel")
        page.fill("#address", shop)
        expect(page.locator("#origins")).to_have_attribute("placeholder", shop)
        expect(page.locator("#key")).to_have_attribute("placeholder", "mijn-winkel")
        page.fill("[id='controller.email']", "privacy@nieuw.example")
        page.fill("[id='controller.policy_url']", "https://www.nieuw.example/privacy")
        page.get_by_text("Marketingwebsite").click()
        page.get_by_role("button", name="Site maken").click()
        expect(page.locator(".checklist")).to_contain_text("12 trackers in de lijst")
        page.locator(".checklist a[href$='/publish']").last.click()
        for field in page.locator("input[name^='reason:']").all():
            field.fill(field.input_value() or "Dit is een proef op mijn eigen computer.")
        page.get_by_role("button", name="Versie 1 publiceren").click()
        expect(page.get_by_role("status").first).to_contain_text("Gepubliceerd")
        page.locator(".checklist a[href$='/tag']").click()
        for id in ("tag-plain", "tag-pinned"):
            tag[:] = [str(page.locator(f"#{id}").text_content())]
            visitor = browser.new_page(locale="nl")
            visitor.goto(shop)
            expect(visitor.locator("[data-poort=banner]")).to_contain_text("Nieuw B.V.", timeout=10_000)
            if id == "tag-plain":
                visitor.close()
        visitor.locator("[data-poort=necessary-only]").click()
        expect(visitor.locator("[data-poort=banner]")).to_be_hidden()
        page.goto(f"{poort.url}/console/sites/mijn-winkel")
        expect(page.locator(".checklist .done")).to_have_count(5)
        browser.close()
    assert complaints == []
