"""What a page tells for the counts: another showing of the same visit, the time to an answer, the variant that was
drawn, and who comes back. Before an answer nothing is kept in the browser for any of it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url

from tests.browser import pages, trackers
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.measure import look
from tests.browser.one_door import door  # noqa: F401 -- a fixture
from tests.browser.server import Poort
from tests.browser.sites import OTHER_WORDS, B, home
from tests.browser.test_cookie import put, signed
from tests.browser.visitor import ITEMS, Visitor

ELSEWHERE = "https://elsewhere.example/"
WORDS = OTHER_WORDS["nl"]
BUCKET = f"welkom:{B}"  # under which the server counts it
STORED = f"[document.cookie].concat({ITEMS})"
HOTJAR = pages.gated_script("hotjar", trackers.BY_ID["hotjar"].script)


def told(net: Internet, path: str = "/events") -> list[dict[str, Any]]:
    """What the pages told, oldest first."""
    return [json.loads(one.body) for one in net.requests() if one.method == "POST" and one.path.endswith(path)]


def last(net: Internet, number: int, path: str = "/events") -> dict[str, Any]:
    """What was told, once so much was told in all; and that it is no more."""
    assert wait_until(lambda: len(told(net, path)) >= number), told(net, path)
    found = told(net, path)
    assert len(found) == number, found
    return found[-1]


def counts(poort: Poort, site: str, **where: str) -> int:
    """How many of a metric of the daily totals, or of the showings of a part of the traffic, the server has."""
    table, column = ("daily_slice", "shown") if "dimension" in where else ("daily_count", "n")
    query = f"SELECT coalesce(sum({column}), 0) FROM {table} WHERE " + " AND ".join(f"{name} = ?" for name in where)
    with closing(sqlite3.connect(str(make_url(poort.database_url).database))) as database:
        return int(database.execute(f"{query} AND site = ?", (*where.values(), site)).fetchone()[0])


def way(net: Internet, key: str, steps: int = 5, **page: Any) -> str:
    """Pages of a site that lead to each other, and one elsewhere that leads to the first; the first one's address."""
    body = HOTJAR + "".join(f'<a href="/step-{step}">Stap {step}</a>' for step in range(steps))
    for step in range(steps):
        pages.shop(net, body, key=key, path=f"step-{step}", **page)
    net.page(ELSEWHERE, f'<a href="{home(key)}step-0">Naar de winkel</a>')
    return home(key) + "step-0"


def follow(visitor: Visitor, name: str, banner: bool) -> None:
    visitor.page.get_by_role("link", name=name, exact=True).click(force=True)
    if banner:
        visitor.banner.wait_for(state="visible")
    else:
        visitor.ready()


def test_a_banner_ignored_on_five_pages_is_one_showing(net: Internet, poort: Poort, visitor: Visitor) -> None:
    before = [counts(poort, "other-test", metric=name) for name in ("shown", "again")]
    visitor.open(way(net, "other-test"), banner=True)
    assert last(net, 1)["again"] is False
    for step in range(1, 5):
        follow(visitor, f"Stap {step}", banner=True)
        assert last(net, step + 1) == {
            "type": "shown", "version": 1, "language": "nl", "page_group": None, "again": True}
    visitor.page.goto(ELSEWHERE)
    follow(visitor, "Naar de winkel", banner=True)
    assert last(net, 6)["again"] is False, "another visit"
    visitor.quiet()  # the server has answered, so has counted
    after = [counts(poort, "other-test", metric=name) for name in ("shown", "again")]
    assert [one - other for one, other in zip(after, before, strict=True)] == [2, 4]
    assert visitor.page.evaluate(STORED) == [""]
    assert net.trackers() == set()


def test_an_answer_says_how_long_it_took_in_the_banner_alone(net: Internet, poort: Poort, visitor: Visitor) -> None:
    begun = time.monotonic()
    visitor.open(pages.shop(net), banner=True)
    visitor.page.wait_for_function("performance.now() > 2100")
    least = visitor.page.evaluate("performance.now()")
    visitor.accept_all()
    took = last(net, 1, "/consents")["took"]
    assert isinstance(took, int)
    assert int(least) <= took <= 1000 * (time.monotonic() - begun)
    visitor.reopen()
    visitor.switch("category-marketing", False)
    visitor.save()
    assert "took" not in last(net, 2, "/consents")
    visitor.page.evaluate("Poort.necessaryOnly()")
    visitor.stored("necessary_only")
    assert "took" not in last(net, 3, "/consents")
    assert [one["took"] for one in poort.records("shop-test", visitor.token)] == [1, None, None]


def test_a_page_that_was_open_for_days_can_be_answered(net: Internet, visitor: Visitor) -> None:
    """What is longer than a day is a day: the server takes no more, and the answer may not be lost to it."""
    visitor.page.clock.install(time=0)
    visitor.open(pages.shop(net), banner=True)
    visitor.page.clock.fast_forward(30 * 86_400_000)
    visitor.control("accept-all").click()
    assert last(net, 1, "/consents")["took"] == 86_400_000
    visitor.stored("accept_all")


# -- an experiment ----------------------------------------------------------------------------------------------------

STRICT = (
    "default-src 'none'; script-src https://consent.tried.example; connect-src https://consent.tried.example;"
    " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types poort"
)


def drawn(net: Internet, visitor: Visitor, url: str, variant: str, most: int = 60) -> None:
    """Open the page till this variant is drawn: each showing before an answer draws anew."""
    for _ in range(most):
        net.forget()
        visitor.open(url, banner=True)
        if last(net, 1)["variant"] == variant:
            return
    pytest.fail(f"{variant} was not drawn in {most} showings")


def seen(visitor: Visitor) -> tuple[str, bool]:
    """The words for allowing, and whether the banner stands to the left, as in the other variant."""
    return visitor.control("accept-all").inner_text(), look(visitor.banner)["x"] == 16


def test_a_variant_is_shown_recorded_and_stays_after_the_answer(
    net: Internet, poort: Poort, visitor: Visitor
) -> None:
    url = way(net, "tried", headers={"Content-Security-Policy": STRICT})
    english = pages.shop(net, key="tried", path="english", lang="en")
    drawn(net, visitor, url, "a")
    assert seen(visitor) == ("Alle cookies toestaan", False)
    before = counts(poort, "tried", dimension="variant", bucket=BUCKET)
    drawn(net, visitor, url, B)
    assert wait_until(lambda: counts(poort, "tried", dimension="variant", bucket=BUCKET) == before + 1)
    assert seen(visitor) == (WORDS["accept_all"], True)
    assert visitor.banner.get_by_role("heading").inner_text() == "Mag Webwinkel B.V. meekijken?"
    assert visitor.page.evaluate(STORED) == [""], "nothing is kept before an answer"

    visitor.preferences()  # the rest of the config came
    assert "Wat mag Webwinkel B.V. doen?" in visitor.banner.inner_text()
    assert visitor.control("save").inner_text() == WORDS["save"]
    visitor.switch("category-functional", True)
    visitor.save()
    assert last(net, 1, "/consents")["variant"] == B
    assert (visitor.receipt or {})["w"] == B
    for _ in range(8):  # by chance all would be it once in 65,000 times
        visitor.open(url, banner=False)
        assert visitor.control("reopen").inner_text() == WORDS["reopen"]
    visitor.reopen()
    assert seen(visitor) == (WORDS["accept_all"], True)
    assert visitor.witness("violations") == []
    visitor.open(english, banner=False)
    assert visitor.control("reopen").inner_text() == OTHER_WORDS["en"]["reopen"]
    visitor.withdraw()
    assert (visitor.receipt or {})["w"] == B
    assert [one["variant"] for one in poort.records("tried", visitor.token)] == [BUCKET, BUCKET]
    assert [one for one in visitor.complaints if "favicon" not in one] == []


def test_a_variant_speaks_the_pages_language_and_the_script_without_a_site_draws_too(
    net: Internet, visitor: Visitor
) -> None:
    drawn(net, visitor, pages.shop(net, key="tried", path="english", lang="en"), B)
    assert seen(visitor) == (OTHER_WORDS["en"]["accept_all"], True)
    tag = '<script async src="https://consent.tried.example/banner/v1/poort.js" data-site="tried"></script>'
    bare = net.page(home("tried") + "bare", pages.html(pages.TEXT, head=tag))
    drawn(net, visitor, bare, B)
    assert seen(visitor) == (WORDS["accept_all"], True)
    drawn(net, visitor, bare, "a")
    assert seen(visitor) == ("Alle cookies toestaan", False)


def test_an_answer_that_waits_to_be_sent_keeps_its_variant(net: Internet, visitor: Visitor) -> None:
    url = way(net, "tried")
    drawn(net, visitor, url, B)
    with net.fault("500", "/v1/sites/tried/consents"):
        visitor.control("accept-all").click()
        assert wait_until(lambda: told(net, "/consents"))
        for _ in range(6):
            visitor.open(url, banner=False)
            assert visitor.control("reopen").inner_text() == WORDS["reopen"]


def test_who_answered_before_the_experiment_is_not_in_it(net: Internet, poort: Poort, visitor: Visitor) -> None:
    put(visitor, signed(s="tried"), ".tried.example")
    for _ in range(6):
        visitor.open(way(net, "tried"), banner=False)
        assert visitor.control("reopen").inner_text() == "Cookie-instellingen"
    visitor.withdraw()
    assert "variant" not in last(net, 1, "/consents")
    assert "w" not in (visitor.receipt or {})
    assert [one["variant"] for one in poort.records("tried", visitor.token)] == [None]
    assert told(net) == []


def test_an_answer_from_another_platform_answered_no_variant(net: Internet, poort: Poort, visitor: Visitor) -> None:
    said = "{stamp:'x',necessary:true,preferences:true,statistics:true,marketing:true,method:'explicit',ver:1,utc:%d}"
    visitor.context.add_cookies([
        {"name": "CookieConsent", "value": quote(said % (1000 * (time.time() - 60))), "url": home("tried")}])
    visitor.open(way(net, "tried"), banner=False)
    visitor.stored("accept_all")
    assert "variant" not in last(net, 1, "/consents")
    assert [(one["source"], one["variant"]) for one in poort.records("tried", visitor.token)] == [("import", None)]


def test_variants_are_drawn_by_their_shares(net: Internet, visitor: Visitor) -> None:
    """200 pages in one, each with a banner: one in four is the other one, within four standard deviations."""
    frame = pages.shop(net, "<p>Kader</p>", key="tried", path="frame")
    frames = f'<iframe src="{frame}"></iframe>' * 200
    visitor.page.goto(net.page(home("tried") + "many", pages.html(frames)), wait_until="commit")
    assert wait_until(lambda: len(told(net)) == 200, 40)
    found = Counter(event["variant"] for event in told(net))
    assert set(found) == {"a", B}
    assert 25 <= found[B] <= 75, found


# -- who comes back ---------------------------------------------------------------------------------------------------


def visits(net: Internet) -> list[dict[str, Any]]:
    return [event for event in told(net) if event["type"] == "visit"]


def visit(choices: tuple[bool, bool, bool], **differ: bool) -> dict[str, Any]:
    named = dict(zip(("functional", "analytics", "marketing"), choices, strict=True))
    return {"type": "visit", "version": 2, "language": "nl", "page_group": None, "choices": named, "trackers": differ}


def test_who_has_chosen_and_comes_back_is_counted_once_a_visit(
    net: Internet, poort: Poort, visitor: Visitor
) -> None:
    url = way(net, "counted")
    visitor.open(url, banner=True)
    assert visitor.page.evaluate(STORED) == [""]
    visitor.preferences()
    visitor.switch("category-analytics", True)
    visitor.switch("tracker-hotjar", False)
    visitor.switch("tracker-meta", True)
    visitor.save()
    kept = visitor.page.evaluate(STORED.replace("document.cookie", "''"))
    before = counts(poort, "counted", metric="visit")
    follow(visitor, "Stap 1", banner=False)
    visitor.quiet()
    assert visits(net) == [], "the visit goes on"
    assert [event["type"] for event in told(net)] == ["shown"]

    visitor.page.goto(ELSEWHERE)
    follow(visitor, "Naar de winkel", banner=False)
    assert last(net, 2) == visit((False, True, False), hotjar=False, meta=True)
    follow(visitor, "Stap 2", banner=False)
    visitor.page.evaluate("Poort.necessaryOnly()")
    visitor.stored("necessary_only")
    visitor.open(url, banner=False)
    assert last(net, 3) == visit((False, False, False))
    assert wait_until(lambda: counts(poort, "counted", metric="visit") == before + 2)
    assert visitor.page.evaluate(STORED.replace("document.cookie", "''")) == kept, "nothing is stored for it"
    assert visitor.cookie_names() == {"poort"}


def test_leaks_are_told_beside_the_visits(net: Internet, visitor: Visitor) -> None:
    wrong = f'<script src="{trackers.BY_ID["hotjar"].script}"></script>'
    url = pages.shop(net, wrong, key="counted")
    visitor.open(url, banner=True)
    visitor.only_necessary()
    visitor.open(url, banner=False)
    assert last(net, 2) == visit((False, False, False))
    visitor.quiet()
    net.page(ELSEWHERE, "<p>Elders</p>")
    visitor.page.goto(ELSEWHERE)
    assert wait_until(lambda: net.parting("/leaks"))


def test_a_page_in_the_background_is_no_visit_till_it_is_looked_at(net: Internet, new_visitor: NewVisitor) -> None:
    first = new_visitor().open(way(net, "counted"), banner=True)
    first.accept_all()
    visitor = new_visitor(storage_state=first.context.storage_state())
    visitor.context.add_init_script(
        "Object.defineProperty(Document.prototype, 'hidden', {get: () => !window.looked, configurable: true})")
    net.forget()
    visitor.open(way(net, "counted"), banner=False).quiet()
    assert told(net) == []
    for _ in range(2):
        visitor.page.evaluate("window.looked = true; document.dispatchEvent(new Event('visibilitychange'))")
    assert last(net, 1) == visit((True, True, True))


def test_who_is_asked_about_something_new_is_shown_a_banner_and_no_visit(net: Internet, visitor: Visitor) -> None:
    put(visitor, signed(s="counted"), ".counted.example")
    url = way(net, "counted")
    visitor.open(url, banner=True)
    visitor.open(url, banner=True)
    visitor.quiet()
    assert [event["type"] for event in told(net)] == ["shown", "shown"]


def test_elsewhere_nobody_who_comes_back_is_told_of(net: Internet, visitor: Visitor) -> None:
    url = way(net, "shop-test")
    visitor.open(url, banner=True)
    visitor.accept_all()
    visitor.open(url, banner=False).quiet()
    assert [event["type"] for event in told(net)] == ["shown"]
    assert "variant" not in told(net)[0]
