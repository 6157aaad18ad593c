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
_UNKNOWN, _NO_CHOICE, _GRANTED = (_DECISIONS[reason] for reason in ("unknown_tracker", "no_choice", "granted"))


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


class Rule(NamedTuple):
    """What one tracker, or a whole category, needs: `fixed` is the answer that no receipt changes."""

    category: str
    since: int  # a receipt for an older version does not count (F3)
    tracker: str | None  # None: any tracker of the category
    fixed: Decision | None


@dataclass(frozen=True)
class Version:
    """What the gate knows of a published version of a site."""

    site: str
    number: int
    trackers: Mapping[str, Tracker]
    categories: Mapping[str, int]  # since, per category
    audience: str = "general"
    # What does not depend on the visitor is worked out once for each version.
    rules: Mapping[str, Rule] = field(init=False)
    wholes: Mapping[str, Rule] = field(init=False)

    def __post_init__(self) -> None:
        rules = {tracker.id: self._rule(tracker) for tracker in self.trackers.values()}
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "wholes", {category: self._whole(category) for category in CATEGORIES})

    def _rule(self, tracker: Tracker) -> Rule:
        fixed = "necessary" if tracker.category == "necessary" else "exempt" if tracker.exempt else self._nobody()
        since = max(tracker.since, self.categories[tracker.category])
        return Rule(tracker.category, since, tracker.id, _DECISIONS[fixed] if fixed else None)

    def _whole(self, category: str) -> Rule:
        """A tag with a category alone may hold any of its trackers: as new as the newest of them (F3)."""
        since = [tracker.since for tracker in self.trackers.values() if tracker.category == category and tracker.asked]
        # Where nothing of the site asks for a category, nobody was ever asked.
        fixed = "necessary" if category == "necessary" else self._nobody() if since else "no_choice"
        newest = max([*since, self.categories[category]])
        return Rule(category, newest, None, _DECISIONS[fixed] if fixed else None)

    def _nobody(self) -> str | None:
        return "child_audience" if self.audience == "children" else None  # H1: a child can not consent alone

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
    rule = version.rules.get(tracker)
    return _UNKNOWN if rule is None else _decide(rule, receipt, version, now, gpc)


def decide_category(receipt: Presented, version: Version, category: str, now: float, gpc: bool = False) -> Decision:
    """The same for a tag that names only a category: any of its trackers may be in it."""
    rule = version.wholes.get(category)
    return _UNKNOWN if rule is None else _decide(rule, receipt, version, now, gpc)


def _decide(rule: Rule, receipt: Presented, version: Version, now: float, gpc: bool) -> Decision:
    if rule.fixed is not None:
        return rule.fixed
    if receipt is None:
        return _NO_CHOICE
    if isinstance(receipt, Unreadable):
        return _DECISIONS["bad_receipt"]
    if receipt.site != version.site:
        return _DECISIONS["wrong_site"]
    if now >= receipt.expires:
        return _DECISIONS["expired"]
    # A receipt newer than the version we know may mean something else by its categories.
    if rule.since > receipt.version or receipt.version > version.number:
        return _DECISIONS["stale_version"]
    if not _grants(receipt, rule):
        return _DECISIONS["withdrawn" if receipt.action == "withdraw" else "denied"]
    if gpc and rule.category == "marketing" and not receipt.gpc:  # I4
        return _DECISIONS["gpc"]
    return _GRANTED


def _grants(receipt: Receipt, rule: Rule) -> bool:
    """A tracker's own choice beats its category's; refusing wins over allowing (A10)."""
    if rule.tracker in receipt.refused:
        return False
    return rule.category in receipt.granted or rule.tracker in receipt.allowed


def decide_shown(
    shown: Sequence[Presented], version: Version, tracker: str, now: float, gpc: bool = False
) -> Decision:
    """The same for all that a request shows: of several receipts the one that allows less counts (threat 13)."""
    if len(shown) == 1:
        return decide(shown[0], version, tracker, now, gpc)
    return strictest(decide(receipt, version, tracker, now, gpc) for receipt in shown)


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
    return last or _NO_CHOICE


def has_gpc(header: str | None) -> bool:
    """Whether `Sec-GPC` is set: only the value 1 is; a repeated header counts once (I1)."""
    return header is not None and any(value.strip() == "1" for value in header.split(","))
