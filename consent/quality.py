"""How good the traffic is: whether a decision or a showing is in doubt, and whether it is one of a flood. Pure.

What is in doubt is stored, acknowledged and binding as everything else: a visitor never loses a choice. It is counted
apart, as `suspect`, and is in no rate. The signs:
    no origin        a browser sends the header Origin with every POST; a program has to think of it
    no browser       the user agent names no browser that is known
    flood            one network decides, or sees banners, as no office or carrier does; then all that it did in the
                     last ten minutes is doubted as well

A network is the /24 or the /48 around an address, and known by an HMAC under a random key alone: in memory, of ten
minutes, and the key is thrown away at midnight with all that was counted under it. Each process sees its own part of
the traffic and judges that part.
"""

import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from typing import Any, Final, NamedTuple

from consent.addresses import neighbourhood
from consent.agents import UNKNOWN

ANSWER, SHOWN, AGAIN = KINDS = ("answer", "shown", "again")
FROM_BROWSERS: Final = ("banner", "settings")  # what servers send, through the API or as an import, is no traffic

WINDOW: Final = 10  # minutes
# A flood is more than so much of a site. Carriers put many subscribers behind an address, but spread over dozens of
# networks, so each has a small part of a busy site. On a quiet one it is the number alone that protects an office.
SHARE: Final = 0.05
HOLD: Final = 60  # minutes that a network stays in doubt after it was last seen flooding
# Who reads on without an answer sees the banner on every page.
TIMES: Final = {ANSWER: 1, SHOWN: 1, AGAIN: 10}
MOST: Final = 100_000  # remembered of each kind, some 25 MB; past it the window is shorter


class Seen(NamedTuple):
    """What is known of somebody's network and quality. `network` is None where no flood can be told."""

    site: str
    network: bytes | None
    suspect: bool


@dataclass(slots=True)
class _Minute:
    number: int
    sites: Counter[str] = field(default_factory=Counter)
    networks: Counter[bytes] = field(default_factory=Counter)
    things: dict[bytes, list[Any]] = field(default_factory=dict)  # those that are not doubted
    many: int = 0


class _Window:
    """What happened in the last minutes, of one kind, by network."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque()
        self._many = 0

    def add(self, seen: Seen, network: bytes, things: list[Any], minute: int) -> None:
        if not self._minutes or self._minutes[-1].number < minute:
            self._minutes.append(_Minute(minute))
            self._drop(minute)
        last = self._minutes[-1]
        last.sites[seen.site] += len(things)
        last.networks[network] += len(things)
        if not seen.suspect:
            last.things.setdefault(network, []).extend(things)
        last.many += len(things)
        self._many += len(things)
        if self._many > MOST and len(self._minutes) > 1:
            self._forget()

    def restore(self, network: bytes, things: list[Any]) -> None:
        """What was taken, and is not doubted after all."""
        if self._minutes:
            self._minutes[-1].things.setdefault(network, []).extend(things)

    def _drop(self, minute: int) -> None:
        while self._minutes[0].number <= minute - WINDOW:
            self._forget()

    def _forget(self) -> None:
        self._many -= self._minutes.popleft().many

    def floods(self, site: str, network: bytes, limit: int) -> bool:
        mine = sum(minute.networks[network] for minute in self._minutes)
        return mine > limit and mine > SHARE * sum(minute.sites[site] for minute in self._minutes)

    def take(self, network: bytes) -> list[Any]:
        """What this network did and is not doubted yet; from now on it is."""
        return [thing for minute in self._minutes for thing in minute.things.pop(network, ())]


class Traffic:
    """What one process saw in the last ten minutes. `limit`: POORT_FLOOD; nought for no flood at all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._begin(0)

    def _begin(self, day: int) -> None:
        self._day, self._key = day, secrets.token_bytes(32)
        self._windows = {kind: _Window() for kind in KINDS}
        self._doubted: dict[bytes, float] = {}  # until which minute
        self._alike: dict[Hashable, Any] = {}

    def judge(self, site: str, address: str, browser: str, origin: str | None, now: float) -> Seen:
        """What to think of a call of this moment, in seconds since 1970."""
        network = self._named(site, address, now)
        doubted = network is not None and self._doubted.get(network, -inf) >= now // 60
        return Seen(site, network, doubted or origin is None or browser == UNKNOWN)

    def _named(self, site: str, address: str, now: float) -> bytes | None:
        around = neighbourhood(address) if self._limit else None
        if around is None:
            return None
        if now // 86_400 > self._day:
            with self._lock:
                self._begin(int(now // 86_400))
        return hashlib.blake2b(around + site.encode(), key=self._key, digest_size=16).digest()

    def note(self, seen: Seen, kind: str, things: Iterable[Any], now: float) -> dict[str, list[Any]]:
        """Remember what was counted, once it is; what has to be doubted after all, by kind.

        A call that came in before its network was doubted, and was counted after it, is among it.
        """
        if seen.network is None:
            return {}
        minute = int(now // 60)
        with self._lock:
            window = self._windows[kind]
            window.add(seen, seen.network, [self._same(one) for one in things], minute)
            if window.floods(seen.site, seen.network, self._limit * TIMES[kind]):
                self._doubt(seen.network, minute)
            if self._doubted.get(seen.network, -inf) < minute:
                return {}
            found = {each: window.take(seen.network) for each, window in self._windows.items()}
        return {each: taken for each, taken in found.items() if taken}

    def put_back(self, seen: Seen, kind: str, things: list[Any]) -> None:
        """These could not be counted apart; the next call of their network has them again."""
        if seen.network is not None:
            with self._lock:
                self._windows[kind].restore(seen.network, things)

    def _doubt(self, network: bytes, minute: int) -> None:
        if network not in self._doubted:
            self._doubted = {one: until for one, until in self._doubted.items() if until >= minute}
        self._doubted[network] = minute + HOLD

    def _same(self, thing: Any) -> Any:
        """One copy of what is alike: showings differ in little."""
        if not isinstance(thing, tuple):
            return thing
        if len(self._alike) > 10_000:
            self._alike.clear()
        return self._alike.setdefault(thing, thing)


class Sampler:
    """Takes everything up to `rate` a second, and above it one in WEIGHT at random, which counts as so many.

    Each of those is drawn for itself, so the estimate is right on average; its variance is n * w * (w - 1) after n
    draws of weight w.
    """

    WEIGHT: Final = 10

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._second, self._many = 0, 0

    def weigh(self, now: float) -> int:
        """As how many one of this moment counts; nought: it is left out."""
        if int(now) != self._second:
            self._second, self._many = int(now), 0
        self._many += 1  # two threads may lose one: it is a rate, no count
        if self._many <= self._rate:
            return 1
        return 0 if secrets.randbelow(self.WEIGHT) else self.WEIGHT
