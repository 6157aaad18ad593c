"""axe-core finds nothing at WCAG 2.2 AA, on both layers and on the control to reopen (N1 to N7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import pages
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# axe is not in the frames, so it can not ask them: it would only complain that one has another origin.
RUN = "tags => axe.run(document, {iframes: false, runOnly: {type: 'tag', values: tags}}).then(found => found)"


def faults(visitor: Visitor, source: str) -> list[str]:
    """Each violation as one line; fails when axe itself looked at next to nothing."""
    # Through the debugging interface and not as a script tag: the page's own policies do not apply to it.
    visitor.page.evaluate(source)
    found: dict[str, Any] = visitor.page.evaluate(RUN, TAGS)
    assert len(found["passes"]) > 10
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.fixture(params=[1280, 320], ids=lambda width: f"{width}px")
def someone(request: pytest.FixtureRequest, new_visitor: NewVisitor) -> Visitor:
    return new_visitor(width=request.param)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_first_layer(net: Internet, someone: Visitor, axe_source: str, language: str) -> None:
    someone.open(pages.journeys(net, lang=language), banner=True)
    assert faults(someone, axe_source) == []


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_second_layer_with_everything_unfolded(
    net: Internet, someone: Visitor, axe_source: str, language: str
) -> None:
    someone.open(pages.journeys(net, lang=language), banner=True)
    someone.preferences()
    someone.switch("category-analytics", True)
    assert faults(someone, axe_source) == []
    someone.page.evaluate("document.querySelectorAll('#poort-banner details').forEach(node => { node.open = true; })")
    assert faults(someone, axe_source) == []


@pytest.mark.parametrize("language", ["nl", "en"])
def test_after_the_answer(net: Internet, someone: Visitor, axe_source: str, language: str) -> None:
    someone.open(pages.journeys(net, lang=language), banner=True)
    someone.accept_all()
    someone.quiet(0.2)
    assert faults(someone, axe_source) == []
    someone.reopen()
    assert faults(someone, axe_source) == []
