"""The matrix: thirty-two trackers, loaded in every way, in every state. Each cell is one visit, seen on the wire.

What may load is asked for, and nothing else of the thirty-two; in half of the cells under a strict policy of the page's
own, which lets all of them through. Through the fast door alone: it saves half of the time, and test_cookie.py and its
neighbours put the same questions to both.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.browser import pages, trackers, ways
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.matrix import AUTO, CELLS, KEY, Cell
from tests.browser.matrix_page import PAGE, written
from tests.browser.one_door import door as door
from tests.browser.sites import embed, home
from tests.browser.test_cookie import forged, put, signed
from tests.browser.visitor import Visitor

# Without the policy, which forbids nothing, Chromium asks for what follows before our script has come.
FIRST = (
    f'<script src="https://consent.{KEY}.example/banner/{KEY}.js" data-auto></script>'
    '<meta http-equiv="Content-Security-Policy" content="object-src *">'
)
CONSENT = f"https://consent.{KEY}.example"


def headers(cell: Cell) -> dict[str, str]:
    """The page's own policy: one that lets all trackers through, the gate's for who has allowed none, or no policy."""
    through = trackers.ALL if cell.policy == "strict" else ()
    return {} if cell.policy == "none" else {"Content-Security-Policy": ways.policy(CONSENT, through)}


def page(net: Internet, cell: Cell, path: str = "") -> str:
    """The page of a cell; its address."""
    head = FIRST if cell.way is AUTO else embed(KEY)
    return net.page(home(KEY) + path, pages.html(cell.way.body(), head=head), headers(cell))


def claims(cell: Cell) -> dict[str, Any]:
    """What the receipt of a cell says."""
    given = {"v": 2, "x": [cell.way.off] if cell.state.one_off else [], **(cell.state.receipt or {})}
    return {"s": KEY, **{name: int(time.time()) + value if name in "te" else value for name, value in given.items()}}


def bring_receipt(visitor: Visitor, cell: Cell) -> None:
    if cell.state.receipt is not None:
        make = forged if cell.state.forged else signed
        put(visitor, make(**claims(cell)), f".{KEY}.example")


def arrive(visitor: Visitor, net: Internet, cell: Cell) -> None:
    """Open the page and wait until the script has decided, or until it is clear that there is none."""
    url = page(net, cell)
    if cell.state.runs:
        visitor.open(url, banner=cell.state.asks)
    elif not cell.state.javascript:
        visitor.open(url)
    else:
        visitor.page.goto(url, wait_until="commit")
        assert wait_until(lambda: net.requests(path="/banner/"), 20)


def accept(visitor: Visitor, net: Internet) -> None:
    visitor.control("accept-all").click()
    assert wait_until(lambda: net.requests(path=f"/v1/sites/{KEY}/consents", method="POST"), 20)


def withdraw(visitor: Visitor, net: Internet, cell: Cell) -> None:
    """First what was allowed loads: without that there is nothing to stop."""
    visitor.asks_exactly({row.id for row in cell.way.trackers})
    visitor.withdraw()
    net.forget()
    visitor.open(page(net, cell, "volgende"), banner=False)


def placeholder(visitor: Visitor, cell: Cell) -> Locator:
    """The control in the placeholder of one tracker."""
    return visitor.page.get_by_role("group", name=cell.way.off).locator(f'[data-poort="{cell.state.clicks}"]')


def go_on(visitor: Visitor, net: Internet, cell: Cell) -> None:
    """What was shown once is not there on the next page; what is always allowed is recorded, and there."""
    always = cell.state.clicks == "embed-always"
    if always:
        visitor.stored("custom")
    net.forget()
    visitor.open(page(net, cell, "volgende"), banner=not always)
    visitor.asks_exactly(cell.may if always else set())


def play(visitor: Visitor, net: Internet, cell: Cell) -> None:
    arrive(visitor, net, cell)
    if cell.state.fault and cell.state.fault.accepts:
        accept(visitor, net)
    if cell.state.withdraws:
        withdraw(visitor, net, cell)
    if cell.state.clicks:
        placeholder(visitor, cell).click()
    visitor.asks_exactly(cell.may)
    if cell.state.clicks:
        go_on(visitor, net, cell)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_what_the_cell_allows_is_asked_for_and_nothing_else(net: Internet, new_visitor: NewVisitor, cell: Cell) -> None:
    state = cell.state
    visitor = new_visitor(gpc=state.gpc, javascript=state.javascript)
    visitor.context.set_default_timeout(30_000)  # a page of thirty-two trackers is long on a busy machine
    bring_receipt(visitor, cell)
    with ExitStack() as stack:
        if state.fault:
            stack.enter_context(net.fault(state.fault.kind, state.fault.path, seconds=20))
        play(visitor, net, cell)
    if state.javascript:
        assert visitor.left_behind() <= trackers.names(cell.may)
    if state.javascript and cell.policy != "gate":
        assert visitor.witness("violations") == [], "the policy must do none of the gate's work"


@pytest.mark.parametrize("form", ways.BEYOND)
def test_what_no_script_can_hold_back_the_policy_of_the_server_does(net: Internet, visitor: Visitor, form: str) -> None:
    body = pages.html(ways.BEYOND[form](trackers.BY_ID["tiktok"].script))
    visitor.open(net.page(home(KEY), body))
    visitor.asks_exactly({"tiktok"})
    net.forget()
    visitor.open(net.page(home(KEY), body, {"Content-Security-Policy": ways.policy(CONSENT, ())}))
    visitor.asks_exactly(set())


def test_the_page_of_the_matrix_is_as_the_code_writes_it() -> None:
    assert PAGE.read_text() == written(), "run: python -m tests.browser.matrix_page --write"


def test_all_services_are_there_and_half_of_the_cells_have_a_policy_of_their_own() -> None:
    assert len(trackers.ALL) == 32
    assert 2 * sum(cell.policy != "none" for cell in CELLS) >= len(CELLS) - 1
