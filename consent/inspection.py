"""Looks at a site as visitors would: before any choice, refusing, accepting, withdrawing, and without script.

What it sees is written down and not judged here (findings.py). Each visitor is a browser context of its own.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from consent import platforms
from consent.egress import Egress
from consent.platforms import Platform
from consent.sightings import (
    ACCEPTED,
    BEFORE,
    NO_SCRIPT,
    OWN_NAME,
    PHASES,
    REFUSED,
    WITHDRAWN,
    Initiator,
    Request,
    Sightings,
)
from consent.visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What a visit must not do to a shop, and what is no page.
NOT_FOLLOWED: Final = re.compile(
    r"(?i)log-?out|sign-?out|uitloggen|afmelden|unsubscribe|delete|remove|verwijder|add-to-cart|"
    r"\.(?:pdf|zip|jpe?g|png|gif|svg|webp|mp4|mp3|docx?|xlsx?|csv|xml|json|ics|exe|dmg)$"
)

class Pace(NamedTuple):
    """Seconds: how long nothing has to be asked for, how long that is waited for, how long the first page is (A1), a
    page may load, a button may be missing, how long at least after it was pressed: the answer has to be stored; and how
    long all of it may take on a page, which may hold the browser for ever.
    """

    quiet: float = 1.5
    longest: float = 8.0
    first: float = 10.0
    load: float = 20.0
    button: float = 4.0
    answered: float = 2.0
    page: float = 90.0


class Plan(NamedTuple):
    """What to look at: these pages, and others of these origins until there are `most`. `phases` besides BEFORE."""

    pages: tuple[str, ...]
    origins: tuple[str, ...]
    most: int = 5
    phases: tuple[str, ...] = PHASES
    pace: Pace = Pace()


Progress = Callable[[str, int, int], None]  # the phase, the page's number in it, of how many


Allow = Callable[[float], None]  # from now on the browser may be busy for so many seconds


def at_ease(seconds: float) -> None:
    """Nobody watches."""


def silent(phase: str, page: int, of: int) -> None:
    """Tell nobody."""


def inspect(
    browser: "Browser", egress: Egress, plan: Plan, progress: Progress = silent, allow: Allow = at_ease
) -> Sightings:
    """See the site in every phase. Raises Playwright's Error when the browser is gone."""
    return Inspection(browser, egress, plan, progress, allow).all()


class Inspection:
    """One scan."""

    def __init__(self, browser: "Browser", egress: Egress, plan: Plan, progress: Progress, allow: Allow) -> None:
        self.allow = allow
        self._browser, self._egress, self._plan, self._progress = browser, egress, plan, progress
        self.seen = Sightings(browser=f"{browser.browser_type.name} {browser.version}")
        self.phase, self.page = BEFORE, plan.pages[0]
        self._pages: list[str] = list(dict.fromkeys(map(_bare, plan.pages)))
        self._contacts = 0
        self._agent: str | None = None
        self._platform: Platform | None = None
        self.landing = self._pages[0]  # where visitors answer: the first page with a platform that is known

    def all(self) -> Sightings:
        """Every phase of the plan, in the order of a visitor's life."""
        with self._visitor() as visit:
            self.seen.facts = visit.survey()
            self._platform = self._recognised()
        if not any(page.status for page in self.seen.pages):
            return self.seen
        if REFUSED in self._plan.phases:
            self._chosen(REFUSED)
        if ACCEPTED in self._plan.phases:
            self._chosen(ACCEPTED)
        if NO_SCRIPT in self._plan.phases:
            with self._visitor(script=False) as visit:
                visit.walk(NO_SCRIPT)
        return self.seen

    def _recognised(self) -> Platform | None:
        found = self.seen.platforms = list(dict.fromkeys(
            [*self.seen.platforms, *platforms.serving(self.seen.hosts())]))
        return platforms.BY_ID[found[0]] if found else None

    def note_platforms(self, found: list[str], page: str) -> None:
        """The platforms that this page has."""
        if found and not self.seen.platforms:
            self.landing = page
        self.seen.platforms += [id for id in found if id not in self.seen.platforms]

    def _chosen(self, phase: str) -> None:
        """A visitor who answers the banner on the first page and goes on; one who accepted then withdraws."""
        platform = self._platform
        button = platform and (platform.reject if phase == REFUSED else platform.accept)
        if platform is None or not button:
            self._skip(phase, "no_banner" if platform is None else "unknown_banner")
            return
        with self._visitor() as visit:
            self._go(phase, visit, button)
            if phase == ACCEPTED and phase in self.seen.done and WITHDRAWN in self._plan.phases:
                visit.withdraw(platform)

    def _go(self, phase: str, visit: Visit, button: str) -> None:
        visit.open(self.landing, BEFORE)
        self.phase = phase
        if visit.press(button):
            visit.settle(self._plan.pace.answered)
            visit.walk(phase)
        else:
            self._skip(phase, "no_button")

    def _skip(self, phase: str, why: str) -> None:
        self.seen.undone[phase] = why
        if phase == ACCEPTED and WITHDRAWN in self._plan.phases:
            self.seen.undone[WITHDRAWN] = why

    @contextmanager
    def _visitor(self, script: bool = True) -> Iterator[Visit]:
        context = self._browser.new_context(
            java_script_enabled=script, user_agent=self._named(), locale="nl-NL", accept_downloads=False,
            viewport={"width": 1280, "height": 800}, permissions=[],
        )
        context.set_default_timeout(self._plan.pace.load * 1000)
        visit = Visit(self, context, self._plan.pace)
        yield visit
        visit.end()
        context.close()

    def _named(self) -> str:
        """As the browser calls itself when it has a window, and what we are: a site may want to know."""
        if self._agent is None:
            page = self._browser.new_page()
            own = str(page.evaluate("navigator.userAgent"))
            page.close()
            self._agent = own.replace("HeadlessChrome", "Chrome") + f" {OWN_NAME}"
        return self._agent

    # -- notes --------------------------------------------------------------------------------------------------------

    def note(self, request: Request) -> None:
        """Write a request down, once."""
        self.seen.add_request(request)

    def note_contacts(self) -> None:
        """What went over the wire and no page told of: a connection made ahead, a worker's request."""
        new, self._contacts = self._egress.contacts[self._contacts:], len(self._egress.contacts)
        known = self.seen.hosts([self.phase])
        for contact in dict.fromkeys(new):
            if contact.host not in known and not self._is_own(contact.host):
                url = f"https://{contact.host}/"
                self.note(Request(self.phase, self.page, url, contact.host, "Connection", Initiator("connection")))

    def refusal(self) -> str | None:
        """Why the proxy made no connection since contacts were noted, if it did not."""
        outcomes = [contact.outcome for contact in self._egress.contacts[self._contacts:]]
        return next((outcome for outcome in outcomes if outcome != "open"), None)

    def _is_own(self, host: str) -> bool:
        return any(urlsplit(origin).hostname == host for origin in self._plan.origins)

    # -- pages --------------------------------------------------------------------------------------------------------

    @property
    def pages(self) -> list[str]:
        """The pages of the scan, which grow in the first phase."""
        return self._pages

    def add_links(self, links: Iterable[str]) -> None:
        """More pages of the same origins, until there are enough; without queries, which may do something."""
        for link in links:
            if len(self._pages) >= self._plan.most:
                return
            bare = _bare(link)
            if bare not in self._pages and _origin(bare) in self._plan.origins and not NOT_FOLLOWED.search(bare):
                self._pages.append(bare)

    def tell(self, phase: str, page: int) -> None:
        """How far it is."""
        self._progress(phase, page, max(len(self._pages), page))


def _bare(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.lower()}"
    except ValueError:
        return ""
