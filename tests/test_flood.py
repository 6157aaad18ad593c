"""A flood on real servers: it moves no rate, turns nobody away, and a kill in the middle of it loses nothing."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from bench.flood import Flood, moved, said
from consent import recount
from consent.db import engine_options
from tests import servers
from tests.load import counted, stored
from tests.servers import Server, until
from tests.shop import DEFINITION


@pytest.fixture(scope="module", params=servers.PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort with two workers behind a proxy, on a database of this module alone."""
    url, door = servers.place(request, tmp_path_factory.mktemp("quality"))
    with Server(url, door=door, WEB_CONCURRENCY=2, POORT_PROXIES=1, POORT_FLOOD=40) as running:
        running.publish(DEFINITION)
        yield running


def test_a_flood_moves_no_rate_and_turns_nobody_away(server: Server) -> None:
    flood = Flood(people=100, forged=600)
    flood.drive(server, flood.traffic())
    until(lambda: said(server.database_url, "suspect").total() == flood.forgeries.total())
    assert {status for forged, status in flood.statuses if not forged} == {201, 204}
    found = said(server.database_url)
    assert found == +flood.truth
    assert moved(flood.truth, found) < 0.1
    assert said(server.database_url, "suspect") == flood.forgeries, "what was sent twice is counted once"
    assert {str(row["id"]) for row in stored(server.database_url)} == set(flood.acknowledged)
    server.run("counts", "rebuild", "--check")


def test_a_kill_while_a_flood_is_moved_loses_and_doubles_nothing(server: Server) -> None:
    flood, done = Flood(people=20, forged=400, seed=8), threading.Event()

    def kill() -> None:
        if not done.wait(0.3):
            server.kill_workers()

    killer = threading.Thread(target=kill)
    killer.start()
    flood.drive(server, flood.traffic())
    done.set()
    killer.join()
    server.stop()  # what is queued is stored first
    assert flood.statuses[True, 0] + flood.statuses[False, 0], "no kill hit a request: the test proves nothing"
    assert min(counted(server.database_url).values()) > 0
    kept = {str(row["id"]): row for row in stored(server.database_url)}
    assert set(flood.acknowledged) <= set(kept)
    assert any(row["suspect"] for row in kept.values())
    engine = create_engine(server.database_url, **engine_options(server.database_url))
    assert [recount.differences(engine, span) for span in recount.spans(engine, "shop")] == [{}]
    engine.dispose()
    server.start()


def test_showings_above_the_rate_are_sampled_and_decisions_never(tmp_path: Path) -> None:
    with Server(servers.sqlite(tmp_path), door="asgi", WEB_CONCURRENCY=1, POORT_SHOWN_RATE=1) as running:
        running.publish(DEFINITION)
        flood = Flood(people=300, forged=0)
        flood.drive(running, flood.traffic())
        found, url = said(running.database_url), running.database_url
    drawn = said(url, "sampled")["10"]
    assert drawn > 0
    assert abs(found["shown"] - flood.truth["shown"]) <= 6 * (drawn * 10 * 9) ** 0.5
    assert [found[action] for action in ("accept_all", "custom")] == [
        flood.truth[action] for action in ("accept_all", "custom")]
    parts = {key[3]: n for key, n in counted(url).items() if key[2] == "device" and key[-1] == "shown"}
    assert parts == {"desktop": found["shown"]}
