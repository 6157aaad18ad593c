"""Under a strict content security policy and under Trusted Types, with not one violation."""

from __future__ import annotations

import pytest

from tests.browser import pages, trackers
from tests.browser.internet import Internet
from tests.browser.visitor import Visitor

CONSENT = "https://consent.shop-test.example"
STRICT = (
    f"default-src 'none'; script-src {CONSENT}; style-src 'self'; connect-src {CONSENT};"
    " base-uri 'none'; form-action 'none'"
)
TRUSTED = f"{STRICT}; require-trusted-types-for 'script'"
IMAGE_ICON = '<link rel="icon" href="data:,">'


def whole_tour(visitor: Visitor) -> None:
    """Everything that a visitor can do with the banner."""
    visitor.preferences()
    visitor.switch("category-analytics", True)
    visitor.switch("tracker-hotjar", False)
    visitor.save()
    visitor.reopen()
    visitor.switch("category-marketing", True)
    visitor.save()
    visitor.withdraw()
    visitor.page.reload()
    visitor.ready()
    visitor.reopen()


@pytest.mark.parametrize("policy", [STRICT, TRUSTED], ids=["strict", "trusted types"])
def test_the_banner_works_under_the_policy_without_a_violation(net: Internet, visitor: Visitor, policy: str) -> None:
    """No inline style, no eval, no font, no image, no frame of the banner's own."""
    body = "<p>Tekst</p>"
    head = f'<link rel="stylesheet" href="{pages.SHOP}site.css">'
    net.serve(f"{pages.SHOP}site.css", "p { color: #222 }", "text/css")
    visitor.open(pages.shop(net, body, head=head, headers={"Content-Security-Policy": policy}), banner=True)
    whole_tour(visitor)
    assert visitor.witness("violations") == []
    assert [text for text in visitor.complaints if "favicon" not in text] == []


def test_the_banner_is_styled_under_the_policy(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.shop(net, headers={"Content-Security-Policy": STRICT}), banner=True)
    assert visitor.banner.evaluate("node => getComputedStyle(node).position") == "fixed"


def test_trackers_open_under_trusted_types(net: Internet, visitor: Visitor) -> None:
    """A gated tag needs no more of the policy than the same tag without a gate."""
    policy = (
        f"script-src {CONSENT} https://connect.facebook.net 'nonce-once'; img-src *; connect-src *; style-src 'self';"
        " require-trusted-types-for 'script'"
    )
    tags = (
        pages.gated_script("meta", trackers.BY_ID["meta"].script)
        + '<script type="text/plain" nonce="once" data-service="hotjar">window.inline = "ran"</script>'
        + '<template data-service="uet"><img alt="" src="https://bat.bing.com/p/1"></template>'
    )
    visitor.open(pages.shop(net, tags, headers={"Content-Security-Policy": policy}), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"meta", "uet"})
    assert visitor.page.evaluate("window.inline") == "ran"
    assert visitor.witness("violations") == []


def test_a_named_policy_can_be_allowed(net: Internet, visitor: Visitor) -> None:
    """Sites that list their Trusted Types policies name `poort`, and nothing else of ours."""
    policy = (
        f"script-src {CONSENT} https://connect.facebook.net; require-trusted-types-for 'script'; trusted-types poort"
    )
    tags = pages.gated_script("meta", trackers.BY_ID["meta"].script)
    visitor.open(pages.shop(net, tags, headers={"Content-Security-Policy": policy}), banner=True)
    visitor.accept_all()
    visitor.asks_exactly({"meta"})
    assert visitor.witness("violations") == []


def test_a_sandboxed_page_without_storage_asks_and_keeps_closed(net: Internet, visitor: Visitor) -> None:
    """A3: where nothing can be kept, nothing opens, and nothing breaks."""
    tags = pages.gated_script("meta", trackers.BY_ID["meta"].script)
    visitor.open(pages.shop(net, tags, headers={"Content-Security-Policy": "sandbox allow-scripts"}), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    assert not [text for text in visitor.complaints if "Uncaught" in text or "SecurityError" in text]
