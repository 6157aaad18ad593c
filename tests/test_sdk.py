"""The gate in a Python site: versions kept fresh, whole requests, the page's policy, and that doubt never opens."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import gate as gates
from consent.freshness import pause
from consent.gate import UNREADABLE, Presented, Tracker, Version, decide, decide_category, decide_shown
from consent.reach import Place, Reach
from consent.receipts import Receipt
from consent.sdk import MOST, Gate, Policy
from tests import gated, servers
from tests.conftest import ROOT
from tests.gated import KEY, RING, VERSION, receipt
from tests.servers import PATIENCE, SECRET, Server, call
from tests.shop import DEFINITION, body

ALL = ("functional", "analytics", "marketing")
gate = Gate("shop", [KEY], VERSION, url="https://consent.shop.example")


def until(fact: Callable[[], Any]) -> None:
    """Wait until it is so; a machine may be slow."""
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)


# -- kept fresh --------------------------------------------------------------------------------------------------------


class Poort(ThreadingHTTPServer):
    """Answers as it is told: what `answer` has, to every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.answer: tuple[int, dict[str, str], bytes] = (503, {}, b"")
        self.asked: list[dict[str, str]] = []
        self.open = threading.Event()
        self.open.set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def tell(self, number: int, **changes: Any) -> None:
        version = {**VERSION, "version": number, **changes}
        self.answer = (200, {"ETag": f'"{number}"'}, json.dumps(version).encode())


class _Answers(BaseHTTPRequestHandler):
    server: Poort

    def do_GET(self) -> None:
        self.server.asked.append({**dict(self.headers), "path": self.path})
        status, headers, content = self.server.answer
        self.server.open.wait(PATIENCE)
        if status == 200 and self.headers.get("If-None-Match") == headers.get("ETag"):
            status, content = 304, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def poort() -> Iterator[Poort]:
    with Poort() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.open.set()
        server.shutdown()
        thread.join()


@contextmanager
def kept_fresh(poort: Poort, every: float = 0.05, patience: float = PATIENCE) -> Iterator[Gate]:
    made = Gate.from_url(poort.url, "shop", [KEY], every=every, patience=patience)
    try:
        yield made
    finally:
        made.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "poort-shop"]


class TestFresh:
    def test_a_new_version_is_taken_and_an_old_one_asked_for_by_its_tag(self, poort: Poort) -> None:
        poort.tell(3)
        with kept_fresh(poort) as fresh:
            assert fresh.for_cookies(None).number == 3
            until(lambda: any(asked.get("If-None-Match") == '"3"' for asked in poort.asked))
            poort.tell(4)
            until(lambda: fresh.for_cookies(None).number == 4)
            assert {asked["path"] for asked in poort.asked} == {"/v1/sites/shop/config"}

    @pytest.mark.parametrize(("status", "headers", "content"), [
        (500, {}, b"no"),
        (404, {}, b"{}"),
        (200, {}, b"not json"),
        (200, {}, b"[" * 100_000),
        (200, {}, b"null"),
        (200, {}, b'{"site": "shop"}'),
        (200, {}, json.dumps({**VERSION, "site": "other"}).encode()),
        (200, {}, json.dumps({**VERSION, "version": 2}).encode()),
        (200, {}, json.dumps({**VERSION, "trackers": [{**VERSION["trackers"][0], "hosts": ["a;b"]}]}).encode()),
        (200, {"Content-Length": "99999"}, b'{"site":'),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (200, {"Transfer-Encoding": "chunked", "Content-Length": "5"}, b"zz\r\n"),
    ])  # fmt: skip
    def test_whatever_poort_answers_what_is_known_is_used(
        self, poort: Poort, status: int, headers: dict[str, str], content: bytes
    ) -> None:
        poort.tell(3)
        with kept_fresh(poort) as fresh:
            poort.answer = (status, headers, content)
            asked = len(poort.asked)
            until(lambda: len(poort.asked) > asked + 1)
            assert fresh.allows(receipt("analytics"), "ga4").reason == "granted"
            poort.tell(4)
            until(lambda: fresh.for_cookies(None).number == 4)

    def test_a_poort_that_hangs_holds_no_request_up(self, poort: Poort) -> None:
        poort.tell(3)
        poort.open.clear()
        with kept_fresh(poort, patience=0.01) as fresh:
            assert fresh.allows(receipt(*ALL), "ga4").reason == "unknown_tracker"
            poort.open.set()
            until(lambda: fresh.allows(receipt(*ALL), "ga4"))

    def test_a_poort_that_is_not_there_yet_is_asked_again(self, poort: Poort) -> None:
        with kept_fresh(poort) as fresh:
            assert not fresh.allows(receipt(*ALL), "ga4")
            poort.tell(3)
            until(lambda: fresh.allows(receipt(*ALL), "ga4"))

    def test_a_receipt_for_a_newer_version_hurries_it_on(self, poort: Poort) -> None:
        poort.tell(3)
        with kept_fresh(poort, every=3_600) as fresh:
            poort.tell(4)
            newer = receipt("analytics", version=4)
            assert fresh.allows(newer, "ga4").reason == "stale_version"
            until(lambda: fresh.for_cookies(f"poort={newer}").allows("ga4"))

    def test_closing_it_ends_the_thread_and_keeps_the_version(self, poort: Poort) -> None:
        poort.tell(3)
        with kept_fresh(poort, every=3_600) as fresh:
            assert threads()
        until(lambda: not threads())
        assert fresh.allows(receipt("analytics"), "ga4")
        assert not threads(), "a decision does not begin it again"

    def test_it_begins_anew_in_a_forked_process(self, poort: Poort) -> None:
        poort.tell(3)
        code = (
            "import os, sys, time\nfrom consent.sdk import Gate\n"
            f"gate = Gate.from_url({poort.url!r}, 'shop', [{KEY!r}], every=0.05)\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    until = time.monotonic() + 30\n"
            "    while gate.for_cookies(None).number != 4 and time.monotonic() < until: time.sleep(0.02)\n"
            "    os._exit(gate.for_cookies(None).number)\n"
            "gate.close()\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
            until(lambda: len(poort.asked) > 2 or process.poll() is not None)
            poort.tell(4)
            assert process.wait(PATIENCE * 2) == 4

    def test_failures_are_retried_soon_and_then_ever_more_rarely(self) -> None:
        assert 45 <= pause(0, 60) <= 60
        assert [0.75 * longest <= pause(failed, 60) <= longest for failed, longest in
                ((1, 1), (2, 2), (3, 4), (7, 60), (5_000, 60))] == [True] * 5
        assert pause(5_000, 600) <= 600

    @pytest.mark.parametrize("url", ["", "ftp://x", "consent.shop.example", "https://", "file:///etc/passwd"])
    def test_a_wrong_address_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(ValueError, match="url must start with"):
            Gate.from_url(url, "shop", [KEY])


def test_it_survives_the_fork_of_a_real_gunicorn_and_follows_a_real_poort(tmp_path: Path) -> None:
    with Server(servers.sqlite(tmp_path)) as server:
        server.publish(DEFINITION)
        env = {"GATED_BY": server.url, "GATED_KEY": SECRET}
        with gated.served("flask_site", "-w", "2", "-k", "gthread", "--preload", **env) as port:
            made = server.call("POST", "/v1/sites/shop/consents", body("accept_all")).json()["receipt"]
            told = call(port, "GET", "/pid", headers={"Cookie": f"poort={made}"}).json()
            assert (told["version"], told["reasons"]["hotjar"]) == (1, "granted")
            assert "*.hotjar.com" in call(port, "GET", "/pid", headers={"Cookie": f"poort={made}"}).json()["csp"]
            server.publish({**DEFINITION, "trackers": [*DEFINITION["trackers"], {"id": "uet"}]})
            seen: dict[int, int] = {}

            def both_know() -> bool:
                told = call(port, "GET", "/pid").json()
                seen[told["pid"]] = told["version"]
                return len(seen) == 2 and set(seen.values()) == {2}

            until(both_know)


# -- whole requests ----------------------------------------------------------------------------------------------------


def test_of_two_receipts_the_stricter_counts() -> None:
    good, none = receipt(*ALL), receipt(refused=frozenset())
    for cookies in (f"poort={good}; poort={none}", f"poort={none}; poort={good}", f"poort={good}; poort=forged"):
        visitor = gate.for_cookies(cookies)
        assert not visitor.allows("ga4")
        assert not visitor.allows_category("analytics")
    assert gate.for_cookies(f"poort={good}; poort={good}").allows("ga4").reason == "granted"
    assert gate.for_cookies("; ".join([f"poort={good}"] * (MOST + 1))).allows("ga4").reason == "bad_receipt"


def test_a_visitor_is_asked_as_the_gate_is() -> None:
    token = receipt("analytics")
    visitor = gate.for_cookies(f"a=b; poort={token}", gpc=True)
    assert visitor.reasons() == gate.reasons(token, gpc=True)
    assert visitor.allowed == {"ga4", "hotjar", "own"}
    assert visitor.allows("nobody").reason == "unknown_tracker"
    assert gate.for_cookies(None).allows("ga4").reason == "no_choice"
    assert gate.for_cookies("").allows("own").reason == "exempt"


def test_one_request_sees_one_version() -> None:
    changing = Gate("shop", [KEY], VERSION)
    visitor = changing.for_cookies(None)
    changing.use({**VERSION, "version": 9, "trackers": []})
    assert (visitor.number, len(visitor.reasons())) == (3, 7)


def test_without_a_version_a_visitor_gets_nothing() -> None:
    visitor = Gate("shop", [KEY], url="https://consent.shop.example").for_cookies(f"poort={receipt(*ALL)}")
    assert not visitor.allows("own")
    assert not visitor.allows_category("analytics")
    assert (visitor.reasons(), visitor.allowed, visitor.leftovers(["_ga"])) == ({}, frozenset(), [])
    assert visitor.csp().startswith("default-src 'self'; script-src 'self' https://consent.shop.example;")


def test_a_version_of_before_hosts_were_told_reaches_nothing() -> None:
    old = {**VERSION, "trackers": [{"id": "ga4", "category": "analytics", "since": 1}]}
    visitor = Gate("shop", [KEY], old).for_cookies(f"poort={receipt(*ALL)}")
    assert visitor.allows("ga4")
    assert visitor.csp() == "default-src 'self'"


# -- the policy --------------------------------------------------------------------------------------------------------


def policy(*granted: str, **options: Any) -> dict[str, list[str]]:
    """The directives of a visitor who allowed these categories."""
    text = gate.csp(receipt(*granted), **options)
    return {name: sources for name, *sources in (part.split() for part in text.split("; "))}


class TestPolicy:
    def test_without_a_choice_only_what_needs_none_is_in_it(self) -> None:
        own = "'self' stats.shop.example"
        poort = "'self' https://consent.shop.example stats.shop.example"
        assert gate.csp(None) == (
            f"default-src 'self'; script-src {poort}; style-src {own}; img-src {own}; connect-src {poort}; "
            f"frame-src {own}; font-src {own}; media-src {own}")

    def test_what_is_allowed_is_added_and_nothing_else(self) -> None:
        assert policy("analytics")["img-src"] == [
            "'self'", "*.google-analytics.com", "*.hotjar.com", "stats.g.doubleclick.net", "stats.shop.example"]
        assert policy("functional")["frame-src"] == [
            "'self'", "maps.googleapis.com", "stats.shop.example", "www.google.com/maps/"]

    def test_a_path_is_a_source_without_its_query(self) -> None:
        assert "www.googletagmanager.com/gtag/js" in policy(*ALL)["script-src"]
        meta = [source for source in policy("marketing")["img-src"] if "facebook.com" in source]
        assert meta == ["www.facebook.com/tr", "www.facebook.com/tr/"], "as the gate: /tr and /tr/, not /travel"

    def test_an_address_that_a_refused_tracker_shares_is_left_out(self) -> None:
        """A policy can not tell gtag/js?id=G- from gtag/js?id=AW-: any doubt is no."""
        shared = "www.googletagmanager.com/gtag/js"
        assert shared not in policy("analytics")["script-src"]
        assert shared not in policy("marketing")["script-src"]
        assert shared in policy("analytics", shared=[shared])["script-src"]
        assert shared not in policy("functional", shared=[shared])["script-src"], "one of the two has to be allowed"

    def test_a_wildcard_over_a_refused_host_is_left_out_and_not_the_other_way_round(self) -> None:
        assert "*.doubleclick.net" not in policy("marketing")["img-src"], "it holds ga4's stats.g.doubleclick.net"
        assert "*.doubleclick.net" in policy(*ALL)["img-src"]
        assert "stats.g.doubleclick.net" in policy("analytics")["img-src"], "named more narrowly than what is refused"

    def test_what_another_source_covers_is_not_repeated(self) -> None:
        assert "stats.g.doubleclick.net" not in policy(*ALL)["img-src"]

    def test_the_sites_own_policy_is_merged(self) -> None:
        base = {"img-src": ["'self'", "data:"], "object-src": ["'none'"], "upgrade-insecure-requests": [],
                "connect-src": ["'none'"], "frame-ancestors": ["*"]}
        text = gate.csp(receipt("functional"), base=base, nonce="c29tZXRoaW5n", directives=["img-src", "script-src"])
        assert text == (
            "default-src 'self'; script-src 'self' 'nonce-c29tZXRoaW5n' https://consent.shop.example "
            "maps.googleapis.com stats.shop.example www.google.com/maps/; "
            "img-src 'self' data: maps.googleapis.com stats.shop.example "
            "www.google.com/maps/; connect-src https://consent.shop.example; object-src 'none'; "
            "upgrade-insecure-requests; frame-ancestors *")

    def test_a_directive_begins_with_what_stood_for_it(self) -> None:
        found = policy(base={"default-src": ["'self'", "https://cdn.shop.example"], "child-src": ["blob:"]})
        assert found["font-src"][:2] == ["'self'", "https://cdn.shop.example"]
        assert found["frame-src"][0] == "blob:"
        assert policy(base={"default-src": ["'none'"]})["img-src"] == ["stats.shop.example"]

    def test_the_narrower_directive_of_a_base_gets_the_hosts_too(self) -> None:
        found = policy("functional", base={"script-src-elem": ["'self'"]}, nonce="c29tZXRoaW5n")
        assert found["script-src-elem"][:3] == ["'self'", "'nonce-c29tZXRoaW5n'", "https://consent.shop.example"]
        assert "maps.googleapis.com" in found["script-src-elem"]

    @pytest.mark.parametrize("source", [
        "https://static.hotjar.com", "static.hotjar.com:443", "*.hotjar.com", "https://*.com", "wss://ws.hotjar.com/x",
        "https://www.facebook.com", "www.facebook.com/tr", "https://WWW.Facebook.com/", "www.googletagmanager.com",
        "www.facebook.com/%74r",
    ])  # fmt: skip
    def test_the_base_opens_no_refused_tracker(self, source: str) -> None:
        base = {"script-src": ["'self'", source], "default-src": ["'self'", source]}
        assert source not in gate.csp(None, base=base).split()
        assert source in gate.csp(receipt(*ALL), base=base).split()

    @pytest.mark.parametrize("source", ["cdn.shop.example", "www.facebook.com/plugins/", "data:", "'unsafe-inline'",
                                        "https://stats.shop.example", "'sha256-abc='"])
    def test_other_sources_of_the_base_stay(self, source: str) -> None:
        assert source in gate.csp(None, base={"script-src": [source]}).split()

    @pytest.mark.parametrize(("base", "message"), [
        ({"script-src": ["*"]}, "opens the site"), ({"img-src": ["https:"]}, "opens the site"),
        ({"img-src": ["HTTP://*"]}, "opens the site"), ({"script-src": ["'strict-dynamic'"]}, "opens the site"),
        ({"connect-src": ["wss:"]}, "opens the site"), ({"default-src": ["*:443"]}, "opens the site"),
        ({"img-src": ["*/tr"]}, "opens the site"),
        ({"script-src": "'self'"}, "must be a list"), ({"script-src": ["a b"]}, "not one source"),
        ({"script-src": ["a;img-src *"]}, "not one source"), ({"script-src": ["a,b"]}, "not one source"),
        ({"script-src": ["a\r\nb"]}, "not one source"), ({"Script-Src": ["'self'"]}, "small letters"),
        ({"x; y": []}, "no directive"),
    ])  # fmt: skip
    def test_a_base_that_opens_everything_or_is_none_is_refused(self, base: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Policy(base)

    @pytest.mark.parametrize("options", [
        {"directives": ["default-src"]}, {"directives": "img-src"}, {"directives": ["nothing"]},
        {"shared": "a.example/b"}, {"shared": ["https://a.example/b"]}, {"shared": ["a.example/b?c"]},
    ])  # fmt: skip
    def test_other_nonsense_is_refused(self, options: Any) -> None:
        with pytest.raises(ValueError, match=r"directives|shared"):
            gate.csp(None, **options)

    @pytest.mark.parametrize("nonce", ["", "short", "a'b; script-src *", "abcdefgh\r\n"])
    def test_a_nonce_that_is_none_is_refused(self, nonce: str) -> None:
        with pytest.raises(ValueError, match="nonce"):
            gate.csp(None, nonce=nonce)


SITES = ["a.example", "b.a.example", "*.a.example", "*.b.a.example", "c.example", "c.example/x", "c.example/x/",
         "c.example/x-", "c.example/x/y.js?id=1", "c.example/x/y.js?id=2", "b.a.example/x"]
rows = st.lists(
    st.fixed_dictionaries({"hosts": st.lists(st.sampled_from(SITES[:5]), max_size=3),
                           "paths": st.lists(st.sampled_from(SITES[5:]), max_size=3)}),
    max_size=4,
).map(lambda found: [{"id": str(at), **row} for at, row in enumerate(found)])
REQUESTS = [(host, path) for host in ("a.example", "b.a.example", "d.b.a.example", "c.example")
            for path in ("/", "/x", "/x/", "/x/z", "/x-1", "/x/y.js?id=1", "/x/y.js?id=2")]


def lets_through(source: Place, host: str, path: str) -> bool:
    """As a browser reads a source."""
    asked = path.partition("?")[0]
    at = source.host == host or (source.host.startswith("*.") and host.endswith(source.host[1:]))
    folder = source.path.endswith("/") and asked.startswith(source.path)
    return at and (source.path in ("", asked) or folder)


@given(rows, st.frozensets(st.sampled_from("0123")))
def test_no_policy_lets_through_what_only_refused_trackers_ask_for(
    trackers: list[dict[str, Any]], allowed: frozenset[str]
) -> None:
    reach = Reach(trackers)
    sources = reach.sources(allowed)
    for host, path in REQUESTS:
        owners = reach.owners(host, path)
        if owners and owners.isdisjoint(allowed):
            assert not any(lets_through(source, host, path) for source in sources), (host, path, sources)


@given(rows, st.frozensets(st.sampled_from("0123")), st.sampled_from("0123"))
def test_a_refusal_adds_no_source(trackers: list[dict[str, Any]], allowed: frozenset[str], refused: str) -> None:
    reach = Reach(trackers)
    more, less = reach.sources(allowed), reach.sources(allowed - {refused})
    for host, path in REQUESTS:
        if any(lets_through(source, host, path) for source in less):
            assert any(lets_through(source, host, path) for source in more)


# -- any doubt is no ---------------------------------------------------------------------------------------------------

names = st.frozensets(st.sampled_from(["ga4", "meta", "own", "session", *gates.CATEGORIES, "other"]))
made = st.builds(
    Receipt, st.sampled_from(["shop", "other"]), st.just("r"), st.just("p"), st.integers(0, 6),
    st.sampled_from(["accept_all", "necessary_only", "custom", "withdraw"]), names, names, names, st.booleans(),
    st.integers(0, 100), st.integers(0, 100),
)  # fmt: skip
shown = st.none() | st.just(UNREADABLE) | made
since = st.integers(1, 5)
versions = st.builds(
    lambda ga4, meta, functional, analytics, marketing, number, audience: Version(
        "shop", number,
        {"ga4": Tracker("ga4", "analytics", ga4), "meta": Tracker("meta", "marketing", meta),
         "own": Tracker("own", "analytics", 1, True), "session": Tracker("session", "necessary", 1)},
        {"necessary": 1, "functional": functional, "analytics": analytics, "marketing": marketing}, audience),
    since, since, since, since, since, st.integers(1, 6), st.sampled_from(["general", "children"]),
)  # fmt: skip
asked = st.sampled_from(["ga4", "meta", "own", "session", "other"])
moments = st.integers(0, 100)


@given(shown, versions, asked, moments, st.booleans(), st.integers(0, 100))
def test_time_that_passes_never_opens(
    one: Presented, version: Version, tracker: str, now: int, gpc: bool, later: int
) -> None:
    if decide(one, version, tracker, now + later, gpc):
        assert decide(one, version, tracker, now, gpc)


@given(shown, versions, asked, moments)
def test_gpc_never_opens(one: Presented, version: Version, tracker: str, now: int) -> None:
    if decide(one, version, tracker, now, gpc=True):
        assert decide(one, version, tracker, now, gpc=False)


@given(shown, versions, asked, moments, st.booleans(), st.sampled_from([None, UNREADABLE]))
def test_losing_the_receipt_never_opens(
    one: Presented, version: Version, tracker: str, now: int, gpc: bool, left: Presented
) -> None:
    if decide(left, version, tracker, now, gpc):
        assert decide(one, version, tracker, now, gpc)


@given(made, versions, asked, moments, st.booleans(), st.sampled_from(sorted(gates.CATEGORIES)))
def test_losing_a_category_a_permission_or_its_gpc_never_opens(
    one: Receipt, version: Version, tracker: str, now: int, gpc: bool, category: str
) -> None:
    for less in (
        one._replace(granted=one.granted - {category}), one._replace(allowed=one.allowed - {tracker}),
        one._replace(refused=one.refused | {tracker}), one._replace(gpc=False), one._replace(site=""),
        one._replace(expires=0), one._replace(granted=frozenset(), allowed=frozenset()),
    ):  # fmt: skip
        if decide(less, version, tracker, now, gpc):
            assert decide(one, version, tracker, now, gpc)


@given(made, versions, asked, moments, st.booleans(), st.integers(0, 6))
def test_an_older_receipt_never_opens_more(
    one: Receipt, version: Version, tracker: str, now: int, gpc: bool, age: int
) -> None:
    """Up to what this gate knows; a receipt from beyond it opens nothing."""
    if one.version <= version.number and decide(one._replace(version=one.version - age), version, tracker, now, gpc):
        assert decide(one, version, tracker, now, gpc)
    if one.version > version.number:
        assert decide(one, version, tracker, now, gpc).reason != "granted"


@given(st.lists(shown, min_size=1, max_size=4), shown, versions, asked, moments, st.booleans())
def test_a_further_receipt_never_opens(
    some: list[Presented], more: Presented, version: Version, tracker: str, now: int, gpc: bool
) -> None:
    for together in ([*some, more], [more, *some]):
        if decide_shown(together, version, tracker, now, gpc):
            assert decide_shown(some, version, tracker, now, gpc)
            assert all(decide(one, version, tracker, now, gpc) for one in some)


@given(shown, versions, moments, st.booleans(), st.sampled_from(["ga4", "meta"]))
def test_a_whole_category_is_never_more_open_than_what_it_asks_for(
    one: Presented, version: Version, now: int, gpc: bool, tracker: str
) -> None:
    """A tag by its category alone may be any of its trackers, but for those refused by name."""
    if decide_category(one, version, version.trackers[tracker].category, now, gpc):
        assert isinstance(one, Receipt)
        assert decide(one, version, tracker, now, gpc) or tracker in one.refused


@given(shown, versions, asked, moments, st.booleans())
def test_a_version_that_forgets_a_tracker_or_serves_children_never_opens(
    one: Presented, version: Version, tracker: str, now: int, gpc: bool
) -> None:
    without = {name: known for name, known in version.trackers.items() if name != tracker}
    gone = Version("shop", version.number, without, version.categories, version.audience)
    assert not decide(one, gone, tracker, now, gpc)
    children = Version("shop", version.number, version.trackers, version.categories, "children")
    if decide(one, children, tracker, now, gpc):
        assert decide(one, version, tracker, now, gpc)


@given(st.text(max_size=80) | st.text(alphabet="poort=;, \"'%\x00", max_size=60))
def test_no_cookies_open_anything(cookies: str) -> None:
    assert gate.for_cookies(cookies).allowed == {"own"}


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_receipt_with_one_changed_byte_opens_nothing(at: int, by: int) -> None:
    token = RING.issue(Receipt("shop", gated.R, gated.P, 3, "accept_all", frozenset(ALL), frozenset(), frozenset(),
                               False, 0, 2**50))
    at %= len(token)
    spoilt = token[:at] + chr((ord(token[at]) + by) % 256) + token[at + 1 :]
    assert gate.for_cookies(f"poort={spoilt}").allowed <= {"own"} or spoilt.strip(' ;,"') == token


def test_the_documentation_is_python_and_names_what_exists() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)
    assert len(blocks) >= 6
    for block in blocks:
        compile(block, "docs/python.md", "exec")
        for line in re.findall(r"^from consent\..+$", block, re.M):
            exec(line, {})


def test_the_policy_of_the_documentation_is_one() -> None:
    text = (ROOT / "docs/python.md").read_text()
    named: dict[str, Any] = {}
    exec(next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "policy = " in block), named)
    assert "www.googletagmanager.com/gtag/js" in gate.for_receipt(receipt("analytics")).csp(named["policy"])


def test_all_of_it_needs_itsdangerous_alone() -> None:
    code = "import sys, consent.middleware; print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    foreign = {"flask", "sqlalchemy", "marshmallow", "werkzeug", "structlog", "limits", "brotli", "jinja2"}
    assert foreign.isdisjoint(done.stdout.split())
