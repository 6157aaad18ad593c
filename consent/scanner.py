"""One scan, from an address to a report: the proxy, the browser, what it saw, what that means.

    report = look_at(Scan("https://www.shop.example/", scope), Outside())

A scan is a guest: pages one after the other, within the same origins, and never more than it was asked for.
"""

import http.client
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from consent import browsers, findings, inspection, installation
from consent.browsers import Means, NoBrowser
from consent.config import Settings
from consent.egress import Egress, Guard, Limits
from consent.findings import Found, Scope
from consent.inspection import Pace, Plan, Progress
from consent.installation import Expected
from consent.marks import mark
from consent.sightings import BEFORE, PHASES, Page, Sightings

REDIRECTS: Final = 5
LARGEST: Final = 5_000_000  # bytes of a page that is fetched without a browser
SECONDS: Final = 15.0
LONGEST_ADDRESS: Final = 500


class BadTarget(ValueError):
    """An address that is not looked at; the message is one sentence."""


class CutOff(Exception):
    """A scan that did not come to its end; the message is one word: time, page, memory, browser."""


class Outside(NamedTuple):
    """What a scan has of the world: whom it may connect to, which browser it has, how patient it is."""

    guard: Guard = Guard()
    means: Means = Means()
    pace: Pace = Pace()
    limits: Limits = Limits()
    context: Callable[[], ssl.SSLContext] = ssl.create_default_context


@dataclass(frozen=True)
class Scan:
    """What is to be looked at."""

    url: str
    scope: Scope
    pages: int = 5
    more: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    progress: Progress = field(default=inspection.silent)


def outside(settings: Settings, first: float = Pace().first) -> Outside:
    """As this install wants it; `first`: seconds that the first page is looked at before any choice."""
    means = Means(settings.scan_browser, unsandboxed=settings.scan_unsandboxed)
    return Outside(Guard(private=settings.scan_private), means, Pace(first=first))


def checked(url: str) -> str:
    """The address, or BadTarget: only pages of the web are looked at."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    text = url.strip()
    if parts.scheme not in ("http", "https") or not host or len(text) > LONGEST_ADDRESS or not text.isprintable():
        raise BadTarget(mark("Give an address such as https://www.shop.example/."))
    if "@" in parts.netloc or " " in text:
        raise BadTarget(mark("Give an address without a password and without blanks."))
    return text if parts.path else f"{text}/"


def origin(url: str) -> str:
    """The origin of a checked address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def look_at(scan: Scan, outside: Outside) -> Found:
    """The report of a look; raises NoBrowser, CutOff."""
    pages = (scan.url, *scan.more)
    origins = tuple(dict.fromkeys([*map(origin, pages), *scan.origins]))
    plan = Plan(pages, origins, max(scan.pages, len(pages)), PHASES, outside.pace)
    started, begun = datetime.now(UTC), time.monotonic()
    seen = see(plan, outside, scan.progress)
    return _whole(findings.report(scan.scope, seen, started, time.monotonic() - begun))


def _whole(report: Found) -> Found:
    return {name: findings.cleaned(value) for name, value in report.items()}


def see(plan: Plan, outside: Outside, progress: Progress = inspection.silent) -> Sightings:
    """What a browser sees of these pages, nothing judged; raises NoBrowser, CutOff."""
    browsers.find(outside.means.program)
    from playwright.sync_api import Error

    out = Egress(outside.guard, outside.limits)
    with out as egress, browsers.opened(outside.means, egress.port) as (browser, watch):
        try:
            seen = inspection.inspect(browser, egress, plan, progress, watch.allow)
        except Error as error:
            raise CutOff(watch.ended or "browser") from error
        seen.limits += [f"egress_{egress.spent}"] if egress.spent else []
        seen.limits += [] if watch.sandbox else ["no_sandbox"]
        refused = {contact.host for contact in egress.contacts if contact.outcome in ("address", "port")}
        seen.limits += [f"not_allowed {host}" for host in sorted(refused)[:20]]
    return seen


def check_install(scan: Scan, expected: Expected, outside: Outside) -> Found:
    """Whether the tag is on the page as it should be: a report with a checklist, of what the HTML says if there is no
    browser. Raises CutOff.
    """
    started, begun = datetime.now(UTC), time.monotonic()
    try:
        seen = see(Plan((scan.url,), (origin(scan.url),), 1, (BEFORE,), outside.pace), outside, scan.progress)
        found = findings.report(scan.scope, seen, started, time.monotonic() - begun)
        checks, by = installation.checklist(seen, len(found["leaks"]), expected), "browser"
    except NoBrowser:
        status, error, html = fetch(scan.url, outside)
        seen = Sightings(limits=["no_browser"])
        seen.pages.append(Page(scan.url, status, error or None))
        found = findings.report(scan.scope, seen, started, time.monotonic() - begun)
        checks, by = installation.plain_checklist(status, error, html, expected), "fetch"
    return _whole({**found, "kind": "install", "by": by, "checks": [check._asdict() for check in checks]})


# Without a browser ----------------------------------------------------------------------------------------------------


def fetch(url: str, outside: Outside) -> tuple[int | None, str, str]:
    """The status, what went wrong and the HTML of a page, by the same way out; every redirect is looked at anew."""
    with Egress(outside.guard, outside.limits) as egress:
        for _ in range(REDIRECTS):
            try:
                host = str(urlsplit(checked(url)).hostname)
                status, where, html = _fetched(url, egress.port, outside)
            except (OSError, http.client.HTTPException):
                return None, egress.refusal(host) or "broken", ""
            except ValueError:
                return None, "redirects", ""
            if not where:
                return status, "", html
            url = urljoin(url, where)
    return None, "redirects", ""


def _fetched(url: str, proxy: int, outside: Outside) -> tuple[int, str | None, str]:
    """One question through the proxy: the status, where it redirects to, the text."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    line: http.client.HTTPConnection
    if parts.scheme == "https":
        line = http.client.HTTPSConnection("127.0.0.1", proxy, timeout=SECONDS, context=outside.context())
        line.set_tunnel(str(parts.hostname), parts.port or 443)
    else:
        line, path = http.client.HTTPConnection("127.0.0.1", proxy, timeout=SECONDS), f"http://{parts.netloc}{path}"
    with closing(line):
        line.request("GET", path, headers={"Host": parts.netloc, "User-Agent": "Mozilla/5.0 PoortScan"})
        answer = line.getresponse()
        body = b"" if answer.status in (301, 302, 303, 307, 308) else answer.read(LARGEST)
        where = answer.getheader("Location") if 300 <= answer.status < 400 else None
    text = ""
    with suppress(LookupError):
        text = body.decode(answer.headers.get_content_charset() or "utf-8", "replace")
    return answer.status, where, text


def status_of(found: Found, fail_on_unknown: bool = False) -> int:
    """The exit status of a report of either kind."""
    if found["kind"] != "install":
        return findings.status(found, fail_on_unknown)
    states: dict[str, Any] = {check["check"]: check["state"] for check in found["checks"]}
    if states["page"] != installation.OK:
        return findings.NOT_SEEN
    if installation.WRONG in states.values():
        return findings.LEAKS
    return findings.NOT_SEEN if found["by"] == "fetch" else findings.CLEAN
