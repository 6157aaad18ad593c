"""docs/durable.md in a browser that treats cookies as Safari does: what a script wrote is gone after seven days."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests import gated
from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor
from tests.servers import SECRET

DAY = 86_400
KEY = "shop-test"
HOST = "www.shop-test.example"
HOTJAR = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)
DURABLE = (
    f'<script async src="https://consent.{KEY}.example/banner/v1/durable.js" data-keep="{gated.KEEP}"></script>')
# Whoever wrote last counts: a script's cookie ends within a week, also one that a server had set before.
SAFARI = """
const there = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
Object.defineProperty(Document.prototype, "cookie", {...there, set(text) {
  there.set.call(this, text.replace(/max-age=(\\d+)/i, (_, age) => "max-age=" + Math.min(age, 604800)));
}});
"""


@pytest.fixture
def server(net: Internet, poort: Poort) -> Iterator[None]:
    """The site's own server, a gunicorn with the middleware, behind the site's host."""
    with gated.served("durable_site", GATED_BY=poort.url, GATED_SITE=KEY, GATED_KEY=SECRET) as port:
        net.servers[HOST] = port
        yield


def safari(new_visitor: NewVisitor, **wishes: object) -> Visitor:
    visitor = new_visitor(**wishes)
    visitor.context.add_init_script(SAFARI)
    return visitor


def life(visitor: Visitor) -> float:
    """Days that the receipt's cookie has left."""
    (cookie,) = [one for one in visitor.context.cookies() if one["name"] == "poort"]
    return (float(cookie["expires"]) - time.time()) / DAY


def is_kept(visitor: Visitor) -> bool:
    """Whether the cookie gets more than a week."""
    return wait_until(lambda: life(visitor) > 8)


def later(visitor: Visitor, new_visitor: NewVisitor, days: int) -> Visitor:
    """The same browser after so many days without a visit: cookies that ended are gone, and all else that is stored."""
    then = time.time() + days * DAY
    kept = [one for one in visitor.context.cookies() if one["expires"] > then]
    returned = safari(new_visitor, storage_state={"cookies": kept, "origins": []})
    returned.page.clock.install(time=then)
    visitor.internet.forget()
    return returned


def page(net: Internet, tags: str, path: str = "") -> str:
    return pages.shop(net, HOTJAR, key=KEY, head=tags, path=path)


@pytest.mark.usefixtures("server")
def test_a_consent_and_a_refusal_outlive_the_week(net: Internet, new_visitor: NewVisitor) -> None:
    """F5, F1: the tracker loads, nobody is asked; kept for the receipt's own time and not a day longer."""
    for answer, loaded in ((Visitor.accept_all, {"hotjar"}), (Visitor.only_necessary, set())):
        visitor = safari(new_visitor)
        visitor.open(page(net, DURABLE), banner=True)
        assert net.requests(path=gated.KEEP) == [], "before a choice there is nothing to keep"
        answer(visitor)
        assert is_kept(visitor), "kept on the very page of the choice"
        visitor.open(page(net, DURABLE, "volgende"), banner=False)
        assert is_kept(visitor), "the banner wrote it anew, and the server after it"
        assert visitor.receipt
        assert life(visitor) <= (visitor.receipt["e"] - time.time()) / DAY + 0.001
        asked = net.requests(path=gated.KEEP)
        assert [request.method for request in asked] == ["POST", "POST"]
        returned = later(visitor, new_visitor, 8)
        returned.open(page(net, DURABLE), banner=False)
        returned.asks_exactly(loaded)
        net.forget()


def test_without_it_the_visitor_is_asked_again_and_nothing_loads(net: Internet, new_visitor: NewVisitor) -> None:
    visitor = safari(new_visitor)
    visitor.open(page(net, ""), banner=True)
    visitor.accept_all()
    visitor.open(page(net, "", "volgende"), banner=False)
    assert life(visitor) <= 7
    returned = later(visitor, new_visitor, 8)
    returned.open(page(net, ""), banner=True)
    returned.asks_exactly(set())


def test_where_the_site_s_server_fails_everything_is_as_without_it(net: Internet, new_visitor: NewVisitor) -> None:
    visitor = safari(new_visitor)
    visitor.open(page(net, DURABLE), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar"})
    assert wait_until(lambda: bool(net.requests(path=gated.KEEP)))
    assert sites.home(KEY) in visitor.page.url
    assert life(visitor) <= 7


def test_an_answer_that_comes_late_brings_no_consent_back(net: Internet, visitor: Visitor) -> None:
    """D4: the site's server answers the request for the consent's cookie only after the consent was withdrawn."""
    visitor.open(page(net, ""), banner=True)
    visitor.accept_all()
    keep, consent = sites.home(KEY) + gated.KEEP.removeprefix("/"), visitor.token
    back = {"Set-Cookie": f"poort={consent}; Path=/; Domain={KEY}.example; Max-Age=9999999; Secure; SameSite=Lax"}
    net.serve(keep, "", "text/plain", back, after=1.5)
    visitor.open(page(net, DURABLE, "volgende"), banner=False)
    assert wait_until(lambda: bool(net.requests(path=gated.KEEP)))
    net.serve(keep, "", "text/plain")
    visitor.withdraw()
    assert wait_until(lambda: len(net.requests(path=gated.KEEP)) == 2), "the withdrawal is asked for after it"
    visitor.page.wait_for_timeout(2_000)
    assert visitor.receipt
    assert visitor.receipt["a"] == "withdraw"
