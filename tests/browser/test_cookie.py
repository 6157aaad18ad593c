"""What the cookie `poort` is worth: only a receipt of this site, genuine, fresh and unexpired, opens anything (A3)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from consent.receipts import Keyring, from_claims
from tests.browser import pages, sites, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor
from tests.servers import SECRET

HOTJAR = trackers.BY_ID["hotjar"].script
TAGS = pages.gated_script("hotjar", HOTJAR) + pages.gated_script("meta", trackers.BY_ID["meta"].script)


def put(visitor: Visitor, value: str, domain: str = ".shop-test.example") -> None:
    visitor.context.add_cookies([{"name": "poort", "value": value, "domain": domain, "path": "/", "secure": True}])


def receipt(**differs: Any) -> dict[str, Any]:
    """What a grant of everything by this site looks like."""
    now = int(time.time())
    grant = {
        "s": "shop-test",
        "r": "5b0c1a52-0f0f-4d1e-9d43-2f3f8f6d0a11",
        "p": "0d6c9f0e-63d3-4f57-a7d5-1d0e0b8f7c22",
        "v": 1,
        "a": "accept_all",
        "c": ["functional", "analytics", "marketing"],
        "x": [],
        "g": [],
        "gpc": False,
        "t": now - 60,
        "e": now + 86_400,
    }
    return {**grant, **differs}


def signed(**differs: Any) -> str:
    return Keyring([SECRET]).issue(from_claims(receipt(**differs)))


def forged(**differs: Any) -> str:
    """A real refusal whose readable half somebody rewrote into a grant."""
    body = base64.urlsafe_b64encode(json.dumps(receipt(**differs), separators=(",", ":")).encode()).decode().rstrip("=")
    return body + "." + signed(**{**differs, "a": "necessary_only", "c": []}).split(".", 1)[1]


WORTHLESS: dict[str, Callable[[], str]] = {
    "forged": forged,
    "unsigned": lambda: signed().split(".")[0],
    "signed with another key": lambda: Keyring(["another-key-of-forty-characters-or-more-x"]).issue(
        from_claims(receipt())
    ),
    "expired": lambda: signed(t=int(time.time()) - 9_000, e=int(time.time()) - 60),
    "of another site": lambda: signed(s="other-test"),
    "of a version that does not exist yet": lambda: signed(v=99),
    "unreadable": lambda: "%%%.not-base64",
    "empty": lambda: "",
    "a word": lambda: "true",
    "JSON of the wrong shape": lambda: base64.urlsafe_b64encode(b'["marketing"]').decode() + ".x",
}


@pytest.mark.parametrize("kind", WORTHLESS)
def test_a_worthless_cookie_opens_nothing_and_the_visitor_is_asked(net: Internet, visitor: Visitor, kind: str) -> None:
    put(visitor, WORTHLESS[kind]())
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.asks_exactly(set())


def test_a_choice_after_a_worthless_cookie_holds(net: Internet, visitor: Visitor) -> None:
    put(visitor, forged())
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.control("necessary-only").click()
    wait_until(lambda: visitor.token and visitor.receipt and visitor.receipt["a"] == "necessary_only")
    visitor.open(pages.shop(net, TAGS), banner=False)
    visitor.asks_exactly(set())


def test_a_forged_cookie_opens_nothing_while_the_server_is_down(net: Internet, visitor: Visitor) -> None:
    """A3: what can not be verified is not believed."""
    put(visitor, forged())
    with net.fault("down", path="/v1/"):
        visitor.page.goto(pages.shop(net, TAGS))
        visitor.asks_exactly(set())


def test_a_forged_cookie_beside_a_kept_real_one_opens_nothing(net: Internet, visitor: Visitor) -> None:
    """A visitor who refused, then somebody who writes a grant into the cookie."""
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.only_necessary()
    put(visitor, forged())
    visitor.page.goto(pages.shop(net, TAGS))
    visitor.asks_exactly(set())


def test_a_real_receipt_without_the_kept_copy_is_verified_and_holds(net: Internet, visitor: Visitor) -> None:
    """As on another subdomain, or after the storage was cleared: no second question."""
    put(visitor, signed())
    visitor.open(pages.shop(net, TAGS), banner=False)
    visitor.asks_exactly({"hotjar", "meta"})


def test_of_two_cookies_the_one_that_allows_less_counts(net: Internet, visitor: Visitor) -> None:
    put(visitor, signed())
    put(visitor, signed(a="necessary_only", c=[]), domain="www.shop-test.example")
    visitor.open(pages.shop(net, TAGS), banner=False)
    visitor.asks_exactly(set())


def test_of_two_cookies_in_the_other_order_too(net: Internet, visitor: Visitor) -> None:
    put(visitor, signed(), domain="www.shop-test.example")
    put(visitor, signed(a="custom", c=["analytics"]))
    visitor.open(pages.shop(net, TAGS), banner=False)
    visitor.asks_exactly({"hotjar"})


def test_an_expired_grant_is_asked_again(net: Internet, visitor: Visitor) -> None:
    """F2: by the receipt's own time, also where the browser kept the cookie and the copy."""
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"hotjar", "meta"})
    net.forget()
    later = visitor.context.new_page()
    later.clock.install(time=time.time() + 181 * 86_400)
    put(visitor, str(visitor.token))
    visitor.page = later
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.asks_exactly(set())


@pytest.mark.parametrize("days", [1, 90, 178])
def test_a_refusal_is_not_asked_again_within_its_time(net: Internet, visitor: Visitor, days: int) -> None:
    """F1: six months."""
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.only_necessary()
    later = visitor.context.new_page()
    later.clock.install(time=time.time() + days * 86_400)
    put(visitor, str(visitor.token))
    visitor.page = later
    visitor.open(pages.shop(net, TAGS), banner=False)


def test_a_material_change_asks_again_only_for_what_changed(
    net: Internet, new_visitor: NewVisitor, poort: Poort
) -> None:
    """F3: the new tracker waits; what was granted goes on; no version bump alone asks a refuser again (F4)."""
    first = new_visitor()
    first.open(pages.shop(net, TAGS, key="renewed"), banner=True)
    first.accept_all()
    kept = first.context.storage_state()
    trackers_now = [*sites.RENEWED["trackers"], {"id": "linkedin"}]
    poort.publish({**sites.RENEWED, "trackers": trackers_now})
    net.new_visit()
    tags = TAGS + pages.gated_script("linkedin", trackers.BY_ID["linkedin"].script)
    second = new_visitor(storage_state=kept)
    wait_until(lambda: poort.config("renewed")["version"] == 2, 15)
    second.open(pages.shop(net, tags, key="renewed"), banner=True)
    second.asks_exactly({"hotjar", "meta"})


def test_the_cookie_is_lax_secure_and_on_the_named_domain(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net), banner=True)
    visitor.only_necessary()
    (cookie,) = visitor.context.cookies()
    assert (cookie["domain"], cookie["sameSite"], cookie["secure"], cookie["path"]) == (
        ".shop-test.example",
        "Lax",
        True,
        "/",
    )
    assert 170 * 86_400 < cookie["expires"] - time.time() < 181 * 86_400


def test_without_cookie_domain_the_cookie_is_of_the_host_alone(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, key="hostonly"), banner=True)
    visitor.only_necessary()
    (cookie,) = visitor.context.cookies()
    assert (cookie["domain"], cookie["sameSite"], cookie["secure"]) == ("www.hostonly.example", "Lax", True)
    blog = net.page("https://blog.hostonly.example/", pages.html("", head=sites.embed("hostonly")))
    visitor.open(blog, banner=True)


def test_one_choice_holds_on_every_subdomain(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, TAGS), banner=True)
    visitor.accept_all()
    net.forget()
    blog = net.page("https://blog.shop-test.example/", pages.html(TAGS, head=sites.embed("shop-test")))
    visitor.open(blog, banner=False)
    visitor.asks_exactly({"hotjar", "meta"})


def test_the_receipt_holds_only_the_choice(net: Internet, visitor: Visitor) -> None:
    """A9: no address, no user agent, no URL."""
    visitor.open(pages.shop(net), banner=True)
    visitor.accept_all()
    assert visitor.receipt
    assert set(visitor.receipt) == {"s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e"}
