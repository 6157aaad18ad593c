"""Starting, reloading and stopping: no request is lost, and a start that can not work says why in one sentence."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.load import Visitors, stored
from tests.servers import COMMANDS, ROOT, Server
from tests.shop import DEFINITION

PATHS = ("/v1/sites/shop/gate", "/v1/sites/shop/gate?tracker=hotjar", "/banner/shop.js", "/healthz")


@pytest.fixture(scope="module", params=servers.PLACES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Poort with two workers and the shop, on a database of this module alone."""
    url, door = servers.place(request, tmp_path_factory.mktemp("reload"))
    with Server(url, door=door) as running:
        running.publish(DEFINITION)
        yield running


def _reload(server: Server) -> None:
    """HUP, and wait until none of the old workers is left."""
    old = set(server.workers())
    server.reload()
    until = time.monotonic() + servers.PATIENCE
    while old & set(server.workers()):
        assert time.monotonic() < until, "the old workers do not end"
        time.sleep(0.05)


def _answers(visitors: Visitors, many: int) -> None:
    """Wait until so many more requests have been answered: the new workers are at work."""
    enough, until = visitors.outcome.answered + many, time.monotonic() + servers.PATIENCE
    while visitors.outcome.answered < enough:
        assert time.monotonic() < until, "the new workers do not answer"
        time.sleep(0.05)


def test_reloads_under_load_fail_no_request(server: Server) -> None:
    with Visitors(server, paths=PATHS) as visitors:
        for _ in range(3):
            _reload(server)
            _answers(visitors, 100)
    assert visitors.outcome.failures == []
    assert {str(row["id"]) for row in stored(server.database_url)} == set(visitors.outcome.acknowledged)


def test_a_stop_under_load_stores_all_that_it_acknowledges(tmp_path: Path, door: str) -> None:
    with Server(servers.sqlite(tmp_path), door=door) as server:
        server.publish(DEFINITION)
        with Visitors(server) as visitors:
            time.sleep(1)
            assert server.stop() == 0
            server.start()
        assert {str(row["id"]) for row in stored(server.database_url)} == set(visitors.outcome.acknowledged)


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    before = set(server.workers())
    os.kill(min(before), signal.SIGKILL)
    until = time.monotonic() + servers.PATIENCE
    while len(set(server.workers()) - {min(before)}) < len(before):
        assert time.monotonic() < until, "no new worker comes up"
        time.sleep(0.05)
    assert server.call("GET", "/readyz").status == 200


# -- a start that can not work ----------------------------------------------------------------------------------------

BAD = {
    "no secret": {"POORT_SECRET_KEYS": ""},
    "a short secret": {"POORT_SECRET_KEYS": "short"},
    "a default secret": {"POORT_SECRET_KEYS": "changeme" * 4},
    "a secret's file that is not there": {"POORT_SECRET_KEYS": "", "POORT_SECRET_KEYS_FILE": "/nowhere/at/all"},
    "a number that is none": {"PORT": "http"},
    "a number out of range": {"WEB_CONCURRENCY": "0"},
    "another database": {"POORT_DATABASE_URL": "mysql://root@127.0.0.1/poort"},
    "a folder that can not be made": {"POORT_DATABASE_URL": "sqlite:////proc/nowhere/poort.sqlite3"},
    "a log level that is none": {"POORT_LOG_LEVEL": "loud"},
    "a short token": {"POORT_METRICS_TOKEN": "short"},
}
COMMAND_LINES = {
    "gunicorn": ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"),
    "check": ("gunicorn", "--check-config", "-c", "gunicorn.conf.py", "wsgi:app"),
    "flask": ("flask", "site", "list"),
}


# Each fault at one of the command lines in turn: which setting is wrong and who asks for it do not meet in the code.
# A command that serves nobody runs without keys, so "no secret" is not the turn of `flask`.
CASES = [(fault, list(COMMAND_LINES)[number % len(COMMAND_LINES)]) for number, fault in enumerate(BAD)]


@pytest.mark.parametrize(("fault", "command"), CASES)
def test_a_setting_that_can_not_be_used_ends_the_start_with_one_sentence(
    fault: str, command: str, tmp_path: Path
) -> None:
    env = servers.environment(f"sqlite:///{tmp_path}/poort.sqlite3", PORT=servers.free_port(), WEB_CONCURRENCY=1)
    env.update(BAD[fault])
    name, *arguments = COMMAND_LINES[command]
    ended = subprocess.run(
        [COMMANDS / name, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)
    printed = (ended.stdout + ended.stderr).splitlines()
    sentences = [line for line in printed if not line.startswith("{")]
    assert ended.returncode != 0
    assert len(sentences) == 1
    assert sentences[0].startswith("Poort does not start: ")
    assert any(setting.removesuffix("_FILE") in sentences[0] for setting in BAD[fault])
    assert "Traceback" not in "".join(printed)


@pytest.mark.parametrize("door", ["asgi"])  # the database is the same behind the other
def test_a_missing_migration_is_not_ready_and_says_so(tmp_path: Path, door: str) -> None:
    server = Server(f"sqlite:///{tmp_path}/poort.sqlite3", door=door, WEB_CONCURRENCY=1)
    try:
        server.start(wait="/healthz")
        answer = server.call("GET", "/readyz")
        assert (answer.status, list(answer.json()["fields"])) == (503, ["schema"])
        assert "flask db upgrade" in answer.json()["message"]
        server.flask("db", "upgrade")
        assert server.call("GET", "/readyz").status == 200
    finally:
        server.stop()
