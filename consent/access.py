"""The access log: one JSON line for every answer, with no more than a route, a status and a time (G1).

No address, no path, no user agent, no visitor. An answer only puts five values into a list; a thread writes them.
"""

import json
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

EVERY = 0.25  # seconds between two writes
MOST = 50_000  # lines that wait; of more than a slow disk can take, the oldest are let go, and counted


class Line(NamedTuple):
    """One answer. `route` is a name from the code, `at` and `seconds` are seconds."""

    at: float
    method: str
    route: str
    status: int
    seconds: float

    def text(self) -> str:
        """As it is written; the same keys as the other lines of the log."""
        moment = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({
            "event": "answered", "method": self.method, "route": self.route, "status": self.status,
            "ms": round(self.seconds * 1000, 2), "level": "info", "logger": "poort.access", "time": moment})


class AccessLog:
    """Takes lines from any thread and writes them together; its own thread starts with the first, so after the fork."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._lines: deque[Line] = deque(maxlen=MOST)
        self._dropped = 0
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Keep a line until it is written. What the caller made up as a method is not repeated."""
        self._dropped += len(self._lines) == MOST
        self._lines.append(Line(time.time(), method if method in _METHODS else "other", route, status, seconds))
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY)
            with suppress(OSError, ValueError):  # nobody reads it, or the disk is full: the next lines may go through
                self.write()

    def write(self) -> None:
        """Write what waits."""
        dropped, self._dropped = self._dropped, 0
        texts = [self._lines.popleft().text() for _ in range(len(self._lines))]
        if dropped:
            texts.append(json.dumps({"event": "access lines dropped", "lines": dropped, "level": "warning"}))
        if texts:
            out = self._out or sys.stderr
            out.write("\n".join(texts) + "\n")
            out.flush()


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
