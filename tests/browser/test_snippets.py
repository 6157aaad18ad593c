"""Vendors' snippets as recognise() gives them, on one page of a real site: held back, and all of them let go."""

from __future__ import annotations

from consent.snippets import recognise
from tests.browser import pages
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.visitor import Visitor
from tests.test_snippets import SNIPPETS

IDS = {"ga4", "gads", "hotjar", "vwo", "meta", "linkedin", "uet", "intercom", "calendly", "typeform", "activecampaign",
       "saber"}
# Written by hand around a film, with code in attributes: what stands in a template until then.
MORE = (
    '<a id="plan" href="#" onclick="document.title = \'clicked\'; Calendly; return false">Plan</a>'
    '<link rel="preconnect" href="https://static.hotjar.com">'
    '<script>document.title = "ran early"</script>'
)


def test_gated_snippets_load_after_consent_and_not_before(net: Internet, visitor: Visitor) -> None:
    """A2: whatever is accepted or not, nothing is asked for before; after accepting each of them is (basic mode)."""
    gated = recognise("".join(SNIPPETS[id] for id in sorted(IDS)) + MORE).gated
    page = pages.html(gated + pages.TEXT, head=pages.JOURNEYS_TAG)
    visitor.open(net.page(pages.JOURNEYS, page), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    assert visitor.page.title() == "Journeys"
    visitor.accept_all()
    visitor.page.wait_for_function("document.title === 'ran early' && document.querySelector('#plan')")
    visitor.asks_exactly(IDS)
    visitor.page.click("#plan")
    assert visitor.page.title() == "clicked"
