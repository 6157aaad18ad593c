"""The gate: may this tracker load, and why (not)? Pure functions, no I/O; any doubt is no.

decide(receipt, version, "hotjar", now=1763800000, gpc=False) -> Decision(allow=False, reason="no_choice")
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from consent.receipts import Receipt

CATEGORIES: Final = ("necessary", "functional", "analytics", "marketing")
OPTIONAL: Final = CATEGORIES[1:]

ALLOWED: Final = ("necessary", "exempt", "granted")
REFUSED: Final = (
    "no_choice",
    "bad_receipt",
    "wrong_site",
    "denied",
    "withdrawn",
    "expired",
    "stale_version",
    "gpc",
    "child_audience",
    "unknown_tracker",
)


class Unreadable:
    """Stands for a token that is there but is no receipt: forged, cut off, signed by a key that is gone."""


UNREADABLE: Final = Unreadable()
Presented = Receipt | Unreadable | None


class Decision(NamedTuple):
    """The gate's answer; true or false in a condition."""

    allow: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allow


_DECISIONS: Final = {reason: Decision(reason in ALLOWED, reason) for reason in ALLOWED + REFUSED}


@dataclass(frozen=True, slots=True)
class Tracker:
    """What the gate knows of a tracker. `since`: the version that last changed it materially."""

    id: str
    category: str
    since: int
    exempt: bool = False

    @property
    def asked(self) -> bool:
        """Whether it needs consent."""
        return self.category != "necessary" and not self.exempt


@dataclass(frozen=True)
class Version:
    """What the gate knows of a published version of a site."""

    site: str
    number: int
    trackers: Mapping[str, Tracker]
    categories: Mapping[str, int]  # since, per category
    audience: str = "general"
    # Per category the version since which a consent for all of it counts; None where nothing is asked.
    whole: Mapping[str, int | None] = field(init=False)

    def __post_init__(self) -> None:
        whole = {category: self._whole(category) for category in OPTIONAL}
        object.__setattr__(self, "whole", whole)

    def _whole(self, category: str) -> int | None:
        """A tag with a category alone may hold any of its trackers: as new as the newest of them (F3)."""
        since = [tracker.since for tracker in self.trackers.values() if tracker.category == category and tracker.asked]
        return max([*since, self.categories[category]]) if since else None

    def as_dict(self) -> dict[str, Any]:
        """The same in JSON, for the SDK: `{site, number, audience, categories, trackers}`."""
        return {
            "site": self.site,
            "number": self.number,
            "audience": self.audience,
            "categories": dict(self.categories),
            "trackers": [
                {"id": t.id, "category": t.category, "since": t.since, "exempt": t.exempt}
                for t in self.trackers.values()
            ],
        }


def version_from(data: Mapping[str, Any]) -> Version:
    """A Version from the answer of `GET /v1/sites/{site}/config` or from `Version.as_dict()`.

    Raises ValueError when it is neither: a gate without a version it can read must not guess.
    """
    try:
        categories = data["categories"]
        since = categories if isinstance(categories, Mapping) else {row["id"]: row["since"] for row in categories}
        trackers = {
            row["id"]: Tracker(str(row["id"]), _category(row["category"]), int(row["since"]), row.get("exempt") is True)
            for row in data["trackers"]
        }
        number = int(data["number"] if "number" in data else data["version"])
        return Version(
            str(data["site"]),
            number,
            trackers,
            {name: int(since[name]) for name in CATEGORIES},
            str(data.get("audience", "general")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is not a version of a site: {error!r}") from error


def _category(name: Any) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"{name!r} is not a category")
    return str(name)


def decide(receipt: Presented, version: Version, tracker: str, now: float, gpc: bool = False) -> Decision:
    """Whether `tracker` may load for the visitor who holds `receipt`, at `now` (seconds, UTC).

    `gpc`: the browser sends Global Privacy Control. The first rule that applies is the reason.
    """
    known = version.trackers.get(tracker)
    if known is None:
        return _DECISIONS["unknown_tracker"]
    if known.category == "necessary":
        return _DECISIONS["necessary"]
    if known.exempt:
        return _DECISIONS["exempt"]
    since = max(known.since, version.categories[known.category])
    return _by_receipt(receipt, version, known.category, since, now, gpc, known.id)


def decide_category(receipt: Presented, version: Version, category: str, now: float, gpc: bool = False) -> Decision:
    """The same for a tag that names only a category: any of its trackers may be in it."""
    if category == "necessary":
        return _DECISIONS["necessary"]
    since = version.whole.get(category)
    if since is None:  # nothing of this site asks for it, so nobody was ever asked
        return _DECISIONS["no_choice" if category in OPTIONAL else "unknown_tracker"]
    return _by_receipt(receipt, version, category, since, now, gpc, None)


def _by_receipt(
    receipt: Presented, version: Version, category: str, since: int, now: float, gpc: bool, tracker: str | None
) -> Decision:
    if version.audience == "children":  # H1: a child can not consent alone
        return _DECISIONS["child_audience"]
    if receipt is None:
        return _DECISIONS["no_choice"]
    if isinstance(receipt, Unreadable):
        return _DECISIONS["bad_receipt"]
    if receipt.site != version.site:
        return _DECISIONS["wrong_site"]
    if now >= receipt.expires:
        return _DECISIONS["expired"]
    # A receipt newer than the version we know may mean something else by its categories.
    if since > receipt.version or receipt.version > version.number:
        return _DECISIONS["stale_version"]
    if not _grants(receipt, category, tracker):
        return _DECISIONS["withdrawn" if receipt.action == "withdraw" else "denied"]
    if gpc and category == "marketing" and not receipt.gpc:  # I4
        return _DECISIONS["gpc"]
    return _DECISIONS["granted"]


def _grants(receipt: Receipt, category: str, tracker: str | None) -> bool:
    """A tracker's own choice beats its category's; refusing wins over allowing (A10)."""
    if tracker in receipt.refused:
        return False
    return category in receipt.granted or tracker in receipt.allowed


def presented(receipts: Sequence[Receipt | None]) -> list[Presented]:
    """What a request shows: nothing, or each of its receipts, the unreadable ones as UNREADABLE."""
    return [receipt if receipt is not None else UNREADABLE for receipt in receipts] or [None]


def strictest(decisions: Iterable[Decision]) -> Decision:
    """Of several receipts the one that allows less counts: the first refusal, if there is one."""
    last = None
    for decision in decisions:
        if not decision.allow:
            return decision
        last = decision
    return last or _DECISIONS["no_choice"]


def has_gpc(header: str | None) -> bool:
    """Whether `Sec-GPC` is set: only the value 1 is; a repeated header counts once (I1)."""
    return header is not None and any(value.strip() == "1" for value in header.split(","))
