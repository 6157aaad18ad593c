"""When Poort can not be reached: everything blocked, the choice kept, not asked again, one row in the end."""

from __future__ import annotations

import json

import pytest

from tests.browser import pages, trackers
from tests.browser.internet import Internet, wait_until
from tests.browser.one_door import door as door
from tests.browser.server import Poort
from tests.browser.visitor import Visitor

CONSENTS = "/v1/sites/journeys-www/consents"
FAULTS = ["down", "500", "lost"]


def posts(net: Internet) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in net.requests(path=CONSENTS, method="POST")]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_grant_that_was_not_acknowledged_opens_nothing_and_is_not_asked_again(
    net: Internet, visitor: Visitor, fault: str
) -> None:
    """A3: without the proof no tracker; but the visitor has answered, so the next page does not ask."""
    visitor.open(pages.journeys(net), banner=True)
    with net.fault(fault, path="/v1/"):
        visitor.control("accept-all").click()
        wait_until(lambda: posts(net))
        visitor.banner.wait_for(state="hidden")
        visitor.asks_exactly(set())
        visitor.open(pages.journeys(net, "prijzen"), banner=False)
        visitor.asks_exactly(set())


@pytest.mark.parametrize("fault", FAULTS)
def test_the_kept_grant_is_sent_again_with_the_same_id_and_becomes_one_row(
    net: Internet, visitor: Visitor, poort: Poort, fault: str
) -> None:
    """E1: exactly one row, also when the first one had arrived and only its answer was lost."""
    visitor.open(pages.journeys(net), banner=True)
    with net.fault(fault, path="/v1/"):
        visitor.control("accept-all").click()
        wait_until(lambda: posts(net))
        visitor.quiet()
    visitor.open(pages.journeys(net, "prijzen"), banner=False)
    visitor.stored("accept_all")
    visitor.asks_exactly(trackers.IDS)
    assert len({body["id"] for body in posts(net)}) == 1
    assert len(posts(net)) >= 2
    rows = poort.records("journeys-www", visitor.token)
    assert [row["id"] for row in rows] == [posts(net)[0]["id"]]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refusal_holds_without_the_server_and_is_sent_later(
    net: Internet, visitor: Visitor, poort: Poort, fault: str
) -> None:
    """F1: a refuser is not asked again because of our fault."""
    visitor.open(pages.journeys(net), banner=True)
    with net.fault(fault, path="/v1/"):
        visitor.control("necessary-only").click()
        visitor.banner.wait_for(state="hidden")
        visitor.open(pages.journeys(net, "prijzen"), banner=False)
        visitor.asks_exactly(set())
    visitor.open(pages.journeys(net, "over-ons"), banner=False)
    visitor.stored("necessary_only")
    assert len({body["id"] for body in posts(net)}) == 1
    assert len(poort.records("journeys-www", visitor.token)) == 1


def test_a_slow_answer_keeps_everything_closed_until_it_comes(net: Internet, visitor: Visitor) -> None:
    visitor.open(pages.journeys(net), banner=True)
    with net.fault("slow", path=CONSENTS, seconds=1.2):
        visitor.control("accept-all").click()
        visitor.page.wait_for_timeout(800)
        assert net.trackers() == set()
        visitor.stored("accept_all")
    visitor.asks_exactly(trackers.IDS)


def test_leaving_the_page_at_once_does_not_lose_the_choice(net: Internet, visitor: Visitor, poort: Poort) -> None:
    """E1: the decision outlives the page that it was made on; exactly one row."""
    visitor.open(pages.journeys(net), banner=True)
    second = pages.journeys(net, "prijzen")
    with net.fault("slow", path=CONSENTS, seconds=0.5):
        visitor.control("accept-all").click()
        visitor.open(second, banner=False)
        visitor.stored("accept_all")
    visitor.asks_exactly(trackers.IDS)
    assert len({body["id"] for body in posts(net)}) == 1
    assert len(poort.records("journeys-www", visitor.token)) == 1


def test_a_later_choice_while_the_server_is_down_is_the_one_that_holds(
    net: Internet, visitor: Visitor, poort: Poort
) -> None:
    """D4: accept, then withdraw, both unheard: nothing may open when the server is back."""
    visitor.open(pages.journeys(net), banner=True)
    with net.fault("down", path="/v1/"):
        visitor.control("accept-all").click()
        visitor.banner.wait_for(state="hidden")
        visitor.reopen()
        visitor.control("withdraw").click()
        visitor.quiet()
    visitor.open(pages.journeys(net, "prijzen"), banner=False)
    visitor.stored()
    visitor.asks_exactly(set())
    assert visitor.receipt
    assert visitor.receipt["a"] in ("withdraw", "necessary_only")
    assert poort.records("journeys-www", visitor.token)[-1]["action"] == visitor.receipt["a"]


def test_a_stored_grant_goes_on_while_the_server_is_down(net: Internet, visitor: Visitor) -> None:
    """The receipt is the proof: an outage takes nothing from a visitor who has one."""
    visitor.open(pages.journeys(net), banner=True)
    visitor.accept_all()
    visitor.asks_exactly(trackers.IDS)
    net.forget()
    with net.fault("down", path="/v1/"):
        visitor.open(pages.journeys(net, "prijzen"), banner=False)
        visitor.asks_exactly(trackers.IDS)


def lost_script(net: Internet, visitor: Visitor, fault: str) -> None:
    with net.fault(fault, seconds=1.0):
        visitor.page.goto(pages.journeys(net), wait_until="load")
        visitor.quiet()


@pytest.mark.parametrize("fault", ["down", "500", "lost"])
def test_without_the_script_everything_stays_blocked(net: Internet, visitor: Visitor, fault: str) -> None:
    """A2, A3: the tags are inert by themselves; the page works."""
    lost_script(net, visitor, fault)
    assert net.trackers() == set()
    assert visitor.left_behind() == set()
    visitor.page.get_by_role("link", name="Verder lezen 1", exact=True).click(trial=True)


def test_a_slow_script_does_not_hold_up_the_page(net: Internet, visitor: Visitor) -> None:
    url = pages.journeys(net)
    with net.fault("slow", path="/banner/", seconds=1.5):
        visitor.page.goto(url, wait_until="domcontentloaded")
        assert visitor.page.evaluate("document.readyState") != "loading"
        visitor.page.get_by_role("heading", name="Reizen van klanten").wait_for(timeout=1000)
        assert net.trackers() == set()
        visitor.banner.wait_for()


@pytest.mark.parametrize(
    ("status", "body"), [(429, '{"error": "too_many"}'), (403, '{"error": "origin"}'), (200, "<html>"), (201, "{}")]
)
def test_any_other_answer_than_a_receipt_opens_nothing(net: Internet, visitor: Visitor, status: int, body: str) -> None:
    """A3: any doubt is no."""
    visitor.open(pages.journeys(net), banner=True)
    allow = {"Access-Control-Allow-Origin": "https://www.klantpad.example"}
    net.serve(f"https://consent.klantpad.example{CONSENTS}", body, "application/json", allow, status)
    visitor.control("accept-all").click()
    wait_until(lambda: posts(net))
    visitor.asks_exactly(set())
    assert visitor.left_behind() == set()
