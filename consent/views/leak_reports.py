"""Where the banner script and browsers tell of leaks. Counted, never stored; consent/leaks.py says what stays of it."""

import random
import time
from collections import Counter
from datetime import UTC, datetime

from flask import Blueprint, Response, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from consent import gate, leaks
from consent.addresses import is_local, network
from consent.answers import NO_STORE, Answer
from consent.db import writing
from consent.leaks import Asker, Told
from consent.receipts import read_all, tokens
from consent.records import Refused
from consent.versions import Published, settled
from consent.views.current import hot
from consent.views.door import call_of
from consent.views.errors import response
from consent.views.visitor import preflight, share

views = Blueprint("leak_reports", __name__)
views.after_request(share)
views.add_url_rule("/v1/sites/<site>/leaks", "preflight", preflight, methods=["OPTIONS"])

# Reports are nothing that anybody waits for: a flood of them may not be felt by those who make decisions. In this
# process's memory, as all limits; more reports than that say nothing more.
_OF_AN_ADDRESS, _OF_A_SITE, _OF_ALL = map(RateLimitItemPerMinute, (60, 300, 1_200))
_limiter = FixedWindowRateLimiter(MemoryStorage())
_TAKEN = Answer(204, [NO_STORE], b"")


@views.post("/v1/sites/<site>/leaks")
def tell(site: str) -> Response:
    """Count requests to trackers that were not allowed, as the script or a browser reports them."""
    version = _listening(site)
    media_type = _media_type()
    by_browser = media_type in (leaks.CSP_REPORT, leaks.REPORTS)
    # A browser tells of every page: here the share is drawn, as the script does it in the page. Before the limits: they
    # may count a site's own server, which passes on the reports of all.
    if by_browser and random.random() >= leaks.sample(version):  # noqa: S311  # no secret hangs on it
        return response(_TAKEN)
    _within_limits(site)
    group, found = _policy(site, media_type, version) if by_browser else leaks.of_script(_body(), version)
    if found:
        with writing():
            leaks.count(site, group, leaks.sample(version), found, datetime.now(UTC).date())
    return response(_TAKEN)


def _policy(site: str, media_type: str, version: Published) -> tuple[str, Counter[Told]]:
    """The page group, and what a browser tells."""
    group = leaks.page_group(request.args.get("page_group"))
    return group, leaks.of_policy(_body(), media_type, version, _asker(site))


def _listening(site: str) -> Published:
    """The version whose pages may tell; raises Refused."""
    version = settled(lambda: hot().published(site))
    if not leaks.sample(version):
        raise Refused(404, "leaks_off", "This site asks for no reports of leaks.")
    if not settled(lambda: hot().is_own(site, call_of(request.environ))):
        raise Refused(403, "foreign_origin", "This site's reports are taken from its own pages only.")
    return version


def _within_limits(site: str) -> None:
    """Count a call; raises Refused."""
    address = request.remote_addr or ""
    caller = str(network(address))
    if not is_local(address) and not _limiter.hit(_OF_AN_ADDRESS, "address", site, caller):
        raise Refused(429, "too_many", "Too many from this address; try again in a minute.")
    if not _limiter.hit(_OF_A_SITE, "site", site) or not _limiter.hit(_OF_ALL, "all"):
        raise Refused(429, "too_many", "Too many reports; those of the rest of this minute are not counted.")


def _media_type() -> str:
    found = request.mimetype
    if found not in ("application/json", "text/plain", leaks.CSP_REPORT, leaks.REPORTS):
        raise Refused(415, "media_type", "Send the body as application/json, text/plain, application/csp-report or "
                                         "application/reports+json.")
    return found


def _body() -> bytes:
    """The body, whole; raises Refused."""
    length = request.content_length
    if length is None:
        raise Refused(411, "length_required", "Send a Content-Length.")
    if length > leaks.LARGEST:
        raise Refused(413, "too_large", f"The body may have {leaks.LARGEST} bytes at most.")
    request.max_content_length = leaks.LARGEST
    body = request.get_data()
    if len(body) != length:
        raise Refused(400, "cut_off", "The body is shorter than its Content-Length says.")
    return body


def _asker(site: str) -> Asker:
    """Whose choice counts. A browser that reports to the site's own host brings the receipt, if there is one."""
    receipts = read_all(hot().keyring, tokens(request.headers.get("Poort-Receipt"), request.headers.get("Cookie")))
    known = bool(receipts) or request.headers.get("Sec-Fetch-Site") == "same-origin"
    gpc = gate.has_gpc(request.headers.get("Sec-GPC"))
    return Asker(gate.presented(receipts), known, gpc, time.time())
