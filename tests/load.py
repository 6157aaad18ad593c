"""Visitors by the dozen, and what the database holds afterwards."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, select

from consent import counts, records, suspects
from consent.config import SETTINGS
from consent.db import engine_options
from tests.servers import Server
from tests.shop import DEFINITION, FIREFOX, body

PATIENCE = 60.0  # seconds that a visitor goes on trying
BODIES = (
    {"action": "accept_all"}, {"action": "necessary_only"}, {"action": "custom", "trackers": {"hotjar": False}},
    {"action": "withdraw", "source": "settings"}, {"action": "accept_all", "source": "settings"},
)


@dataclass
class Outcome:
    """What the visitors saw."""

    acknowledged: dict[str, str] = field(default_factory=dict)  # receipt by id
    answered: int = 0
    failures: list[str] = field(default_factory=list)


class Visitors:
    """Threads that make decisions one after the other, each until it is acknowledged, with the same id.

    Between decisions they ask `paths`. Every try that was not answered as it should is in `failures`.
    """

    def __init__(self, server: Server, many: int = 8, paths: tuple[str, ...] = ()) -> None:
        self.outcome = Outcome()
        self._server = server
        self._paths = paths
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(many)]

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, number: int) -> None:
        chance, line = random.Random(number), _Line(self._server.port)
        while not self._done.is_set():
            decision = body(**chance.choice(BODIES))
            until = time.monotonic() + PATIENCE
            while not self._decide(line, decision) and time.monotonic() < until:
                time.sleep(0.1)
            for path in self._paths:
                self._try(line, "GET", path, None, (200,))
        line.close()

    def _decide(self, line: "_Line", decision: dict[str, Any]) -> bool:
        answer = self._try(line, "POST", "/v1/sites/shop/consents", decision, (200, 201))
        if answer is None:
            return False
        with self._lock:
            self.outcome.acknowledged[decision["id"]] = json.loads(answer)["receipt"]
        return True

    def _try(self, line: "_Line", method: str, path: str, data: Any, fine: tuple[int, ...]) -> bytes | None:
        try:
            status, answer = line.send(method, path, data)
        except (OSError, http.client.HTTPException) as error:
            status, answer = 0, repr(error).encode()
        with self._lock:
            self.outcome.answered += status in fine
            if status not in fine:
                self.outcome.failures.append(f"{method} {path}: {status} {answer[:200]!r}")
        return answer if status in fine else None


class _Line:
    """A connection that is kept open for as long as the server likes."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def send(self, method: str, path: str, data: Any) -> tuple[int, bytes]:
        headers = {"User-Agent": FIREFOX, "Origin": DEFINITION["origins"][0], "Content-Type": "text/plain"}
        try:
            self._connection.request(method, path, None if data is None else json.dumps(data), headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _connected(database_url: str) -> Iterator[Any]:
    url = next(setting for setting in SETTINGS if setting.name == "POORT_DATABASE_URL").parse(database_url)
    engine = create_engine(url, **engine_options(url))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def stored(database_url: str) -> list[dict[str, Any]]:
    """Every record, each with whether it is suspect."""
    with _connected(database_url) as connection:
        return suspects.with_marks(connection, connection.execute(select(records.Record.__table__)).mappings().all())


def counted(database_url: str) -> dict[tuple[Any, ...], int]:
    """The daily counts, of all and of each part."""
    with _connected(database_url) as connection:
        totals, parts = (
            [dict(row) for row in connection.execute(select(table.__table__)).mappings()]
            for table in (counts.DailyCount, counts.DailySlice))
        return _cells(totals, parts)


def recounted(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
    """What the daily counts of these records have to be."""
    return _cells(*counts.rows(Counter(tally for row in rows for tally in counts.of_record(row))))


def _cells(totals: list[dict[str, Any]], parts: list[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
    found = {tuple(row[name] for name in counts.Tally._fields): row["n"] for row in totals}
    for row in parts:
        key = tuple(row[name] for name in counts.Slice._fields[:4])
        found |= {(*key, name): row[name] for name in counts.COUNTERS}
    return {key: n for key, n in found.items() if n}
