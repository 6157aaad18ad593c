"""A visit of a scan: one browser context, what its pages ask for, and the hand that scrolls and presses buttons."""

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from consent import platforms
from consent.installation import FACTS, Clues
from consent.platforms import Platform
from consent.sightings import (
    ACCEPTED,
    BEFORE,
    LONGEST_URL,
    NO_SCRIPT,
    WITHDRAWN,
    Cookie,
    Initiator,
    Key,
    Page,
    Request,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, CDPSession
    from playwright.sync_api import Page as Tab

    from consent.inspection import Inspection, Pace

NOWHERE: Final = "about:blank"
# Reasons for which a request never left the browser.
HELD: Final = frozenset({"csp", "mixed-content", "inspector", "subresource-filter"})
PATIENCE: Final = 3.0  # seconds that an answer is waited for; whose end is never told is not waited for longer
ENDLESS: Final = frozenset({"WebSocket", "EventSource", "Ping", "Media"})  # nobody waits for the end of these
KINDS: Final = {"script": "script", "parser": "parser", "preload": "preload"}
KEYS: Final = """async () => {
  const all = (kind) => Object.keys(window[kind]).slice(0, 200).map((key) => key.slice(0, 200));
  const keys = (kind) => { try { return all(kind); } catch { return []; } };
  let bases = [];
  try { bases = (await indexedDB.databases()).slice(0, 50).map((base) => String(base.name).slice(0, 200)); } catch {}
  let host = location.hostname;  // a frame without an address has its parent's storage
  try { host = new URL(self.origin).hostname; } catch {}
  return {host, local: keys("localStorage"), session: keys("sessionStorage"), indexeddb: bases};
}"""
IDLE: Final = "() => new Promise((done) => requestIdleCallback(() => setTimeout(done), {timeout: 1000}))"
LINKS: Final = "() => [...document.querySelectorAll('a[href]')].slice(0, 2000).map((link) => link.href)"
SIGNS: Final = """(signs) => signs.filter(([id, names, elements]) => {
  const there = () => elements && document.querySelector(elements);
  try { return names.some((name) => window[name]) || there(); } catch { return false; }
}).map(([id]) => id)"""


class Visit:
    """One visitor in one browser context."""

    def __init__(self, look: "Inspection", context: "BrowserContext", pace: "Pace") -> None:
        self._look, self._context, self._pace = look, context, pace
        self._last = time.monotonic()
        self._pending: dict[str, Request] = {}
        self._told: set[str] = set()
        self._known: set[str] = set()  # what this page asked for, without queries: repeating it is no news
        self._flying: dict[str, float] = {}  # requests without an end so far, and since when
        self._tab: Tab = context.new_page()
        self._clues = Clues()
        self._follow(context.new_cdp_session(self._tab))
        context.on("request", lambda request: self._aside(request.url, request.resource_type))
        context.on("page", lambda other: other.close())  # a window of its own is nobody's wish
        self._clues.listen(self._tab)

    def _follow(self, session: "CDPSession") -> None:
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.webSocketCreated", lambda event: self._note(event, event["url"], "WebSocket"))
        session.on("Network.loadingFailed", self._failed)
        session.on("Network.loadingFinished", self._landed)
        session.send("Network.enable")

    # -- what the browser tells ---------------------------------------------------------------------------------------

    def _asked(self, event: dict[str, Any]) -> None:
        self._note(event, event["request"]["url"], event.get("type", "Other"))
        self._clues.asked(event["request"])

    def _note(self, event: dict[str, Any], url: str, kind: str) -> None:
        parts = urlsplit(url[:LONGEST_URL])
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
            return
        self._told.add(url)
        if self._is_news(url) and kind not in ENDLESS:
            self._flying[event["requestId"]] = self._last
        initiator = _initiator(event)
        request = Request(self._look.phase, self._look.page, url[:LONGEST_URL], parts.hostname, kind, initiator)
        if event.get("redirectResponse") and (before := self._pending.pop(event["requestId"], None)):
            self._look.note(before)
        self._pending[event["requestId"]] = request

    def _is_news(self, url: str) -> bool:
        """Whether the page has not asked for it before."""
        bare = url.partition("?")[0]
        if bare in self._known:
            return False
        self._known.add(bare)
        self._last = time.monotonic()
        return True

    def _landed(self, event: dict[str, Any]) -> None:
        if self._flying.pop(event["requestId"], None) is not None:
            self._last = time.monotonic()

    def _failed(self, event: dict[str, Any]) -> None:
        self._landed(event)
        if event.get("blockedReason") in HELD:
            self._pending.pop(event["requestId"], None)

    def _aside(self, url: str, kind: str) -> None:
        """A request that the page's own session may not be told of: a worker's, another window's."""
        self._pending.setdefault(f"aside {url}", Request(
            self._look.phase, self._look.page, url[:LONGEST_URL], urlsplit(url[:LONGEST_URL]).hostname or "",
            kind.capitalize(), Initiator("other")))

    def _write_down(self) -> None:
        for id, request in self._pending.items():
            if not id.startswith("aside ") or (id[6:] not in self._told and request.url.startswith(("http", "ws"))):
                self._look.note(request)
        self._pending.clear()
        self._look.note_contacts()

    # -- what the visitor does ----------------------------------------------------------------------------------------

    def survey(self) -> dict[str, Any]:
        """Go to the given pages and to what they lead to, without any choice; the facts of the first page."""
        from playwright.sync_api import Error

        facts: dict[str, Any] = {}
        for number, url in enumerate(self._look.pages):  # grows as we go
            self._look.tell(BEFORE, number + 1)
            page = self.open(url, BEFORE, self._pace.first if number == 0 else 0.0)
            self._look.seen.pages.append(page)
            if page.status is None:
                continue
            with suppress(Error):  # a page that goes elsewhere as it is looked at
                self._look.add_links(self._tab.evaluate(LINKS))
                found = self._tab.evaluate(SIGNS, platforms.SIGNS)
                self._look.note_platforms(found, url)
                facts = facts or self._facts(found)
        self._close(BEFORE)
        return facts

    def _facts(self, found: list[str]) -> dict[str, Any]:
        return {**self._tab.evaluate(FACTS), **self._clues.facts(), "banner": self._shows(found)}

    def _shows(self, found: list[str]) -> bool:
        banner = platforms.BY_ID[found[0]].banner if found else ""
        return bool(banner) and self._tab.locator(banner).first.is_visible()

    def walk(self, phase: str) -> None:
        """All pages once more, as somebody who has made this choice."""
        for number, url in enumerate(self._look.pages):
            self._look.tell(phase, number + 1)
            self.open(url, phase)
        self._close(phase)

    def _close(self, phase: str) -> None:
        self.leave()
        if phase != NO_SCRIPT:
            self._look.seen.add_cookies(_cookie(phase, raw) for raw in self._context.cookies())
        self._look.seen.done.append(phase)

    def open(self, url: str, phase: str, least: float = 0.0) -> Page:
        """Open a page and wait until it asks for no more, be it by scrolling."""
        from playwright.sync_api import Error

        self._look.phase, self._look.page = phase, url
        self._look.allow(self._pace.page)
        self._flying.clear()
        self._known.clear()
        try:
            answer = self._tab.goto(url, wait_until="commit")
            with suppress(Error):  # one that never ends is looked at as far as it came
                self._tab.wait_for_load_state("load", timeout=self._pace.load * 1000)
        except Error as error:
            page = Page(url, None, self._look.refusal() or _why(error))
            self._write_down()
            return page
        self.settle(least)
        return Page(url, answer.status if answer else None)

    def settle(self, least: float = 0.0) -> None:
        """Move as somebody who reads; wait until nothing was asked for during a while; write down what there is."""
        from playwright.sync_api import Error

        begun = time.monotonic()
        with suppress(Error):
            self._tab.mouse.move(200, 300)
            self._tab.mouse.wheel(0, 2_000)
        while (now := time.monotonic()) - begun < max(least, self._pace.longest):
            if now - begun > max(least, self._pace.quiet) and self._is_silent() and self._is_idle():
                break
            self._tab.wait_for_timeout(50)
        self._write_down()
        if self._look.phase != NO_SCRIPT:
            self._note_keys()

    def _is_silent(self) -> bool:
        now = time.monotonic()
        waits = any(now - since < PATIENCE for since in self._flying.values())
        return not waits and now - self._last > self._pace.quiet

    def _is_idle(self) -> bool:
        """Whether the page's own code has come to rest as well: on a busy machine it asks for things late."""
        from playwright.sync_api import Error

        if self._look.phase != NO_SCRIPT:
            with suppress(Error):
                self._tab.evaluate(IDLE)
        return self._is_silent()

    def _note_keys(self) -> None:
        from playwright.sync_api import Error

        for frame in self._tab.frames[:50]:
            with suppress(Error):
                found = frame.evaluate(KEYS)
                self._look.seen.add_keys(
                    Key(self._look.phase, self._look.page, kind, str(found["host"])[:LONGEST_URL], str(name)[:200])
                    for kind in ("local", "session", "indexeddb") for name in found[kind])

    def press(self, button: str) -> bool:
        """Press the banner's button; whether there is one."""
        from playwright.sync_api import Error

        found = self._tab.locator(button).first
        try:
            found.wait_for(state="visible", timeout=self._pace.button * 1000)
            found.click(timeout=self._pace.button * 1000)
        except Error:
            return self._press_hidden(button)
        return True

    def _press_hidden(self, button: str) -> bool:
        """A banner that moves all the time, or lies outside of the window, has a button all the same."""
        from playwright.sync_api import Error

        with suppress(Error):
            if self._tab.locator(button).count():
                self._tab.locator(button).first.evaluate("(element) => element.click()")
                return True
        return False

    def withdraw(self, platform: Platform) -> None:
        """Take everything back on the first page, and go on: what the page still said then is not held against it."""
        from playwright.sync_api import Error

        self.open(self._look.landing, ACCEPTED)
        try:
            self._tab.evaluate(f"() => {{ {platform.undo or platform.reopen} }}")
            taken_back = bool(platform.undo) or (bool(platform.off) and self.press(platform.off))
        except Error:
            taken_back = False
        if not taken_back:
            self._look.seen.undone[WITHDRAWN] = "no_withdrawal"
            return
        self.settle(self._pace.answered)
        self.leave()
        self.walk(WITHDRAWN)

    def leave(self) -> None:
        """Leave the page; what it still sends then belongs to it."""
        from playwright.sync_api import Error

        with suppress(Error):
            self._tab.goto(NOWHERE)
            self._tab.wait_for_timeout(250)
        self._write_down()

    def end(self) -> None:
        """Nothing is left to write down."""
        self._write_down()


def _initiator(event: dict[str, Any]) -> Initiator:
    """Who asked, as far as the browser knows: the first place in a script that has an address."""
    if before := event.get("redirectResponse"):
        return Initiator("redirect", str(before["url"])[:LONGEST_URL])
    found = event.get("initiator") or {}
    kind = KINDS.get(found.get("type", ""), "other")
    stack = found.get("stack")
    while stack:
        for call in stack.get("callFrames", ()):
            if call.get("url"):
                return Initiator(kind, call["url"][:LONGEST_URL], call["lineNumber"] + 1)
        stack = stack.get("parent")
    line = found.get("lineNumber")
    return Initiator(kind, (found.get("url") or "")[:LONGEST_URL] or None, None if line is None else int(line) + 1)


def _cookie(phase: str, raw: Any) -> Cookie:
    days = round((raw["expires"] - time.time()) / 86_400) if raw["expires"] > 0 else None
    return Cookie(phase, raw["name"][:200], raw["domain"].lstrip("."), days, raw["httpOnly"])


def _why(error: Exception) -> str:
    """Playwright's complaint in a word; it names the address and the line otherwise."""
    found = re.search(r"net::ERR_(\w+)", str(error))
    if found:
        return found[1].lower()
    return "timeout" if "imeout" in str(error) else "broken"
