"""Take the pictures of docs/screenshots: `make screenshots`. A real Poort on a database of its own, a real Chromium."""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.test_console_screens import SCREENS
from tests.servers import Server, sqlite

FOLDER = Path(__file__).resolve().parent / "screenshots"
WIDTHS = {1280: 800, 360: 780}
LANGUAGES = ("nl", "en")


def shoot(page: Page, name: str) -> None:
    """One picture, once everything has settled."""
    page.wait_for_timeout(600)
    page.screenshot(path=FOLDER / f"{name}.png")


def visitor(browser: Browser, base: str, language: str, width: int) -> None:
    """The banner, the second layer and the demo after accepting."""
    context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, locale=language)
    page = context.new_page()
    page.goto(f"{base}/demo/?lang={language}")
    page.wait_for_selector("[data-poort=banner]")
    shoot(page, f"banner-{language}-{width}")
    page.click("[data-poort=preferences]")
    shoot(page, f"preferences-{language}-{width}")
    page.click("#poort-accept-all")
    shoot(page, f"demo-{language}-{width}")
    context.close()


def signed_in(browser: Browser, base: str, language: str, width: int, login: list[str]) -> Page:
    """A page of the console, for the demo's owner."""
    context = browser.new_context(viewport={"width": width, "height": 1000}, locale=language)
    page = context.new_page()
    page.goto(f"{base}/login?lang={language}")
    page.fill("input[name=email]", login[0])
    page.fill("input[name=password]", login[1])
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/console/**")
    return page


def marketer(browser: Browser, base: str, language: str, width: int, login: list[str]) -> None:
    """The report."""
    page = signed_in(browser, base, language, width, login)
    page.goto(f"{base}/console/sites/demo/report?lang={language}")
    shoot(page, f"report-{language}-{width}")
    page.context.close()


def owner(browser: Browser, base: str, language: str, width: int, login: list[str]) -> None:
    """Every screen of the console that there is for an owner."""
    page = signed_in(browser, base, language, width, login)
    for screen in SCREENS:
        path = screen.format(site="demo")
        page.goto(f"{base}{path}?lang={language}")
        name = path.removeprefix("/console").removeprefix("/sites/demo").strip("/").replace("/", "-")
        shoot(page, f"console-{name or ('site' if 'demo' in path else 'sites')}-{language}-{width}")
    page.context.close()


def main() -> None:
    """Take them all."""
    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    with Server(sqlite(folder), POORT_DEMO="on") as server, sync_playwright() as playwright:
        login = folder / "login"
        server.flask("demo", "load", "--login", str(login))
        found = login.read_text().split()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        for language in LANGUAGES:
            for width in WIDTHS:
                visitor(browser, server.url, language, width)
                marketer(browser, server.url, language, width, found)
                if (language, width) != ("en", 360):  # eleven megabytes are enough
                    owner(browser, server.url, language, width, found)
        browser.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
