"""An owner's first hour, driven in a real Chromium on a Poort of its own: `python -m docs.tour [nl|en] [FOLDER]`.

From the sign-in page to a published banner on a page of the site, and the check that says so. Prints the clicks, the
fields that were filled in and the seconds; with a folder it takes the pictures of docs/owner.*.md.
"""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

from tests.servers import Server, sqlite

OWNER, PASSWORD = "eigenaar@webwinkel.example", "een lang wachtwoord"
PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Webwinkel</title>{tag}
<script type="text/plain" data-service="hotjar" data-src="https://static.hotjar.com/c/hotjar-1.js"></script></head>
<body><main><h1>Webwinkel</h1><p>{text}</p></main></body></html>"""
TEXTS = {"nl": "Potten en pannen, morgen in huis.", "en": "Pots and pans, at your door tomorrow."}


class Shop:
    """The owner's site: one page, in which the tag is put."""

    def __init__(self, language: str) -> None:
        self.language, self.tag = language, ""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = PAGE.format(language=shop.language, tag=shop.tag, text=TEXTS[shop.language]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def open(self) -> Iterator["Shop"]:
        """Served until the end of the block."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        yield self
        self._server.shutdown()


class Hand:
    """What the owner does, counted."""

    def __init__(self, page: Page, pictures: Path | None, language: str) -> None:
        self.page, self._pictures, self._language = page, pictures, language
        self.clicks = self.fields = 0

    def look(self, name: str, page: Page | None = None) -> None:
        """Take a picture, if they are wanted."""
        if self._pictures is not None:
            (page or self.page).screenshot(path=self._pictures / f"owner-{name}-{self._language}.png")

    def fill(self, name: str, text: str) -> None:
        self.fields += 1
        self.page.fill(f'[name="{name}"]', text)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()
        self.page.wait_for_load_state()


def first_hour(hand: Hand, poort: Server, shop: Shop) -> None:
    """Everything from the sign-in page to the installation that is found right."""
    hand.page.goto(f"{poort.url}/login?lang={shop.language}")
    hand.look("sign-in")
    hand.fill("email", OWNER)
    hand.fill("password", PASSWORD)
    hand.click(hand.page.locator("main button.main"))
    _site(hand, shop)
    _publish(hand)
    _tag(hand, shop)
    _check(hand)


def _site(hand: Hand, shop: Shop) -> None:
    hand.page.wait_for_url("**/console/organisation")
    hand.fill("name", "Webwinkel B.V.")
    hand.look("organisation")
    hand.click(hand.page.locator("main button.main"))
    hand.fill("name", "Webwinkel")
    hand.fill("address", shop.url)
    hand.fill("controller.email", "privacy@webwinkel.example")
    hand.fill("controller.policy_url", "https://www.webwinkel.example/privacy")
    hand.click(hand.page.locator('[name=start][value="erp-www"], [name=start][value="journeys-www"]').first)
    hand.look("new-site")
    hand.click(hand.page.locator("main button.main"))
    hand.look("checklist")


def _step(hand: Hand, path: str) -> None:
    """Open what a step of the checklist leads to."""
    hand.click(hand.page.locator(f'.steps a[href$="{path}"]').first)


def _publish(hand: Hand) -> None:
    overview = hand.page.url
    for part in ("trackers", "banner"):
        hand.page.goto(f"{overview}/{part}")
        hand.page.wait_for_timeout(1_500)
        hand.look(part)
    hand.page.goto(overview)
    _step(hand, "/publish")
    hand.look("publish")
    hand.click(hand.page.locator("main button.main", has_text="1"))
    hand.page.wait_for_url("**/console/sites/*")


def _tag(hand: Hand, shop: Shop) -> None:
    _step(hand, "/tag")
    hand.look("tag")
    shop.tag = hand.page.locator("pre code").first.inner_text()
    visitor = hand.page.context.new_page()
    visitor.goto(shop.url)
    visitor.wait_for_selector("[data-poort=banner]")
    visitor.wait_for_timeout(500)
    hand.look("visitor", visitor)
    visitor.close()


def _check(hand: Hand) -> None:
    hand.click(hand.page.locator('a[href*="/scans"]', has_text="").last)
    hand.look("check-begin")
    hand.click(hand.page.locator('button[name=kind][value="install"]'))
    hand.page.wait_for_selector(".scan-checks", timeout=120_000)
    hand.look("check")


def main() -> None:
    """Go through it once."""
    language = sys.argv[1] if len(sys.argv) > 1 else "nl"
    pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    folder = Path(tempfile.mkdtemp())
    settings = {"POORT_JOBS": "on", "POORT_SCAN_PRIVATE": "on"}
    shop = Shop(language)
    with Server(sqlite(folder), door="asgi", **settings) as poort, shop.open(), sync_playwright() as playwright:
        poort.flask("user", "create", OWNER, "--password", PASSWORD)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"])
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale=language)
        hand = Hand(context.new_page(), pictures, language)
        begun = time.monotonic()
        first_hour(hand, poort, shop)
        print(f"{hand.clicks} clicks, {hand.fields} fields, {time.monotonic() - begun:.0f} s")  # its output
        browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
