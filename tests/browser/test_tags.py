"""How gated tags come to life: in document order, as they were written, once, and also when added later."""

from __future__ import annotations

import pytest

from tests.browser import pages, sites, trackers
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

CDN = "https://cdn.shop-test.example/"


def put_script(net: Internet, name: str, after: float = 0.0) -> str:
    """A script that notes its name when it runs, and answers after so many seconds; its address."""
    return net.script(f"{CDN}{name}.js", f"(window.order = window.order || []).push('{name}')", after)


def gated(attributes: str, code: str = "") -> str:
    return f'<script type="text/plain" {attributes}>{code}</script>'


def note(name: str) -> str:
    return f"(window.order = window.order || []).push('{name}')"


def order(visitor: Visitor) -> list[str]:
    return list(visitor.page.evaluate("window.order || []"))


def ran(visitor: Visitor, *expected: str) -> None:
    wait_until(lambda: len(order(visitor)) >= len(expected))
    visitor.quiet(0.15)
    assert order(visitor) == list(expected)


def test_scripts_run_in_document_order_also_when_the_first_is_slow(net: Internet, visitor: Visitor) -> None:
    tags = (
        gated(f'data-service="hotjar" data-src="{put_script(net, "slow", 0.5)}"')
        + gated('data-service="hotjar"', note("inline"))
        + gated(f'data-service="meta" data-src="{put_script(net, "quick")}"')
        + gated('data-category="functional"', note("last"))
    )
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.accept_all()
    ran(visitor, "slow", "inline", "quick", "last")


def test_an_async_script_does_not_hold_up_the_next(net: Internet, visitor: Visitor) -> None:
    tags = gated(f'async data-service="hotjar" data-src="{put_script(net, "slow", 0.6)}"') + gated(
        'data-service="hotjar"', note("inline")
    )
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.accept_all()
    ran(visitor, "inline", "slow")


def test_a_script_that_can_not_be_fetched_does_not_stop_the_next(net: Internet, visitor: Visitor) -> None:
    tags = gated(f'data-service="hotjar" data-src="{CDN}missing.js"') + gated('data-service="hotjar"', note("next"))
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.accept_all()
    ran(visitor, "next")


def test_a_script_that_throws_does_not_stop_the_next(net: Internet, visitor: Visitor) -> None:
    tags = gated('data-service="hotjar"', "throw new Error('theirs')") + gated('data-service="hotjar"', note("next"))
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.accept_all()
    ran(visitor, "next")


def test_a_module_stays_a_module(net: Internet, visitor: Visitor) -> None:
    """`type` is taken by text/plain, so the tag says what it is in data-type."""
    code = "(window.order = window.order || []).push(typeof import.meta)"
    visitor.open(pages.shop(net, gated('data-type="module" data-service="hotjar"', code)), banner=True)
    visitor.accept_all()
    ran(visitor, "object")


def test_attributes_are_kept(net: Internet, visitor: Visitor) -> None:
    src = put_script(net, "kept")
    tag = gated(
        f'id="kept" data-service="hotjar" data-src="{src}" crossorigin="anonymous" referrerpolicy="no-referrer"'
        ' data-account="42" defer'
    )
    visitor.open(pages.shop(net, tag), banner=True)
    visitor.accept_all()
    ran(visitor, "kept")
    script = visitor.page.locator("script#kept")
    assert script.get_attribute("data-account") == "42"
    assert script.get_attribute("src") == src
    assert script.evaluate("node => [node.crossOrigin, node.referrerPolicy, node.defer]") == [
        "anonymous",
        "no-referrer",
        True,
    ]


def test_a_tag_runs_once_however_often_the_visitor_chooses(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, gated('data-service="hotjar"', note("once"))), banner=True)
    visitor.choose("category-analytics")
    ran(visitor, "once")
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.save()
    visitor.quiet()
    ran(visitor, "once")


def test_a_second_choice_opens_what_it_adds(net: Internet, visitor: Visitor) -> None:
    tags = gated('data-service="hotjar"', note("hotjar")) + gated('data-service="meta"', note("meta"))
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.choose("category-analytics")
    ran(visitor, "hotjar")
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.save()
    ran(visitor, "hotjar", "meta")


def test_a_category_alone_gates(net: Internet, visitor: Visitor) -> None:
    tags = gated('data-category="analytics"', note("analytics")) + gated('data-category="marketing"', note("marketing"))
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.choose("category-analytics")
    ran(visitor, "analytics")


def test_the_necessary_category_runs_at_once(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, gated('data-category="necessary"', note("necessary"))), banner=True)
    ran(visitor, "necessary")


@pytest.mark.parametrize(
    "attributes", ['data-service="nobody"', 'data-category="all"', 'data-service="constructor"', "data-service"]
)
def test_what_nobody_defined_never_runs(net: Internet, visitor: Visitor, attributes: str) -> None:
    """A3: any doubt is no."""
    tags = gated(attributes, note("never")) + gated('data-service="hotjar"', note("hotjar"))
    visitor.open(pages.shop(net, tags), banner=True)
    visitor.accept_all()
    ran(visitor, "hotjar")


def test_a_template_gives_up_its_content_in_its_place(net: Internet, visitor: Visitor) -> None:
    body = (
        '<p id="before">voor</p><template data-category="marketing"><p id="inside">binnen</p>'
        f'<img alt="" src="https://bat.bing.com/p/insights"><script>{note("template")}</script></template>'
        '<p id="after">na</p>'
    )
    visitor.open(pages.shop(net, body), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    visitor.accept_all()
    ran(visitor, "template")
    visitor.asks_exactly({"uet"})
    words = visitor.page.locator("main p").evaluate_all("nodes => nodes.map(node => node.id).filter(Boolean)")
    assert words == ["before", "inside", "after"]


def test_images_and_frames_load_only_when_allowed(net: Internet, visitor: Visitor) -> None:
    body = (
        '<img alt="" data-service="meta" data-src="https://www.facebook.com/tr?id=1">'
        '<iframe title="x" data-service="uet" data-src="https://bat.bing.com/frame"></iframe>'
    )
    visitor.open(pages.shop(net, body), banner=True)
    visitor.choose("tracker-meta")
    visitor.asks_exactly({"meta"})


def test_srcset_waits_as_well(net: Internet, visitor: Visitor) -> None:
    both = 'data-src="https://www.facebook.com/tr?a" data-srcset="https://www.facebook.com/tr?b 2x"'
    body = f'<img alt="" data-service="meta" {both}>'
    visitor.open(pages.shop(net, body), banner=True)
    visitor.quiet()
    assert net.trackers() == set()


ADD = """html => {
  const box = document.createElement("div");
  box.innerHTML = html;
  document.querySelector("main").append(box);
}"""
LATE = (
    pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)
    + '<img alt="" data-service="meta" data-src="https://www.facebook.com/tr?id=1">'
    + '<template data-service="uet"><img alt="" src="https://bat.bing.com/p/late"></template>'
)


def test_tags_that_are_added_after_the_choice_follow_it(net: Internet, visitor: Visitor) -> None:
    """Pages that build themselves: single-page applications, tag managers, infinite lists."""
    visitor.open(pages.shop(net), banner=True)
    visitor.choose("category-analytics", "tracker-uet")
    visitor.page.evaluate(ADD, LATE)
    visitor.asks_exactly({"hotjar", "uet"})


def test_tags_that_are_added_before_the_choice_wait_for_it(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net), banner=True)
    visitor.page.evaluate(ADD, LATE)
    visitor.quiet()
    assert net.trackers() == set()
    visitor.accept_all()
    visitor.asks_exactly({"hotjar", "meta", "uet"})


def test_tags_that_are_added_after_a_withdrawal_stay_closed(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net), banner=True)
    visitor.accept_all()
    visitor.withdraw()
    visitor.page.evaluate(ADD, LATE)
    visitor.asks_exactly(set())


def test_a_frame_that_was_opened_closes_on_withdrawal_and_may_open_again(net: Internet, visitor: Visitor) -> None:
    """D4: without a new page; the site's own frames stay."""
    body = (
        '<iframe title="a" data-service="meta" data-src="https://www.facebook.com/tr?frame"></iframe>'
        '<iframe title="own" id="own" src="https://www.shop-test.example/own"></iframe>'
    )
    net.page("https://www.shop-test.example/own", "<!doctype html>own")
    visitor.open(pages.shop(net, body), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"meta"})
    visitor.withdraw()
    assert not [frame.url for frame in visitor.page.frames if "facebook" in frame.url]
    assert visitor.page.locator("#own").count() == 1


def test_the_banner_can_come_after_the_page(net: Internet, visitor: Visitor) -> None:
    """A script tag that is added long after the page has loaded works the same."""
    net.page(pages.SHOP, pages.html(LATE))
    visitor.page.goto(pages.SHOP)
    visitor.page.evaluate(
        """src => { const tag = document.createElement("script"); tag.src = src; document.body.append(tag); }""",
        "https://consent.shop-test.example/banner/shop-test.js",
    )
    visitor.banner.wait_for()
    visitor.accept_all()
    visitor.asks_exactly({"hotjar", "meta", "uet"})


def test_embedding_the_script_twice_is_as_embedding_it_once(net: Internet, visitor: Visitor) -> None:
    body = sites.embed("shop-test") + gated('data-service="hotjar"', note("once"))
    visitor.open(pages.shop(net, body), banner=True)
    assert visitor.banner.count() == 1
    visitor.accept_all()
    ran(visitor, "once")
    assert len(net.requests(path="/v1/sites/shop-test/consents", method="POST")) == 1


def test_the_script_without_a_site_works_by_data_site(net: Internet, visitor: Visitor) -> None:
    """GET /banner/v1/poort.js with data-site, for use with SRI."""
    tag = '<script async src="https://consent.shop-test.example/banner/v1/poort.js" data-site="shop-test"></script>'
    net.page(pages.SHOP, pages.html(gated('data-service="hotjar"', note("hotjar")), head=tag))
    visitor.open(pages.SHOP, banner=True)
    visitor.accept_all()
    ran(visitor, "hotjar")
