"""A site's own look and words on a customer's page: they show, harm nobody, and leave the two choices alike."""

from __future__ import annotations

import pytest

from tests.browser import pages
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.measure import SEEN, contrast, in_window, look, overflow, reachable
from tests.browser.one_door import door as door
from tests.browser.sites import COLOURS, HARM, LOOKS, WORDS
from tests.browser.test_csp import whole_tour
from tests.browser.visitor import Visitor

CHOICES = ("accept-all", "necessary-only")
# Whatever a text might run: none of it may.
ALARM = "for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = () => { window.fired = true; };"


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at:at + 2], 16)) for at in (1, 3, 5))})"


def shown(
    net: Internet, visitor: Visitor, position: str, headers: dict[str, str] | None = None, body: str = pages.TEXT
) -> Visitor:
    key = LOOKS[position]["key"]
    return visitor.open(pages.shop(net, body, key=key, headers=headers), banner=True)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("position", LOOKS)
def test_the_banner_stands_where_the_owner_wants_it(
    net: Internet, new_visitor: NewVisitor, position: str, width: int
) -> None:
    """B4, N3, N6: in sight, the choices alike, and what is behind it can be scrolled to."""
    visitor = shown(net, new_visitor(width=width), position)
    box = look(visitor.banner)
    left, top = box["x"], box["y"]
    right, below = width - left - box["width"], 800 - top - box["height"]
    if width == 360:
        assert (left, right) == (0, 0)
        assert (top == 0) is (position == "top")
        assert (below == 0) is (position != "top")
    else:
        wanted = {
            "bottom-left": left == 16 == below and right > 700, "bottom-right": right == 16 == below and left > 700,
            "top": top == 16 and below > 300,
            "center": abs(left - right) < 1 and abs(top - below) < 1 and top > 100,
        }
        assert wanted[position], box
    accept, refuse = (look(visitor.control(name)) for name in CHOICES)
    assert abs(accept["width"] - refuse["width"]) <= 1
    assert abs(accept["height"] - refuse["height"]) <= 1
    elsewhere = {"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}
    assert {**accept, **elsewhere} == {**refuse, **elsewhere}
    assert contrast(accept["text"], accept["background"]) >= 4.5
    assert contrast(accept["background"], accept["behind"]) >= 3
    assert all(in_window(visitor.page, visitor.control(name)) for name in CHOICES)
    assert overflow(visitor.page) == 0
    for name in ("Verder lezen 0", "Verder lezen 12", "Verder lezen 23"):
        link = visitor.page.get_by_role("link", name=name, exact=True)
        link.focus()
        assert link.evaluate(SEEN), name
    visitor.preferences()
    assert reachable(visitor.control("save"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_owners_colours_show_under_a_strict_policy_and_nothing_an_owner_typed_runs(
    net: Internet, new_visitor: NewVisitor, scheme: str
) -> None:
    """Every text and the logo's words try to run something, in both layers; the policy is never asked to stop it."""
    consent, www = "https://consent.look-left.example", "https://www.look-left.example"
    policy = (
        f"default-src 'none'; script-src {consent}; connect-src {consent}; img-src {www}; base-uri 'none';"
        " form-action 'none'; require-trusted-types-for 'script'; trusted-types poort")
    net.serve(f"{www}/logo.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "image/svg+xml")
    visitor = new_visitor(color_scheme=scheme)
    visitor.context.add_init_script(ALARM)
    shown(net, visitor, "bottom-left", {"Content-Security-Policy": policy}, "<p>Tekst</p>")
    colours = COLOURS[scheme]
    accept = look(visitor.control("accept-all"))
    assert (accept["background"], accept["text"]) == (rgb(colours["button"]), rgb(colours["button_text"]))
    assert accept["behind"] == rgb(colours["background"])
    assert look(visitor.control("preferences"))["text"] == rgb(colours.get("link", colours["button"]))
    text = visitor.banner.inner_text()
    assert WORDS["intro"] in text
    assert HARM in text  # the purpose of a category
    assert visitor.control("accept-all").inner_text() == WORDS["accept_all"]
    logo = visitor.banner.evaluate("node => getComputedStyle(node, '::before').backgroundImage")
    assert logo == f'url("{www}/logo.svg")'
    assert net.requests("www.look-left.example", "/logo.svg")
    whole_tour(visitor)
    assert WORDS["settings_intro"] in visitor.banner.inner_text()
    assert visitor.witness("violations") == []
    assert visitor.page.evaluate("window.fired") is None
    assert [told for told in visitor.complaints if "favicon" not in told] == []


def test_a_scheme_of_the_owner_is_for_every_visitor(net: Internet, new_visitor: NewVisitor) -> None:
    visitor = shown(net, new_visitor(color_scheme="light"), "top")
    assert look(visitor.control("accept-all"))["background"] == rgb("#a5cdf7")


def test_the_script_without_a_site_looks_the_same(net: Internet, visitor: Visitor) -> None:
    key = "look-center"
    tag = f'<script async src="https://consent.{key}.example/banner/v1/poort.js" data-site="{key}"></script>'
    visitor.open(net.page(f"https://www.{key}.example/bare", pages.html(pages.TEXT, head=tag)), banner=True)
    assert look(visitor.control("accept-all"))["background"] == rgb(COLOURS["light"]["button"])
    assert 100 < look(visitor.banner)["y"] < 400
