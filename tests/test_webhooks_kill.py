"""Nothing that was acknowledged stays untold, whoever is killed when."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests import servers
from tests.receiver import Receiver, Taken
from tests.servers import COMMANDS, ROOT, Server
from tests.shop import DEFINITION, body

CONSENTS = "/v1/sites/shop/consents"
PATIENCE = 60.0  # seconds until something that has to come is given up


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(params=["sqlite-asgi", "postgresql-wsgi"])
def server(
    request: pytest.FixtureRequest, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Poort with the shop and its webhook, once on each kind of database and once behind each door."""
    kind, door = request.param.split("-")
    url = servers.sqlite(tmp_path_factory.mktemp("hooks")) if kind == "sqlite" else None
    poort = Server(url or request.getfixturevalue("postgres").fresh(), door=door, POORT_WEBHOOK_PRIVATE="on")
    poort.publish(DEFINITION)
    poort.run("webhook", "set", "shop", receiver.url)
    with poort:
        yield poort


@contextmanager
def runner(server: Server) -> Iterator["subprocess.Popen[bytes]"]:
    """`flask jobs run --loop`, killed at the end if it still runs."""
    process = subprocess.Popen([COMMANDS / "flask", "jobs", "run", "--loop"], cwd=ROOT, env=server.env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_runner_killed_in_the_middle_delivers_again_with_the_same_id(server: Server, receiver: Receiver) -> None:
    killed, arrived = threading.Event(), threading.Event()

    def hold(_: Taken) -> int:
        arrived.set()
        killed.wait(PATIENCE)
        return 200

    receiver.answer = hold
    sent = body("accept_all")
    assert server.call("POST", CONSENTS, sent).status == 201
    assert server.call("POST", CONSENTS, body("withdraw", visitor=sent["visitor"])).status == 201
    with runner(server) as first:
        assert arrived.wait(PATIENCE)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    killed.set()
    receiver.answer = lambda _: 200
    with runner(server) as second:
        while len(receiver.taken) < 3:
            assert receiver.arrived.acquire(timeout=PATIENCE)
        second.terminate()
        assert second.wait(PATIENCE) == 0, "TERM ends it in an orderly way"
    told = receiver.events()
    assert told[0] == told[1]
    assert [event["type"] for event in told] == ["consent.changed", "consent.changed", "consent.withdrawn"]


def test_what_was_acknowledged_before_the_server_was_killed_is_told(server: Server, receiver: Receiver) -> None:
    acknowledged = []
    for _ in range(3):
        decision = body()
        until_taken(server, decision)
        server.kill_workers()
        acknowledged.append(decision["id"])
    assert "webhooks: 3 delivered, 0 failed" in server.run("jobs", "run")
    assert sorted(event["record"] for event in receiver.events()) == sorted(acknowledged)


def until_taken(server: Server, decision: object) -> None:
    """Send it, again while killed workers are replaced, until it is acknowledged."""
    while True:
        with suppress(OSError):
            if server.call("POST", CONSENTS, decision, timeout=3).status in (200, 201):
                return
