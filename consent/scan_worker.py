"""The process of one scan: `python -m consent.scan_worker ID RUNNER`, begun by the job `scans`.

Apart from the runner of the jobs, so that mails and webhooks do not wait for a browser, and so that it can be ended
whatever a page does to it. It ends by itself when its runner is gone.
"""

import logging.config
import os
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.engine import Engine

from consent import scans

log = logging.getLogger("poort.scan")

PULSE: Final = 2.0  # seconds between two signs of life


class Pulse:
    """Says that the scan lives and how far it is; ends the process when nobody waits for it any more."""

    def __init__(self, engine: Engine, scan: int, runner: int) -> None:
        self._engine, self._scan, self._runner = engine, scan, runner
        self._progress: dict[str, Any] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def tell(self, phase: str, page: int, of: int) -> None:
        """How far it is."""
        self._progress = {"phase": phase, "page": page, "of": of}

    def _beat(self) -> None:
        while not self._over.wait(PULSE):
            if os.getppid() != self._runner or not self._said():
                os._exit(1)  # Playwright ends the browser when nobody talks to it any more

    def _said(self) -> bool:
        try:
            return scans.beat(self._engine, self._scan, datetime.now(UTC), progress=self._progress)
        except Exception as error:  # a database that is away for a moment ends no scan
            log.warning("A scan can not say how far it is", exc_info=error)
            return True


def main(id: int, runner: int) -> None:
    """Do the scan for the runner with this process id; what becomes of it stands in its row."""
    from consent.db import db
    from consent.logs import configuration
    from wsgi import app

    settings = app.extensions["poort.settings"]
    logging.config.dictConfig(configuration(settings.log_level))
    with app.app_context():
        row = scans.running(db.engine, id)
        if row is not None:
            with Pulse(db.engine, id, runner) as pulse:
                scans.do(db.engine, row, settings, pulse.tell)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
