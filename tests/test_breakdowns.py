"""Parts of the traffic and what each tracker sees, from counts that real rows made."""

import uuid
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from consent import agents, breakdowns, counts, records
from consent.db import db, writing
from tests.pages import queries
from tests.shop import FIREFOX, body
from tests.test_counts import NOW, event

DAY = date(2026, 11, 22)
IPHONE = ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
          "Version/18.6 Mobile/15E148 Safari/604.1")


def happen(*found: counts.Tallies, site: str = "shop") -> None:
    """Count all of these."""
    with writing():
        counts.add(db.session.connection(), Counter(one._replace(site=site) for tallies in found for one in tallies))


def answer(action: str, day: date = DAY, agent: str = FIREFOX, **changes: Any) -> counts.Tallies:
    """What an answer adds."""
    said = {**body(action), "decided_at": None, "id": uuid.uuid4(), "visitor": uuid.uuid4(), **changes}
    return counts.of_record({**records.row_of("shop", said, agent, NOW), "counted_on": day})


def shown(day: date = DAY, agent: str = FIREFOX, **changes: Any) -> counts.Tallies:
    """What a showing adds."""
    return counts.of_event({**event(version=1, page_group=None), **agents.agent(agent), "counted_on": day, **changes})


@pytest.mark.usefixtures("shop")
class TestFigures:
    def test_what_each_tracker_sees(self, app: Flask) -> None:
        own = {"functional": False, "analytics": True, "marketing": False}
        happen(*(shown() for _ in range(20)), *(answer("accept_all") for _ in range(8)), answer("necessary_only"),
               answer("custom", choices=own, trackers={"hotjar": False}),
               answer("custom", choices={**own, "analytics": False, "functional": True}, trackers={"hotjar": True}),
               answer("custom", choices=own, trackers={"hotjar": True, "meta": True}))
        seen = {one.id: (one.asked.part, one.asked.whole) for one in breakdowns.figures(["shop"], DAY, DAY).trackers}
        assert seen == {
            "ga4": (10, 20), "own-stats": (10, 20), "hotjar": (10, 20), "meta": (9, 20), "intercom": (9, 20)}

    def test_visits_of_who_had_chosen_count_with_those_who_were_asked(self, app: Flask) -> None:
        choices = {"functional": True, "analytics": True, "marketing": False}
        happen(*(shown() for _ in range(4)), answer("accept_all"),
               *(shown(type="visit", choices=choices) for _ in range(5)),
               shown(type="visit", choices=choices, trackers={"hotjar": False, "meta": True}))
        (hotjar,) = [one for one in breakdowns.figures(["shop"], DAY, DAY).trackers if one.id == "hotjar"]
        (meta,) = [one for one in breakdowns.figures(["shop"], DAY, DAY).trackers if one.id == "meta"]
        assert (hotjar.asked.part, hotjar.returning.part, hotjar.returning.whole) == (1, 5, 6)
        assert (hotjar.seen.part, hotjar.seen.whole) == (6, 10)
        assert (meta.seen.part, meta.seen.whole) == (2, 10)

    def test_parts_are_a_partition(self, app: Flask) -> None:
        happen(*(shown(agent=agent) for agent in (FIREFOX, FIREFOX, IPHONE)), answer("accept_all", agent=IPHONE),
               answer("necessary_only", took=900))
        found = breakdowns.figures(["shop"], DAY, DAY)
        for dimension in ("device", "browser", "system", "language", "page_group", "version", "gpc"):
            parts = found.parts[dimension]
            assert sum(part.shown for part in parts) == found.total.shown == 3, dimension
            assert sum(part.answered for part in parts) == found.total.answered == 2, dimension
            assert sum(part.ignored for part in parts) == found.total.ignored == 1, dimension
        assert [(part.bucket, part.answered) for part in found.parts["took"]] == [("0", 1)]
        assert [(part.bucket, part.shown) for part in found.parts["device"]] == [("desktop", 2), ("mobile", 1)]

    def test_days_add_up_to_ranges_and_sites_to_groups(self, app: Flask) -> None:
        second = DAY + timedelta(days=1)
        happen(shown(), answer("accept_all"), answer("accept_all"))  # the page's word of one showing was lost
        happen(shown(second), shown(second), answer("custom", second))
        happen(*(shown() for _ in range(5)), site="other")
        both = breakdowns.figures(["shop"], DAY, second)
        single = [breakdowns.figures(["shop"], day, day) for day in (DAY, second)]
        assert both.total.shown == sum(one.total.shown for one in single) == 4
        for dimension, parts in both.parts.items():
            merged: Counter[tuple[str, str]] = Counter()
            for one in single:
                for part in one.parts[dimension]:
                    merged.update({(part.bucket, name): n for name, n in part.n.items()})
            assert {(part.bucket, name): n for part in parts for name, n in part.n.items() if n} == +merged
        group = breakdowns.figures(["shop", "other"], DAY, second)
        assert (group.total.shown, group.total.answered) == (9, 3)
        assert [part.shown for part in group.parts["device"]] == [9]
        assert group.share("accept_all").part == 2

    def test_nothing_is_read_but_counts_and_versions(self, app: Flask) -> None:
        happen(shown(), answer("accept_all"))
        breakdowns.figures(["shop"], DAY, DAY)
        with queries() as asked:
            breakdowns.figures(["shop"], DAY - timedelta(days=89), DAY)
        assert len(asked) == 3
        assert not any("FROM record" in statement for statement in asked)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("migrated", ["postgresql"], indirect=True)
def test_the_views_for_a_bi_tool_say_what_the_report_says(app: Flask) -> None:
    own = {"functional": False, "analytics": True, "marketing": False}
    happen(*(shown() for _ in range(30)), *(shown(agent=IPHONE) for _ in range(3)),
           *(answer("accept_all") for _ in range(8)), answer("necessary_only"), answer("accept_all", agent=IPHONE),
           answer("custom", choices=own, trackers={"hotjar": False}),
           answer("custom", choices=own, trackers={"meta": True}))
    found = breakdowns.figures(["shop"], DAY, DAY)
    (day,) = _view("report_day")
    for name in ("shown", "answered", "ignored", "accept_all", "necessary_only", "custom", "withdrawn", "bots_shown"):
        assert day[name] == getattr(found.total, name), name
    trackers = {row["tracker"]: (row["allowed"], row["shown"]) for row in _view("report_tracker")}
    assert trackers == {one.id: (one.asked.part, one.asked.whole) for one in found.trackers}
    devices = {row["bucket"]: row["shown"] for row in _view("report_part") if row["dimension"] == "device"}
    assert devices == {"desktop": 30, "fewer than ten": 3}


def _view(name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in db.session.execute(text(f"SELECT * FROM {name}")).mappings()]
