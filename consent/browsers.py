"""The browser of a scan: found, started behind our proxy, watched, and ended whatever happens.

Playwright and the browser are an optional extra (requirements-scan.txt). Playwright is imported when it is needed.
"""

import logging
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

log = logging.getLogger("poort.scan")

PROGRAMS: Final = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome",
)
MOST_MEMORY: Final = 2_000_000_000  # bytes of the browser with all its processes
LOOK: Final = 0.5  # seconds between two looks of who watches it
MISSING: Final = (
    "There is no browser to look with: run `.venv/bin/pip install -r requirements-scan.txt`, install Chromium"
    " (`apt-get install chromium`), or name one with POORT_SCAN_BROWSER."
)
NO_SANDBOX: Final = (
    "The browser does not start with its sandbox, so it does not look at pages of others: allow user namespaces on"
    " this machine, or set POORT_SCAN_UNSANDBOXED=on where nothing else runs."
)
# Nothing of its own on the wire, nothing past the proxy: no name is looked up here, WebRTC has no way of its own.
ARGUMENTS: Final = (
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--no-pings",
    "--disable-quic", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio", "--deny-permission-prompts",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--proxy-bypass-list=<-loopback>",
    "--disable-features=SpareRendererForSitePerProcess,OptimizationHints,MediaRouter,Translate,InterestFeedContentSuggestions",
    # A page shows a driven browser what it shows people; some banners hide from one that says it is driven.
    "--disable-blink-features=AutomationControlled",
    "--js-flags=--max-old-space-size=512", "--renderer-process-limit=4",
    # All frames of a page in one process, so that whoever asks in a frame is seen too. The profile holds nothing.
    "--disable-site-isolation-trials",
)


class NoBrowser(Exception):
    """There is none; the message is one sentence that says what to install."""


class NoSandbox(NoBrowser):
    """There is one, and the system gives it no sandbox."""


class Means(NamedTuple):
    """What a scan looks with: the browser's program, and more of its arguments, which only tests have.

    `unsandboxed`: whether it may look without its sandbox where the system gives it none. Root never has one.
    """

    program: str = ""
    arguments: tuple[str, ...] = ()
    seconds: float = 600.0
    unsandboxed: bool = False


def find(program: str) -> str:
    """The path of the browser; raises NoBrowser."""
    try:
        import playwright  # noqa: F401  # is it there?
    except ImportError:
        raise NoBrowser(MISSING) from None
    for name in (program,) if program else PROGRAMS:
        if found := shutil.which(name):
            return found
    raise NoBrowser(f"POORT_SCAN_BROWSER names no program: {program}." if program else MISSING)


@contextmanager
def opened(means: Means, proxy: int) -> Iterator[tuple["Browser", "Watch"]]:
    """The browser with a fresh profile, everything through the proxy on this port; raises NoBrowser."""
    program = find(means.program)
    from playwright.sync_api import Error, sync_playwright

    watch = Watch(means.seconds)
    with sync_playwright() as playwright, TemporaryDirectory(prefix="poort-scan-") as home:
        arguments = [*ARGUMENTS, f"--proxy-server=http://127.0.0.1:{proxy}", watch.switch, *means.arguments]
        try:
            browser = _launched(playwright, program, arguments, watch, means.unsandboxed, _environment(home))
        except Error as error:
            log.warning("The browser of a scan does not start", exc_info=error)
            raise NoBrowser(f"The browser {program} does not start.") from None
        try:
            with watch:
                yield browser, watch
        finally:
            with suppress(Error):
                browser.close()
            watch.kill()


def _environment(home: str) -> dict[str, str | float | bool]:
    """What the browser has to know, and none of our secrets: a page may get hold of its process."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "HOME": home, "TMPDIR": home}


def _launched(
    playwright: "Playwright", program: str, arguments: list[str], watch: "Watch", unsandboxed: bool,
    environment: dict[str, str | float | bool],
) -> "Browser":
    """With its sandbox where the system lets it: not as root, and not everywhere in a container."""
    from playwright.sync_api import Error

    launch = partial(playwright.chromium.launch, executable_path=program, args=arguments, env=environment)
    if os.geteuid() != 0:
        try:
            return launch(chromium_sandbox=True)
        except Error as error:
            if not unsandboxed:
                log.warning("The browser of a scan has no sandbox", exc_info=error)
                raise NoSandbox(NO_SANDBOX) from None
    watch.sandbox = False
    return launch(chromium_sandbox=False)


class Watch:
    """Ends the browser when it takes too long or too much memory; `ended` says why. Nothing that hangs can stop it."""

    def __init__(self, seconds: float) -> None:
        self.switch = f"--poort-scan={secrets.token_hex(8)}"  # how its process is known among all others
        self.sandbox = True
        self.ended: str | None = None
        self._page_until = float("inf")
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def allow(self, seconds: float) -> None:
        """A page may take so long from now on: one whose script never ends would answer nobody until the end."""
        self._page_until = time.monotonic() + seconds

    def _watch(self) -> None:
        until = time.monotonic() + self._seconds
        while not self._over.wait(LOOK):
            now = time.monotonic()
            if now > min(until, self._page_until) or _memory(self._processes()) > MOST_MEMORY:
                self.ended = "time" if now > until else "page" if now > self._page_until else "memory"
                self.kill()
                return

    def kill(self) -> None:
        """Whatever still runs of it."""
        for process in self._processes():
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """The browser and all that it started, by their ids."""
        parents = dict(_parents())
        found = [process for process in parents if self.switch in _command(process)]
        for process in found:  # grows as we go
            found += [child for child, parent in parents.items() if parent == process and child not in found]
        return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _command(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def _memory(processes: list[int]) -> int:
    """Bytes that they hold, what they share counted once for each."""
    total = 0
    for process in processes:
        with suppress(OSError, ValueError, IndexError):
            pages, shared = Path(f"/proc/{process}/statm").read_text().split()[1:3]
            total += (int(pages) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return total
