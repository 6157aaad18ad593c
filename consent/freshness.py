"""Keeps the version of a gate fresh from a thread of its own; no request ever waits for it. Needs nothing else."""

import http.client
import json
import logging
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

LONGEST: Final = 4_000_000  # bytes of a version that are read
PATIENCE: Final = 5.0  # seconds for Poort's next sign of life
WHOLE: Final = 20.0  # seconds for a whole answer
SLOWEST: Final = 60.0  # seconds between two attempts that fail, if versions are not asked for more rarely
SOONEST: Final = 1.0  # seconds between two attempts that a visitor's receipt hurries on

_log = logging.getLogger("poort.sdk")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Poort answers itself: whoever sends us elsewhere is not Poort, or is asked at the wrong address."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_Stay)


class Refresher:
    """Asks Poort at `url` for the version of `site` every so many seconds and gives each new one to `use`.

    Poort being away, slow or wrong changes nothing: what is known keeps being used, and is asked for again.
    """

    def __init__(self, url: str, site: str, use: Callable[[Any], None], every: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must start with https:// or http://")
        if not every > 0:
            raise ValueError("every must be more than 0 seconds")
        self._url = f"{url.rstrip('/')}/v1/sites/{quote(site, safe='')}/config"
        self._site, self._use, self._every = site, use, every
        self._etag = ""
        self._closed = False
        self._started: dict[int, object] = {}  # by process: a thread does not survive a fork
        self._asked, self._wanted = threading.Event(), threading.Event()

    def start(self, patience: float) -> None:
        """Begin, and wait at most so many seconds for the first attempt."""
        self.tend()
        self._asked.wait(patience)

    def tend(self) -> None:
        """Begin in this process if it has not begun here; called at every decision, so it costs next to nothing."""
        if os.getpid() not in self._started and not self._closed:
            me = object()
            # One of many threads wins, without a lock that a fork might copy while it is held.
            if self._started.setdefault(os.getpid(), me) is me:
                self._begin()

    def _begin(self) -> None:
        self._asked, self._wanted = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name=f"poort-{self._site}", daemon=True).start()

    def hurry(self) -> None:
        """Ask again soon: a visitor holds a receipt for a version that is not here yet."""
        self._wanted.set()

    def close(self) -> None:
        """End the thread; what is known stays in use."""
        self._closed = True
        self._wanted.set()

    def _run(self) -> None:
        failed = 0
        while not self._closed:
            failed = 0 if self._attempt() else failed + 1
            self._asked.set()
            self._pause(pause(failed, self._every))

    def _attempt(self) -> bool:
        self._wanted.clear()
        try:
            self.refresh()
        except Exception as error:  # whatever it is, the thread goes on, and what is known keeps being used
            _log.warning("Poort's version could not be fetched: %s", type(error).__name__)
            return False
        return True

    def _pause(self, seconds: float) -> None:
        soonest = min(seconds, SOONEST)
        until = time.monotonic() + seconds
        if not self._wanted.wait(max(0.0, seconds)) or self._closed:
            return
        # Whatever visitors show, Poort is not asked more often than this.
        time.sleep(max(0.0, min(soonest, until - time.monotonic())))

    def refresh(self) -> None:
        """Ask once; raises OSError, HTTPException or ValueError and leaves what is known as it was."""
        request = urllib.request.Request(self._url, headers={"If-None-Match": self._etag} if self._etag else {})  # noqa: S310  # the scheme is checked above
        try:
            with _OPENER.open(request, timeout=PATIENCE) as answer:
                self._use(json.loads(_read(answer)))
                self._etag = answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 304:
                    raise


def _read(answer: http.client.HTTPResponse) -> bytes:
    """The whole body; one that is too long, or drips in too slowly, is a ValueError."""
    until, parts, size = time.monotonic() + WHOLE, [], 0
    while part := answer.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LONGEST or time.monotonic() > until:
            raise ValueError("the answer is too long or too slow")
    return b"".join(parts)


def pause(failed: int, every: float) -> float:
    """Seconds until the next attempt after so many failures in a row: soon at first, then ever more rarely."""
    longest = every if failed == 0 else min(min(SOONEST, every) * 2.0 ** min(failed - 1, 32), max(SLOWEST, every))
    # A part of chance, so that many workers do not come at once.
    return longest * random.uniform(0.75, 1.0)  # noqa: S311  # no secret
