"""c15t, the open-source consent platform: its backend on PostgreSQL, to be measured.

    with c15t(cluster.empty()) as peer:
        peer.loads["check"].run(5)
"""

import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.load import Load
from bench.peers import npm
from tests.servers import PATIENCE, call, free_port

HERE = Path(__file__).parent
SCRIPT = HERE / "load.lua"
PROCESSES = 2
SUBJECTS = 500  # that have a consent before the load starts, as many as bench.load.receipts makes
CHECK = "/consents/check?type=cookie_banner&externalId="


@dataclass(frozen=True)
class Peer:
    """A running c15t, and what to ask of it."""

    port: int
    url: str
    loads: dict[str, Load]

    def recorded(self) -> tuple[int, int]:
        """How many consents are stored, and of how many subjects."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute('SELECT count(*), count(DISTINCT "subjectId") FROM consent').fetchone()
        return found or (0, 0)


@contextmanager
def c15t(url: str, processes: int = PROCESSES) -> Iterator[Peer]:
    """c15t on an empty database of PostgreSQL, with its tables and consents of SUBJECTS subjects in it."""
    folder, port = installed(), free_port()
    with tempfile.TemporaryDirectory(prefix="poort-c15t-") as name:
        log = Path(name) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [npm.wheel() / "bin" / "node", "server.mjs"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, "DATABASE_URL": url, "PORT": str(port), "PROCESSES": str(processes),
                     "NODE_ENV": "production"})
        try:
            _wait(process, port, log)
            yield Peer(port, url, loads(port, subjects(port, Path(name))))
        finally:
            _stop(process)


def loads(port: int, known: Path) -> dict[str, Load]:
    """What is measured, by name; `known` is a file of external ids, a line each."""
    return {
        "first call": Load(port, "/init", script=SCRIPT),
        "check": Load(port, CHECK, receipts=known, script=SCRIPT),
        "record": Load(port, "/subjects", posts=True, script=SCRIPT),
    }


def subjects(port: int, folder: Path) -> Path:
    """Subjects with a consent and an external id, by which c15t is asked; one after the other.

    At once, the first consents would each make the domain, the policy and the purposes: c15t only looks before.
    """
    known = [f"customer-{number}" for number in range(SUBJECTS)]
    for name in known:
        answer = call(port, "POST", "/subjects", _consent(name))
        if answer.status != 200:
            raise AssertionError(f"c15t does not record: {answer.status} {answer.body[:500]!r}")
    if b'"hasConsent":true' not in (answer := call(port, "GET", CHECK + known[-1])).body:
        raise AssertionError(f"c15t does not know what it recorded: {answer.status} {answer.body[:500]!r}")
    file = folder / "known"
    file.write_text("".join(f"{name}\n" for name in known))
    return file


def _consent(external: str) -> dict[str, object]:
    return {
        "type": "cookie_banner",
        "subjectId": "sub_" + external.replace("-", "").replace("0", "z"),  # its alphabet has neither
        "externalSubjectId": external, "identityProvider": "shop", "domain": "www.shop.example",
        "preferences": {"necessary": True, "functionality": True, "measurement": True, "marketing": True},
        "consentAction": "all", "givenAt": int(time.time() * 1000), "jurisdiction": "GDPR",
        "jurisdictionModel": "opt-in", "uiSource": "banner",
    }


def installed() -> Path:
    """The folder of c15t."""
    return npm.installed(HERE, "server.mjs")


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            raise AssertionError(f"c15t did not come up:\n{log.read_text()}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        return call(port, "GET", "/status", timeout=5).status == 200
    except (OSError, http.client.HTTPException):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
