"""The jobs of an install on one machine: gunicorn's master keeps one process for them beside its workers (POORT_JOBS).

Nothing of the application is imported here before that process has begun: the master stays small, and a reload brings
new code.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AGAIN = 2.0  # seconds between two starts: one that can not live is not started all the time
LOOK = 0.5  # seconds between two looks for the master
GRACE = 10.0  # seconds to end what it does; cut off, it loses nothing


class Beside:
    """The process of the jobs, as the master keeps it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -AGAIN

    def look(self) -> None:
        """Start it when it does not run."""
        ended = self._process is None or self._process.poll() is not None
        if ended and time.monotonic() - self._started >= AGAIN:
            self._uncount()
            self._started = time.monotonic()
            self._process = _start()

    def _uncount(self) -> None:
        """What the last one had failing no longer counts; its successor looks for itself."""
        if self._process is not None:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(self._process.pid)  # type: ignore[no-untyped-call]  # as in gunicorn.conf.py

    def renew(self) -> None:
        """It ends after what it does now; the next look starts it with new code."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._started = -AGAIN

    def end(self) -> None:
        """End it with the master."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _start() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "consent.scheduler", str(os.getpid())]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)  # noqa: S603  # our own module


def keep(server: Any) -> None:
    """Start the process beside gunicorn's master, and look after it as often as after the workers."""
    beside = server.poort_jobs = Beside()
    manage = server.manage_workers

    def manage_all() -> None:
        manage()
        with suppress(OSError):  # no room for a process; visitors are served all the same
            beside.look()

    server.manage_workers = manage_all  # gunicorn has no hook for its regular look


def renew(server: Any) -> None:
    """At HUP."""
    if hasattr(server, "poort_jobs"):
        server.poort_jobs.renew()


def end(server: Any) -> None:
    """When the master ends in an orderly way."""
    if hasattr(server, "poort_jobs"):
        server.poort_jobs.end()


# In the process itself ------------------------------------------------------------------------------------------------

def _end_with(master: int, stop: threading.Event) -> None:
    """End when the master is gone, be it by SIGKILL."""
    while os.getppid() == master:
        if stop.wait(LOOK):
            return
    stop.set()
    time.sleep(GRACE)
    os._exit(1)  # what it does can be cut off anywhere


def main(master: int) -> None:
    """Do the jobs until TERM, or until the master is gone."""
    from consent import jobs
    from wsgi import app

    with app.app_context():
        stop = jobs.until_told()
        threading.Thread(target=_end_with, args=(master, stop), daemon=True).start()
        jobs.keep_running(stop)


if __name__ == "__main__":
    main(int(sys.argv[1]))
