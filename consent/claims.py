"""What a tracker claims as its own (requests, cookies, storage keys), and where two trackers claim the same. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from consent.patterns import in_domain, meet, on_host, on_path, overlap

FIELDS = {"cookie": "cookies", "local": "storage", "session": "storage"}


class Claim(NamedTuple):
    """`kind` is request, cookie, local or session; `name` a host, a path, or a name with `*` at its end or not."""

    tracker: int
    kind: str
    name: str
    domain: str = ""

    @property
    def field(self) -> str:
        """Where it stands in its row."""
        return FIELDS.get(self.kind) or ("paths" if "/" in self.name else "hosts")

    @property
    def near(self) -> str:
        """Two claims can only meet if this is the same: there are thousands of pairs, and every start looks at them."""
        if self.kind == "request":
            return site(self.name)
        return self.kind + self.name[:3]  # a pattern has three characters before its *


def _claims(rows: Sequence[Mapping[str, Any]]) -> Iterator[Claim]:
    for number, row in enumerate(rows):
        yield from (Claim(number, "request", pattern) for pattern in (*row["hosts"], *row["paths"]))
        yield from (Claim(number, "cookie", one["name"], one.get("domain", "")) for one in row["cookies"])
        yield from (Claim(number, one["kind"], one["name"]) for one in row["storage"])


def _meet(one: Claim, other: Claim) -> bool:
    if one.kind == "request":
        return same_request(one.name, other.name)
    apart = one.domain and other.domain and not (
        in_domain(one.domain, other.domain) or in_domain(other.domain, one.domain))
    return meet(one.name, other.name) and not apart


def site(pattern: str) -> str:
    """The last two labels of its host: no request fits two patterns that differ in these."""
    return ".".join(pattern.partition("/")[0].split(".")[-2:])


def same_request(one: str, other: str) -> bool:
    """Whether some request fits both patterns, each a host or a host with the beginning of a path."""
    (host, _, path), (their_host, _, their_path) = one.partition("/"), other.partition("/")
    if path and their_path:
        return on_path(one, their_host, f"/{their_path}") or on_path(other, host, f"/{path}")
    if path or their_path:
        return on_host(their_host, host) if path else on_host(host, their_host)
    return overlap(one, other)


def clashes(rows: Sequence[Mapping[str, Any]], shared: Collection[Mapping[str, Any]]) -> Iterator[tuple[Claim, Claim]]:
    """The pairs of claims of different trackers that some request, cookie or key would fit both of.

    `shared`: what trackers have in common on purpose, `{"names": [...], "trackers": [ids], "reason": ...}`.
    """
    near: dict[str, list[Claim]] = defaultdict(list)
    for claim in _claims(rows):
        near[claim.near].append(claim)
    for claims in near.values():
        for one, other in combinations(claims, 2):
            if one.tracker != other.tracker and _meet(one, other) and not _agreed(rows, one, other, shared):
                yield one, other


def _agreed(
    rows: Sequence[Mapping[str, Any]], one: Claim, other: Claim, shared: Collection[Mapping[str, Any]]
) -> bool:
    ids = {rows[one.tracker]["id"], rows[other.tracker]["id"]}
    return any(ids <= set(entry["trackers"]) and {one.name, other.name} & set(entry["names"]) for entry in shared)
