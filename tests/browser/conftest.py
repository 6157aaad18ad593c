"""One internet, one gunicorn and one Chromium for all browser tests; a fresh visitor (browser context) for each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.internet import Internet
from tests.browser.server import Poort, running
from tests.browser.visitor import Visitor, open_context

ARGUMENTS = [
    "--no-sandbox",
    "--ignore-certificate-errors",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--disable-features=SpareRendererForSitePerProcess",
    # A process for every frame of every tracker costs a fifth of the suite's time, and changes no request.
    "--disable-site-isolation-trials",
]

NewVisitor = Callable[..., Visitor]


def chromium(windows: bool = False) -> str:
    """Debian's Chromium; where it is there without the windows around it, because that asks a third of the work."""
    found = None if windows else shutil.which("chromium-headless-shell")
    found = found or shutil.which("chromium")
    if found is None:
        pytest.fail("The browser tests need Chromium: install it with `apt-get install chromium`.")
    return found


@contextmanager
def started(engine: Playwright, internet: Internet, program: str) -> Iterator[Browser]:
    """A browser that takes this internet for the whole of it."""
    rules = f"--host-resolver-rules=MAP * 127.0.0.1:{internet.port}"
    browser = engine.chromium.launch(executable_path=program, args=[*ARGUMENTS, rules])
    yield browser
    browser.close()


# Package scope, not session: Playwright keeps an event loop running in this thread, and other tests may want their own.
@pytest.fixture(scope="package")
def engine() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def poorts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Poort]]:
    """A real gunicorn for a door, on a fresh database, with the examples applied and published by the real commands.

    Kept until the end: in a parallel run a worker goes from one door to the other and back with every file.
    """
    with ExitStack() as stack:
        yield cache(lambda door: stack.enter_context(running(tmp_path_factory.mktemp("poort"), door)))


@pytest.fixture(scope="package")
def poort(poorts: Callable[[str], Poort], door: str) -> Poort:
    """The server behind the consent hosts, once for each door."""
    return poorts(door)


@pytest.fixture(scope="package")
def whole_internet() -> Iterator[Internet]:
    with Internet() as internet:
        yield internet


@pytest.fixture
def internet(whole_internet: Internet) -> Internet:
    """The internet with nothing on it yet and an empty log."""
    whole_internet.new_visit()
    return whole_internet


@pytest.fixture
def net(internet: Internet, poort: Poort) -> Internet:
    """The internet with Poort on the consent hosts."""
    internet.poort = poort.port
    return internet


@pytest.fixture(scope="package")
def browser(engine: Playwright, whole_internet: Internet) -> Iterator[Browser]:
    with started(engine, whole_internet, chromium()) as browser:
        yield browser


@pytest.fixture
def new_visitor(browser: Browser, internet: Internet) -> Iterator[NewVisitor]:
    """Makes visitors: `new_visitor(javascript=False, gpc=True, locale="en", width=320, reduced_motion=True)`."""
    visitors: list[Visitor] = []

    def make(**wishes: object) -> Visitor:
        visitor = Visitor(open_context(browser, internet, **wishes), internet)  # type: ignore[arg-type]
        visitors.append(visitor)
        return visitor

    yield make
    for visitor in visitors:
        visitor.context.close()


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Visitor:
    return new_visitor()


@pytest.fixture(scope="session")
def axe_source() -> str:
    """axe-core, from the pinned npm package."""
    path = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
    if not path.exists():
        pytest.fail("The accessibility tests need axe-core: run `make install`.")
    return path.read_text()
