"""When an experiment may be decided, and how long that takes: planned beforehand, looked at whenever one likes. Pure.

    plan(rate=0.41, per_day=900, smallest=0.05, shares=[1, 1])  -> Plan(showings=6,300, days=7, ...)
    decide(days, shares, showings=6_300)                        -> Decision(state="winner", winner=1, ...)

Whoever looks every day at an ordinary test and stops when it says so is wrong far more often than one time in twenty.
So each difference from the first variant has a confidence sequence: an interval that holds the true difference on all
days at once, in 95 of 100 experiments, and may be looked at and acted upon on any of them (Robbins 1970; Howard et al.
2021; for unknown variances Waudby-Smith et al. 2024). Its boundary is the library's (ville). With several variants each
has its part of the 5 % (Bonferroni). The boundary is narrowest at the number of showings that was planned; it is valid
at any number.

The library is imported when the first experiment asks for it: it takes most of a second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from statistics import NormalDist
from typing import Any, Final, NamedTuple

from consent.shares import Share

ALPHA: Final = 0.05  # how often an experiment without any difference may end with a winner
POWER: Final = 0.8  # how often a difference as large as the smallest that matters is found, at least
FEWEST_SHOWN: Final = 100  # of a variant, before anything is said of it: the intervals are right for large numbers
FEWEST_DAYS: Final = 7  # a whole week: on other days other people come
LONGEST: Final = 90  # days; longer, and what is compared is the seasons
SKEWED: Final = 0.0001  # how seldom chance alone divides the showings like this, when something else must have

RUNNING, WINNER, NOTHING, UNEVEN = "running", "winner", "nothing", "uneven"


class Count(NamedTuple):
    """Of a variant on a day: how often it was shown, and how many of these ended with the goal."""

    shown: int
    goal: int


@dataclass(frozen=True)
class Plan:
    """What an experiment will take. `showings` of all variants together; `days` is None when there is no traffic."""

    rate: float
    smallest: float
    per_day: float
    showings: int
    days: int | None

    @property
    def is_long(self) -> bool:
        """Whether it would take longer than is of use: then a larger difference has to do, or fewer variants."""
        return self.days is None or self.days > LONGEST


@dataclass(frozen=True)
class Against:
    """A variant against the first: by how much its share is higher, and between which bounds that is, from -1 to 1.

    `since`: the number of the day on which the interval first lay on one side of zero; None while it does not.
    """

    value: float
    low: float
    high: float
    since: int | None

    @property
    def is_better(self) -> bool:
        """Whether it is beyond chance better than the first."""
        return self.since is not None and self.low > 0

    @property
    def is_worse(self) -> bool:
        """Whether it is beyond chance worse than the first."""
        return self.since is not None and self.high < 0


@dataclass(frozen=True)
class Decision:
    """Where an experiment stands. `winner`: the number of a variant, 0 for the first; `since`: the day that showed it.

    `state`: running, winner, nothing (all planned showings are there, and no difference), or uneven (the variants were
    shown in other shares than they should, so nothing may be concluded). While it runs, `since` says that a winner
    shows already, before the first week is over.
    """

    state: str
    winner: int | None
    since: int | None
    totals: tuple[Count, ...]
    against: tuple[Against | None, ...]  # one for each variant but the first; None while there is too little

    @property
    def shown(self) -> int:
        """Showings until now, of all variants."""
        return sum(count.shown for count in self.totals)


# -- before it starts -------------------------------------------------------------------------------------------------


def plan(rate: float, per_day: float, smallest: float, shares: Sequence[int]) -> Plan:
    """How many showings, and days of this traffic, find a difference of `smallest` with the stated power.

    `rate`: the share of the showings that end with the goal now; `smallest`: from 0 to 1. Each variant's interval has
    to be off zero with these odds when the plan ends, so it is found at least that often, and mostly earlier.
    """
    showings = needed(rate, smallest, shares)
    days = max(FEWEST_DAYS, math.ceil(showings / per_day)) if per_day > 0 else None
    return Plan(rate, smallest, per_day, showings, days)


def needed(rate: float, smallest: float, shares: Sequence[int]) -> int:
    """How many showings of all variants together."""
    reach = _widest(_part_of_alpha(shares)) + NormalDist().inv_cdf(POWER)
    return max(math.ceil((reach / smallest) ** 2 * _spread(rate, smallest, share / shares[0]) * sum(shares)
                         / (share + shares[0])) for share in shares[1:])


def _spread(rate: float, smallest: float, odds: float) -> float:
    """The variance of the difference times the showings of the two, in the direction in which it is larger."""
    part = odds / (1 + odds)
    others = [other for other in (rate - smallest, rate + smallest) if 0 <= other <= 1] or [rate]
    return max(other * (1 - other) / part + rate * (1 - rate) / (1 - part) for other in others)


def _part_of_alpha(shares: Sequence[int]) -> float:
    return ALPHA / (len(shares) - 1)


# -- the boundary -----------------------------------------------------------------------------------------------------


@cache
def _rho(alpha: float) -> float:
    """How the boundary is tuned to be narrowest at time 1; at time t it is t times that."""
    import ville  # type: ignore[import-untyped]  # has no annotations

    return float(ville.best_rho(1.0, alpha))


def _widest(alpha: float) -> float:
    """How many standard errors the interval reaches to each side where it is narrowest."""
    return float(multipliers([1], alpha, 1)[0])


def multipliers(times: Sequence[float], alpha: float, planned: float) -> Any:
    """How many standard errors the interval reaches to each side, at these numbers of showings: an array of floats."""
    import numpy
    import ville

    at = numpy.asarray(times, dtype=float)
    return ville.normal_mixture(at, alpha, _rho(alpha) * planned) / numpy.sqrt(at)


# -- while it runs ----------------------------------------------------------------------------------------------------


def decide(
    days: Sequence[Sequence[Count]], shares: Sequence[int], showings: int, inflation: float = 1.0
) -> Decision:
    """Where an experiment stands after these days, each with a count for every variant; `showings` was its plan.

    Once beyond chance, a difference stays so: the intervals of all days hold at once. `inflation`: how many times the
    variance is that of whole counts, where showings were scaled up from samples.
    """
    looks = list(accumulate(days, _added)) or [[Count(0, 0)] * len(shares)]
    totals = tuple(looks[-1])
    pairs = [(shares[0] + share) / sum(shares) * showings for share in shares[1:]]
    against = tuple(_against([(look[0], look[n]) for look in looks], _part_of_alpha(shares), planned, inflation)
                    for n, planned in enumerate(pairs, 1))
    if is_uneven(totals, shares, inflation):
        return Decision(UNEVEN, None, None, totals, against)
    winner, since = _winner(against)
    if winner is not None and len(days) >= FEWEST_DAYS:
        return Decision(WINNER, winner, since, totals, against)
    done = sum(count.shown for count in totals) >= showings and len(days) >= FEWEST_DAYS
    return Decision(NOTHING if done else RUNNING, None, since, totals, against)


def _added(before: Sequence[Count], day: Sequence[Count]) -> list[Count]:
    return [Count(one.shown + other.shown, one.goal + other.goal) for one, other in zip(before, day, strict=True)]


def _winner(against: Sequence[Against | None]) -> tuple[int | None, int | None]:
    """The best of those that beat the first; the first when all others are worse; with the day on which it showed."""
    better = {n: found for n, found in enumerate(against, 1) if found is not None and found.is_better}
    if better:
        best = max(better, key=lambda n: better[n].value)
        return best, better[best].since
    worse = [found.since for found in against if found is not None and found.is_worse and found.since is not None]
    return (0, max(worse)) if len(worse) == len(against) else (None, None)


def _against(
    looks: Sequence[tuple[Count, Count]], alpha: float, planned: float, inflation: float
) -> Against | None:
    """The second of each pair against the first."""
    enough = [n for n, pair in enumerate(looks) if min(pair[0].shown, pair[1].shown) >= FEWEST_SHOWN]
    if not enough:
        return None
    times = [(looks[n][0].shown + looks[n][1].shown) / inflation for n in enough]
    reach = multipliers(times, alpha, planned)
    values = [_difference(*looks[n]) for n in enough]
    errors = [error * math.sqrt(inflation) * wide for (_, error), wide in zip(values, reach.tolist(), strict=True)]
    bounds = [(value - error, value + error) for (value, _), error in zip(values, errors, strict=True)]
    # All intervals hold at once, so what the first of them on one side of zero says stays.
    since = next((n for n, (low, high) in enumerate(bounds) if low > 0 or high < 0), None)
    if since is None:
        return Against(values[-1][0], *bounds[-1], None)
    above = bounds[since][0] > 0
    low, high = bounds[-1]
    low, high = (max(low, bounds[since][0]), high) if above else (low, min(high, bounds[since][1]))
    return Against(values[-1][0], low, high, enough[since])


def _difference(first: Count, other: Count) -> tuple[float, float]:
    """By how much the other's share is higher, and the standard error of that; never nothing, by one more of each."""
    def variance(count: Count) -> float:
        share = (count.goal + 1) / (count.shown + 2)
        return share * (1 - share) / count.shown

    return other.goal / other.shown - first.goal / first.shown, math.sqrt(variance(first) + variance(other))


def is_uneven(totals: Sequence[Count], shares: Sequence[int], inflation: float = 1.0) -> bool:
    """Whether the variants were shown in other shares than chance allows: one of them may not appear everywhere."""
    shown = sum(count.shown for count in totals)
    if shown < FEWEST_SHOWN * len(shares):
        return False
    from scipy.special import chdtrc  # type: ignore[import-untyped]  # as above

    wished = [shown * share / sum(shares) for share in shares]
    off = sum((count.shown - wish) ** 2 / wish for count, wish in zip(totals, wished, strict=True))
    return bool(chdtrc(len(shares) - 1, off / inflation) < SKEWED)


def share_of(count: Count) -> Share:
    """The goal as a share of the showings."""
    return Share(count.goal, count.shown)
