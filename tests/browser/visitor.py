"""A visitor: one browser context and one page, with the words in which the tests speak of them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

from tests.browser.internet import Internet, wait_until

USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
    " Visit/{visit}"
)
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: function () { return true; }});"
# What a page did that no request shows: policy violations, movements of the page, the events of the banner.
WITNESS = """
window.witness = {violations: [], shifts: [], events: []};
addEventListener("securitypolicyviolation", function (event) {
  witness.violations.push(event.effectiveDirective + " " + event.blockedURI + " " + event.sample);
});
new PerformanceObserver(function (list) {
  list.getEntries().forEach(function (entry) { witness.shifts.push(entry.value); });
}).observe({type: "layout-shift", buffered: true});
["ready", "shown", "change", "withdrawn"].forEach(function (name) {
  addEventListener("poort:" + name, function (event) { witness.events.push([name, event.detail]); });
});
"""
ITEMS = "Object.keys(localStorage).concat(Object.keys(sessionStorage))"
OWN = {"poort"}


def open_context(
    browser: Browser,
    internet: Internet,
    javascript: bool = True,
    gpc: bool = False,
    locale: str = "nl-NL",
    width: int = 1280,
    height: int = 800,
    reduced_motion: bool = False,
    **more: Any,
) -> BrowserContext:
    context = browser.new_context(
        java_script_enabled=javascript,
        locale=locale,
        viewport={"width": width, "height": height},
        user_agent=USER_AGENT.format(visit=internet.visit),
        extra_http_headers={"Sec-GPC": "1"} if gpc else {},
        reduced_motion="reduce" if reduced_motion else "no-preference",
        ignore_https_errors=True,
        **more,
    )
    context.set_default_timeout(5_000)
    context.add_init_script(WITNESS + (GPC if gpc else ""))
    return context


@dataclass
class Visitor:
    context: BrowserContext
    internet: Internet
    page: Page = field(init=False)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    # -- going about --------------------------------------------------------------------------------------------------

    def open(self, url: str, banner: bool | None = None) -> Visitor:
        """Open a page; with `banner`, wait until the script has decided to ask (true) or not to (false)."""
        self.page.goto(url, wait_until="load")
        if banner:
            self.banner.wait_for(state="visible")
        elif banner is False:
            self.ready()
            assert self.banner.count() == 0 or not self.banner.is_visible(), "the banner must not appear"
        return self

    def ready(self) -> None:
        self.page.wait_for_function("window.witness.events.some(function (event) { return event[0] === 'ready'; })")

    def quiet(self, seconds: float = 0.3) -> None:
        """Wait until nothing has been asked for during so long."""
        seen, before = len(self.internet.requests()), -1
        while seen != before:
            self.page.wait_for_timeout(seconds * 1000)
            seen, before = len(self.internet.requests()), seen

    def asks_exactly(self, expected: set[str]) -> None:
        """The trackers asked for since the log was emptied are these, now and after a while."""
        wait_until(lambda: self.internet.trackers() >= expected, 20)
        # That something did not happen takes longer to see.
        self.quiet(0.3 if expected else 0.6)
        found = self.internet.trackers()
        assert found == expected, f"too many: {sorted(found - expected)}, missing: {sorted(expected - found)}"

    # -- the banner ---------------------------------------------------------------------------------------------------

    def control(self, name: str) -> Locator:
        return self.page.locator(f'[data-poort="{name}"]')

    @property
    def banner(self) -> Locator:
        return self.control("banner")

    def accept_all(self) -> None:
        self._answer("accept-all")

    def only_necessary(self) -> None:
        self._answer("necessary-only")

    def _answer(self, control: str, action: str | None = None) -> None:
        """Click, and wait for the receipt of this answer: an earlier one may be there already."""
        before = self.token
        self.control(control).first.click()
        self.stored(action, before)

    def preferences(self) -> None:
        self.control("preferences").click()
        self.control("save").wait_for(state="visible")

    def reopen(self) -> None:
        self.control("reopen").click()
        self.control("save").wait_for(state="visible")

    def switch(self, name: str, on: bool) -> None:
        """Set the switch of a category or a tracker, as a pointer would: `category-analytics`, `tracker-hotjar`."""
        box = self.control(name)
        if not box.is_visible():
            self.unfold(box)
        if box.is_checked() != on:
            box.click(force=True)
        assert box.is_checked() is on

    def unfold(self, box: Locator) -> None:
        box.evaluate(
            "node => { for (let up = node; up; up = up.parentElement) if (up.tagName === 'DETAILS') up.open = true; }"
        )

    def save(self) -> None:
        self._answer("save")

    def choose(self, *names: str) -> None:
        """Open the second layer, turn these switches on and save."""
        self.preferences()
        for name in names:
            self.switch(name, True)
        self.save()

    def withdraw(self) -> None:
        self.reopen()
        self._answer("withdraw", "withdraw")

    def stored(self, action: str | None = None, before: str | None = None) -> None:
        """Wait until the answer of the server has become the receipt cookie, another one than `before`."""

        def arrived() -> bool:
            token = self.token
            return token not in (None, before) and action in (None, read(str(token))["a"])

        assert wait_until(arrived), "no receipt came"

    # -- what is left in the browser ----------------------------------------------------------------------------------

    @property
    def language(self) -> str:
        """The language that assistive technology reads the banner in."""
        return str(self.banner.evaluate("node => node.closest('[lang]').lang"))

    @property
    def token(self) -> str | None:
        """The receipt that the page at hand has."""
        found = [cookie["value"] for cookie in self.context.cookies(self.page.url) if cookie["name"] == "poort"]
        return found[0] if found else None

    @property
    def receipt(self) -> dict[str, Any] | None:
        token = self.token
        return read(token) if token else None

    def cookie_names(self, domain: str = "example") -> set[str]:
        """First-party cookies: those of hosts that end in this."""
        return {str(cookie["name"]) for cookie in self.context.cookies() if str(cookie["domain"]).endswith(domain)}

    def left_behind(self) -> set[str]:
        """Names of cookies and storage keys of the site that are not Poort's own."""
        keys: list[str] = self.page.evaluate(ITEMS)
        return (self.cookie_names() | set(keys)) - OWN

    def witness(self, what: Literal["violations", "shifts", "events"]) -> list[Any]:
        return list(self.page.evaluate(f"window.witness.{what}"))


def read(token: str) -> dict[str, Any]:
    body = token.split(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
