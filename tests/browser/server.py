"""The server behind the browser tests: the real one, with the examples and the tests' own sites published on it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser import sites
from tests.servers import ROOT, Server, sqlite

EXAMPLES = sorted((ROOT / "examples").glob("*.json"))


class Poort(Server):
    """A gunicorn of Poort, and what a test wants to know of it."""

    def get(self, path: str, receipt: str | None = None) -> Any:
        """The JSON at a path, asked with this receipt."""
        answer = self.call("GET", path, headers={"Poort-Receipt": receipt} if receipt else {})
        assert answer.status == 200, answer.body
        return answer.json()

    def records(self, site: str, receipt: str | None) -> list[dict[str, Any]]:
        """What is stored of the holder of this receipt, oldest first."""
        return list(self.get(f"/v1/sites/{site}/me", receipt)["records"])

    def config(self, site: str, language: str = "nl") -> dict[str, Any]:
        """What the script receives."""
        return dict(self.get(f"/v1/sites/{site}/config?lang={language}"))


@contextlib.contextmanager
def running(folder: Path, door: str) -> Iterator[Poort]:
    poort = Poort(sqlite(folder), door=door, WEB_CONCURRENCY=1, POORT_PROXIES=1)
    with poort:
        poort.publish(*definitions().values(), *sites.ALL)
        yield poort


def definitions() -> dict[str, dict[str, Any]]:
    """The examples by key; a file has one definition or a list of them."""
    found: dict[str, dict[str, Any]] = {}
    for path in EXAMPLES:
        content = json.loads(path.read_text())
        found.update({site["key"]: site for site in (content if isinstance(content, list) else [content])})
    return found
