"""All five profiles of the examples, each embedded in a page of its own and driven by a visitor."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consent.catalogue import CATALOGUE
from tests.browser import pages, trackers
from tests.browser.internet import Internet
from tests.browser.one_door import door as door
from tests.browser.server import EXAMPLES, Poort, definitions
from tests.browser.visitor import Visitor

ASKING = {
    "erp-www": {"ga4", "gads", "linkedin", "intercom"},
    "erp-app": {"intercom"},
    "docs": {"leadinfo"},
    "journeys-www": trackers.IDS,
    "journeys-app": {"intercom"},
}
SILENT = ("hours", "integrator")


DEFINITIONS = definitions()


def page_of(net: Internet, key: str, path: str = "") -> str:
    """A page with the profile's tag and every tracker of it that asks, gated by `data-service`."""
    definition = DEFINITIONS[key]
    origin = definition["origins"][0]
    consent = origin.replace("https://www.", "https://consent.").replace("https://app.", "https://consent.")
    tag = f'<script async src="{consent}/banner/{key}.js"></script>'
    tags = [
        pages.gated_script(row["id"], trackers.BY_ID[row["id"]].script)
        for row in definition["trackers"]
        if row["id"] in trackers.BY_ID and not row.get("exempt")
    ]
    return net.page(f"{origin}/{path}", pages.html("".join(tags) + pages.TEXT, head=tag))


def test_the_examples_are_the_five_profiles() -> None:
    assert set(DEFINITIONS) == {*ASKING, *SILENT}


@pytest.mark.parametrize("key", ASKING)
def test_a_profile_that_asks(net: Internet, visitor: Visitor, key: str) -> None:
    """Nothing before; all after accepting; nothing after withdrawing and on the next page."""
    visitor.open(page_of(net, key), banner=True)
    visitor.quiet()
    assert net.trackers() == set()
    visitor.accept_all()
    visitor.asks_exactly(set(ASKING[key]))
    visitor.withdraw()
    net.forget()
    visitor.open(page_of(net, key, "volgende"), banner=False)
    visitor.asks_exactly(set())
    assert visitor.left_behind() == set()


@pytest.mark.parametrize("key", SILENT)
def test_a_profile_with_nothing_to_consent_to_shows_no_banner(net: Internet, visitor: Visitor, key: str) -> None:
    """A7: no banner, no third party, nothing written; the settings can still be opened."""
    visitor.open(page_of(net, key), banner=False)
    visitor.quiet()
    assert visitor.banner.count() == 0 or not visitor.banner.is_visible()
    assert net.strangers(DEFINITIONS[key]["origins"][0].removeprefix("https://www.")) == set()
    assert visitor.context.cookies() == []
    assert visitor.left_behind() == set()
    visitor.page.evaluate("window.Poort.showPreferences()")
    visitor.banner.wait_for(state="visible")


def test_an_exempt_measurement_runs_without_a_choice(net: Internet, visitor: Visitor) -> None:
    """A7: `hours` counts with Plausible under the Dutch exemption, and tells so."""
    definition = DEFINITIONS["hours"]
    exempt = [row["id"] for row in definition["trackers"] if row.get("exempt")]
    assert exempt
    tags = "".join(f"<script type='text/plain' data-service='{name}'>window.ran = '{name}'</script>" for name in exempt)
    origin = definition["origins"][0]
    tag = f'<script async src="{origin.replace("www.", "consent.")}/banner/hours.js"></script>'
    visitor.open(net.page(f"{origin}/", pages.html(tags, head=tag)), banner=False)
    assert visitor.page.evaluate("window.ran") in exempt


def test_the_files_apply_as_they_are_and_twice_changes_nothing(poorts: Callable[[str], Poort]) -> None:
    """contract.md: a definition or a list of them; the same again publishes nothing."""
    poort = poorts("asgi")
    for example in EXAMPLES:
        poort.run("site", "apply", str(example), "--publish")
    listed = poort.run("site", "list")
    for key, definition in DEFINITIONS.items():
        assert f"{key}\tversion 1\t" in listed
        assert all(row["id"] in CATALOGUE or "vendor" in row for row in definition["trackers"])
