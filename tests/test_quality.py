"""Quality of traffic: bots, what is in doubt, floods; and showings that are sampled. Nobody loses a choice by it."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]  # has no annotations
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from consent import addresses, agents, erasure, quality, recount, rights, suspects
from consent.counts import DailyCount
from consent.db import db, writing
from tests.conftest import HERE
from tests.shop import FIREFOX, body

SHOWN = {"type": "shown", "version": 1, "language": "nl", "page_group": None}
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
BROWSERS = (
    FIREFOX,
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0",
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 11; CUBOT X30) {WEBKIT} Chrome/120.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 14; SM-S918B) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
    "Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
    "[FBAN/FBIOS;FBAV/510.0.0.38;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS;FBSV/18.5;FBSS/3;FBLC/nl_NL;FBOP/5]",
    "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
)
HEADLESS = f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/142.0.0.0 Safari/537.36"


def test_every_known_crawler_is_a_bot_and_no_browser_is() -> None:
    examples = {agent for row in CRAWLER_USER_AGENTS_DATA for agent in row["instances"]} | {HEADLESS, "curl/8.9"}
    assert len(examples) > 600
    assert [agent for agent in examples if not agents.agent.__wrapped__(agent[:512])["bot"]] == []
    for agent in BROWSERS:
        found = agents.agent(agent)
        assert not found["bot"], agent
        assert found["browser"] != agents.UNKNOWN, agent


@pytest.mark.parametrize(("address", "first"), [
    ("203.0.113.7", b"\xcb\x00\x71"), ("::ffff:203.0.113.7", b"\xcb\x00\x71"),
    ("2001:db8:1:2::3", b"\x20\x01\x0d\xb8\x00\x01"),
    ("10.1.2.3", None), ("192.168.1.1", None), ("127.0.0.1", None), ("::1", None), ("fd00::1", None), ("unix:", None),
])
def test_a_network_is_known_by_its_first_bytes(address: str, first: bytes | None) -> None:
    assert addresses.neighbourhood(address) == first


class Place:
    """Decisions on one site, the number of a minute passed in."""

    def __init__(self, limit: int = 20) -> None:
        self.traffic, self.limit = quality.Traffic(limit), limit

    def decide(self, address: str, minute: float, kind: str = quality.ANSWER, **changes: Any) -> tuple[bool, int]:
        """Whether it was doubted at once, and how many were doubted after it."""
        origin, browser = changes.get("origin", HERE), changes.get("browser", "Firefox")
        seen = self.traffic.judge("shop", address, browser, origin, minute * 60)
        found = self.traffic.note(seen, kind, [uuid.uuid4()], minute * 60)
        return seen.suspect, sum(map(len, found.values()))

    def crowd(self, minute: float, many: int) -> None:
        """So many people, each from a network of their own."""
        assert not any(any(self.decide(f"198.18.{n % 250}.{n // 250 + 1}", minute)) for n in range(many))


class TestFloods:
    def test_what_it_did_before_is_doubted_too(self) -> None:
        place = Place()
        place.crowd(0, 50)
        place.decide("203.0.113.9", 0, quality.SHOWN)
        found = [place.decide(f"203.0.113.{n}", n / 3) for n in range(1, 26)]
        assert found == [(False, 0)] * 20 + [(False, 22)] + [(True, 0)] * 4
        assert place.decide("203.0.114.1", 9) == (False, 0), "its neighbour is another network"
        assert place.decide("203.0.113.1", 8 + quality.HOLD)[0]
        assert not place.decide("203.0.113.1", 20 + quality.HOLD)[0], "an hour after it was over"

    @pytest.mark.parametrize(("why", "people", "minutes", "address"), [
        ("an office is slow", 0, 40, "203.0.113.9"), ("a carrier on a busy site", 600, 1, "203.0.113.9"),
        ("a proxy that tells no address", 0, 1, "127.0.0.1"), ("the own network", 0, 1, "10.0.0.1"),
    ])
    def test_no_flood(self, why: str, people: int, minutes: int, address: str) -> None:
        place = Place()
        place.crowd(0, people)
        assert not any(any(place.decide(address, n * minutes / 30)) for n in range(30)), why

    def test_the_banner_on_every_page_is_no_flood(self) -> None:
        place = Place()
        assert not any(any(place.decide("203.0.113.9", 0, quality.AGAIN)) for _ in range(200))
        assert place.decide("203.0.113.9", 0, quality.AGAIN) == (False, 201)

    def test_a_limit_of_nought_is_none(self) -> None:
        place = Place(0)
        assert not any(any(place.decide("203.0.113.9", 0)) for _ in range(500))

    def test_nothing_is_kept_past_midnight_and_no_address_at_all(self) -> None:
        place = Place()
        for _ in range(30):
            place.decide("203.0.113.9", 1_430)
        key = place.traffic._key
        assert b"\xcb\x00\x71" not in repr([vars(each) for each in place.traffic._windows.values()]).encode()
        assert place.decide("203.0.113.9", 1_441) == (False, 0)
        assert place.traffic._key != key
        assert sum(window._many for window in place.traffic._windows.values()) == 1

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quality, "MOST", 100)
        place = Place(1_000)
        for n in range(500):
            place.decide(f"198.18.{n % 250}.1", n / 100)
        assert place.traffic._windows[quality.ANSWER]._many <= 100

    def test_what_could_not_be_moved_comes_again(self) -> None:
        place = Place()
        for _ in range(21):
            place.decide("203.0.113.9", 0)
        seen = place.traffic.judge("shop", "203.0.113.9", "Firefox", HERE, 0)
        place.traffic.put_back(seen, quality.ANSWER, [1, 2, 3])
        assert place.decide("203.0.113.9", 0) == (True, 3)


def test_a_sample_is_right_on_average() -> None:
    sampler = quality.Sampler(100)
    weights = Counter(sampler.weigh(second) for second in range(3) for _ in range(20_000))
    assert weights[1] == 300
    assert set(weights) == {0, 1, 10}
    left = 3 * 19_900
    estimate, spread = 10 * weights[10], (weights[10] * 10 * 9) ** 0.5
    assert abs(estimate - left) < 6 * spread, "one in 500 million"


# Through the doors ----------------------------------------------------------------------------------------------------

def tallies() -> dict[tuple[str, str], int]:
    db.session.rollback()
    return {(row.metric, row.value): row.n for row in db.session.scalars(select(DailyCount)) if row.n}


def marks() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(suspects.SuspectRecord)) or 0


def differences() -> dict[Any, int]:
    return {cell: n for span in recount.spans(db.engine, "shop")
            for cell, n in recount.differences(db.engine, span).items()}


@pytest.fixture
def without(client: FlaskClient) -> Callable[..., Any]:
    """Send a decision with these headers and no others."""
    def send(sent: dict[str, Any], **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/v1/sites/shop/consents", json=sent, headers=named)
    return send


@pytest.mark.usefixtures("shop", "through_doors")
class TestDoubt:
    def test_what_is_in_doubt_is_stored_acknowledged_and_counted_apart(
        self, without: Callable[..., Any], client: FlaskClient
    ) -> None:
        sent = body("accept_all")
        for headers in ({"User_Agent": FIREFOX}, {"Origin": HERE, "User_Agent": "Canary/1.0"}):
            answer = without(body("accept_all"), **headers)
            assert (answer.status_code, answer.json["record"]["bot"]) == (201, False)
            asked = client.get("/v1/sites/shop/gate?tracker=ga4", headers={"Poort-Receipt": answer.json["receipt"]})
            assert (asked.json or {})["allow"] is True
        assert without(sent, User_Agent=FIREFOX).status_code == 201
        assert without(sent, User_Agent=FIREFOX, Origin=HERE).status_code == 200, "a retry is what it was"
        without(body("withdraw", source="settings"), User_Agent=FIREFOX)
        client.post("/v1/sites/shop/events", json=SHOWN, headers={"User-Agent": FIREFOX})
        client.post("/v1/sites/shop/events", json={**SHOWN, "again": True}, headers={"User-Agent": FIREFOX})
        assert tallies() == {("suspect", "accept_all"): 3, ("suspect", "withdrawn"): 1,
                             ("suspect", "shown"): 1, ("suspect", "again"): 1}
        assert (marks(), differences()) == (4, {})

    def test_servers_and_bots_are_not_in_doubt(self, without: Callable[..., Any]) -> None:
        assert without(body("accept_all", source="api"), User_Agent="backend/1").status_code == 201
        assert without(body("accept_all"), User_Agent=HEADLESS).json["record"]["bot"] is True
        assert not any("suspect" in key for key in tallies())
        assert marks() == 0

    def test_a_mark_goes_with_its_record_and_the_count_stays(self, app: Flask, without: Callable[..., Any]) -> None:
        sent = body("accept_all")
        without(sent, User_Agent=FIREFOX)
        version = app.extensions["poort"].published("shop").gate
        with writing():
            erasure.erase("shop", uuid.UUID(sent["visitor"]), version, datetime.now(UTC))
        assert (marks(), differences()) == (0, {})
        assert tallies() == {("suspect", "accept_all"): 1}

    def test_what_is_restricted_stays_out_of_the_counts(self, app: Flask, post: Callable[..., Any]) -> None:
        one, other = body("accept_all"), body("necessary_only")
        assert {post(each).status_code for each in (one, other)} == {201}
        visitor = uuid.UUID(one["visitor"])
        with writing():
            rights.restrict("shop", visitor, datetime.now(UTC))
        ids = [uuid.UUID(each["id"]) for each in (one, other)]
        for _ in range(2):  # once more changes nothing
            app.extensions["poort"].writer.doubt("shop", ids).result(10)
        assert tallies() == {("suspect", "necessary_only"): 1}
        with writing():
            rights.lift("shop", visitor, datetime.now(UTC))
        assert tallies()["answered", "accept_all"] == 1
        assert differences() == {}
