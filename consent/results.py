"""Where the experiments of a site stand: read from the daily counts and from the versions that ran them, no records.

A result is about the days from the first version that had the experiment to the last, days as the organisation has
them. Its unit is a showing: each draws a variant, also the second one in a visit, so each can be answered or not.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import select

from consent import counts, decisions, experiments, reports, versions, zones
from consent.db import db
from consent.decisions import Count, Decision, Plan
from consent.shares import Share
from consent.sites import NotFound, Site
from consent.versions import Version
from consent.wording import reworded

FEW = 10  # a count below this is not shown, nor one that it could be computed from
RECENT = 28  # days, four whole weeks, that a plan looks back on
AT_WORST = 0.5  # the share that needs most showings
_ANSWERS = ("accept_all", "necessary_only", "custom")


@dataclass(frozen=True)
class Tried:
    """What one variant did. `n` as counts.COUNTERS; `took`: answers by band; `words`: of the question, per language."""

    id: str
    n: Counter[str] = field(default_factory=Counter)
    took: Counter[int] = field(default_factory=Counter)
    withdrawn: int = 0
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> int:
        """How often it was shown."""
        return self.n["shown"]

    @property
    def answered(self) -> int:
        """How often it was answered."""
        return sum(self.n[name] for name in _ANSWERS)

    def goal(self, name: str) -> Share:
        """The share of its showings that ended with the goal."""
        return Share(_part(self.n, name), self.shown)

    @property
    def own_choice(self) -> Share:
        """The share of its answers that were a choice of the visitor's own, neither everything nor nothing."""
        return Share(self.n["custom"], self.answered)

    @property
    def quick(self) -> Share:
        """The share of its answers, of those whose time is known, that came within two seconds: too soon to read it."""
        return Share(self.took[0], self.took.total())

    @property
    def regretted(self) -> Share:
        """Withdrawals on pages that showed it, against the answers that allowed anything. One can withdraw later."""
        allowed = self.answered - self.n["necessary_only"]
        return Share(min(self.withdrawn, allowed), allowed)


COSTS = ("own_choice", "quick", "regretted")


@dataclass(frozen=True)
class Result:
    """One experiment of a site. `last` is today while it runs."""

    site: str
    experiment: Mapping[str, Any]
    numbers: tuple[int, ...]  # of the versions that had it
    first: date
    last: date
    runs: bool
    variants: tuple[Tried, ...]
    days: Sequence[Sequence[Count]]
    spread: float  # the variance that sampling added to the showings (shares.Share)

    @property
    def id(self) -> str:
        """Its name."""
        return str(self.experiment["id"])

    @property
    def goal(self) -> str:
        """What is compared: of experiments.GOALS."""
        return str(self.experiment["goal"])

    @property
    def planned(self) -> int:
        """After how many showings it ends without a difference."""
        return planned(self.experiment)

    @cached_property
    def decision(self) -> Decision:
        """What the rule says of it."""
        shown = sum(count.shown for day in self.days for count in day)
        inflation = 1 + self.spread / shown if shown else 1.0
        return decisions.decide(self.days, shares_of(self.experiment), self.planned, inflation)

    @property
    def winner(self) -> Tried | None:
        """The variant that won."""
        return None if self.decision.winner is None else self.variants[self.decision.winner]

    @property
    def days_left(self) -> int | None:
        """How many days more the plan takes at the pace until now; None without a pace. A winner may show sooner."""
        shown, passed = self.decision.shown, len(self.days)
        if not shown:
            return None
        return max(-(-(self.planned - shown) * passed // shown), decisions.FEWEST_DAYS - passed, 0)

    def is_told(self, name: str) -> bool:
        """Whether a share may be shown: `goal`, or one of COSTS.

        Only where it and its rest have FEW or more in every variant: with one hidden, the others and a total elsewhere
        would tell it.
        """
        return all(FEW <= share.part <= share.whole - FEW for share in self.shares(name))

    def shares(self, name: str) -> list[Share]:
        """That share of each variant."""
        return [one.goal(self.goal) if name == "goal" else getattr(one, name) for one in self.variants]

    @property
    def are_shown(self) -> bool:
        """Whether showings may be told: FEW or more of every variant."""
        return all(one.shown >= FEW for one in self.variants)


def planned(experiment: Mapping[str, Any]) -> int:
    """How many showings an experiment takes; what it says itself, or what it takes at worst."""
    worst = decisions.needed(AT_WORST, experiment["smallest"] / 100, shares_of(experiment))
    return int(experiment.get("showings", worst))


def shares_of(experiment: Mapping[str, Any]) -> list[int]:
    """The parts in which its variants are shown."""
    return [one["share"] for one in experiment["variants"]]


def _part(n: Mapping[str, int], goal: str) -> int:
    return sum(n[name] for name in _ANSWERS) if goal == experiments.ANSWERED else n[goal]


# -- before it starts -------------------------------------------------------------------------------------------------


def plan(site: Site, goal: str, smallest: float, shares: Sequence[int]) -> Plan:
    """What an experiment would take, from what the site's banner did in the last four weeks.

    `smallest`: in points of a hundred. Without showings the rate is the one that needs most, and there are no days.
    """
    last = zones.today(zones.zone(site.organisation.time_zone)) - timedelta(days=1)
    total = reports.Line.together(reports.lines([site.key], last - timedelta(days=RECENT - 1), last))
    showings = total.shown + total.again
    granted = total.answered if goal == experiments.ANSWERED else total.granted(goal)
    rate = min(granted / showings, 1.0) if showings else AT_WORST
    return decisions.plan(rate, showings / RECENT, smallest / 100, shares)


# -- while it runs, and after -----------------------------------------------------------------------------------------


def names(site: Site) -> list[str]:
    """The experiments that the site has published, the newest first."""
    marked = Version.snapshot.like('%"experiment":{"goal":"%')
    query = select(Version.number, Version.snapshot).where(Version.site == site.key, marked)
    found = [experiments.experiment_of(versions.definition_in(snapshot))
             for _, snapshot in db.session.execute(query.order_by(Version.number.desc()))]
    return list(dict.fromkeys(str(one["id"]) for one in found if one is not None))


def running(site: Site) -> str | None:
    """The name of the experiment that the current version has."""
    version = db.session.get(Version, (site.key, site.current)) if site.current else None
    found = experiments.experiment_of(versions.definition_in(version.snapshot)) if version else None
    return None if found is None else str(found["id"])


def result(site: Site, name: str, now: datetime | None = None) -> Result:
    """Where this experiment of the site stands; raises NotFound when it never ran.

    Who may see it has been settled at the door.
    """
    found = versions.experiment_versions(site.key, name)
    if not found:
        raise NotFound("There is no such experiment.")
    numbers, definition = tuple(found), next(reversed(found.values()))
    runs = site.current in found
    first, last = _days(site, numbers, runs, now or datetime.now(UTC))
    rows = _rows(site.key, name, first, last)
    ids = [one["id"] for one in definition["experiment"]["variants"]]
    made = experiments.variants(definition)
    return Result(
        site.key, definition["experiment"], numbers, first, last, runs,
        tuple(_tried(id, experiments.bucket(name, id), rows, made[id]) for id in ids),
        _by_day(rows, [experiments.bucket(name, id) for id in ids], definition["experiment"]["goal"], first, last),
        _spread(site.key, first, last))


def _spread(site: str, first: date, last: date) -> float:
    sampled = reports.Line.together(reports.lines([site], first, last)).sampled
    return float(sum(n * int(weight) * (int(weight) - 1) for weight, n in sampled.items()))


def _days(site: Site, numbers: Sequence[int], runs: bool, now: datetime) -> tuple[date, date]:
    where = zones.zone(site.organisation.time_zone)
    began = db.session.scalars(
        select(Version.published_at).where(Version.site == site.key, Version.number == numbers[0])).one()
    ended = None if runs else versions.ended_at(site.key, numbers[-1])
    first = zones.day_of(began, where)
    return first, max(first, zones.day_of(ended or now, where))


Rows = Sequence[Any]


def _rows(site: str, name: str, first: date, last: date) -> Rows:
    """The slices of an experiment. Its buckets lie between its name with a colon and with what follows a colon."""
    table = counts.DailySlice.__table__
    query = select(table).where(
        table.c.site == site, table.c.dimension.in_(("variant", "variant_took", "withdrawn")),
        table.c.day.between(first, last), table.c.bucket.startswith(f"{name}:", autoescape=True))
    return db.session.execute(query).all()


def _counters(row: Any) -> Counter[str]:
    """What was answered was shown, also when the page's word of it was lost."""
    found = Counter({name: int(getattr(row, name)) for name in counts.COUNTERS})
    found["shown"] = max(found["shown"], sum(found[name] for name in _ANSWERS))
    return found


def _tried(id: str, bucket: str, rows: Rows, made: Mapping[str, Any]) -> Tried:
    n: Counter[str] = Counter()
    took: Counter[int] = Counter()
    for row in rows:
        if row.dimension == "variant" and row.bucket == bucket:
            n.update(_counters(row))
        elif row.dimension == "variant_took" and row.bucket.rpartition(":")[0] == bucket:
            took[int(row.bucket.rpartition(":")[2])] += sum(int(getattr(row, name)) for name in _ANSWERS)
    withdrawn = sum(int(row.shown) for row in rows if (row.dimension, row.bucket) == ("withdrawn", bucket))
    return Tried(id, n, took, withdrawn, _words(made))


def _words(made: Mapping[str, Any]) -> dict[str, int]:
    """How many words the question has, in each language of the site: its title, introduction and how to change it."""
    own = made.get("texts", {})
    whole = {language: reworded(language, own.get(language, {})) for language in made["languages"]}
    return {language: sum(len(words[key].split()) for key in ("title", "intro", "change"))
            for language, words in whole.items()}


def _by_day(rows: Rows, buckets: Sequence[str], goal: str, first: date, last: date) -> list[list[Count]]:
    """A count for each variant on each day, also on days without any."""
    found: dict[tuple[date, str], Count] = defaultdict(lambda: Count(0, 0))
    for row in rows:
        if row.dimension == "variant":
            n = _counters(row)
            found[row.day, row.bucket] = Count(n["shown"], _part(n, goal))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [[found[day, bucket] for bucket in buckets] for day in days]


# -- as JSON ----------------------------------------------------------------------------------------------------------


def as_json(found: Result) -> dict[str, Any]:
    """For programs. A share is null where a cell of it is below ten, in any variant."""
    decision = found.decision
    return {
        "id": found.id, "goal": found.goal, "smallest": found.experiment["smallest"], "runs": found.runs,
        "versions": list(found.numbers), "first": found.first.isoformat(), "last": found.last.isoformat(),
        "planned": found.planned, "days_left": found.days_left if found.runs else None, "state": decision.state,
        "winner": found.winner.id if found.winner else None,
        "variants": [_as_json(found, number) for number in range(len(found.variants))],
    }


def _as_json(found: Result, number: int) -> dict[str, Any]:
    one, shares = found.variants[number], shares_of(found.experiment)
    against = found.decision.against[number - 1] if number and found.is_told("goal") else None
    told = {name: _share(found.shares(name)[number]) if found.is_told(name) else None for name in ("goal", *COSTS)}
    return {
        "id": one.id, "share": shares[number] / sum(shares), "shown": one.shown if found.are_shown else None, **told,
        "words": dict(one.words),
        "difference": against and {"value": against.value, "low": against.low, "high": against.high},
    }


def _share(share: Share) -> dict[str, Any]:
    return {"part": share.part, "whole": share.whole, "share": share.value, "low": share.low, "high": share.high}
