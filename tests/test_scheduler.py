"""POORT_JOBS=on: gunicorn's master keeps one process for the jobs, whatever happens to it or to the master."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.servers import Server
from tests.test_ops import measured


@pytest.fixture
def server(door: str, tmp_path: Path) -> Iterator[Server]:
    with Server(servers.sqlite(tmp_path), door=door, POORT_JOBS="on", WEB_CONCURRENCY=1) as running:
        yield running


def runners(server: Server) -> list[int]:
    """The processes of the jobs that the master has now."""
    return [pid for pid in server.workers() if b"consent.scheduler" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def another(server: Server, before: int) -> int:
    """The process of the jobs once it is another one than before, and the only one."""
    servers.until(lambda: len(runners(server)) == 1 and runners(server) != [before])
    return runners(server)[0]


def done(server: Server) -> float:
    return measured(server)["poort_job_last_success_timestamp_seconds,webhooks"]


def test_it_does_the_jobs_comes_back_and_goes_with_the_master(server: Server, door: str) -> None:
    first = another(server, 0)
    servers.until(lambda: done(server) > 0)
    if door == "wsgi":  # what follows is the master's, whoever the workers are
        assert server.stop() == 0
        assert not _command(first)
        return
    os.kill(first, signal.SIGKILL)
    second = another(server, first)
    assert server.call("GET", "/healthz").status == 200
    server.reload()
    third = another(server, second)
    assert server.call("GET", "/healthz").status == 200
    master = server.pid
    os.kill(master, signal.SIGKILL)
    servers.until(lambda: not _command(third))
    servers.until(lambda: not _serves(server))
    server.stop()


def _serves(server: Server) -> bool:
    try:
        return server.call("GET", "/healthz", timeout=1).status == 200
    except OSError:
        return False


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    with Server(servers.sqlite(tmp_path), WEB_CONCURRENCY=1) as server:
        time.sleep(1.2)  # a look of the master
        assert runners(server) == []
