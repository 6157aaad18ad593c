"""What a proxy in front of a site's pages does for one visitor: the policy it sends along, the cookies it expires.

    Front(version.gate, rows, domains).headers(shown, cookies, now, gpc, "https://consent.shop.example")
        -> [("Poort-Allowed", "ga4,hotjar"), ("Poort-CSP", "default-src 'self'; ..."), ("Poort-Expire-1", "_fbp=; ...")]
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from consent.gate import Presented, Version, decide_shown
from consent.reach import Reach

EXPIRED: Final = 8  # values for Set-Cookie in one answer: nginx copies a header by its name, so each has one of its own
REMEMBERED: Final = 256  # combinations of allowed trackers

_REST: Final = "object-src 'none'; base-uri 'self'"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_PAST: Final = "Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"

Headers = list[tuple[str, str]]


class Front:
    """The answers for one version of a site. `rows`: its trackers in full; `domains`: where its cookies may live."""

    def __init__(self, version: Version, rows: Iterable[Mapping[str, Any]], domains: Sequence[str]) -> None:
        self._version = version
        self._reach = Reach(rows)
        self._domains = domains
        self._told = lru_cache(REMEMBERED)(self._about)

    def headers(self, shown: Sequence[Presented], cookies: str | None, now: float, gpc: bool, origin: str) -> Headers:
        """For who shows these receipts and sends this `Cookie` header. `origin`: Poort's own, for the policy."""
        version = self._version
        allowed = frozenset(name for name in version.rules if decide_shown(shown, version, name, now, gpc))
        left = self._reach.leftovers(_names(cookies), allowed) if cookies else []
        values = [value for name in left for value in self._expiries(name)]
        # A cookie that can not be expired, on a path of its own, must not stand before the others for ever.
        first = int(now) % len(values) if len(values) > EXPIRED else 0
        turn = (values[first:] + values[:first])[:EXPIRED]
        expired = [(f"Poort-Expire-{number}", value) for number, value in enumerate(turn, 1)]
        return [*self._told(allowed, origin), *expired]

    def _about(self, allowed: frozenset[str], origin: str) -> Headers:
        hosts = " ".join(map(str, self._reach.sources(allowed)))
        # In default-src alone: a header that says them for each directive is seven times as long, too long for many
        # a proxy on the way.
        policy = " ".join(filter(None, ["default-src 'self'", origin, hosts]))
        told = [("Poort-Allowed", ",".join(sorted(allowed))), ("Poort-CSP", f"{policy}; {_REST}")]
        return [*told, ("Poort-Sources", hosts)] if hosts else told

    def _expiries(self, name: str) -> Iterator[str]:
        """A cookie is another one on each domain, and a server does not see on which it is."""
        secure = "; Secure" if name.startswith(("__Secure-", "__Host-")) else ""
        yield f"{name}=; {_PAST}{secure}"
        for domain in () if name.startswith("__Host-") else self._domains:
            yield f"{name}=; Domain={domain}; {_PAST}{secure}"


def _names(cookies: str) -> list[str]:
    names = (part.partition("=")[0].strip() for part in cookies.replace(",", ";").split(";"))
    return [name for name in names if _NAME.fullmatch(name)]


def domains(cookie_domain: str | None, origins: Iterable[str]) -> list[str]:
    """Where a site's cookies may live: the domain that it says, else its hosts and what they lie under."""
    if cookie_domain:
        return [cookie_domain]
    labels = [(urlsplit(origin).hostname or "").split(".") for origin in origins]
    return list(dict.fromkeys(".".join(each[start:]) for each in labels for start in range(len(each) - 1)))
