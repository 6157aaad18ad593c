"""The gate in a Python site. Needs itsdangerous alone.

from consent.sdk import Gate
gate = Gate.from_url("https://consent.shop.example", site="shop", keys=["..."])
if gate.allows(request.cookies.get("poort"), "hotjar"):
    ...

For whole requests and pages: consent/middleware.py.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from consent.csp import DIRECTIVES, Policy
from consent.freshness import Refresher
from consent.gate import (
    UNREADABLE,
    Decision,
    Presented,
    Version,
    decide,
    decide_category,
    decide_shown,
    presented,
    strictest,
    version_from,
)
from consent.reach import Reach
from consent.receipts import Keyring, Receipt, read_all, tokens

MOST: Final = 16  # cookies called `poort` of one request that are looked at; nobody has more by accident


class Known(NamedTuple):
    """What a gate knows at one moment; replaced as a whole, so that one request sees one version."""

    version: Version
    reach: Reach
    whose: str | None = None  # the Domain of the receipt's cookie, as an attribute; None when it is not known


class Visitor:
    """Who holds the receipts of one request: what may load for them, by one version and one moment.

    Several receipts: the one that allows less counts. Made by `Gate.for_cookies` and `Gate.for_receipt`.
    """

    def __init__(
        self, known: Known | None, shown: Sequence[Presented], gpc: bool, now: float, origin: str | None = None
    ) -> None:
        self._known, self._shown, self._now, self._origin = known, shown, now, origin
        self.gpc = gpc
        self.asked = False  # whether anybody asked: then the answer depends on the visitor

    def allows(self, tracker: str) -> Decision:
        """Whether `tracker` may load; `.reason` says why (not)."""
        self.asked = True
        return self._decide(tracker)

    def _decide(self, tracker: str) -> Decision:
        if self._known is None:
            return Decision(False, "unknown_tracker")
        return decide_shown(self._shown, self._known.version, tracker, self._now, self.gpc)

    def allows_category(self, category: str) -> Decision:
        """The same for everything in a category."""
        self.asked = True
        if self._known is None:
            return Decision(False, "no_choice")
        version = self._known.version
        return strictest(decide_category(shown, version, category, self._now, self.gpc) for shown in self._shown)

    def reasons(self) -> dict[str, Decision]:
        """The answer for every tracker of the site."""
        self.asked = True
        return {tracker: self._decide(tracker) for tracker in self._known.version.trackers} if self._known else {}

    @property
    def allowed(self) -> frozenset[str]:
        """The trackers that may load, for templates that can not call: {% if "hotjar" in gate.allowed %}."""
        self.asked = True
        return self.may_load

    @cached_property
    def may_load(self) -> frozenset[str]:
        """The same for the middleware: to look does not count as having been asked."""
        trackers = self._known.version.trackers if self._known else {}
        return frozenset(tracker for tracker in trackers if self._decide(tracker))

    @cached_property
    def nonce(self) -> str:
        """A nonce for this answer's scripts; the middleware puts it in the policy of a page that has asked for it."""
        return secrets.token_urlsafe(18)

    @property
    def number(self) -> int:
        """The version that this visitor is judged by; 0 when there is none yet."""
        return self._known.version.number if self._known else 0

    def csp(self, policy: Policy | None = None, nonce: str | None = None) -> str:
        """A Content-Security-Policy that lists just the hosts of the trackers that may load; see `consent.csp`."""
        self.asked = True
        policy = policy or Policy()
        reach = self._known.reach if self._known else Reach()
        hosts = reach.sources(self.may_load, frozenset(policy.shared))
        return policy.text(self._origin, hosts, lambda place: reach.opens_refused(place, self.may_load), nonce)

    def keeps(self, host: str, path: str, here: str) -> bool:
        """Whether a page without script may ask `host` for `path` (with its query); `here` is the page's own host.

        An address that is no tracker's is kept. Before there is a version nobody can tell, so only the own host is.
        """
        if self._known is None:
            return host == here
        return self._known.reach.owners(host, path) <= self.may_load

    def is_tracker(self, host: str, path: str) -> bool:
        """Whether the address is a tracker's, or may be one: before there is a version any is."""
        return self._known is None or bool(self._known.reach.owners(host, path))

    def leftovers(self, names: Sequence[str]) -> list[str]:
        """Of these cookies those that trackers left which may not load: to be expired (D8)."""
        return self._known.reach.leftovers(names, self.may_load) if self._known else []


class Gate:
    """Answers for one site whether a tracker may load, from the visitor's receipt; never asks anybody.

    `keys`: the site's signing keys, newest first. `version`: the answer of `GET /v1/sites/{site}/config`, as a dict,
    or a `consent.gate.Version`, which knows no hosts; None until there is one: then nothing may load. `url`: where
    Poort is, for `csp`.
    """

    def __init__(
        self, site: str, keys: Sequence[str], version: Version | Mapping[str, Any] | None = None, url: str | None = None
    ) -> None:
        self.site = site
        self._keyring = Keyring(keys)
        self._known: Known | None = None
        self._refresher: Refresher | None = None
        self._origin = _origin(url) if url is not None else None
        if version is not None:
            self.use(version)

    @classmethod
    def from_url(cls, url: str, site: str, keys: Sequence[str], every: float = 60.0, patience: float = 3.0) -> "Gate":
        """A gate whose version comes from Poort at `url`, asked for again every so many seconds in the background.

        Waits at most `patience` seconds for the first attempt. When Poort is away the last version keeps being used,
        and is asked for again: soon at first, then ever more rarely, at the latest after a minute. When there never
        was one, nothing may load. In each process that a server forks, the first decision begins anew.
        """
        gate = cls(site, keys, url=url)
        gate._refresher = Refresher(url, site, gate._renew, every)
        gate._refresher.start(patience)
        return gate

    def close(self) -> None:
        """End what `from_url` does in the background; the gate goes on with the version that it has."""
        if self._refresher:
            self._refresher.close()

    def use(self, version: Version | Mapping[str, Any]) -> None:
        """Decide by this version from now on; raises ValueError when it is not one, or another site's."""
        if isinstance(version, Version):
            known = Known(version, Reach())
        else:
            known = Known(version_from(version), Reach(version["trackers"]), _whose(version))
        if known.version.site != self.site:
            raise ValueError(f"this is a version of {known.version.site!r}, not of {self.site!r}")
        self._known = known

    def _renew(self, answer: Any) -> None:
        """Use what Poort answered, unless a cache on the way is behind: an old version may allow more."""
        if self._known and version_from(answer).number < self._known.version.number:
            raise ValueError("the answer is older than what is known")
        self.use(answer)

    def allows(self, receipt: str | None, tracker: str, *, gpc: bool = False, now: float | None = None) -> Decision:
        """Whether `tracker` may load for who holds `receipt`, the value of the cookie `poort`; `.reason` says why.

        `gpc`: the request has `Sec-GPC: 1`. `now`: seconds since 1970, for tests.
        """
        shown = self._read(receipt)
        if self._known is None:
            return Decision(False, "unknown_tracker")
        return decide(shown, self._known.version, tracker, time.time() if now is None else now, gpc)

    def allows_category(
        self, receipt: str | None, category: str, *, gpc: bool = False, now: float | None = None
    ) -> Decision:
        """The same for everything in a category."""
        return self.for_receipt(receipt, gpc=gpc, now=now).allows_category(category)

    def reasons(self, receipt: str | None, *, gpc: bool = False, now: float | None = None) -> dict[str, Decision]:
        """The answer for every tracker of the site."""
        return self.for_receipt(receipt, gpc=gpc, now=now).reasons()

    def csp(
        self,
        receipt: str | None,
        *,
        base: Mapping[str, Sequence[str]] | None = None,
        nonce: str | None = None,
        directives: Sequence[str] = DIRECTIVES,
        shared: Sequence[str] = (),
        gpc: bool = False,
        now: float | None = None,
    ) -> str:
        """A Content-Security-Policy that lists just the hosts that may be asked for this visitor.

        `base`: the site's own directives, to be merged. `directives`: which get the hosts. `shared`: see
        `consent.csp.Policy`. Raises ValueError for a policy that would open the site to every tracker.
        """
        return self.for_receipt(receipt, gpc=gpc, now=now).csp(Policy(base or {}, directives, shared), nonce)

    def keep(self, header: str | None, *, now: float | None = None) -> str | None:
        """A `Set-Cookie` value that gives the receipt of this `Cookie` header the rest of its time (docs/durable.md).

        None when there is no receipt of this site, or it has ended; when there are two, of which nobody can tell which
        one would be overwritten; and while the site's cookie domain is not known.
        """
        found = tokens(None, header)
        receipt = read_all(self._keyring, found)[0] if len(found) == 1 else None
        if receipt is None or receipt.site != self.site or self._known is None or self._known.whose is None:
            return None
        left = receipt.expires - int(time.time() if now is None else now)
        # Not HttpOnly: the banner reads it.
        whole = f"poort={found[0]}; Max-Age={left}; Path=/{self._known.whose}; Secure; SameSite=Lax"
        return whole if left > 0 else None

    def for_receipt(self, receipt: str | None, *, gpc: bool = False, now: float | None = None) -> Visitor:
        """Who holds this receipt, the value of the cookie `poort`."""
        return self._visitor([self._read(receipt)], gpc, now)

    def for_cookies(self, header: str | None, *, gpc: bool = False, now: float | None = None) -> Visitor:
        """Who sends this `Cookie` header. Of two cookies called `poort` the one that allows less counts."""
        found = tokens(None, header)
        if len(found) > MOST:
            return self.for_nobody(gpc=gpc, now=now)
        return self._visitor(presented(read_all(self._keyring, found)), gpc, now)

    def for_nobody(self, *, gpc: bool = False, now: float | None = None) -> Visitor:
        """Who shows what can not be read: nothing that needs consent may load."""
        return self._visitor([UNREADABLE], gpc, now)

    def _visitor(self, shown: Sequence[Presented], gpc: bool, now: float | None) -> Visitor:
        self._tend(shown)
        return Visitor(self._known, shown, gpc, time.time() if now is None else now, self._origin)

    def _read(self, receipt: str | None) -> Presented:
        shown = presented(read_all(self._keyring, [receipt] if receipt else []))
        self._tend(shown)
        return shown[0]

    def _tend(self, shown: Sequence[Presented]) -> None:
        """See to it that the version is kept fresh in this process; sooner if a receipt is for a newer one."""
        if self._refresher is None:
            return
        self._refresher.tend()
        for receipt in shown:
            if isinstance(receipt, Receipt) and self._is_ahead(receipt):
                self._refresher.hurry()

    def _is_ahead(self, receipt: Receipt) -> bool:
        return receipt.site == self.site and (self._known is None or receipt.version > self._known.version.number)


def _whose(version: Mapping[str, Any]) -> str | None:
    if "cookie_domain" not in version:
        return None
    return f"; Domain={version['cookie_domain']}" if version["cookie_domain"] else ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("url must start with https:// or http://")
    return f"{parts.scheme}://{parts.netloc}"


__all__ = ["Decision", "Gate", "Policy", "Visitor"]
