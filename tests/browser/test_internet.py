"""The internet of this suite is itself tested: a witness must be able to see."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from consent.catalogue import CATALOGUE, match_cookie, match_host
from consent.patterns import matches
from tests.browser import pages, trackers, ways
from tests.browser.conftest import NewVisitor
from tests.browser.internet import Internet, wait_until
from tests.browser.visitor import Visitor

# One host, one script, two purposes.
SHARED = {"sentry", "sentry_replay"}
PAGE = "https://www.klantpad.example/"


def untouched(tracker: trackers.Tracker) -> str:
    load = f'<link rel="stylesheet" href="{tracker.script}"><h1>t</h1>' if tracker.sheet else ""
    return f'<!doctype html><title>t</title>{load or f"""<script src="{tracker.script}"></script>"""}'


def test_each_ungated_tracker_is_seen_with_all_that_it_leaves(internet: Internet, visitor: Visitor) -> None:
    for tracker in trackers.ALL:
        internet.forget()
        visitor.open(internet.page(PAGE, untouched(tracker)))
        visitor.quiet(0.15)
        assert internet.trackers() == {tracker.id}
        assert visitor.left_behind() == tracker.names, tracker.id
        assert len(internet.requests(method="POST")) == (1 if tracker.collector else 0), tracker.id
        visitor.page.evaluate("localStorage.clear(), sessionStorage.clear()")
        visitor.context.clear_cookies()


def test_pixels_and_frames_are_answered_and_seen(internet: Internet, visitor: Visitor) -> None:
    frame = trackers.BY_ID["typeform"].frame
    html = f'<!doctype html><img src="https://www.facebook.com/tr?id=42"><iframe src="{frame}"></iframe>'
    visitor.open(internet.page(PAGE, html))
    assert internet.trackers() == {"meta", "typeform"}
    assert visitor.page.evaluate("document.images[0].naturalWidth") == 1
    assert visitor.page.frames[1].evaluate("document.title") == "typeform"


def test_a_request_tells_where_it_came_from(internet: Internet, visitor: Visitor) -> None:
    visitor.open(internet.page(PAGE, '<!doctype html><img src="https://bat.bing.com/p/insights">'))
    (request,) = internet.requests(host="bat.bing.com")
    assert (request.method, request.path, request.referer) == ("GET", "/p/insights", PAGE)


def test_with_javascript_off_nothing_runs_but_plain_tags_load(internet: Internet, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(javascript=False)
    pixel = '<noscript><img src="https://www.facebook.com/tr?id=42&noscript=1"></noscript>'
    visitor.open(internet.page(PAGE, untouched(trackers.BY_ID["hotjar"]) + pixel))
    assert internet.trackers() == {"meta"}


def test_only_the_visit_of_this_test_is_counted(internet: Internet, visitor: Visitor) -> None:
    visitor.open(internet.page(PAGE, "<!doctype html><p>Nothing here</p>"))
    internet.new_visit()
    internet.page(PAGE, '<!doctype html><img src="https://bat.bing.com/p/late">')
    visitor.open(PAGE)
    assert internet.requests() == []
    assert internet.trackers() == set()


@pytest.mark.parametrize("tracker", trackers.ALL, ids=lambda tracker: str(tracker.id))
def test_the_catalogue_knows_what_the_witness_knows(tracker: trackers.Tracker) -> None:
    """Two tables, made apart: the addresses, the category and every name that is left behind."""
    urls = [urlsplit(url) for url in tracker.urls]
    found = [set(match_host(url.netloc, f"{url.path}?{url.query}")) for url in urls]
    assert [tracker.id in ids for ids in found] == [True] * len(found)
    assert set().union(*found) - SHARED == {tracker.id} - SHARED
    row = CATALOGUE[tracker.id]
    assert row["category"] == tracker.category
    assert {name for name in tracker.cookies if tracker.id not in match_cookie(name)} == set()
    keys = {*tracker.local, *tracker.session}
    assert {key for key in keys if not any(matches(stored["name"], key) for stored in row["storage"])} == set()


@pytest.mark.parametrize("strict", [False, True], ids=["no policy", "strict policy"])
def test_the_untagged_page_asks_for_everything(internet: Internet, visitor: Visitor, strict: bool) -> None:
    """Every address of every tracker, so that the matrix holds back what would load without the gate."""
    headers = {"Content-Security-Policy": ways.policy("https://consent.klantpad.example")} if strict else {}
    visitor.open(internet.page(PAGE, pages.html(ways.auto()), headers))
    expected = {url for tracker in trackers.ALL for url in tracker.urls}
    wait_until(lambda: asked(internet) >= expected, 20)
    assert expected - asked(internet) == set()
    assert visitor.witness("violations") == []


def asked(internet: Internet) -> set[str]:
    return {f"https://{request.host}{request.path}" for request in internet.requests()}
