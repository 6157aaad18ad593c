"""The real server behind the browser tests: `flask db upgrade`, `flask site apply --publish`, gunicorn."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser import sites

ROOT = Path(__file__).parents[2]
SECRET = "browser-suite-only-" + "k" * 45
COMMANDS = ROOT / ".venv/bin"


@dataclass
class Poort:
    """A running server: its port, its folder, and the environment that its commands share."""

    port: int
    folder: Path
    env: dict[str, str]

    def flask(self, *arguments: str) -> str:
        return command(self.env, "flask", *arguments)

    def publish(self, *definitions: dict[str, Any]) -> None:
        """Apply and publish site definitions, as an owner would from the command line."""
        for definition in definitions:
            path = self.folder / f"{definition['key']}.json"
            path.write_text(json.dumps(definition))
            self.flask("site", "apply", str(path), "--publish")

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def records(self, site: str, receipt: str) -> list[dict[str, Any]]:
        """What the server has of the holder of this receipt, oldest first."""
        found = self.get(f"/v1/sites/{site}/me", {"Poort-Receipt": receipt})["records"]
        return list(found)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Poort]:
    poort = Poort(free_port(), folder, {})
    poort.env = environment(folder, poort.port)
    poort.flask("db", "upgrade")
    for example in sorted((ROOT / "examples").glob("*.json")):
        poort.flask("site", "apply", str(example), "--publish")
    poort.publish(*sites.ALL)
    process = start(poort)
    try:
        yield poort
    finally:
        process.terminate()
        process.wait(20)


def environment(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "POORT_DATABASE_URL": f"sqlite:///{folder}/poort.sqlite",
        "POORT_SECRET_KEYS": SECRET,
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "FLASK_APP": "wsgi:app",
    }


def start(poort: Poort) -> subprocess.Popen[bytes]:
    log = (poort.folder / "gunicorn.log").open("wb")
    arguments = [str(COMMANDS / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    process = subprocess.Popen(arguments, cwd=ROOT, env=poort.env, stdout=log, stderr=subprocess.STDOUT)
    for _ in range(300):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{poort.port}/healthz", timeout=2):
            return process
        time.sleep(0.1)
    process.terminate()
    raise RuntimeError("gunicorn did not start:\n" + (poort.folder / "gunicorn.log").read_text()[-4000:])


def command(env: dict[str, str], name: str, *arguments: str) -> str:
    done = subprocess.run([str(COMMANDS / name), *arguments], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
