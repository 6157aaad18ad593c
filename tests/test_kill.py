"""What was acknowledged is stored, once, whatever dies, fills up or hangs (R1)."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pysqlite3
import pytest

from consent.receipts import Keyring
from tests import servers
from tests.load import Visitors, counted, recounted, stored
from tests.servers import SECRET, Postgres, Server
from tests.shop import DEFINITION, body

CONSENTS = "/v1/sites/shop/consents"
KILLING = 6.0  # seconds
PAUSE = 1.0  # seconds between two kills: a worker has to come up in between


@pytest.fixture(scope="module", params=servers.PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort with two workers and the shop, on a database of this module alone."""
    url, door = servers.place(request, tmp_path_factory.mktemp("kill"))
    with Server(url, door=door) as running:
        running.publish(DEFINITION)
        yield running


def ids(server: Server) -> set[str]:
    """The ids of all records, each of which is there once."""
    found = [str(row["id"]) for row in stored(server.database_url)]
    assert len(found) == len(set(found))
    return set(found)


def test_kills_lose_and_double_nothing(server: Server) -> None:
    kills, before = 0, ids(server)
    with Visitors(server) as visitors:
        until = time.monotonic() + KILLING
        while time.monotonic() < until:
            time.sleep(PAUSE)
            kills += server.kill_workers()
    outcome = visitors.outcome
    assert kills >= 6
    assert outcome.failures, "no kill hit a request: the test proves nothing"
    assert len(outcome.acknowledged) > 50
    # Every decision was tried until it was acknowledged, so it is the same set and not only a part of it.
    assert ids(server) - before == set(outcome.acknowledged)
    assert counted(server.database_url) == recounted(stored(server.database_url))


def test_receipts_of_before_and_after_a_kill_are_the_same(server: Server) -> None:
    decision = body()
    first = server.call("POST", CONSENTS, decision)
    server.kill_workers()
    again = _until_answered(server, decision)
    assert (first.status, again.status) == (201, 200)
    assert first.json() == again.json()


def _until_answered(server: Server, decision: object) -> servers.Reply:
    while True:
        try:
            return server.call("POST", CONSENTS, decision)
        except OSError:
            time.sleep(0.1)


def test_one_id_sent_twenty_times_at_once_is_one_record(server: Server) -> None:
    decision, before = body("accept_all"), ids(server)
    start = threading.Barrier(20)

    def send(_: int) -> servers.Reply:
        start.wait()
        return server.call("POST", CONSENTS, decision)

    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(send, range(20)))
    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
    assert len({reply.json()["receipt"] for reply in replies}) == 1
    assert ids(server) - before == {decision["id"]}
    assert counted(server.database_url) == recounted(stored(server.database_url))


def test_one_id_with_two_contents_at_once_is_one_record_and_a_conflict(server: Server) -> None:
    ours = body("accept_all")
    theirs = {**ours, **{name: body("necessary_only")[name] for name in ("action", "choices")}}
    start = threading.Barrier(2)

    def send(decision: object) -> servers.Reply:
        start.wait()
        return server.call("POST", CONSENTS, decision)

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(send, (ours, theirs)))
    assert sorted(reply.status for reply in replies) == [201, 409]
    assert counted(server.database_url) == recounted(stored(server.database_url))


def _refused_for_now(server: Server, decision: object) -> None:
    answer = server.call("POST", CONSENTS, decision)
    assert (answer.status, answer.json()["error"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert server.call("GET", "/healthz").status == 200


# -- locked -----------------------------------------------------------------------------------------------------------

@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Somebody else holds the lock that writing needs."""
    if url.startswith("sqlite"):
        holder = pysqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.close()
        return
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE record IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def test_a_locked_database_promises_nothing_and_recovers(server: Server) -> None:
    decision = body()
    with _locked(server.database_url):
        started = time.monotonic()
        _refused_for_now(server, decision)
        assert time.monotonic() - started < 9
        assert server.call("GET", "/v1/sites/shop/gate?tracker=hotjar").status == 200
    assert decision["id"] not in ids(server)
    assert server.call("POST", CONSENTS, decision).status == 201


# -- full -------------------------------------------------------------------------------------------------------------

class SmallDisk:
    """A disk of two megabytes that can be filled and cleared. Root has a real one, others a limit on their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mounted = os.geteuid() == 0 and self._mount()

    def _mount(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "poort-test", str(self.folder)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def fill(self, server: Server) -> None:
        if not self._mounted:
            for pid in server.workers():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * 4096):
                    pass
            except OSError:
                return

    def clear(self, server: Server) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)
        if not self._mounted:
            for pid in server.workers():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def remove(self) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self.folder)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """An empty small disk."""
    disk = SmallDisk(Path(tempfile.mkdtemp(prefix="poort-small-disk-")))
    yield disk
    disk.remove()


def test_a_full_disk_promises_nothing_and_recovers(small_disk: SmallDisk, door: str) -> None:
    with Server(servers.sqlite(small_disk.folder), door=door) as server:
        server.publish(DEFINITION)
        acknowledged = []
        small_disk.fill(server)
        # The log of the database may have room for some more.
        while (answer := server.call("POST", CONSENTS, decision := body())).status == 201:
            acknowledged.append(decision["id"])
        _refused_for_now(server, decision)
        assert answer.status == 503
        small_disk.clear(server)
        assert server.call("POST", CONSENTS, decision).status == 201
        assert ids(server) == {*acknowledged, decision["id"]}
        connection = pysqlite3.connect(server.database_url.removeprefix("sqlite:///"))
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


# -- away -------------------------------------------------------------------------------------------------------------

@pytest.fixture
def own_cluster() -> Iterator[Postgres]:
    """A PostgreSQL that this test may stop."""
    with servers.postgres(own=True) as cluster:
        yield cluster


@pytest.mark.parametrize("door", ["asgi"])  # the database is the same behind the other
def test_without_its_database_poort_lives_is_not_ready_and_recovers(own_cluster: Postgres, door: str) -> None:
    with Server(own_cluster.fresh(), door=door, WEB_CONCURRENCY=1) as server:
        server.publish(DEFINITION)
        before, decision = body("accept_all"), body()
        receipt = server.call("POST", CONSENTS, before).json()["receipt"]
        own_cluster.stop()
        _refused_for_now(server, decision)
        not_ready = server.call("GET", "/readyz")
        assert (not_ready.status, list(not_ready.json()["fields"])) == (503, ["database"])
        # What is known keeps being answered: no site goes dark, and none opens wider.
        allowed = server.call("GET", "/v1/sites/shop/gate/hotjar", headers={"Poort-Receipt": receipt})
        assert (allowed.status, allowed.headers["poort-reason"]) == (204, "granted")
        assert server.call("GET", "/v1/sites/shop/gate/hotjar").status == 403
        own_cluster.start()
        assert server.call("GET", "/readyz").status == 200
        assert server.call("POST", CONSENTS, decision).status == 201
        assert ids(server) == {before["id"], decision["id"]}


@pytest.mark.parametrize("door", ["asgi"])  # the database is the same behind the other
def test_a_server_killed_with_its_database_keeps_what_it_acknowledged(own_cluster: Postgres, door: str) -> None:
    with Server(own_cluster.fresh(), door=door) as server:
        server.publish(DEFINITION)
        with Visitors(server) as visitors:
            for _ in range(3):
                time.sleep(PAUSE)
                own_cluster.stop()
                server.kill_workers()
                own_cluster.start()
        assert ids(server) == set(visitors.outcome.acknowledged)
        assert counted(server.database_url) == recounted(stored(server.database_url))


def test_stopping_finishes_what_is_being_stored(server: Server) -> None:
    decision = body()
    with ThreadPoolExecutor(1) as pool:
        with _locked(server.database_url):
            answer = pool.submit(server.call, "POST", CONSENTS, decision)
            time.sleep(0.7)
            os.kill(server.pid, signal.SIGTERM)
            time.sleep(0.3)
        reply = answer.result()
    assert reply.status == 201
    assert Keyring([SECRET]).read(reply.json()["receipt"]).record == decision["id"]
    assert server.stop() == 0
    assert decision["id"] in ids(server)
    server.start()
