"""The scanner against pages with known leaks: it finds exactly those, with the page and who asked, and reaches nothing
inside. The platforms are the real packages; the internet is the suite's own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from consent import findings, scanner
from consent.browsers import Means, NoSandbox
from consent.catalogue import resolve
from consent.egress import Guard
from consent.inspection import Pace, Plan
from consent.installation import Expected
from consent.scanner import Outside, Scan
from consent.sightings import BEFORE, PHASES
from tests.browser import pages, sites
from tests.browser.conftest import chromium
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.test_switching import OLD
from tests.browser.trackers import BY_ID
from tests.servers import ROOT
from tests.test_egress import PUBLIC, Canary

WWW = sites.home("shop-test")
PACE = Pace(quiet=0.3, longest=8.0, first=0.5, load=20.0, button=8.0, answered=1.0)
ROWS = [resolve(entry, "NL") for entry in sites.SHOP["trackers"]]


def outside(internet: Internet, resolve: Any = None) -> Outside:
    """The suite's internet for the whole of it: every name has a public address, which leads there."""

    async def somewhere(host: str, port: int) -> list[str]:
        return [PUBLIC]

    async def connect(address: str, port: int) -> Any:
        there = ("127.0.0.1", internet.port) if address == PUBLIC else (address, port)
        return await asyncio.open_connection(*there)

    # What one page of a test sends is another visit's to the internet's log, which is not asked here.
    means = Means(chromium(), ("--ignore-certificate-errors",), 120)
    return Outside(Guard(False, resolve or somewhere, connect), means, PACE)


def test_a_page_that_never_ends_is_ended_at_its_own_limit(internet: Internet, net: Internet) -> None:
    net.page(WWW, "<script>addEventListener('load', () => setTimeout(() => { for (;;); }, 100))</script>")
    around = outside(internet)._replace(pace=PACE._replace(page=2.0))
    scan, begun = Scan(WWW, findings.scope_of(WWW), 1), time.monotonic()
    with pytest.raises(scanner.CutOff, match="page"):
        aside(lambda: scanner.look_at(scan, around))
    assert time.monotonic() - begun < 60, "and not after its two minutes"


def test_without_a_sandbox_a_browser_looks_only_where_that_is_said(
    internet: Internet, net: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chromium refuses its sandbox to root, as it does where the system has none for it."""
    net.page(WWW, "<script>document.cookie = 'a=1'</script>")
    scan, around = Scan(WWW, findings.scope_of(WWW), 1), outside(internet)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NoSandbox, match="POORT_SCAN_UNSANDBOXED"):
        aside(lambda: scanner.look_at(scan, around))
    means = around.means._replace(unsandboxed=True)
    assert "no_sandbox" in aside(lambda: scanner.look_at(scan, around._replace(means=means)))["limits"]


def aside(do: Callable[[], Any]) -> Any:
    """In a thread of its own: Playwright is in this one already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()


def looked_at(internet: Internet, url: str = WWW, most: int = 5, known: bool = True) -> dict[str, Any]:
    scope = findings.scope_of(url, ROWS, sites.SHOP, "https://consent.shop-test.example") if known else (
        findings.scope_of(url))
    return dict(aside(lambda: scanner.look_at(Scan(url, scope, most), outside(internet))))


def asked(report: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    """The leaks by request: rule, phase, tracker, page."""
    return {
        (leak["rule"], leak["phase"], tracker, urlsplit(leak["page"]).path)
        for leak in report["leaks"] if leak["what"] == "request" for tracker in leak["trackers"]
    }


def script(url: str) -> str:
    return f'<script src="{url}"></script>'


def loads(tracker: str) -> str:
    """Code of the page's own that loads a tracker past every tag."""
    return f"""var s = document.createElement("script"); s.src = "{BY_ID[tracker].script}"; document.head.append(s);"""


# Each page leaks in a way of its own, or not at all; what is expected of it stands beside it.
GATED = pages.gated_script("hotjar", BY_ID["hotjar"].script) + pages.gated_snippet("uet", BY_ID["uet"].script)
LINKS = "".join(f'<a href="/{name}">{name}</a>' for name in ("uitloggen", "always", "spite", "sticky"))
WORKER = """<script>new Worker(URL.createObjectURL(new Blob([
    "fetch('https://bat.bing.com/action/0', {mode: 'no-cors'}).catch(Boolean)"])));</script>"""
PIXEL = f'<noscript><img alt="" src="{BY_ID["meta"].pixel}"></noscript>'
# Once the visitor has said anything, whatever that was.
SPITE = f"<script>if (/poort=/.test(document.cookie)) {{ {loads('uet')} }}</script>"
# Remembers by itself that it was allowed once.
STICKY = f"""<script>addEventListener("poort:ready", function () {{
  if (Poort.hasConsent("marketing")) localStorage.setItem("allowed", "1");
  if (localStorage.getItem("allowed")) {{ {loads("intercom")} }}
}});</script>"""
Leaks = set[tuple[str, str, str]]
PAGES: dict[str, tuple[str, Leaks]] = {
    "": (GATED + LINKS, set()),
    "always": (script(BY_ID["hotjar"].script) + WORKER, {
        ("A2", "before", "hotjar"), ("A2", "refused", "hotjar"), ("D4", "withdrawn", "hotjar"),
        ("A2", "before", "uet"), ("A2", "refused", "uet"), ("D4", "withdrawn", "uet")}),
    "spite": (PIXEL + SPITE, {
        ("K6", "no_script", "meta"), ("A2", "refused", "uet"), ("D4", "withdrawn", "uet")}),
    "sticky": (STICKY, {("D4", "withdrawn", "intercom")}),
}


def test_it_finds_exactly_what_leaks_past_poort(net: Internet) -> None:
    for path, (body, _) in PAGES.items():
        pages.shop(net, body, path=path)
    net.page(f"{WWW}uitloggen", "<p>bye")
    report = looked_at(net)
    assert asked(report) == {(*leak, f"/{path}") for path, (_, leaks) in PAGES.items() for leak in leaks}
    assert [phase["phase"] for phase in report["phases"] if not phase["done"]] == []
    assert report["platforms"] == ["poort"]
    assert {urlsplit(page["url"]).path for page in report["pages"]} == {
        "/privacy", *(f"/{path}" for path in PAGES)}  # the banner's own link is one as well
    assert {one["rule"]: one["ok"] for one in report["verdicts"]} == dict.fromkeys(findings.RULES, False)
    # What it left behind: no cookie of one that was not there.
    left = [leak for leak in report["leaks"] if leak["what"] != "request"]
    assert {(leak["rule"], tracker) for leak in left for tracker in leak["trackers"]} == {
        ("A1", "hotjar"), ("A1", "uet"), ("D4", "hotjar"), ("D4", "uet"), ("D4", "intercom")}
    initiators = {leak["page"].rpartition("/")[2]: leak["initiator"] for leak in report["leaks"]
                  if leak["what"] == "request" and leak["url"] in {row.script for row in BY_ID.values()}}
    assert initiators["always"]["kind"] == "parser"
    assert initiators["spite"] == {"kind": "script", "url": f"{WWW}spite", "line": 1}
    # What the rightly tagged ones do is no leak and is seen all the same.
    seen = {one["tracker"]: one["phases"] for one in report["trackers"]}
    assert {"hotjar", "uet", "meta", "intercom"} == set(seen)
    assert {one["name"] for one in report["unknown"]} == {"allowed"}
    assert report["proposals"] == []
    assert findings.status(report) == findings.LEAKS


def rightly(platform: str) -> str:
    held = 'data-name="hotjar" data-src' if platform == "Klaro" else 'data-category="analytics" data-src'
    return f'<script type="text/plain" {held}="{BY_ID["hotjar"].script}"></script>'


@pytest.mark.parametrize("platform", OLD)
def test_it_answers_other_platforms_too(net: Internet, platform: str) -> None:
    """The package itself, on a page where one tracker is gated rightly and one is not."""
    path, settings = OLD[platform]
    net.script(f"{WWW}old.js", (ROOT / "node_modules" / path).read_text())
    net.script(f"{WWW}settings.js", settings)
    order = ("old.js", "settings.js") if platform != "Klaro" else ("settings.js", "old.js")
    head = "".join(f'<script defer src="/{name}"></script>' for name in order)
    net.page(WWW, pages.html(rightly(platform) + script(BY_ID["clarity"].script) + PIXEL, head=head))
    report = looked_at(net, known=False)
    assert report["platforms"] == ["klaro" if platform == "Klaro" else "cookieconsent"]
    assert {phase["phase"]: phase["why"] for phase in report["phases"]} == dict.fromkeys(PHASES)
    assert {leak[:3] for leak in asked(report)} == {
        ("A2", "before", "clarity"), ("A2", "refused", "clarity"), ("D4", "withdrawn", "clarity"),
        ("K6", "no_script", "meta")}
    assert [one["tracker"] for one in report["proposals"]] == ["clarity", "hotjar", "meta"]
    assert next(one["phases"] for one in report["trackers"] if one["tracker"] == "hotjar") == ["accepted"]


def test_nothing_inside_is_reached_by_a_page(internet: Internet) -> None:
    """Threat 11, through the browser: every way in which a page asks, at everything that leads here."""
    canary, ears = Canary(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ears.bind(("127.0.0.1", 0))
    ears.settimeout(0.1)
    here, udp = canary.port, ears.getsockname()[1]
    hosts = [f"127.0.0.1:{here}", f"localhost:{here}", f"2130706433:{here}", f"[::ffff:127.0.0.1]:{here}",
             f"inside.example:{here}", f"0.0.0.0:{here}", f"mixed.example:{here}"]
    tries = "".join(
        f'<img src="http://{host}/"><iframe src="http://{host}/"></iframe><link rel="preconnect" href="http://{host}">'
        f'<script>fetch("http://{host}/", {{mode: "no-cors"}}).catch(Boolean); try {{ new WebSocket("ws://{host}/") }}'
        f' catch {{}} navigator.sendBeacon("http://{host}/")</script>' for host in hosts)
    talk = f"""<script>try {{
      var call = new RTCPeerConnection({{iceServers: [{{urls: "stun:127.0.0.1:{udp}"}}]}});
      call.createDataChannel("x"); call.createOffer().then((offer) => call.setLocalDescription(offer));
    }} catch {{}}</script>"""
    internet.page("http://www.shop.example/", "<p>never")
    rest = '<a href="/moves">moves</a><img src="//rebind.example/x">'
    internet.page("https://www.shop.example/", tries + talk + rest)
    internet.serve("https://www.shop.example/moves", "", "text/html", {"Location": f"http://127.0.0.1:{here}/"}, 302)
    answers: dict[str, list[list[str]]] = {
        "inside.example": [["127.0.0.1"]], "mixed.example": [[PUBLIC, "127.0.0.1"]],
        "rebind.example": [[PUBLIC], ["127.0.0.1"]], "www.shop.example": [[PUBLIC]]}

    async def resolve(host: str, port: int) -> list[str]:
        left = answers.get(host)
        if left is None:
            return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        return left.pop(0) if len(left) > 1 else left[0]

    url = "https://www.shop.example/"
    plan = Plan((url,), ("https://www.shop.example",), 2, (BEFORE,), PACE)
    seen = aside(lambda: scanner.see(plan, outside(internet, resolve)))
    assert [(page.url, page.status) for page in seen.pages] == [(url, 200), (f"{url}moves", None)]
    assert seen.pages[1].error in ("address", "port")
    assert canary.hits == 0
    with pytest.raises(TimeoutError):
        ears.recv(100)
    assert {limit for limit in seen.limits if limit.startswith("not_allowed")} >= {"not_allowed 127.0.0.1"}
    canary.close()
    ears.close()


# Whether the tag is there ---------------------------------------------------------------------------------------------

POORT = "https://consent.shop-test.example"


def checked(net: Internet, **expected: Any) -> dict[str, str]:
    wanted = Expected(**{"site": "shop-test", "url": POORT, "version": 1, "asks": True, **expected})
    scope = findings.scope_of(WWW, ROWS, sites.SHOP, POORT)
    report = aside(lambda: scanner.check_install(Scan(WWW, scope), wanted, outside(net)))
    assert report["by"] == "browser"
    return {check["check"]: check["state"] for check in report["checks"]}


INSTALLED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "as it should be": ({"body": GATED}, {}),
    "of another site, too late, beside another platform, past the tag": (
        {"key": "other-test", "html": "<script>window.Cookiebot = {}</script>{tag}" + script(BY_ID["hotjar"].script)},
        {"site": "wrong", "first": "wrong", "alone": "wrong", "nothing_before": "wrong"}),
    "kept away by a policy": (
        {"headers": {"Content-Security-Policy": "script-src 'self'"}},
        {"runs": "wrong", "policy": "wrong", "banner": "unsure", "version": "unsure"}),
    "with an old checksum": (
        {"html": '<script crossorigin="anonymous" integrity="sha256-{sum}" src="{poort}/banner/v1/poort.js"'
         ' data-site="shop-test"></script>'},
        {"runs": "wrong", "integrity": "wrong", "banner": "unsure", "version": "unsure"}),
    "not there": ({"html": "<p>nothing"}, {
        "tag": "wrong", "site": "unsure", "runs": "wrong", "version": "unsure", "banner": "unsure", "first": "unsure",
        "integrity": "unsure"}),
}


@pytest.mark.parametrize("how", INSTALLED)
def test_the_installation_is_checked(net: Internet, how: str) -> None:
    put, differs = INSTALLED[how]
    key = put.get("key", "shop-test")
    tag = f'<script src="{POORT.replace("shop-test", key)}/banner/{key}.js" data-auto></script>'
    if "html" in put:
        html = put["html"].replace("{tag}", tag).replace("{poort}", POORT).replace("{sum}", "A" * 43 + "=")
        net.page(WWW, pages.html("", head=html))
    else:
        pages.shop(net, put.get("body", ""), headers=put.get("headers"))
    found = checked(net)
    assert {name: state for name, state in found.items() if state != "ok"} == differs
