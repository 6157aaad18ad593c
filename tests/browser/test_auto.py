"""`data-auto`: untagged trackers are held back, whatever inserts them, and let go in order (A2).

The tag stands first in the head, without async, and behind it the policy that keeps Chromium from looking ahead in the
markup: without it the browser has asked for the page's scripts before ours runs. Images and frames that stand in the
markup itself are held back only when the browser gives us the time; docs/auto.md says so, and what the server does.
"""

from __future__ import annotations

import pytest

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

HOTJAR = trackers.BY_ID["hotjar"].script
META = trackers.BY_ID["meta"].script
PIXEL = "https://www.facebook.com/tr?id=42&ev=PageView&noscript=1"
COLLECT = trackers.BY_ID["uet"].collector
FRAME = "https://connect.facebook.net/frame.html"

TAG = (
    '<script src="https://consent.shop-test.example/banner/shop-test.js" data-auto></script>'
    '<meta http-equiv="Content-Security-Policy" content="object-src * blob: data:">'
)

# way of asking: markup of the page, and whose it is
WAYS = {
    "a script in the markup": (f'<script src="{HOTJAR}"></script>', "hotjar"),
    "an async script": (f'<script async src="{HOTJAR}"></script>', "hotjar"),
    "a module": (f'<script type="module" src="{HOTJAR}"></script>', "hotjar"),
    "createElement, src": (
        f'<script>var s = document.createElement("script"); s.src = "{HOTJAR}"; document.head.append(s);</script>',
        "hotjar",
    ),
    "createElement, setAttribute": (
        '<script>var s = document.createElement("script");'
        f's.setAttribute("src", "{HOTJAR}"); document.head.append(s);</script>',
        "hotjar",
    ),
    "createElement of a link": (
        f'<script>var l = document.createElement("link"); l.rel = "stylesheet"; l.href = "{FRAME}";'
        "document.head.append(l);</script>",
        "meta",
    ),
    "createElement of a frame": (
        f'<script>var f = document.createElement("iframe"); f.src = "{FRAME}";'
        "document.documentElement.append(f);</script>",
        "meta",
    ),
    "innerHTML": (
        f"<div id=\"in\"></div><script>document.getElementById('in').innerHTML = '<img src=\"{PIXEL}\">';</script>",
        "meta",
    ),
    "insertAdjacentHTML": (
        "<script>document.documentElement.insertAdjacentHTML('beforeend', "
        f"'<iframe src={FRAME}></iframe>');</script>",
        "meta",
    ),
    "document.write": (f'<script>document.write("<script src=\'{HOTJAR}\'></" + "script>");</script>', "hotjar"),
    "document.write of a pixel": (f'<script>document.write("<img src=\'{PIXEL}\'>");</script>', "meta"),
    "new Image": (f'<script>new Image().src = "{PIXEL}";</script>', "meta"),
    "fetch": (f'<script>fetch("{COLLECT}", {{mode: "no-cors"}}).catch(function () {{}});</script>', "uet"),
    "fetch of a Request": (
        f'<script>fetch(new Request("{COLLECT}", {{mode: "no-cors"}})).catch(function () {{}});</script>',
        "uet",
    ),
    "XMLHttpRequest": (
        f'<script>var x = new XMLHttpRequest(); x.open("GET", "{COLLECT}"); x.send();</script>',
        "uet",
    ),
    "sendBeacon": (f'<script>navigator.sendBeacon("{COLLECT}", "x");</script>', "uet"),
}


def auto_page(net: Internet, markup: str, tag: str = TAG, path: str = "") -> str:
    return net.page(pages.SHOP + path, pages.html(markup + pages.TEXT, head=tag))


@pytest.mark.parametrize("way", WAYS)
def test_it_waits_and_then_comes(net: Internet, visitor: Visitor, way: str) -> None:
    """A2: nothing before; after accepting exactly that."""
    markup, owner = WAYS[way]
    visitor.open(auto_page(net, markup), banner=True)
    visitor.asks_exactly(set())
    visitor.accept_all()
    visitor.asks_exactly({owner})


def test_after_refusing_nothing_comes_on_this_page_or_the_next(net: Internet, visitor: Visitor) -> None:
    """D4."""
    everything = "".join(markup for markup, _ in WAYS.values())
    visitor.open(auto_page(net, everything), banner=True)
    visitor.only_necessary()
    visitor.asks_exactly(set())
    visitor.open(auto_page(net, everything, path="next"), banner=False)
    visitor.asks_exactly(set())


def test_who_accepted_before_waits_for_nothing(net: Internet, visitor: Visitor) -> None:
    """On the next page tags load as they stand."""
    visitor.open(auto_page(net, ""), banner=True)
    visitor.accept_all()
    visitor.open(auto_page(net, "".join(markup for markup, _ in WAYS.values()), path="next"), banner=False)
    visitor.asks_exactly({"hotjar", "meta", "uet"})


def test_one_tracker_alone(net: Internet, visitor: Visitor) -> None:
    """A10: a tracker's own choice."""
    visitor.open(auto_page(net, "".join(markup for markup, _ in WAYS.values())), banner=True)
    visitor.choose("tracker-hotjar")
    visitor.asks_exactly({"hotjar"})


def test_scripts_come_in_the_order_of_the_page(net: Internet, visitor: Visitor) -> None:
    """A slow first one is waited for; a script that was made by hand tells its maker that it loaded."""
    net.script(HOTJAR.split("?")[0], "window.order = ['hotjar'];", after=0.4)
    net.script(META, "window.order.push('meta');")
    made = (
        f'<script>var s = document.createElement("script"); s.src = "{trackers.BY_ID["uet"].script}";'
        "s.onload = function () { window.told = true; }; document.head.append(s);</script>"
    )
    markup = f'<script src="{HOTJAR}"></script><script src="{META}"></script>{made}'
    visitor.open(auto_page(net, markup), banner=True)
    visitor.accept_all()
    visitor.page.wait_for_function("window.order && window.order.length === 2 && window.told")
    assert visitor.page.evaluate("window.order") == ["hotjar", "meta"]


def test_what_is_not_a_trackers_is_left_alone(net: Internet, visitor: Visitor) -> None:
    """Neighbours, the site's own, and markup with known words in its text."""
    net.script("https://cdn.shop-test.example/own.js", "window.own = true;")
    net.script("https://nothotjar.com/x.js", "window.neighbour = true;")
    markup = (
        '<script src="https://cdn.shop-test.example/own.js"></script><script src="https://nothotjar.com/x.js"></script>'
        "<p id='p'></p><script>document.getElementById('p').innerHTML = '<b>hotjar.com</b> and <img alt=\"a > b\">';"
        "document.write('<i id=written>1 < 2</i>');</script>"
    )
    visitor.open(auto_page(net, markup), banner=True)
    assert visitor.page.evaluate("window.own && window.neighbour")
    written = visitor.page.evaluate("document.getElementById('p').innerHTML")
    assert written == '<b>hotjar.com</b> and <img alt="a &gt; b">'
    assert visitor.page.evaluate("document.getElementById('written').textContent") == "1 < 2"


def test_under_a_strict_policy_with_a_nonce(net: Internet, visitor: Visitor) -> None:
    """The site's own policy stays as it is, and so does what the gate does."""
    policy = (
        "script-src 'nonce-abc' https://static.hotjar.com https://script.hotjar.com; connect-src 'self'"
        " https://consent.shop-test.example https://metrics.hotjar.io; style-src 'self'; require-trusted-types-for"
        " 'script'; trusted-types poort"
    )
    tag = TAG.replace("<script ", '<script nonce="abc" ')
    page = pages.html(f'<script nonce="abc" src="{HOTJAR}"></script>' + pages.TEXT, head=tag)
    visitor.open(net.page(pages.SHOP, page, {"Content-Security-Policy": policy}), banner=True)
    visitor.asks_exactly(set())
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})


def test_without_a_site_every_other_host_waits_for_the_config(net: Internet, visitor: Visitor) -> None:
    """Fail closed: with `data-site` nobody knows the trackers until the config came."""
    tag = TAG.replace("/banner/shop-test.js", '/banner/v1/poort.js" data-site="shop-test')
    net.script("https://nothotjar.com/x.js", "window.neighbour = true;")
    markup = WAYS["createElement, src"][0] + '<script src="https://nothotjar.com/x.js"></script>'
    visitor.open(auto_page(net, markup, tag), banner=True)
    visitor.asks_exactly(set())
    visitor.page.wait_for_function("window.neighbour")
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})


def test_gpc_keeps_marketing_out(net: Internet, new_visitor: NewVisitor) -> None:
    """I3: the same gate."""
    visitor = new_visitor(gpc=True)
    visitor.open(auto_page(net, WAYS["new Image"][0] + WAYS["a script in the markup"][0]), banner=True)
    visitor.choose("category-analytics")
    visitor.asks_exactly({"hotjar"})
