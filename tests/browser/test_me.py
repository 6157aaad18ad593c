"""The visitor's own page in a real browser: what they chose, and what came of it, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser.conftest import chromium as chromium_path
from tests.browser.test_demo import ARGUMENTS
from tests.receiver import Receiver
from tests.servers import Server, sqlite
from tests.shop import DEFINITION, body

DONE = {"hotjar": ["deleted"], "meta": ["told", "deleted"], "ga4": ["could_not"]}
WORDS = {
    "nl": ("gewist uit je browser", "doorgegeven", "niet gelukt", "de eigen systemen van de site: doorgegeven"),
    "en": ("deleted from your browser", "passed on", "did not work", "the systems of the site itself: passed on"),
}


@pytest.fixture
def chromium(engine: Playwright) -> Iterator[Browser]:
    browser = engine.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
    yield browser
    browser.close()


def test_what_came_of_a_withdrawal_stands_beside_it(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = sqlite(tmp_path_factory.mktemp("me"))
    with Receiver() as receiver, Server(url, door="asgi", POORT_WEBHOOK_PRIVATE="on") as poort:
        poort.publish(DEFINITION)
        poort.run("webhook", "set", "shop", receiver.url)
        answer = poort.call("POST", "/v1/sites/shop/consents", body("withdraw", source="settings")).json()
        said = {"record": answer["record"]["id"], "trackers": DONE}
        own = {"Poort-Receipt": answer["receipt"]}
        assert poort.call("POST", "/v1/sites/shop/outcomes", said, own).status == 204
        poort.run("jobs", "run")
        for language, (deleted, told, could_not, systems) in WORDS.items():
            page = chromium.new_page()
            page.goto(f"{poort.url}/me/shop?lang={language}#receipt={answer['receipt']}")
            cell = page.locator("#me-rows tr").first.locator("td").nth(2)
            expect(cell).to_contain_text(f"Hotjar: {deleted}")
            expect(cell).to_contain_text(f"{deleted}, {told}")
            expect(cell).to_contain_text(f": {could_not}")
            expect(cell).to_contain_text(systems)
            page.close()
