"""Load on a server: by wrk where it is installed, else by our own client, which takes more of the machine."""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.shop import body

CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("load.lua")
PROCESSES = 2


@dataclass(frozen=True)
class Round:
    """What one round of load saw; times in milliseconds."""

    requests: int
    seconds: float
    median: float
    p99: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Load:
    """What to ask: GET `path`, with the receipts of a file in turn, or POST decisions to it, all different.

    Another `script` for wrk, with the same arguments and the same last line, asks what it likes.
    """

    port: int
    path: str
    posts: bool = False
    receipts: Path | None = None
    script: Path = SCRIPT

    def run(self, seconds: int) -> Round:
        """Ask for `seconds` on CONNECTIONS connections, each as fast as it is answered."""
        if self.script != SCRIPT and not shutil.which("wrk"):
            raise SystemExit("This load needs wrk: apt-get install wrk")
        return self._with_wrk(seconds) if shutil.which("wrk") else self._with_python(seconds)

    def _with_wrk(self, seconds: int) -> Round:
        rest = ["post", self.path] if self.posts else ["get", *([str(self.receipts)] if self.receipts else [])]
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(self.script),
                   f"http://127.0.0.1:{self.port}{self.path}", "--", *rest]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = next(line for line in printed.splitlines() if line.startswith("LOAD ")).split()[1:]
        median, p99 = float(found[2]) / 1000, float(found[3]) / 1000
        return Round(int(found[0]), float(found[1]), median, p99, int(found[4]), int(found[5]))

    def _with_python(self, seconds: int) -> Round:
        started = time.perf_counter()
        with ProcessPoolExecutor(PROCESSES) as pool:
            parts = list(pool.map(self._process, [seconds] * PROCESSES))
        times = sorted(moment for part, _, _ in parts for moment in part)
        seconds_taken = time.perf_counter() - started
        return Round(len(times), seconds_taken, statistics.median(times) * 1000, times[int(len(times) * 0.99)] * 1000,
                     sum(part[1] for part in parts), sum(part[2] for part in parts))

    def _process(self, seconds: int) -> tuple[list[float], int, int]:
        many = CONNECTIONS // PROCESSES
        with ThreadPoolExecutor(many) as pool:
            parts = list(pool.map(self._connection, [seconds] * many))
        times = [moment for part, _, _ in parts for moment in part]
        return times, sum(part[1] for part in parts), sum(part[2] for part in parts)

    def _connection(self, seconds: int) -> tuple[list[float], int, int]:
        line, until = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20), time.perf_counter() + seconds
        receipts = self.receipts.read_text().split() if self.receipts else []
        times: list[float] = []
        refused = broken = 0
        while (started := time.perf_counter()) < until:
            try:
                status = self._ask(line, receipts[len(times) % len(receipts)] if receipts else None)
            except (OSError, http.client.HTTPException):
                broken += 1
                line.close()
                continue
            refused += status >= 400
            times.append(time.perf_counter() - started)
        return times, refused, broken

    def _ask(self, line: http.client.HTTPConnection, receipt: str | None) -> int:
        headers = {"Cookie": f"theme=dark; poort={receipt}"} if receipt else {}
        if self.posts:
            line.request("POST", self.path, json.dumps(body()), {"Content-Type": "text/plain"})
        else:
            line.request("GET", self.path, headers=headers)
        answer = line.getresponse()
        answer.read()
        return answer.status


def typical(rounds: list[Round]) -> Round:
    """The medians of several rounds."""
    def median(name: str) -> Any:
        return statistics.median(getattr(one, name) for one in rounds)

    return Round(int(median("rate") * 1000), 1000.0, median("median"), median("p99"),
                 sum(one.refused for one in rounds), sum(one.broken for one in rounds))


def tool() -> str:
    """What makes the load."""
    return "wrk" if shutil.which("wrk") else "our own client in Python (wrk is not installed: rates are lower)"


def machine() -> str:
    """What it runs on, and what else does."""
    return f"{os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}, {CONNECTIONS} connections, {tool()}"
