"""The gate in a Python site. Needs itsdangerous alone.

from consent.sdk import Gate
gate = Gate.from_url("https://consent.shop.example", site="shop", keys=["..."])
if gate.allows(request.cookies.get("poort"), "hotjar"):
    ...
"""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from consent.gate import Decision, Presented, Version, decide, decide_category, presented, version_from
from consent.receipts import Keyring, read_all

LONGEST = 4_000_000  # bytes of a version that are read

_log = logging.getLogger("poort.sdk")


class Gate:
    """Answers for one site whether a tracker may load, from the visitor's receipt; never asks anybody.

    `keys`: the site's signing keys, newest first. `version`: the answer of `GET /v1/sites/{site}/config`, as a dict,
    or a `consent.gate.Version`; None until there is one: then nothing may load.
    """

    def __init__(self, site: str, keys: Sequence[str], version: Version | Mapping[str, Any] | None = None) -> None:
        self.site = site
        self._keyring = Keyring(keys)
        self._version: Version | None = None
        if version is not None:
            self.use(version)

    @classmethod
    def from_url(cls, url: str, site: str, keys: Sequence[str], every: float = 60.0, patience: float = 3.0) -> "Gate":
        """A gate whose version comes from Poort at `url`, asked for again every so many seconds in the background.

        Waits at most `patience` seconds for the first answer. When Poort is away the last version keeps being used;
        when there never was one, nothing may load.
        """
        gate = cls(site, keys)
        Refresher(gate, url, every).start(patience)
        return gate

    def use(self, version: Version | Mapping[str, Any]) -> None:
        """Decide by this version from now on; raises ValueError when it is not one, or another site's."""
        new = version if isinstance(version, Version) else version_from(version)
        if new.site != self.site:
            raise ValueError(f"this is a version of {new.site!r}, not of {self.site!r}")
        self._version = new

    def allows(self, receipt: str | None, tracker: str, *, gpc: bool = False, now: float | None = None) -> Decision:
        """Whether `tracker` may load for who holds `receipt`, the value of the cookie `poort`; `.reason` says why.

        `gpc`: the request has `Sec-GPC: 1`. `now`: seconds since 1970, for tests.
        """
        if self._version is None:
            return Decision(False, "unknown_tracker")
        return decide(self._read(receipt), self._version, tracker, time.time() if now is None else now, gpc)

    def allows_category(
        self, receipt: str | None, category: str, *, gpc: bool = False, now: float | None = None
    ) -> Decision:
        """The same for everything in a category."""
        if self._version is None:
            return Decision(False, "no_choice")
        return decide_category(self._read(receipt), self._version, category, time.time() if now is None else now, gpc)

    def reasons(self, receipt: str | None, *, gpc: bool = False, now: float | None = None) -> dict[str, Decision]:
        """The answer for every tracker of the site."""
        trackers = self._version.trackers if self._version else {}
        return {tracker: self.allows(receipt, tracker, gpc=gpc, now=now) for tracker in trackers}

    def _read(self, receipt: str | None) -> Presented:
        return presented(read_all(self._keyring, [receipt] if receipt else []))[0]


class Refresher:
    """Keeps a gate's version fresh from a thread of its own; a request never waits for it."""

    def __init__(self, gate: Gate, url: str, every: float) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("url must start with https:// or http://")
        self._gate = gate
        self._url = f"{url.rstrip('/')}/v1/sites/{quote(gate.site, safe='')}/config"
        self._every = every
        self._etag = ""
        self._asked = threading.Event()

    def start(self, patience: float) -> None:
        """Begin, and wait at most so many seconds for the first attempt."""
        threading.Thread(target=self._run, name=f"poort-{self._gate.site}", daemon=True).start()
        self._asked.wait(patience)

    def _run(self) -> None:
        while True:
            try:
                self.refresh()
            except (OSError, ValueError) as error:  # what is known keeps being used
                _log.warning("Poort's version could not be fetched: %s", type(error).__name__)
            self._asked.set()
            time.sleep(self._every)

    def refresh(self) -> None:
        """Ask once; raises OSError or ValueError and leaves the gate as it was."""
        request = urllib.request.Request(self._url, headers={"If-None-Match": self._etag})  # noqa: S310  # checked above
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # as above
                self._gate.use(json.loads(answer.read(LONGEST)))
                self._etag = answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            if error.code != 304:
                raise
